"""``contextops chat send --schema``: JSON that matches on stdout, or nothing."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest

from contextops import files
from contextops.errors import OutputError
from shapes import (
    DONE,
    OpenWebUI,
    chunk,
    compact,
    completion,
    detail,
    in_turn,
    json_answer,
    reply,
    stream,
)

SCHEMA = {
    "title": "A line of a log!",
    "type": "object",
    "additionalProperties": False,
    "required": ["level"],
    "properties": {
        "level": {"enum": ["info", "error"]},
        "host": {"type": "string"},
        "codes": {"type": "array", "items": {"type": "integer"}},
        "a/b~c": {"type": "string"},
    },
}
FITS = '{ "level": "info",\n  "host": "größer\u2028" }'
REFUSAL = "Invalid parameter: 'response_format' of type 'json_schema' is not supported."


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Change to a folder that holds only the schema."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "line.json").write_text(json.dumps(SCHEMA))
    return folder


ARGV = ("chat", "send", "-n", "--schema", "line.json")


def answering(text, **more):
    return lambda _: stream(*reply(text, **more))


def refusing_response_format(error):
    """Refuse ``response_format``, and answer without it."""

    def answer(request):
        return error if "response_format" in request.json() else stream(*reply(FITS))

    return answer


def json_schema_of(request):
    return request.json()["response_format"]["json_schema"]


# Request


def test_schema_is_sent_as_response_format(run, serve, exported):
    server = exported(serve(answering(FITS)))
    assert run(*ARGV, "parse this").status == 0
    requested = {"name": "A_line_of_a_log", "schema": SCHEMA, "strict": True}
    body = server.request.json()
    assert body["response_format"] == {"type": "json_schema", "json_schema": requested}
    assert body["messages"] == [{"role": "user", "content": "parse this"}]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("plain.json", "plain"),
        ("größe x.json", "gr_e_x"),
        ("_.json", "answer"),
        (f"{'x' * 90}", 64),
    ],
)
def test_schema_without_title_is_named_after_its_file(run, serve, exported, here, file, name):
    (here / file).write_text("{}")
    server = exported(serve(answering("1")))
    assert run("chat", "send", "-n", "--schema", file, "hi").status == 0
    assert json_schema_of(server.request)["name"] == ("x" * name if isinstance(name, int) else name)


def test_dash_reads_schema_from_standard_input(run, serve, exported):
    server = exported(serve(answering(FITS)))
    result = run("chat", "send", "--schema", "-", "hi", input=json.dumps(SCHEMA))
    assert (result.status, result.stderr) == (0, "")
    assert json_schema_of(server.request)["schema"] == SCHEMA
    assert run("chat", "send", "--schema", "-", "-f", "-", "hi", input="{}").status == 2


def test_dry_run_prints_schema_and_sends_nothing(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run(*ARGV, "--dry-run", "hi")
    assert json.loads(result.stdout)["response_format"]["json_schema"]["schema"] == SCHEMA
    assert server.requests == []


# Output


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_matching_answer_is_printed_unchanged(run, serve, exported, how):
    def answer(request):
        streamed = request.json()["stream"]
        return stream(*reply(FITS)) if streamed else json_answer(completion(FITS))

    exported(serve(answer))
    result = run(*ARGV, how, "hi")
    assert (result.status, result.stdout, result.stderr) == (0, f"{FITS}\n", "")


def test_json_document_of_matching_answer_is_printed(run, serve, exported):
    exported(serve(answering(FITS)))
    result = run(*ARGV, "--json", "hi")
    assert result.status == 0
    document = json.loads(result.stdout)
    assert document["choices"][0]["message"]["content"] == FITS
    assert document["contextops"]["complete"] is True


def test_output_file_gets_matching_answer(run, serve, exported, here):
    exported(serve(answering(FITS)))
    result = run(*ARGV, "-o", "out.json", "hi")
    assert (result.status, result.stdout) == (0, "")
    assert (here / "out.json").read_text() == f"{FITS}\n"


def test_nothing_is_printed_before_answer_is_complete(command, serve, exported):
    proceed = threading.Event()
    first, rest = FITS[:8], FITS[8:]
    server = exported(serve(lambda _: stream(chunk(first), proceed, *reply(rest))))
    process = command.start(*ARGV, "hi", stderr=None)
    server.request_received.wait(10)
    assert process.poll() is None
    proceed.set()
    assert process.stdout.read().decode() == f"{FITS}\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"host": "a"}', "at \"\": 'level' is a required property"),
        ('{"level": "loud"}', "at \"/level\": 'loud' is not one of"),
        ('{"codes": [1, 2, "x"], "level": "loud"}', "at \"/codes/2\": 'x' is not of type"),
        ('{"level": "loud", "codes": ["x"]}', "at \"/level\": 'loud' is not one of"),
        ('{"level": "info", "a/b~c": 1}', 'at "/a~1b~0c": 1 is not of type'),
        ("[1]", 'at "": [1] is not of type'),
        ('{"level": "info", "more": 1}', "Additional properties are not allowed"),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--json"], ["-o", "out"]], ids=" ".join)
def test_mismatch_is_status_12_and_names_first_fault(run, serve, exported, here, answer, why, mode):
    exported(serve(answering(answer)))
    result = run(*ARGV, *mode, "hi")
    assert (result.status, result.stdout) == (12, "")
    assert result.stderr.count("\n") == 1
    error = json.loads(result.stderr)["error"]["message"] if mode == ["--json"] else result.stderr
    assert "the answer does not match line.json: " in error
    assert why in error
    assert [path.name for path in here.iterdir()] == ["line.json"]


def test_mismatching_answer_is_shown_only_with_verbose(run, serve, exported):
    exported(serve(answering('{"level":"loud"}')))
    assert '{"level":"loud"}' not in run(*ARGV, "hi").stderr
    assert '{"level":"loud"}' in run(*ARGV, "-v", "hi").stderr


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (stream(chunk(FITS)), 18),
        (stream(*reply(FITS, finish="length")), 18),
        (stream(*reply(FITS, finish="content_filter")), 18),
        (stream(chunk(FITS), {"error": {"message": "x"}}), 50),
    ],
    ids=["unfinished", "length", "filter", "error"],
)
@pytest.mark.parametrize("mode", [[], ["--json"]], ids=" ".join)
@pytest.mark.parametrize("more", [["--max-tokens", "9"], ["--allow-truncated"]], ids=" ".join)
def test_incomplete_answer_is_not_printed_though_it_matches(
    run, serve, exported, answer, status, mode, more
):
    exported(serve(lambda _: answer))
    result = run(*ARGV, *mode, *more, "hi")
    # Nothing may be taken for a complete answer.
    assert result.status == status
    assert result.stdout == ""


def test_answer_that_cannot_be_saved_is_printed(run, serve, exported, monkeypatch):
    def full(*_):
        raise OutputError("cannot write", "no space left")

    monkeypatch.setattr(files, "append", full)
    exported(serve(answering(FITS)))
    result = run(*ARGV, "--session", "s", "hi")
    assert (result.status, result.stdout) == (23, f"{FITS}\n")


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
@pytest.mark.parametrize("mode", [[], ["--json"]], ids=" ".join)
def test_call_without_tools_is_status_12(run, serve, exported, how, mode):
    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]
    answered = chunk(tool_calls=calls), chunk(finish="tool_calls"), DONE
    document = json_answer(completion(None, finish="tool_calls", tool_calls=calls))
    server = exported(
        serve(lambda request: stream(*answered) if request.json()["stream"] else document)
    )
    result = run(*ARGV, how, *mode, "hi")
    assert (result.status, result.stdout) == (12, "")
    assert "the model called f: no tools were offered" in result.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_refusal_is_status_12_and_not_asked_again(run, serve, exported, how):
    answered = chunk(refusal="I cannot "), chunk(refusal="help"), chunk(finish="stop"), DONE
    document = json_answer(completion(None, refusal="I cannot help"))
    server = exported(
        serve(lambda request: stream(*answered) if request.json()["stream"] else document)
    )
    result = run(*ARGV, how, "hi")
    assert (result.status, result.stdout) == (12, "")
    assert "the model refused to answer: I cannot help" in result.stderr
    assert len(server.requests) == 1


def test_truncated_answer_is_in_part_file(run, serve, exported, here):
    exported(serve(lambda _: stream(chunk('{"lev'))))
    result = run(*ARGV, "-o", "out", "hi")
    assert (result.status, result.stdout) == (18, "")
    assert (here / "out.part").read_text() == '{"lev'
    assert not (here / "out").exists()
    assert run(*ARGV, "-o", "/dev/stdout", "hi").stdout == ""


def test_call_of_offered_tool_is_not_checked(run, serve, exported, here):
    (here / "tools.json").write_text('[{"type": "function", "function": {"name": "get_weather"}}]')
    exported(serve(OpenWebUI()))
    result = run(*ARGV, "--tools", "tools.json", "hi")
    assert (result.status, result.stderr) == (0, "")
    assert json.loads(result.stdout)["function"]["name"] == "get_weather"


# Servers without response_format


@pytest.mark.parametrize(
    "error",
    [
        json_answer({"error": {"message": REFUSAL, "type": "invalid_request_error"}}, 400),
        detail(f"400: {REFUSAL}", 400),
        detail("response format is not supported", 400),
        json_answer({"error": {"message": "No structured outputs here", "type": "x"}}, 400),
        json_answer({"error": {"message": "Not supported", "param": "response_format"}}, 400),
        json_answer({"error": {"message": "Unable to parse: JSON schema error at /"}}, 400),
    ],
    ids=["0.12.4", "0.6.5", "words", "other words", "parameter", "llama.cpp"],
)
def test_server_refusing_response_format_gets_schema_in_system(run, serve, exported, error):
    server = exported(serve(refusing_response_format(error)))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (0, f"{FITS}\n")
    assert result.stderr.startswith("contextops: note: the server refused response_format (")
    assert result.stderr.count("\n") == 1
    first, second = (request.json() for request in server.requests)
    system, user = second.pop("messages")
    assert system["role"] == "system"
    assert json.loads(system["content"].partition("\n\n")[2]) == SCHEMA
    assert [user] == first.pop("messages")
    del first["response_format"]
    assert first == second
    assert run("-q", *ARGV, "hi").stderr == ""


@pytest.mark.parametrize("answered", ["Sure! The level is info.", f"```json\n{FITS}\n```", ""])
def test_server_ignoring_response_format_gets_schema_in_system(run, serve, exported, answered):
    server = exported(serve(in_turn(stream(*reply(answered)), stream(*reply(FITS)))))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (0, f"{FITS}\n")
    assert "ignored response_format" in result.stderr
    assert "response_format" not in server.requests[-1].json()


def test_schema_in_system_message_is_tried_once(run, serve, exported):
    server = exported(serve(answering("I would rather not.")))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (12, "")
    assert "it is not JSON" in result.stderr
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [detail("no such thing", 400), detail(REFUSAL, 401)])
def test_unrelated_refusal_is_not_asked_again(run, serve, exported, answer):
    server = exported(
        serve(lambda request: answer if request.method == "POST" else detail("", 401))
    )
    result = run(*ARGV, "hi")
    assert result.status in (22, 4)
    assert sum(request.method == "POST" for request in server.requests) == 1


def test_mismatching_json_is_not_asked_again(run, serve, exported):
    server = exported(serve(answering("{}")))
    assert run(*ARGV, "hi").status == 12
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answered", ["terse", [{"type": "text", "text": "terse"}]], ids=["text", "parts"]
)
def test_schema_is_added_to_existing_system_message(run, serve, exported, here, answered):
    messages = [{"role": "system", "content": answered}, {"role": "user", "content": "hi"}]
    (here / "m.json").write_text(json.dumps(messages))
    server = exported(serve(in_turn(stream(*reply("no")), stream(*reply(FITS)))))
    assert run(*ARGV, "--messages", "m.json").status == 0
    system, user = server.requests[-1].json()["messages"]
    assert user == messages[1]
    assert (system["role"], type(system["content"])) == ("system", type(answered))
    assert json.dumps(system).index("terse") < json.dumps(system).index("JSON Schema")


def test_session_saves_one_turn_without_schema(run, serve, exported, here):
    exported(serve(in_turn(stream(*reply("no")), stream(*reply(FITS)))))
    assert run(*ARGV, "--session", "./s.jsonl", "hi").status == 0
    records = [json.loads(line) for line in (here / "s.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert [record["content"] for record in records] == ["hi", FITS]


def test_session_saves_truncated_answer(run, serve, exported, here):
    exported(serve(lambda _: stream(chunk('{"lev'))))
    assert run(*ARGV, "--session", "./s.jsonl", "hi").status == 18
    last = json.loads((here / "s.jsonl").read_text("utf-8").splitlines()[-1])
    assert (last["content"], last["complete"]) == ('{"lev', False)


def test_max_time_includes_second_request(run, serve, exported):
    answers = ([0.7, *stream(*reply(text))] for text in ("no", FITS))
    exported(serve(in_turn(*answers)))
    result = run(*ARGV, "--max-time", "1.1", "hi")
    assert (result.status, result.stdout) == (28, "")


# Invalid schemas


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line.json is not JSON"),
        ("[]", "line.json is not a JSON Schema: it is not a JSON object"),
        ("true", "it is not a JSON object"),
        ('{"type": "cat"}', "at \"/type\": 'cat' is not valid"),
        ('{"properties": {"a": {"pattern": "("}}}', 'at "/properties/a/pattern"'),
        ('{"$schema": "https://example.org/mine"}', "unknown draft"),
        ('{"$schema": 7}', "not a JSON Schema"),
        ('{"$ref": "#/$defs/none"}', "refers to #/$defs/none, which is not in it"),
        ('{"properties": {"a": {"$ref": "#none"}}}', "refers to #none"),
        ('{"items": {"$ref": "http://127.0.0.1:9/s.json"}}', "refers to http://127.0.0.1:9/s.json"),
        ('{"items": {"$ref": "other.json"}}', "refers to other.json"),
        ('{"$ref": "#"}', "refers to itself endlessly"),
        ('{"items": {"$ref": "#/allOf/x"}, "allOf": [{}]}', "refers to #/allOf/x, which is not"),
        ('{"items": {"$ref": "#/minItems/x"}, "minItems": 1}', "refers to #/minItems/x, which"),
        ('{"items": {"$ref": "#/required/0"}, "required": ["a"]}', "at \"#/required/0\": 'a' is"),
        ('{"items": {"$ref": "#/minItems"}, "minItems": 1}', 'at "#/minItems": 1 is not'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"type": "cat"}}}', 'at "#/x/y/type"'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"pattern": "("}}}', 'at "#/x/y/pattern"'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"required": 5}}}', 'at "#/x/y/required"'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"items": {"$ref": "#/z"}}}}', "to #/z, which"),
        ('{"a": NaN}', "is not JSON"),
    ],
)
def test_invalid_schema_is_status_26_and_nothing_is_sent(run, serve, exported, here, text, words):
    (here / "line.json").write_text(text)
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (26, "")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert server.requests == []


@pytest.mark.parametrize("name", ["none.json", ""])
def test_missing_schema_file_is_status_26(run, serve, exported, name):
    exported(serve(OpenWebUI(), may_be_idle=True))
    assert run("chat", "send", "-n", "--schema", name, "hi").status == 26


def test_schema_is_utf8_whatever_the_encoding_of_text(run, here):
    wide = {"title": "größer"}
    (here / "line.json").write_bytes(json.dumps(wide, ensure_ascii=False).encode("utf-8-sig"))
    result = run(*ARGV, "--encoding", "latin-1", "--dry-run", "-m", "m", "hi")
    assert json.loads(result.stdout)["response_format"]["json_schema"]["schema"] == wide


def test_remote_reference_is_not_fetched(run, serve, exported, here):
    server = exported(serve(lambda _: json_answer({}), may_be_idle=True))
    (here / "line.json").write_text(json.dumps({"$ref": f"{server.url}/schema.json"}))
    assert run(*ARGV, "hi").status == 26
    assert server.requests == []


def test_remote_reference_reached_by_answer_is_not_fetched(run, serve, exported, here):
    server = exported(serve(answering('{"a": 1}'), may_be_idle=True))
    hidden = {"x": {"$ref": f"{server.url}/schema.json"}}
    schema = {"properties": {"a": {"$ref": "#/components/x"}}, "components": hidden}
    (here / "line.json").write_text(json.dumps(schema))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (26, "")
    assert "/schema.json, which is not in it" in result.stderr
    assert server.requests == []


def test_schema_found_invalid_while_checking_is_status_26(run, serve, exported, here):
    draft = "http://json-schema.org/draft-04/schema#"
    (here / "line.json").write_text(json.dumps({"$schema": draft, "patternProperties": {"(": {}}}))
    exported(serve(answering('{"a": 1}')))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (26, "")
    assert "line.json is not a JSON Schema: missing )" in result.stderr


@pytest.mark.parametrize(
    ("schema", "fits", "wrong"),
    [
        ({"$defs": {"n": {"type": "null"}}, "items": {"$ref": "#/$defs/n"}}, "[null]", "[1]"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "array"}, "[]", "{}"),
        (
            {
                "$id": "https://x.example/s",
                "$defs": {"o": {"type": "object"}},
                "items": {"$ref": "s#/$defs/o"},
            },
            *("[{}]", "[1]"),
        ),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "{}", '{"type": 1}'),
        ({"items": {"$ref": "#"}, "type": "array"}, "[[[]]]", "[[[1]]]"),
        ({"multipleOf": 0.5}, "1.5", f"1{'0' * 400}"),
    ],
    ids=["local", "draft 4", "own id", "a draft's own", "recursive", "a huge number"],
)
def test_answers_are_checked_by_all_kinds_of_schema(
    run, serve, exported, here, schema, fits, wrong
):
    (here / "line.json").write_text(json.dumps(schema))
    for text, status in ((fits, 0), (wrong, 12)):
        exported(serve(answering(text)))
        assert run(*ARGV, "hi").status == status


def test_missing_property_is_named_by_draft_3(run, serve, exported, here):
    draft = "http://json-schema.org/draft-03/schema#"
    schema = {"$schema": draft, "properties": {"b": {"required": True}}}
    (here / "line.json").write_text(json.dumps(schema))
    exported(serve(answering('{"a": 1}')))
    assert "'b' is a required property" in run(*ARGV, "hi").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no timer interrupts a pattern there")
def test_check_ends_with_max_time(run, serve, exported, here):
    (here / "line.json").write_text('{"pattern": "^(a+)+$"}')
    exported(serve(answering(json.dumps(f"{'a' * 40}!"))))
    started = time.monotonic()
    result = run(*ARGV, "--max-time", "1", "hi")
    assert (result.status, result.stdout) == (28, "")
    assert "not done within 1 s; allow more with --max-time" in result.stderr
    assert time.monotonic() - started < 10


def test_first_of_many_faults_is_found_quickly(run, serve, exported, here):
    (here / "line.json").write_text('{"additionalProperties": {"type": "string"}}')
    answer = compact({f"k{number}": number for number in range(30_000)})
    exported(serve(answering(answer)))
    started = time.monotonic()
    assert 'at "/k0": 0 is not of type' in run(*ARGV, "hi").stderr
    # In quadratic time it takes 19 s.
    assert time.monotonic() - started < 10


def test_deep_answer_is_checked_or_status_12(run, serve, exported, here):
    schema = {"type": ["array", "null"], "items": {"anyOf": [{"$ref": "#"}]}}
    (here / "line.json").write_text(json.dumps(schema))
    exported(serve(answering(f"{'[' * 199}{']' * 199}")))
    assert run(*ARGV, "hi").status in (0, 12)


# Options that exclude each other


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-x"], "-x and --schema exclude"),
        (["--extract-lang", "json"], "-x and --schema exclude"),
        (["--jsonl"], "--schema and --jsonl exclude"),
        (["--param", "response_format={}"], "response_format is set twice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_option_excluded_by_schema_is_status_2(run, serve, exported, flags, words):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run(*ARGV, *flags, "hi")
    assert result.status == 2
    assert words in result.stderr
    assert server.requests == []


@pytest.mark.local_model
def test_demo_model_follows_schema(command, here):
    # A property without a bound would let so small a model write until its context is full.
    level = {"enum": ["info", "error"]}
    (here / "line.json").write_text(json.dumps({**SCHEMA, "properties": {"level": level}}))
    result = command(*ARGV, "--local", "the level of: error, disk full")
    assert (result.status, result.stderr) == (0, "")
    assert json.loads(result.stdout)["level"] in ("info", "error")
