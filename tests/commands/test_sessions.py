"""``contextops session``: list, show and delete saved conversations."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from contextops.chat.session import SessionStore
from contextops.config import state_folder


@pytest.fixture
def folder():
    return state_folder()


@pytest.fixture
def save(folder):
    """A function that saves a turn in a session and returns the file."""

    def save(name, question="why?", words="because", **about):
        answer = {"role": "assistant", "content": words, "model": "m", "complete": True, **about}
        session = SessionStore(folder).session(name)
        session.append([{"role": "user", "content": question}, answer])
        return Path(session.location)

    return save


# list


def test_list_prints_sorted_names_in_pipe(run, save, folder):
    for name in ("b", "a.1", "C"):
        save(name)
    (folder / "notes.txt").touch()
    (folder / "folder.jsonl").mkdir()
    result = run("session", "list")
    assert (result.status, result.stdout, result.stderr) == (0, "C\na.1\nb\n", "")


@pytest.mark.parametrize(("flags", "output"), [([], ""), (["--json"], "[]\n")])
def test_list_without_sessions_prints_nothing_and_creates_no_folder(run, folder, flags, output):
    result = run("session", "list", *flags)
    assert (result.status, result.stdout, result.stderr) == (0, output, "")
    assert not folder.exists()


def test_list_json_describes_sessions(run, save):
    path = save("a")
    save("a", model="later")
    (result,) = json.loads(run("session", "list", "--json").stdout)
    assert result["last"]
    del result["last"]
    assert result == {"name": "a", "path": str(path), "messages": 4, "model": "later"}


@pytest.mark.parametrize("name", ["a b", "ü", "x" * 65, ".hidden", "talk.jsonl"])
def test_list_describes_files_whose_names_no_session_can_have(run, save, folder, name):
    path = save("a").rename(folder / f"{name}.jsonl")
    result = run("session", "list", "--json")
    assert (result.status, result.stderr) == (0, "")
    (description,) = json.loads(result.stdout)
    del description["last"]
    assert description == {"name": name, "path": str(path), "messages": 2, "model": "m"}
    listed = run("session", "list")
    assert (listed.status, listed.stdout, listed.stderr) == (0, f"{name}\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_list_prints_table_on_terminal(terminal, save):
    save("review", model="evil\x1b[2J")
    shown = terminal("session", "list")
    shown.expect("SESSION +MESSAGES +MODEL +LAST\r\n")
    shown.expect_exact("review   2         evil^[[2J  20")


# show


def test_show_prints_conversation_as_text(run, save):
    save("a")
    save("a", "and?", "half of", complete=False)
    result = run("session", "show", "a")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout == (
        "## user\n\nwhy?\n\n## assistant\n\nbecause\n\n"
        "## user\n\nand?\n\n## assistant (not complete, not sent again)\n\nhalf of\n\n"
    )


def test_show_json_is_array_of_messages(run, save):
    path = save("a", "größer\x1b")
    result = run("session", "show", "--json", "a")
    assert json.loads(result.stdout) == SessionStore(path.parent).records("a")
    assert "\x1b" not in result.stdout
    assert run("session", "show", "--json", str(path)).stdout == result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_show_makes_control_characters_visible_on_terminal(terminal, save):
    save("a", "\x1b]0;owned\x07")
    shown = terminal("session", "show", "a")
    shown.expect_exact("^[]0;owned^G")
    assert "\x1b]0;" not in shown.before


def test_show_of_damaged_session_is_status_26(run, save):
    path = save("a")
    path.write_bytes(path.read_bytes() + b"{broken\n")
    result = run("session", "show", "a")
    assert (result.status, result.stdout) == (26, "")
    assert "line 3" in result.stderr


# rm


def test_rm_deletes_sessions_and_their_locks(run, save, folder):
    for name in ("a", "b", "c"):
        save(name)
    result = run("session", "rm", "a", "b")
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    assert {path.name for path in folder.iterdir()} == {"c.jsonl", "c.jsonl.lock"}


def test_rm_deletes_nothing_if_one_does_not_exist(run, save):
    path = save("a")
    result = run("session", "rm", "a", "missing")
    assert (result.status, result.stdout) == (3, "")
    assert "no session missing" in result.stderr
    assert path.exists()


def test_rm_accepts_name_twice(run, save):
    path = save("a")
    assert run("session", "rm", "a", "a").status == 0
    assert not path.exists()


# Names


@pytest.mark.parametrize("name", ["../x", "/abs", "x" * 300, "CON", "", "a/b"])
@pytest.mark.parametrize("verb", ["show", "rm"])
def test_invalid_name_is_status_2(run, folder, verb, name):
    result = run("session", verb, name)
    assert (result.status, result.stdout) == (2, "")
    assert not folder.exists()


@pytest.mark.parametrize("verb", ["show", "rm"])
def test_missing_session_is_status_3(run, folder, verb):
    result = run("session", verb, "nobody")
    assert (result.status, result.stdout) == (3, "")
    assert "session list" in result.stderr
    assert not folder.exists()
