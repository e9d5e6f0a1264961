"""The records of a session, and which messages of them are sent again.

A record is a message (``role``, ``content``) with its ``time``, and for an answer also its
``model``, ``complete`` and ``usage``. Records are JSON lines, which are appended and never changed.
A turn without a complete answer stays recorded, but is not sent again. Nor is a turn that was
undone: a later record has ``undoes`` and the same question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from contextops import strict_json
from contextops.chat.request import Message, message_fault
from contextops.errors import InputError

Content = str | list[Message]
"""The content of a message: text, or parts of which some are images."""

Record = dict[str, Any]

_NOT_SENT = ("time", "model", "complete", "usage", "undone", "undoes")


def parse_records(data: bytes, location: str) -> list[Record]:
    """Parse the complete lines of a session; records of turns that were undone get ``undone``.

    Text after the last line end is an incomplete record, left by a crash, and is ignored.

    Raises:
        InputError: a line is not a message.
    """
    lines = data.split(b"\n")[:-1]
    records = (
        _parse_record(line, f"line {number} of session {location}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    )
    return _apply_undos(records)


def _parse_record(line: bytes, name: str) -> Record:
    fault: str | None
    try:
        value = strict_json.loads(line)
        fault = message_fault(value)
    except ValueError as error:
        fault = str(error)
    if fault:
        raise InputError(f"{name} is not a message", fault, "correct or remove that line")
    return dict(value)


def _apply_undos(records: Iterable[Record]) -> list[Record]:
    """Mark the turns that were undone, and remove the records that undo them."""
    result: list[Record] = []
    for record in records:
        if not record.get("undoes"):
            result.append(record)
            continue
        for turn in reversed(list(split_turns(result))):
            if turn[0]["content"] == record["content"] and is_complete_turn(turn):
                for undone in turn:
                    undone["undone"] = True
                break
    return result


def encode_records(records: Iterable[Record]) -> bytes:
    """Encode records as lines; one without a ``time`` gets the current time."""
    now = timestamp()
    lines = (strict_json.dumps({**record, "time": record.get("time", now)}) for record in records)
    return "".join(f"{line}\n" for line in lines).encode()


def timestamp() -> str:
    """Return the current time in UTC, to the second, in ISO 8601 format."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def messages_to_send(records: Sequence[Record]) -> list[Message]:
    """Return the messages of a session to send: the last system message and the complete turns."""
    system = [record for record in records if record["role"] == "system"][-1:]
    # An empty one means that the system message was removed.
    system = [record for record in system if record["content"]]
    turns = [record for turn in split_turns(records) if is_complete_turn(turn) for record in turn]
    return [to_message(record) for record in (*system, *turns)]


def split_turns(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Split records into turns: each a question and its answer, without system messages."""
    turn: list[Record] = []
    for record in records:
        if record["role"] == "user" and turn:
            yield turn
            turn = []
        if record["role"] != "system":
            turn.append(record)
    if turn:
        yield turn


def is_complete_turn(turn: Sequence[Record]) -> bool:
    """Return whether a turn is sent again.

    A crash may have left a question without its answer. Tool calls without results are not an
    answer either: some servers reject them.
    """
    last = turn[-1]
    if last.get("undone") or last.get("tool_calls"):
        return False
    is_answered = turn[0]["role"] != "user" or last["role"] == "assistant"
    return is_answered and all(record.get("complete", True) for record in turn)


def to_message(record: Record) -> Message:
    """Return the message of a record, without the fields that only a session has."""
    return {name: value for name, value in record.items() if name not in _NOT_SENT}


def answer_record(response: Mapping[str, Any], model: str) -> Record:
    """Return the record of a complete answer, a ``chat.completion`` object."""
    message = response["choices"][0]["message"] if response["choices"] else {}
    record: Record = {"role": "assistant", "content": message.get("content")}
    if message.get("tool_calls"):
        record["tool_calls"] = message["tool_calls"]
    elif record["content"] is None:
        record["content"] = ""
    record |= {"model": model, "complete": True}
    if response.get("usage") is not None:
        record["usage"] = response["usage"]
    return record


def message_text(message: Message) -> str:
    """Return the text of a message; each part that is not text is named, as ``[image_url]``."""
    content = message.get("content")
    if isinstance(content, list):
        texts = (part.get("text", f"[{part.get('type')}]") for part in content)
        return "\n".join(str(text) for text in texts)
    return content if isinstance(content, str) else strict_json.dumps(message.get("tool_calls"))


def split_content(content: Content) -> tuple[str, list[Message]]:
    """Return the text of a question, and its parts that are not text."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [str(part["text"]) for part in parts if "text" in part]
    return "\n".join(texts), [part for part in parts if "text" not in part]
