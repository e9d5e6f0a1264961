"""What takes long: a million events, a thousand turns. By night: ``pytest -m soak``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from server import Server
from shapes import DONE, EVENT_STREAM, KEY, OpenWebUI, chunk, chunked, http, sse

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

MEGABYTE = 1 << 20


def resident(pid: int) -> int:
    """Give the bytes of memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_a_million_events_take_no_more_memory_than_the_first(command):
    block = chunked(sse(chunk("x"))).removesuffix(b"0\r\n\r\n") * 10_000
    end = chunked(sse(chunk(finish="stop"), DONE))
    answer = [http(200, EVENT_STREAM), *[block] * 100, end]
    with Server(lambda _: answer) as server:
        env = {
            "CONTEXTOPS_BASE_URL": server.url,
            "CONTEXTOPS_API_KEY": KEY,
            "CONTEXTOPS_MODEL": "m",
        }
        process = command.start("chat", "send", "-n", "hi", env=env)
        assert len(process.stdout.read(10_000)) == 10_000
        at_first = resident(process.pid)
        assert len(process.stdout.read(980_000)) == 980_000
        at_last = resident(process.pid)
        assert process.stdout.read() == b"x" * 10_000 + b"\n"
        assert process.wait(10) == 0
    # The text itself is one of them.
    assert at_last - at_first < 5 * MEGABYTE


def test_a_thousand_turns_of_one_session(command, serve, home):
    server = serve(OpenWebUI())
    env = {
        "CONTEXTOPS_BASE_URL": server.url,
        "CONTEXTOPS_API_KEY": KEY,
        "CONTEXTOPS_MODEL": "ctx-small",
    }
    asked = "".join(f"question {number}\n" for number in range(1000))
    process = command.start("chat", "repl", "--session", "s", env=env)
    answers, errors = process.communicate(asked.encode(), timeout=300)
    assert (process.returncode, errors) == (0, b"")
    assert answers.count(b"\n") == 1000
    (path,) = home.rglob("s.jsonl")
    said = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(said) == 2000
    assert len(server.requests[-1].json()["messages"]) == 1999
