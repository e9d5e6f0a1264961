"""Declarations of command-line options, beside the fields that they set.

An options object is a dataclass whose fields are annotated with ``Flag`` or ``Argument``, from
which ``contextops.commands.options`` makes the options of the parser. It is not a frozen one, whose
class takes 0.31 ms to create in place of 0.16, at every start::

    @dataclass(kw_only=True)
    class ListOptions:
        patterns: Annotated[list[str], Argument("[PATTERN]...", "Part of an id.")] = ()
        refresh: Annotated[bool, Flag("--refresh", "Make the server reload its list.")] = False
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from contextops.errors import UsageError

Group = Literal["prompt", "answer", "output", "conversation", "connection", "general"]
"""The section of a command's help that an option belongs to."""


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
    """Raise ``UsageError`` if both options of a pair are used.

    A pair is whether the first is used, its name, and the same of the second.
    """
    for first, first_name, second, second_name in pairs:
        if first and second:
            raise UsageError(
                f"{first_name} and {second_name} exclude each other", remedy="leave one out"
            )


def require(*pairs: tuple[bool, str, bool, str]) -> None:
    """Raise ``UsageError`` if the first option of a pair is used without the second.

    The pairs are those of ``exclude``.
    """
    for first, first_name, second, second_name in pairs:
        if first and not second:
            raise UsageError(f"{first_name} requires {second_name}", remedy=f"add {second_name}")
