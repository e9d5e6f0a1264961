"""Fixtures of the tests of commands."""

from __future__ import annotations

import json
import sys

import pytest

from contextops.config import state_folder
from shapes import KEY


@pytest.fixture
def exported(monkeypatch):
    """Return a function that exports a server's address, its key and a model."""

    def export(server, model="ctx-small"):
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
        monkeypatch.setenv("CONTEXTOPS_RETRIES", "0")
        if model:
            monkeypatch.setenv("CONTEXTOPS_MODEL", model)
        return server

    return export


@pytest.fixture
def path(home):
    """Return the path of the config file; its folder does not exist."""
    below = "AppData" if sys.platform == "win32" else ".config"
    return home / below / "contextops" / "config.toml"


@pytest.fixture
def stored(path):
    """Return a function that writes the config file and returns its path."""

    def write(text, mode=0o600):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    """Change to an empty folder and return its path."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def session_records():
    """Return a function that reads a session: role, content and completeness of each record."""

    def read(name="s"):
        lines = (state_folder() / f"{name}.jsonl").read_bytes().splitlines()
        records = [json.loads(line) for line in lines]
        return [(line["role"], line["content"], line.get("complete")) for line in records]

    return read
