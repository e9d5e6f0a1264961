"""Arguments of slash commands: how they are parsed and completed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from contextops.chat import STANDARD_INPUT
from contextops.config import INPUT_FIELD, is_field_name
from contextops.errors import UsageError
from contextops.repl.context import ReplContext

_MAX_PATHS = 200
"""The number of paths that are offered for completion at most."""


def split_command(line: str) -> tuple[str, str, str]:
    """Split a line into the command, the white space after it, and the argument."""
    word = (line.split(maxsplit=1) or [""])[0]
    rest = line[len(word) :]
    argument = rest.lstrip()
    return word, rest[: len(rest) - len(argument)], argument


def require_name(argument: str, command: str) -> str:
    """Return the argument as a name; raises ``UsageError`` if there is none."""
    if not argument:
        raise UsageError(f"{command} needs a name", "", f"try: {command} review")
    return argument


def parse_path(argument: str) -> str:
    """Return the path that an argument names.

    The path of an existing file is used as typed, any other without its quotes.

    Raises:
        UsageError: it names standard input, or the home folder of an unknown user.
    """
    # Unlike pathlib's methods these raise nothing, whatever is typed.
    exists = os.path.exists(os.path.expanduser(argument))  # noqa: PTH110, PTH111 - see above
    path = argument if exists else _unquote(argument)
    if path == STANDARD_INPUT:
        raise UsageError("cannot attach standard input", "the messages are read from it")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise UsageError(f"cannot read {path}", "no such user") from None


def _unquote(argument: str) -> str:
    """Return an argument without shell quotes, or unchanged if it is more than one word."""
    lexer = shlex.shlex(argument, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    if os.sep == "\\":
        # On Windows the backslash separates folders.
        lexer.escape = ""
    try:
        words = list(lexer)
    except ValueError:
        return argument
    return words[0] if len(words) == 1 else argument


def parse_template(argument: str) -> tuple[str, dict[str, str]]:
    """Return the name and the variables of ``NAME FIELD=VALUE…``; raises ``UsageError``."""
    try:
        name, *pairs = shlex.split(argument)
    except ValueError as error:
        why = str(error).lower()
        raise UsageError("cannot parse the values", why, "close the quotes") from None
    variables = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not equals or not is_field_name(field) or field == INPUT_FIELD:
            remedy = f"try: /template {name} style=short"
            raise UsageError(f"invalid value {pair!r}", "expected FIELD=VALUE", remedy)
        variables[field] = value
    return name, variables


# Completion: each function returns candidates for an argument. If it raises an OSError,
# RuntimeError, ValueError or ContextopsError, none are offered.


def complete_model(context: ReplContext, _typed: str) -> Iterable[str]:
    """Return the model ids that are known by now."""
    return context.known_models()


def complete_template(context: ReplContext, _typed: str) -> Iterable[str]:
    """Return the names of the templates."""
    return context.template_names()


def complete_session(context: ReplContext, _typed: str) -> Iterable[str]:
    """Return the names of the sessions."""
    return context.sessions.list()


def complete_path(_context: ReplContext, typed: str) -> Sequence[str]:
    """Return the paths that begin as typed, folders with a slash, hidden ones after a dot."""
    folder, prefix = os.path.split(typed)
    shown = typed[: len(typed) - len(prefix)]
    with os.scandir(Path(folder or ".").expanduser()) as entries:
        paths = [
            f"{shown}{entry.name}{os.sep if entry.is_dir() else ''}"
            for entry in entries
            if entry.name.startswith(prefix)
            and (prefix.startswith(".") or not entry.name.startswith("."))
        ]
    return sorted(paths)[:_MAX_PATHS]
