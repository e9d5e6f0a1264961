"""The names of models: which of those that a server lists is meant, and which is near."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

PRIVATE = "they are private until an administrator grants access"

_SHOWN = 10
_NEAR = 3


def is_glob(name: str) -> bool:
    """Tell a pattern from an id."""
    return any(sign in name for sign in "*?[")


def named(name: str, ids: Sequence[str]) -> list[str]:
    """Give the ids that an exact name or a glob stands for, in their order."""
    if name in ids:
        return [name]
    return [each for each in ids if fnmatchcase(each, name)] if is_glob(name) else []


def found(part: str, ids: Sequence[str]) -> list[str]:
    """Give the ids that hold ``part``, or fit it where it is a glob, in any case."""
    part = part.lower()
    fits = fnmatchcase if is_glob(part) else _holds
    return [each for each in ids if fits(each.lower(), part)]


def _holds(text: str, part: str) -> bool:
    return part in text


def nearest(wanted: str, ids: Sequence[str]) -> list[str]:
    """Give the ids that look most like what was wanted, whatever the case of either."""
    import difflib

    spelled = {each.lower(): each for each in reversed(ids) if each != wanted}
    near = difflib.get_close_matches(wanted.lower(), spelled, n=_NEAR)
    return [spelled[each] for each in near]


def offer(ids: Sequence[str]) -> str:
    """Say in a sentence what there is to choose from."""
    if not ids:
        return f"the server lists no models ({PRIVATE})"
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"there are {', '.join(ids[:_SHOWN])}{more}"
