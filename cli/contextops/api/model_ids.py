"""The names of models: which of those that a server lists is meant, and which a TAB offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

from contextops.errors import ContextopsError

ACCESS_HINT = "they are private until an administrator grants access"

_SHOWN = 10
_NEAR = 3
# Comparing two ids of 30 signs well takes 0.4 ms, and there are servers with 10,000.
_COMPARED = 300


def is_glob(name: str) -> bool:
    """Tell a pattern from an id."""
    return any(sign in name for sign in "*?[")


def exact_model(name: str, ids: Sequence[str]) -> list[str]:
    """Give the id that is this very name, if there is one."""
    return [name] if name in ids else []


def match_models(name: str, ids: Sequence[str]) -> list[str]:
    """Give the ids that an exact name or a glob stands for, in their order."""
    exact = exact_model(name, ids)
    return exact or [each for each in ids if is_glob(name) and fnmatchcase(each, name)]


def search_models(part: str, ids: Sequence[str]) -> list[str]:
    """Give the ids that hold ``part``, or fit it where it is a glob, in any case."""
    part = part.lower()
    fits = fnmatchcase if is_glob(part) else _holds
    return [each for each in ids if fits(each.lower(), part)]


def _holds(text: str, part: str) -> bool:
    return part in text


def nearest_models(wanted: str, ids: Sequence[str]) -> list[str]:
    """Give the ids that look most like what was wanted, whatever the case of either."""
    import difflib
    import heapq

    spelled = {each.lower(): each for each in reversed(ids) if each != wanted}
    low = wanted.lower()
    likely = heapq.nlargest(_COMPARED, spelled, key=lambda each: _likeness(low, each))
    return [spelled[each] for each in difflib.get_close_matches(low, likely, n=_NEAR)]


def _likeness(one: str, other: str) -> int:
    """Say roughly how much two names have in common: quick, for choosing what to compare well."""
    return len(set(pairwise(one)) & set(pairwise(other)))


def suggest_models(wanted: str, ids: Sequence[str]) -> str:
    """Say what may have been meant by a name that is not offered, or what there is."""
    if wanted in ids:
        refresh = "try 'contextops models list --refresh'"
        return f"it is listed all the same: {refresh}; {describe_offer(ids)}"
    near = [] if is_glob(wanted) else nearest_models(wanted, ids)
    return f"did you mean {' or '.join(near)}?" if near else describe_offer(ids)


def describe_offer(ids: Sequence[str]) -> str:
    """Say in a sentence what there is to choose from."""
    if not ids:
        return f"the server lists no models ({ACCESS_HINT})"
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"there are {', '.join(ids[:_SHOWN])}{more}"


def save_model_ids(folder: Path, profile: str, ids: Iterable[str]) -> None:
    """Keep what a TAB offers, one id a line in ``models/PROFILE``, which shells read themselves.

    An id that no line can hold, or that would pass for a flag, is left out. Nothing fails where
    nothing can be kept.
    """
    from contextops import files

    if Path(profile).name != profile or profile == ".." or not profile.isprintable():
        return
    lines = "".join(f"{each}\n" for each in ids if each.isprintable() and each[:1] not in ("", "-"))
    path = folder / "models" / profile
    with suppress(ContextopsError, OSError):
        if path.is_file() and path.read_bytes() == lines.encode():
            # Most lists are the last one: no lock, and nothing to wait for on the disk.
            return
        with files.locked(path, wait=0.0):
            files.replace(path, lines.encode())
