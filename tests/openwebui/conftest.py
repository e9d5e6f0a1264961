"""Deployments for tests against real servers, and the record of what came of them.

``OPENWEBUI_VERSIONS`` names other versions than those that the record is about.
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
# What came of the tests against real servers

Written by each whole run of `pytest -m openwebui`. The demo model answers behind every server.
In a cell stand the exit statuses of the commands of that test, in their order.
"""

_Cells = dict[tuple[str, str, str], str]
_cells = pytest.StashKey[_Cells]()
_statuses = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def _alone() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("each worker would start servers of its own: run it without -n")


@pytest.fixture(scope="session")
def provider(_alone, tmp_path_factory) -> Iterator[real.DemoModel]:
    server = real.DemoModel(tmp_path_factory.mktemp("provider"))
    yield server
    server.kill()


@pytest.fixture(scope="session", params=VERSIONS)
def deployed(request, provider, tmp_path_factory) -> Iterator[real.OpenWebUI]:
    """Start one version, with an administrator and a user; one after the other."""
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
    """Have both run as they are meant to, whatever the test before has done to them."""
    provider.ready()
    deployed.ready()
    # It keeps for a while the list that it was given when the provider was away.
    access = deployed.admin
    known = {"CONTEXTOPS_BASE_URL": access.base_url, "CONTEXTOPS_API_KEY": access.api_key}
    told = command("models", "check", "--refresh", "--wait", "60s", real.MODEL, env=known)
    assert told.status == 0, told.stderr
    return deployed


@pytest.fixture(scope="session")
def llama_cpp(_alone, tmp_path_factory) -> Iterator[real.LlamaCpp]:
    server = real.LlamaCpp(tmp_path_factory.mktemp("llama.cpp"))
    try:
        server.ready()
        yield server
    finally:
        server.kill()


@pytest.fixture
def export(monkeypatch):
    """Export address, key and model, as a script that talks to one server does."""

    def export(access: real.Access) -> None:
        monkeypatch.setenv("CONTEXTOPS_MODEL", real.MODEL)
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", access.base_url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", access.api_key)

    return export


class Ask:
    """Run the command in a process of its own, and note its status for the record."""

    def __init__(self, command, statuses: list[str]) -> None:
        self._command = command
        self._statuses = statuses

    def __call__(self, *argv, **more):
        """Run it to its end; ``more`` is that of the fixture ``command``."""
        return self.noted(self._command(*argv, **more))

    def start(self, *argv) -> Running:
        """Start it and wait for its first words."""
        return Running(self, self._command.start(*argv, stdin=subprocess.DEVNULL))

    def noted(self, told):
        self._statuses.append(str(told.status))
        return told


class Told(NamedTuple):
    """What a command left."""

    status: int
    stdout: str
    stderr: str


class Running:
    """A command that has begun to answer; ``begun`` are its first words."""

    def __init__(self, ask: Ask, process: subprocess.Popen[bytes]) -> None:
        self._ask = ask
        self._process = process
        self._start = os.read(process.stdout.fileno(), 1 << 16)
        self.begun = self._start.decode()

    def end(self):
        """Wait for its end, for two minutes at most: servers start while it runs."""
        rest, stderr = self._process.communicate(timeout=120)
        stdout = self._start + rest
        return self._ask.noted(Told(self._process.returncode, stdout.decode(), stderr.decode()))


@pytest.fixture
def ask(command, request) -> Ask:
    return Ask(command, request.node.stash.setdefault(_statuses, []))


# The record -----------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.get_closest_marker("openwebui") and (call.when == "call" or not report.passed):
        place = (item.cls.place, item.originalname, _version(item))
        told = " ".join([f"{report.outcome}:", *item.stash.get(_statuses, [])])
        item.config.stash.setdefault(_cells, {})[place] = told
    return report


def _version(item: pytest.Function) -> str:
    if hasattr(item, "callspec"):
        return item.callspec.params["deployed"]
    return f"xllamacpp {metadata.version('xllamacpp')}"


def pytest_sessionfinish(session, exitstatus):
    if _is_whole(session, exitstatus):
        RESULTS.write_text(_record(session.config.stash[_cells]), "utf-8")


def _is_whole(session: pytest.Session, exitstatus: int) -> bool:
    """Tell a run of all there is here from one of some of it, or one that was broken off."""
    config = session.config
    is_part = config.option.keyword or any("::" in each for each in config.args)
    is_over = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return (
        _cells in config.stash
        and is_over
        and not (is_part or session.shouldfail or session.shouldstop)
        and VERSIONS == RECORDED
    )


def _record(cells: _Cells) -> str:
    lines = [_HEAD]
    for place in dict.fromkeys(place for place, _, _ in cells):
        here = {(test, version): cell for (at, test, version), cell in cells.items() if at == place}
        versions = list(dict.fromkeys(version for _, version in here))
        lines += [f"## {place}", "", _row("test", *versions), _row(*["---"] * (len(versions) + 1))]
        for test in dict.fromkeys(test for test, _ in here):
            told = [here.get((test, version), "") for version in versions]
            lines.append(_row(test.removeprefix("test_").replace("_", " "), *told))
        lines.append("")
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
