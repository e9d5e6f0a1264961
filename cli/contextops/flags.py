"""How an option is typed, declared beside the value that it sets.

An options object is a dataclass whose fields are annotated with ``Flag`` or ``Argument`` (not a
frozen one, whose class takes 0.31 ms to make in place of 0.16, at every start); the
command line makes the parser's options of them::

    @dataclass(kw_only=True)
    class ListOptions:
        patterns: Annotated[list[str], Argument("[PATTERN]...", "Part of an id.")] = ()
        refresh: Annotated[bool, Flag("--refresh", "Ask the providers again first.")] = False
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from contextops.errors import UsageError

Group = Literal["prompt", "answer", "output", "conversation", "connection", "general"]
"""The section of a command's help in which an option stands."""


class Flag(NamedTuple):
    """One option: its names as they are typed, separated by spaces, and its help.

    ``--stream/--no-stream`` is a pair. ``parse`` reads the text of a value and raises
    ``ValueError`` with a reason; ``choices`` are the only values; ``minimum`` and ``maximum``
    bound a number.
    """

    names: str
    help: str
    metavar: str | None = None
    group: Group = "general"
    parse: Callable[[str], Any] | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None


class Argument(NamedTuple):
    """One positional argument: its name in the usage line, and its help."""

    metavar: str
    help: str
    choices: tuple[str, ...] = ()


def exclude(*pairs: tuple[bool, str, bool, str]) -> None:
    """Raise ``UsageError`` for two options that exclude each other.

    Each of a pair is whether it was typed, and its name.
    """
    for first, first_name, second, second_name in pairs:
        if first and second:
            raise UsageError(
                f"{first_name} and {second_name} exclude each other", remedy="leave one out"
            )


def need(*pairs: tuple[bool, str, bool, str]) -> None:
    """Raise ``UsageError`` for an option without the one that it needs."""
    for first, first_name, second, second_name in pairs:
        if first and not second:
            raise UsageError(f"{first_name} goes with {second_name}", remedy=f"add {second_name}")
