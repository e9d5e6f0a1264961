"""``contextops chat send`` on a terminal: which control characters reach it."""

from __future__ import annotations

import sys

import pytest

from chat_answers import answer_with
from shapes import DONE, chunk, stream

pytestmark = pytest.mark.usefixtures("workdir")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def output_on_terminal(terminal, *argv):
    screen = terminal("chat", "send", "-n", *argv, "hi")
    screen.expect(__import__("pexpect").EOF)
    screen.close()
    assert screen.exitstatus == 0
    return screen.before


@posix
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--plain"], "**bold** ^[]0;owned^G\r\n```\r\ncode^[[2J\r\n```\r\n"),
        (["--raw"], "**bold** \x1b]0;owned\x07\r\n```\r\ncode\x1b[2J\r\n```\r\n"),
        (["-x"], "code^[[2J\r\n"),
        (["-x", "--raw"], "code\x1b[2J\r\n"),
    ],
)
def test_terminal_shows_or_passes_control_characters_by_flag(
    terminal, serve, exported, flags, expected
):
    text = "**bold** \x1b]0;owned\x07\n```\ncode\x1b[2J\n```\n"
    exported(serve(lambda _: stream(chunk(text), chunk(finish="stop"), DONE)))
    assert output_on_terminal(terminal, "--color", "never", *flags).endswith(expected)


@posix
@pytest.mark.parametrize("flags", [["--json"], ["--jsonl"]])
def test_json_on_terminal_escapes_control_characters(terminal, serve, exported, flags):
    exported(serve(answer_with("\x1b]0;owned\x07")))
    assert "\x1b]0;" not in output_on_terminal(terminal, "-q", "--color", "never", *flags)
