"""Where the text of a prompt comes from: standard input and files, as bytes, text or JSON.

Nothing is guessed: input that cannot be decoded is an error; it is never dropped or re-encoded.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from contextops import strict_json
from contextops.errors import InputError, UsageError, reason

STANDARD_INPUT = "-"

STDIN_NOTE_DELAY = 3.0
"""Seconds of silence on standard input before a note says that it is being read."""

_BLOCK = 1 << 20
_NAME_ENCODING = "name its encoding, e.g. --encoding latin-1"


class InputReader:
    """Reads the parts of a prompt, each at most ``limit`` bytes long.

    ``encoding`` is that of text. ``note`` is called with a line if standard input stays silent.

    Raises:
        UsageError: Python has no text encoding with this name.
    """

    def __init__(
        self, *, limit: int | None, note: Callable[[str], None], encoding: str = "utf-8"
    ) -> None:
        self._limit = limit
        self._note = note
        self._encoding = _normalize_encoding(encoding)

    def read_bytes(self, path: str) -> bytes:
        """Read a file, or standard input for ``-``; raises ``InputError``."""
        return self._read_stdin() if path == STANDARD_INPUT else self._read_file(path)

    def read_text(self, path: str) -> str:
        """Read text from a file, or from standard input for ``-``; raises ``InputError``."""
        return decode(self.read_bytes(path), source_name(path), self._encoding)

    def read_json(self, path: str, expected: str) -> Any:
        """Read JSON, which is always UTF-8.

        ``expected`` describes in an error what the file should contain. Raises ``InputError``.
        """
        name, remedy = source_name(path), f"provide {expected}"
        text = decode(self.read_bytes(path), name, remedy=f"{remedy} in UTF-8")
        try:
            return strict_json.loads(text)
        except ValueError as error:
            raise InputError(f"{name} is not JSON", str(error), remedy) from None

    def read_array(self, path: str, items: str) -> list[Any]:
        """Read a JSON array; ``items`` describes in an error what it should contain."""
        value = self.read_json(path, f"an array of {items}")
        if not isinstance(value, list):
            raise InputError(f"{source_name(path)} is not a JSON array of {items}")
        return value

    def _read_file(self, path: str) -> bytes:
        try:
            with Path(path).open("rb") as stream:
                return self._read(stream, path)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path}", reason(error), "check the path") from None

    def _read_stdin(self) -> bytes:
        if sys.stdin is None:
            raise InputError("cannot read standard input", "it is closed", "use words instead")
        try:
            _note_silence(self._note)
            return self._read(sys.stdin.buffer, "standard input")
        except OSError as error:
            raise InputError("cannot read standard input", reason(error)) from None

    def _read(self, stream: BinaryIO, name: str) -> bytes:
        data = bytearray()
        for block in iter(lambda: _read_block(stream), b""):
            data += block
            if self._limit is not None and len(data) > self._limit:
                raise InputError(
                    f"{name} is too large", f"more than {self._limit} bytes", "raise max_prompt"
                )
        return bytes(data)


def read_argument(text: str, reader: InputReader) -> bytes:
    """Return the bytes of an option's value: of FILE for ``@FILE``, of standard input for ``-``.

    Any other value stands for itself.
    """
    if text == STANDARD_INPUT or text.startswith("@"):
        return reader.read_bytes(text.removeprefix("@"))
    return text.encode("utf-8", "surrogateescape")


def source_name(path: str) -> str:
    """Return the name of an input for a message."""
    return "standard input" if path == STANDARD_INPUT else path


def decode(data: bytes, name: str, encoding: str = "utf-8", remedy: str = _NAME_ENCODING) -> str:
    """Decode text and remove a byte order mark.

    Raises:
        InputError: the bytes are not in this encoding; the error has the offset.
    """
    try:
        text = data.decode(encoding)
        if encoding != "utf-8":
            # Some encodings, such as utf-7, can encode a lone surrogate, which UTF-8 cannot.
            text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name} contains half a surrogate pair", f"character {error.start}"
        ) from None
    except UnicodeError as error:
        # The errors of some encodings, such as idna, have no offset.
        why = str(error)
        if isinstance(error, UnicodeDecodeError):
            why = f"byte {data[error.start]:#04x} at offset {error.start}"
        shown = "UTF-8" if encoding == "utf-8" else encoding
        raise InputError(f"{name} is not {shown}", why, remedy) from None
    return text.removeprefix("\ufeff")


def _normalize_encoding(encoding: str) -> str:
    import codecs

    try:
        name = codecs.lookup(encoding).name
        # Codecs such as rot13 and hex do not encode text to bytes.
        "".encode(name)
    except (LookupError, ValueError):
        raise UsageError(
            f"unknown encoding {encoding!r}", remedy="try: --encoding latin-1"
        ) from None
    return name


# Standard input ---------------------------------------------------------------------------------


def stdin_is_terminal() -> bool:
    """Return whether standard input is a terminal."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def stdin_has_input(*, has_words: bool) -> bool:
    """Return whether standard input is part of the prompt: a pipe, a socket or a file is.

    Beside words, a file that has been read from is not: it is the list that the body of a
    ``while read`` loop inherits.
    """
    if sys.stdin is None:
        return False
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        # A stream without a descriptor: another program runs this one in its own process.
        return not sys.stdin.closed
    if stat.S_ISREG(mode):
        return not (has_words and os.lseek(descriptor, 0, os.SEEK_CUR) > 0)
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _note_silence(note: Callable[[str], None]) -> None:
    """Wait for standard input, and note after a while that it is being read.

    The author of a script may not know that the command inherits a pipe that stays open.
    """
    if sys.platform == "win32":
        return
    import select

    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        return
    if os.isatty(descriptor):
        return
    if not select.select([descriptor], [], [], STDIN_NOTE_DELAY)[0]:
        note("waiting for standard input; use -n to ignore it")


