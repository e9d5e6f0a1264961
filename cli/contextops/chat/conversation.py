"""A conversation: the messages that are sent, and the turns that are to be saved."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from contextops import files
from contextops.api import Done, Piece, Text
from contextops.chat.records import (
    Content,
    Record,
    answer_record,
    is_complete_turn,
    messages_to_send,
    split_turns,
    timestamp,
    to_message,
)
from contextops.chat.request import Message
from contextops.errors import ContextopsError
from contextops.strict_json import EncodedList

if TYPE_CHECKING:
    from contextops.chat.session import Session


def _nothing() -> None:
    pass


class Conversation:
    """The messages of a conversation, saved in ``session`` unless that is None.

    A conversation without a session begins with ``messages``. ``system`` is used if the messages
    have no system message, and with ``override_system`` in place of theirs.
    """

    def __init__(
        self,
        *,
        session: Session | None = None,
        messages: Sequence[Message] = (),
        system: str | None = None,
        override_system: bool = False,
    ) -> None:
        self.session = session
        """Where it is saved; None if it is not."""
        self._messages = EncodedList(messages_to_send(session.load()) if session else messages)
        self.has_initial_messages = bool(messages)
        """Whether it can be sent without a question."""
        self.is_answered = True
        """Whether the answer to the last question is complete, and so part of the messages."""
        self._question: list[Message] = []
        """The last question while it has no answer; it is the last of the messages."""
        self._unsaved: list[Record] = []
        stored = [each["content"] for each in self._messages if each["role"] == "system"]
        latest = stored[-1] if stored else ""
        if system is None or system == latest or (stored and not override_system):
            return
        if session is not None:
            self.set_system(system)
        else:
            # It comes before the messages of a file, which may include system messages.
            first = {"role": "system", "content": system}
            self._messages = EncodedList([*([first] if system else []), *self._messages])
            self._unsaved.append(first)

    @property
    def is_saved(self) -> bool:
        """Whether it is saved, and can be continued later."""
        return self.session is not None

    @property
    def location(self) -> str | None:
        """Where it is saved, as text for people; None if it is not."""
        return self.session.location if self.session else None

    @property
    def system(self) -> str | None:
        """The latest system message."""
        contents = [str(each["content"]) for each in self._messages if each["role"] == "system"]
        return contents[-1] if contents else None

    def set_system(self, system: str) -> None:
        """Replace all system messages by this one; an empty one removes them."""
        self._drop_question()
        message = {"role": "system", "content": system}
        others = [each for each in self._messages if each["role"] != "system"]
        self._messages = EncodedList([message, *others] if system else others)
        self._unsaved.append(message)

    def add_question(self, content: Content) -> None:
        """Add the user's next message; a question before it without an answer is dropped."""
        self._drop_question()
        self._messages.encode_items()
        self.is_answered = False
        self._question = [{"role": "user", "content": content}]
        self._messages += self._question

    def _drop_question(self) -> None:
        if self._question:
            del self._messages[-len(self._question) :]
            self._question = []

    def messages(self) -> list[Message]:
        """Return all messages to send: the list itself, which the next turn changes."""
        return self._messages

    def turns(self) -> list[list[Message]]:
        """Return the turns that are sent again, each a question and its answer."""
        return list(split_turns(self._messages))

    def undo_turn(self) -> Content | None:
        """Remove the last turn and return its question; None if there is no turn.

        The session records this with the next turn, or when ``save`` is called.
        """
        self._drop_question()
        places = [place for place, each in enumerate(self._messages) if each["role"] == "user"]
        if not places:
            return None
        question: Content = self._messages[places[-1]]["content"]
        self._messages = EncodedList(self._messages[: places[-1]])
        self._record([{"role": "user", "content": question, "undoes": True}])
        return question

    @property
    def has_unsaved_turn(self) -> bool:
        """Whether its session lacks a turn, or the record that one was undone."""
        return self.is_saved and any(record["role"] != "system" for record in self._unsaved)

    def save(self, lock_timeout: float = files.LOCK_TIMEOUT) -> None:
        """Save what its session does not have yet; do nothing without a session.

        Records that cannot be saved are saved by the next call. ``lock_timeout`` is in seconds.
        """
        if self.session is not None and self._unsaved:
            self.session.append(self._unsaved, lock_timeout)
            self._unsaved.clear()

    def save_as(self, session: Session) -> None:
        """Save it in another session from now on, including all messages so far."""
        records = [*(self.session.load() if self.session else []), *self._unsaved]
        if records:
            session.append(records)
        self.session = session
        self._unsaved.clear()

    def record_answer(
        self,
        pieces: Iterator[Piece],
        model: str,
        *,
        on_complete: Callable[[], None] = _nothing,
        partial_lock_timeout: float = files.LOCK_TIMEOUT,
    ) -> Generator[Piece, None, None]:
        """Yield the pieces of an answer and save the turn, marked if it is not complete.

        Only a complete turn is part of the messages after this. ``on_complete`` is called before
        such a turn is saved; ``partial_lock_timeout`` is the lock timeout for an incomplete one.
        """
        text = bytearray()
        response: Mapping[str, Any] = {}
        try:
            for piece in pieces:
                if isinstance(piece, Done):
                    response = piece.response
                    break
                if isinstance(piece, Text):
                    text += piece.content.encode()
                yield piece
        except BaseException:
            partial = {"role": "assistant", "content": text.decode(), "model": model}
            # The error to report is the one that ended the answer, not one of saving it.
            with suppress(ContextopsError):
                self._end_turn({**partial, "complete": False}, partial_lock_timeout)
            raise
        try:
            on_complete()
        finally:
            self._save_complete(response, model)
        yield Done(dict(response))

    def _save_complete(self, response: Mapping[str, Any], model: str) -> None:
        try:
            self._end_turn(answer_record(response, model))
        except ContextopsError as error:
            # The answer is complete, and is shown even if it cannot be saved.
            error.response = dict(response)
            raise

    def _end_turn(self, answer: Record, lock_timeout: float = files.LOCK_TIMEOUT) -> None:
        turn = [*self._question, answer]
        self.is_answered = is_complete_turn(turn)
        if self.is_answered:
            self._messages.append(to_message(answer))
            self._question = []
        else:
            self._drop_question()
        self._record(turn)
        self.save(lock_timeout)

    def _record(self, records: Sequence[Record]) -> None:
        time = timestamp()
        self._unsaved += ({**record, "time": time} for record in records)
