"""``contextops session``: see and throw away what is kept."""

from __future__ import annotations

import json
import sys

import pytest

from contextops.chat import session
from contextops.config import state_folder


@pytest.fixture
def folder():
    return state_folder()


@pytest.fixture
def keep(folder):
    """Keep a conversation of one turn."""

    def keep(name, question="why?", words="because", **about):
        answered = {"role": "assistant", "content": words, "model": "m", "complete": True, **about}
        path = session.session_path(name, folder)
        session.append_records(path, [{"role": "user", "content": question}, answered])
        return path

    return keep


# list


def test_a_pipe_gets_one_name_a_line_in_order(run, keep, folder):
    for name in ("b", "a.1", "C"):
        keep(name)
    (folder / "notes.txt").touch()
    (folder / "folder.jsonl").mkdir()
    told = run("session", "list")
    assert (told.status, told.stdout, told.stderr) == (0, "C\na.1\nb\n", "")


@pytest.mark.parametrize(("flags", "printed"), [([], ""), (["--json"], "[]\n")])
def test_nothing_kept_is_nothing_printed_and_nothing_made(run, folder, flags, printed):
    told = run("session", "list", *flags)
    assert (told.status, told.stdout, told.stderr) == (0, printed, "")
    assert not folder.exists()


def test_json_tells_what_there_is_of_each(run, keep):
    path = keep("a")
    keep("a", model="later")
    (told,) = json.loads(run("session", "list", "--json").stdout)
    assert told["last"]
    del told["last"]
    assert told == {"name": "a", "path": str(path), "messages": 4, "model": "later"}


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_gets_a_table(terminal, keep):
    keep("review", model="evil\x1b[2J")
    shown = terminal("session", "list")
    shown.expect("SESSION +MESSAGES +MODEL +LAST\r\n")
    shown.expect_exact("review   2         evil^[[2J  20")


# show


def test_a_conversation_is_text(run, keep):
    keep("a")
    keep("a", "and?", "half of", complete=False)
    told = run("session", "show", "a")
    assert (told.status, told.stderr) == (0, "")
    assert told.stdout == (
        "## user\n\nwhy?\n\n## assistant\n\nbecause\n\n"
        "## user\n\nand?\n\n## assistant (not complete, not sent again)\n\nhalf of\n\n"
    )


def test_json_is_an_array_of_messages(run, keep):
    path = keep("a", "größer\x1b")
    told = run("session", "show", "--json", "a")
    assert json.loads(told.stdout) == session.load_records(path)
    assert "\x1b" not in told.stdout
    assert run("session", "show", "--json", str(path)).stdout == told.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_does_not_obey_what_is_shown(terminal, keep):
    keep("a", "\x1b]0;owned\x07")
    shown = terminal("session", "show", "a")
    shown.expect_exact("^[]0;owned^G")
    assert "\x1b]0;" not in shown.before


def test_a_broken_one_is_status_26(run, keep):
    path = keep("a")
    path.write_bytes(path.read_bytes() + b"{broken\n")
    told = run("session", "show", "a")
    assert (told.status, told.stdout) == (26, "")
    assert "line 3" in told.stderr


# rm


def test_it_goes_and_leaves_nothing(run, keep, folder):
    for name in ("a", "b", "c"):
        keep(name)
    told = run("session", "rm", "a", "b")
    assert (told.status, told.stdout, told.stderr) == (0, "", "")
    assert {path.name for path in folder.iterdir()} == {"c.jsonl", "c.jsonl.lock"}


def test_all_that_are_named_go_or_none(run, keep):
    path = keep("a")
    told = run("session", "rm", "a", "missing")
    assert (told.status, told.stdout) == (3, "")
    assert "no session missing" in told.stderr
    assert path.exists()


def test_one_that_is_named_twice_goes_once(run, keep):
    path = keep("a")
    assert run("session", "rm", "a", "a").status == 0
    assert not path.exists()


# Names


@pytest.mark.parametrize("name", ["../x", "/abs", "x" * 300, "CON", "", "a/b"])
@pytest.mark.parametrize("verb", ["show", "rm"])
def test_what_is_no_name_is_status_2(run, folder, verb, name):
    told = run("session", verb, name)
    assert (told.status, told.stdout) == (2, "")
    assert not folder.exists()


@pytest.mark.parametrize("verb", ["show", "rm"])
def test_one_that_is_not_there_is_status_3(run, folder, verb):
    told = run("session", verb, "nobody")
    assert (told.status, told.stdout) == (3, "")
    assert "session list" in told.stderr
    assert not folder.exists()
