"""Deployments for the tests against real servers, and the record of their results.

``OPENWEBUI_VERSIONS`` selects versions other than the recorded ones.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

import deployment as real

RECORDED = ("0.12.4", "0.6.43")
VERSIONS = tuple(os.environ.get("OPENWEBUI_VERSIONS", "").split()) or RECORDED
RESULTS = Path(__file__).with_name("RESULTS.md")

_HEAD = """\
# Results of the tests against real servers

Written by each complete run of `pytest -m openwebui`. The demo model is behind every server.
A cell has the exit statuses of the commands of that test, in order.
"""

_Cells = dict[tuple[str, str, str], str]
_cells = pytest.StashKey[_Cells]()
_statuses = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def _without_workers() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("each worker would start its own servers; run without -n")


@pytest.fixture(scope="session")
def provider(_without_workers, tmp_path_factory) -> Iterator[real.DemoModel]:
    server = real.DemoModel(tmp_path_factory.mktemp("provider"))
    yield server
    server.kill()


@pytest.fixture(scope="session", params=VERSIONS)
def deployed(request, provider, tmp_path_factory) -> Iterator[real.OpenWebUI]:
    """Start one version at a time, with an administrator and a user."""
    server = real.OpenWebUI(request.param, tmp_path_factory.mktemp("open-webui"), provider.access)
    try:
        provider.ready()
        server.ready()
        server.populate()
        yield server
    finally:
        server.kill()


@pytest.fixture
def openwebui(deployed, provider, command) -> real.OpenWebUI:
    """Return the running server; restart it and its provider if a test changed them."""
    provider.ready()
    deployed.ready()
    # It caches the list of models from the time when the provider was down.
    access = deployed.admin
    variables = {"CONTEXTOPS_BASE_URL": access.base_url, "CONTEXTOPS_API_KEY": access.api_key}
    result = command("models", "check", "--refresh", "--wait", "60s", real.MODEL, env=variables)
    assert result.status == 0, result.stderr
    return deployed


@pytest.fixture(scope="session")
def llama_cpp(_without_workers, tmp_path_factory) -> Iterator[real.LlamaCpp]:
    server = real.LlamaCpp(tmp_path_factory.mktemp("llama.cpp"))
    try:
        server.ready()
        yield server
    finally:
        server.kill()


@pytest.fixture
def export(monkeypatch):
    """Return a function that exports base URL, key and model."""

    def export(access: real.Access) -> None:
        monkeypatch.setenv("CONTEXTOPS_MODEL", real.MODEL)
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", access.base_url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", access.api_key)

    return export


class RecordedCommand:
    """The command in a separate process, whose statuses are recorded."""

    def __init__(self, command, statuses: list[str]) -> None:
        self._command = command
        self._statuses = statuses

    def __call__(self, *argv, **more):
        """Run the command to its end; ``more`` is passed to the fixture ``command``."""
        return self.record(self._command(*argv, **more))

    def start(self, *argv) -> Running:
        """Start the command and wait for its first output."""
        return Running(self, self._command.start(*argv, stdin=subprocess.DEVNULL))

    def record(self, result):
        self._statuses.append(str(result.status))
        return result


class Output(NamedTuple):
    """The exit status and the output of a command."""

    status: int
    stdout: str
    stderr: str


class Running:
    """A command that has begun to answer; ``first_output`` is what it has printed."""

    def __init__(self, run_recorded: RecordedCommand, process: subprocess.Popen[bytes]) -> None:
        self._run_recorded = run_recorded
        self._process = process
        self._start = os.read(process.stdout.fileno(), 1 << 16)
        self.first_output = self._start.decode()

    def end(self):
        """Wait for its end, at most two minutes, since servers start while it runs."""
        rest, stderr = self._process.communicate(timeout=120)
        stdout = self._start + rest
        return self._run_recorded.record(
            Output(self._process.returncode, stdout.decode(), stderr.decode())
        )


@pytest.fixture
def run_recorded(command, request) -> RecordedCommand:
    return RecordedCommand(command, request.node.stash.setdefault(_statuses, []))


# The record -----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.get_closest_marker("openwebui") and (call.when == "call" or not report.passed):
        place = (item.cls.place, item.originalname, _version(item))
        cell = " ".join([f"{report.outcome}:", *item.stash.get(_statuses, [])])
        item.config.stash.setdefault(_cells, {})[place] = cell
    return report


def _version(item: pytest.Function) -> str:
    if hasattr(item, "callspec"):
        return item.callspec.params["deployed"]
    return f"xllamacpp {metadata.version('xllamacpp')}"


def pytest_sessionfinish(session, exitstatus):
    if _is_complete(session, exitstatus):
        RESULTS.write_text(_record(session.config.stash[_cells]), "utf-8")


def _is_complete(session: pytest.Session, exitstatus: int) -> bool:
    """Return whether all tests of this folder ran to the end, for the recorded versions."""
    config = session.config
    is_partial = config.option.keyword or any("::" in each for each in config.args)
    is_finished = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return (
        _cells in config.stash
        and is_finished
        and not (is_partial or session.shouldfail or session.shouldstop)
        and VERSIONS == RECORDED
    )


def _record(cells: _Cells) -> str:
    lines = [_HEAD]
    for place in dict.fromkeys(place for place, _, _ in cells):
        cells_of_place = {
            (test, version): cell for (at, test, version), cell in cells.items() if at == place
        }
        versions = list(dict.fromkeys(version for _, version in cells_of_place))
        lines += [f"## {place}", "", _row("test", *versions), _row(*["---"] * (len(versions) + 1))]
        for test in dict.fromkeys(test for test, _ in cells_of_place):
            row = [cells_of_place.get((test, version), "") for version in versions]
            lines.append(_row(test.removeprefix("test_").replace("_", " "), *row))
        lines.append("")
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
