from __future__ import annotations

from pathlib import Path

import pytest

from contextops.chat.session import Session, SessionStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the session; neither it nor its folder exists."""
    return tmp_path / "sessions" / "review.jsonl"


@pytest.fixture
def session(path: Path) -> Session:
    return SessionStore(path.parent).session("review")
