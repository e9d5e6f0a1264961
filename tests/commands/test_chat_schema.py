"""``contextops chat send --schema``: JSON of one form on stdout, checked, or nothing."""

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
    """Be in a folder of one's own, where the schema is."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "line.json").write_text(json.dumps(SCHEMA))
    return folder


ARGV = ("chat", "send", "-n", "--schema", "line.json")


def saying(text, **more):
    return lambda _: stream(*reply(text, **more))


def refusing_the_form(error):
    """Refuse ``response_format``, and answer without it."""

    def answer(request):
        return error if "response_format" in request.json() else stream(*reply(FITS))

    return answer


def form_of(request):
    return request.json()["response_format"]["json_schema"]


# What is sent


def test_the_schema_is_sent_as_the_api_has_it(run, serve, exported):
    server = exported(serve(saying(FITS)))
    assert run(*ARGV, "parse this").status == 0
    asked = {"name": "A_line_of_a_log", "schema": SCHEMA, "strict": True}
    body = server.request.json()
    assert body["response_format"] == {"type": "json_schema", "json_schema": asked}
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
def test_without_a_title_the_file_names_it(run, serve, exported, here, file, name):
    (here / file).write_text("{}")
    server = exported(serve(saying("1")))
    assert run("chat", "send", "-n", "--schema", file, "hi").status == 0
    assert form_of(server.request)["name"] == ("x" * name if isinstance(name, int) else name)


def test_standard_input_can_be_the_schema(run, serve, exported):
    server = exported(serve(saying(FITS)))
    told = run("chat", "send", "--schema", "-", "hi", input=json.dumps(SCHEMA))
    assert (told.status, told.stderr) == (0, "")
    assert form_of(server.request)["schema"] == SCHEMA
    assert run("chat", "send", "--schema", "-", "-f", "-", "hi", input="{}").status == 2


def test_a_dry_run_shows_it_and_sends_nothing(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run(*ARGV, "--dry-run", "hi")
    assert json.loads(told.stdout)["response_format"]["json_schema"]["schema"] == SCHEMA
    assert server.requests == []


# What comes out


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_what_fits_is_printed_as_it_came(run, serve, exported, how):
    def answer(request):
        streamed = request.json()["stream"]
        return stream(*reply(FITS)) if streamed else json_answer(completion(FITS))

    exported(serve(answer))
    told = run(*ARGV, how, "hi")
    assert (told.status, told.stdout, told.stderr) == (0, f"{FITS}\n", "")


def test_the_document_comes_once_it_is_checked(run, serve, exported):
    exported(serve(saying(FITS)))
    told = run(*ARGV, "--json", "hi")
    assert told.status == 0
    document = json.loads(told.stdout)
    assert document["choices"][0]["message"]["content"] == FITS
    assert document["contextops"]["complete"] is True


def test_a_file_gets_it(run, serve, exported, here):
    exported(serve(saying(FITS)))
    told = run(*ARGV, "-o", "out.json", "hi")
    assert (told.status, told.stdout) == (0, "")
    assert (here / "out.json").read_text() == f"{FITS}\n"


def test_nothing_is_printed_before_all_of_it_is_there(command, serve, exported):
    go_on = threading.Event()
    first, rest = FITS[:8], FITS[8:]
    server = exported(serve(lambda _: stream(chunk(first), go_on, *reply(rest))))
    process = command.start(*ARGV, "hi", stderr=None)
    server.request_received.wait(10)
    assert process.poll() is None
    go_on.set()
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
def test_what_does_not_fit_is_12_and_names_the_first_fault(
    run, serve, exported, here, answer, why, mode
):
    exported(serve(saying(answer)))
    told = run(*ARGV, *mode, "hi")
    assert (told.status, told.stdout) == (12, "")
    assert told.stderr.count("\n") == 1
    error = json.loads(told.stderr)["error"]["message"] if mode == ["--json"] else told.stderr
    assert "the answer does not fit line.json: " in error
    assert why in error
    assert [path.name for path in here.iterdir()] == ["line.json"]


def test_what_does_not_fit_is_shown_where_it_is_asked_for(run, serve, exported):
    exported(serve(saying('{"level":"loud"}')))
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
    ids=["unproved", "length", "filter", "error"],
)
@pytest.mark.parametrize("mode", [[], ["--json"]], ids=" ".join)
@pytest.mark.parametrize("more", [["--max-tokens", "9"], ["--allow-truncated"]], ids=" ".join)
def test_what_is_not_whole_is_not_printed_though_it_fits(
    run, serve, exported, answer, status, mode, more
):
    exported(serve(lambda _: answer))
    told = run(*ARGV, *mode, *more, "hi")
    # The document says itself that it is not complete; nothing else may be taken for it.
    assert told.status == status
    assert told.stdout == ""


def test_an_answer_that_cannot_be_kept_is_printed_all_the_same(run, serve, exported, monkeypatch):
    def full(*_):
        raise OutputError("cannot write", "no space left")

    monkeypatch.setattr(files, "append", full)
    exported(serve(saying(FITS)))
    told = run(*ARGV, "--session", "s", "hi")
    assert (told.status, told.stdout) == (23, f"{FITS}\n")


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
@pytest.mark.parametrize("mode", [[], ["--json"]], ids=" ".join)
def test_a_call_that_was_not_offered_does_not_fit(run, serve, exported, how, mode):
    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]
    said = chunk(tool_calls=calls), chunk(finish="tool_calls"), DONE
    whole = json_answer(completion(None, finish="tool_calls", tool_calls=calls))
    server = exported(serve(lambda told: stream(*said) if told.json()["stream"] else whole))
    told = run(*ARGV, how, *mode, "hi")
    assert (told.status, told.stdout) == (12, "")
    assert "the model called f: an answer was asked for" in told.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_refusal_is_told_as_one_and_no_form_is_asked_for_again(run, serve, exported, how):
    said = chunk(refusal="I cannot "), chunk(refusal="help"), chunk(finish="stop"), DONE
    whole = json_answer(completion(None, refusal="I cannot help"))
    server = exported(serve(lambda told: stream(*said) if told.json()["stream"] else whole))
    told = run(*ARGV, how, "hi")
    assert (told.status, told.stdout) == (12, "")
    assert "the model gave no answer: it refused: I cannot help" in told.stderr
    assert len(server.requests) == 1


def test_what_came_of_a_cut_answer_is_in_the_part(run, serve, exported, here):
    exported(serve(lambda _: stream(chunk('{"lev'))))
    told = run(*ARGV, "-o", "out", "hi")
    assert (told.status, told.stdout) == (18, "")
    assert (here / "out.part").read_text() == '{"lev'
    assert not (here / "out").exists()
    assert run(*ARGV, "-o", "/dev/stdout", "hi").stdout == ""


def test_a_call_is_no_answer_to_check(run, serve, exported, here):
    (here / "tools.json").write_text('[{"type": "function", "function": {"name": "get_weather"}}]')
    exported(serve(OpenWebUI()))
    told = run(*ARGV, "--tools", "tools.json", "hi")
    assert (told.status, told.stderr) == (0, "")
    assert json.loads(told.stdout)["function"]["name"] == "get_weather"


# Servers that do not know the form


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
def test_a_server_that_refuses_the_form_is_asked_in_words(run, serve, exported, error):
    server = exported(serve(refusing_the_form(error)))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (0, f"{FITS}\n")
    assert told.stderr.startswith("contextops: note: the server refused response_format (")
    assert told.stderr.count("\n") == 1
    first, second = (request.json() for request in server.requests)
    system, user = second.pop("messages")
    assert system["role"] == "system"
    assert json.loads(system["content"].partition("\n\n")[2]) == SCHEMA
    assert [user] == first.pop("messages")
    del first["response_format"]
    assert first == second
    assert run("-q", *ARGV, "hi").stderr == ""


@pytest.mark.parametrize("said", ["Sure! The level is info.", f"```json\n{FITS}\n```", ""])
def test_a_server_that_ignores_the_form_is_asked_in_words(run, serve, exported, said):
    server = exported(serve(in_turn(stream(*reply(said)), stream(*reply(FITS)))))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (0, f"{FITS}\n")
    assert "ignored response_format" in told.stderr
    assert "response_format" not in server.requests[-1].json()


def test_it_is_asked_so_once(run, serve, exported):
    server = exported(serve(saying("I would rather not.")))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (12, "")
    assert "it is no JSON" in told.stderr
    assert len(server.requests) == 2


@pytest.mark.parametrize("answer", [detail("no such thing", 400), detail(REFUSAL, 401)])
def test_another_refusal_is_none_of_the_form(run, serve, exported, answer):
    server = exported(
        serve(lambda request: answer if request.method == "POST" else detail("", 401))
    )
    told = run(*ARGV, "hi")
    assert told.status in (22, 4)
    assert sum(request.method == "POST" for request in server.requests) == 1


def test_json_that_does_not_fit_is_not_asked_for_again(run, serve, exported):
    server = exported(serve(saying("{}")))
    assert run(*ARGV, "hi").status == 12
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "said", ["terse", [{"type": "text", "text": "terse"}]], ids=["text", "parts"]
)
def test_a_system_message_that_is_there_is_added_to(run, serve, exported, here, said):
    messages = [{"role": "system", "content": said}, {"role": "user", "content": "hi"}]
    (here / "m.json").write_text(json.dumps(messages))
    server = exported(serve(in_turn(stream(*reply("no")), stream(*reply(FITS)))))
    assert run(*ARGV, "--messages", "m.json").status == 0
    system, user = server.requests[-1].json()["messages"]
    assert user == messages[1]
    assert (system["role"], type(system["content"])) == ("system", type(said))
    assert json.dumps(system).index("terse") < json.dumps(system).index("JSON Schema")


def test_a_session_keeps_one_turn_without_the_schema(run, serve, exported, here):
    exported(serve(in_turn(stream(*reply("no")), stream(*reply(FITS)))))
    assert run(*ARGV, "--session", "./s.jsonl", "hi").status == 0
    records = [json.loads(line) for line in (here / "s.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert [record["content"] for record in records] == ["hi", FITS]


def test_a_session_keeps_what_came_of_a_cut_one(run, serve, exported, here):
    exported(serve(lambda _: stream(chunk('{"lev'))))
    assert run(*ARGV, "--session", "./s.jsonl", "hi").status == 18
    last = json.loads((here / "s.jsonl").read_text("utf-8").splitlines()[-1])
    assert (last["content"], last["complete"]) == ('{"lev', False)


def test_the_whole_time_holds_for_both(run, serve, exported):
    answers = ([0.7, *stream(*reply(text))] for text in ("no", FITS))
    exported(serve(in_turn(*answers)))
    told = run(*ARGV, "--max-time", "1.1", "hi")
    assert (told.status, told.stdout) == (28, "")


# What is no schema


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line.json is no JSON"),
        ("[]", "line.json is no JSON Schema: it is no JSON object"),
        ("true", "it is no JSON object"),
        ('{"type": "cat"}', "at \"/type\": 'cat' is not valid"),
        ('{"properties": {"a": {"pattern": "("}}}', 'at "/properties/a/pattern"'),
        ('{"$schema": "https://example.org/mine"}', "no draft is called"),
        ('{"$schema": 7}', "no JSON Schema"),
        ('{"$ref": "#/$defs/none"}', "refers to #/$defs/none, which is not in it"),
        ('{"properties": {"a": {"$ref": "#none"}}}', "refers to #none"),
        ('{"items": {"$ref": "http://127.0.0.1:9/s.json"}}', "refers to http://127.0.0.1:9/s.json"),
        ('{"items": {"$ref": "other.json"}}', "refers to other.json"),
        ('{"$ref": "#"}', "refers to itself without end"),
        ('{"items": {"$ref": "#/allOf/x"}, "allOf": [{}]}', "refers to #/allOf/x, which is not"),
        ('{"items": {"$ref": "#/minItems/x"}, "minItems": 1}', "refers to #/minItems/x, which"),
        ('{"items": {"$ref": "#/required/0"}, "required": ["a"]}', "at \"#/required/0\": 'a' is"),
        ('{"items": {"$ref": "#/minItems"}, "minItems": 1}', 'at "#/minItems": 1 is not'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"type": "cat"}}}', 'at "#/x/y/type"'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"pattern": "("}}}', 'at "#/x/y/pattern"'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"required": 5}}}', 'at "#/x/y/required"'),
        ('{"items": {"$ref": "#/x/y"}, "x": {"y": {"items": {"$ref": "#/z"}}}}', "to #/z, which"),
        ('{"a": NaN}', "is no JSON"),
    ],
)
def test_what_is_no_schema_is_26_and_nothing_is_sent(run, serve, exported, here, text, words):
    (here / "line.json").write_text(text)
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (26, "")
    assert words in told.stderr
    assert told.stderr.count("\n") == 1
    assert server.requests == []


@pytest.mark.parametrize("name", ["none.json", ""])
def test_a_schema_that_is_not_there_is_26(run, serve, exported, name):
    exported(serve(OpenWebUI(), may_be_idle=True))
    assert run("chat", "send", "-n", "--schema", name, "hi").status == 26


def test_a_schema_is_utf8_whatever_text_is_in(run, here):
    wide = {"title": "größer"}
    (here / "line.json").write_bytes(json.dumps(wide, ensure_ascii=False).encode("utf-8-sig"))
    told = run(*ARGV, "--encoding", "latin-1", "--dry-run", "-m", "m", "hi")
    assert json.loads(told.stdout)["response_format"]["json_schema"]["schema"] == wide


def test_no_reference_is_ever_fetched(run, serve, exported, here):
    server = exported(serve(lambda _: json_answer({}), may_be_idle=True))
    (here / "line.json").write_text(json.dumps({"$ref": f"{server.url}/schema.json"}))
    assert run(*ARGV, "hi").status == 26
    assert server.requests == []


def test_nor_is_one_that_only_an_answer_leads_to(run, serve, exported, here):
    server = exported(serve(saying('{"a": 1}'), may_be_idle=True))
    hidden = {"x": {"$ref": f"{server.url}/schema.json"}}
    schema = {"properties": {"a": {"$ref": "#/components/x"}}, "components": hidden}
    (here / "line.json").write_text(json.dumps(schema))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (26, "")
    assert "/schema.json, which is not in it" in told.stderr
    assert server.requests == []


def test_what_only_a_check_shows_to_be_no_schema_is_26(run, serve, exported, here):
    draft = "http://json-schema.org/draft-04/schema#"
    (here / "line.json").write_text(json.dumps({"$schema": draft, "patternProperties": {"(": {}}}))
    exported(serve(saying('{"a": 1}')))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (26, "")
    assert "line.json is no JSON Schema: missing )" in told.stderr


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
def test_schemas_of_all_kinds_are_held_to(run, serve, exported, here, schema, fits, wrong):
    (here / "line.json").write_text(json.dumps(schema))
    for text, status in ((fits, 0), (wrong, 12)):
        exported(serve(saying(text)))
        assert run(*ARGV, "hi").status == status


def test_a_fault_in_what_is_not_there_is_named(run, serve, exported, here):
    draft = "http://json-schema.org/draft-03/schema#"
    schema = {"$schema": draft, "properties": {"b": {"required": True}}}
    (here / "line.json").write_text(json.dumps(schema))
    exported(serve(saying('{"a": 1}')))
    assert "'b' is a required property" in run(*ARGV, "hi").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no timer interrupts a pattern there")
def test_a_check_ends_with_the_time_that_there_is(run, serve, exported, here):
    (here / "line.json").write_text('{"pattern": "^(a+)+$"}')
    exported(serve(saying(json.dumps(f"{'a' * 40}!"))))
    begun = time.monotonic()
    told = run(*ARGV, "--max-time", "1", "hi")
    assert (told.status, told.stdout) == (28, "")
    assert "not done within 1 s; allow more with --max-time" in told.stderr
    assert time.monotonic() - begun < 10


def test_many_faults_are_put_in_order_in_no_time(run, serve, exported, here):
    (here / "line.json").write_text('{"additionalProperties": {"type": "string"}}')
    answer = compact({f"k{number}": number for number in range(30_000)})
    exported(serve(saying(answer)))
    begun = time.monotonic()
    assert 'at "/k0": 0 is not of type' in run(*ARGV, "hi").stderr
    # A square of so many takes 19 s.
    assert time.monotonic() - begun < 10


def test_a_deep_answer_is_no_bug(run, serve, exported, here):
    schema = {"type": ["array", "null"], "items": {"anyOf": [{"$ref": "#"}]}}
    (here / "line.json").write_text(json.dumps(schema))
    exported(serve(saying(f"{'[' * 199}{']' * 199}")))
    assert run(*ARGV, "hi").status in (0, 12)


# What cannot be meant


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-x"], "-x and --schema exclude"),
        (["--extract-lang", "json"], "-x and --schema exclude"),
        (["--jsonl"], "--schema and --jsonl exclude"),
        (["--param", "response_format={}"], "response_format is given twice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_excludes_a_schema_is_status_2(run, serve, exported, flags, words):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run(*ARGV, *flags, "hi")
    assert told.status == 2
    assert words in told.stderr
    assert server.requests == []


@pytest.mark.local_model
def test_the_demo_model_is_held_to_the_schema(command, here):
    # Nothing without a bound: so small a model would go on until its context is full.
    level = {"enum": ["info", "error"]}
    (here / "line.json").write_text(json.dumps({**SCHEMA, "properties": {"level": level}}))
    told = command(*ARGV, "--local", "the level of: error, disk full")
    assert (told.status, told.stderr) == (0, "")
    assert json.loads(told.stdout)["level"] in ("info", "error")
