"""The history of entries: private, bounded, and shared by processes that run at once."""

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

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "history"


def history(path: Path, notes: list[str] | None = None) -> FileHistory:
    note = ([] if notes is None else notes).append
    return FileHistory(
        path, is_secret=lambda entry: "secret" in entry, knows_secrets=lambda: True, note=note
    )


def entries(path: Path) -> list[str]:
    """Return what the next process to run reads, the latest first."""
    return list(history(path).load_history_strings())


def test_missing_history_is_empty_and_not_created(path):
    assert entries(path) == []
    assert not path.exists()


def test_history_has_entries_of_all_processes(path):
    first, second = history(path), history(path)
    first.save("one")
    second.save("two\nlines ü \x1b[0m \ud800")
    first.save("three")
    assert entries(path) == ["three", "two\nlines ü \x1b[0m \ufffd", "one"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("entry", ["", " \n", " begins with a blank", "a secret", "x" * 70_000])
def test_blank_secret_and_long_entries_are_not_saved(path, entry):
    history(path).save(entry)
    assert not path.exists()


def test_entries_are_saved_once_secrets_are_known(path):
    is_known = False
    pending = FileHistory(
        path, is_secret=lambda entry: "key" in entry, knows_secrets=lambda: is_known, note=print
    )
    pending.save("my key is")
    pending.save("one")
    assert not path.exists()
    is_known = True
    pending.save_pending()
    assert entries(path) == ["one"]


def test_save_does_not_wait_for_locked_history(path):
    notes: list[str] = []
    with files.locked(path):
        started = time.monotonic()
        history(path, notes).save("one")
        assert time.monotonic() - started < 2
    assert len(notes) == 1


@posix_only
def test_history_readable_by_others_is_made_private(path):
    history(path).save("one")
    path.chmod(0o644)
    assert entries(path) == ["one"]
    assert path.stat().st_mode & 0o777 == 0o600


@posix_only
def test_pipe_or_device_is_not_read(path, tmp_path):
    """A device has no end, and opening a pipe waits for a writer."""
    path.parent.mkdir()
    os.mkfifo(path)
    assert entries(path) == []
    path.unlink()
    path.symlink_to("/dev/zero")
    assert entries(path) == []


def test_control_characters_of_completion_are_shown_not_obeyed():
    evil = "m\u202egnp\x1b[2J\nx"
    completer = _Completer(lambda _: [(evil, 0, evil)])
    (completion,) = completer.get_completions(Document("/model "), CompleteEvent())
    assert completion.text == evil
    assert (completion.display_text, completion.display_meta_text) == (r"m\u{202e}gnp^[[2J^Jx",) * 2


def test_control_characters_of_prompt_are_shown_not_obeyed(path, monkeypatch):
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


def test_history_is_created_private(path, monkeypatch):
    """At no moment could other users open it."""
    modes = []

    def open_file(name, flags, mode=0o777):
        descriptor = os.open(name, flags, mode)
        if Path(name) == path:
            modes.append(path.stat().st_mode & 0o777)
        return descriptor

    patch_calls(monkeypatch, open=open_file)
    history(path).save("one")
    assert modes == [0o600]


def test_invalid_lines_are_skipped(path):
    path.parent.mkdir()
    path.write_bytes(b'"one"\nnot json\n{"a": 1}\n\n\xff\n"two"\n"torn')
    assert entries(path) == ["two", "one"]
    history(path).save("three")
    assert entries(path)[:2] == ["three", "two"]


def test_latest_entries_are_read_and_long_file_is_truncated(path):
    path.parent.mkdir()
    path.write_text("".join(f"{json.dumps(f'{number} ' + 'x' * 900)}\n" for number in range(3000)))
    loaded = entries(path)
    assert len(loaded) == 1000
    assert loaded[0].startswith("2999 ")
    assert path.stat().st_size <= 1 << 20
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_more_entries_are_remembered_than_are_read(path):
    remembered = history(path)
    for number in range(1100):
        remembered.append_string(str(number))
    assert len(remembered.get_strings()) == 1000
    assert not path.exists()


def test_error_of_saving_is_noted_once(path):
    path.parent.write_text("a file, not a folder")
    notes: list[str] = []
    unwritable = history(path, notes)
    unwritable.save("one")
    unwritable.save("two")
    assert len(notes) == 1
    assert "cannot save the history" in notes[0]
