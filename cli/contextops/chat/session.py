"""A conversation as JSON lines: one message a line, never rewritten, only added to.

A line holds the message (``role``, ``content``) and about it ``time``, and of an answer ``model``,
``complete`` and ``usage``. A turn whose answer is not complete stays in the file and is not sent
again; nor is one that was taken back: a line that ``undoes`` repeats its question after it. What a
crash left torn at the end is no line: the next one who adds cuts it off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contextops import files, strict_json
from contextops.api import Done, Piece, Text
from contextops.chat import request
from contextops.errors import ContextopsError, InputError, UsageError, reason

ENDING = ".jsonl"

Message = dict[str, Any]
Content = str | list[Message]
"""What a user says: words, or parts of which some are images."""

Record = dict[str, Any]
"""A message, with what is known about it beside its ``role`` and ``content``."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
# Windows takes these for devices, whatever ending follows.
_DEVICE = r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?"
_ABOUT = ("time", "model", "complete", "usage", "undone", "undoes")


def session_path(name: str, folder: Path) -> Path:
    """Give the file of a session: a name's is in the folder, a path ends in ``.jsonl``.

    Raises ``UsageError`` for anything else, so that no name leads out of the folder.
    """
    if name.endswith(ENDING) and len(Path(name).name) > len(ENDING) and "\0" not in name:
        try:
            return Path(name).expanduser()
        except RuntimeError:
            raise UsageError(f"{name!r} is no session", "there is no such user") from None
    if not re.fullmatch(_NAME, name) or re.fullmatch(_DEVICE, name):
        raise UsageError(
            f"{name!r} is no session",
            "a name has letters, digits, '.', '_' and '-', 64 at most; a path ends in .jsonl",
            "try: --session review",
        )
    return folder / f"{name}{ENDING}"


def session_files(folder: Path) -> list[Path]:
    """Give the files of the sessions that have a name, in the order of their names."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if path.is_file())


def describe_session(path: Path) -> dict[str, Any]:
    """Say what there is of a session: its name, how many messages, the last model and time."""
    records = load_records(path)
    models = [record["model"] for record in records if record.get("model")]
    times = [record["time"] for record in records if record.get("time")]
    return {
        "name": path.stem,
        "path": str(path),
        "messages": len(records),
        "model": models[-1] if models else None,
        "last": times[-1] if times else None,
    }


def message_text(record: Record) -> str:
    """Give the words of a message; an image is shown as one."""
    content = record.get("content")
    if isinstance(content, list):
        texts = (part.get("text", f"[{part.get('type')}]") for part in content)
        return "\n".join(str(text) for text in texts)
    return content if isinstance(content, str) else strict_json.dumps(record.get("tool_calls"))


def split_content(content: Content) -> tuple[str, list[Message]]:
    """Cut what the user says into its words and the parts that have none."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    words = [str(part["text"]) for part in parts if "text" in part]
    return "\n".join(words), [part for part in parts if "text" not in part]


