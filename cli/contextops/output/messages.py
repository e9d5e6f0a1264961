"""Messages on standard error: errors, notes, progress, and a model's reasoning."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from contextops import strict_json
from contextops.errors import INTERNAL, ContextopsError
from contextops.output.redact import Redactor
from contextops.output.sanitize import one_line, sanitize_exact, sanitize_text
from contextops.output.spinner import Spinner
from contextops.output.streams import is_terminal, write_stderr

# Characters of an error message that are printed.
_MAX_MESSAGE = 2000


class MessagePrinter:
    """The standard error of one invocation; see ``Printer`` for the parameters."""

    def __init__(
        self, *, as_json: bool, quiet: bool, color: str, raw: bool, reasoning: bool, verbose: bool
    ) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._color = color
        self._raw = raw
        self._reasoning = reasoning
        self._verbose = verbose
        self._redactor = Redactor()
        self._spinner: Spinner | None = None
        self._is_reasoning_line_open = False
        self._last_progress = ""

    @cached_property
    def stderr_is_terminal(self) -> bool:
        """Whether standard error is a terminal."""
        return is_terminal(sys.stderr)

    @property
    def json_messages(self) -> bool:
        """Whether errors and notes are JSON lines, since a program reads both streams."""
        return self._as_json and not self.stderr_is_terminal

    def add_secret(self, secret: str) -> None:
        """Mask this secret in all messages from now on: a server may echo the key."""
        self._redactor.add(secret)

    def redact(self, text: str) -> str:
        """Return the text with ``***`` in place of every known secret, shortened ones too."""
        return self._redactor.redact(text)

    def contains_secret(self, text: str) -> bool:
        """Return whether a known secret occurs in the text."""
        return self.redact(text) != text

    def note(self, text: str) -> None:
        """Print a remark about the run on one line, unless ``--quiet``."""
        if not self._quiet:
            self._print_note(text, prefix="contextops: note: ")

    def usage(self, text: str) -> None:
        """Print a line that an option asked for, such as token usage, even with ``--quiet``."""
        self._print_note(text)

    def debug(self, text: str) -> None:
        """Print a line about the exchange with the server, with ``--verbose`` only."""
        if self._verbose:
            self._print_note(text)

    def _print_note(self, text: str, *, prefix: str = "") -> None:
        line = one_line(self.redact(text))
        self._print_message(
            strict_json.dumps({"note": line}) if self.json_messages else f"{prefix}{line}"
        )

    def error(self, error: ContextopsError) -> None:
        """Print an error on one line."""
        self._print_error(self.error_object(error))

    def internal_error(self, location: str) -> None:
        """Print that the program has a bug, and where.

        ``location`` must not hold data, which could include a key.
        """
        message = (
            f"internal error: {location}; this is a bug, please report this line and the output "
            "of 'contextops --version' to the maintainers of contextops"
        )
        self._print_error(
            {
                "code": "internal",
                "exit": INTERNAL,
                "http_status": None,
                "message": message,
                "retry_after": None,
            }
        )

    def parser_error(self, text: str) -> None:
        """Print the parser's message about the command line, which has several lines."""
        write_stderr(sanitize_text(self.redact(text)))

    def error_object(self, error: ContextopsError) -> dict[str, Any]:
        """Return the error as programs read it in JSON output."""
        message = one_line(self.redact(error.message))
        if len(message) > _MAX_MESSAGE:
            message = f"{message[:_MAX_MESSAGE]}…"
        return {
            "code": error.code,
            "exit": error.status,
            "http_status": error.http_status,
            "message": message,
            "retry_after": error.retry_after,
        }

    def _print_error(self, error: dict[str, Any]) -> None:
        if self.json_messages:
            self._print_message(strict_json.dumps({"error": error}))
        else:
            self._print_message(f"contextops: {error['message']}")

    def _print_message(self, line: str) -> None:
        if self._spinner is not None:
            self._spinner.clear()
        write_stderr(f"{line}\n")

    def reasoning(self, text: str) -> None:
        """Print a piece of the model's reasoning, with ``--reasoning`` only."""
        if not self._reasoning:
            return
        if self.json_messages:
            self._print_message(strict_json.dumps({"reasoning": text}))
            return
        self._is_reasoning_line_open = not text.endswith("\n")
        self._print_stderr_text(text)

    def end_reasoning(self) -> None:
        """End the last line of the reasoning."""
        if self._is_reasoning_line_open:
            self._is_reasoning_line_open = False
            write_stderr("\n")

    def stderr_text(self, text: str) -> None:
        """Print text of the model that is not part of the result, such as text around code."""
        if text:
            self._print_stderr_text(text if text.endswith("\n") else f"{text}\n")

    def _print_stderr_text(self, text: str) -> None:
        self._stop_spinner()
        sanitizes = self.stderr_is_terminal and not self._raw
        write_stderr(sanitize_text(text) if sanitizes else text)

    def prompt(self, text: str) -> None:
        """Print the prompt of ``chat repl`` where no line editor does."""
        write_stderr(sanitize_exact(text))

    def end_prompt(self) -> None:
        """End the line of a prompt at which nothing was typed."""
        write_stderr("\n")

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Show a spinner to a person, until the first output or the end of the block."""
        spins = (
            self.stderr_is_terminal
            and not self._quiet
            and self._color != "never"
            and os.environ.get("TERM") != "dumb"
        )
        self._spinner = Spinner(write_stderr) if spins else None
        try:
            yield
        finally:
            self._stop_spinner()

    def progress(self, text: str) -> None:
        """Show what is being waited for: beside the spinner, otherwise as a note for each change.

        Repeating the same text prints nothing.
        """
        caption = one_line(self.redact(text))
        if self._spinner is not None:
            self._spinner.caption = caption
        elif caption != self._last_progress:
            self._last_progress = caption
            self.note(caption)

    def _stop_spinner(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None
