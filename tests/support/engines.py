"""A fake of the embedded engine's package, because the real one cannot misbehave on demand.

The child runs the real program; only what it imports is a fake.
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

from contextops.errors import ConfigError
from contextops.local import running_engine

GGUF = b"GGUF" + bytes(28)

_PACKAGE = """
import json, os, signal, sys, time
from types import SimpleNamespace

PARTS = ("model", "cpuparams", "cpuparams_batch", "sampling")


def CommonParams():
    return SimpleNamespace(**{name: SimpleNamespace() for name in PARTS})


def log(line):
    print(line, file=sys.stderr, flush=True)


def to_json(value):
    return vars(value) if isinstance(value, SimpleNamespace) else str(value)


class Server:
    def __init__(self, params):
        parameters = {name: to_json(value) for name, value in vars(params).items()}
        with open(os.environ["FAKE_ENGINE_RECORD"], "w") as record:
            json.dump({"pid": os.getpid(), **parameters}, record)
        self.listening_address = f"http://127.0.0.1:{params.port}"
        load()


def load():
"""


class FakeEngine:
    """The fake package, a file that looks like weights, and a record of the last run."""

    def __init__(self, folder: Path) -> None:
        self.weights = folder / "Tiny-1B.Q4_K_M.gguf"
        self.weights.write_bytes(GGUF)
        self.record = folder / "record.json"
        self._package = folder / "xllamacpp.py"
        self.load_with("pass")

    def load_with(self, body: str) -> None:
        """Set the code that runs when the model is loaded; it can call ``log(line)``."""
        self._package.write_text(_PACKAGE + textwrap.indent(textwrap.dedent(body), "    "))

    def replace_package(self, source: str) -> None:
        """Replace the source of the whole package."""
        self._package.write_text(textwrap.dedent(source))

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the last run, and the id of its process."""
        return dict(json.loads(self.record.read_text()))

    def wait_until_loading(self) -> int:
        """Wait until the child loads the model, and return the id of its process."""
        wait_until(lambda: self.record.exists() and self.record.read_text().endswith("}"))
        return int(self.parameters["pid"])


def install_fake_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Create the fake in ``folder``, and let this process and its children import it."""
    folder.mkdir()
    fake = FakeEngine(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_ENGINE_RECORD", str(fake.record))
    return fake


def start_error(weights: Path | None) -> ConfigError:
    """Start the engine, which must fail with status 3 and one line, and return the error."""
    with pytest.raises(ConfigError) as caught, running_engine(weights):
        pytest.fail("the engine started")
    assert caught.value.status == 3
    assert "\n" not in caught.value.message
    return caught.value


@contextmanager
def temporary_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Set TMPDIR to an empty folder; the path of pytest's is too long for a socket on macOS."""
    root = None if os.name == "nt" else "/tmp"  # noqa: S108
    with tempfile.TemporaryDirectory(dir=root) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until the condition is true, and fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    if Path("/proc/self/stat").exists():
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rpartition(") ")[2][0] != "Z"
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, check=False)
    return listed.stdout.strip()[:1] not in (b"", b"Z")
