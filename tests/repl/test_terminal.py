"""``chat repl`` as a person has it: keys in, a screen out, and a terminal left as it was."""

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
BEGUN = "\x1b[?2004h"  # What is pasted will be told as such: once for each message.
READY = "\x1b[?25h"  # The cursor is shown: the prompt has been drawn.
AT_ONCE = 2.0  # Half a second is promised; a loaded machine gets more.


class Person:
    """Somebody at the keyboard."""

    def __init__(self, child):
        self.child = child

    def sees(self, *texts):
        for text in texts:
            self.child.expect_exact(text)

    def is_asked(self):
        self.sees(BEGUN, PROMPT, READY)

    def types(self, *keys):
        for key in keys:
            self.child.send(key)

    def says(self, text, answer):
        """Say something and see what comes, up to the next prompt."""
        self.types(text, "\r")
        self.sees(answer)
        self.is_asked()

    def is_heard_at_once(self, key, answer):
        started = time.monotonic()
        self.types(key)
        self.sees(answer)
        assert time.monotonic() - started < AT_ONCE

    def ends(self, *, status=None, death=None):
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert (self.child.exitstatus, self.child.signalstatus) == (status, death)


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
def sit_down(terminal):
    def sit_down(*argv, **settings):
        person = Person(terminal("chat", "repl", *argv, **settings))
        person.is_asked()
        return person

    return sit_down


def said(server):
    return server.requests[-1].json()["messages"][-1]["content"]


def test_a_conversation_from_the_first_word_to_the_last(sit_down, server, home, tmp_path):
    """The session on record: each thing that a person can do, in one sitting."""
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf ", edited" >> "$1"\n')
    editor.chmod(0o700)
    person = sit_down(env={"EDITOR": str(editor)})
    with (tmp_path / "recording").open("w") as record:
        person.child.logfile_read = record
        writes(person, server)
        commands(person, server, tmp_path)
        interrupts(person)
        keeps_and_leaves(person)
    # No question that a terminal's late answer would put into the next program's input.
    assert "\x1b[6n" not in (tmp_path / "recording").read_text()
    kept = (home / ".local/state/contextops/kept.jsonl").read_text().splitlines()
    parts = [line["content"] for line in map(json.loads, kept) if line.get("complete") is False]
    assert parts[0] == ""
    assert "You said: ".startswith(parts[1] or "nothing")


def writes(person, server):
    person.says("**bold** \x1b[200~# title\nb\x1b[201~", "You said: \x1b[1mbold")
    assert said(server) == "**bold** # title\nb"
    person.types("one\\\rtwo", ALT_ENTER, "three")
    person.says("", "You said: one")
    assert said(server) == "one\ntwo\nthree"
    person.types("\x1b[200~/usr/bin is\r\npasted\x1b[201~")
    person.says("", "is no command: nothing was sent")
    person.says("//usr/bin", "You said: /usr/bin")


def commands(person, server, folder):
    (folder / "notes.txt").write_text("remember")
    person.types("/model ctx-l")
    person.sees("ctx-l")
    person.types("\t")
    person.sees("arge")
    person.types("\r")
    person.sees("model: ctx-large", "default ctx-large>", READY)
    person.says("/model ctx-small", "model: ctx-small")
    person.says("/modl", "did you mean /model?")
    person.says("/help", "/undo")
    person.says("/models larg", "ctx-large\r\n")
    person.says("/tokens", "total 18 tokens")
    person.says("/param seed=7", "seed = 7")
    person.says("/system Be kind.", "system: Be kind.")
    person.types(f"/file {folder}/no")
    person.sees("/no")
    person.types("\t")
    person.sees("tes.txt")
    person.types("\r")
    person.sees(f"{PROMPT[:-1]} +1>")
    person.says("what is it?", "You said: what is it?")
    assert "remember" in said(server)
    person.says("/edit", "edited")
    assert said(server).endswith("</document>, edited")


def interrupts(person):
    # Before the editor has let go of the terminal.
    person.is_heard_at_once(f"!slow=9 wait\r{CTRL_C}", "(Ctrl-D or /exit leaves)")
    person.is_asked()
    person.types("!slow=9 wait\r")
    person.sees("⠋")
    person.is_heard_at_once(CTRL_C, "(interrupted; /retry asks again)")
    person.is_asked()
    person.types("!drip=0.2 some words that come slowly\n\nand more\r")
    time.sleep(0.5)
    person.is_heard_at_once(CTRL_C, "(interrupted")
    person.is_asked()
    person.says("!429", "/retry asks again")
    person.says("/undo", "taken back")


def keeps_and_leaves(person):
    person.child.setwinsize(24, 30)
    person.says("wide " * 10, "You said: wide wide wide wide")
    person.says("/retry", "You said: wide wide wide wide")
    person.says("/save kept", "kept.jsonl")
    person.says("and kept", "You said: and kept")
    person.says("/clear", "a new conversation")
    person.says("/session", "none; keep this one")
    person.says("/load kept", "> and kept")
    person.types("typed and dropped", CTRL_C)
    person.is_asked()
    person.is_heard_at_once(CTRL_C, "(Ctrl-D or /exit leaves)")
    person.is_asked()
    person.types(CTRL_D)
    person.ends(status=0)


