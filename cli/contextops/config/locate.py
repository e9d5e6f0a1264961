"""Places in a TOML text: where it sets a key, and where the parser found an error."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterator
from typing import Any, NamedTuple

Keys = tuple[str, ...]


class Place(NamedTuple):
    """A position in a text; lines and columns count from 1, as in editors."""

    line: int
    column: int


class Statement(NamedTuple):
    """One statement of a TOML text: where it begins, its table, and the data that it sets."""

    start: int
    text: str
    table: Keys
    data: dict[str, Any]


def position(text: str, index: int) -> Place:
    """Return the place of a character by its index."""
    before = text[:index]
    return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


_PLACE = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"
_TWICE = r"Cannot declare (\(.*\)) twice"


def parse_error(message: str, text: str) -> tuple[str, Place]:
    """Return the reason and the place in the message of a ``tomllib`` error."""
    match = re.search(_PLACE, message)
    reason = re.sub(_PLACE, "", message)
    if twice := re.fullmatch(_TWICE, reason):
        reason = f"[{'.'.join(literal_eval(twice[1]))}] appears twice"
    reason = reason[:1].lower() + reason[1:]
    if match and match[1]:
        return reason, Place(int(match[1]), int(match[2]))
    return reason, position(text, len(text.rstrip()))


def locate(text: str, keys: Keys) -> Place | None:
    """Return the place at which a TOML text sets these keys."""
    for statement in statements(text):
        if any(keys == path[: len(keys)] for path in _paths(statement.data, statement.table)):
            pattern = rf"(?<![\w-])[\"']?{re.escape(keys[-1])}[\"']?\s*[\].=]"
            match = re.search(pattern, statement.text)
            return position(text, statement.start + (match.start() if match else 0))
    return None


def statements(text: str) -> Iterator[Statement]:
    """Split a valid TOML text into statements: the fewest lines that parse by themselves."""
    import tomllib

    table: Keys = ()
    start = end = quotes = 0
    for line in text.split("\n"):
        is_first = start == end
        end += len(line) + 1
        quotes += line.count('"""') + line.count("'''")
        # Of a long text or list, only a line that could end it is worth the parser's time.
        if quotes % 2 or not (is_first or re.search("[\"'\\]}]", line)):
            continue
        chunk = text[start:end]
        try:
            data = tomllib.loads(chunk)
        except ValueError:
            continue
        if chunk.lstrip().startswith("["):
            table = max(_paths(data, ()), key=len)
            data = {}
        yield Statement(start, chunk, table, data)
        start, quotes = end, 0
    yield Statement(start, text[start:], table, {})


def _paths(data: Any, before: Keys) -> Iterator[Keys]:
    yield before
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _paths(value, (*before, key))
