"""Let the k-th call of the system fail, for every k: what a command says then is true."""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contextops import files as store
from shapes import KEY, OpenWebUI
from system_spy import Spy

pytestmark = pytest.mark.skipif(os.name == "nt", reason="has other calls, in another order")

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


@pytest.fixture(params=[FULL, BROKEN], ids=["full", "broken"])
def each_call(request, monkeypatch) -> Callable[[], Iterator[Spy]]:
    """Go through the calls of a command, until one run of it is through without a fault."""

    def each() -> Iterator[Spy]:
        for at in range(200):
            spy = Spy(fail_at=at, error=request.param)
            monkeypatch.setattr(store, "system", spy)
            yield spy
            monkeypatch.setattr(store, "system", store.System())
            if len(spy.calls) <= at:
                assert at > 4
                return
        pytest.fail("it never came to its end")

    return each


def stray(folder: Path) -> list[str]:
    """Name what holds the key and is not the config file."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "config.toml"]
    return [path.name for path in files if KEY.encode() in path.read_bytes()]


def test_a_setting_is_kept_or_it_is_said_that_it_is_not(run, home, each_call):
    run("config", "set", "api_key", "-", input=KEY)
    path = home / ".config/contextops/config.toml"
    for number, spy in enumerate(each_call()):
        before = path.read_bytes()
        told = run("config", "set", "retries", str(number))
        kept = tomllib.loads(path.read_text())["profiles"]["default"]
        assert kept["api_key"] == KEY
        if told.status == 0:
            assert kept["retries"] == number, f"call {spy.calls[-1]}"
        else:
            assert told.status in (3, 23)
            assert told.stderr.startswith("contextops: ")
            assert told.stderr.count("\n") == 1
            # Where only the name's way to the disk failed, the new text may be there.
            assert path.read_bytes() == before or kept["retries"] == number
        assert not stray(path.parent)
        assert path.stat().st_mode & 0o077 == 0


def test_an_answer_is_printed_and_its_session_is_whole(run, home, serve, monkeypatch, each_call):
    server = serve(OpenWebUI())
    for name, value in (("BASE_URL", server.url), ("API_KEY", KEY), ("MODEL", "ctx-small")):
        monkeypatch.setenv(f"CONTEXTOPS_{name}", value)
    acknowledged = set()
    for number, _ in enumerate(each_call()):
        asked_before = len(server.requests)
        told = run("chat", "send", "--session", "s", "-n", f"question {number}")
        # What could not be read before is told before anything is asked; else the answer is shown.
        is_asked = len(server.requests) > asked_before
        assert told.stdout == (f"You said: question {number}\n" if is_asked else "")
        if told.status == 0:
            acknowledged.add(f"question {number}")
        else:
            assert told.status in (3, 23, 26)
            assert told.stderr.count("\n") == 1
    (path,) = home.rglob("s.jsonl")
    lines = path.read_bytes().splitlines()
    asked = [said["content"] for said in map(json.loads, lines) if said["role"] == "user"]
    assert acknowledged <= set(asked)
    assert len(asked) == len(set(asked))
    assert not stray(home)


def test_a_file_is_the_old_one_or_the_new(run, tmp_path, serve, monkeypatch, each_call):
    server = serve(OpenWebUI())
    for name, value in (("BASE_URL", server.url), ("API_KEY", KEY), ("MODEL", "ctx-small")):
        monkeypatch.setenv(f"CONTEXTOPS_{name}", value)
    path = tmp_path / "answer.txt"
    path.write_text("old\n")
    for number, _ in enumerate(each_call()):
        before = path.read_text()
        told = run("chat", "send", "-n", "-o", path, f"question {number}")
        now = path.read_text()
        if told.status == 0:
            assert now == f"You said: question {number}\n"
        else:
            assert told.status == 23
            assert now in (before, f"You said: question {number}\n")
            assert told.stderr.count("contextops: ") - told.stderr.count("note: ") == 1
        assert told.stdout == ""