def session_exists(path: Path) -> bool:
    """Tell whether something has this path; raises ``InputError`` where that cannot be told."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(path, error) from None
    return True


def remove_session(path: Path) -> None:
    """Throw a session away."""
    files.remove(path)


def load_records(path: Path) -> list[Record]:
    """Read the whole lines of a session; one that is not there yet has none.

    Those of turns that were taken back are ``undone``. Raises ``InputError`` for a line that is
    no message.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(path, error) from None
    whole, _, _torn = data.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    records = (_record(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
    return _with_undone(records)


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"cannot read the session {path}", reason(error), "name another session")


def _with_undone(records: Iterable[Record]) -> list[Record]:
    """Mark the turns that were taken back, and leave out the lines that took them."""
    kept: list[Record] = []
    for record in records:
        if not record.get("undoes"):
            kept.append(record)
            continue
        for turn in reversed(list(_turns(kept))):
            if turn[0]["content"] == record["content"] and _is_complete(turn):
                for said in turn:
                    said["undone"] = True
                break
    return kept


def _record(path: Path, number: int, line: bytes) -> Record:
    try:
        value = strict_json.loads(line)
    except ValueError as error:
        raise _no_message(path, number, str(error)) from None
    fault = request.message_fault(value)
    if fault:
        raise _no_message(path, number, fault)
    return dict(value)


def _no_message(path: Path, number: int, why: str) -> InputError:
    return InputError(
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
    if last.get("undone"):
        return False
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


def append_records(path: Path, records: Sequence[Record], wait: float = files.LOCK_WAIT) -> None:
    """Add lines under the session's lock, all or none of them; they are on the disk then.

    The lock is waited for ``wait`` seconds at most.
    """
    now = _now()
    lines = (
        f"{strict_json.dumps({**record, 'time': record.get('time', now)})}\n" for record in records
    )
    files.append(path, "".join(lines).encode(), wait)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _nothing() -> None:
    pass


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
        self.path = path
        """Where it is kept; None where it is not."""
        self._given = strict_json.EncodedList(messages(load_records(path)) if path else given)
        self.stands_alone = bool(given)
        """Whether it can be sent without a prompt: messages that were given are one."""
        self.is_answered = True
        """Whether the answer to what was asked last is complete, and so a part of it."""
        self._asked: list[Message] = []
        # What has been said and is in no file yet.
        self._unkept: list[Record] = []
        theirs = [said["content"] for said in self._given if said["role"] == "system"]
        if system is not None and (typed_system or not theirs) and (theirs or [""])[-1] != system:
            if path is None:
                said = {"role": "system", "content": system}
                self._given = strict_json.EncodedList([*([said] if system else []), *self._given])
                self._unkept.append(said)
            else:
                self.instruct(system)

    @property
    def is_kept(self) -> bool:
        """Tell whether it goes on another time."""
        return self.path is not None

    @property
    def system(self) -> str | None:
        """Give the latest system message."""
        said = [str(said["content"]) for said in self._given if said["role"] == "system"]
        return said[-1] if said else None

    def instruct(self, system: str) -> None:
        """Put a system message in the place of those that there were, or nothing if it is empty."""
        self._take_back()
        said = {"role": "system", "content": system}
        others = [said for said in self._given if said["role"] != "system"]
        self._given = strict_json.EncodedList([said, *others] if system else others)
        self._unkept.append(said)

    def ask(self, content: Content) -> None:
        """Say what the user says now; what was asked before and never answered is dropped."""
        self._take_back()
        self._given.encode_items()
        self.is_answered = False
        self._asked = [{"role": "user", "content": content}]
        self._given += self._asked

    def _take_back(self) -> None:
        """Forget what was asked and has no answer."""
        if self._asked:
            del self._given[-len(self._asked) :]
            self._asked = []

    def messages(self) -> list[Message]:
        """Give all that is sent: the very list, which the next turn changes."""
        return self._given

    def turns(self) -> list[list[Message]]:
        """Give the turns that are sent again: each what was asked, and what answered it."""
        return list(_turns(self._given))

    def undo(self) -> Content | None:
        """Take the last turn back and give what was asked; None where there is no turn.

        In its file it is taken back with the next turn, or by ``keep``.
        """
        self._take_back()
        places = [at for at, said in enumerate(self._given) if said["role"] == "user"]
        if not places:
            return None
        asked: Content = self._given[places[-1]]["content"]
        self._given = strict_json.EncodedList(self._given[: places[-1]])
        self._note([{"role": "user", "content": asked, "undoes": True}])
        return asked

    @property
    def has_unkept_turn(self) -> bool:
        """Tell whether a turn, or that one was taken back, is not in its file yet."""
        return self.is_kept and any(said["role"] != "system" for said in self._unkept)

    def keep(self, wait: float = files.LOCK_WAIT) -> None:
        """Keep what has been said, where anything is kept; what cannot be stays for another time.

        Who has its file open is waited for so many seconds.
        """
        if self.path is not None and self._unkept:
            append_records(self.path, self._unkept, wait)
            self._unkept.clear()

    def keep_in(self, path: Path) -> None:
        """Keep it in this file from now on, with all that has been said."""
        said = [*(load_records(self.path) if self.path else []), *self._unkept]
        if said:
            append_records(path, said)
        self.path = path
        self._unkept.clear()

    def recorded(
        self,
        pieces: Iterator[Piece],
        model: str,
        *,
        when_whole: Callable[[], None] = _nothing,
        part_wait: float = files.LOCK_WAIT,
    ) -> Generator[Piece, None, None]:
        """Hand the pieces on and keep the turn, marked where its answer is not complete.

        A turn that is complete comes before the next. ``when_whole`` is called before it is kept;
        with one that broke off, who has the file open is waited for ``part_wait`` seconds.
        """
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
            with suppress(ContextopsError):
                self._end_turn({**part, "complete": False}, part_wait)
            raise
        try:
            when_whole()
        finally:
            self._keep_whole(response, model)
        yield Done(dict(response))

    def _keep_whole(self, response: Mapping[str, Any], model: str) -> None:
        try:
            self._end_turn(_answer(response, model))
        except ContextopsError as failure:
            # The answer is whole, and is shown, even where it cannot be kept.
            failure.response = dict(response)
            raise

    def _end_turn(self, answer: Record, wait: float = files.LOCK_WAIT) -> None:
        turn = [*self._asked, answer]
        self.is_answered = _is_complete(turn)
        if self.is_answered:
            self._given.append(_message(answer))
            self._asked = []
        else:
            self._take_back()
        self._note(turn)
        self.keep(wait)

    def _note(self, records: Sequence[Record]) -> None:
        now = _now()
        self._unkept += ({**record, "time": now} for record in records)


def _answer(response: Mapping[str, Any], model: str) -> Record:
    message = response["choices"][0]["message"] if response["choices"] else {}
    calls = {"tool_calls": message["tool_calls"]} if message.get("tool_calls") else {}
    said = message.get("content")
    content = "" if said is None and not calls else said
    about = {"usage": response["usage"]} if response.get("usage") is not None else {}
    kept = {"role": "assistant", "content": content, **calls}
    return {**kept, "model": model, "complete": True, **about}
