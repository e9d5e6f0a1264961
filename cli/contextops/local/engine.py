"""The embedded model: llama.cpp's own server as a child process, for as long as it is needed.

It has its own process because the engine holds the interpreter's lock while it loads, so that
Ctrl-C would wait, and because it kills its process on a processor that lacks an instruction. The
model is a demo: fluent, and often wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from contextops.errors import ConfigError, ContextopsError, ServerError, TimedOutError, reason
from contextops.local.exit_reason import explain_end, explain_failed_start
from contextops.local.listener import Listener
from contextops.local.weights import CANNOT_START, find_weights, model_id

_PROGRAM = Path(__file__).with_name("child.py")
_POLL = 0.005
# 104 bytes on macOS, 108 on Linux, less the final NUL.
_SOCKET_PATH_BYTES = 103
_WINDOWS = sys.platform == "win32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A running model: its address (the API is below ``/api``) and the key that it accepts.

    If there is a ``socket``, connect to it, whatever ``base_url`` says.
    """

    model: str
    api_key: str
    base_url: str
    socket: Path | None
    process: subprocess.Popen[bytes]
    log: Path

    def error(self) -> ContextopsError | None:
        """Return why the engine ended, or None while it runs.

        The error of a lost connection does not say why.
        """
        status = self.process.poll()
        if status is None:
            return None
        return ServerError("the embedded model ended", *explain_end(status, self.log))


@contextmanager
def running_engine(
    model_file: Path | None = None,
    *,
    meanwhile: Callable[[], object] | None = None,
    max_time: float = 0.0,
) -> Iterator[Engine]:
    """Run the model for this process only, on a socket that no other user can open.

    ``meanwhile`` is called while the model loads, which takes half a second. ``max_time`` limits
    the loading, in seconds; 0 is no limit.

    Raises:
        ConfigError: the model cannot be started.
        TimedOutError: it was not loaded within ``max_time``.
    """
    started = time.monotonic()
    weights = find_weights(model_file)
    key = random_key()
    with _temporary_folder() as folder:
        socket = None if _WINDOWS else folder / "engine.sock"
        hosts = ["127.0.0.1"] if socket is None else [str(socket)]
        with _child(_options(weights, folder, hosts, 0, key), folder) as process:
            if meanwhile is not None:
                meanwhile()
            address = _wait_until_ready(process, folder, started + max_time if max_time else None)
            yield Engine(
                model=model_id(weights),
                api_key=key,
                base_url=address if socket is None else "http://localhost",
                socket=socket,
                process=process,
                log=folder / "log",
            )


@contextmanager
def serving_engine(
    model_file: Path | None, listener: Listener, *, api_key: str
) -> Iterator[Engine]:
    """Run the model for every client that has its address and the key.

    Raises:
        ConfigError: the model cannot be started.
    """
    weights = find_weights(model_file)
    with _temporary_folder() as folder:
        options = _options(weights, folder, listener.addresses, listener.port, api_key)
        with _child(options, folder) as process:
            _wait_until_ready(process, folder, None)
            yield Engine(
                model=model_id(weights),
                api_key=api_key,
                base_url=listener.base_url,
                socket=None,
                process=process,
                log=folder / "log",
            )


def random_key() -> str:
    """Return a new random API key, of 128 bits."""
    return f"sk-{os.urandom(16).hex()}"


def _options(
    weights: Path, folder: Path, hosts: list[str], port: int, api_key: str
) -> dict[str, object]:
    """Return what ``child.py`` reads from its standard input."""
    return {
        "folder": str(folder),
        "model_file": str(weights.absolute()),
        "model": model_id(weights),
        "hosts": hosts,
        "port": port,
        "api_key": api_key,
    }


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="contextops-", dir=_short_root()))
    except OSError as error:
        raise ConfigError(
            "cannot create a temporary folder", reason(error), "set TMPDIR to a writable folder"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_root() -> str | None:
    """Return ``/tmp`` if the path of a Unix socket below TMPDIR would be too long, else None."""
    longest = Path(tempfile.gettempdir(), "contextops-12345678", "engine.sock")
    if _WINDOWS or len(os.fsencode(longest)) <= _SOCKET_PATH_BYTES:
        return None
    return "/tmp"  # noqa: S108  mkdtemp creates a folder there that only this user can open


@contextmanager
def _child(options: dict[str, object], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child process, and kill it at the end of the block, however it ends.

    If this process dies of SIGKILL, the child's standard input closes: it then removes the folder
    and ends.
    """
    process = _start(folder)
    standard_input = cast("IO[bytes]", process.stdin)
    try:
        # A child that has ended already has written the reason to its log.
        with suppress(OSError):
            standard_input.write(json.dumps(options).encode() + b"\n")
        yield process
    finally:
        # It has nothing to finish, and does not react to anything else while it loads.
        process.kill()
        process.wait()
        standard_input.close()


def _start(folder: Path) -> subprocess.Popen[bytes]:
    try:
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603  our own program, run by our own interpreter
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                # Ctrl-C at the terminal must reach this process only.
                start_new_session=not _WINDOWS,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
    except OSError as error:
        raise ConfigError(CANNOT_START, reason(error)) from None


def _wait_until_ready(
    process: subprocess.Popen[bytes], folder: Path, deadline: float | None
) -> str:
    """Wait until the model is loaded, and return the address on which it listens.

    This polls because on Windows nothing else can wait for a child and for Ctrl-C at once.
    """
    ready = folder / "ready"
    while not ready.exists():
        status = process.poll()
        if status is not None:
            raise ConfigError(CANNOT_START, *explain_failed_start(status, folder / "log"))
        if deadline is not None and time.monotonic() > deadline:
            raise TimedOutError(
                "timed out", "the model is not loaded yet", "allow more with --max-time"
            )
        time.sleep(_POLL)
    return ready.read_text("utf-8")
