"""Server-sent events: bytes in, events out.

The rules are those of the HTML standard, section 9.2.6 "Interpreting an event stream", with one
addition: ``close`` also returns the event that no blank line ended, since some servers end with
``data: [DONE]`` and nothing more. Whether such an event is incomplete is for the reader of its
``data`` to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from contextops.errors import TooLargeError

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event as dispatched: ``data`` without its last line end, ``type`` or "message"."""

    data: str
    type: str = "message"


class Parser:
    """A parser that is fed the blocks of a byte stream, wherever those are split.

    An event may hold ``max_event`` bytes, the names of its fields included.
    """

    def __init__(self, max_event: int) -> None:
        self._max_event = max_event
        self._rest = bytearray()
        self._after_cr = False
        self._at_start = True
        self._data = bytearray()
        self._size = 0
        self._type = b""

    def feed(self, block: bytes) -> Iterator[Event]:
        """Yield the events that the next block completes.

        Raises:
            TooLargeError: An event is larger than ``max_event``; the events before it come first.
        """
        if self._at_start:
            self._rest += block
            if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
                return
            self._at_start = False
            block = bytes(self._rest.removeprefix(_BOM))
            self._rest.clear()
        if self._after_cr and block:
            self._after_cr = False
            block = block.removeprefix(b"\n")
        if b"\r" in block:
            self._after_cr = block.endswith(b"\r")
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = block.split(b"\n")
        if lines and self._rest:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        for line in lines:
            if not line:
                if self._data:
                    yield self._dispatch()
                self._type = b""
            elif line.startswith(b"data: "):
                self._add_data(line, line[6:])
            else:
                self._add_field(line)
        self._check_size(len(self._rest))

    def close(self) -> Iterator[Event]:
        """Yield the event that the end of the stream left open, if there is one."""
        if not self._at_start:
            self._after_cr = False
            yield from self.feed(b"\n\n")

    def _add_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add_data(line, value)
        elif name == b"event":
            self._check_size(len(value))
            self._type = value

    def _add_data(self, line: bytes, value: bytes) -> None:
        self._data += value
        self._data += b"\n"
        # Counted as it came: an event of 8 million empty lines would be 8 MB of data, and 15 s of
        # work.
        self._size += len(line) + 1
        if self._size > self._max_event:
            self._check_size(0)

    def _dispatch(self) -> Event:
        data = self._data[:-1].decode("utf-8", "replace")
        self._data.clear()
        self._size = 0
        return Event(data, self._type.decode("utf-8", "replace")) if self._type else Event(data)

    def _check_size(self, more: int) -> None:
        if self._size + more > self._max_event:
            raise TooLargeError(
                "the answer has too large an event",
                f"more than {self._max_event} bytes in one server-sent event",
                "raise max_event if you trust the server",
            )
