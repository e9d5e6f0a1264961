"""Standard streams with ends that a test can read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from standard_streams import End, Streams


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[Streams]:
    """Return a function that connects the standard streams and returns their other ends.

    Both are pipes, except those named as terminals.
    """
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))

    with ExitStack() as stack:

        def make(*terminals: str, encoding: str = "utf-8") -> tuple[End, End]:
            if terminals and sys.platform == "win32":
                pytest.skip("this system has no pseudo-terminals")
            out, err = (
                End(stack, name, terminal=name in terminals, encoding=encoding)
                for name in ("stdout", "stderr")
            )
            return out, err

        yield make
        monkeypatch.undo()
