"""Real standard streams, and the characters that must not pass through them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TextIO

from hypothesis import strategies as st

from contextops.output import Printer

# The list of the contract, except the two characters that text needs.
FORBIDDEN = {
    *map(chr, (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
} - {"\n", "\t"}

TEXTS = st.lists(
    st.sampled_from(sorted(FORBIDDEN))
    | st.sampled_from(
        ["\x1b[31m", "\x1b]52;c;", "\x1b]8;;http://x\x1b\\", "\r\n", "^[", "\\u{202e}"]
    )
    | st.text(max_size=5),
    max_size=20,
).map("".join)


class End:
    """The other end of a standard stream, which is a pipe or a terminal of 80 columns."""

    def __init__(self, stack: ExitStack, name: str, *, terminal: bool, encoding: str) -> None:
        if terminal:
            import termios
            import tty

            self.reader, writer = os.openpty()
            tty.setraw(writer)
            termios.tcsetwinsize(writer, (24, 80))
        else:
            self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        stream = open(writer, "w", encoding=encoding)  # noqa: SIM115, PTH123
        stack.callback(self._close, stream)
        setattr(sys, name, stream)

    def read(self) -> bytes:
        """Return the bytes written since the last call."""
        data = b""
        try:
            while block := os.read(self.reader, 65536):
                data += block
        except BlockingIOError:
            pass
        return data

    @property
    def text(self) -> str:
        """The text written since the last read, which must be UTF-8."""
        return self.read().decode()

    def hang_up(self) -> None:
        """Close the pipe, as ``head`` does."""
        os.close(self.reader)
        self.reader = -1

    def _close(self, stream: TextIO) -> None:
        with suppress(BrokenPipeError):
            stream.close()
        if self.reader >= 0:
            os.close(self.reader)


Streams = Callable[..., tuple[End, End]]


def print_answer(printer: Printer, *pieces: str) -> None:
    writer = printer.answer_writer()
    for piece in pieces:
        writer.write(piece)
    writer.end()
