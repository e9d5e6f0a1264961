"""Flags of ``contextops chat send`` that exclude each other, and prompts that are missing."""

from __future__ import annotations

import json

import pytest

from chat_answers import answer_with
from shapes import OpenWebUI

pytestmark = pytest.mark.usefixtures("workdir")


@pytest.mark.parametrize(
    ("flags", "expected_words"),
    [
        (["--json", "--jsonl"], "exclude"),
        (["-x", "--json"], "-x and --json exclude"),
        (["-x", "--jsonl"], "-x and --jsonl exclude"),
        (["--extract-lang", "py", "--json"], "-x and --json exclude"),
        (["-o", "f", "--jsonl"], "-o and --jsonl exclude"),
        (["--messages", "m.json", "--session", "s"], "--messages and --session exclude"),
        (["--dry-run", "-o", "f"], "--dry-run and -o exclude"),
        (["--curl"], "--curl requires --dry-run"),
        (["-f", "-", "-f", "-"], "used twice"),
        (["-f", "-", "--messages", "-"], "used twice"),
        (["-f", "-", "-i", "-"], "used twice"),
        (["-n", "-f", "-"], "'-' and -n exclude"),
        (["--encoding", "klingon"], "unknown encoding 'klingon'"),
        (["--session", "../x"], "invalid session name"),
        (["--session", "CON"], "invalid session name"),
        (["--session", "x" * 300], "invalid session name"),
        (["--session", ""], "must not be empty"),
        (["--dry-run", "--curl", "--local"], "no address for curl"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_invalid_flags_are_status_2_and_nothing_is_sent(
    run, serve, exported, workdir, home, monkeypatch, flags, expected_words
):
    # The demo model is not started, since its weights may not be installed.
    monkeypatch.setenv("CONTEXTOPS_LOCAL_MODEL", "demo.gguf")
    (workdir / "m.json").write_text("[]")
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", *flags, "hi", input="in")
    assert result.status == 2
    error = json.loads(result.stderr)["error"]["message"] if "{" in result.stderr else result.stderr
    assert expected_words in error
    assert server.requests == []
    assert {path.name for path in workdir.iterdir()} == {"m.json"}
    assert not (home / ".local").exists()
    if "--jsonl" not in flags:
        assert result.stdout == ""


def test_dash_as_word_and_dash_as_file_are_status_2(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "-f", "-", "-", input="in")
    assert (result.status, result.stdout) == (2, "")
    assert "used twice" in result.stderr


@pytest.mark.parametrize("flags", [["-s", "terse"], ["--session", "s"], ["--session", "old"]])
def test_system_message_or_session_without_prompt_is_status_2(run, serve, exported, flags):
    server = exported(serve(answer_with("ok")))
    run("chat", "send", "--session", "old", "before")
    result = run("chat", "send", "-n", *flags)
    assert (result.status, result.stdout) == (2, "")
    assert "no prompt" in result.stderr
    assert len(server.requests) == 1
