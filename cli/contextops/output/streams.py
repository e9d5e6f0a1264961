"""Writing to standard output and standard error, below Python's own buffers."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TextIO

from contextops.errors import OutputError, SignalInterrupt


class StdoutError(OutputError):
    """Standard output accepts no more data; retrying with another item cannot help."""


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal; a closed one is not."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def require_stdout() -> None:
    """Raise ``StdoutError`` if standard output is closed."""
    if sys.stdout is None:
        raise StdoutError("cannot write to standard output", "it is closed")


def write_stdout(data: bytes) -> None:
    """Write all bytes at once.

    Raises:
        StdoutError: standard output is closed or cannot be written to.
        SignalInterrupt: the reader has closed the pipe, which is reported as SIGPIPE.
    """
    require_stdout()
    try:
        _write_all(sys.stdout, data)
    except OSError as error:
        raise _stdout_error(error) from None


def write_stderr(text: str) -> None:
    """Write the text in UTF-8. Errors are ignored: the exit status still reports the outcome."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        _write_all(sys.stderr, text.encode("utf-8", "replace"))


def _write_all(stream: TextIO, data: bytes) -> None:
    """Write all bytes; a single write to a raw stream may take only some of them.

    Nothing is left in the stream's own buffer, whose flush at exit would change the status to 120.
    """
    raw = getattr(stream.buffer, "raw", stream.buffer)
    rest = memoryview(data)
    while rest:
        written = raw.write(rest)
        if written is None:
            # The descriptor is non-blocking (another process may have set that) and full.
            import select

            select.select([], [stream.fileno()], [])
        else:
            rest = rest[written:]


def _stdout_error(error: OSError) -> StdoutError | SignalInterrupt:
    # The interpreter flushes stdout at exit; if that failed it would change the status to 120.
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        os.close(devnull)
    if error.errno == errno.EPIPE:
        import signal

        # Windows has no SIGPIPE; there a closed pipe is an output error.
        if hasattr(signal, "SIGPIPE"):
            return SignalInterrupt(signal.SIGPIPE)
    why = error.strerror or str(error)
    return StdoutError("cannot write to standard output", why[:1].lower() + why[1:])
