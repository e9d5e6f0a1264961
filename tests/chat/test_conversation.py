"""Conversations: what is saved of a turn, and what the next request sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from contextops import strict_json
from contextops.api.stream import Done, Piece, Text
from contextops.chat.conversation import Conversation
from contextops.chat.session import SessionStore
from contextops.errors import OutputError, TruncatedError
from conversations import (
    answer,
    assistant,
    finish_turn,
    response,
    saved_lines,
    sent_messages,
    take_turn,
    truncated,
    user,
)

# A turn -----------------------------------------------------------------------------------------


def test_turn_is_saved_as_two_lines(session, path):
    assert take_turn(session, "why?", answer("why ", "not")) == [user("why?")]
    question, answered = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert question == {**user("why?"), "time": question["time"]}
    about = {"model": "m", "complete": True, "time": question["time"]}
    assert answered == {**assistant("why not"), **about}
    assert question["time"].endswith("+00:00")


def test_saved_messages_are_sent_without_what_is_known_about_them(session):
    take_turn(session, "one", answer("1"))
    assert take_turn(session, "two", answer("2")) == [user("one"), assistant("1"), user("two")]


@pytest.mark.parametrize("words", [(), ("a part",)])
def test_truncated_turn_is_saved_and_not_sent_again(session, path, words):
    take_turn(session, "one", answer("1"))
    with pytest.raises(TruncatedError):
        take_turn(session, "two", truncated(*words))
    assert saved_lines(path)[2:] == [
        *(("user", "two", None), ("assistant", "".join(words), False)),
    ]
    assert take_turn(session, "three", answer("3")) == [
        *(user("one"), assistant("1"), user("three")),
    ]


def test_answer_whose_reader_leaves_is_saved_as_partial(session, path):
    conversation = Conversation(session=session)
    conversation.add_question("one")
    pieces = conversation.record_answer(answer("a ", "b"), "m")
    assert [next(pieces), next(pieces)][-1] == Text("a ")
    pieces.close()
    assert saved_lines(path) == [("user", "one", None), ("assistant", "a ", False)]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_interrupted_answer_is_saved_as_partial(session, path, interrupt):
    def interrupted() -> Iterator[Piece]:
        yield Text("a ")
        raise interrupt

    with pytest.raises(interrupt):
        take_turn(session, "one", interrupted())
    assert saved_lines(path) == [("user", "one", None), ("assistant", "a ", False)]


def test_turn_is_saved_before_done_is_yielded(session, path):
    conversation = Conversation(session=session)
    conversation.add_question("one")
    for piece in conversation.record_answer(answer("1"), "m"):
        assert path.exists() is isinstance(piece, Done)


def test_answer_that_cannot_be_saved_is_part_of_error(tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    conversation = Conversation()
    conversation.session = SessionStore(tmp_path / "file").session("x")
    conversation.add_question("one")
    pieces = conversation.record_answer(answer("1"), "m")
    assert [next(pieces), next(pieces)][-1] == Text("1")
    with pytest.raises(OutputError) as raised:
        next(pieces)
    assert raised.value.response == response("1")


@pytest.mark.parametrize(
    ("message", "content"),
    [
        ({"content": None}, {"content": ""}),
        ({"content": None, "tool_calls": None}, {"content": ""}),
        ({"content": "x", "reasoning_content": "not saved"}, {"content": "x"}),
    ],
)
def test_any_answer_can_be_sent_again(session, message, content):
    take_turn(session, "one", iter([Done(response(**message))]))
    assert sent_messages(session)[1] == {"role": "assistant", **content}


def test_calls_without_results_are_saved_and_not_sent_again(session):
    calls = [{"id": "c"}]
    take_turn(session, "one", iter([Done(response(content=None, tool_calls=calls))]))
    take_turn(session, "two", iter([Done(response(content="2"))]))
    assert [record.get("tool_calls") for record in session.load()] == [None, calls, None, None]
    contents = [message["content"] for message in sent_messages(session)]
    assert contents == ["two", "2"]


def test_conversation_without_session_saves_nothing(path):
    conversation = Conversation()
    conversation.add_question("one")
    assert [*conversation.record_answer(answer("1"), "m")] == [*answer("1")]
    assert not path.parent.exists()


# The system message -----------------------------------------------------------------------------


def systems(messages: list[Any]) -> list[str]:
    """Return the system messages, which may only come first."""
    assert all(message["role"] != "system" for message in messages[1:])
    return [message["content"] for message in messages if message["role"] == "system"]


@pytest.mark.parametrize("override", [True, False])
def test_system_message_is_saved_with_session(session, path, override):
    sent = take_turn(session, "1", answer("1"), system="terse", override_system=override)
    assert systems(sent) == ["terse"]
    assert systems(take_turn(session, "2", answer("2"))) == ["terse"]
    assert [role for role, *_ in saved_lines(path)].count("system") == 1


def test_typed_system_message_replaces_saved_one_and_setting_does_not(session):
    take_turn(session, "1", answer("1"), system="first", override_system=True)
    assert systems(take_turn(session, "2", answer("2"), system="setting")) == ["first"]
    sent = take_turn(session, "3", answer("3"), system="typed", override_system=True)
    assert systems(sent) == ["typed"]
    assert systems(take_turn(session, "4", answer("4"), system="setting")) == ["typed"]
    assert len(sent_messages(session)) == 1 + 2 * 4


def test_empty_system_message_removes_saved_one(session):
    take_turn(session, "1", answer("1"), system="first", override_system=True)
    assert systems(take_turn(session, "2", answer("2"), system="", override_system=True)) == []
    assert systems(take_turn(session, "3", answer("3"))) == []


@pytest.mark.parametrize(("system", "sent"), [("terse", ["terse"]), ("", []), (None, [])])
def test_system_message_comes_first_without_session(system, sent):
    conversation = Conversation(system=system, override_system=True)
    conversation.add_question("x")
    assert systems(conversation.messages()) == sent


def test_initial_messages_come_before_question():
    messages = [{"role": "system", "content": "theirs"}, user("a"), assistant("b")]
    conversation = Conversation(messages=messages, system="setting")
    conversation.add_question("c")
    assert conversation.messages() == [*messages, user("c")]


# Several turns ----------------------------------------------------------------------------------


def test_each_turn_is_written_once(session, path):
    conversation = Conversation(session=session, system="Be terse.")
    for word in ("one", "two"):
        conversation.add_question(word)
        finish_turn(conversation, answer(f"{word}!"))
    turns = [("user", "one"), ("assistant", "one!"), ("user", "two"), ("assistant", "two!")]
    assert [line[:2] for line in saved_lines(path)] == [("system", "Be terse."), *turns]
    assert conversation.turns() == [
        [user("one"), assistant("one!")],
        [user("two"), assistant("two!")],
    ]


def test_cached_json_of_messages_is_that_of_the_messages(session):
    """The JSON that grows with the turns is right whatever becomes of them."""
    conversation = Conversation(session=session)

    def take(word, pieces):
        conversation.add_question(word)
        messages = conversation.messages()
        body = b"".join(strict_json.iterencode({"model": "m", "messages": messages}))
        assert json.loads(body) == {"model": "m", "messages": list(messages)}
        with suppress(TruncatedError):
            finish_turn(conversation, pieces)

    take("one", answer("1"))
    take("two", truncated("2"))
    take("three", answer("3"))
    conversation.set_system("Be kind.")
    take("four", answer("4"))
    assert conversation.undo_turn() == "four"
    conversation.add_question("dropped")
    take("five", answer("5"))
    contents = [message["content"] for message in conversation.messages()]
    assert contents == ["Be kind.", "one", "1", "three", "3", "five", "5"]
    assert [message["content"] for message in sent_messages(session)] == contents


def test_undo_removes_last_complete_turn_with_same_question(session):
    for word in ("one", "two", "one"):
        take_turn(session, word, answer(word.upper()))
    with pytest.raises(TruncatedError):
        take_turn(session, "one", truncated())
    session.append([{**user("one"), "undoes": True}])
    assert [message["content"] for message in sent_messages(session)] == [
        *("one", "ONE", "two", "TWO")
    ]
    assert sum(record.get("undone", False) for record in session.load()) == 2
