"""Every case of the fault matrix in every mode, each run in a process that is measured."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from faults import machine_rows, server_rows
from faults.launcher import Launcher
from faults.machine_rows import Check
from faults.matrix import MAX_CPU_SECONDS, MAX_MEMORY, MODES, SLACK, Case, Mode, Outcome, Row, Stage
from faults.page import PROPERTY
from shapes import KEY

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, /dev/full and fork"),
]


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Yield the process that runs the command."""
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def stage(tmp_path: Path, launcher: Launcher, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Yield the environment of a case."""

    def make_certificates() -> Any:
        return request.getfixturevalue("certificates")

    with ExitStack() as stack:
        yield Stage(
            stack=stack, folder=tmp_path, launcher=launcher, make_certificates=make_certificates
        )


def _id(*parts: str) -> str:
    return "-".join(part[:40] for part in parts if part)


@pytest.mark.parametrize(
    ("row", "case", "mode"),
    [
        pytest.param(row, case, mode, id=_id(row.name, case.name, mode.name))
        for row in server_rows.ROWS
        for case in row.cases
        for mode in MODES
        if mode.outcome(case)
    ],
)
def test_server(row: Row, case: Case, mode: Mode, stage: Stage, record_property: Any) -> None:
    record_property(PROPERTY, {"row": row.name, "case": case.name, "mode": mode.name})
    expected = mode.outcome(case)
    assert expected
    base = case.set_up(stage)
    stage.use_server(base if isinstance(base, str) else base.url)
    terminal = Terminal() if mode.on_terminal else None
    streams = {"stdout": terminal.path} if terminal else {}
    if mode.stdin:
        streams["stdin"] = stage.file("stdin", mode.stdin)
    run = stage.launcher.run(stage.job(*mode.argv, *case.argv, **streams))
    record_property("status", run.status)
    record_property("peak", run.peak)
    stdout = terminal.read() if terminal else stage.read("stdout")
    stderr = stage.read("stderr")
    assert run.status == expected.status, stderr.decode()
    check_streams(stdout, stderr, expected, mode)
    if case.requests is not None:
        assert len(stage.servers[0].requests) == case.requests
    assert run.peak < case.peak.get(mode.name, MAX_MEMORY)
    assert run.cpu_seconds < MAX_CPU_SECONDS
    assert case.min_seconds <= run.seconds < case.max_seconds + SLACK


@pytest.mark.parametrize(
    ("row", "name", "check"),
    [
        pytest.param(row, name, check, id=_id(row.name, name))
        for row in machine_rows.ROWS
        for name, check in row.checks.items()
    ],
)
def test_machine(
    row: machine_rows.MachineRow, name: str, check: Check, stage: Stage, record_property: Any
) -> None:
    record_property(PROPERTY, {"row": row.name, "case": name, "mode": machine_rows.MODE})
    record_property("status", check(stage))
    for file in ("stdout", "stderr"):
        output = stage.read(file)
        assert KEY.encode() not in output
        assert b"Traceback" not in output


class Terminal:
    """A pseudo-terminal for standard output."""

    def __init__(self) -> None:
        self._controller, self._terminal = os.openpty()
        self.path = os.ttyname(self._terminal)

    def read(self) -> bytes:
        """Return what was written, and close the terminal."""
        os.set_blocking(self._controller, False)
        try:
            return os.read(self._controller, 1 << 16)
        except BlockingIOError:
            return b""
        finally:
            os.close(self._controller)
            os.close(self._terminal)


def check_streams(stdout: bytes, stderr: bytes, expected: Outcome, mode: Mode) -> None:
    """Assert that both streams are as the outcome says."""
    for stream in (stdout, stderr):
        assert KEY.encode() not in stream
        assert b"Traceback" not in stream
    assert stderr.decode().replace("\n", "").isprintable()
    errors, notes = messages(stderr, is_json=mode.has_json_messages)
    assert len(errors) == bool(expected.status), stderr
    for error in errors:
        message = error["message"] if mode.has_json_messages else error
        assert [words for words in expected.error_words if words not in message] == [], message
        if mode.has_json_messages:
            assert error["exit"] == expected.status
    assert len(notes) == len(expected.notes), notes
    for note, words in zip(notes, expected.notes, strict=True):
        assert words in note
    mode.compare(expected, stdout, errors[0] if errors else None)


def messages(stderr: bytes, *, is_json: bool) -> tuple[list[Any], list[str]]:
    """Return the errors and the notes on stderr, which must have nothing else."""
    lines = stderr.decode().splitlines()
    if is_json:
        values = [json.loads(line) for line in lines]
        assert {name for value in values for name in value} <= {"error", "note"}
        errors = [value["error"] for value in values if "error" in value]
        return errors, [value["note"] for value in values if "note" in value]
    assert all(line.startswith("contextops: ") for line in lines), lines
    notes = [line for line in lines if line.startswith("contextops: note: ")]
    return [line for line in lines if line not in notes], notes
