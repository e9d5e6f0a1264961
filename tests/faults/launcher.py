"""Run the command many times, each time in a separate process that is measured.

Run as a script, this is a small process that has the command's modules loaded and forks for each
job that it reads from standard input. A run then takes 50 ms instead of 400, so that a thousand
runs are practical. The process is small because the peak memory of a child is never less than that
of its parent. Imported as a module, it has the other end, ``Launcher``.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

KILL_AFTER = 30.0
"""Seconds after which a run is killed."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of the command: arguments, variables, folder and streams.

    A stream is a path, or None for a closed stream. Every host name resolves to ``addresses`` if
    there are any. ``file_size`` limits the size of written files in bytes.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdout: str | None
    stderr: str | None
    stdin: str | None = os.devnull
    addresses: Sequence[tuple[str, int]] = ()
    file_size: int | None = None


@dataclass(frozen=True)
class Run:
    """The exit status of a run, negative for a signal, and its cost.

    ``peak`` is the peak memory in bytes, ``seconds`` the wall-clock time, and ``cpu_seconds`` the
    user and system time.
    """

    status: int
    peak: int
    seconds: float
    cpu_seconds: float


@dataclass
class Launcher:
    """A process with the command loaded, which forks for each run."""

    _process: subprocess.Popen[bytes] = field(init=False)
    _running: list[int] = field(default_factory=list, init=False)

    def __enter__(self) -> Launcher:
        # Run as a file, not with "-m", so that no module of the tests is loaded. The pipe has no
        # buffer, since select() does not see data in a buffer.
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self._process.stdout
        assert self._process.stdout.readline().startswith(b"contextops ")
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()
        self._process.wait()

    def run(self, job: Job) -> Run:
        """Run a job to its end."""
        self.start(job)
        (run,) = self.wait()
        return run

    def start(self, *jobs: Job) -> list[int]:
        """Start all jobs at once and return their process ids; ``wait`` must be called next."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([asdict(job) for job in jobs]).encode() + b"\n")
        self._process.stdin.flush()
        self._running = self._read_line(10.0) or []
        return self._running

    def wait(self) -> list[Run]:
        """Wait until all started jobs have ended; kill them after ``KILL_AFTER``."""
        runs = self._read_line(KILL_AFTER)
        if runs is None:
            for pid in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            runs = self._read_line(10.0) or []
        return [Run(*each) for each in runs]

    def _read_line(self, seconds: float) -> list[Any] | None:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        return list(json.loads(self._process.stdout.readline()))


def _serve() -> None:
    """Fork for every job on standard input; in the child, return, to run the command."""
    for line in sys.stdin.buffer:
        started = time.monotonic()
        pids = []
        for job in json.loads(line):
            pid = os.fork()
            if not pid:
                _apply(job)
                return
            pids.append(pid)
        _write_line(pids)
        _write_line([_wait_for(pid, started) for pid in pids])
    os._exit(0)


def _wait_for(pid: int, started: float) -> tuple[int, int, float, float]:
    _, status, usage = os.wait4(pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    seconds = time.monotonic() - started
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * unit, seconds, cpu_seconds


def _write_line(values: list[Any]) -> None:
    os.write(1, json.dumps(values).encode() + b"\n")


def _apply(job: dict[str, Any]) -> None:
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = ["contextops", *job["argv"]]
    write = os.O_WRONLY | os.O_CREAT | os.O_NOCTTY
    flags_by_stream = {"stdin": os.O_RDONLY, "stdout": write, "stderr": write}
    for number, (name, flags) in enumerate(flags_by_stream.items()):
        _open(number, name, job[name], flags)
    if job["file_size"] is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"],) * 2)
    if job["addresses"]:
        _resolve_to(job["addresses"])


def _open(number: int, name: str, path: str | None, flags: int) -> None:
    if path is None:
        # The interpreter does the same for a stream that is closed at start-up.
        os.close(number)
        setattr(sys, name, None)
        return
    descriptor = os.open(path, flags, 0o600)
    os.dup2(descriptor, number)
    os.close(descriptor)


def _resolve_to(addresses: Sequence[tuple[str, int]]) -> None:
    import socket

    infos = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, 1, 6, "", (host, port))
        for host, port in addresses
    ]
    socket.getaddrinfo = lambda *_, **__: infos  # type: ignore[assignment]


if __name__ == "__main__":
    # Import what a run needs, without the folder of this file on the path.
    sys.path.pop(0)
    import encodings.idna  # noqa: F401 - imported for the runs

    import httpx

    import contextops.api.client
    import contextops.chat.session  # noqa: F401 - same
    from contextops.__main__ import main
    from contextops.app import run

    httpx.HTTPTransport(verify=False).close()
    sys.argv = ["contextops", "--version"]
    run()
    # Garbage collection in a run skips the existing objects, so that their pages are not copied.
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
        main()
