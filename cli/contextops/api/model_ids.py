"""Model ids: which of those that a server lists match a name, and which a TAB completes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from contextops.errors import ContextopsError
from contextops.suggest import closest

ACCESS_HINT = "they are private until an administrator grants access"

_MAX_LISTED = 10
_MAX_SUGGESTED = 3


def is_glob(name: str) -> bool:
    """Return whether a name is a pattern, not an id."""
    return any(character in name for character in "*?[")


def exact_model(name: str, ids: Sequence[str]) -> list[str]:
    """Return the id that equals a name, in a list; the list is empty if there is none."""
    return [name] if name in ids else []


def match_models(name: str, ids: Sequence[str]) -> list[str]:
    """Return the ids that equal a name or match a glob, in server order."""
    exact = exact_model(name, ids)
    return exact or [each for each in ids if is_glob(name) and fnmatchcase(each, name)]


def search_models(pattern: str, ids: Sequence[str]) -> list[str]:
    """Return the ids that contain ``pattern``, or match it if it is a glob, ignoring case."""
    pattern = pattern.lower()
    if is_glob(pattern):
        return [each for each in ids if fnmatchcase(each.lower(), pattern)]
    return [each for each in ids if pattern in each.lower()]


def suggest_models(name: str, ids: Sequence[str]) -> str:
    """Return a remedy for a name that is not offered: similar ids, or which there are."""
    if name in ids:
        refresh = "try 'contextops models list --refresh'"
        return f"it is listed, however: {refresh}; {describe_offer(ids)}"
    similar = [] if is_glob(name) else closest(name, ids, n=_MAX_SUGGESTED, ignore_case=True)
    return f"did you mean {' or '.join(similar)}?" if similar else describe_offer(ids)


def describe_offer(ids: Sequence[str]) -> str:
    """Return a sentence that names the models of a server, ten at most."""
    if not ids:
        return f"the server lists no models ({ACCESS_HINT})"
    more = f" and {len(ids) - _MAX_LISTED} more" if len(ids) > _MAX_LISTED else ""
    return f"the server offers {', '.join(ids[:_MAX_LISTED])}{more}"


def save_model_ids(folder: Path, profile: str, ids: Iterable[str]) -> None:
    """Save the ids that a TAB completes, one a line, in ``models/PROFILE``, which shells read.

    Ids that do not fit on a line, or that would pass for a flag, are left out. A list that cannot
    be saved is not an error.
    """
    from contextops import files

    if Path(profile).name != profile or profile == ".." or not profile.isprintable():
        return
    lines = "".join(f"{each}\n" for each in ids if each.isprintable() and each[:1] not in ("", "-"))
    path = folder / "models" / profile
    with suppress(ContextopsError, OSError):
        if path.is_file() and path.read_bytes() == lines.encode():
            # Most lists equal the last one, which saves the lock and the wait for the disk.
            return
        with files.locked(path, timeout=0.0):
            files.replace(path, lines.encode())
