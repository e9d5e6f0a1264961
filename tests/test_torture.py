"""Each system call of a command fails in turn: what the command reports must be true."""

from __future__ import annotations

import errno
import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shapes import KEY, OpenWebUI
from system_spy import SystemSpy

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows makes other calls, in another order"
)

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


@pytest.fixture(params=[FULL, BROKEN], ids=["full", "broken"])
def each_failing_call(request) -> Iterator[Callable[[], Iterator[SystemSpy]]]:
    """Let the first, second, … call of a command fail, until a run has fewer calls than that."""
    with pytest.MonkeyPatch.context() as patched:

        def fail_each_call() -> Iterator[SystemSpy]:
            for index in range(200):
                spy = SystemSpy(fail_at=index, error=request.param).install(patched)
                yield spy
                patched.undo()
                if len(spy.calls) <= index:
                    assert index > 4
                    return
            pytest.fail("the command never ran without a failing call")

        yield fail_each_call


@pytest.fixture
def server(serve, monkeypatch):
    server = serve(OpenWebUI())
    for name, value in (("BASE_URL", server.url), ("API_KEY", KEY), ("MODEL", "ctx-small")):
        monkeypatch.setenv(f"CONTEXTOPS_{name}", value)
    return server


def other_files_with_key(folder: Path) -> list[str]:
    """Return the names of the files, except the config file, that contain the key."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "config.toml"]
    return [path.name for path in paths if KEY.encode() in path.read_bytes()]


def test_config_set_saves_value_or_reports_that_it_did_not(run, home, each_failing_call):
    run("config", "set", "api_key", "-", input=KEY)
    path = home / ".config/contextops/config.toml"
    for number, spy in enumerate(each_failing_call()):
        before = path.read_bytes()
        result = run("config", "set", "retries", str(number))
        stored = tomllib.loads(path.read_text())["profiles"]["default"]
        assert stored["api_key"] == KEY
        if result.status == 0:
            assert stored["retries"] == number, f"call {spy.calls[-1]}"
        else:
            assert result.status in (3, 23)
            assert result.stderr.startswith("contextops: ")
            assert result.stderr.count("\n") == 1
            # Where only the sync of the folder failed, the new content may be there.
            assert path.read_bytes() == before or stored["retries"] == number
        assert not other_files_with_key(path.parent)
        assert path.stat().st_mode & 0o077 == 0


def test_chat_send_prints_answer_and_leaves_valid_session(run, home, server, each_failing_call):
    acknowledged = set()
    for number, _ in enumerate(each_failing_call()):
        requests_before = len(server.requests)
        result = run("chat", "send", "--session", "s", "-n", f"question {number}")
        # An unreadable session fails before the request; after the request the answer is printed.
        is_sent = len(server.requests) > requests_before
        assert result.stdout == (f"You said: question {number}\n" if is_sent else "")
        if result.status == 0:
            acknowledged.add(f"question {number}")
        else:
            assert result.status in (3, 23, 26)
            assert result.stderr.count("\n") == 1
    (path,) = home.rglob("s.jsonl")
    messages = map(json.loads, path.read_bytes().splitlines())
    questions = [message["content"] for message in messages if message["role"] == "user"]
    assert acknowledged <= set(questions)
    assert len(questions) == len(set(questions))
    assert not other_files_with_key(home)


def test_output_file_has_old_or_new_content(run, tmp_path, server, each_failing_call):
    path = tmp_path / "answer.txt"
    path.write_text("old\n")
    for number, _ in enumerate(each_failing_call()):
        before = path.read_text()
        result = run("chat", "send", "-n", "-o", path, f"question {number}")
        after = path.read_text()
        if result.status == 0:
            assert after == f"You said: question {number}\n"
        else:
            assert result.status == 23
            assert after in (before, f"You said: question {number}\n")
            assert result.stderr.count("contextops: ") - result.stderr.count("note: ") == 1
        assert result.stdout == ""
