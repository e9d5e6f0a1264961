"""Signals and terminals: the command dies of what killed it, keeps what came, hangs up."""

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

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


@pytest.fixture
def exported(monkeypatch):
    def export(server):
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
        monkeypatch.setenv("CONTEXTOPS_MODEL", "ctx-small")
        return server

    return export


def ended_by(process, signum):
    """Send a signal; tell what is left on stdout and stderr once the process died of it."""
    started = time.monotonic()
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == -signum
    # Half a second is promised; a loaded machine gets more.
    assert time.monotonic() - started < 3
    return stdout, stderr


@pytest.mark.parametrize("signum", SIGNALS)
def test_in_the_stream_the_part_is_kept_and_the_request_closed(command, serve, exported, signum):
    server = exported(serve(lambda _: stream(chunk("part "), HOLD)))
    process = command.start("chat", "send", "-n", "hi")
    assert process.stdout.read(5) == b"part "
    assert ended_by(process, signum) == (b"\n", b"")
    assert server.hung_up.wait(5)


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_before_the_first_byte_stdout_is_empty(command, serve, exported, signum, mode):
    server = exported(serve(lambda _: [HOLD]))
    process = command.start("chat", "send", "-n", *mode, "hi")
    assert server.asked.wait(10)
    assert ended_by(process, signum) == (b"", b"")


@pytest.mark.parametrize("signum", SIGNALS)
def test_json_is_whole_when_interrupted_and_says_that_the_answer_is_not(
    command, serve, exported, signum
):
    arrived = threading.Event()
    exported(serve(lambda _: stream(chunk("part "), lambda _c: arrived.set(), HOLD)))
    process = command.start("chat", "send", "-n", "--json", "-v", "hi")
    assert arrived.wait(10)
    # The head of the answer is told of before its first word is read.
    while b"transfer-encoding" not in process.stderr.readline():
        pass
    time.sleep(0.3)
    stdout, _ = ended_by(process, signum)
    document = json.loads(stdout)
    assert document["contextops"]["complete"] is False
    assert document["choices"][0]["message"]["content"] == "part "


def test_while_waiting_to_try_again(command, serve, exported):
    exported(serve(lambda _: json_answer({}, 429, {"retry-after": "60"})))
    process = command.start("chat", "send", "-n", "hi")
    assert b"trying again" in process.stderr.readline()
    assert ended_by(process, signal.SIGINT) == (b"", b"")


def test_while_waiting_for_standard_input(command, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    process = command.start("chat", "send", "hi")
    assert b"waiting for standard input" in process.stderr.readline()
    assert ended_by(process, signal.SIGINT) == (b"", b"")


def test_nohup_is_honoured(command, serve, exported):
    server = exported(serve(lambda _: stream(chunk("part "), 0.5, chunk("rest", finish="stop"))))

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = command.start("chat", "send", "-n", "hi", preexec_fn=ignore)
    assert server.asked.wait(10)
    assert process.stdout.read(5) == b"part "
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=10)[0] == b"rest\n"
    assert process.returncode == 0


def test_ctrl_c_on_a_terminal_leaves_a_clean_line(terminal, serve, exported):
    exported(serve(lambda _: stream(chunk("a paragraph\n\nand more "), HOLD)))
    shown = terminal("chat", "send", "-n", "hi")
    shown.expect_exact("a paragraph")
    shown.sendintr()
    shown.expect_exact("and more")
    shown.expect(__import__("pexpect").EOF)
    shown.close()
    assert shown.signalstatus == signal.SIGINT


def test_a_terminal_gets_markdown_and_no_escape_of_the_models(terminal, serve, exported):
    text = "# Title\n\nSome **bold** \x1b]0;owned\x07 text.\n\n```python\nprint(1)\n```\n"
    exported(serve(lambda _: stream(chunk(text), chunk(finish="stop"))))
    shown = terminal("chat", "send", "-n", "hi")
    shown.expect(__import__("pexpect").EOF)
    shown.close()
    assert shown.exitstatus == 0
    assert "\x1b]0;" not in shown.before
    assert "^[]0;owned^G" in shown.before
    assert "**bold**" not in shown.before
    assert "bold" in shown.before
    assert "print" in shown.before


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_a_plain_terminal_gets_no_color(terminal, serve, exported, env):
    exported(serve(lambda _: stream(chunk("**a** `b`"), chunk(finish="stop"))))
    shown = terminal("chat", "send", "-n", "hi", env=env)
    shown.expect(__import__("pexpect").EOF)
    assert "\x1b[3" not in shown.before


def test_a_spinner_turns_on_stderr_until_the_first_word(terminal, serve, exported):
    exported(serve(lambda _: stream(1.0, chunk("done\n"), chunk(finish="stop"))))
    shown = terminal("chat", "send", "-n", "hi")
    shown.expect("[⠋⠙⠹]")
    shown.expect_exact("\r\x1b[K")
    shown.expect_exact("done")
