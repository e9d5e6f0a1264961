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
    """Be in a folder of one's own, where the tools are."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "tools.json").write_text(json.dumps([WEATHER, OTHER]))
    return folder


ARGV = ("chat", "send", "-n", "--tools", "tools.json")


def piece(index=None, name=None, arguments="", **more):
    """Build a piece of a call as servers send it."""
    function = {"arguments": arguments, **({"name": name} if name else {})}
    place = {} if index is None else {"index": index}
    return {**place, **more, "function": function}


def calling(*pieces, finish="tool_calls", text=None):
    """Stream pieces of calls, an event each, after a text."""
    said = [chunk(text)] if text else []
    calls = [chunk(tool_calls=[each]) for each in pieces]
    return lambda _: stream(*said, *calls, *([chunk(finish=finish), DONE] if finish else []))


def lines_of(told):
    return [json.loads(line) for line in told.stdout.splitlines()]


def call(number, name, arguments):
    return {
        "id": number,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


# What is sent


def test_the_tools_are_sent_as_they_stand(run, serve, exported):
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
def test_which_of_them_is_to_be_called_can_be_said(run, serve, exported, typed, sent):
    server = exported(serve(OpenWebUI()))
    assert run(*ARGV, "--tool-choice", typed, "hi").status == 0
    assert server.request.json()["tool_choice"] == sent


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([*ARGV, "--tool-choice", "then"], "no tool is called then: there are get_weather, now"),
        (["chat", "send", "--tool-choice", "auto"], "--tool-choice goes with --tools"),
        ([*ARGV, "-x"], "-x and --tools exclude"),
        ([*ARGV, "--param", "tools=[]"], "tools is given twice"),
        ([*ARGV, "--tool-choice", "now", "--param", "tool_choice=none"], "given twice"),
        ([*ARGV[:-1], "-", "--messages", "-"], "'-' and -n|claimed twice"),
    ],
    ids=lambda value: " ".join(value[4:]) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_status_2(run, serve, exported, flags, words):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run(*flags, "hi")
    assert (told.status, told.stdout) == (2, "")
    assert any(word in told.stderr for word in words.split("|"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({}, "tools.json is no array of tools"),
        ([WEATHER, 1], "tool 1 of tools.json is no tool: it is no object"),
        ([{"function": {"name": "f"}}], 'tool 0 of tools.json is no tool: its type is not "func'),
        ([{"type": "function"}], "its function is no object"),
        ([{"type": "function", "name": "f"}], "its function is no object"),
        ([{"type": "function", "function": {}}], "its function has no name"),
        ([OTHER, WEATHER, OTHER], "tool 2 of tools.json is no tool: another one is called now"),
        (
            [{"type": "function", "function": {"name": "f", "description": 1}}],
            "its description is no text",
        ),
        (
            [{"type": "function", "function": {"name": "f", "parameters": []}}],
            "its parameters are no JSON Schema",
        ),
    ],
)
def test_what_is_no_tool_is_26_and_nothing_is_sent(run, serve, exported, here, value, words):
    (here / "tools.json").write_text(json.dumps(value))
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (26, "")
    assert words in told.stderr
    assert server.requests == []


@pytest.mark.parametrize(("file", "text"), [("tools.json", "{"), ("none.json", "")])
def test_a_file_without_json_is_26(run, serve, exported, here, file, text):
    (here / "tools.json").write_text(text)
    exported(serve(OpenWebUI(), may_be_idle=True))
    assert run("chat", "send", "-n", "--tools", file, "hi").status == 26


# What comes out


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_call_is_a_line(run, serve, exported, version, how):
    exported(serve(OpenWebUI(version)))
    told = run(*ARGV, how, "weather?")
    assert (told.status, told.stderr) == (0, "")
    (made,) = lines_of(told)
    assert made == call("call_1", "get_weather", '{"city": "Zürich"}')


def test_calls_come_in_pieces_and_one_index_may_hold_two(run, serve, exported):
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
    told = run(*ARGV, "hi")
    assert told.status == 0
    assert lines_of(told) == [
        *(call("a", "f", '{"x": 1}'), call("b", "g", "{}"), call("c", "h", "[]"))
    ]


def test_a_thousand_calls_are_a_thousand_lines(run, serve, exported):
    many = [piece(n, "f", str(n), id=f"c{n}") for n in range(1000)]
    exported(serve(lambda _: stream(chunk(tool_calls=many), chunk(finish="tool_calls"), DONE)))
    told = run(*ARGV, "hi")
    assert told.status == 0
    assert lines_of(told) == [call(f"c{n}", "f", str(n)) for n in range(1000)]


def test_arguments_that_are_an_object_are_text_as_everywhere(run, serve, exported):
    given = [{"function": {"name": "f", "arguments": {"x": "ü"}}}]
    exported(serve(lambda _: json_answer(completion(None, tool_calls=given))))
    assert lines_of(run(*ARGV, "hi")) == [call("call_1", "f", '{"x":"ü"}')]


@pytest.mark.parametrize("arguments", ["", " ", None])
def test_no_arguments_are_an_empty_object(run, serve, exported, arguments):
    exported(serve(calling(piece(0, "now", arguments, id="a"))))
    assert lines_of(run(*ARGV, "hi")) == [call("a", "now", "{}")]
    given = [{"id": "a", "function": {"name": "now", "arguments": arguments}}]
    exported(serve(lambda _: json_answer(completion(None, tool_calls=given))))
    assert lines_of(run(*ARGV, "hi")) == [call("a", "now", "{}")]


def test_the_call_of_the_older_api_is_a_line_too(run, serve, exported):
    said = chunk(function_call={"name": "f", "arguments": "{}"})
    exported(serve(lambda _: stream(said, chunk(finish="function_call"), DONE)))
    assert lines_of(run(*ARGV, "hi")) == [call("call_1", "f", "{}")]


@pytest.mark.parametrize("flags", [["--param", "tools=[]"], []])
def test_calls_that_are_not_printed_are_noted(run, serve, exported, flags):
    exported(serve(calling(piece(0, "f", "{}"), piece(1, "g", "{}"), piece(2, "f", "{}"))))
    told = run("chat", "send", "-n", *flags, "hi")
    assert (told.status, told.stdout) == (0, "")
    note = "the model called f, g; --tools FILE or --json has the calls printed"
    assert told.stderr == f"contextops: note: {note}\n"
    assert run("-q", "chat", "send", "-n", *flags, "hi").stderr == ""


def test_text_beside_calls_is_on_stderr(run, serve, exported):
    exported(serve(calling(piece(0, "f", "{}", id="a"), text="Let me look.")))
    told = run(*ARGV, "hi")
    assert (told.status, told.stderr) == (0, "Let me look.\n")
    assert lines_of(told) == [call("a", "f", "{}")]


def test_without_a_call_the_text_is_the_answer_as_always(run, serve, exported):
    exported(serve(lambda _: stream(*reply("No need to."))))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout, told.stderr) == (0, "No need to.\n", "")
    exported(serve(lambda _: stream(*reply("No need", finish="length"))))
    assert run(*ARGV, "hi").status == 18
    told = run(*ARGV, "--max-tokens", "2", "hi")
    assert (told.status, told.stdout) == (0, "No need\n")


def test_a_file_gets_the_calls(run, serve, exported, here):
    exported(serve(calling(piece(0, "f", "{}", id="a"), text="Hm.")))
    told = run(*ARGV, "-o", "calls", "hi")
    assert (told.status, told.stdout, told.stderr) == (0, "", "Hm.\n")
    assert json.loads((here / "calls").read_text()) == call("a", "f", "{}")


def test_what_a_terminal_would_obey_is_escaped(run, serve, exported):
    exported(serve(calling(piece(0, "f\x1b[2J", '"\u202e"', id="a"))))
    told = run(*ARGV, "hi")
    assert "\x1b" not in told.stdout
    assert "\u202e" not in told.stdout
    assert lines_of(told) == [call("a", "f\x1b[2J", '"\u202e"')]


def test_a_document_without_calls_ends_the_loop(run, serve, exported):
    exported(serve(lambda _: json_answer(completion("Yes.", tool_calls=[]))))
    told = run(*ARGV, "--json", "weather?")
    message = json.loads(told.stdout)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_the_document_has_the_calls_where_the_api_has_them(run, serve, exported, how):
    exported(serve(OpenWebUI()))
    told = run(*ARGV, how, "--json", "weather?")
    assert (told.status, told.stderr) == (0, "")
    message = json.loads(told.stdout)["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [call("call_1", "get_weather", '{"city": "Zürich"}')]


def test_events_have_them_as_they_come(run, serve, exported):
    exported(serve(OpenWebUI()))
    told = run(*ARGV, "--jsonl", "weather?")
    assert told.status == 0
    *pieces, done = lines_of(told)
    assert "".join(
        each["function"]["arguments"] for each in pieces if each["type"] == "tool_call"
    ) == ('{"city": "Zürich"}')
    assert done["type"] == "done"


# What cannot be called


@pytest.mark.parametrize("arguments", ['{"x": ', "x", "{} {}", "NaN"])
def test_arguments_that_are_no_json_are_12_and_no_call_comes_out(run, serve, exported, arguments):
    answer = calling(piece(0, "good", "{}", id="a"), piece(1, "bad", arguments, id="b"))
    exported(serve(answer))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (12, "")
    assert "the arguments of the call of bad are no JSON" in told.stderr
    assert told.stderr.count("\n") == 1
    told = run(*ARGV, "--jsonl", "hi")
    assert told.status == 12
    last = lines_of(told)[-1]
    assert (last["type"], last["error"]["exit"]) == ("error", 12)
    assert last["response"]["choices"][0]["message"]["tool_calls"][1]["id"] == "b"
    told = run(*ARGV, "--json", "hi")
    assert told.status == 12
    assert json.loads(told.stdout)["choices"][0]["message"]["tool_calls"][1]["id"] == "b"


@pytest.mark.parametrize("arguments", ['{"x": ', "{}"], ids=["cut", "whole"])
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
def test_calls_that_are_cut_are_18_and_none_comes_out(
    run, serve, exported, arguments, finish, flags
):
    exported(serve(calling(piece(0, "f", arguments, id="a"), finish=finish, text="Hm.")))
    told = run(*ARGV, *flags, "hi")
    assert (told.status, told.stdout) == (18, "")
    said, error = told.stderr.splitlines()
    assert said == "Hm."
    assert error.startswith("contextops: the ")


def test_calls_that_are_cut_are_nowhere_complete(run, serve, exported, here):
    exported(serve(calling(piece(0, "f", "{}", id="a"), finish="length")))
    for mode in ("--json", "--jsonl"):
        told = run(*ARGV, mode, "--max-tokens", "5", "--session", "./s.jsonl", "hi")
        last = lines_of(told)[-1]
        assert told.status == 18
        assert (last if mode == "--json" else last["response"])["contextops"]["complete"] is False
        kept = (here / "s.jsonl").read_text("utf-8").splitlines()[-1]
        assert json.loads(kept)["complete"] is False


def test_text_that_is_cut_is_on_stdout_as_always(run, serve, exported):
    exported(serve(lambda _: stream(chunk("a part"))))
    told = run(*ARGV, "hi")
    assert (told.status, told.stdout) == (18, "a part\n")


@posix
def test_text_that_is_interrupted_is_on_stdout_as_always(command, serve, exported):
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
def test_calls_that_cannot_be_kept_come_out_all_the_same(
    run, serve, exported, monkeypatch, arguments, status
):
    def full(*_):
        raise OutputError("cannot write", "no space left")

    monkeypatch.setattr(files, "append", full)
    exported(serve(calling(piece(0, "f", arguments, id="a"))))
    told = run(*ARGV, "--session", "s", "hi")
    assert told.status == status
    assert lines_of(told) == ([call("a", "f", "{}")] if status == 23 else [])


# The next request


def test_results_are_messages_like_any_other(run, serve, exported, here):
    server = exported(serve(OpenWebUI()))
    made = lines_of(run(*ARGV, "weather?"))
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": made},
        {"role": "tool", "tool_call_id": made[0]["id"], "content": "21 °C"},
    ]
    (here / "m.json").write_text(json.dumps(messages))
    told = run(*ARGV, "--messages", "m.json")
    assert (told.status, told.stdout) == (0, "tool said: 21 °C\n")
    assert server.requests[-1].json()["messages"] == messages


def test_a_call_without_an_id_is_answered_too(run, serve, exported, here):
    exported(serve(calling(piece(0, "f", "{}"), piece(1, "g", "{}", id=None))))
    made = lines_of(run(*ARGV, "hi"))
    results = [{"role": "tool", "tool_call_id": each["id"], "content": ""} for each in made]
    turn = [{"role": "assistant", "content": None, "tool_calls": made}, *results]
    (here / "m.json").write_text(json.dumps([{"role": "user", "content": "hi"}, *turn]))
    assert run(*ARGV, "--messages", "m.json", "--dry-run").status == 0


@pytest.mark.parametrize("flag", ["--tools", "--messages"])
def test_json_is_utf8_whatever_text_is_in(run, here, flag):
    wide = [{**WEATHER, "role": "user", "content": "größer"}]
    (here / "wide.json").write_bytes(json.dumps(wide, ensure_ascii=False).encode("utf-8-sig"))
    (here / "text").write_bytes("größer".encode("latin-1"))
    argv = ("chat", "send", "-n", "--dry-run", "-m", "m", "--encoding", "latin-1", "-f", "text")
    told = run(*argv, flag, "wide.json")
    assert (told.status, told.stderr) == (0, "")
    body = json.loads(told.stdout)
    assert "größer" in body["messages"][-1]["content"]
    assert body[flag.strip("-")][0] == wide[0]
    (here / "wide.json").write_bytes(json.dumps(wide, ensure_ascii=False).encode("latin-1"))
    told = run(*argv, flag, "wide.json")
    assert (told.status, told.stdout) == (26, "")
    assert "wide.json is not UTF-8: byte 0xf6 at offset" in told.stderr
    assert "; give an array of " in told.stderr


def test_a_session_does_not_send_calls_without_results(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run(*ARGV, "--session", "s", "weather?").status == 0
    assert run("chat", "send", "-n", "--session", "s", "hi").status == 0
    assert server.requests[-1].json()["messages"] == [{"role": "user", "content": "hi"}]
