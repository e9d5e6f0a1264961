"""Explanations of why the child process of the embedded model ended."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

from contextops.local.weights import USE_ANOTHER

# On Windows, the status is that of the exception.
_ILLEGAL_INSTRUCTION = (-signal.SIGILL, 0xC000001D)
_KILLED = -9

_NEED_MEMORY = "free some memory, or use a smaller model"
_REINSTALL = "reinstall its engine: pip install --force-reinstall xllamacpp"

_LOGGED_ERROR = re.compile(r"^[\d.]+ E .*?: (.+)$", re.MULTILINE)
_OUT_OF_MEMORY = re.compile(r"insufficient memory|failed to allocate|bad_alloc|MemoryError")


def explain_failed_start(status: int, log: Path) -> tuple[str, str]:
    """Return the reason and the remedy for a child that ended before it was ready."""
    text = _read(log)
    if known := _known_reason(status, text):
        return known
    if logged := _LOGGED_ERROR.search(text):
        # The first error is the cause, the others are its consequences.
        return logged[1], USE_ANOTHER
    *_, last = ["", *filter(None, map(str.strip, text.splitlines()))]
    # The last line of a traceback: the engine's Python interface is not the expected one.
    remedy = _REINSTALL if "Error: " in last else USE_ANOTHER
    return last or _describe_status(status), remedy


def explain_end(status: int, log: Path) -> tuple[str, str]:
    """Return the reason and the remedy for a child that ended while it served."""
    return _known_reason(status, _read(log)) or (_describe_status(status), "try again")


def _known_reason(status: int, text: str) -> tuple[str, str] | None:
    if status in _ILLEGAL_INSTRUCTION:
        lacking = "this processor lacks AVX2, which the engine needs"
        return lacking, "use another machine, or a server (--base-url)"
    if "libgomp" in text:
        return "the system lacks libgomp.so.1", "run apt install libgomp1 (or dnf install libgomp)"
    if status == _KILLED:
        return "the system killed it, probably because memory ran out", _NEED_MEMORY
    if _OUT_OF_MEMORY.search(text):
        return "out of memory", _NEED_MEMORY
    return None


def _describe_status(status: int) -> str:
    with suppress(ValueError):
        return f"it was killed by {signal.Signals(-status).name}"
    return f"it ended with status {status}"


def _read(log: Path) -> str:
    with suppress(OSError):
        return log.read_text("utf-8", "replace")
    return ""
