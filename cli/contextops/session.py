"""A conversation as JSON lines: one message a line, never rewritten, only added to.

A line holds the message (``role``, ``content``) and about it ``time``, and of an answer ``model``,
``complete`` and ``usage``. A turn whose answer is not complete stays in the file and is not sent
again. What a crash left torn at the end is no line: the next one who adds cuts it off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contextops import jsontext, store
from contextops.errors import InputFailure, UsageFailure

ENDING = ".jsonl"

Message = dict[str, Any]
Record = dict[str, Any]
"""A message, with what is known about it beside its ``role`` and ``content``."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Windows takes these for devices, whatever ending follows.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_ABOUT = ("time", "model", "complete", "usage")


def path_of(name: str, folder: Path) -> Path:
    """Give the file of a session: a name's is in the folder, a path ends in ``.jsonl``.

    Raises ``UsageFailure`` for anything else, so that no name leads out of the folder.
    """
    if name.endswith(ENDING) and len(Path(name).name) > len(ENDING) and "\0" not in name:
        return Path(name).expanduser()
    if not _NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        raise UsageFailure(
            f"{name!r} is no session",
            "a name has letters, digits, '.', '_' and '-', 64 at most; a path ends in .jsonl",
            "try: --session review",
        )
    return folder / f"{name}{ENDING}"


def load(path: Path) -> list[Record]:
    """Read the whole lines of a session; one that is not there yet has none.

    Raises ``InputFailure`` for a line that is no message.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputFailure(
            f"cannot read the session {path}", error.strerror or "", "name another with --session"
        ) from None
    whole, _, _torn = data.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    return [_record(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        value = jsontext.loads(line)
    except ValueError as error:
        raise _no_message(path, number, str(error)) from None
    if not isinstance(value, dict) or not isinstance(value.get("role"), str):
        raise _no_message(path, number, "it has no role")
    return value


def _no_message(path: Path, number: int, why: str) -> InputFailure:
    return InputFailure(
        f"line {number} of the session {path} is no message", why, "correct or remove that line"
    )


def messages(records: Sequence[Record]) -> list[Message]:
    """Give what is sent of a session: the latest system message, then every complete turn."""
    system = [record for record in records if record["role"] == "system"][-1:]
    kept: list[Record] = []
    for turn in _turns(records):
        if all(record.get("complete", True) for record in turn):
            kept += turn
    return [_message(record) for record in (*system, *kept)]


def _turns(records: Iterable[Record]) -> Iterable[list[Record]]:
    """Cut a session into turns: what was asked, and what answered it."""
    turn: list[Record] = []
    for record in records:
        if record["role"] == "user" and any(kept["role"] == "assistant" for kept in turn):
            yield turn
            turn = []
        if record["role"] != "system":
            turn.append(record)
    if turn:
        yield turn


def _message(record: Record) -> Message:
    return {name: value for name, value in record.items() if name not in _ABOUT}


def add(path: Path, records: Sequence[Record]) -> None:
    """Add lines under the session's lock, all or none of them; they are on the disk then."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines = (f"{jsontext.dumps({**record, 'time': now})}\n" for record in records)
    store.append(path, "".join(lines).encode())


def answer(response: Mapping[str, Any]) -> Record:
    """Make the record of an answer from its ``chat.completion`` object."""
    message = response["choices"][0]["message"] if response["choices"] else {"content": ""}
    about = {"model": response["contextops"]["requested_model"]}
    if response.get("usage") is not None:
        about["usage"] = response["usage"]
    kept = {name: message[name] for name in ("content", "tool_calls") if name in message}
    return {"role": "assistant", **kept, **about, "complete": response["contextops"]["complete"]}
