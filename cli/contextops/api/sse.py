"""Server-sent events: bytes in, events out.

The rules are those of the HTML standard, section 9.2.6 "Interpreting an event stream", with one
addition: ``close`` gives the event that was not ended by a blank line too, since there are servers
that end with ``data: [DONE]`` and nothing more. What is cut in the middle is for the reader of
``data`` to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from contextops.errors import TooLargeError

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event as dispatched: ``data`` without its last line end, ``type`` or "message"."""

    data: str
    type: str = "message"


class Parser:
    """Cut a byte stream into events, however it is cut itself.

    Takes at most ``max_event`` bytes of data in one event, the names of its lines among them, and
    raises ``TooLargeError`` beyond.
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
        """Take the next bytes and give the events that they complete, before it may raise."""
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
        yield from self._events(lines)
        self._check(len(self._rest))

    def close(self) -> Iterator[Event]:
        """Give the event that the end of the stream left open, if any."""
        if not self._at_start:
            yield from self._events([bytes(self._rest), b""])

    def _events(self, lines: Iterable[bytes]) -> Iterator[Event]:
        for line in lines:
            if not line:
                if self._data:
                    yield self._event()
                self._type = b""
            elif line.startswith(b"data: "):
                self._add(line, line[6:])
            else:
                self._field(line)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add(line, value)
        elif name == b"event":
            self._check(len(value))
            self._type = value

    def _add(self, line: bytes, value: bytes) -> None:
        self._data += value
        self._data += b"\n"
        # As it came: of lines without a word, 8 million would be 8 MB of data, and 15 s of work.
        self._size += len(line) + 1
        self._check(0)

    def _check(self, more: int) -> None:
        if self._size + more > self._max_event:
            raise TooLargeError(
                "the answer has too large an event",
                f"more than {self._max_event} bytes in one server-sent event",
                "raise max_event if you trust the server",
            )

    def _event(self) -> Event:
        data = self._data[:-1].decode("utf-8", "replace")
        self._data.clear()
        self._size = 0
        return Event(data, self._type.decode("utf-8", "replace")) if self._type else Event(data)
