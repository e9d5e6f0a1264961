"""What tests of commands that ask a server start from."""

from __future__ import annotations

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
