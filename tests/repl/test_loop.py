"""The loop of a conversation: turns, errors, interruptions and the exit status."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from contextops.api.stream import Done, Text
from contextops.errors import (
    InputError,
    ModelNotFoundError,
    ServerError,
    SignalInterrupt,
    TimedOutError,
)
from contextops.output import StdoutError
from deaths import SIGNALS
from repl_driver import answer, failing, response


def test_turn_sends_all_messages_before_it(repl, capfd):
    assert repl("one", "two") == 0
    assert repl.requests[1].messages == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "echo one"},
        {"role": "user", "content": "two"},
    ]
    assert capfd.readouterr().out == "echo one\necho two\n"
    assert repl.reader.prompts == ["work small> "] * 3


@pytest.mark.parametrize("entry", ["", "  ", "\n"])
def test_blank_entry_is_not_sent(repl, entry):
    repl(entry)
    assert repl.requests == []


def test_two_slashes_send_one(repl):
    repl("//etc/passwd: what is it?", "//", " //x")
    assert repl.questions == ["/etc/passwd: what is it?", "/", " /x"]


def test_command_after_space_is_not_sent(repl):
    repl(" /exit", "one")
    assert repl.requests == []


@pytest.mark.parametrize("entry", ["/etc/passwd", "/", "/ help", "/HELP", "/modl", " /etc"])
def test_unknown_command_is_not_sent(repl, entry, capfd):
    assert repl(entry) == 0
    assert repl.requests == []
    assert "unknown command" in capfd.readouterr().err


def test_unknown_command_suggests_nearest(repl, capfd):
    repl("/modl")
    stderr = capfd.readouterr().err
    assert stderr.count("\n") == 1
    assert "did you mean /model?" in stderr
    assert "//" in stderr


def test_failed_turn_prints_one_line_and_is_not_sent_again(repl, capfd):
    repl.model = failing(ServerError("it broke", "truly"), "a part")
    assert repl("one") == 0
    captured = capfd.readouterr()
    assert captured.out == "a part\n"
    assert captured.err == "contextops: it broke: truly; /retry asks again\n"
    repl.model = lambda *_: answer("fine")
    repl("two")
    assert repl.questions == ["two"]


def test_retry_after_failed_turn_asks_its_question(repl):
    repl.model = failing(TimedOutError("timed out"))
    repl("one")
    repl.model = lambda *_: answer("fine")
    repl("/retry", "two")
    assert [request.messages[-1]["content"] for request in repl.requests] == ["one", "one", "two"]
    assert repl.questions == ["one", "two"]


def test_retry_is_not_suggested_after_failed_command(repl, capfd):
    repl.model = failing(TimedOutError("timed out"))
    repl("one", "/file nothing.txt")
    assert "/retry" not in capfd.readouterr().err.splitlines()[1]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SignalInterrupt(signal.SIGINT)])
def test_ctrl_c_stops_answer_but_not_conversation(repl, capfd, interrupt):
    repl.model = failing(interrupt, "a part")
    assert repl("one") == 0
    assert capfd.readouterr().out == "a part\n"
    repl.model = lambda *_: answer("fine")
    repl("two")
    assert repl.questions == ["two"]


def test_real_sigint_stops_answer(repl):
    def ask(*_: Any) -> Iterator[Any]:
        yield Text("a ")
        signal.raise_signal(signal.SIGINT)
        yield Text("never")

    repl.model = ask
    before = signal.getsignal(signal.SIGINT)
    assert repl("one", "/exit") == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_at_empty_prompt_says_how_to_leave(repl, capfd):
    assert repl(KeyboardInterrupt(), "one") == 0
    assert "Ctrl-D" in capfd.readouterr().err
    assert repl.questions == ["one"]


@pytest.mark.parametrize("interrupt", [SignalInterrupt(each) for each in SIGNALS[1:]])
def test_other_signals_end_conversation(repl, interrupt):
    repl.model = failing(interrupt, "a part")
    with pytest.raises(SignalInterrupt):
        repl("one", "two")
    assert len(repl.requests) == 1


def test_ctrl_c_without_person_ends_conversation(repl):
    repl.model = failing(SignalInterrupt(signal.SIGINT))
    with pytest.raises(SignalInterrupt):
        repl("one", "two", is_person=False)


def test_status_is_that_of_first_error(repl):
    error = InputError("line 2 is not UTF-8")
    assert repl("one", error, "/nothing", "two", is_person=False) == 26
    assert repl.questions == ["one", "two"]


def test_fail_fast_ends_with_first_error(repl):
    assert repl("one", "/nothing", "two", is_person=False, fail_fast=True) == 2
    assert repl.questions == ["one"]


@pytest.mark.parametrize("is_person", [True, False])
def test_unwritable_stdout_ends_conversation(repl, is_person):
    def render(*_: Any) -> dict[str, Any]:
        raise StdoutError("cannot write to standard output", "no space left on device")

    repl.dialogue._render = render
    assert repl("one", "two", is_person=is_person) == 23
    assert len(repl.requests) == 1


def test_system_error_is_one_line(repl, capfd):
    def edit_text(_text: str) -> str:
        raise OSError(28, "No space left on device")

    repl.context.edit_text = edit_text
    assert repl("/edit", "one") == 0
    assert capfd.readouterr().err == "contextops: the operation failed: no space left on device\n"
    assert repl.questions == ["one"]


def test_answer_with_tool_call_is_noted_and_not_sent_again(repl, capfd):
    def ask(*_: Any) -> Iterator[Any]:
        called = response("")
        function = {"name": "weather", "arguments": "{}"}
        call = {"id": "1", "type": "function", "function": function}
        called["choices"][0]["message"]["tool_calls"] = [call]
        yield Done(called)

    repl.model = ask
    repl("one", "two")
    assert repl.questions == ["two"]
    stderr = capfd.readouterr().err
    assert stderr.count("the model called weather: tool calls cannot be answered here") == 2
    assert "--" not in stderr


def test_question_refused_before_answer_is_not_sent_again(repl, capfd):
    """The embedded engine refuses other models' names like this."""

    def refuse(*_: Any) -> Iterator[Any]:
        raise ModelNotFoundError("no such model")

    good, repl.model = repl.model, refuse
    repl("one")
    repl.model = good
    repl("two")
    assert repl.questions == ["two"]
    assert repl.dialogue.is_answered
    repl("/undo", "three")
    assert "undone: two" in capfd.readouterr().err
    assert repl.questions == ["three"]


def test_exit_ends_conversation(repl):
    repl("/exit", "one")
    assert repl.requests == []
