"""Event streams and the events that the HTML standard dispatches for them.

Many are taken from web-platform-tests.
"""

from __future__ import annotations

from typing import NamedTuple


class Vector(NamedTuple):
    """One stream: its bytes, and its events as pairs of type and data.

    ``open`` is the last event where no blank line ends it; only ``Parser.close`` returns it.
    ``httpx_sse`` is false where that library is known to read the stream differently.
    """

    name: str
    stream: bytes
    events: tuple[tuple[str, str], ...]
    open: tuple[tuple[str, str], ...] = ()
    httpx_sse: bool = True

    @property
    def all_events(self) -> list[tuple[str, str]]:
        """The events, with the last one that no blank line ends."""
        return [*self.events, *self.open]


def _messages(*texts: str) -> tuple[tuple[str, str], ...]:
    return tuple(("message", text) for text in texts)


_BOM = b"\xef\xbb\xbf"
_LONG = b"x" * 2048

VECTORS = (
    Vector("nothing", b"", ()),
    Vector("one event", b"data: one\n\n", _messages("one")),
    Vector("two events", b"data: one\n\ndata: two\n\n", _messages("one", "two")),
    Vector("several lines of data", b"data: a\ndata: b\ndata: c\n\n", _messages("a\nb\nc")),
    Vector("data before an empty event", b"data: a\n\n\n\ndata: b\n\n", _messages("a", "b")),
    # Byte order marks
    Vector("bom", _BOM + b"data:1\n\n", _messages("1"), httpx_sse=False),
    Vector(
        "bom only at the start",
        _BOM + b"data:1\n\n" + _BOM + b"data:2\n\ndata:3\n\n",
        _messages("1", "3"),
        httpx_sse=False,
    ),
    Vector("two boms", _BOM + _BOM + b"data:1\n\ndata:2\n\ndata:3\n\n", _messages("2", "3")),
    Vector("only a bom", _BOM, ()),
    Vector("bom, end of line, event", _BOM + b"\ndata:1\n\n", _messages("1")),
    Vector("part of a bom", b"\xef\xbbdata:1\n\ndata:2\n\n", _messages("2")),
    Vector("bom inside data", b"data:" + _BOM + b"1\n\n", _messages("\ufeff1")),
    # Ends of lines
    Vector("cr", b"data: a\rdata: b\r\rdata: c\r\r", _messages("a\nb", "c")),
    Vector("crlf", b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", _messages("a\nb", "c")),
    Vector("all three mixed", b"data:test\r\ndata\ndata:test\r\n\r", _messages("test\n\ntest")),
    Vector("lf cr is two ends", b"data:1\n\rdata:2\n\n", _messages("1", "2")),
    Vector("cr cr lf is two ends", b"data:1\r\r\ndata:2\r\n\r\n", _messages("1", "2")),
    Vector("cr lf lf is two ends", b"data:1\r\n\ndata:2\n\n", _messages("1", "2")),
    Vector("cr at the start", b"\r\ndata:1\r\n\r\n", _messages("1")),
    Vector(
        "characters that are not line ends",
        "data:a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode(),
        _messages("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei"),
    ),
    Vector("a line of one space is not empty", b"data: a\n \ndata: b\n\n", _messages("a\nb")),
    # Comments
    Vector("comment", b": hello\ndata: 1\n\n", _messages("1")),
    Vector("only a comment", b": keep-alive\n\n", ()),
    Vector(
        "comments of every kind",
        b"data:1\r:\0\n:\r\ndata:2\n:%b\rdata:3\n:data:fail\r:%b\ndata:4\n\n" % (_LONG, _LONG),
        _messages("1\n2\n3\n4"),
    ),
    Vector("colons", b":\n:\n::\n\ndata: 1\n\n", _messages("1")),
    # The field "data"
    Vector("data without a value", b"data\n\n", _messages("")),
    Vector(
        "empty data",
        b"data:\n\ndata\ndata\n\ndata:test\n\n",
        _messages("", "\n", "test"),
    ),
    Vector("empty lines of data around one", b"data:\ndata:x\ndata:\n\n", _messages("\nx\n")),
    Vector(
        "one space is removed",
        b"data:\ttest\rdata: \ndata:test\n\ndata:  two\n\n",
        _messages("\ttest\n\ntest", " two"),
    ),
    Vector("colons in data", b"data: a:b: c\n\ndata::\n\n", _messages("a:b: c", ":")),
    Vector("trailing spaces are kept", b"data: a  \n\n", _messages("a  ")),
    # Names
    Vector(
        "names are exact",
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n"
        b" data:32\ndata:4\n\n",
        _messages("\0\n 2\n1\n3\n\n4"),
    ),
    Vector(
        "unknown fields",
        b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
        _messages("test\n\ntest"),
    ),
    Vector("space before the colon", b"data : 1\ndata: 2\n\n", _messages("2")),
    Vector("JSON without a field", b'{"error": {"message": "slow down"}}\n\n', ()),
    # The field "event"
    Vector("event", b"event:test\ndata:x\n\ndata:x\n\n", (("test", "x"), *_messages("x"))),
    Vector("event after data", b"data: x\nevent: late\n\n", (("late", "x"),)),
    Vector("empty event", b"event: \ndata:data\n\n", _messages("data")),
    Vector("event without a value", b"event\ndata: x\n\n", _messages("x")),
    Vector("last event field applies", b"event: a\nevent: b\ndata: x\n\n", (("b", "x"),)),
    Vector("event type reset by an empty field", b"event: a\nevent:\ndata: x\n\n", _messages("x")),
    Vector(
        "event without data resets its type",
        b"event: ping\n\ndata: x\n\n",
        _messages("x"),
        httpx_sse=False,
    ),
    Vector("event not utf-8", b"event: a\xff\ndata: x\n\n", (("a\ufffd", "x"),)),
    Vector("event with a space", b"event:  two\ndata: x\n\n", ((" two", "x"),)),
    # The fields "id" and "retry"
    Vector("id", b"id: 1\ndata: a\n\nid\ndata: b\n\nid: \0\ndata: c\n\n", _messages("a", "b", "c")),
    Vector("only an id", b"id: 1\n\ndata: a\n\n", _messages("a"), httpx_sse=False),
    Vector(
        "retry",
        b"retry:03000\ndata:a\n\nretry:1000x\ndata:b\n\nretry\ndata:c\n\nretry: -1\ndata:d\n\n",
        _messages("a", "b", "c", "d"),
    ),
    Vector("only a retry", b"retry: 10\n\ndata: a\n\n", _messages("a"), httpx_sse=False),
    # Characters
    Vector("null", b"data:\0\n\n\n\n", _messages("\0")),
    Vector("utf-8", "data:ok…\n\n".encode(), _messages("ok…")),
    Vector(
        "utf-8 of four bytes",
        "data: 👩‍👩‍👧 Zürich 日本語\n\n".encode(),
        _messages("👩‍👩‍👧 Zürich 日本語"),
    ),
    Vector("not utf-8", b"data: a\xffb\n\ndata: c\n\n", _messages("a\ufffdb", "c")),
    Vector(
        "utf-8 truncated by a line end", b"data: a\xe2\x82\ndata: b\n\n", _messages("a\ufffd\nb")
    ),
    Vector("a surrogate is not utf-8", b"data: \xed\xa0\xbd\n\n", _messages("\ufffd\ufffd\ufffd")),
    Vector("utf-8 in an event's name", "event: é\ndata: x\n\n".encode(), (("é", "x"),)),
    # The end
    Vector(
        "data before the final empty line",
        b"retry:1000\ndata:test1\n\nid:test\ndata:test2\n",
        _messages("test1"),
        open=_messages("test2"),
    ),
    Vector(
        "no line end",
        b'data: {"choices": []}\n\ndata: [DONE]',
        _messages('{"choices": []}'),
        open=_messages("[DONE]"),
    ),
    Vector("one line end", b"data: [DONE]\n", (), open=_messages("[DONE]")),
    Vector("one cr", b"data: [DONE]\r", (), open=_messages("[DONE]")),
    Vector("crlf once", b"data: [DONE]\r\n", (), open=_messages("[DONE]")),
    Vector("type of the open event", b"event: end\ndata: x", (), open=(("end", "x"),)),
    Vector("lines of the open event", b"data: a\ndata: b", (), open=_messages("a\nb")),
    Vector("truncated in a name", b"data: a\ndat", (), open=_messages("a")),
    Vector("truncated in a character", b"data: a\xe2\x82", (), open=_messages("a\ufffd")),
    Vector("truncated in an event's name", b"event: en", ()),
    Vector("truncated in a comment", b"data: a\n\n: pin", _messages("a")),
    Vector("truncated in a bom", _BOM[:2], ()),
    # As Open WebUI sends it
    Vector(
        "keep-alives and pings",
        b': keep-alive\n\nevent: ping\ndata: {"type": "ping"}\n\ndata: x\n\n: OPENROUTER PROCESSING'
        b"\n\ndata: [DONE]\n\n",
        (("ping", '{"type": "ping"}'), *_messages("x", "[DONE]")),
    ),
    Vector(
        "error after blank lines",
        b'data: x\n\n\n\ndata: {"error": {"message": "failed"}}\n\ndata: [DONE]\n\n',
        _messages("x", '{"error": {"message": "failed"}}', "[DONE]"),
    ),
)
