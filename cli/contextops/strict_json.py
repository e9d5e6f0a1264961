"""JSON as in RFC 8259: parsed strictly, and encoded safely for a terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

_LONE_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATES = "[\ud800-\udfff]"
# Characters that a terminal would obey (DEL, C1, bidi overrides and isolates), and the two line
# separators of Unicode, which break JSON lines for readers that split at them.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WHITE_SPACE = " \t\r\n"
# A string longer than this is encoded in parts of this many characters.
_BLOCK = 1 << 18
# A list longer than this is encoded in slices of this many items, without looking at each.
_SLICE = 100
# Functions that walk a value recurse once per level, and Python allows 1,000 levels.
_MAX_DEPTH = 200


def loads(text: str | bytes) -> Any:
    """Parse one JSON value; a byte order mark before it is allowed.

    Lone surrogates become U+FFFD.

    Raises:
        ValueError: the text is not JSON by RFC 8259, or Python cannot hold the value: NaN, 1e400,
            a number of 5,000 digits, more than 200 levels of nesting.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    text = text.removeprefix("\ufeff").strip(_WHITE_SPACE)
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if end != len(text):
        raise ValueError(f"unexpected text after the value, at character {end}")
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_deeper(value, _MAX_DEPTH):
        raise ValueError("nested too deeply")
    return _replace_surrogates(value) if _LONE_SURROGATE_ESCAPE.search(text) else value


def dumps(value: Any, *, indent: bool = False) -> str:
    """Encode a value on one line, or indented by two spaces.

    Every character that a terminal would obey is escaped. Raises ``ValueError`` for NaN and
    infinity.
    """
    layout: dict[str, Any] = {"indent": 2} if indent else {"separators": (",", ":")}
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **layout)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def iterencode(value: Any) -> Iterator[bytes]:
    """Yield the UTF-8 of ``dumps(value)`` in blocks of about 256 KB.

    A string of 64 MB, or a list of 100,000 models, is not copied.
    """
    block = bytearray()
    for piece in _pieces(value):
        block += piece.encode()
        if len(block) > _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


class EncodedList(list[Any]):
    """A list that caches the JSON of its first items, for ``iterencode``.

    Every turn of a conversation sends all messages before it, and encoding 2,000 messages takes
    5 ms.
    """

    __slots__ = ("_cache", "_cached")

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__(items)
        self._cache = ""
        self._cached = 0

    def encode_items(self) -> None:
        """Encode and cache all items; they must not change or be removed afterwards."""
        new = map(dumps, self[self._cached :])
        self._cache = ",".join(filter(None, [self._cache, *new]))
        self._cached = len(self)

    def pieces(self) -> Iterator[str]:
        """Yield the JSON of the list, long texts in parts."""
        yield "["
        for start in range(0, len(self._cache), _BLOCK):
            yield self._cache[start : start + _BLOCK]
        for index in range(self._cached, len(self)):
            if index:
                yield ","
            yield from _pieces(self[index])
        yield "]"


def without_surrogates(text: str) -> str:
    """Replace each lone surrogate, which UTF-8 cannot encode, with U+FFFD."""
    return re.sub(_SURROGATES, "\ufffd", text)


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > _BLOCK:
        yield '"'
        for start in range(0, len(value), _BLOCK):
            yield dumps(value[start : start + _BLOCK])[1:-1]
        yield '"'
    elif isinstance(value, dict) and 0 < len(value) <= _SLICE:
        before = "{"
        for name, item in value.items():
            yield f"{before}{dumps(name)}:"
            yield from _pieces(item)
            before = ","
        yield "}"
    elif isinstance(value, EncodedList):
        yield from value.pieces()
    elif isinstance(value, list) and value:
        yield from _pieces_of_list(value)
    else:
        yield dumps(value)


def _pieces_of_list(items: list[Any]) -> Iterator[str]:
    before = "["
    if len(items) <= _SLICE:
        for item in items:
            yield before
            yield from _pieces(item)
            before = ","
    else:
        for start in range(0, len(items), _SLICE):
            yield before + dumps(items[start : start + _SLICE])[1:-1]
            before = ","
    yield "]"


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether arrays and objects are nested more than ``levels`` deep."""
    layer = [value]
    for _ in range(levels):
        containers = [node for node in layer if isinstance(node, (dict, list))]
        if not containers:
            return False
        layer = [
            item
            for node in containers
            for item in (node.values() if isinstance(node, dict) else node)
        ]
    return any(isinstance(node, (dict, list)) for node in layer)


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(k): _replace_surrogates(v) for k, v in value.items()}
    return value


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_parse_float, parse_constant=_reject_constant)
