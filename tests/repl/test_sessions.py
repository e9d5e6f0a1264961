"""What a conversation saves, when, and what is sent of it when it is continued."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from contextops import files
from contextops.chat import session
from contextops.chat.session import Conversation
from contextops.errors import OutputError, SignalInterrupt
from contextops.output import Printer
from repl_driver import failing


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def messages(path: Path) -> list[tuple[str, str]]:
    return [(record["role"], record["content"]) for record in records(path)]


def fail_to_append(*_: Any) -> None:
    raise OutputError("cannot write")


def test_save_stores_earlier_and_later_turns(repl, tmp_path):
    repl("one", "/save review", "two")
    path = tmp_path / "review.jsonl"
    assert messages(path) == [
        ("user", "one"),
        ("assistant", "echo one"),
        ("user", "two"),
        ("assistant", "echo two"),
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_save_marks_incomplete_answer(repl, tmp_path):
    repl.model = failing(SignalInterrupt(signal.SIGINT), "a part")
    repl("one", "/save review")
    *_, partial = records(tmp_path / "review.jsonl")
    assert (partial["content"], partial["complete"]) == ("a part", False)
    assert session.messages(session.load_records(tmp_path / "review.jsonl")) == []


def test_save_under_name_of_another_session_is_refused(repl, tmp_path):
    session.append_records(tmp_path / "other.jsonl", [{"role": "user", "content": "x"}])
    assert repl("one", "/save other", is_person=False) == 2
    assert messages(tmp_path / "other.jsonl") == [("user", "x")]


def test_second_save_copies_conversation(repl, tmp_path):
    repl("one", "/save a", "two", "/undo", "/save b", "three")
    for name, questions in (("a", ["one"]), ("b", ["one", "three"])):
        sent = session.messages(session.load_records(tmp_path / f"{name}.jsonl"))
        assert [each["content"] for each in sent if each["role"] == "user"] == questions


def test_load_continues_session_and_shows_last_turns(repl, tmp_path, capfd):
    repl("/save long", *(f"question {number}" for number in range(4)))
    capfd.readouterr()
    repl("/clear", "/load long", "go on")
    captured = capfd.readouterr()
    assert "> question 2" in captured.err
    assert "> question 1" not in captured.err
    # Standard output has the answers of this run only; earlier ones are for a person.
    assert captured.out == "echo go on\n"
    assert "> question 3\necho question 3\n" in captured.err
    assert len(repl.questions) == 5


def test_load_of_unknown_session_suggests_nearest(repl, tmp_path, capfd):
    session.append_records(tmp_path / "review.jsonl", [{"role": "user", "content": "x"}])
    assert repl("/load reviw", is_person=False) == 3
    assert "did you mean review?" in capfd.readouterr().err


@pytest.mark.parametrize("entry", ["/save", "/load", "/save ../x", "/load a/b"])
def test_invalid_session_name_is_refused(repl, entry):
    assert repl(entry, is_person=False) == 2


@pytest.mark.parametrize("command", ["/save", "/load"])
def test_session_name_too_long_for_file_system_is_one_line(repl, command, capfd):
    assert repl("one", f"{command} {'a' * 300}.jsonl", "two", is_person=False) == 26
    assert repl.questions == ["one", "two"]
    assert capfd.readouterr().err.count("\n") == 1


def test_load_prints_last_turns_on_stderr_for_program(repl, capfd):
    repl("/save s", "one", "/clear")
    capfd.readouterr()
    printer = Printer(as_json=True)
    printer.stdout_is_terminal = True
    repl.dialogue.printer = printer
    repl("/load s")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "echo one" in captured.err


def test_retry_asks_where_session_cannot_be_written(repl, tmp_path, capfd):
    path = tmp_path / "s.jsonl"
    repl("/save s", "one", "two")
    path.rename(tmp_path / "away")
    path.mkdir()
    assert repl("/retry", "/retry", is_person=False) == 23
    assert repl.questions == ["one", "two"]
    assert len(repl.requests) == 4
    path.rmdir()
    (tmp_path / "away").rename(path)
    repl("/exit")
    loaded = Conversation(path=path)
    assert loaded.messages() == repl.dialogue.conversation.messages()


def test_system_message_set_last_is_saved(repl, tmp_path):
    repl("/save s", "one", "/system Be kind.")
    assert Conversation(path=tmp_path / "s.jsonl").system == "Be kind."


def test_session_without_turn_is_not_created(repl, tmp_path):
    repl.dialogue.conversation = Conversation(path=tmp_path / "s.jsonl", system="Be kind.")
    repl("/exit")
    assert not (tmp_path / "s.jsonl").exists()


@pytest.mark.parametrize("leaving", [(), ("/clear",)])
def test_unsaved_turn_is_saved_on_leaving(repl, tmp_path, monkeypatch, leaving):
    repl("/save s")
    append = files.append

    def repair(text: str) -> str:
        monkeypatch.setattr(files, "append", append)
        return text

    monkeypatch.setattr(files, "append", fail_to_append)
    repl.context.edit_text = repair
    repl("one", "/edit", *leaving)
    assert [content for _, content in messages(tmp_path / "s.jsonl")] == ["one", "echo one"]


def test_ctrl_c_does_not_wait_for_locked_session(repl, tmp_path):
    """The incomplete answer is saved with the next turn instead."""
    repl("/save s", "one")
    repl.model = failing(SignalInterrupt(signal.SIGINT), "a part")
    with files.locked(tmp_path / "s.jsonl"):
        started = time.monotonic()
        with pytest.raises(SignalInterrupt):
            repl.dialogue.send("two")
        assert time.monotonic() - started < 2
    repl("/exit")
    *_, partial = records(tmp_path / "s.jsonl")
    assert (partial["content"], partial["complete"]) == ("a part", False)


def test_answer_is_shown_before_it_is_saved(repl, monkeypatch, capfd):
    """So is its last block, which is rendered once nothing more can come."""
    repl.dialogue.printer = Printer(color="always")
    shown: list[str] = []
    monkeypatch.setattr(files, "append", lambda *_: shown.append(capfd.readouterr().out))
    repl("/save s", "one")
    assert shown == ["echo one\n"]


def test_undone_turn_is_not_sent_by_continued_session(repl, tmp_path):
    repl("/save s", "one", "two", "/undo", "/retry", "three")
    loaded = Conversation(path=tmp_path / "s.jsonl")
    contents = [message["content"] for message in loaded.messages()]
    assert contents == ["one", "echo one", "three", "echo three"]


def test_session_prints_where_conversation_is_saved(repl, tmp_path, capfd):
    repl("/session", "/save s", "/session")
    stderr = capfd.readouterr().err
    assert "none; save this one with /save" in stderr
    assert f"session: {tmp_path}/s.jsonl" in stderr


def test_unsaved_turn_is_saved_with_next_turn(repl, tmp_path, monkeypatch):
    repl("/save s")
    append = files.append
    monkeypatch.setattr(files, "append", fail_to_append)
    assert repl("one", is_person=False) == 23
    assert repl.dialogue.is_answered
    monkeypatch.setattr(files, "append", append)
    assert repl("two", is_person=False) == 0
    assert [content for _, content in messages(tmp_path / "s.jsonl")] == [
        "one",
        "echo one",
        "two",
        "echo two",
    ]


def test_work_of_turn_does_not_grow(repl, monkeypatch):
    """Each turn writes its own messages once, measured in calls and bytes."""
    written: list[int] = []
    append = files.append

    def counting_append(path: Path, lines: bytes, wait: float) -> None:
        written.append(len(lines))
        append(path, lines, wait)

    monkeypatch.setattr(files, "append", counting_append)
    dumped: list[int] = []
    from contextops import strict_json

    dumps = strict_json.dumps

    def counting_dumps(value: Any, **more: Any) -> str:
        text = dumps(value, **more)
        dumped.append(len(text))
        return text

    monkeypatch.setattr(strict_json, "dumps", counting_dumps)
    repl("/save s")
    sizes = []
    for _ in range(30):
        dumped.clear()
        repl("the same")
        sizes.append((len(dumped), sum(dumped)))
    assert len(set(written)) == 1
    # Each turn encodes the messages of the turn before it, so that the first differs.
    assert len(set(sizes[1:])) == 1
