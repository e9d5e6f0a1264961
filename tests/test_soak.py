"""Long runs: a million events, a thousand turns. CI runs them at night: ``pytest -m soak``."""

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
    """Return the resident memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_memory_does_not_grow_over_a_million_events(command):
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
        first_memory = resident(process.pid)
        assert len(process.stdout.read(980_000)) == 980_000
        last_memory = resident(process.pid)
        assert process.stdout.read() == b"x" * 10_000 + b"\n"
        assert process.wait(10) == 0
    # The text of the answer takes 1 MB of it.
    assert last_memory - first_memory < 5 * MEGABYTE


def test_session_of_a_thousand_turns_is_complete(command, serve, home):
    server = serve(OpenWebUI())
    env = {
        "CONTEXTOPS_BASE_URL": server.url,
        "CONTEXTOPS_API_KEY": KEY,
        "CONTEXTOPS_MODEL": "ctx-small",
    }
    questions = "".join(f"question {number}\n" for number in range(1000))
    process = command.start("chat", "repl", "--session", "s", env=env)
    answers, errors = process.communicate(questions.encode(), timeout=300)
    assert (process.returncode, errors) == (0, b"")
    assert answers.count(b"\n") == 1000
    (path,) = home.rglob("s.jsonl")
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(records) == 2000
    assert len(server.requests[-1].json()["messages"]) == 1999
