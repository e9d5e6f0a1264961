"""``contextops chat send --jsonl``: one object a line, the last one the answer or the error."""

from __future__ import annotations

import json
import signal
import sys

import pytest

from server import HOLD
from shapes import DONE, chunk, detail, http, json_answer, stream, upstream_error

pytestmark = pytest.mark.usefixtures("workdir")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def json_lines(result):
    assert "\n\n" not in result.stdout
    assert result.stdout.endswith("\n")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_jsonl_prints_each_piece_and_then_the_complete_answer(run, serve, exported):
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    exported(
        serve(
            lambda _: stream(
                chunk(reasoning_content="hm\u2028"),
                chunk("one\x1b "),
                chunk("two"),
                chunk(tool_calls=[call]),
                chunk(finish="stop"),
                DONE,
            )
        )
    )
    result = run("chat", "send", "--jsonl", "hi")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.isascii()
    *pieces, last = json_lines(result)
    assert pieces[0] == {"type": "reasoning", "content": "hm\u2028"}
    assert "".join(line["content"] for line in pieces if line["type"] == "delta") == "one\x1b two"
    assert pieces[-1] == {**call, "type": "tool_call"}
    assert last["type"] == "done"
    assert last["response"]["choices"][0]["message"]["content"] == "one\x1b two"
    assert last["response"]["contextops"]["complete"] is True


@pytest.mark.parametrize(
    ("answer", "status", "part"),
    [
        (stream(chunk("part")), 18, "part"),
        (stream(chunk("part"), {"error": {"message": "x"}}), 50, "part"),
        (detail("no", 422), 22, None),
        (http(200, {"content-type": "text/html"}, "<html>"), 8, None),
        (json_answer(upstream_error(429), 429), 29, None),
    ],
)
def test_jsonl_ends_with_error_and_partial_answer(run, serve, exported, answer, status, part):
    exported(serve(lambda _: answer))
    result = run("chat", "send", "--jsonl", "hi")
    assert result.status == status
    *pieces, last = json_lines(result)
    assert last["type"] == "error"
    assert last["error"] == json.loads(result.stderr)["error"]
    assert last["error"]["exit"] == status
    if part is None:
        assert (pieces, last["response"]) == ([], None)
    else:
        assert last["response"]["choices"][0]["message"]["content"] == part
        assert last["response"]["contextops"]["complete"] is False


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["-f", "missing", "hi"], 26),
        (["-n"], 2),
        (["--profile", "nobody", "hi"], 3),
        (["--dry-run", "hi"], 3),
        (["--base-url", "http://127.0.0.1:1", "--retries", "0", "hi"], 7),
    ],
)
def test_jsonl_prints_error_that_occurs_before_the_request(run, argv, status):
    result = run("chat", "send", "--jsonl", *argv)
    (last,) = json_lines(result)
    assert (last["type"], last["response"]) == ("error", None)
    assert result.status == last["error"]["exit"] == status


@posix
def test_jsonl_streams_lines_and_leaves_no_partial_line_when_interrupted(command, serve, exported):
    exported(serve(lambda _: stream(chunk("one"), HOLD)))
    process = command.start("chat", "send", "-n", "--jsonl", "hi")
    assert json.loads(process.stdout.readline()) == {"type": "delta", "content": "one"}
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert all(json.loads(line) for line in rest.splitlines())
