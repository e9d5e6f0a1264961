"""Every row of the matrix in every mode that it has, each run in a process that is measured."""

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
from faults.matrix import BOUND, MODES, SLACK, WORK, Case, Mode, Outcome, Row, Stage
from faults.page import PROPERTY
from shapes import KEY

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="wants /proc, /dev/full and fork"),
]


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """Give what starts the command."""
    with Launcher() as launcher:
        yield launcher


@pytest.fixture
def stage(tmp_path: Path, launcher: Launcher, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Give what a case is set up with."""

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
    stage.ask(base if isinstance(base, str) else base.url)
    terminal = Terminal() if mode.on_terminal else None
    streams = {"stdout": terminal.path} if terminal else {}
    if mode.given:
        streams["stdin"] = stage.file("given", mode.given)
    run = stage.launcher.run(stage.job(*mode.argv, *case.argv, **streams))
    record_property("status", run.status)
    record_property("peak", run.peak)
    stdout = terminal.read() if terminal else stage.read("stdout")
    stderr = stage.read("stderr")
    assert run.status == expected.status, stderr.decode()
    check_streams(stdout, stderr, expected, mode)
    if case.requests is not None:
        assert len(stage.servers[0].requests) == case.requests
    assert run.peak < case.peak.get(mode.name, BOUND)
    assert run.work < WORK
    assert case.least <= run.seconds < case.limit + SLACK


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
        left = stage.read(file)
        assert KEY.encode() not in left
        assert b"Traceback" not in left


class Terminal:
    """A terminal to write to."""

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        self.path = os.ttyname(self._theirs)

    def read(self) -> bytes:
        """Read what is there, and close it."""
        os.set_blocking(self._ours, False)
        try:
            return os.read(self._ours, 1 << 16)
        except BlockingIOError:
            return b""
        finally:
            os.close(self._ours)
            os.close(self._theirs)


def check_streams(stdout: bytes, stderr: bytes, expected: Outcome, mode: Mode) -> None:
    """Compare what is on both streams with what must be there."""
    for stream in (stdout, stderr):
        assert KEY.encode() not in stream
        assert b"Traceback" not in stream
    assert stderr.decode().replace("\n", "").isprintable()
    errors, notes = messages(stderr, is_json=mode.has_json_messages)
    assert len(errors) == bool(expected.status), stderr
    for error in errors:
        told = error["message"] if mode.has_json_messages else error
        assert [words for words in expected.says if words not in told] == [], told
        if mode.has_json_messages:
            assert error["exit"] == expected.status
    assert len(notes) == len(expected.notes), notes
    for note, words in zip(notes, expected.notes, strict=True):
        assert words in note
    mode.shows(expected, stdout, errors[0] if errors else None)


def messages(stderr: bytes, *, is_json: bool) -> tuple[list[Any], list[str]]:
    """Tell the errors on stderr from the notes; nothing else may be there."""
    lines = stderr.decode().splitlines()
    if is_json:
        told = [json.loads(line) for line in lines]
        assert {name for line in told for name in line} <= {"error", "note"}
        errors = [line["error"] for line in told if "error" in line]
        return errors, [line["note"] for line in told if "note" in line]
    assert all(line.startswith("contextops: ") for line in lines), lines
    notes = [line for line in lines if line.startswith("contextops: note: ")]
    return [line for line in lines if line not in notes], notes
