"""A package in the place of the embedded engine, because the real one cannot misbehave on demand.

The child's program is the real one; only what it imports is not.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

GGUF = b"GGUF" + bytes(28)

_PACKAGE = """
import json, os, signal, sys, time
from types import SimpleNamespace

PARTS = ("model", "cpuparams", "cpuparams_batch", "sampling")


def CommonParams():
    return SimpleNamespace(**{name: SimpleNamespace() for name in PARTS})


def log(line):
    print(line, file=sys.stderr, flush=True)


def shown(value):
    return vars(value) if isinstance(value, SimpleNamespace) else str(value)


class Server:
    def __init__(self, params):
        given = {name: shown(value) for name, value in vars(params).items()}
        with open(os.environ["STAND_IN_NOTES"], "w") as notes:
            json.dump({"pid": os.getpid(), **given}, notes)
        self.listening_address = f"http://127.0.0.1:{params.port}"
        load()


def load():
"""


class StandIn:
    """The package, a file that looks like weights, and what the last run was given."""

    def __init__(self, folder: Path) -> None:
        self.weights = folder / "Tiny-1B.Q4_K_M.gguf"
        self.weights.write_bytes(GGUF)
        self.notes = folder / "notes.json"
        self._package = folder / "xllamacpp.py"
        self.loads("pass")

    def loads(self, body: str) -> None:
        """Let it load by doing this; it has ``log(line)`` and some modules."""
        self._package.write_text(_PACKAGE + textwrap.indent(textwrap.dedent(body), "    "))

    def imports(self, text: str) -> None:
        """Let this be all of the package."""
        self._package.write_text(textwrap.dedent(text))

    @property
    def given(self) -> dict[str, Any]:
        """Give the parameters of the last run, and its process."""
        return dict(json.loads(self.notes.read_text()))

    def loading(self) -> int:
        """Wait until it loads, and give its process."""
        until(lambda: self.notes.exists() and self.notes.read_text().endswith("}"))
        return int(self.given["pid"])


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Put the package in the engine's place, for this process and its children."""
    folder.mkdir()
    made = StandIn(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("STAND_IN_NOTES", str(made.notes))
    return made


@contextmanager
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a temporary folder of this test's own; pytest's is too long for a socket on macOS."""
    root = None if os.name == "nt" else "/tmp"  # noqa: S108
    with tempfile.TemporaryDirectory(dir=root) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def until(happened: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something, and fail when it does not happen."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def runs(pid: int) -> bool:
    """Tell whether a process is there, and is no zombie that nobody has buried yet."""
    if Path("/proc/self/stat").exists():
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rpartition(") ")[2][0] != "Z"
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return listed.stdout.strip()[:1] not in (b"", b"Z")
