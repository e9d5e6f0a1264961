"""Start the command, again and again, each time in a process of its own that is measured.

Run as a script, this is a small process that has the command's modules loaded and forks for each
run, as long as its standard input lasts: a run takes 50 ms then, not 400, so that a thousand can
be tried. That it is small matters too: a child's peak of memory is never less than that of the
process which started it. As a module, it is the other end, ``Launcher``.
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

LIMIT = 30.0
"""Seconds after which a run is killed."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run, and in what surroundings; a stream is a path, or None where it is closed.

    Every name has the ``addresses``, if there are any. ``file_size`` limits what can be written.
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
    """How a run ended: its status, negative for a signal, and what it took.

    ``peak`` is in bytes of memory, ``work`` in seconds of a processor.
    """

    status: int
    peak: int
    seconds: float
    work: float


@dataclass
class Launcher:
    """Run the command in processes forked from one that has it loaded."""

    _process: subprocess.Popen[bytes] = field(init=False)
    _running: list[int] = field(default_factory=list, init=False)

    def __enter__(self) -> Launcher:
        # As a file, not with "-m": nothing of the tests is loaded there. Without a buffer, in
        # which an answer could lie that "select" knows nothing of.
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
        """Run it to its end."""
        self.start(job)
        (ended,) = self.ended()
        return ended

    def start(self, *jobs: Job) -> list[int]:
        """Start them all at once, and give their processes; ``ended`` must follow."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([asdict(job) for job in jobs]).encode() + b"\n")
        self._process.stdin.flush()
        self._running = self._hear(10.0) or []
        return self._running

    def ended(self) -> list[Run]:
        """Wait for the end of all that were started."""
        ended = self._hear(LIMIT)
        if ended is None:
            for pid in self._running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            ended = self._hear(10.0) or []
        return [Run(*each) for each in ended]

    def _hear(self, seconds: float) -> list[Any] | None:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        return list(json.loads(self._process.stdout.readline()))


def _serve() -> None:
    """Fork for every job that comes in; a child returns, and then is the command."""
    for line in sys.stdin.buffer:
        started = time.monotonic()
        pids = []
        for job in json.loads(line):
            pid = os.fork()
            if not pid:
                _become(job)
                return
            pids.append(pid)
        _answer(pids)
        _answer([_awaited(pid, started) for pid in pids])
    os._exit(0)


def _awaited(pid: int, started: float) -> tuple[int, int, float, float]:
    _, status, used = os.wait4(pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    seconds = time.monotonic() - started
    work = used.ru_utime + used.ru_stime
    return os.waitstatus_to_exitcode(status), used.ru_maxrss * unit, seconds, work


def _answer(told: list[Any]) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


def _become(job: dict[str, Any]) -> None:
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.argv = ["contextops", *job["argv"]]
    write = os.O_WRONLY | os.O_CREAT | os.O_NOCTTY
    how = {"stdin": os.O_RDONLY, "stdout": write, "stderr": write}
    for number, (name, flags) in enumerate(how.items()):
        _open(number, name, job[name], flags)
    if job["file_size"] is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_size"],) * 2)
    if job["addresses"]:
        _resolve_to(job["addresses"])


def _open(number: int, name: str, path: str | None, flags: int) -> None:
    if path is None:
        # As the interpreter has it where a stream is closed from the start.
        os.close(number)
        setattr(sys, name, None)
        return
    descriptor = os.open(path, flags, 0o600)
    os.dup2(descriptor, number)
    os.close(descriptor)


def _resolve_to(addresses: Sequence[tuple[str, int]]) -> None:
    import socket

    found = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, 1, 6, "", (host, port))
        for host, port in addresses
    ]
    socket.getaddrinfo = lambda *_, **__: found  # type: ignore[assignment]


if __name__ == "__main__":
    # What a run would load and make itself; not so the modules of a test.
    sys.path.pop(0)
    import encodings.idna  # noqa: F401 - what is imported here is for the runs

    import httpx

    import contextops.api.client
    import contextops.chat.session  # noqa: F401 - same
    from contextops.__main__ import main
    from contextops.app import run

    httpx.HTTPTransport(verify=False).close()
    sys.argv = ["contextops", "--version"]
    run()
    # What is there already is not looked through by every run, nor copied for that.
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
        main()
