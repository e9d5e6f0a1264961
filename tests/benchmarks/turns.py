"""Compare the CPU of the last of 1,000 turns of ``chat repl`` with that of the tenth.

    python tests/benchmarks/turns.py [TURNS]

``loop`` is a conversation with a function for a model, kept in a session: all that a turn costs but
the sending. ``pipe`` is the command with a loopback server in another process: there, the whole
conversation goes out with every turn, so that the bytes grow. ``terminal`` is the same as a person
types. The figures are milliseconds of user and system time a turn, the median of the twenty around
the tenth and of the last twenty, and their ratio, which is what counts.
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
_AROUND = 10
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
    """Run the tests' server in a process of its own; its work is none of ours."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


class StdinLines(io.RawIOBase):
    """Give a line a read, and note the CPU that was used when it was asked for."""

    def __init__(self, turns: int) -> None:
        self._left = turns
        self.clock: list[float] = []

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def read1(self, _size: int = -1) -> bytes:
        """Give the next line."""
        self.clock.append(time.process_time())
        self._left -= 1
        return b"tell me more\n" if self._left >= 0 else b""


def piped(turns: int, *argv: str) -> list[float]:
    """Have the turns in this process and give the CPU seconds of each."""
    from contextops.app import app

    # As in a process of its own: see __main__.
    gc.set_threshold(500_000)
    lines = StdinLines(turns)
    before, sys.stdin = sys.stdin, io.TextIOWrapper(lines)  # type: ignore[type-var]
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
            app(["chat", "repl", *argv], prog_name="contextops", standalone_mode=False)
    finally:
        sys.stdin = before
    return [after - start for start, after in pairwise(lines.clock)]


def looped(turns: int) -> list[float]:
    """Have the turns with a function for a model and give the CPU seconds of each."""
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
    about = {"complete": True, "total_ms": 1}
    whole = {"choices": [choice], "usage": {"total_tokens": 7}, "contextops": about}
    talk = Dialogue(
        lambda *_: iter([Text(message["content"]), Done(whole)]),
        Conversation(path=Path(os.environ["HOME"], "looped.jsonl")),
        model="m",
        params={},
        printer=Printer(),
        render=render.render_answer,
    )
    gc.set_threshold(500_000)
    lines = StdinLines(turns)
    before, sys.stdin = sys.stdin, io.TextIOWrapper(lines)  # type: ignore[type-var]
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
            Repl(talk, None, PipedReader(StandardInput(1000)), profile="p").run()  # type: ignore[arg-type]
    finally:
        sys.stdin = before
    return [after - start for start, after in pairwise(lines.clock)]


def at_terminal(turns: int) -> list[float]:
    """Have the turns at a terminal and give the CPU seconds of the main thread for each."""
    child = pexpect.spawn(sys.executable, ["-m", "contextops", "chat", "repl"], encoding="utf-8")
    child.delaybeforesend = None
    schedule = Path(f"/proc/{child.pid}/schedstat")
    clock = []
    for _ in range(turns):
        # The prompt, then the cursor's return: the editor waits for keys.
        child.expect_exact("ctx-small>")
        child.expect_exact("\x1b[?25h")
        clock.append(int(schedule.read_text().split()[0]) / 1e9)
        child.send("more\r")
        child.expect_exact("You said")
    child.close(force=True)
    return [after - start for start, after in pairwise(clock)]


def compared(seconds: list[float]) -> dict[str, float]:
    """Give what the tenth and the last cost."""
    tenth = statistics.median(seconds[: 2 * _AROUND]) * 1000
    last = statistics.median(seconds[-2 * _AROUND :]) * 1000
    return {
        "tenth_ms": round(tenth, 2),
        "last_ms": round(last, 2),
        "ratio": round(last / tenth, 2),
    }


def measure(turns: int) -> dict[str, Any]:
    """Measure every way to have the turns."""
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
            "loop": compared(looped(turns)),
            "pipe": compared(piped(turns, "--session", "kept")),
            "terminal": compared(at_terminal(turns)),
        }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1000), indent=2))
