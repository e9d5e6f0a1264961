"""``contextops chat send --session``: what a conversation file holds, and what is sent again."""

from __future__ import annotations

import errno
import json
import signal
import stat
import sys
import threading

import pytest

from chat_answers import CODE_ANSWER, alternating_messages, answer_with, sent_messages
from contextops.config import state_folder
from server import HOLD
from shapes import DONE, OpenWebUI, chunk, detail, reply, stream
from system_spy import patch_calls

pytestmark = pytest.mark.usefixtures("workdir")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def write_to_full_disk(_descriptor, _data):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_session_is_continued_and_saved_only_when_named(run, serve, exported, session_records):
    server = exported(serve(answer_with("ok")))
    run("chat", "send", "not saved")
    assert not state_folder().exists()
    assert run("chat", "send", "--session", "s", "one").stdout == "ok\n"
    assert run("chat", "send", "--session", "s", "two").status == 0
    assert sent_messages(server) == alternating_messages("one", "ok", "two")
    assert session_records() == [
        *(("user", "one", None), ("assistant", "ok", True)),
        *(("user", "two", None), ("assistant", "ok", True)),
    ]
    file = state_folder() / "s.jsonl"
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_session_can_be_a_path_or_an_environment_variable(run, serve, exported, workdir):
    server = exported(serve(answer_with("ok")))
    run("chat", "send", "--session", "./talk.jsonl", "one")
    run("chat", "send", "two", env={"CONTEXTOPS_SESSION": "./talk.jsonl"})
    assert sent_messages(server) == alternating_messages("one", "ok", "two")
    assert (workdir / "talk.jsonl").read_bytes().count(b"\n") == 4


def test_session_saves_messages_but_not_settings(run, serve, exported):
    server = exported(serve(answer_with("ok")))
    run("chat", "send", "--session", "s", "-t", "1", "-m", "ctx-large", "one")
    run("chat", "send", "--session", "s", "two")
    body = server.requests[-1].json()
    assert body["model"] == "ctx-small"
    assert "temperature" not in body


def test_system_flag_replaces_system_message_of_session_and_setting_does_not(run, serve, exported):
    server = exported(serve(answer_with("ok")))

    def system(*flags, **env):
        run("chat", "send", "--session", "s", "x", *flags, env=env)
        return [line["content"] for line in sent_messages(server) if line["role"] == "system"]

    assert system("-s", "first") == ["first"]
    assert system(CONTEXTOPS_SYSTEM="stored") == ["first"]
    assert system("-s", "second", CONTEXTOPS_SYSTEM="stored") == ["second"]
    assert system() == ["second"]


@pytest.mark.parametrize("mode", [[], ["--json"], ["--jsonl", "--no-stream"], ["-x", "-o", "f"]])
@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (stream(chunk("part")), "part"),
        (stream(chunk("part"), chunk(finish="length"), DONE), "part"),
        (stream(chunk("part"), {"error": {"message": "x"}}), "part"),
        (detail("no", 422), ""),
    ],
    ids=["truncated", "limit", "error", "rejected"],
)
def test_incomplete_turn_is_saved_as_incomplete_and_not_sent_again(
    run, serve, exported, session_records, mode, answer, part
):
    turns = [answer_with(CODE_ANSWER)(None), answer, answer_with(CODE_ANSWER)(None)]
    server = exported(serve(lambda _: turns[len(server.requests) - 1]))
    statuses = [run("chat", "send", "--session", "s", *mode, word).status for word in "abc"]
    assert (statuses[0], statuses[2]) == (0, 0)
    assert statuses[1] in (18, 22, 50)
    assert sent_messages(server) == alternating_messages("a", CODE_ANSWER, "c")
    assert session_records()[2:4] == [("user", "b", None), ("assistant", part, False)]


