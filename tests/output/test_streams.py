"""Errors and partial writes of standard output."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from contextops.errors import OutputError, SignalInterrupt
from contextops.output import Printer
from standard_streams import Streams


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="this system has no SIGPIPE")
def test_closed_pipe_raises_sigpipe_interrupt(streams: Streams):
    out, err = streams()
    writer = Printer().answer_writer()
    out.hang_up()
    with pytest.raises(SignalInterrupt) as death:
        writer.write("one")
    assert death.value.status == 141
    # Cleanup after the error does not fail again.
    writer.end()
    sys.stdout.flush()
    assert err.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_full_disk_raises_output_error(monkeypatch: pytest.MonkeyPatch):
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError) as failed:
            Printer().json({})
    assert failed.value.status == 23
    assert "space" in failed.value.why


@pytest.mark.parametrize(
    "do",
    [
        Printer.require_stdout,
        Printer.answer_writer,
        lambda printer: printer.line("x"),
        lambda printer: printer.json({}),
        lambda printer: printer.table(["a"], [["b"]]),
    ],
)
def test_closed_stdout_raises_output_error(monkeypatch: pytest.MonkeyPatch, do):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError) as failed:
        do(Printer())
    assert failed.value.status == 23


class PartialWriter(io.RawIOBase):
    """A raw stdout, as with ``python -u``, that accepts a few bytes at a time."""

    def __init__(self, room: int) -> None:
        self.written = b""
        self._room = room

    def write(self, data: Any) -> int:
        if not self._room:
            raise OSError(errno.EFBIG, "File too large")
        part = bytes(data[: min(7, self._room)])
        self.written += part
        self._room -= len(part)
        return len(part)


def test_unbuffered_stdout_gets_all_bytes(monkeypatch: pytest.MonkeyPatch):
    raw = PartialWriter(1000)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, write_through=True))
    Printer().line("word " * 30)
    assert raw.written == b"word " * 30 + b"\n"


def test_unbuffered_stdout_that_accepts_a_part_raises_output_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(PartialWriter(100), write_through=True))
    with pytest.raises(OutputError) as failed:
        Printer().line("word " * 30)
    assert failed.value.why == "file too large"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of this system always block")
@pytest.mark.parametrize("buffering", [0, -1])
def test_write_to_full_nonblocking_pipe_waits(monkeypatch, buffering: int):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    received: list[bytes] = []

    def read_slowly() -> None:
        time.sleep(0.1)
        while block := os.read(reader, 65536):
            received.append(block)

    thread = threading.Thread(target=read_slowly)
    with io.TextIOWrapper(open(writer, "wb", buffering)) as stdout:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stdout)
        thread.start()
        Printer().json(["x" * 1_000_000])
        monkeypatch.undo()
    thread.join()
    os.close(reader)
    assert len(b"".join(received)) == 1_000_005
