"""The history of what was entered: its owner's, bounded, and shared by all that run at once."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.shortcuts import PromptSession

from contextops import files
from contextops.repl.editor import FileHistory, LineEditor, _Completer
from system_spy import patch_calls

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "history"


def history(path: Path, notes: list[str] | None = None) -> FileHistory:
    note = ([] if notes is None else notes).append
    return FileHistory(
        path, is_secret=lambda entry: "secret" in entry, knows_secrets=lambda: True, note=note
    )


def entries(path: Path) -> list[str]:
    """Give what the next one to run has, the latest first."""
    return list(history(path).load_history_strings())


def test_there_may_be_none(path):
    assert entries(path) == []
    assert not path.exists()


def test_what_was_entered_is_there_for_the_next(path):
    ours, theirs = history(path), history(path)
    ours.keep("one")
    theirs.keep("two\nlines ü \x1b[0m \ud800")
    ours.keep("three")
    assert entries(path) == ["three", "two\nlines ü \x1b[0m \ufffd", "one"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("entry", ["", " \n", " begins with a blank", "a secret", "x" * 70_000])
def test_what_is_not_kept(path, entry):
    history(path).keep(entry)
    assert not path.exists()


def test_before_what_is_secret_is_known_nothing_is_kept(path):
    knows = False
    ours = FileHistory(
        path, is_secret=lambda entry: "key" in entry, knows_secrets=lambda: knows, note=print
    )
    ours.keep("my key is")
    ours.keep("one")
    assert not path.exists()
    knows = True
    ours.keep_waiting()
    assert entries(path) == ["one"]


def test_nobody_is_waited_for(path):
    notes: list[str] = []
    with files.locked(path):
        started = time.monotonic()
        history(path, notes).keep("one")
        assert time.monotonic() - started < 2
    assert len(notes) == 1


@posix
def test_others_can_no_longer_read_it(path):
    history(path).keep("one")
    path.chmod(0o644)
    assert entries(path) == ["one"]
    assert path.stat().st_mode & 0o777 == 0o600


@posix
def test_only_a_file_is_read(path, tmp_path):
    """Of a device there is no end, and of a pipe no beginning."""
    path.parent.mkdir()
    os.mkfifo(path)
    assert entries(path) == []
    path.unlink()
    path.symlink_to("/dev/zero")
    assert entries(path) == []


def test_what_a_server_calls_its_models_does_nothing_to_the_terminal():
    evil = "m\u202egnp\x1b[2J\nx"
    completer = _Completer(lambda _: [(evil, 0, evil)])
    (found,) = completer.get_completions(Document("/model "), CompleteEvent())
    assert found.text == evil
    assert (found.display_text, found.display_meta_text) == (r"m\u{202e}gnp^[[2J^Jx",) * 2


def test_the_prompt_does_nothing_to_the_terminal(path, monkeypatch):
    seen = []
    monkeypatch.setattr(PromptSession, "prompt", lambda _, text, **__: seen.append(text) or "hi")
    editor = LineEditor(
        screen=io.StringIO(),
        colors=False,
        history=path,
        is_secret=lambda _: False,
        knows_secrets=lambda: True,
        complete=lambda _: [],
        note=print,
    )
    assert editor.read("m\u202egnp\nx> ") == "hi"
    assert seen == [[("", "\n"), ("bold", r"m\u{202e}gnp^Jx> ")]]


def test_it_is_created_private(path, monkeypatch):
    """There is no moment in which others could open it."""
    modes = []

    def open_file(name, flags, mode=0o777):
        descriptor = os.open(name, flags, mode)
        if Path(name) == path:
            modes.append(path.stat().st_mode & 0o777)
        return descriptor

    patch_calls(monkeypatch, open=open_file)
    history(path).keep("one")
    assert modes == [0o600]


def test_lines_that_are_none_are_passed_over(path):
    path.parent.mkdir()
    path.write_bytes(b'"one"\nnot json\n{"a": 1}\n\n\xff\n"two"\n"torn')
    assert entries(path) == ["two", "one"]
    history(path).keep("three")
    assert entries(path)[:2] == ["three", "two"]


def test_only_the_latest_are_read_and_a_long_file_is_cut(path):
    path.parent.mkdir()
    path.write_text("".join(f"{json.dumps(f'{number} ' + 'x' * 900)}\n" for number in range(3000)))
    found = entries(path)
    assert len(found) == 1000
    assert found[0].startswith("2999 ")
    assert path.stat().st_size <= 1 << 20
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_more_are_remembered_than_are_read(path):
    ours = history(path)
    for number in range(1100):
        ours.append_string(str(number))
    assert len(ours.get_strings()) == 1000
    assert not path.exists()


def test_what_cannot_be_kept_is_noted_once(path):
    path.parent.write_text("a file, not a folder")
    notes: list[str] = []
    ours = history(path, notes)
    ours.keep("one")
    ours.keep("two")
    assert len(notes) == 1
    assert "the history is not kept" in notes[0]
