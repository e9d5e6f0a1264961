"""Where the text of a prompt comes from: standard input and files, as bytes and as text.

Nothing is guessed: what cannot be read as it stands is refused, never dropped or re-encoded.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from contextops import strict_json
from contextops.errors import InputError, UsageError, reason

STANDARD_INPUT = "-"

PATIENCE = 3.0
"""Seconds of silence on standard input before a note says what is waited for."""

_BLOCK = 1 << 20
_NAME_ENCODING = "name what it is with --encoding, e.g. --encoding latin-1"

Note = Callable[[str], None]


class InputReader:
    """Read what a prompt is made of, no more than ``limit`` bytes of each.

    ``encoding`` is what text is in; ``note`` is told what is waited for.
    """

    def __init__(self, *, limit: int | None, note: Note, encoding: str = "utf-8") -> None:
        self._limit = limit
        self._note = note
        self._encoding = _known(encoding)

    def bytes_of(self, path: str) -> bytes:
        """Read a file, or standard input for ``-``; raises ``InputError``."""
        return self._standard_input() if path == STANDARD_INPUT else self._file(path)

    def text_of(self, path: str) -> str:
        """Read a file, or standard input for ``-``, as text."""
        return decode(self.bytes_of(path), name_of(path), self._encoding)

    def array_of(self, path: str, items: str) -> list[Any]:
        """Read a JSON array of such items; raises ``InputError`` for what is none."""
        value = self.json_of(path, f"an array of {items}")
        if not isinstance(value, list):
            raise InputError(f"{name_of(path)} is no array of {items}", "it is no JSON array")
        return value

    def json_of(self, path: str, wanted: str) -> Any:
        """Read JSON, which is UTF-8 whatever text is in; raises ``InputError`` for what is none.

        ``wanted`` says what it should be.
        """
        name, remedy = name_of(path), f"give {wanted}"
        text = decode(self.bytes_of(path), name, remedy=f"{remedy} in UTF-8")
        try:
            return strict_json.loads(text)
        except ValueError as error:
            raise InputError(f"{name} is no JSON", str(error), remedy) from None

    def _file(self, path: str) -> bytes:
        try:
            with Path(path).open("rb") as stream:
                return self._read(stream, path)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path}", reason(error), "check the path") from None

    def _standard_input(self) -> bytes:
        if sys.stdin is None:
            raise InputError("cannot read standard input", "it is closed", "use words instead")
        try:
            _wait_for_input(self._note)
            return self._read(sys.stdin.buffer, "standard input")
        except OSError as error:
            raise InputError("cannot read standard input", reason(error)) from None

    def _read(self, stream: BinaryIO, name: str) -> bytes:
        data = bytearray()
        for block in _blocks(stream):
            data += block
            if self._limit is not None and len(data) > self._limit:
                raise InputError(
                    f"{name} is too large", f"more than {self._limit} bytes", "raise max_prompt"
                )
        return bytes(data)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Give what each read gives, up to the first that gives nothing: that alone is the end.

    At a terminal, to ask again after it would want another Ctrl-D.
    """
    return iter(lambda: _next_block(stream), b"")


def _next_block(stream: BinaryIO) -> bytes:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        descriptor = -1
    if descriptor < 0 or sys.platform == "win32":
        # No descriptor, or the console, which has its text only for the stream.
        return stream.read1(_BLOCK)  # type: ignore[attr-defined, no-any-return]
    return _block(descriptor)


def _block(descriptor: int) -> bytes:
    """Read from the descriptor itself: for a stream, a pipe that does not block is at its end."""
    import select

    while True:
        try:
            return os.read(descriptor, _BLOCK)
        except BlockingIOError:
            # Whoever shares it with us has made it so, and would be surprised by a change.
            select.select([descriptor], [], [])


class StdinLines:
    """Read standard input line by line, each as soon as it is there, of ``limit`` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._whole: deque[bytes] = deque()
        self._begun = bytearray()
        self._is_at_end = sys.stdin is None

    def next(self) -> str:
        """Give the next line without its end.

        Raises ``EOFError`` after the last, and ``InputError`` for one that is not UTF-8 or is too
        long, after which the next can be read.
        """
        line = self._line()
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

    def _line(self) -> bytes:
        while not self._whole:
            block = b"" if self._is_at_end else self._block()
            first, *more = block.split(b"\n")
            # Of a line that is too long no more is held than tells that it is.
            self._begun += first[: max(0, self._limit + 2 - len(self._begun))]
            self._is_at_end = not block
            if self._is_at_end and not self._begun:
                raise EOFError
            if more or self._is_at_end:
                *others, rest = more or [b""]
                self._whole.extend([bytes(self._begun), *others])
                self._begun = bytearray(rest)
        return self._whole.popleft()

    def _block(self) -> bytes:
        try:
            return _next_block(sys.stdin.buffer)
        except OSError as error:
            self._is_at_end = True
            raise InputError("cannot read standard input", reason(error)) from None


def name_of(path: str) -> str:
    """Name a source for a message."""
    return "standard input" if path == STANDARD_INPUT else path


def decode(data: bytes, name: str, encoding: str = "utf-8", remedy: str = _NAME_ENCODING) -> str:
    """Read bytes as text, less a BOM; raises ``InputError`` with the offset of what is none."""
    try:
        text = data.decode(encoding)
        if encoding != "utf-8":
            # Some encodings, utf-7 for one, can hold half a character, which has no UTF-8.
            text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{name} has half a character", f"character {error.start}") from None
    except UnicodeError as error:
        # Some encodings, idna for one, do not tell the place.
        why = str(error)
        if isinstance(error, UnicodeDecodeError):
            why = f"byte {data[error.start]:#04x} at offset {error.start}"
        raise InputError(
            f"{name} is not {'UTF-8' if encoding == 'utf-8' else encoding}",
            why,
            remedy,
        ) from None
    return text.removeprefix("\ufeff")


def stdin_has_input(*, has_words: bool) -> bool:
    """Tell whether standard input is part of the prompt: a pipe, a socket or a file is.

    Beside words, a file that has been read from is not: it is the list that the body of a
    ``while read`` loop inherits.
    """
    if sys.stdin is None:
        return False
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        # No descriptor, but a stream: a program that runs us in its own process.
        return not sys.stdin.closed
    if stat.S_ISREG(mode):
        return not (has_words and os.lseek(descriptor, 0, os.SEEK_CUR) > 0)
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _known(encoding: str) -> str:
    import codecs

    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError):
        raise UsageError(
            f"no encoding is called {encoding}", remedy="try: --encoding latin-1"
        ) from None
    return name


def _wait_for_input(note: Note) -> None:
    """Say after a while what is waited for: a script's author forgot where stdin comes from."""
    if sys.platform == "win32":
        return
    import select

    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        return
    if os.isatty(descriptor):
        return
    if not select.select([descriptor], [], [], PATIENCE)[0]:
        note("waiting for standard input; -n leaves it alone")


def read_argument(text: str, sources: InputReader) -> bytes:
    """Give the bytes that an option means: ``@FILE``, ``-`` for standard input, or itself."""
    if text == STANDARD_INPUT or text.startswith("@"):
        return sources.bytes_of(text.removeprefix("@"))
    return text.encode("utf-8", "surrogateescape")
