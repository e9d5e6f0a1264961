"""The spinner, which appears on an interactive terminal only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from contextops.errors import TruncatedError
from contextops.output import Printer
from contextops.output.spinner import Spinner
from standard_streams import End, Streams, print_answer


@pytest.fixture
def fast_spinner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the spinner start sooner."""
    monkeypatch.setattr(Spinner, "_DELAY", 0.05)
    monkeypatch.setattr(Spinner, "_PERIOD", 0.02)


def wait_for_spinner(err: End, seconds: float = 5.0) -> bytes:
    """Wait until the spinner writes something and return it."""
    data = b""
    end = time.monotonic() + seconds
    while not data and time.monotonic() < end:
        time.sleep(0.01)
        data = err.read()
    return data


def test_quick_work_shows_no_spinner(streams: Streams):
    out, err = streams("stderr")
    with Printer().waiting():
        pass
    assert out.read() == err.read() == b""


@pytest.mark.usefixtures("fast_spinner")
def test_spinner_turns_until_first_output(streams: Streams):
    out, err = streams("stdout", "stderr")
    printer = Printer(plain=True)
    with printer.waiting():
        assert wait_for_spinner(err).startswith(b"\r")
        assert out.read() == b""
        print_answer(printer, "word")
        assert err.read().endswith(b"\r\x1b[K")
        assert out.read() == b"word\n"
        assert wait_for_spinner(err, 0.08) == b""
    assert err.read() == b""


@pytest.mark.usefixtures("fast_spinner")
def test_spinner_line_is_cleared_before_error(streams: Streams):
    _, err = streams("stderr")
    printer = Printer()
    with printer.waiting():
        wait_for_spinner(err)
    assert err.read().endswith(b"\r\x1b[K")
    printer.error(TruncatedError("what"))
    assert err.text == "contextops: what\n"


@pytest.mark.usefixtures("fast_spinner")
@pytest.mark.parametrize(
    ("terminals", "options", "variables"),
    [
        ((), {}, {}),
        (("stdout",), {}, {}),
        (("stderr",), {"quiet": True}, {}),
        (("stderr",), {"color": "never"}, {}),
        (("stderr",), {}, {"TERM": "dumb"}),
    ],
)
def test_no_spinner_without_interactive_terminal(
    streams: Streams, monkeypatch, terminals: Sequence[str], options: Any, variables: dict[str, str]
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _, err = streams(*terminals)
    with Printer(**options).waiting():
        assert wait_for_spinner(err, 0.08) == b""
