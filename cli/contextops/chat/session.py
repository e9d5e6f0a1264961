"""Sessions: conversations that are saved under a name.

Each is a file of JSON lines (see ``records``) in the state folder, or at a path that ends in
``.jsonl``. Only this module knows that they are files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contextops import files
from contextops.chat.conversation import Conversation
from contextops.chat.records import Record, encode_records, parse_records
from contextops.errors import ConfigError, InputError, UsageError, reason

_SUFFIX = ".jsonl"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
# Windows reserves these names for devices, with any suffix.
_DEVICE = r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?"


@dataclass(frozen=True)
class Session:
    """One saved conversation, which need not exist yet; equal to another at the same path."""

    name: str = field(compare=False)
    _path: Path

    @property
    def location(self) -> str:
        """Where it is saved, as text for people."""
        return str(self._path)

    def exists(self) -> bool:
        """Return whether something exists at its path.

        Raises:
            InputError: this cannot be determined, for lack of permission for example.
        """
        try:
            self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._unreadable(error) from None
        return True

    def is_file(self) -> bool:
        """Return whether it is saved in a regular file."""
        return self._path.is_file()

    def load(self) -> list[Record]:
        """Return the records; a session that does not exist has none.

        Raises:
            InputError: it cannot be read, or a line is not a message.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unreadable(error) from None
        return parse_records(data, self.location)

    def describe(self) -> dict[str, Any]:
        """Return its name, path, number of messages, last model and last time.

        The model and the time are None if no record has them. Raises as ``load``.
        """
        records = self.load()
        models = [record["model"] for record in records if record.get("model")]
        times = [record["time"] for record in records if record.get("time")]
        return {
            "name": self.name,
            "path": self.location,
            "messages": len(records),
            "model": models[-1] if models else None,
            "last": times[-1] if times else None,
        }

    def append(self, records: Sequence[Record], lock_timeout: float = files.LOCK_TIMEOUT) -> None:
        """Append all records or none; when this returns, they are on the disk.

        ``lock_timeout`` is in seconds: another process may be writing to the session.
        """
        files.append(self._path, encode_records(records), lock_timeout)

    def remove(self) -> None:
        """Delete it."""
        files.remove(self._path)

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(
            f"cannot read session {self.location}", reason(error), "use another session"
        )


class SessionStore:
    """The sessions of a user; those without a path of their own are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def session(self, name: str) -> Session:
        """Return the session of a name, or of a path that ends in ``.jsonl``.

        Raises:
            UsageError: it is neither; a name cannot lead out of the folder.
        """
        if name.endswith(_SUFFIX) and len(Path(name).name) > len(_SUFFIX) and "\0" not in name:
            try:
                path = Path(name).expanduser()
            except RuntimeError:
                raise UsageError(f"invalid session name {name!r}", "no such user") from None
            return Session(path.stem, path)
        if not re.fullmatch(_NAME, name) or re.fullmatch(_DEVICE, name):
            raise UsageError(
                f"invalid session name {name!r}",
                "a name has up to 64 letters, digits, '.', '_' and '-'; a path ends in .jsonl",
                "try: --session review",
            )
        return Session(name, self._folder / f"{name}{_SUFFIX}")

    def open(
        self, name: str | None, *, system: str | None = None, override_system: bool = False
    ) -> Conversation:
        """Return the conversation of a session, or a new one that is not saved for None.

        ``system`` is the system message of a session that has none, and of any session with
        ``override_system``.
        """
        session = None if name is None else self.session(name)
        return Conversation(session=session, system=system, override_system=override_system)

    def records(self, name: str) -> Sequence[Record]:
        """Return the records of a session that exists.

        Raises:
            ConfigError: it does not exist.
            InputError: it cannot be read, or a line is not a message.
        """
        return self._existing(name).load()

    def remove(self, *names: str) -> None:
        """Delete sessions: all, or none if one does not exist.

        Raises:
            ConfigError: one does not exist.
        """
        for session in [self._existing(name) for name in names]:
            session.remove()

    def _existing(self, name: str) -> Session:
        session = self.session(name)
        if not session.is_file():
            raise ConfigError(
                f"no session {name}",
                f"{session.location} does not exist",
                "list them with: contextops session list",
            )
        return session

    def _in_folder(self) -> Iterator[Session]:
        """Yield the sessions in the folder, sorted by name, which others may have named."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path.is_file():
                yield Session(path.stem, path)

    def descriptions(self) -> Sequence[dict[str, Any]]:
        """Return what ``Session.describe`` returns for each session in the folder."""
        return [session.describe() for session in self._in_folder()]

    def list(self) -> Sequence[str]:
        """Return the names of the sessions in the folder, sorted."""
        return [session.name for session in self._in_folder()]
