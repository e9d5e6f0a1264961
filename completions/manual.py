"""Write the manual page from what the command line says of itself: run it when that has changed.

    python completions/manual.py

It stands beside the completions, written out, so that a package needs neither Python nor what the
command imports to install it. What ``--help`` and ``contextops help`` say is taken from where they
take it; only what neither says is written here.
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
from contextops.commands.help import EXIT_CODES
from contextops.commands.options import CONNECTION, DISPLAY, PROFILE
from contextops.config import environment_variables

_PAGE = Path(__file__).parent / "contextops.1"

_DESCRIPTION = """
What was asked for is on standard output: the model's text, one JSON document (--json), or one JSON
object a line (--jsonl). All else is on standard error: errors, each one line that says what failed,
why, and what to do; notes, which --quiet drops; token counts; what the model thinks.

The prompt is the words, then standard input where that is a pipe or a file, then each --file. A
command in the body of a while loop needs --no-stdin, or it reads the loop's list.

On a terminal Markdown is rendered, and control characters in a model's text are shown, not obeyed.
In a pipe the text is what the model sent, byte for byte, with one final newline.
"""
_SETTINGS = """
What is typed beats what is exported, which beats what is stored in the config file. Each setting
has a variable below; in the file, and for 'contextops config set', its name is the variable's in
small letters, without CONTEXTOPS_. With --profile the values of that profile are typed too.

A duration is written 2, 500ms, 90s, 5m or 1h30m, and 0 is no limit; a size is a number of bytes, or
one with K, M or G.
"""
_FILES = (
    ("~/.config/contextops/config.toml", "profiles, templates and the default profile"),
    ("~/.local/state/contextops/NAME.jsonl", "the conversation NAME, one message a line"),
    ("~/.local/state/contextops/history", "what was typed in chat repl"),
    ("~/.cache/contextops/models/PROFILE", "the ids of the last 'models list', for completion"),
)
_AFTER_FILES = """
Each is readable by its owner alone. On Windows the first is below %APPDATA%, the others are below
%LOCALAPPDATA%.
"""


def page() -> Iterator[str]:
    """Give the lines of the page."""
    root = typer.main.get_command(app)
    ctx = typer.Context(root, info_name="contextops", **root.context_settings)
    commands = [*_leaves(root, ctx)]
    summary = root.help.splitlines()[0].rstrip(".")
    yield "." + r"\" Written by manual.py."
    yield f'.TH CONTEXTOPS 1 "" "contextops {__version__}" "User Commands"'
    yield from ("." + "nh", "." + "ad l")
    yield from (".SH NAME", _text(f"contextops - {summary[0].lower()}{summary[1:]}"))
    yield ".SH SYNOPSIS"
    for command, where in commands:
        yield from (".HP", _usage(command, where))
    yield ".SH DESCRIPTION"
    yield from _prose(_DESCRIPTION)
    yield ".SH COMMANDS"
    for command, where in commands:
        yield from _command(command, where)
    yield ".SH OPTIONS"
    yield from _prose("Those of every command stand before the subcommand or after it.")
    own = [each for each in root.get_params(ctx) if each not in (*PROFILE, *DISPLAY, *CONNECTION)]
    yield from _params([*own, *PROFILE, *DISPLAY], ctx)
    yield ".SS Of commands that reach a server"
    yield from _params(CONNECTION, ctx)
    yield ".SH ENVIRONMENT"
    yield from _prose(_SETTINGS)
    yield from _list(environment_variables())
    yield ".SH FILES"
    yield from _list(_FILES)
    yield ".PP"
    yield from _prose(_AFTER_FILES)
    yield ".SH EXIT STATUS"
    yield from _list((status, f"{code}: {when}") for status, code, when in EXIT_CODES[:-1])
    yield from _list((statuses, when) for statuses, _, when in EXIT_CODES[-1:])
    yield ".SH EXAMPLES"
    yield from _examples([(root, ctx), *commands])


def _leaves(command: Any, ctx: Any) -> Iterator[tuple[Any, Any]]:
    """Give each command that does something, with where it stands."""
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        if below.hidden:
            continue
        where = typer.Context(below, parent=ctx, info_name=name)
        if hasattr(below, "list_commands"):
            yield from _leaves(below, where)
        else:
            yield below, where


def _usage(command: Any, ctx: Any) -> str:
    pieces = " ".join(command.collect_usage_pieces(ctx))
    # Typer has what is required in braces, also where it is one word.
    required = re.sub(r"{([^ |]+)}", r"\1", pieces)
    return _text(f"{ctx.command_path} {required}")


def _command(command: Any, ctx: Any) -> Iterator[str]:
    yield f".SS {_text(ctx.command_path.partition(' ')[2])}"
    said = (each for each in _paragraphs(command) if not each.startswith("\b"))
    yield from _prose("\n\n".join(said))
    shared = (*PROFILE, *DISPLAY, *CONNECTION)
    own = [each for each in command.get_params(ctx) if each not in shared and each.name != "help"]
    arguments = [each for each in own if each.param_type_name == "argument"]
    yield from _params([*arguments, *(each for each in own if each not in arguments)], ctx)


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
    for term, said in items:
        yield from (".TP", f"\\fB{_text(term)}\\fR", *_filled(said))


def _prose(text: str) -> Iterator[str]:
    """Write paragraphs below a heading."""
    first, *others = text.strip().split("\n\n")
    yield from _filled(first)
    for paragraph in others:
        yield from (".PP", *_filled(paragraph))


def _filled(text: str) -> Iterator[str]:
    # Not across hyphens and dashes: a line break there would be read as a blank.
    lines = textwrap.wrap(text, width=72, break_long_words=False, break_on_hyphens=False)
    yield from map(_text, lines)


_SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", '"': r"\(dq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)


def _text(text: str) -> str:
    """Write what stands in one line, so that it reads as it is and can be copied."""
    ascii_ = "".join(
        each if each.isascii() else f"\\[u{ord(each):04X}]" for each in text.translate(_SPECIAL)
    )
    # A dot at the begin of a line would be a request.
    return re.sub(r"^\.", r"\\&.", ascii_)


def pages() -> Iterator[tuple[Path, str]]:
    """Give the path of the page, and the text that it should have."""
    yield _PAGE, "\n".join([*page(), ""])


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
