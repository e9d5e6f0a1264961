"""Compare the CPU of the last of 1,000 turns of ``chat repl`` with that of the tenth.

    python tests/benchmarks/turns.py [TURNS]

``loop`` is a conversation with a function in place of a model, saved in a session: all costs of a
turn except sending. ``pipe`` is the command with a loopback server in another process; every turn
sends the complete conversation, so that the number of bytes grows. ``terminal`` is the same on a
terminal. The figures are milliseconds of user and system time per turn: the median of the first
twenty turns, the median of the last twenty, and their ratio, which is the result.
"""

from __future__ import annotations

import gc
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import pairwise
from pathlib import Path
from typing import Any

import pexpect

HERE = Path(__file__).resolve().parent
_HALF_WINDOW = 10
_SERVER = """
import sys
from server import Server
from shapes import OpenWebUI
with Server(OpenWebUI(key=None), may_be_idle=True) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def serving() -> Iterator[str]:
    """Run the test server in a separate process, which is not measured, and yield its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent / "support")},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


class StdinLines(io.RawIOBase):
    """A standard input of one line per read, which records the CPU time at each read."""

    def __init__(self, turns: int) -> None:
        self._left = turns
        self.clock: list[float] = []

    def readable(self) -> bool:
        """Return whether the stream can be read: always."""
        return True

    def read1(self, _size: int = -1) -> bytes:
        """Return the next line, empty at the end."""
        self.clock.append(time.process_time())
        self._left -= 1
        return b"tell me more\n" if self._left >= 0 else b""


def measure_piped(turns: int, *argv: str) -> list[float]:
    """Run the turns in this process and return the CPU seconds of each."""
    from contextops.app import app

    # The same threshold as in __main__.
    gc.set_threshold(500_000)
    lines = StdinLines(turns)
    saved_stdin, sys.stdin = sys.stdin, io.TextIOWrapper(lines)  # type: ignore[type-var]
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
            app(["chat", "repl", *argv], prog_name="contextops", standalone_mode=False)
    finally:
        sys.stdin = saved_stdin
    return [after - start for start, after in pairwise(lines.clock)]


def measure_loop(turns: int) -> list[float]:
    """Run the turns with a function in place of a model and return the CPU seconds of each."""
    from contextops.api.stream import Done, Text
    from contextops.chat import render
    from contextops.chat.inputs import StdinLines as StandardInput
    from contextops.chat.session import Conversation
    from contextops.output.printer import Printer
    from contextops.repl.dialogue import Dialogue
    from contextops.repl.loop import Repl
    from contextops.repl.reader import PipedReader

    message = {"role": "assistant", "content": "You said: tell me more"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    metadata = {"complete": True, "total_ms": 1}
    document = {"choices": [choice], "usage": {"total_tokens": 7}, "contextops": metadata}
    dialogue = Dialogue(
        lambda *_: iter([Text(message["content"]), Done(document)]),
        Conversation(path=Path(os.environ["HOME"], "looped.jsonl")),
        model="m",
        params={},
        printer=Printer(),
        render=render.render_answer,
    )
    gc.set_threshold(500_000)
    lines = StdinLines(turns)
    saved_stdin, sys.stdin = sys.stdin, io.TextIOWrapper(lines)  # type: ignore[type-var]
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
            Repl(dialogue, None, PipedReader(StandardInput(1000)), profile="p").run()  # type: ignore[arg-type]
    finally:
        sys.stdin = saved_stdin
    return [after - start for start, after in pairwise(lines.clock)]


def measure_terminal(turns: int) -> list[float]:
    """Run the turns on a terminal and return the CPU seconds of the main thread for each."""
    child = pexpect.spawn(sys.executable, ["-m", "contextops", "chat", "repl"], encoding="utf-8")
    child.delaybeforesend = None
    schedule = Path(f"/proc/{child.pid}/schedstat")
    clock = []
    for _ in range(turns):
        # After the prompt, the editor shows the cursor when it waits for keys.
        child.expect_exact("ctx-small>")
        child.expect_exact("\x1b[?25h")
        clock.append(int(schedule.read_text().split()[0]) / 1e9)
        child.send("more\r")
        child.expect_exact("You said")
    child.close(force=True)
    return [after - start for start, after in pairwise(clock)]


def compare(seconds: list[float]) -> dict[str, float]:
    """Return the cost of an early turn and of the last one in milliseconds, and their ratio."""
    tenth = statistics.median(seconds[: 2 * _HALF_WINDOW]) * 1000
    last = statistics.median(seconds[-2 * _HALF_WINDOW :]) * 1000
    return {
        "tenth_ms": round(tenth, 2),
        "last_ms": round(last, 2),
        "ratio": round(last / tenth, 2),
    }


def measure(turns: int) -> dict[str, Any]:
    """Return the figures of all three ways to run the turns."""
    with tempfile.TemporaryDirectory() as home, serving() as url:
        os.environ.update(
            HOME=home,
            XDG_STATE_HOME=home,
            XDG_CONFIG_HOME=home,
            TERM="xterm",
            CONTEXTOPS_BASE_URL=url,
            CONTEXTOPS_MODEL="ctx-small",
        )
        return {
            "loop": compare(measure_loop(turns)),
            "pipe": compare(measure_piped(turns, "--session", "saved")),
            "terminal": compare(measure_terminal(turns)),
        }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000), indent=2))
