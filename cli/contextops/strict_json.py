"""JSON as RFC 8259 has it: strict where it is read, harmless where it is shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

_LONE_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATES = "[\ud800-\udfff]"
# What may not reach a terminal raw (DEL, C1, bidi overrides and isolates), and the two line ends
# of Unicode that would break one object a line for readers that split on them.
_UNSHOWABLE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SPACE = " \t\r\n"
# Characters beyond which a text is encoded in pieces, and items up to which one is looked for.
_LONG = 1 << 18
_FEW = 100
# Shallow enough for whoever walks a value with a function that calls itself.
_DEEPEST = 200


def loads(text: str | bytes) -> Any:
    """Read one JSON value; a BOM before it is allowed.

    Lone surrogates become U+FFFD. Raises ``ValueError`` for everything else that RFC 8259 does
    not have or that Python cannot hold: NaN, 1e400, a number of 5,000 digits, 100,000 levels.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    text = text.removeprefix("\ufeff").strip(_SPACE)
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if end != len(text):
        raise ValueError(f"more follows after the value, from character {end} on")
    if text.count("[") + text.count("{") > _DEEPEST and _is_deeper(value, _DEEPEST):
        raise ValueError("nested too deep")
    return _without_surrogates(value) if _LONE_SURROGATE_ESCAPE.search(text) else value


def dumps(value: Any, *, indent: bool = False) -> str:
    """Write one JSON value on one line, or indented, without a character a terminal obeys."""
    layout: dict[str, Any] = {"indent": 2} if indent else {"separators": (",", ":")}
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **layout)
    return _UNSHOWABLE.sub(_escape, text)


def encoded(value: Any) -> Iterator[bytes]:
    """Give in blocks what ``dumps`` gives: a text of 64 MB, or 100,000 models, are not copied."""
    block = bytearray()
    for piece in _pieces(value):
        block += piece.encode()
        if len(block) > _LONG:
            yield bytes(block)
            block.clear()
    yield bytes(block)


class Written(list[Any]):
    """A JSON array that grows at its end, with the JSON of what will not change any more.

    A conversation sends all that was said with every turn, and to write 2,000 messages takes 5 ms.
    """

    __slots__ = ("_inside", "_settled")

    def __init__(self, items: Iterable[Any] = ()) -> None:
        super().__init__(items)
        self._inside = ""
        self._settled = 0

    def settle(self) -> None:
        """Write what is in it now; from here on it may only grow, or shrink to this."""
        new = map(dumps, self[self._settled :])
        self._inside = ",".join(filter(None, [self._inside, *new]))
        self._settled = len(self)

    def pieces(self) -> Iterator[str]:
        """Give its JSON, that of a long text in parts."""
        yield "["
        for start in range(0, len(self._inside), _LONG):
            yield self._inside[start : start + _LONG]
        for place in range(self._settled, len(self)):
            if place:
                yield ","
            yield from _pieces(self[place])
        yield "]"


def without_surrogates(text: str) -> str:
    """Replace each half of a broken pair by U+FFFD: such text has no UTF-8."""
    return re.sub(_SURROGATES, "\ufffd", text)


def _pieces(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > _LONG:
        yield '"'
        for start in range(0, len(value), _LONG):
            yield dumps(value[start : start + _LONG])[1:-1]
        yield '"'
    elif isinstance(value, dict) and 0 < len(value) <= _FEW:
        before = "{"
        for name, item in value.items():
            yield f"{before}{dumps(name)}:"
            yield from _pieces(item)
            before = ","
        yield "}"
    elif isinstance(value, Written):
        yield from value.pieces()
    elif isinstance(value, list) and value:
        yield from _pieces_of_list(value)
    else:
        yield dumps(value)


def _pieces_of_list(items: list[Any]) -> Iterator[str]:
    before = "["
    if len(items) <= _FEW:
        for item in items:
            yield before
            yield from _pieces(item)
            before = ","
    else:
        for start in range(0, len(items), _FEW):
            yield before + dumps(items[start : start + _FEW])[1:-1]
            before = ","
    yield "]"


def _is_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        nested = [node for node in layer if isinstance(node, (dict, list))]
        if not nested:
            return False
        layer = [
            item for node in nested for item in (node.values() if isinstance(node, dict) else node)
        ]
    return any(isinstance(node, (dict, list)) for node in layer)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)
