"""A conversation as JSON lines: one message a line, never rewritten, only added to.

A line holds the message (``role``, ``content``) and about it ``time``, and of an answer ``model``,
``complete`` and ``usage``. A turn whose answer is not complete stays in the file and is not sent
again. What a crash left torn at the end is no line: the next one who adds cuts it off.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contextops import jsontext, prompt, store
from contextops.answer import Done, Piece, Text
from contextops.errors import Failure, InputFailure, UsageFailure

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
        try:
            return Path(name).expanduser()
        except RuntimeError:
            raise UsageFailure(f"{name!r} is no session", "there is no such user") from None
    if not _NAME.fullmatch(name) or _DEVICE.fullmatch(name):
        raise UsageFailure(
            f"{name!r} is no session",
            "a name has letters, digits, '.', '_' and '-', 64 at most; a path ends in .jsonl",
            "try: --session review",
        )
    return folder / f"{name}{ENDING}"


def kept(folder: Path) -> list[Path]:
    """Give the files of the sessions that have a name, in the order of their names."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if path.is_file())


def summary(path: Path) -> dict[str, Any]:
    """Say what there is of a session: its name, how many messages, the last model and time."""
    records = load(path)
    models = [record["model"] for record in records if record.get("model")]
    times = [record["time"] for record in records if record.get("time")]
    return {
        "name": path.stem,
        "path": str(path),
        "messages": len(records),
        "model": models[-1] if models else None,
        "last": times[-1] if times else None,
    }


def text_of(record: Record) -> str:
    """Give the words of a message; an image is shown as one."""
    content = record.get("content")
    if isinstance(content, list):
        texts = (part.get("text", f"[{part.get('type')}]") for part in content)
        return "\n".join(str(text) for text in texts)
    return content if isinstance(content, str) else jsontext.dumps(record.get("tool_calls"))


def remove(path: Path) -> None:
    """Throw a session away."""
    store.remove(path)


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
    fault = prompt.fault(value)
    if fault:
        raise _no_message(path, number, fault)
    return dict(value)


def _no_message(path: Path, number: int, why: str) -> InputFailure:
    return InputFailure(
        f"line {number} of the session {path} is no message", why, "correct or remove that line"
    )


def messages(records: Sequence[Record]) -> list[Message]:
    """Give what is sent of a session: the latest system message, then every complete turn."""
    system = [record for record in records if record["role"] == "system"][-1:]
    system = [record for record in system if record["content"]]
    kept = [record for turn in _turns(records) if _is_complete(turn) for record in turn]
    return [_message(record) for record in (*system, *kept)]


def _is_complete(turn: Sequence[Record]) -> bool:
    """Tell whether a turn is sent again; a crash may have kept a question without its answer.

    Nor are tool calls without results an answer: there are servers that refuse those.
    """
    last = turn[-1]
    is_answered = turn[0]["role"] != "user" or last["role"] == "assistant"
    is_answered = is_answered and not last.get("tool_calls")
    return is_answered and all(record.get("complete", True) for record in turn)


def _turns(records: Iterable[Record]) -> Iterable[list[Record]]:
    """Cut a session into turns: what was asked, and what answered it."""
    turn: list[Record] = []
    for record in records:
        if record["role"] == "user" and turn:
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


class Conversation:
    """What is said before and with a prompt, and where it is kept, if it is.

    ``given`` are messages that come first. With a ``path`` they are a session's, whose system
    message gives way to one that was typed and makes one that is stored give way.
    """

    def __init__(
        self,
        *,
        path: Path | None = None,
        given: Sequence[Message] = (),
        system: str | None = None,
        typed_system: bool = False,
    ) -> None:
        self._path = path
        self._given = messages(load(path)) if path else list(given)
        self.stands_alone = bool(given)
        """Whether it can be sent without a prompt: messages that were given are one."""
        self._new: list[Message] = []
        theirs = [said["content"] for said in self._given if said["role"] == "system"]
        if system is not None and (typed_system or not theirs) and (theirs or [""])[-1] != system:
            if path:
                self._given = [said for said in self._given if said["role"] != "system"]
            said = {"role": "system", "content": system}
            self._given = [said, *self._given] if system else self._given
            self._new.append(said)

    @property
    def is_kept(self) -> bool:
        """Tell whether it goes on another time."""
        return self._path is not None

    def ask(self, content: str | list[Message]) -> None:
        """Add what the user says now."""
        self._new.append({"role": "user", "content": content})

    def messages(self) -> list[Message]:
        """Give all that is sent."""
        return [*self._given, *(said for said in self._new if said["role"] != "system")]

    def recorded(self, pieces: Iterator[Piece], model: str) -> Generator[Piece, None, None]:
        """Hand the pieces on and keep the turn, marked where its answer is not complete."""
        if self._path is None:
            yield from pieces
            return
        said = bytearray()
        response: Mapping[str, Any] = {}
        try:
            for piece in pieces:
                if isinstance(piece, Done):
                    response = piece.response
                    break
                if isinstance(piece, Text):
                    said += piece.content.encode()
                yield piece
        except BaseException:
            part = {"role": "assistant", "content": said.decode(), "model": model}
            # What broke the answer off is what is told.
            with suppress(Failure):
                add(self._path, [*self._new, {**part, "complete": False}])
            raise
        try:
            add(self._path, [*self._new, _answer(response, model)])
        except Failure as failure:
            # The answer is whole, and is shown, even where it cannot be kept.
            failure.response = dict(response)
            raise
        yield Done(dict(response))


def _answer(response: Mapping[str, Any], model: str) -> Record:
    message = response["choices"][0]["message"] if response["choices"] else {}
    calls = {"tool_calls": message["tool_calls"]} if message.get("tool_calls") else {}
    said = message.get("content")
    content = "" if said is None and not calls else said
    about = {"usage": response["usage"]} if response.get("usage") is not None else {}
    kept = {"role": "assistant", "content": content, **calls}
    return {**kept, "model": model, "complete": True, **about}
