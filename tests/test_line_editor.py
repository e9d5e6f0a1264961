"""The history of what was entered: its owner's, bounded, and shared by all that run at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contextops import store
from contextops.line_editor import FileHistory


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "state" / "history"


def history(path: Path, notes: list[str] | None = None) -> FileHistory:
    note = ([] if notes is None else notes).append
    return FileHistory(path, is_secret=lambda entry: "secret" in entry, note=note)


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


def test_it_is_created_private(path, monkeypatch):
    """There is no moment in which others could open it."""
    modes = []
    opened = store.system.open

    def open_file(name, flags, mode=0o777):
        descriptor = opened(name, flags, mode)
        if Path(name) == path:
            modes.append(path.stat().st_mode & 0o777)
        return descriptor

    monkeypatch.setattr(store.system, "open", open_file)
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
