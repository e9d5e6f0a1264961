"""``contextops chat send --tools``: calls out as JSON, one a line; nothing is ever executed."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from contextops import files
from contextops.errors import OutputError
from server import HOLD
from shapes import DONE, VERSIONS, OpenWebUI, chunk, completion, json_answer, reply, stream

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
OTHER = {"type": "function", "function": {"name": "now"}}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Change to a folder that holds only the tools."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "tools.json").write_text(json.dumps([WEATHER, OTHER]))
    return folder


ARGV = ("chat", "send", "-n", "--tools", "tools.json")


def piece(index=None, name=None, arguments="", **more):
    """Return a piece of a call as servers send it."""
    function = {"arguments": arguments, **({"name": name} if name else {})}
    place = {} if index is None else {"index": index}
    return {**place, **more, "function": function}


def calling(*pieces, finish="tool_calls", text=None):
    """Return a server that streams pieces of calls, an event each, after a text."""
    before = [chunk(text)] if text else []
    calls = [chunk(tool_calls=[each]) for each in pieces]
    return lambda _: stream(*before, *calls, *([chunk(finish=finish), DONE] if finish else []))


def lines_of(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def call(number, name, arguments):
    return {
        "id": number,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


# Request


def test_tools_are_sent_unchanged(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run(*ARGV, "weather?").status == 0
    assert server.request.json()["tools"] == [WEATHER, OTHER]
    assert "tool_choice" not in server.request.json()
    assert run("chat", "send", "--tools", "-", "hi", input=json.dumps([OTHER])).status == 0
    assert server.requests[-1].json()["tools"] == [OTHER]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        *((word, word) for word in ("auto", "none", "required")),
        ("now", {"type": "function", "function": {"name": "now"}}),
    ],
)
def test_tool_choice_is_sent(run, serve, exported, typed, sent):
    server = exported(serve(OpenWebUI()))
    assert run(*ARGV, "--tool-choice", typed, "hi").status == 0
    assert server.request.json()["tool_choice"] == sent


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([*ARGV, "--tool-choice", "then"], "unknown tool then: the tools are get_weather, now"),
        (["chat", "send", "--tool-choice", "auto"], "--tool-choice requires --tools"),
        ([*ARGV, "-x"], "-x and --tools exclude"),
        ([*ARGV, "--param", "tools=[]"], "tools is set twice"),
        ([*ARGV, "--tool-choice", "now", "--param", "tool_choice=none"], "set twice"),
        ([*ARGV[:-1], "-", "--messages", "-"], "'-' and -n|used twice"),
    ],
    ids=lambda value: " ".join(value[4:]) if isinstance(value, list) else "",
)
def test_invalid_combination_is_status_2(run, serve, exported, flags, words):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run(*flags, "hi")
    assert (result.status, result.stdout) == (2, "")
    assert any(word in result.stderr for word in words.split("|"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "tools.json is not a JSON array of tools"),
        ([WEATHER, 1], "tool 1 of tools.json is invalid: it is not an object"),
        ([{"function": {"name": "f"}}], 'tool 0 of tools.json is invalid: its type is not "func'),
        ([{"type": "function"}], "its function is not an object"),
        ([{"type": "function", "name": "f"}], "its function is not an object"),
        ([{"type": "function", "function": {}}], "its function has no name"),
        ([OTHER, WEATHER, OTHER], "tool 2 of tools.json is invalid: another tool has the name now"),
        (
            [{"type": "function", "function": {"name": "f", "description": 1}}],
            "its description is not text",
        ),
        (
            [{"type": "function", "function": {"name": "f", "parameters": []}}],
            "its parameters are not a JSON Schema object",
        ),
    ],
)
def test_invalid_tool_is_status_26_and_nothing_is_sent(run, serve, exported, here, value, words):
    (here / "tools.json").write_text(json.dumps(value))
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (26, "")
    assert words in result.stderr
    assert server.requests == []


@pytest.mark.parametrize(("file", "text"), [("tools.json", "{"), ("none.json", "")])
def test_unreadable_tools_file_is_status_26(run, serve, exported, here, file, text):
    (here / "tools.json").write_text(text)
    exported(serve(OpenWebUI(), may_be_idle=True))
    assert run("chat", "send", "-n", "--tools", file, "hi").status == 26


# Output


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_call_is_printed_as_line(run, serve, exported, version, how):
    exported(serve(OpenWebUI(version)))
    result = run(*ARGV, how, "weather?")
    assert (result.status, result.stderr) == (0, "")
    (made,) = lines_of(result)
    assert made == call("call_1", "get_weather", '{"city": "Zürich"}')


def test_calls_are_assembled_though_one_index_holds_two(run, serve, exported):
    exported(
        serve(
            calling(
                piece(0, "f", id="a", type="function"),
                piece(1, "g", "{", id="b"),
                piece(0, arguments='{"x":'),
                piece(1, arguments="}"),
                piece(0, arguments=" 1}"),
                piece(0, "h", "[]", id="c"),
            )
        )
    )
    result = run(*ARGV, "hi")
    assert result.status == 0
    assert lines_of(result) == [
        *(call("a", "f", '{"x": 1}'), call("b", "g", "{}"), call("c", "h", "[]"))
    ]


def test_thousand_calls_are_thousand_lines(run, serve, exported):
    many = [piece(n, "f", str(n), id=f"c{n}") for n in range(1000)]
    exported(serve(lambda _: stream(chunk(tool_calls=many), chunk(finish="tool_calls"), DONE)))
    result = run(*ARGV, "hi")
    assert result.status == 0
    assert lines_of(result) == [call(f"c{n}", "f", str(n)) for n in range(1000)]


def test_arguments_sent_as_object_are_printed_as_text(run, serve, exported):
    tool_calls = [{"function": {"name": "f", "arguments": {"x": "ü"}}}]
    exported(serve(lambda _: json_answer(completion(None, tool_calls=tool_calls))))
    assert lines_of(run(*ARGV, "hi")) == [call("call_1", "f", '{"x":"ü"}')]


@pytest.mark.parametrize("arguments", ["", " ", None])
def test_missing_arguments_are_printed_as_empty_object(run, serve, exported, arguments):
    exported(serve(calling(piece(0, "now", arguments, id="a"))))
    assert lines_of(run(*ARGV, "hi")) == [call("a", "now", "{}")]
    tool_calls = [{"id": "a", "function": {"name": "now", "arguments": arguments}}]
    exported(serve(lambda _: json_answer(completion(None, tool_calls=tool_calls))))
    assert lines_of(run(*ARGV, "hi")) == [call("a", "now", "{}")]


def test_function_call_of_older_api_is_printed_as_line(run, serve, exported):
    text = chunk(function_call={"name": "f", "arguments": "{}"})
    exported(serve(lambda _: stream(text, chunk(finish="function_call"), DONE)))
    assert lines_of(run(*ARGV, "hi")) == [call("call_1", "f", "{}")]


@pytest.mark.parametrize("flags", [["--param", "tools=[]"], []])
def test_calls_without_tools_option_are_noted(run, serve, exported, flags):
    exported(serve(calling(piece(0, "f", "{}"), piece(1, "g", "{}"), piece(2, "f", "{}"))))
    result = run("chat", "send", "-n", *flags, "hi")
    assert (result.status, result.stdout) == (0, "")
    note = "the model called f, g; use --tools FILE or --json to print the calls"
    assert result.stderr == f"contextops: note: {note}\n"
    assert run("-q", "chat", "send", "-n", *flags, "hi").stderr == ""


def test_text_beside_calls_is_on_stderr(run, serve, exported):
    exported(serve(calling(piece(0, "f", "{}", id="a"), text="Let me look.")))
    result = run(*ARGV, "hi")
    assert (result.status, result.stderr) == (0, "Let me look.\n")
    assert lines_of(result) == [call("a", "f", "{}")]


def test_answer_without_calls_is_printed_as_text(run, serve, exported):
    exported(serve(lambda _: stream(*reply("No need to."))))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout, result.stderr) == (0, "No need to.\n", "")
    exported(serve(lambda _: stream(*reply("No need", finish="length"))))
    assert run(*ARGV, "hi").status == 18
    result = run(*ARGV, "--max-tokens", "2", "hi")
    assert (result.status, result.stdout) == (0, "No need\n")


def test_output_file_gets_calls(run, serve, exported, here):
    exported(serve(calling(piece(0, "f", "{}", id="a"), text="Hm.")))
    result = run(*ARGV, "-o", "calls", "hi")
    assert (result.status, result.stdout, result.stderr) == (0, "", "Hm.\n")
    assert json.loads((here / "calls").read_text()) == call("a", "f", "{}")


def test_control_characters_in_calls_are_escaped(run, serve, exported):
    exported(serve(calling(piece(0, "f\x1b[2J", '"\u202e"', id="a"))))
    result = run(*ARGV, "hi")
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert lines_of(result) == [call("a", "f\x1b[2J", '"\u202e"')]


def test_json_document_omits_empty_tool_calls(run, serve, exported):
    exported(serve(lambda _: json_answer(completion("Yes.", tool_calls=[]))))
    result = run(*ARGV, "--json", "weather?")
    message = json.loads(result.stdout)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_json_document_has_calls_in_message(run, serve, exported, how):
    exported(serve(OpenWebUI()))
    result = run(*ARGV, how, "--json", "weather?")
    assert (result.status, result.stderr) == (0, "")
    message = json.loads(result.stdout)["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [call("call_1", "get_weather", '{"city": "Zürich"}')]


def test_jsonl_has_pieces_of_calls(run, serve, exported):
    exported(serve(OpenWebUI()))
    result = run(*ARGV, "--jsonl", "weather?")
    assert result.status == 0
    *pieces, done = lines_of(result)
    assert "".join(
        each["function"]["arguments"] for each in pieces if each["type"] == "tool_call"
    ) == ('{"city": "Zürich"}')
    assert done["type"] == "done"


# Invalid and truncated calls


@pytest.mark.parametrize("arguments", ['{"x": ', "x", "{} {}", "NaN"])
def test_arguments_that_are_not_json_are_status_12_without_calls(run, serve, exported, arguments):
    answer = calling(piece(0, "good", "{}", id="a"), piece(1, "bad", arguments, id="b"))
    exported(serve(answer))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (12, "")
    assert "the arguments of the call to bad are not JSON" in result.stderr
    assert result.stderr.count("\n") == 1
    result = run(*ARGV, "--jsonl", "hi")
    assert result.status == 12
    last = lines_of(result)[-1]
    assert (last["type"], last["error"]["exit"]) == ("error", 12)
    assert last["response"]["choices"][0]["message"]["tool_calls"][1]["id"] == "b"
    result = run(*ARGV, "--json", "hi")
    assert result.status == 12
    assert json.loads(result.stdout)["choices"][0]["message"]["tool_calls"][1]["id"] == "b"


@pytest.mark.parametrize("arguments", ['{"x": ', "{}"], ids=["cut", "complete"])
@pytest.mark.parametrize(
    ("finish", "flags"),
    [
        (None, []),
        (None, ["--allow-truncated"]),
        ("length", []),
        ("length", ["--max-tokens", "3"]),
        ("length", ["--allow-truncated"]),
        ("content_filter", ["--allow-truncated"]),
    ],
)
def test_truncated_calls_are_status_18_and_not_printed(
    run, serve, exported, arguments, finish, flags
):
    exported(serve(calling(piece(0, "f", arguments, id="a"), finish=finish, text="Hm.")))
    result = run(*ARGV, *flags, "hi")
    assert (result.status, result.stdout) == (18, "")
    text, error = result.stderr.splitlines()
    assert text == "Hm."
    assert error.startswith("contextops: the ")


def test_truncated_calls_are_marked_incomplete(run, serve, exported, here):
    exported(serve(calling(piece(0, "f", "{}", id="a"), finish="length")))
    for mode in ("--json", "--jsonl"):
        result = run(*ARGV, mode, "--max-tokens", "5", "--session", "./s.jsonl", "hi")
        last = lines_of(result)[-1]
        assert result.status == 18
        assert (last if mode == "--json" else last["response"])["contextops"]["complete"] is False
        saved = (here / "s.jsonl").read_text("utf-8").splitlines()[-1]
        assert json.loads(saved)["complete"] is False


def test_truncated_text_is_on_stdout(run, serve, exported):
    exported(serve(lambda _: stream(chunk("a part"))))
    result = run(*ARGV, "hi")
    assert (result.status, result.stdout) == (18, "a part\n")


@posix
def test_interrupted_text_is_on_stdout(command, serve, exported):
    server = exported(serve(lambda _: stream(chunk("a part"), HOLD)))
    process = command.start(*ARGV, "-v", "hi")
    server.request_received.wait(10)
    while b"< 200" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert stdout in (b"a part\n", b"")


@pytest.mark.parametrize(("arguments", "status"), [("{}", 23), ("{", 12)])
def test_calls_that_cannot_be_saved_are_printed(
    run, serve, exported, monkeypatch, arguments, status
):
    def full(*_):
        raise OutputError("cannot write", "no space left")

    monkeypatch.setattr(files, "append", full)
    exported(serve(calling(piece(0, "f", arguments, id="a"))))
    result = run(*ARGV, "--session", "s", "hi")
    assert result.status == status
    assert lines_of(result) == ([call("a", "f", "{}")] if status == 23 else [])


# The next request


def test_results_are_sent_as_messages(run, serve, exported, here):
    server = exported(serve(OpenWebUI()))
    made = lines_of(run(*ARGV, "weather?"))
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": made},
        {"role": "tool", "tool_call_id": made[0]["id"], "content": "21 °C"},
    ]
    (here / "m.json").write_text(json.dumps(messages))
    result = run(*ARGV, "--messages", "m.json")
    assert (result.status, result.stdout) == (0, "tool said: 21 °C\n")
    assert server.requests[-1].json()["messages"] == messages


def test_call_without_id_gets_one(run, serve, exported, here):
    exported(serve(calling(piece(0, "f", "{}"), piece(1, "g", "{}", id=None))))
    made = lines_of(run(*ARGV, "hi"))
    results = [{"role": "tool", "tool_call_id": each["id"], "content": ""} for each in made]
    turn = [{"role": "assistant", "content": None, "tool_calls": made}, *results]
    (here / "m.json").write_text(json.dumps([{"role": "user", "content": "hi"}, *turn]))
    assert run(*ARGV, "--messages", "m.json", "--dry-run").status == 0


@pytest.mark.parametrize("flag", ["--tools", "--messages"])
def test_json_is_utf8_whatever_the_encoding_of_text(run, here, flag):
    accented = [{**WEATHER, "role": "user", "content": "größer"}]
    (here / "accented.json").write_bytes(
        json.dumps(accented, ensure_ascii=False).encode("utf-8-sig")
    )
    (here / "text").write_bytes("größer".encode("latin-1"))
    argv = ("chat", "send", "-n", "--dry-run", "-m", "m", "--encoding", "latin-1", "-f", "text")
    result = run(*argv, flag, "accented.json")
    assert (result.status, result.stderr) == (0, "")
    body = json.loads(result.stdout)
    assert "größer" in body["messages"][-1]["content"]
    assert body[flag.strip("-")][0] == accented[0]
    (here / "accented.json").write_bytes(json.dumps(accented, ensure_ascii=False).encode("latin-1"))
    result = run(*argv, flag, "accented.json")
    assert (result.status, result.stdout) == (26, "")
    assert "accented.json is not UTF-8: byte 0xf6 at offset" in result.stderr
    assert "; provide an array of " in result.stderr


def test_session_does_not_send_calls_without_results(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run(*ARGV, "--session", "s", "weather?").status == 0
    assert run("chat", "send", "-n", "--session", "s", "hi").status == 0
    assert server.requests[-1].json()["messages"] == [{"role": "user", "content": "hi"}]