@posix
@pytest.mark.parametrize("mode", [[], ["--json"], ["-o", "f"]])
def test_interrupted_turn_is_saved_as_incomplete(command, serve, exported, session_records, mode):
    begun = threading.Event()

    def mark(_):
        begun.set()

    exported(serve(lambda _: stream(chunk("a part"), mark, HOLD)))
    process = command.start("chat", "send", "-n", "--session", "s", *mode, "one")
    assert begun.wait(10)
    if not mode:
        process.stdout.read(3)
    else:
        threading.Event().wait(0.3)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert session_records() == [("user", "one", None), ("assistant", "a part", False)]
    if mode == ["--json"]:
        assert not stdout or json.loads(stdout)["contextops"]["complete"] is False


@posix
def test_turn_is_saved_as_incomplete_when_stdout_reader_closes(
    command, serve, exported, session_records
):
    more = threading.Event()
    exported(serve(lambda _: stream(chunk("one\n"), more, chunk("two\n"), *reply("three"))))
    process = command.start("chat", "send", "-n", "--session", "s", "x")
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    more.set()
    assert process.wait(10) == -signal.SIGPIPE
    assert session_records()[1][2] is False


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ([], CODE_ANSWER),
        (["-x"], "x = 1\n"),
        (["--json"], CODE_ANSWER),
        (["--jsonl"], CODE_ANSWER),
    ],
)
def test_answer_is_printed_with_status_23_when_session_cannot_be_written(
    run, serve, exported, session_records, monkeypatch, mode, shown
):
    exported(serve(answer_with(CODE_ANSWER)))
    assert run("chat", "send", "--session", "s", "one").status == 0
    before = session_records()
    patch_calls(monkeypatch, write=write_to_full_disk)
    result = run("chat", "send", "--session", "s", *mode, "two")
    assert result.status == 23
    assert "no space left on device" in result.stderr
    assert result.stderr.count("\n") == 1
    assert session_records() == before
    if mode == ["--json"]:
        document = json.loads(result.stdout)
        assert document["choices"][0]["message"]["content"] == shown
        assert document["contextops"]["complete"] is True
    elif mode == ["--jsonl"]:
        last = json.loads(result.stdout.splitlines()[-1])
        assert (last["type"], last["error"]["exit"]) == ("error", 23)
        assert last["response"]["choices"][0]["message"]["content"] == shown
        assert '"done"' not in result.stdout
    else:
        assert result.stdout == shown


def test_read_only_state_folder_is_status_23_with_the_answer(
    run, serve, exported, home, monkeypatch
):
    def mkdir(_path, _mode):
        raise OSError(errno.EROFS, "Read-only file system")

    patch_calls(monkeypatch, mkdir=mkdir)
    exported(serve(answer_with("ok")))
    result = run("chat", "send", "--session", "s", "one")
    assert (result.status, result.stdout) == (23, "ok\n")
    assert "read-only file system" in result.stderr
    assert not (home / ".local").exists()


def test_invalid_session_file_is_status_26_and_unchanged(run, serve, exported, workdir):
    (workdir / "s.jsonl").write_bytes(b'{"role": "user", "content": "a"}\n{broken\n')
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "--session", "./s.jsonl", "hi")
    assert (result.status, result.stdout) == (26, "")
    assert "line 2" in result.stderr
    assert (workdir / "s.jsonl").read_bytes().endswith(b"{broken\n")
    assert server.requests == []


def test_two_commands_on_one_session_save_both_turns(command, serve, exported, session_records):
    exported(serve(lambda _: stream(chunk("ok"), 0.2, chunk(finish="stop"), DONE)))
    argv = ("chat", "send", "-n", "--session", "s")
    both = [command.start(*argv, word) for word in ("one", "two")]
    assert [process.wait(20) for process in both] == [0, 0]
    roles = [role for role, *_ in session_records()]
    assert roles == ["user", "assistant"] * 2
    assert {content for role, content, _ in session_records() if role == "user"} == {"one", "two"}
