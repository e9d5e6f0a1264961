"""Turns of a saved conversation without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contextops.api.stream import Done, Piece, Reasoning, Text
from contextops.chat.conversation import Conversation
from contextops.chat.records import messages_to_send
from contextops.chat.session import Session
from contextops.errors import TruncatedError


def response(content: str | None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": None}


def answer(*words: str) -> Iterator[Piece]:
    """Yield the pieces of a complete answer."""
    yield Reasoning("not saved")
    yield from (Text(word) for word in words)
    yield Done(response("".join(words)))


def truncated(*words: str) -> Iterator[Piece]:
    """Yield the pieces of an answer that breaks off."""
    yield from (Text(word) for word in words)
    raise TruncatedError("the answer broke off")


def take_turn(session: Session, prompt: str, pieces: Iterator[Piece], **system: Any) -> list[Any]:
    """Take one turn in a session, and return the messages that were sent for it."""
    conversation = Conversation(session=session, **system)
    conversation.add_question(prompt)
    sent = list(conversation.messages())
    finish_turn(conversation, pieces)
    return sent


def finish_turn(conversation: Conversation, pieces: Iterator[Piece]) -> None:
    """Read an answer to its end."""
    for _ in conversation.record_answer(pieces, "m"):
        continue


def saved_lines(path: Path) -> list[tuple[Any, ...]]:
    """Return the role, the content and ``complete`` of each line of a file."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [(line["role"], line["content"], line.get("complete")) for line in lines]


def sent_messages(session: Session) -> list[Any]:
    """Return the messages that the next request would send."""
    return messages_to_send(session.load())


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def assistant(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}
