"""Write the manual page from the help of the command line; run it when the help changes.

    python completions/manual.py

The page is stored beside the completions, so that a package can install it without Python or the
dependencies of the command. Most of its text is that of ``--help`` and ``contextops help``; only
what neither says is written here.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from contextops import __version__
from contextops.app import app
from contextops.commands.help import EXIT_CODES, read_topic
from contextops.commands.options import CONNECTION, DISPLAY, PROFILE
from contextops.config import environment_variables

_PAGE = Path(__file__).parent / "contextops.1"

_DESCRIPTION = """
Standard output has the result only: the model's text, one JSON document (--json), or one JSON
object per line (--jsonl). Everything else is written to standard error: errors, each one line that
says what failed, why, and what to do; notes, which --quiet suppresses; token counts; reasoning.

The prompt is the words, then standard input if that is a pipe or a file, then each --file. A
command in the body of a while loop needs --no-stdin, or it reads the loop's list.

On a terminal, Markdown is rendered, and control characters in a model's text are made visible.
In a pipe, the text is what the model sent, byte for byte, with one final newline.
"""
_FILES = (
    ("~/.config/contextops/config.toml", "profiles, templates and the default profile"),
    ("~/.local/state/contextops/NAME.jsonl", "the conversation NAME, one message a line"),
    ("~/.local/state/contextops/history", "the input history of chat repl"),
    (
        "~/.cache/contextops/models/PROFILE",
        "the model ids of the last 'models list', for completion",
    ),
)
_AFTER_FILES = """
Only their owner can read these files. On Windows, the first is below %APPDATA%, the others are
below %LOCALAPPDATA%.
"""


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    root = typer.main.get_command(app)
    ctx = typer.Context(root, info_name="contextops", **root.context_settings)
    commands = [*_executable_commands(root, ctx)]
    summary = root.help.splitlines()[0].rstrip(".")
    yield "." + r"\" Written by manual.py."
    yield f'.TH CONTEXTOPS 1 "" "contextops {__version__}" "User Commands"'
    yield from ("." + "nh", "." + "ad l")
    yield from (".SH NAME", _text(f"contextops - {summary[0].lower()}{summary[1:]}"))
    yield ".SH SYNOPSIS"
    for command, command_ctx in commands:
        yield from (".HP", _usage(command, command_ctx))
    yield ".SH DESCRIPTION"
    yield from _prose(_DESCRIPTION)
    yield ".SH COMMANDS"
    for command, command_ctx in commands:
        yield from _command(command, command_ctx)
    yield ".SH OPTIONS"
    yield from _prose("Options of every command can stand before the subcommand or after it.")
    own_params = [
        each for each in root.get_params(ctx) if each not in (*PROFILE, *DISPLAY, *CONNECTION)
    ]
    yield from _params([*own_params, *PROFILE, *DISPLAY], ctx)
    yield ".SS Of commands that reach a server"
    yield from _params(CONNECTION, ctx)
    yield ".SH ENVIRONMENT"
    yield from _topic("environment")
    yield from _list(environment_variables())
    yield ".SH FILES"
    yield from _list(_FILES)
    yield ".PP"
    yield from _prose(_AFTER_FILES)
    yield ".SH EXIT STATUS"
    yield from _topic("exit-codes")
    yield from _list((status, f"{code}: {when}") for status, code, when in EXIT_CODES[:-1])
    yield from _list((statuses, when) for statuses, _, when in EXIT_CODES[-1:])
    yield ".SH EXAMPLES"
    yield from _examples([(root, ctx), *commands])


def _topic(name: str) -> Iterator[str]:
    """Yield the text of a help topic, without its table."""
    _title, text = read_topic(name)
    yield from _prose("\n\n".join(each for each in text.split("\n\n") if each[0] != "{"))


def _executable_commands(command: Any, ctx: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each command without subcommands, with its context."""
    for name in command.list_commands(ctx):
        subcommand = command.get_command(ctx, name)
        if subcommand.hidden:
            continue
        command_ctx = typer.Context(subcommand, parent=ctx, info_name=name)
        if hasattr(subcommand, "list_commands"):
            yield from _executable_commands(subcommand, command_ctx)
        else:
            yield subcommand, command_ctx


def _usage(command: Any, ctx: Any) -> str:
    pieces = " ".join(command.collect_usage_pieces(ctx))
    # Typer puts required arguments in braces, even a single word.
    required = re.sub(r"{([^ |]+)}", r"\1", pieces)
    return _text(f"{ctx.command_path} {required}")


def _command(command: Any, ctx: Any) -> Iterator[str]:
    yield f".SS {_text(ctx.command_path.partition(' ')[2])}"
    prose = (each for each in _paragraphs(command) if not each.startswith("\b"))
    yield from _prose("\n\n".join(prose))
    shared_params = (*PROFILE, *DISPLAY, *CONNECTION)
    own_params = [
        each
        for each in command.get_params(ctx)
        if each not in shared_params and each.name != "help"
    ]
    arguments = [each for each in own_params if each.param_type_name == "argument"]
    yield from _params([*arguments, *(each for each in own_params if each not in arguments)], ctx)


def _paragraphs(command: Any) -> list[str]:
    return str(command.help).split("\n\n")


def _params(params: Iterable[Any], ctx: Any) -> Iterator[str]:
    yield from _list(record for each in params if (record := each.get_help_record(ctx)))


def _examples(commands: Iterable[tuple[Any, Any]]) -> Iterator[str]:
    for command, ctx in commands:
        for paragraph in _paragraphs(command):
            if paragraph.startswith("\b"):
                yield from (".TP", _text(ctx.command_path), ".nf")
                yield from (_text(line) for line in paragraph.splitlines()[1:])
                yield ".fi"


def _list(items: Iterable[Iterable[str]]) -> Iterator[str]:
    for term, description in items:
        yield from (".TP", f"\\fB{_text(term)}\\fR", *_wrapped(description))


def _prose(text: str) -> Iterator[str]:
    """Yield the lines of paragraphs below a heading."""
    first, *others = text.strip().split("\n\n")
    yield from _wrapped(first)
    for paragraph in others:
        yield from (".PP", *_wrapped(paragraph))


def _wrapped(text: str) -> Iterator[str]:
    # Lines are not broken at hyphens: man would show the line break as a space.
    lines = textwrap.wrap(text, width=72, break_long_words=False, break_on_hyphens=False)
    yield from map(_text, lines)


_SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", '"': r"\(dq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)


def _text(text: str) -> str:
    """Return one line of text, escaped so that it is shown unchanged and can be copied."""
    ascii_ = "".join(
        each if each.isascii() else f"\\[u{ord(each):04X}]" for each in text.translate(_SPECIAL)
    )
    # A line that begins with a dot would be a request.
    return re.sub(r"^\.", r"\\&.", ascii_)


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path of the page and its up-to-date text."""
    yield _PAGE, "\n".join([*page(), ""])


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
