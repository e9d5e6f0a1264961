"""``contextops chat send``: one prompt in, the answer out as it comes, a status to believe."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time

import pytest

from server import HOLD, RESET
from shapes import (
    DONE,
    EVENT_STREAM,
    KEY,
    VERSIONS,
    OpenWebUI,
    chunk,
    chunked,
    completion,
    detail,
    http,
    in_turn,
    json_answer,
    reply,
    sse,
    stream,
    upstream_error,
)


def prompt_of(request):
    return request.json()["messages"][-1]["content"]


# The prompt


@pytest.mark.parametrize(
    ("words", "stdin", "prompt"),
    [
        (["why", "is it blue?"], None, "why is it blue?"),
        (["explain"], "a\nlog\n", "explain\n\na\nlog\n"),
        ([], "only stdin\n", "only stdin\n"),
        (["-"], "a dash is stdin", "a dash is stdin"),
        (["-n", "words alone"], "ignored", "words alone"),
        (["crlf"], b"a\r\nb\r\n", "crlf\n\na\r\nb\r\n"),
        (["bom"], b"\xef\xbb\xbftext", "bom\n\ntext"),
        (["empty stdin"], "", "empty stdin"),
        (["--", "-n"], None, "-n"),
    ],
)
def test_the_prompt_is_words_then_standard_input(run, serve, exported, words, stdin, prompt):
    server = exported(serve(OpenWebUI()))
    assert run("chat", "send", *words, input=stdin).status == 0
    assert prompt_of(server.request) == prompt


@pytest.mark.parametrize(
    ("words", "stdin"), [([], None), ([], ""), ([" "], None), ([], " \n"), (["-"], "")]
)
def test_without_a_prompt_nothing_is_sent(run, serve, exported, words, stdin):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", *words, input=stdin)
    assert (told.status, told.stdout) == (2, "")
    assert "no prompt" in told.stderr
    assert server.requests == []


def test_input_that_is_not_utf8_is_refused_with_its_offset(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "x", input=b"abc\xe9def")
    assert (told.status, told.stdout) == (26, "")
    assert "offset 3" in told.stderr
    assert server.requests == []


def test_words_that_are_not_utf8_are_refused(command, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    told = command("chat", "send", b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert told.status == 26


def test_a_prompt_larger_than_max_prompt_is_refused(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", input="x" * 2000, env={"CONTEXTOPS_MAX_PROMPT": "1K"})
    assert told.status == 26
    assert server.requests == []


def test_dev_null_and_a_list_that_is_being_read_are_left_alone(command, serve, exported, tmp_path):
    server = exported(serve(OpenWebUI()))
    with open("/dev/null", "rb") as null:  # noqa: PTH123 - a descriptor to hand on
        assert command("chat", "send", "one", stdin=null).status == 0
    listed = tmp_path / "list"
    listed.write_text("first\nsecond\n")
    with listed.open("rb", buffering=0) as lines:
        lines.read(6)
        assert command("chat", "send", "two", stdin=lines).status == 0
        assert lines.read() == b"second\n"
    with listed.open("rb") as whole:
        assert command("chat", "send", "three", stdin=whole).status == 0
    prompts = [prompt_of(request) for request in server.requests]
    assert prompts == ["one", "two", "three\n\nfirst\nsecond\n"]


def test_closed_standard_input_is_no_prompt(command, serve, exported):
    exported(serve(OpenWebUI()))
    told = command("chat", "send", "hi", stdin=None, preexec_fn=lambda: os.close(0))
    assert (told.status, told.stdout) == (0, "You said: hi\n")


def test_waiting_for_standard_input_is_said(command, serve, exported):
    exported(serve(OpenWebUI()))
    process = command.start("chat", "send", "x")
    assert b"-n leaves it alone" in process.stderr.readline()
    process.stdin.write(b"late")
    process.stdin.close()
    assert process.stdout.read() == b"You said: x\n\nlate\n"
    assert process.wait() == 0


# The request


def test_settings_flags_and_params_make_the_body(run, serve, exported, tmp_path):
    server = exported(serve(OpenWebUI()))
    told = run(
        *("chat", "send", "-m", "ctx-large", "-s", "be terse", "-t", "0", "--max-tokens", "9"),
        *("--param", "top_p=0.5", "--param", 'stop=["a"]', "--param", "user=me", "hi"),
    )
    assert told.status == 0
    assert server.request.json() == {
        "model": "ctx-large",
        "messages": [
            {"role": "system", "content": "be terse"},
            {"role": "user", "content": "hi"},
        ],
        "temperature": 0,
        "max_tokens": 9,
        "top_p": 0.5,
        "stop": ["a"],
        "user": "me",
        "stream": True,
    }


def test_a_system_message_from_a_file(run, serve, exported, tmp_path):
    (tmp_path / "system.md").write_text("You are terse.\n")
    server = exported(serve(OpenWebUI()))
    run("chat", "send", "-s", f"@{tmp_path / 'system.md'}", "hi")
    assert server.request.json()["messages"][0]["content"] == "You are terse.\n"


@pytest.mark.parametrize(
    "flags",
    [
        ["--param", "nothing"],
        ["--param", "=1"],
        ["--param", "model=x"],
        ["--param", "messages=[]"],
        ["--param", "stream=true"],
        ["-t", "1", "--param", "temperature=0"],
        ["--param", "seed=1", "--param", "seed=2"],
        ["-t", "warm"],
        ["--max-tokens", "0"],
        ["--header", "no colon"],
        ["--color", "sometimes"],
        ["--nonsense"],
        ["--idle-timeout", "soon"],
    ],
)
def test_flags_that_cannot_be_meant_are_status_2(run, serve, exported, flags):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", *flags, "hi")
    assert (told.status, told.stdout) == (2, "")
    assert server.requests == []


def test_headers_are_added_and_later_ones_win(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    run("-H", "X-Org: a", "chat", "send", "-H", "X-Org: b", "-H", "X-Team:c", "hi")
    assert server.request.headers["x-org"] == "b"
    assert server.request.headers["x-team"] == "c"


def test_usage_is_asked_for_only_where_it_is_shown(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    told = run("chat", "send", "hi")
    assert told.stderr == ""
    told = run("chat", "send", "--usage", "hi")
    assert "total 18 tokens" in told.stderr
    assert told.stdout == "You said: hi\n"
    bodies = [request.json() for request in server.requests]
    assert "stream_options" not in bodies[0]
    assert bodies[1]["stream_options"] == {"include_usage": True}


def test_the_only_model_is_chosen_by_itself(run, serve, exported):
    server = exported(serve(OpenWebUI(models=["one-and-only"])), model=None)
    assert run("chat", "send", "hi").status == 0
    assert server.requests[-1].json()["model"] == "one-and-only"


def test_without_access_there_is_nothing_to_choose_from(run, serve, exported):
    exported(serve(OpenWebUI(models=[])), model=None)
    told = run("chat", "send", "hi")
    assert (told.status, told.stdout) == (3, "")
    assert "the server lists no models (they are private until" in told.stderr
    assert told.stderr.endswith("; ask an administrator for access\n")


def test_two_models_want_a_choice(run, serve, exported):
    exported(serve(OpenWebUI()), model=None)
    told = run("chat", "send", "hi")
    assert (told.status, told.stdout) == (3, "")
    assert "ctx-small, ctx-large" in told.stderr
    assert "-m" in told.stderr


# The answer


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_the_text_comes_out_as_sent_with_one_final_newline(run, serve, exported, version, how):
    exported(serve(OpenWebUI(version)))
    told = run("chat", "send", how, "größer 🙂")
    assert (told.status, told.stdout, told.stderr) == (0, "You said: größer 🙂\n", "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_json_is_the_documented_object_either_way(run, serve, exported, version, how):
    exported(serve(OpenWebUI(version)))
    told = run("chat", "send", "--json", how, "hi")
    assert (told.status, told.stderr) == (0, "")
    assert told.stdout.count("\n") == 1
    document = json.loads(told.stdout)
    assert document["object"] == "chat.completion"
    assert document["model"] == "ctx-small"
    choice = document["choices"][0]
    assert choice["index"] == 0
    assert choice["message"] == {"role": "assistant", "content": "You said: hi"}
    assert choice["finish_reason"] == "stop"
    assert document["usage"]["total_tokens"] == 18
    ours = document["contextops"]
    assert ours["requested_model"] == "ctx-small"
    assert ours["complete"] is True
    assert ours["attempts"] == 1
    assert ours["total_ms"] >= ours["first_token_ms"] >= 0


def test_text_is_written_as_it_comes(command, serve, exported):
    more = threading.Event()
    exported(serve(lambda _: stream(chunk("first "), more, chunk("second", finish="stop"), DONE)))
    process = command.start("chat", "send", "-n", "hi")
    assert process.stdout.read(6) == b"first "
    more.set()
    assert process.stdout.read() == b"second\n"
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("text", "printed"),
    [("a\n", "a\n"), ("a\n\n", "a\n\n"), ("a", "a\n"), ("", ""), ("\x1b[31mred", "\x1b[31mred\n")],
)
def test_a_pipe_gets_the_models_text_unchanged(run, serve, exported, text, printed):
    exported(serve(lambda _: stream(chunk(text), chunk(finish="stop"), DONE)))
    assert run("chat", "send", "hi").stdout == printed


def test_json_escapes_what_a_terminal_would_obey(run, serve, exported):
    exported(serve(lambda _: stream(chunk("\x1b[2J\x9b\u202e\x7f"), chunk(finish="stop"), DONE)))
    told = run("chat", "send", "--json", "hi")
    assert told.stdout.isascii()
    assert told.stdout.strip().isprintable()
    assert json.loads(told.stdout)["choices"][0]["message"]["content"] == "\x1b[2J\x9b\u202e\x7f"


def test_reasoning_is_not_the_answer(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("chat", "send", "a !reason").stdout == "You said: a !reason\n"
    document = json.loads(run("chat", "send", "--json", "a !reason").stdout)
    assert document["choices"][0]["message"]["reasoning_content"] == "thinking hard"


def test_a_lone_surrogate_becomes_a_replacement_character(run, serve, exported):
    event = b'data: {"choices": [{"index": 0, "delta": {"content": "a\\ud83d b"}}]}\n\n'
    exported(serve(lambda _: stream(event, chunk(finish="stop"), DONE)))
    assert run("chat", "send", "hi").stdout == "a\ufffd b\n"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(stream(*reply("all of it")[:-1]), id="finish_reason, no [DONE]"),
        pytest.param(
            [http(200, EVENT_STREAM), chunked(sse(chunk("all of it")), b"data: [DONE]")],
            id="[DONE] without a line end",
        ),
        pytest.param(stream(*reply("all of it"), HOLD), id="held after [DONE]"),
        pytest.param(stream(*reply("all of it"), b"junk\n\n\x00"), id="junk after [DONE]"),
        pytest.param(json_answer(completion("all of it")), id="JSON to a streamed request"),
        pytest.param(
            http(200, {"content-type": "text/plain"}, sse(*reply("all of it"))), id="SSE as text"
        ),
        pytest.param(
            stream(
                b": keep-alive\n\n",
                {"sources": []},
                {"selected_model_id": "x"},
                {"event": {"type": "status"}},
                {"choices": None},
                {"choices": [{"index": 0, "delta": None}]},
                {"choices": [{"index": 0, "delta": {"content": 5}}]},
                b"event: ping\ndata: {}\n\n",
                *reply("all of it"),
            ),
            id="odd events between",
        ),
        pytest.param(
            stream(*reply("all of it")[:-1], {"choices": [], "usage": {}}, DONE), id="usage chunk"
        ),
    ],
)
def test_a_proved_answer_is_status_0(run, serve, exported, answer):
    exported(serve(lambda _: answer))
    told = run("chat", "send", "hi")
    assert (told.status, told.stdout, told.stderr) == (0, "all of it\n", "")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(stream(chunk("part")), 18, id="clean end without proof"),
        pytest.param(stream(chunk("part"), RESET), 18, id="reset"),
        pytest.param(
            [http(200, EVENT_STREAM), chunked(sse(chunk("part")), end=False)], 18, id="mid-chunk"
        ),
        pytest.param(
            [
                http(200, {**EVENT_STREAM, "transfer-encoding": None, "content-length": "9999"}),
                sse(chunk("part")),
            ],
            18,
            id="short of its length",
        ),
        pytest.param(
            [http(200, EVENT_STREAM), chunked(sse(chunk("part")), b'data: {"cho')],
            18,
            id="cut in an event",
        ),
        pytest.param(stream(chunk("part"), chunk(finish="length"), DONE), 18, id="length"),
        pytest.param(stream(chunk("part"), chunk(finish="content_filter"), DONE), 18, id="filter"),
        pytest.param(stream(chunk("part"), {"error": {"message": "x"}}, DONE), 50, id="error"),
        pytest.param(stream(chunk("part"), {"error": {"detail": "x"}}), 50, id="pipe's error"),
        pytest.param(stream(chunk("part"), b"data: {not json}\n\n"), 8, id="no JSON"),
    ],
)
def test_an_unproved_answer_keeps_its_part_and_has_its_status(run, serve, exported, answer, status):
    exported(serve(lambda _: answer))
    told = run("chat", "send", "hi")
    assert (told.status, told.stdout) == (status, "part\n")
    assert told.stderr.startswith("contextops: ")
    assert told.stderr.count("\n") == 1

    told = run("chat", "send", "--json", "hi")
    assert told.status == status
    document = json.loads(told.stdout)
    assert document["choices"][0]["message"]["content"] == "part"
    assert json.loads(told.stderr)["error"]["exit"] == status


def test_an_unproved_json_says_so(run, serve, exported):
    exported(serve(lambda _: stream(chunk("part"))))
    assert json.loads(run("chat", "send", "--json", "hi").stdout)["contextops"]["complete"] is False


@pytest.mark.parametrize("flags", [["--max-tokens", "5"], ["--param", "max_completion_tokens=5"]])
def test_a_limit_of_ones_own_is_no_cut(run, serve, exported, flags):
    exported(serve(lambda _: stream(chunk("part"), chunk(finish="length"), DONE)))
    assert run("chat", "send", *flags, "hi").status == 0


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (http(200, {"content-type": "text/html"}, "<!doctype html>"), 8, "base_url"),
        (json_answer(None), 8, "null"),
        (json_answer('{"id": '), 8, "broken JSON"),
        (json_answer({"detail": "not today"}), 22, "not today"),
        (json_answer({"error": {"detail": "pipe raised"}}), 50, "pipe raised"),
        (json_answer({"error": {"message": "slow down", "type": "rate_limit_exceeded"}}), 50, ""),
        (json_answer({"choices": []}), 8, ""),
        (json_answer({"choices": [{"index": 0}]}), 8, ""),
        (json_answer({"status": True, "task_ids": ["t"]}), 8, "background"),
        (http(200, {"content-type": "application/json"}, b""), 8, "nothing"),
        (http(200, EVENT_STREAM, chunked(b'{"error": {"message": "slow"}}')), 50, "slow"),
        (http(200, {"content-encoding": "gzip"}, b"\x1f\x8b"), 8, "gzip"),
        (detail("Model not found", 400), 5, "ctx-large"),
        (json_answer({"error": {"message": "The model `x` does not exist"}}, 404), 5, ""),
        (detail("Not Found", 404), 8, ""),
        (detail("Method Not Allowed", 405), 8, ""),
        (detail("Not authenticated", 403), 4, ""),
        (detail("429: upstream says 429", 400), 29, "upstream says 429"),
        (detail("500: upstream says 500", 400), 50, "upstream says 500"),
        (detail("401: bad provider key", 400), 50, "provider"),
        (json_answer(upstream_error(400), 400), 22, "upstream says 400"),
        (json_answer(upstream_error(500), 500), 50, "upstream says 500"),
        (http(413, {"content-type": "text/html"}, "<title>Too Large</title>"), 22, "Too Large"),
        (http(502, {"content-type": "text/html"}, "<h1>Bad Gateway</h1>"), 50, "Bad Gateway"),
        (http(522, {}, ""), 50, "522"),
        (http(307, {"location": "http://127.0.0.1:1/"}), 8, "redirects"),
    ],
)
@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_no_answer_has_a_status_one_line_and_an_empty_stdout(
    run, serve, exported, answer, status, words, mode
):
    def answered(request):
        return OpenWebUI()(request) if request.method == "GET" else answer

    exported(serve(answered))
    told = run("chat", "send", *mode, "hi")
    assert (told.status, told.stdout) == (status, "")
    assert told.stderr.count("\n") == 1
    assert words in told.stderr
    assert KEY not in told.stderr
    if mode:
        error = json.loads(told.stderr)["error"]
        assert error["exit"] == status
    else:
        assert told.stderr.startswith("contextops: ")


def test_a_providers_401_is_not_the_callers_fault(run, serve, exported):
    exported(serve(OpenWebUI()))
    told = run("chat", "send", "!401")
    assert told.status == 50
    assert "your key is fine" in told.stderr


@pytest.mark.parametrize("argv", [["chat", "send", "hi"], ["models", "list"], ["api", "GET", "x"]])
def test_a_key_that_nothing_takes_is_tried_once_or_twice(run, serve, exported, argv):
    server = exported(serve(lambda _: json_answer(upstream_error(401), 401)))
    assert run(*argv).status == 4
    assert len(server.requests) <= 2


def test_a_wrong_key_is_4(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("chat", "send", "hi", env={"CONTEXTOPS_API_KEY": "sk-wrong"}).status == 4


def test_a_401_under_v1_is_always_the_callers(run, serve, exported):
    server = serve(lambda _: json_answer(upstream_error(401), 401))
    told = run("--base-url", f"{server.url}/v1", "chat", "send", "-m", "x", "hi")
    assert told.status == 4
    assert len(server.requests) == 1


def test_a_model_with_a_slip_is_told_the_nearest(run, serve, exported):
    exported(serve(OpenWebUI()))
    told = run("chat", "send", "-m", "ctx-smal", "hi")
    assert told.status == 5
    assert "did you mean ctx-small" in told.stderr


@pytest.mark.parametrize(
    ("variable", "limit"),
    [("CONTEXTOPS_MAX_ANSWER", "1K"), ("CONTEXTOPS_MAX_EVENT", "1K")],
)
def test_our_size_limits_are_status_63(run, serve, exported, variable, limit):
    exported(serve(lambda _: stream(chunk("x" * 600), chunk("y" * 900, finish="stop"), DONE)))
    assert run("chat", "send", "hi", env={variable: limit}).status == 63


def test_a_document_beyond_max_body_is_status_63(run, serve, exported):
    exported(serve(lambda _: json_answer(completion("x" * 5000))))
    assert run("chat", "send", "hi", env={"CONTEXTOPS_MAX_BODY": "1K"}).status == 63


# Retries and time limits


def test_a_busy_server_is_asked_again_and_that_is_noted(run, serve, exported):
    busy = json_answer(upstream_error(429), 429, {"retry-after": "0"})
    server = exported(serve(in_turn(busy, http(503, {"retry-after-ms": "1"}), OpenWebUI())))
    told = run("chat", "send", "--retries", "2", "hi")
    assert (told.status, told.stdout) == (0, "You said: hi\n")
    assert told.stderr.count("trying again") == 2
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


def test_retry_after_is_waited_for(run, serve, exported):
    exported(serve(in_turn(json_answer({}, 429, {"retry-after": "1"}), OpenWebUI())))
    started = time.monotonic()
    assert run("chat", "send", "-q", "--retries", "1", "hi").stderr == ""
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("header", [{"retry-after": "121"}, {"retry-after": "9" * 15}])
def test_too_long_a_wait_is_not_waited(run, serve, exported, header):
    exported(serve(in_turn(json_answer({}, 429, header))))
    assert run("chat", "send", "--retries", "3", "hi").status == 29


@pytest.mark.parametrize("status", [500, 504, 400, 404])
def test_what_no_retry_mends_is_sent_once(run, serve, exported, status):
    def answer(request):
        return OpenWebUI()(request) if request.method == "GET" else http(status)

    server = exported(serve(answer))
    run("chat", "send", "--retries", "5", "hi")
    assert sum(request.method == "POST" for request in server.requests) == 1


def test_nothing_is_tried_again_after_the_first_byte(run, serve, exported):
    server = exported(serve(lambda _: stream(chunk("part"), RESET)))
    assert run("chat", "send", "--retries", "5", "hi").status == 18
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "flag"),
    [
        pytest.param([HOLD], "--first-token-timeout", id="never a header"),
        pytest.param(
            [b"HTTP/1.1 102 Processing\r\n\r\n", 0.05] * 400, "--first-token-timeout", id="102"
        ),
        pytest.param(
            [http(200, EVENT_STREAM), *[chunked(b": ping\n\n", end=False), 0.05] * 400],
            "--first-token-timeout",
            id="pings before a token",
        ),
        pytest.param(stream(chunk("part"), HOLD), "--idle-timeout", id="stall"),
        pytest.param(
            stream(chunk("part"), *[b": ping\n\n", 0.05] * 400), "--idle-timeout", id="pings"
        ),
        pytest.param(
            stream(*[step for word in ["x"] * 400 for step in (chunk(word), 0.05)]),
            "--max-time",
            id="words for ever",
        ),
    ],
)
def test_a_limit_holds_whatever_the_server_does(run, serve, exported, answer, flag):
    exported(serve(lambda _: answer))
    started = time.monotonic()
    told = run("chat", "send", flag, "0.4", "hi")
    assert told.status == 28
    assert flag in told.stderr
    assert 0.4 <= time.monotonic() - started < 5


def flood(connection):
    with contextlib.suppress(OSError):
        while True:
            connection.send(chunked(b": ping\n\n" * 500, end=False))


@pytest.mark.parametrize("flag", ["--first-token-timeout", "--max-time"])
def test_a_limit_holds_though_pings_come_faster_than_they_are_read(run, serve, exported, flag):
    exported(serve(lambda _: [http(200, EVENT_STREAM), flood]))
    started = time.monotonic()
    assert run("chat", "send", flag, "0.5", "hi").status == 28
    assert time.monotonic() - started < 5


def test_max_time_is_for_all_that_a_command_asks(run, serve, exported):
    def answer(request):
        if request.method == "GET":
            return [0.6, json_answer({"data": [{"id": "only"}]})]
        return [HOLD]

    exported(serve(answer), model=None)
    started = time.monotonic()
    assert run("chat", "send", "--max-time", "1", "hi").status == 28
    assert time.monotonic() - started < 1.5


def test_the_arguments_of_a_call_cost_what_they_are_long(run, serve, exported):
    piece = chunk(tool_calls=[{"index": 0, "id": "c", "function": {"arguments": "x" * 1000}}])
    exported(serve(lambda _: [http(200, EVENT_STREAM), chunked(sse(piece) * 4000, sse(DONE))]))
    started = time.monotonic()
    told = run("chat", "send", "--json", "hi")
    assert told.status == 0
    call = json.loads(told.stdout)["choices"][0]["message"]["tool_calls"][0]
    assert len(call["function"]["arguments"]) == 4_000_000
    # It was 4.7 s, growing with the square of the length.
    assert time.monotonic() - started < 4


def test_a_limit_that_cut_an_answer_left_it_incomplete(run, serve, exported):
    exported(serve(lambda _: stream(chunk("part"), chunk(finish="length"), DONE)))
    told = run("chat", "send", "--json", "hi")
    assert told.status == 18
    assert json.loads(told.stdout)["contextops"]["complete"] is False


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_stream_is_known_wherever_its_start_is_cut(run, serve, exported, cut):
    body = sse(*reply("all of it"))
    head = http(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
    pieces = [chunked(body[:cut], end=False), 0.05, chunked(body[cut:])]
    exported(serve(lambda _: [head, *pieces]))
    assert run("chat", "send", "hi").stdout == "all of it\n"


@pytest.mark.parametrize("body", [b"null", b'"broken"'])
def test_a_document_with_a_streams_type_is_no_cut_stream(run, serve, exported, body):
    exported(serve(lambda _: http(200, EVENT_STREAM, chunked(body))))
    assert run("chat", "send", "hi").status == 8


def test_the_key_is_not_repeated_though_the_server_does(run, serve, exported):
    exported(serve(lambda _: detail(f"bad key {KEY}", 403)))
    for mode in ([], ["--json"], ["--jsonl"], ["-v"]):
        told = run("chat", "send", *mode, "hi")
        assert told.status == 4
        assert KEY not in told.stdout + told.stderr


def test_a_dead_address_is_a_connect_timeout(run, deaf, monkeypatch):
    told = run("--base-url", deaf, "--connect-timeout", "0.3", "chat", "send", "-m", "x", "hi")
    assert told.status == 28
    assert "--connect-timeout" in told.stderr


def test_a_server_that_is_down_is_status_7(run, refusing):
    told = run("--base-url", refusing, "--retries", "0", "chat", "send", "-m", "x", "hi")
    assert (told.status, told.stdout) == (7, "")
    assert "refused" in told.stderr


def test_a_key_stays_with_its_origin(run, serve, exported):
    server = serve(OpenWebUI(key=None))
    exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("--base-url", server.url, "chat", "send", "hi")
    assert told.status == 0
    assert "authorization" not in server.request.headers
    assert "not sent" in told.stderr
    assert KEY not in told.stderr