def _read_block(stream: BinaryIO) -> bytes:
    """Return the bytes of one read; no bytes mean the end, after which nothing must be read.

    At a terminal, another read would wait for another Ctrl-D.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        descriptor = -1
    if descriptor < 0 or sys.platform == "win32":
        # No descriptor, or a console, whose text only the stream decodes.
        return stream.read1(_BLOCK)  # type: ignore[attr-defined, no-any-return]
    import select

    while True:
        try:
            # The stream would take a non-blocking pipe without data for its end.
            return os.read(descriptor, _BLOCK)
        except BlockingIOError:
            # Other processes share the descriptor: making it blocking would change it for them.
            select.select([descriptor], [], [])


class StdinLines:
    """Reads standard input line by line, each as soon as it arrives, ``limit`` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._lines: deque[bytes] = deque()
        self._partial = bytearray()
        self._is_at_end = sys.stdin is None

    def readline(self) -> str:
        """Return the next line without its end.

        Raises:
            EOFError: there are no more lines.
            InputError: the line is not UTF-8 or is too long; the next can still be read.
        """
        line = self._next_line()
        self._number += 1
        name = f"line {self._number} of standard input"
        if len(line) > self._limit:
            why = f"more than {self._limit} bytes"
            raise InputError(f"{name} is too long", why, "raise max_prompt")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            why = f"byte {line[error.start]:#04x} at offset {error.start}"
            raise InputError(f"{name} is not UTF-8", why, "convert it first") from None
        return (text.removeprefix("\ufeff") if self._number == 1 else text).removesuffix("\r")

    def _next_line(self) -> bytes:
        while not self._lines:
            block = b"" if self._is_at_end else self._read_block()
            first, *more = block.split(b"\n")
            # Of a line that is too long, only as much is stored as shows that it is.
            self._partial += first[: max(0, self._limit + 2 - len(self._partial))]
            self._is_at_end = not block
            if self._is_at_end and not self._partial:
                raise EOFError
            if more or self._is_at_end:
                *complete, rest = more or [b""]
                self._lines.extend([bytes(self._partial), *complete])
                self._partial = bytearray(rest)
        return self._lines.popleft()

    def _read_block(self) -> bytes:
        try:
            return _read_block(sys.stdin.buffer)
        except OSError as error:
            self._is_at_end = True
            raise InputError("cannot read standard input", reason(error)) from None
