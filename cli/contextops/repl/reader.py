"""Readers of messages: a pipe or a file, a plain terminal, or an editor on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol, TextIO

from contextops.chat import StdinLines, stdin_is_terminal
from contextops.output import Printer

CONTINUATION = "\\"
"""At the end of a line, it continues the message on the next one."""


class Reader(Protocol):
    """The source of the messages of a conversation."""

    is_person: bool
    """Whether a person types. Ctrl-C then stops an answer; elsewhere it ends the program."""

    def read(self, prompt: str) -> str:
        """Return the next entry.

        Raises:
            EOFError: at the end of the input.
            KeyboardInterrupt: for Ctrl-C while nothing is typed.
            ContextopsError: for an entry that cannot be read; more entries may follow.
        """


class PipedReader:
    """A reader of a pipe or a file: each line of standard input is a message."""

    is_person = False

    def __init__(self, lines: StdinLines) -> None:
        self._lines = lines

    def read(self, _prompt: str) -> str:
        """Return the next line; the prompt is not shown."""
        return self._lines.readline()


class PlainReader:
    """A reader of a terminal that cannot move its cursor; a trailing backslash joins lines."""

    is_person = True

    def __init__(self, lines: StdinLines, printer: Printer) -> None:
        self._lines = lines
        self._printer = printer

    def read(self, prompt: str) -> str:
        """Show the prompt on standard error and return the next message."""
        self._printer.prompt(prompt)
        try:
            text = self._lines.readline()
            while text.endswith(CONTINUATION):
                text = f"{text.removesuffix(CONTINUATION)}\n{self._lines.readline()}"
        except (EOFError, KeyboardInterrupt):
            self._printer.end_prompt()
            raise
        return text


def choose_reader(
    printer: Printer, *, max_line: int, make_editor: Callable[[TextIO], Reader]
) -> Reader:
    """Return the reader that fits standard input and the terminal.

    ``max_line`` limits a line in bytes. ``make_editor`` makes a line editor that draws on a
    stream.
    """
    lines = StdinLines(max_line)
    if not stdin_is_terminal():
        return PipedReader(lines)
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return PlainReader(lines, printer)
    if printer.stdout_is_terminal:
        return make_editor(sys.stdout)
    return make_editor(sys.stderr) if printer.stderr_is_terminal else PlainReader(lines, printer)
