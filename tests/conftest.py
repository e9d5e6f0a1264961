"""What every test starts from: a home of its own, the command, servers to talk to."""

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

import certificates as made
import server as loopback

settings.register_profile("quick", deadline=None, max_examples=20)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_LIMIT = 30.0
"""Seconds that a command may take before the test is given up."""

_FOREIGN = {
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "COLUMNS", "LINES"),
    *("PY_COLORS", "TERMINAL_WIDTH", "GITHUB_ACTIONS", "_TYPER_FORCE_DISABLE_TERMINAL"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "EDITOR", "VISUAL", "PAGER"),
}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write what the matrix of faults showed, where all of it ran."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    reports = [report for report in reports if "fault" in dict(report.user_properties)]
    if reports:
        from faults.page import write

        terminalreporter.write_line(write(reports))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a home folder and an environment that nobody has set anything in."""
    for name in list(os.environ):
        foreign = name in _FOREIGN or name.startswith(("CONTEXTOPS_", "_CONTEXTOPS_"))
        if foreign or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    # Commands in processes of their own compile the package once, not every time.
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
    """What a command left: its status (negative where a signal ended it) and its streams."""

    status: int
    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        """Give standard output, which must be UTF-8."""
        return self.stdout_bytes.decode()

    @property
    def stderr(self) -> str:
        """Give standard error, which must be UTF-8."""
        return self.stderr_bytes.decode()


Environment = Mapping[str, str | None]
"""Variables to set or, with None, to take away."""


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the command line in this process, as ``typer.testing`` does it."""
    from typer.testing import CliRunner

    from contextops.app import app

    def run(
        *argv: str | Path,
        input: str | bytes | None = None,  # noqa: A002  as typer.testing calls it
        env: Environment | None = None,
    ) -> Result:
        told = CliRunner().invoke(app, [str(word) for word in argv], input=input, env=env)
        if told.exception and not isinstance(told.exception, SystemExit):
            raise told.exception
        return Result(told.exit_code, told.stdout_bytes, told.stderr_bytes)

    return run


class Command:
    """The installed command in a process of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(
        self,
        *argv: str | Path,
        stdin: Any = b"",
        env: Environment | None = None,
        **more: Any,
    ) -> Result:
        """Run it to its end, on text, bytes or an open file; ``more`` is ``subprocess.run``'s."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        source = {"input" if isinstance(given, bytes) else "stdin": given}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        told = subprocess.run(
            _argv(argv),
            check=False,
            env=_environment(env),
            timeout=_LIMIT,
            **{**streams, **source, **more},
        )
        return Result(told.returncode, told.stdout or b"", told.stderr or b"")

    def start(
        self, *argv: str | Path, env: Environment | None = None, **more: Any
    ) -> subprocess.Popen[bytes]:
        """Start it with pipes at all three ends; it is killed when the test ends."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(_argv(argv), env=_environment(env), **{**pipes, **more})
        self._stack.callback(_finish, process)
        return process


def _finish(process: subprocess.Popen[bytes]) -> None:
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
    whole = {**os.environ, **(changes or {})}
    return {name: value for name, value in whole.items() if value is not None}


@pytest.fixture
def command() -> Iterator[Command]:
    """Run the installed command in a process of its own."""
    with ExitStack() as stack:
        yield Command(stack)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Any]]:
    """Run the installed command on a terminal of 80 columns and 24 lines."""
    pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
    if not hasattr(pexpect, "spawn"):
        pytest.skip("this system has no pseudo-terminals")

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
                # From 3.12 on forking beside threads warns; the child does nothing but exec.
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
    """Start servers, and see at the end that each was called and none of their answers raised."""
    with ExitStack() as stack:

        def start(answer: Any, **settings: Any) -> loopback.Server:
            return stack.enter_context(loopback.Server(answer, **settings))

        yield start


@pytest.fixture
def refusing() -> Iterator[str]:
    """Give a URL that refuses connections."""
    with loopback.refusing() as url:
        yield url


@pytest.fixture
def deaf() -> Iterator[str]:
    """Give a URL that neither takes nor refuses connections."""
    with loopback.deaf() as url:
        yield url


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> made.Certificates:
    """Make an authority and its certificates."""
    if made.missing():
        pytest.skip("no openssl command to make certificates with")
    return made.Certificates(tmp_path_factory.mktemp("certificates"))
