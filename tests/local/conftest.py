"""Fixtures of the embedded engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import engines


@pytest.fixture
def fake_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> engines.FakeEngine:
    return engines.install_fake_engine(tmp_path / "packages", monkeypatch)


@pytest.fixture
def temporary_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with engines.temporary_root(monkeypatch) as folder:
        yield folder
