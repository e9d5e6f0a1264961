"""What a command prints: its result on standard output, all messages on standard error.

Standard output carries what the command was run for and nothing else.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

from contextops import strict_json
from contextops.output.messages import MessagePrinter
from contextops.output.results import Format, Result
from contextops.output.sanitize import one_line, sanitize_exact, sanitize_text
from contextops.output.streams import is_terminal, require_stdout, write_stdout
from contextops.output.table import align_columns

COLORS = ("auto", "always", "never")

# Bytes of JSON that are collected before they are written, so that a result of 64 MB is not in
# memory a second time as JSON.
_BLOCK = 1 << 20


class AnswerWriter(Protocol):
    """The writer of a model's text."""

    def write(self, text: str) -> None:
        """Write the next piece at once."""

    def end(self) -> None:
        """End the last line; further calls do nothing."""


class Printer(MessagePrinter):
    """The output of one invocation, for a person at a terminal or a program behind a pipe.

    ``as_json`` makes errors and notes JSON lines too, unless a person reads them. ``color`` is one
    of ``COLORS``. ``plain`` and ``raw`` turn off the rendering of Markdown; ``raw`` also passes
    control characters to a terminal. ``reasoning`` and ``verbose`` print reasoning and debug text,
    ``quiet`` drops notes.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        color: str = "auto",
        plain: bool = False,
        raw: bool = False,
        reasoning: bool = False,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            as_json=as_json,
            quiet=quiet,
            color=color,
            raw=raw,
            reasoning=reasoning,
            verbose=verbose,
        )
        self._plain = plain
        self._answer_writer: AnswerWriter | None = None
        self._write_stdout: Callable[[bytes], None] = write_stdout

    @cached_property
    def stdout_is_terminal(self) -> bool:
        """Whether standard output is a terminal."""
        return is_terminal(sys.stdout)

    @property
    def is_for_person(self) -> bool:
        """Whether a person reads standard output, so that it may hold more than the result."""
        return self.stdout_is_terminal and not self._as_json

    def redirected(self, write: Callable[[bytes], None]) -> Printer:
        """Return a printer that passes to ``write`` what this one would write to a pipe.

        Both mask the same secrets, whichever of them they are added to.
        """
        other = copy.copy(self)
        other._write_stdout = write  # noqa: SLF001 - an instance of the same class
        other.stdout_is_terminal = False
        # Markdown is not rendered into a file, not even with --color always.
        other._plain = True  # noqa: SLF001 - same
        return other

    def require_stdout(self) -> None:
        """Raise ``StdoutError`` if the result could not be written, before any work is done."""
        if self._write_stdout is write_stdout:
            require_stdout()

    def write(self, data: bytes) -> None:
        """Write bytes unchanged and flush them."""
        if self._spinner is not None:
            self._stop_spinner()
        self._write_stdout(data)

    def write_text(self, text: str) -> None:
        """Write text unchanged, in UTF-8 whatever the locale, so that pipes get the same bytes."""
        self.write(text.encode("utf-8", "replace"))

    def line(self, text: str) -> None:
        """Print one sanitized line."""
        self.lines([text])

    def lines(self, texts: Iterable[str]) -> None:
        """Print sanitized lines with a single write."""
        self.write_text("".join(f"{sanitize_exact(text)}\n" for text in texts))

    def heading(self, text: str) -> None:
        """Print a Markdown heading and an empty line."""
        self.write_text(f"## {one_line(text)}\n\n")

    def paragraph(self, text: str) -> None:
        """Print stored text of any number of lines, and an empty line."""
        safe = sanitize_text(text) if self.stdout_is_terminal else text
        self.write_text(f"{safe.rstrip()}\n\n")

    def json(self, value: Any) -> None:
        """Print one JSON document: on one line in a pipe, indented on a terminal."""
        if self.stdout_is_terminal:
            self.write(f"{strict_json.dumps(value, indent=True)}\n".encode())
        else:
            self.json_lines([value])

    def json_lines(self, values: Iterable[Any]) -> None:
        """Print one JSON value per line, on a terminal too."""
        block = bytearray()
        for value in values:
            for part in strict_json.iterencode(value):
                block += part
                if len(block) > _BLOCK:
                    self.write(bytes(block))
                    block.clear()
            block += b"\n"
        self.write(bytes(block))

    def result(self, result: Result, output_format: Format) -> None:
        """Print a command's result: the only place that chooses between its formats."""
        if output_format == "json":
            self.json(result.document())
        elif output_format == "jsonl":
            self.json_lines(result.records() if result.records else result.document())
        elif output_format is not None and result.findings:
            from contextops.output.report import report_document

            self.write_text(report_document(output_format, result.title, result.findings()))
        elif self.stdout_is_terminal and result.rows:
            if rows := result.rows():
                self.table(result.header, rows)
        elif result.is_exact:
            text = "".join(f"{line}\n" for line in result.lines())
            self.write_text(sanitize_text(text) if self.stdout_is_terminal else text)
        else:
            self.lines(result.lines())

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print rows in aligned columns under a header."""
        self.write_text(self.columns([header, *rows]))

    def columns(self, rows: Iterable[Sequence[str]]) -> str:
        """Return a line for each row, in aligned columns, folded to the width of a terminal."""
        width = None
        if self.stdout_is_terminal:
            import shutil

            width = shutil.get_terminal_size().columns
        return "".join(f"{line}\n" for line in align_columns(rows, width))

    def answer_writer(self) -> AnswerWriter:
        """Return the writer for a model's text: Markdown is rendered on a terminal."""
        self.require_stdout()
        if self._renders_markdown:
            from contextops.output.markdown import MarkdownWriter

            self._answer_writer = MarkdownWriter(
                self.write_text, color=self._color, sanitize=sanitize_text
            )
        else:
            self._answer_writer = self.plain_writer()
        return self._answer_writer

    def end_answer(self) -> None:
        """Print what the writer of the current answer has not printed yet."""
        if self._answer_writer is not None:
            self._answer_writer.end()

    def plain_writer(self) -> AnswerWriter:
        """Return the writer for a model's text that is not Markdown, such as extracted code."""
        sanitizes = self.stdout_is_terminal and not self._raw
        return _PlainWriter(self, sanitize_text if sanitizes else str)

    def info(self, texts: Iterable[str]) -> None:
        """Print lines in reply to a command of ``chat repl``, which the model did not write.

        They appear among the answers if a person reads those, otherwise on standard error.
        """
        lines = [sanitize_exact(self.redact(text)) for text in texts]
        if self.json_messages:
            self._print_message("\n".join(strict_json.dumps({"note": line}) for line in lines))
        elif self.is_for_person:
            self.write_text("".join(f"{line}\n" for line in lines))
        else:
            self._print_message("\n".join(lines))

    @property
    def _renders_markdown(self) -> bool:
        if self._plain or self._raw:
            return False
        if self._color == "always":
            return True
        return self.stdout_is_terminal and os.environ.get("TERM") != "dumb"


class _PlainWriter:
    """A writer of text as it is, which adds the final newline if it is missing."""

    def __init__(self, printer: Printer, convert: Callable[[str], str]) -> None:
        self._printer = printer
        self._convert = convert
        self._last = "\n"

    def write(self, text: str) -> None:
        if text:
            self._last = text[-1]
            self._printer.write_text(self._convert(text))

    def end(self) -> None:
        if self._last != "\n":
            self._last = "\n"
            self._printer.write(b"\n")
