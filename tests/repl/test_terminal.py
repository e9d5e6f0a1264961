"""``chat repl`` at a terminal: keys in, a screen out, and a terminal left as it was."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from server import HOLD
from shapes import KEY, OpenWebUI, chunk, stream

pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
termios = pytest.importorskip("termios", exc_type=ImportError)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX terminals")

CTRL_C, CTRL_D, CTRL_R, CTRL_Z = "\x03", "\x04", "\x12", "\x1a"
ALT_ENTER, UP = "\x1b\r", "\x1b[A"
PROMPT = "default ctx-small>"
STARTED = "\x1b[?2004h"  # The editor turns bracketed paste on once for each message.
READY = "\x1b[?25h"  # The cursor is shown: the prompt has been drawn.
AT_ONCE = 2.0  # Half a second is promised; a loaded machine gets more.


class Person:
    """A person at the keyboard, who types and waits for texts on the screen."""

    def __init__(self, child):
        self.child = child

    def sees(self, *texts):
        for text in texts:
            self.child.expect_exact(text)

    def sees_prompt(self):
        self.sees(STARTED, PROMPT, READY)

    def types(self, *keys):
        for key in keys:
            self.child.send(key)

    def enters(self, text, answer):
        """Type a text and Enter, and wait for an answer and the next prompt."""
        self.types(text, "\r")
        self.sees(answer)
        self.sees_prompt()

    def sees_at_once(self, key, answer):
        started = time.monotonic()
        self.types(key)
        self.sees(answer)
        assert time.monotonic() - started < AT_ONCE

    def sees_end(self, *, status=None, signum=None):
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert (self.child.exitstatus, self.child.signalstatus) == (status, signum)


@pytest.fixture
def exported(monkeypatch):
    def export(server):
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
        monkeypatch.setenv("CONTEXTOPS_MODEL", "ctx-small")
        monkeypatch.setenv("CONTEXTOPS_RETRIES", "0")
        return server

    return export


@pytest.fixture
def server(serve, exported):
    return exported(serve(OpenWebUI(), may_be_idle=True))


@pytest.fixture
def start(terminal):
    def start(*argv, **settings):
        person = Person(terminal("chat", "repl", *argv, **settings))
        person.sees_prompt()
        return person

    return start


def last_message(server):
    return server.requests[-1].json()["messages"][-1]["content"]


def test_every_action_of_a_person_in_one_conversation(start, server, home, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf ", edited" >> "$1"\n')
    editor.chmod(0o700)
    person = start(env={"EDITOR": str(editor)})
    with (tmp_path / "recording").open("w") as recording:
        person.child.logfile_read = recording
        write_messages(person, server)
        run_commands(person, server, tmp_path)
        interrupt(person)
        save_and_leave(person)
    # The editor does not ask for the cursor's position: a late answer would be the next
    # program's input.
    assert "\x1b[6n" not in (tmp_path / "recording").read_text()
    lines = (home / ".local/state/contextops/saved.jsonl").read_text().splitlines()
    records = map(json.loads, lines)
    parts = [record["content"] for record in records if record.get("complete") is False]
    assert parts[0] == ""
    assert "You said: ".startswith(parts[1] or "nothing")


def write_messages(person, server):
    person.enters("**bold** \x1b[200~# title\nb\x1b[201~", "You said: \x1b[1mbold")
    assert last_message(server) == "**bold** # title\nb"
    person.types("one\\\rtwo", ALT_ENTER, "three")
    person.enters("", "You said: one")
    assert last_message(server) == "one\ntwo\nthree"
    person.types("\x1b[200~/usr/bin is\r\npasted\x1b[201~")
    person.enters("", "unknown command /usr/bin: nothing was sent")
    person.enters("//usr/bin", "You said: /usr/bin")


def run_commands(person, server, folder):
    (folder / "notes.txt").write_text("remember")
    person.types("/model ctx-l")
    person.sees("ctx-l")
    person.types("\t")
    person.sees("arge")
    person.types("\r")
    person.sees("model: ctx-large", "default ctx-large>", READY)
    person.enters("/model ctx-small", "model: ctx-small")
    person.enters("/modl", "did you mean /model?")
    person.enters("/help", "/undo")
    person.enters("/models larg", "ctx-large\r\n")
    person.enters("/tokens", "total 18 tokens")
    person.enters("/param seed=7", "seed = 7")
    person.enters("/system Be kind.", "system: Be kind.")
    person.types(f"/file {folder}/no")
    person.sees("/no")
    person.types("\t")
    person.sees("tes.txt")
    person.types("\r")
    person.sees(f"{PROMPT[:-1]} +1>")
    person.enters("what is it?", "You said: what is it?")
    assert "remember" in last_message(server)
    person.enters("/edit", "edited")
    assert last_message(server).endswith("</document>, edited")


def interrupt(person):
    # Ctrl-C arrives while the terminal is still in raw mode.
    person.sees_at_once(f"!slow=9 wait\r{CTRL_C}", "(Ctrl-D or /exit leaves)")
    person.sees_prompt()
    person.types("!slow=9 wait\r")
    person.sees("⠋")
    person.sees_at_once(CTRL_C, "(interrupted; /retry asks again)")
    person.sees_prompt()
    person.types("!drip=0.2 some words that come slowly\n\nand more\r")
    time.sleep(0.5)
    person.sees_at_once(CTRL_C, "(interrupted")
    person.sees_prompt()
    person.enters("!429", "/retry asks again")
    person.enters("/undo", "already undone")


def save_and_leave(person):
    person.child.setwinsize(24, 30)
    person.enters("wide " * 10, "You said: wide wide wide wide")
    person.enters("/retry", "You said: wide wide wide wide")
    person.enters("/save saved", "saved.jsonl")
    person.enters("and saved", "You said: and saved")
    person.enters("/clear", "started a new conversation")
    person.enters("/session", "none; save this one")
    person.enters("/load saved", "> and saved")
    person.types("typed and dropped", CTRL_C)
    person.sees_prompt()
    person.sees_at_once(CTRL_C, "(Ctrl-D or /exit leaves)")
    person.sees_prompt()
    person.types(CTRL_D)
    person.sees_end(status=0)


def test_history_and_session_are_there_for_next_run(start, terminal, server, home):
    history = home / ".local/state/contextops/history"
    person = start("--session", "s")
    person.enters("the first", "You said: the first")
    assert history.stat().st_mode & 0o777 == 0o600
    person.enters(f"a secret {KEY}", "You said: a secret")
    person.enters(" begins with a blank", "You said:  begins")
    person.enters("in two\\\rlines", "You said: in two")
    assert [json.loads(line) for line in history.read_text().splitlines()] == [
        "the first",
        "in two\nlines",
    ]
    person.child.close(force=True)

    person = Person(terminal("chat", "repl", "--session", "s"))
    person.sees(
        "(4 turns; the last 2:)", "You said:  begins", "> in two", "> lines", "You said: in"
    )
    person.sees_prompt()
    person.types(UP)
    person.sees("lines")
    person.types(CTRL_C)
    person.sees_prompt()
    person.types(CTRL_R, "the f")
    person.sees("irst")
    person.types("\r")
    person.enters("", "You said: the first")
    assert len(server.requests[-1].json()["messages"]) == 9
    person.types("/exit\r")
    person.sees_end(status=0)


def test_incomplete_answer_is_saved_when_terminal_closes(start, run, serve, exported):
    server = exported(serve(lambda _: stream(chunk("part "), HOLD)))
    person = start("--session", "s")
    person.types("one\r")
    assert server.request_received.wait(10)
    time.sleep(0.2)
    person.child.kill(signal.SIGHUP)
    person.sees_end(signum=signal.SIGHUP)
    assert "part" in run("session", "show", "s").stdout


def test_signal_at_prompt_restores_terminal(terminal, server):
    """No shell is there to restore it."""
    person = Person(terminal("chat", "repl"))
    before = termios.tcgetattr(person.child.child_fd)
    person.sees_prompt()
    assert termios.tcgetattr(person.child.child_fd) != before
    person.child.kill(signal.SIGTERM)
    person.child.expect(pexpect.EOF)
    assert termios.tcgetattr(person.child.child_fd) == before
    assert person.child.before.count("\x1b[?2004l") == 1
    person.sees_end(signum=signal.SIGTERM)


def test_suspended_and_killed_repl_restores_terminal_for_shell(server, home, tmp_path):
    shell = pexpect.spawn(
        *("bash", ["--norc", "--noprofile", "-i"]),
        env={**os.environ, "PS1": "shell% "},
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=10,
    )
    shell.delaybeforesend = None
    person = Person(shell)

    def runs(line, *texts):
        person.sees("shell% ")
        person.types(line, "\r")
        person.sees(*texts)

    def settings(name):
        runs(f"stty -a > {tmp_path}/{name}")
        return tmp_path / name

    before = settings("before")
    runs(f"{sys.executable} -m contextops chat repl --session s", PROMPT, READY)
    person.types("typed")
    person.sees("typed")
    person.types(CTRL_Z)
    person.sees("Stopped")
    suspended = settings("suspended")
    runs("fg", PROMPT, "typed", READY)
    person.enters(" more", "You said: typed more")
    person.types("!drip=0.3 one two three\r")
    time.sleep(0.4)
    person.types(CTRL_Z)
    person.sees("Stopped")
    runs("fg", "You said: !drip=0.3 one two three", PROMPT, READY)
    children = f"/proc/{shell.pid}/task/{shell.pid}/children"
    os.kill(int(Path(children).read_text().split()[0]), signal.SIGHUP)
    person.sees("Hangup")
    after = settings("after")
    runs("exit")
    shell.expect(pexpect.EOF)
    shell.close()
    assert before.read_text() == suspended.read_text() == after.read_text()
    saved = (home / ".local/state/contextops/s.jsonl").read_text()
    assert saved.count('"complete":true') == 2


def test_dumb_terminal_reads_plain_lines(terminal, server, monkeypatch):
    monkeypatch.delenv("CONTEXTOPS_MODEL")
    person = Person(terminal("chat", "repl", env={"TERM": "dumb"}))
    # The model can still be chosen.
    person.sees("no model chosen; the server offers ctx-small, ctx-large", "default (no model)> ")
    person.types("/model ctx-small\r")
    person.sees("model: ctx-small", f"{PROMPT} ")
    person.types("one\\\r", "two\r")
    person.sees("You said: one\r\ntwo", f"{PROMPT} ")
    person.types("!slow=9 x\r")
    time.sleep(0.3)
    person.sees_at_once(CTRL_C, "(interrupted; /retry asks again)")
    person.sees(f"{PROMPT} ")
    person.sees_at_once(CTRL_C, "(Ctrl-D or /exit leaves)")
    person.sees(f"{PROMPT} ")
    person.types(CTRL_D)
    person.sees_end(status=0)


def test_redirected_stdout_has_answers_and_terminal_has_prompt(server, tmp_path):
    shell = f"{sys.executable} -m contextops chat repl --color never > {tmp_path}/answers"
    person = Person(
        pexpect.spawn("sh", ["-c", shell], env=dict(os.environ), encoding="utf-8", timeout=10)
    )
    person.sees_prompt()
    person.types("**one**\r")
    person.sees_prompt()
    person.types("/tokens\r")
    person.sees("total 18")
    assert "\x1b[38" not in person.child.before
    person.sees_prompt()
    person.types(CTRL_D)
    person.sees_end(status=0)
    assert (tmp_path / "answers").read_bytes() == b"You said: **one**\n"