def test_history_and_session_last(sit_down, terminal, server, home):
    history = home / ".local/state/contextops/history"
    person = sit_down("--session", "s")
    person.says("the first", "You said: the first")
    assert history.stat().st_mode & 0o777 == 0o600
    person.says(f"a secret {KEY}", "You said: a secret")
    person.says(" begins with a blank", "You said:  begins")
    person.says("in two\\\rlines", "You said: in two")
    assert [json.loads(line) for line in history.read_text().splitlines()] == [
        "the first",
        "in two\nlines",
    ]
    person.child.close(force=True)

    person = Person(terminal("chat", "repl", "--session", "s"))
    person.sees(
        "(4 turns; the last 2:)", "You said:  begins", "> in two", "> lines", "You said: in"
    )
    person.is_asked()
    person.types(UP)
    person.sees("lines")
    person.types(CTRL_C)
    person.is_asked()
    person.types(CTRL_R, "the f")
    person.sees("irst")
    person.types("\r")
    person.says("", "You said: the first")
    assert len(server.requests[-1].json()["messages"]) == 9
    person.types("/exit\r")
    person.ends(status=0)


def test_a_terminal_that_is_gone_leaves_the_session(sit_down, run, serve, exported):
    server = exported(serve(lambda _: stream(chunk("part "), HOLD)))
    person = sit_down("--session", "s")
    person.types("one\r")
    assert server.request_received.wait(10)
    time.sleep(0.2)
    person.child.kill(signal.SIGHUP)
    person.ends(death=signal.SIGHUP)
    assert "part" in run("session", "show", "s").stdout


def test_a_death_at_the_prompt_leaves_the_terminal_as_it_was(terminal, server):
    """No shell is there that would mend it."""
    person = Person(terminal("chat", "repl"))
    before = termios.tcgetattr(person.child.child_fd)
    person.is_asked()
    assert termios.tcgetattr(person.child.child_fd) != before
    person.child.kill(signal.SIGTERM)
    person.child.expect(pexpect.EOF)
    assert termios.tcgetattr(person.child.child_fd) == before
    assert person.child.before.count("\x1b[?2004l") == 1
    person.ends(death=signal.SIGTERM)


def test_a_shell_gets_its_terminal_back(server, home, tmp_path):
    """Suspended and gone on with, then dead of a signal at the prompt."""
    shell = pexpect.spawn(
        *("bash", ["--norc", "--noprofile", "-i"]),
        env={**os.environ, "PS1": "shell% "},
        encoding="utf-8",
        dimensions=(24, 80),
        timeout=10,
    )
    shell.delaybeforesend = None
    person = Person(shell)

    def does(line, *seen):
        person.sees("shell% ")
        person.types(line, "\r")
        person.sees(*seen)

    def settings(name):
        does(f"stty -a > {tmp_path}/{name}")
        return tmp_path / name

    before = settings("before")
    does(f"{sys.executable} -m contextops chat repl --session s", PROMPT, READY)
    person.types("typed")
    person.sees("typed")
    person.types(CTRL_Z)
    person.sees("Stopped")
    suspended = settings("suspended")
    does("fg", PROMPT, "typed", READY)
    person.says(" more", "You said: typed more")
    person.types("!drip=0.3 one two three\r")
    time.sleep(0.4)
    person.types(CTRL_Z)
    person.sees("Stopped")
    does("fg", "You said: !drip=0.3 one two three", PROMPT, READY)
    children = f"/proc/{shell.pid}/task/{shell.pid}/children"
    os.kill(int(Path(children).read_text().split()[0]), signal.SIGHUP)
    person.sees("Hangup")
    after = settings("after")
    does("exit")
    shell.expect(pexpect.EOF)
    shell.close()
    assert before.read_text() == suspended.read_text() == after.read_text()
    kept = (home / ".local/state/contextops/s.jsonl").read_text()
    assert kept.count('"complete":true') == 2


def test_a_terminal_that_cannot_be_drawn_on_is_asked_for_lines(terminal, server, monkeypatch):
    monkeypatch.delenv("CONTEXTOPS_MODEL")
    person = Person(terminal("chat", "repl", env={"TERM": "dumb"}))
    # Who has not chosen a model still can.
    person.sees("no model chosen; the server offers ctx-small, ctx-large", "default (no model)> ")
    person.types("/model ctx-small\r")
    person.sees("model: ctx-small", f"{PROMPT} ")
    person.types("one\\\r", "two\r")
    person.sees("You said: one\r\ntwo", f"{PROMPT} ")
    person.types("!slow=9 x\r")
    time.sleep(0.3)
    person.is_heard_at_once(CTRL_C, "(interrupted; /retry asks again)")
    person.sees(f"{PROMPT} ")
    person.is_heard_at_once(CTRL_C, "(Ctrl-D or /exit leaves)")
    person.sees(f"{PROMPT} ")
    person.types(CTRL_D)
    person.ends(status=0)


def test_answers_for_a_program_have_the_prompt_elsewhere(server, tmp_path):
    """What a person types goes on, what comes of it goes into a file."""
    shell = f"{sys.executable} -m contextops chat repl --color never > {tmp_path}/answers"
    person = Person(
        pexpect.spawn("sh", ["-c", shell], env=dict(os.environ), encoding="utf-8", timeout=10)
    )
    person.is_asked()
    person.types("**one**\r")
    person.is_asked()
    person.types("/tokens\r")
    person.sees("total 18")
    assert "\x1b[38" not in person.child.before
    person.is_asked()
    person.types(CTRL_D)
    person.ends(status=0)
    assert (tmp_path / "answers").read_bytes() == b"You said: **one**\n"
