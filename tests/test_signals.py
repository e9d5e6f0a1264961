"""Signals and terminals: the command ends by the signal, keeps partial text and disconnects."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time

import pytest

from deaths import SIGNALS
from server import HOLD
from shapes import KEY, OpenWebUI, chunk, json_answer, stream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def exported(monkeypatch):
    def export(server):
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
        monkeypatch.setenv("CONTEXTOPS_MODEL", "ctx-small")
        return server

    return export


def end_with_signal(process, signum):
    """Send a signal that must end the process; return the rest of its stdout and stderr."""
    started = time.monotonic()
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == -signum
    # Half a second is promised; a loaded machine may take longer.
    assert time.monotonic() - started < 3
    return stdout, stderr


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_during_stream_keeps_partial_text_and_closes_connection(
    command, serve, exported, signum
):
    server = exported(serve(lambda _: stream(chunk("part "), HOLD)))
    process = command.start("chat", "send", "-n", "hi")
    assert process.stdout.read(5) == b"part "
    assert end_with_signal(process, signum) == (b"\n", b"")
    assert server.hung_up.wait(5)


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_signal_before_first_byte_leaves_stdout_empty(command, serve, exported, signum, mode):
    server = exported(serve(lambda _: [HOLD]))
    process = command.start("chat", "send", "-n", *mode, "hi")
    assert server.request_received.wait(10)
    assert end_with_signal(process, signum) == (b"", b"")


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_during_stream_leaves_valid_json_marked_incomplete(command, serve, exported, signum):
    arrived = threading.Event()
    exported(serve(lambda _: stream(chunk("part "), lambda _c: arrived.set(), HOLD)))
    process = command.start("chat", "send", "-n", "--json", "-v", "hi")
    assert arrived.wait(10)
    # The response headers are logged before the first word is read.
    while b"transfer-encoding" not in process.stderr.readline():
        pass
    time.sleep(0.3)
    stdout, _ = end_with_signal(process, signum)
    document = json.loads(stdout)
    assert document["contextops"]["complete"] is False
    assert document["choices"][0]["message"]["content"] == "part "


def test_signal_ends_the_wait_before_a_retry(command, serve, exported):
    exported(serve(lambda _: json_answer({}, 429, {"retry-after": "60"})))
    process = command.start("chat", "send", "-n", "hi")
    assert b"trying again" in process.stderr.readline()
    assert end_with_signal(process, signal.SIGINT) == (b"", b"")


def test_signal_ends_the_wait_for_standard_input(command, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    process = command.start("chat", "send", "hi")
    assert b"waiting for standard input" in process.stderr.readline()
    assert end_with_signal(process, signal.SIGINT) == (b"", b"")


def test_ignored_hang_up_signal_does_not_end_the_command(command, serve, exported):
    server = exported(serve(lambda _: stream(chunk("part "), 0.5, chunk("rest", finish="stop"))))

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = command.start("chat", "send", "-n", "hi", preexec_fn=ignore)
    assert server.request_received.wait(10)
    assert process.stdout.read(5) == b"part "
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=10)[0] == b"rest\n"
    assert process.returncode == 0


def test_ctrl_c_on_a_terminal_shows_the_partial_answer(terminal, serve, exported):
    exported(serve(lambda _: stream(chunk("a paragraph\n\nand more "), HOLD)))
    screen = terminal("chat", "send", "-n", "hi")
    screen.expect_exact("a paragraph")
    screen.sendintr()
    screen.expect_exact("and more")
    screen.expect(__import__("pexpect").EOF)
    screen.close()
    assert screen.signalstatus == signal.SIGINT


def test_terminal_shows_markdown_and_escapes_control_characters(terminal, serve, exported):
    text = "# Title\n\nSome **bold** \x1b]0;owned\x07 text.\n\n```python\nprint(1)\n```\n"
    exported(serve(lambda _: stream(chunk(text), chunk(finish="stop"))))
    screen = terminal("chat", "send", "-n", "hi")
    screen.expect(__import__("pexpect").EOF)
    screen.close()
    assert screen.exitstatus == 0
    assert "\x1b]0;" not in screen.before
    assert "^[]0;owned^G" in screen.before
    assert "**bold**" not in screen.before
    assert "bold" in screen.before
    assert "print" in screen.before


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_plain_terminal_gets_no_color(terminal, serve, exported, env):
    exported(serve(lambda _: stream(chunk("**a** `b`"), chunk(finish="stop"))))
    screen = terminal("chat", "send", "-n", "hi", env=env)
    screen.expect(__import__("pexpect").EOF)
    assert "\x1b[3" not in screen.before


def test_spinner_is_shown_until_the_first_word(terminal, serve, exported):
    exported(serve(lambda _: stream(1.0, chunk("done\n"), chunk(finish="stop"))))
    screen = terminal("chat", "send", "-n", "hi")
    screen.expect("[⠋⠙⠹]")
    screen.expect_exact("\r\x1b[K")
    screen.expect_exact("done")
