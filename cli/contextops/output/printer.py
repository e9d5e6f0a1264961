"""Text for people, JSON for programs: the only place that prints.

stdout carries what was asked for and nothing else; everything else goes to stderr, a line each.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol, TextIO

from contextops import strict_json
from contextops.errors import ContextopsError, OutputError, SignalInterrupt
from contextops.output.report import report_document
from contextops.output.results import Format, Result
from contextops.output.sanitize import one_line, sanitize_exact, sanitize_text

COLORS = ("auto", "always", "never")

_MAX_MESSAGE = 2000
# Bytes of JSON that are made before they are written; 64 MB need not be there as JSON too.
_BLOCK = 1 << 20
_HIDDEN = "***"
_MIN_SECRET = 6
"""What is shorter stands in many a word that is none."""


class StdoutError(OutputError):
    """Report that standard output takes nothing more, whoever goes on."""


class AnswerWriter(Protocol):
    """Where the model's text goes, piece by piece."""

    def write(self, text: str) -> None:
        """Show the next piece at once."""

    def end(self) -> None:
        """Finish the last line; to do so again changes nothing."""


class Printer:
    """Print for whoever reads: a person at a terminal, or a program behind a pipe."""

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
        self._as_json = as_json
        self._quiet = quiet
        self._color = color
        self._plain = plain
        self._raw = raw
        self._reasoning = reasoning
        self._verbose = verbose
        self._spinner: Spinner | None = None
        self._thinks_aloud = False
        self._awaited = ""
        self._writer: AnswerWriter | None = None
        self._put: Callable[[bytes], None] = _to_stdout
        self._secrets: set[str] = set()

    def add_secret(self, secret: str) -> None:
        """Show ``***`` in its place from now on, whoever says it: a server that echoes the key."""
        if len(secret) >= _MIN_SECRET:
            self._secrets.add(secret)

    def redact(self, text: str) -> str:
        """Put ``***`` in the place of every secret, cut ones too."""
        # The longest first: a secret may hold another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
            if "…" in text:
                # What was said may have been cut in the midst of it.
                for length in range(len(secret) - 1, _MIN_SECRET - 1, -1):
                    text = text.replace(f"{secret[:length]}…", f"{_HIDDEN}…")
        return text

    @cached_property
    def stdout_is_terminal(self) -> bool:
        """Tell whether a person reads stdout."""
        return _is_terminal(sys.stdout)

    @cached_property
    def stderr_is_terminal(self) -> bool:
        """Tell whether a person reads stderr."""
        return _is_terminal(sys.stderr)

    @property
    def json_messages(self) -> bool:
        """Tell whether errors and notes are JSON lines: a program reads both streams."""
        return self._as_json and not self.stderr_is_terminal

    @property
    def is_for_person(self) -> bool:
        """Tell whether stdout may have more on it than what a program asked for."""
        return self.stdout_is_terminal and not self._as_json

    # stdout -------------------------------------------------------------------------------

    def require_stdout(self) -> None:
        """Fail before any work is done when there is nowhere to put its result."""
        if self._put is _to_stdout:
            _require_stdout()

    def write(self, data: bytes) -> None:
        """Put bytes on stdout as they are, and flush them."""
        self._stop_spinner()
        self._put(data)

    def redirected(self, write: Callable[[bytes], None]) -> Printer:
        """Give a printer like this one that puts elsewhere what is for stdout, as in a pipe."""
        other = copy.copy(self)
        other._put = write  # noqa: SLF001 - it is one of us
        other.stdout_is_terminal = False
        # Nor is it rendered, whatever --color says.
        other._plain = True  # noqa: SLF001 - same
        return other

    def line(self, text: str) -> None:
        """Print one line of text that is not the model's, sanitized."""
        self.lines([text])

    def lines(self, texts: Iterable[str]) -> None:
        """Print lines of text that are not the model's, sanitized, in one go."""
        self.write(
            "".join(f"{sanitize_exact(text)}\n" for text in texts).encode("utf-8", "replace")
        )

    def json(self, value: Any) -> None:
        """Print one JSON document: on one line in a pipe, indented on a terminal."""
        if self.stdout_is_terminal:
            self.write(f"{strict_json.dumps(value, indent=True)}\n".encode())
        else:
            self.json_lines([value])

    def json_lines(self, values: Iterable[Any]) -> None:
        """Print one JSON object a line, for terminals too: that is the format."""
        block = bytearray()
        for value in values:
            for part in strict_json.iterencode(value):
                block += part
                if len(block) > _BLOCK:
                    self.write(bytes(block))
                    block.clear()
            block += b"\n"
        self.write(bytes(block))

    def result(self, result: Result, form: Format) -> None:
        """Print what a command found: the one place that chooses between the forms."""
        if form == "json":
            self.json(result.document())
        elif form == "jsonl":
            self.json_lines(result.records() if result.records else result.document())
        elif form is not None and result.findings:
            self.write_text(report_document(form, result.title, result.findings()))
        elif self.stdout_is_terminal and result.rows:
            if rows := result.rows():
                self.table(result.header, rows)
        elif result.is_exact and not self.stdout_is_terminal:
            self.write_text("".join(f"{line}\n" for line in result.lines()))
        else:
            self.lines(result.lines())

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print columns for a person, with a header."""
        self.columns([header, *rows])

    def columns(self, rows: Iterable[Sequence[str]]) -> None:
        """Print rows whose cells stand below each other."""
        cells = [[one_line(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        )
        if self.stdout_is_terminal:
            lines = (
                self._folded(line, indent=sum(widths[:-1]) + 2 * len(widths) - 2) for line in lines
            )
        self.write_text("".join(f"{line}\n" for line in lines))

    def _folded(self, line: str, *, indent: int) -> str:
        """Go on below the last column where a line is longer than the terminal is wide."""
        import shutil
        import textwrap

        width = shutil.get_terminal_size().columns
        if len(line) <= width or indent > width // 2:
            return line
        head, rest = line[:indent], line[indent:]
        return head + f"\n{' ' * indent}".join(textwrap.wrap(rest, width - indent))

    def heading(self, text: str) -> None:
        """Print a line that stands above what follows."""
        self.write_text(f"## {one_line(text)}\n\n")

    def paragraph(self, text: str) -> None:
        """Print a text that was kept, with an empty line after it."""
        safe = sanitize_text(text) if self.stdout_is_terminal else text
        self.write_text(f"{safe.rstrip()}\n\n")

    def answer_writer(self) -> AnswerWriter:
        """Give the writer that suits the reader of stdout."""
        self.require_stdout()
        self._writer = self._suitable_writer()
        return self._writer

    def end_answer(self) -> None:
        """Show the rest of the answer that is being written, which its writer may hold back."""
        if self._writer is not None:
            self._writer.end()

    def _suitable_writer(self) -> AnswerWriter:
        if self._renders:
            from contextops.output.markdown import MarkdownWriter

            return MarkdownWriter(self.write_text, color=self._color, clean=sanitize_text)
        return self.plain_writer()

    def plain_writer(self) -> AnswerWriter:
        """Give the writer for what the model wrote for programs: code, say."""
        sanitizing = self.stdout_is_terminal and not self._raw
        return _PlainWriter(self, sanitize_text if sanitizing else str)

    def write_text(self, text: str) -> None:
        """Put text on stdout in UTF-8, whatever the locale says: pipes are not for people."""
        self.write(text.encode("utf-8", "replace"))

    @property
    def _renders(self) -> bool:
        if self._plain or self._raw:
            return False
        if self._color == "always":
            return True
        return self.stdout_is_terminal and os.environ.get("TERM") != "dumb"

    # stderr -------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Say in one line what happened beside the answer, unless ``-q``."""
        if self._quiet:
            return
        self._remark(text, before="contextops: note: ")

    def usage(self, text: str) -> None:
        """Say what was asked to be said beside the answer, ``-q`` or not."""
        self._remark(text)

    def debug(self, text: str) -> None:
        """Say what passes between us and the server, where ``-v`` asks for it."""
        if self._verbose:
            self._remark(text)

    def reasoning(self, text: str) -> None:
        """Show what the model thinks before it answers, where ``--reasoning`` asks for it."""
        if not self._reasoning:
            return
        if self.json_messages:
            self._say(strict_json.dumps({"reasoning": text}))
            return
        self._stop_spinner()
        self._thinks_aloud = not text.endswith("\n")
        _to_stderr(sanitize_text(text) if self.stderr_is_terminal and not self._raw else text)

    def end_reasoning(self) -> None:
        """Finish the last line of what the model thought."""
        if self._thinks_aloud:
            self._thinks_aloud = False
            _to_stderr("\n")

    def stderr_text(self, text: str) -> None:
        """Show what the model said beside that for which stdout is."""
        if not text:
            return
        self._stop_spinner()
        ending = "" if text.endswith("\n") else "\n"
        shown = sanitize_text(text) if self.stderr_is_terminal and not self._raw else text
        _to_stderr(shown + ending)

    def info(self, texts: Iterable[str]) -> None:
        """Say in lines what somebody asked of us and not of the model.

        It stands among the answers where a person reads those, else on stderr.
        """
        lines = [sanitize_exact(self.redact(text)) for text in texts]
        if self.json_messages:
            self._say("\n".join(strict_json.dumps({"note": line}) for line in lines))
        elif self.is_for_person:
            self.write_text("".join(f"{line}\n" for line in lines))
        else:
            self._say("\n".join(lines))

    def prompt(self, text: str) -> None:
        """Put a prompt on stderr, for whoever types without an editor of ours."""
        _to_stderr(sanitize_exact(text))

    def end_prompt(self) -> None:
        """End the line of a prompt that got no answer."""
        _to_stderr("\n")

    def contains_secret(self, text: str) -> bool:
        """Tell whether a text has a secret in it that is not to be shown."""
        return self.redact(text) != text

    def error(self, failure: ContextopsError) -> None:
        """Say in one line what failed."""
        if self.json_messages:
            self._say(strict_json.dumps({"error": self.error_object(failure)}))
        else:
            self._say(f"contextops: {self._message(failure)}")

    def error_object(self, failure: ContextopsError) -> dict[str, Any]:
        """Give the failure as programs read it."""
        return {
            "code": failure.code,
            "exit": failure.status,
            "http_status": failure.http_status,
            "message": self._message(failure),
            "retry_after": failure.retry_after,
        }

    def parser_error(self, text: str) -> None:
        """Show what the parser says of the command line, in its own form of several lines."""
        _to_stderr(sanitize_text(self.redact(text)))

    def internal_error(self, where: str) -> None:
        """Say that we are wrong, without a word of data: it could be a key."""
        told = (
            f"internal error: {where}; this is a bug, please report this line and the output of "
            "'contextops --version' to the maintainers of contextops"
        )
        error = {"code": "internal", "exit": 1, "http_status": None, "message": told}
        if self.json_messages:
            self._say(strict_json.dumps({"error": {**error, "retry_after": None}}))
        else:
            self._say(f"contextops: {told}")

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Show a person that we are at work, until the first word on stdout."""
        self._spinner = Spinner(_to_stderr) if self._spins else None
        try:
            yield
        finally:
            self._stop_spinner()

    def progress(self, text: str) -> None:
        """Say what is waited for: beside the spinner, else as a note when it changes."""
        told = one_line(self.redact(text))
        if self._spinner is not None:
            self._spinner.caption = told
        elif told != self._awaited:
            self._awaited = told
            self.note(told)

    @property
    def _spins(self) -> bool:
        return (
            self.stderr_is_terminal
            and not self._quiet
            and self._color != "never"
            and os.environ.get("TERM") != "dumb"
        )

    def _remark(self, text: str, *, before: str = "") -> None:
        told = one_line(self.redact(text))
        self._say(strict_json.dumps({"note": told}) if self.json_messages else f"{before}{told}")

    def _message(self, failure: ContextopsError) -> str:
        text = one_line(self.redact(failure.message))
        return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"

    def _say(self, line: str) -> None:
        if self._spinner is not None:
            self._spinner.clear()
        _to_stderr(f"{line}\n")

    def _stop_spinner(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None


class _PlainWriter:
    def __init__(self, printer: Printer, show: Callable[[str], str]) -> None:
        self._printer = printer
        self._show = show
        self._last = "\n"

    def write(self, text: str) -> None:
        if text:
            self._last = text[-1]
            self._printer.write_text(self._show(text))

    def end(self) -> None:
        if self._last != "\n":
            self._last = "\n"
            self._printer.write(b"\n")


class Spinner:
    """Turn on stderr while nothing else can be shown; starts late, so that quick work is quiet."""

    _FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
    _DELAY = 0.3
    _PERIOD = 0.1
    _REST_CLEARED = "\x1b[K"
    _CLEARED = f"\r{_REST_CLEARED}"

    def __init__(self, show: Callable[[str], None]) -> None:
        import threading

        self.caption = ""
        self._show = show
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._thread.start()

    def clear(self) -> None:
        """Make room for a line; the next turn draws again below it."""
        self._show(self._CLEARED)

    def stop(self) -> None:
        """Leave the line as it was."""
        self._stopped.set()
        self._thread.join()

    def _turn(self) -> None:
        if self._stopped.wait(self._DELAY):
            return
        for frame in itertools.cycle(self._FRAMES):
            self._show(f"\r{frame} {self._fitting_caption()}{self._REST_CLEARED}")
            if self._stopped.wait(self._PERIOD):
                break
        self._show(self._CLEARED)

    def _fitting_caption(self) -> str:
        """Cut it to the line: what wraps cannot be taken back."""
        import shutil

        return self.caption[: max(0, shutil.get_terminal_size().columns - 4)]


def _require_stdout() -> None:
    if sys.stdout is None:
        raise StdoutError("cannot write to standard output", "it is closed")


def _to_stdout(data: bytes) -> None:
    _require_stdout()
    try:
        _write_all(sys.stdout, data)
    except OSError as error:
        raise _unwritable(error) from None


def _to_stderr(text: str) -> None:
    if sys.stderr is None:
        return
    # Nobody can be told that telling failed; the status still tells.
    with contextlib.suppress(OSError, ValueError):
        _write_all(sys.stderr, text.encode("utf-8", "replace"))


def _write_all(stream: TextIO, data: bytes) -> None:
    """Write to the last byte: a raw stream takes what there is room for, and says how much.

    Nothing is left in the stream's own buffer, whose flush at exit would change the status to 120.
    """
    raw = getattr(stream.buffer, "raw", stream.buffer)
    rest = memoryview(data)
    while rest:
        written = raw.write(rest)
        if written is None:
            # A pipe that somebody made non-blocking is full.
            import select

            select.select([], [stream.fileno()], [])
        else:
            rest = rest[written:]


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _unwritable(error: OSError) -> StdoutError | SignalInterrupt:
    """Name what a failed write to stdout means, which gets nothing more from now on."""
    _forget_stdout()
    if error.errno == errno.EPIPE:
        import signal

        # Windows has no SIGPIPE: there, a reader that left is an output that failed.
        if hasattr(signal, "SIGPIPE"):
            return SignalInterrupt(signal.SIGPIPE)
    why = error.strerror or str(error)
    return StdoutError("cannot write to standard output", why[:1].lower() + why[1:])


def _forget_stdout() -> None:
    """Let the interpreter's own flush at exit succeed: it would change the status to 120."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
