"""Fixtures of all tests: an empty home folder, the command, and servers on the loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import certificates as certificate_files
import server as loopback

settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_TIMEOUT = 30.0
"""Seconds after which a command is killed and its test fails."""

_CLEARED = {
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "COLUMNS", "LINES"),
    *("PY_COLORS", "TERMINAL_WIDTH", "GITHUB_ACTIONS", "_TYPER_FORCE_DISABLE_TERMINAL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "EDITOR", "VISUAL", "PAGER"),
}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the page of the fault matrix when every case of it ran."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    reports = [report for report in reports if "fault" in dict(report.user_properties)]
    if reports:
        from faults.page import write

        terminalreporter.write_line(write(reports))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the environment at an empty home folder and clear every setting of the user."""
    for name in list(os.environ):
        cleared = name in _CLEARED or name.startswith(("CONTEXTOPS_", "_CONTEXTOPS_"))
        if cleared or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    # With cached bytecode, commands in separate processes compile the package only once.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for name, below in (("CONFIG", ".config"), ("STATE", ".local/state"), ("CACHE", ".cache")):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / below))
    monkeypatch.setenv("APPDATA", str(folder / "AppData"))
    monkeypatch.setenv("LOCALAPPDATA", str(folder / "AppData/Local"))
    monkeypatch.setenv("TERM", "xterm-256color")
    return folder


@dataclass(frozen=True)
class Result:
    """The exit status of a command (negative if a signal ended it) and what it printed."""

    status: int
    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        """Standard output, which must be UTF-8."""
        return self.stdout_bytes.decode()

    @property
    def stderr(self) -> str:
        """Standard error, which must be UTF-8."""
        return self.stderr_bytes.decode()


Environment = Mapping[str, str | None]
"""Environment variables to set; those with the value None are unset."""


@pytest.fixture
def run() -> Callable[..., Result]:
    """Return a function that runs the command line in this process, with ``typer.testing``."""
    from typer.testing import CliRunner

    from contextops.app import app

    def run(
        *argv: str | Path,
        input: str | bytes | None = None,  # noqa: A002  as typer.testing calls it
        env: Environment | None = None,
    ) -> Result:
        result = CliRunner().invoke(app, [str(word) for word in argv], input=input, env=env)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout_bytes, result.stderr_bytes)

    return run


class Command:
    """The installed command, run in a separate process."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(
        self,
        *argv: str | Path,
        stdin: Any = b"",
        env: Environment | None = None,
        **more: Any,
    ) -> Result:
        """Run the command to its end; ``stdin`` is text, bytes or an open file.

        ``more`` is passed to ``subprocess.run``.
        """
        source = stdin.encode() if isinstance(stdin, str) else stdin
        keyword = {"input" if isinstance(source, bytes) else "stdin": source}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        result = subprocess.run(
            _argv(argv),
            check=False,
            env=_environment(env),
            timeout=_TIMEOUT,
            **{**streams, **keyword, **more},
        )
        return Result(result.returncode, result.stdout or b"", result.stderr or b"")

    def start(
        self, *argv: str | Path, env: Environment | None = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """Start the command with pipes for its three streams; it is killed when the test ends."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(_argv(argv), env=_environment(env), **{**pipes, **more})
        self._stack.callback(_kill, process)
        return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            try:
                pipe.close()
            except BrokenPipeError:
                continue


def _argv(argv: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "contextops", *map(str, argv)]


def _environment(changes: Environment | None) -> dict[str, str]:
    variables = {**os.environ, **(changes or {})}
    return {name: value for name, value in variables.items() if value is not None}


@pytest.fixture
def command() -> Iterator[Command]:
    """Return the command, to be run in a separate process."""
    with ExitStack() as stack:
        yield Command(stack)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Any]]:
    """Return a function that starts the command on a pseudo-terminal (80 columns, 24 lines)."""
    pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
    if not hasattr(pexpect, "spawn"):
        pytest.skip("needs pseudo-terminals")

    with ExitStack() as stack:

        def start(
            *argv: str | Path,
            env: Environment | None = None,
            columns: int = 80,
            lines: int = 24,
            timeout: float = 10.0,
        ) -> Any:
            program, *words = _argv(argv)
            with warnings.catch_warnings():
                # Python 3.12 and later warn about forking with threads; the child only calls exec.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = pexpect.spawn(
                    program,
                    words,
                    env=_environment(env),
                    dimensions=(lines, columns),
                    encoding="utf-8",
                    timeout=timeout,
                )
            child.delaybeforesend = None
            stack.callback(child.close, force=True)
            return child

        yield start


@pytest.fixture
def serve() -> Iterator[Callable[..., loopback.Server]]:
    """Return a function that starts servers.

    When the test ends, each must have been called, and none of their answers may have raised.
    """
    with ExitStack() as stack:

        def start(answer: Any, **settings: Any) -> loopback.Server:
            return stack.enter_context(loopback.Server(answer, **settings))

        yield start


@pytest.fixture
def refusing() -> Iterator[str]:
    """Return a URL that refuses connections."""
    with loopback.refusing() as url:
        yield url


@pytest.fixture
def deaf() -> Iterator[str]:
    """Return a URL that neither accepts nor refuses connections."""
    with loopback.deaf() as url:
        yield url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> certificate_files.Certificates:
    """Return a certificate authority and certificates that it has signed."""
    if certificate_files.openssl_is_missing():
        pytest.skip("needs the openssl command")
    return certificate_files.Certificates(tmp_path_factory.mktemp("certificates"))
