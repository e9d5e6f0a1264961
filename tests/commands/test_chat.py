"""``contextops chat send``: the prompt, the request, the answer and its exit status."""

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
def test_prompt_is_words_then_standard_input(run, serve, exported, words, stdin, prompt):
    server = exported(serve(OpenWebUI()))
    assert run("chat", "send", *words, input=stdin).status == 0
    assert prompt_of(server.request) == prompt


@pytest.mark.parametrize(
    ("words", "stdin"), [([], None), ([], ""), ([" "], None), ([], " \n"), (["-"], "")]
)
def test_blank_prompt_is_status_2_and_nothing_is_sent(run, serve, exported, words, stdin):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", *words, input=stdin)
    assert (result.status, result.stdout) == (2, "")
    assert "no prompt" in result.stderr
    assert server.requests == []


def test_standard_input_that_is_not_utf8_is_status_26_with_offset(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "x", input=b"abc\xe9def")
    assert (result.status, result.stdout) == (26, "")
    assert "offset 3" in result.stderr
    assert server.requests == []


def test_words_that_are_not_utf8_are_status_26(command, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    result = command("chat", "send", b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert result.status == 26


def test_prompt_over_max_prompt_is_status_26(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", input="x" * 2000, env={"CONTEXTOPS_MAX_PROMPT": "1K"})
    assert result.status == 26
    assert server.requests == []


def test_dev_null_and_file_that_is_being_read_are_not_read(command, serve, exported, tmp_path):
    server = exported(serve(OpenWebUI()))
    with open("/dev/null", "rb") as null:  # noqa: PTH123 - a descriptor to hand on
        assert command("chat", "send", "one", stdin=null).status == 0
    listed = tmp_path / "list"
    listed.write_text("first\nsecond\n")
    with listed.open("rb", buffering=0) as lines:
        lines.read(6)
        assert command("chat", "send", "two", stdin=lines).status == 0
        assert lines.read() == b"second\n"
    with listed.open("rb") as unread:
        assert command("chat", "send", "three", stdin=unread).status == 0
    prompts = [prompt_of(request) for request in server.requests]
    assert prompts == ["one", "two", "three\n\nfirst\nsecond\n"]


def test_closed_standard_input_adds_nothing(command, serve, exported):
    exported(serve(OpenWebUI()))
    result = command("chat", "send", "hi", stdin=None, preexec_fn=lambda: os.close(0))
    assert (result.status, result.stdout) == (0, "You said: hi\n")


def test_waiting_for_standard_input_is_noted(command, serve, exported):
    exported(serve(OpenWebUI()))
    process = command.start("chat", "send", "x")
    assert b"use -n to ignore it" in process.stderr.readline()
    process.stdin.write(b"late")
    process.stdin.close()
    assert process.stdout.read() == b"You said: x\n\nlate\n"
    assert process.wait() == 0


# The request


def test_body_is_made_of_settings_flags_and_params(run, serve, exported, tmp_path):
    server = exported(serve(OpenWebUI()))
    result = run(
        *("chat", "send", "-m", "ctx-large", "-s", "be terse", "-t", "0", "--max-tokens", "9"),
        *("--param", "top_p=0.5", "--param", 'stop=["a"]', "--param", "user=me", "hi"),
    )
    assert result.status == 0
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


def test_system_message_is_read_from_file(run, serve, exported, tmp_path):
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
def test_invalid_flag_is_status_2_and_nothing_is_sent(run, serve, exported, flags):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", *flags, "hi")
    assert (result.status, result.stdout) == (2, "")
    assert server.requests == []


def test_later_header_replaces_earlier(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    run("-H", "X-Org: a", "chat", "send", "-H", "X-Org: b", "-H", "X-Team:c", "hi")
    assert server.request.headers["x-org"] == "b"
    assert server.request.headers["x-team"] == "c"


def test_usage_is_requested_only_where_it_is_shown(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    result = run("chat", "send", "hi")
    assert result.stderr == ""
    result = run("chat", "send", "--usage", "hi")
    assert "total 18 tokens" in result.stderr
    assert result.stdout == "You said: hi\n"
    bodies = [request.json() for request in server.requests]
    assert "stream_options" not in bodies[0]
    assert bodies[1]["stream_options"] == {"include_usage": True}


def test_only_model_is_chosen_automatically(run, serve, exported):
    server = exported(serve(OpenWebUI(models=["one-and-only"])), model=None)
    assert run("chat", "send", "hi").status == 0
    assert server.requests[-1].json()["model"] == "one-and-only"


def test_empty_model_list_is_status_3(run, serve, exported):
    exported(serve(OpenWebUI(models=[])), model=None)
    result = run("chat", "send", "hi")
    assert (result.status, result.stdout) == (3, "")
    assert "the server lists no models (they are private until" in result.stderr
    assert result.stderr.endswith("; ask an administrator for access\n")


def test_several_models_without_choice_are_status_3(run, serve, exported):
    exported(serve(OpenWebUI()), model=None)
    result = run("chat", "send", "hi")
    assert (result.status, result.stdout) == (3, "")
    assert "ctx-small, ctx-large" in result.stderr
    assert "-m" in result.stderr


# The answer


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_text_is_printed_unchanged_with_one_final_newline(run, serve, exported, version, how):
    exported(serve(OpenWebUI(version)))
    result = run("chat", "send", how, "größer 🙂")
    assert (result.status, result.stdout, result.stderr) == (0, "You said: größer 🙂\n", "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_json_document_is_the_same_streamed_or_not(run, serve, exported, version, how):
    exported(serve(OpenWebUI(version)))
    result = run("chat", "send", "--json", how, "hi")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.count("\n") == 1
    document = json.loads(result.stdout)
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


def test_text_is_written_as_it_arrives(command, serve, exported):
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
def test_pipe_gets_text_unchanged(run, serve, exported, text, printed):
    exported(serve(lambda _: stream(chunk(text), chunk(finish="stop"), DONE)))
    assert run("chat", "send", "hi").stdout == printed


def test_json_escapes_control_characters(run, serve, exported):
    exported(serve(lambda _: stream(chunk("\x1b[2J\x9b\u202e\x7f"), chunk(finish="stop"), DONE)))
    result = run("chat", "send", "--json", "hi")
    assert result.stdout.isascii()
    assert result.stdout.strip().isprintable()
    assert json.loads(result.stdout)["choices"][0]["message"]["content"] == "\x1b[2J\x9b\u202e\x7f"


def test_reasoning_is_not_part_of_text(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("chat", "send", "a !reason").stdout == "You said: a !reason\n"
    document = json.loads(run("chat", "send", "--json", "a !reason").stdout)
    assert document["choices"][0]["message"]["reasoning_content"] == "thinking hard"


def test_lone_surrogate_becomes_replacement_character(run, serve, exported):
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
def test_complete_answer_is_status_0(run, serve, exported, answer):
    exported(serve(lambda _: answer))
    result = run("chat", "send", "hi")
    assert (result.status, result.stdout, result.stderr) == (0, "all of it\n", "")


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(stream(chunk("part")), 18, id="clean end, not finished"),
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
            id="split in an event",
        ),
        pytest.param(stream(chunk("part"), chunk(finish="length"), DONE), 18, id="length"),
        pytest.param(stream(chunk("part"), chunk(finish="content_filter"), DONE), 18, id="filter"),
        pytest.param(stream(chunk("part"), {"error": {"message": "x"}}, DONE), 50, id="error"),
        pytest.param(stream(chunk("part"), {"error": {"detail": "x"}}), 50, id="pipe's error"),
        pytest.param(stream(chunk("part"), b"data: {not json}\n\n"), 8, id="no JSON"),
    ],
)
def test_incomplete_answer_is_printed_with_its_status(run, serve, exported, answer, status):
    exported(serve(lambda _: answer))
    result = run("chat", "send", "hi")
    assert (result.status, result.stdout) == (status, "part\n")
    assert result.stderr.startswith("contextops: ")
    assert result.stderr.count("\n") == 1

    result = run("chat", "send", "--json", "hi")
    assert result.status == status
    document = json.loads(result.stdout)
    assert document["choices"][0]["message"]["content"] == "part"
    assert json.loads(result.stderr)["error"]["exit"] == status


def test_incomplete_json_document_is_marked(run, serve, exported):
    exported(serve(lambda _: stream(chunk("part"))))
    assert json.loads(run("chat", "send", "--json", "hi").stdout)["contextops"]["complete"] is False


@pytest.mark.parametrize("flags", [["--max-tokens", "5"], ["--param", "max_completion_tokens=5"]])
def test_answer_at_typed_token_limit_is_complete(run, serve, exported, flags):
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
def test_failed_request_prints_one_line_on_stderr_only(
    run, serve, exported, answer, status, words, mode
):
    def respond(request):
        return OpenWebUI()(request) if request.method == "GET" else answer

    exported(serve(respond))
    result = run("chat", "send", *mode, "hi")
    assert (result.status, result.stdout) == (status, "")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert KEY not in result.stderr
    if mode:
        error = json.loads(result.stderr)["error"]
        assert error["exit"] == status
    else:
        assert result.stderr.startswith("contextops: ")


def test_401_of_provider_is_status_50(run, serve, exported):
    exported(serve(OpenWebUI()))
    result = run("chat", "send", "!401")
    assert result.status == 50
    assert "your key is fine" in result.stderr


@pytest.mark.parametrize("argv", [["chat", "send", "hi"], ["models", "list"], ["api", "GET", "x"]])
def test_rejected_key_is_sent_at_most_twice(run, serve, exported, argv):
    server = exported(serve(lambda _: json_answer(upstream_error(401), 401)))
    assert run(*argv).status == 4
    assert len(server.requests) <= 2


def test_wrong_key_is_status_4(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("chat", "send", "hi", env={"CONTEXTOPS_API_KEY": "sk-wrong"}).status == 4


def test_401_under_v1_is_status_4(run, serve, exported):
    server = serve(lambda _: json_answer(upstream_error(401), 401))
    result = run("--base-url", f"{server.url}/v1", "chat", "send", "-m", "x", "hi")
    assert result.status == 4
    assert len(server.requests) == 1


def test_misspelled_model_gets_suggestion(run, serve, exported):
    exported(serve(OpenWebUI()))
    result = run("chat", "send", "-m", "ctx-smal", "hi")
    assert result.status == 5
    assert "did you mean ctx-small" in result.stderr


@pytest.mark.parametrize(
    ("variable", "limit"),
    [("CONTEXTOPS_MAX_ANSWER", "1K"), ("CONTEXTOPS_MAX_EVENT", "1K")],
)
def test_answer_over_size_limit_is_status_63(run, serve, exported, variable, limit):
    exported(serve(lambda _: stream(chunk("x" * 600), chunk("y" * 900, finish="stop"), DONE)))
    assert run("chat", "send", "hi", env={variable: limit}).status == 63


def test_document_over_max_body_is_status_63(run, serve, exported):
    exported(serve(lambda _: json_answer(completion("x" * 5000))))
    assert run("chat", "send", "hi", env={"CONTEXTOPS_MAX_BODY": "1K"}).status == 63


# Retries and time limits


def test_busy_server_is_retried_with_note(run, serve, exported):
    busy = json_answer(upstream_error(429), 429, {"retry-after": "0"})
    server = exported(serve(in_turn(busy, http(503, {"retry-after-ms": "1"}), OpenWebUI())))
    result = run("chat", "send", "--retries", "2", "hi")
    assert (result.status, result.stdout) == (0, "You said: hi\n")
    assert result.stderr.count("trying again") == 2
    assert len(server.requests) == 3
    assert len({request.body for request in server.requests}) == 1


def test_retry_after_is_respected(run, serve, exported):
    exported(serve(in_turn(json_answer({}, 429, {"retry-after": "1"}), OpenWebUI())))
    started = time.monotonic()
    assert run("chat", "send", "-q", "--retries", "1", "hi").stderr == ""
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("header", [{"retry-after": "121"}, {"retry-after": "9" * 15}])
def test_too_long_retry_after_is_status_29(run, serve, exported, header):
    exported(serve(in_turn(json_answer({}, 429, header))))
    assert run("chat", "send", "--retries", "3", "hi").status == 29


@pytest.mark.parametrize("status", [500, 504, 400, 404])
def test_status_without_retry_is_sent_once(run, serve, exported, status):
    def answer(request):
        return OpenWebUI()(request) if request.method == "GET" else http(status)

    server = exported(serve(answer))
    run("chat", "send", "--retries", "5", "hi")
    assert sum(request.method == "POST" for request in server.requests) == 1


def test_answer_that_has_begun_is_not_retried(run, serve, exported):
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
            id="endless words",
        ),
    ],
)
def test_time_limit_holds_whatever_the_server_does(run, serve, exported, answer, flag):
    exported(serve(lambda _: answer))
    started = time.monotonic()
    result = run("chat", "send", flag, "0.4", "hi")
    assert result.status == 28
    assert flag in result.stderr
    assert 0.4 <= time.monotonic() - started < 5


def flood(connection):
    with contextlib.suppress(OSError):
        while True:
            connection.send(chunked(b": ping\n\n" * 500, end=False))


@pytest.mark.parametrize("flag", ["--first-token-timeout", "--max-time"])
def test_time_limit_holds_against_flood_of_pings(run, serve, exported, flag):
    exported(serve(lambda _: [http(200, EVENT_STREAM), flood]))
    started = time.monotonic()
    assert run("chat", "send", flag, "0.5", "hi").status == 28
    assert time.monotonic() - started < 5


def test_max_time_includes_all_requests_of_command(run, serve, exported):
    def answer(request):
        if request.method == "GET":
            return [0.6, json_answer({"data": [{"id": "only"}]})]
        return [HOLD]

    exported(serve(answer), model=None)
    started = time.monotonic()
    assert run("chat", "send", "--max-time", "1", "hi").status == 28
    assert time.monotonic() - started < 1.5


def test_time_for_call_arguments_is_linear(run, serve, exported):
    piece = chunk(tool_calls=[{"index": 0, "id": "c", "function": {"arguments": "x" * 1000}}])
    exported(serve(lambda _: [http(200, EVENT_STREAM), chunked(sse(piece) * 4000, sse(DONE))]))
    started = time.monotonic()
    result = run("chat", "send", "--json", "hi")
    assert result.status == 0
    call = json.loads(result.stdout)["choices"][0]["message"]["tool_calls"][0]
    assert len(call["function"]["arguments"]) == 4_000_000
    # In quadratic time it took 4.7 s.
    assert time.monotonic() - started < 4


def test_answer_truncated_by_limit_is_marked_incomplete(run, serve, exported):
    exported(serve(lambda _: stream(chunk("part"), chunk(finish="length"), DONE)))
    result = run("chat", "send", "--json", "hi")
    assert result.status == 18
    assert json.loads(result.stdout)["contextops"]["complete"] is False


@pytest.mark.parametrize("split", range(1, 12))
def test_stream_is_recognized_wherever_its_start_is_split(run, serve, exported, split):
    body = sse(*reply("all of it"))
    head = http(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
    pieces = [chunked(body[:split], end=False), 0.05, chunked(body[split:])]
    exported(serve(lambda _: [head, *pieces]))
    assert run("chat", "send", "hi").stdout == "all of it\n"


@pytest.mark.parametrize("body", [b"null", b'"broken"'])
def test_document_with_type_of_stream_is_status_8(run, serve, exported, body):
    exported(serve(lambda _: http(200, EVENT_STREAM, chunked(body))))
    assert run("chat", "send", "hi").status == 8


def test_key_repeated_by_server_is_not_printed(run, serve, exported):
    exported(serve(lambda _: detail(f"bad key {KEY}", 403)))
    for mode in ([], ["--json"], ["--jsonl"], ["-v"]):
        result = run("chat", "send", *mode, "hi")
        assert result.status == 4
        assert KEY not in result.stdout + result.stderr


def test_unreachable_address_is_connect_timeout(run, deaf, monkeypatch):
    result = run("--base-url", deaf, "--connect-timeout", "0.3", "chat", "send", "-m", "x", "hi")
    assert result.status == 28
    assert "--connect-timeout" in result.stderr


def test_server_that_is_down_is_status_7(run, refusing):
    result = run("--base-url", refusing, "--retries", "0", "chat", "send", "-m", "x", "hi")
    assert (result.status, result.stdout) == (7, "")
    assert "refused" in result.stderr


def test_key_is_not_sent_to_another_origin(run, serve, exported):
    server = serve(OpenWebUI(key=None))
    exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("--base-url", server.url, "chat", "send", "hi")
    assert result.status == 0
    assert "authorization" not in server.request.headers
    assert "not sent" in result.stderr
    assert KEY not in result.stderr
