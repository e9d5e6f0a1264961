"""Read messages without an editor: from a pipe or a file, or at a terminal that has no cursor."""

from __future__ import annotations

from contextops.chat import StdinLines
from contextops.output import Printer

_CONTINUED = "\\"


class PipedReader:
    """Take a line of standard input for a message; nobody is there to be asked."""

    is_person = False

    def __init__(self, lines: StdinLines) -> None:
        self._lines = lines

    def read(self, _prompt: str) -> str:
        """Give the next line; raises ``EOFError``, and ``InputError`` for a bad one."""
        return self._lines.next()


class PlainReader:
    """Ask a person for lines; one that ends with a backslash goes on with the next."""

    is_person = True

    def __init__(self, lines: StdinLines, printer: Printer) -> None:
        self._lines = lines
        self._printer = printer

    def read(self, prompt: str) -> str:
        """Give the next message; raises ``EOFError``, and ``InputError`` for a bad line."""
        self._printer.prompt(prompt)
        try:
            text = self._lines.next()
            while text.endswith(_CONTINUED):
                text = f"{text.removesuffix(_CONTINUED)}\n{self._lines.next()}"
        except (EOFError, KeyboardInterrupt):
            self._printer.end_prompt()
            raise
        return text
