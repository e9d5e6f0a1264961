"""What tests of commands that ask a server start from."""

from __future__ import annotations

import sys

import pytest

from shapes import KEY


@pytest.fixture
def exported(monkeypatch):
    """Export the address of a server, its key, and a model."""

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
    """Give where the config file is; the folder is not made."""
    below = "AppData" if sys.platform == "win32" else ".config"
    return home / below / "contextops" / "config.toml"


@pytest.fixture
def stored(path):
    """Write the config file."""

    def write(text, mode=0o600):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    return write
