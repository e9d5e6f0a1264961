"""``contextops chat repl`` with standard input from a pipe: each line is a turn."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from contextops import config
from contextops.api.client import Client
from contextops.commands.context import Context
from contextops.config import state_folder
from contextops.errors import AuthError
from contextops.output import Printer
from contextops.repl.context import ReplContext
from shapes import KEY, OpenWebUI, chunk, stream

REPL = ("chat", "repl")
FULL = Path("/dev/full")


@pytest.fixture
def server(serve, exported):
    return exported(serve(OpenWebUI(), may_be_idle=True))


def contents(request):
    return [message["content"] for message in request.json()["messages"]]


def test_each_line_is_answered_on_stdout(run, server):
    result = run(*REPL, input="one\n\n  \ntwo")
    assert (result.status, result.stdout, result.stderr) == (
        0,
        "You said: one\nYou said: two\n",
        "",
    )
    assert contents(server.requests[1]) == ["one", "You said: one", "two"]


def test_line_is_answered_before_next_arrives(command, server):
    process = command.start(*REPL)
    for word in (b"one", b"two"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"You said: " + word + b"\n"
    process.stdin.close()
    assert process.wait(10) == 0


def test_failed_turn_is_skipped_and_sets_status(run, server):
    result = run(*REPL, input="one\n!429\n!500\ntwo\n")
    assert result.status == 29
    assert result.stdout == "You said: one\nYou said: two\n"
    assert result.stderr.count("\n") == 2
    assert "/retry" not in result.stderr
    # A failed turn is not part of the conversation.
    assert contents(server.requests[-1]) == ["one", "You said: one", "two"]


def test_fail_fast_ends_with_first_failed_turn(run, server):
    result = run(*REPL, "--fail-fast", input="!429\none\n")
    assert (result.status, result.stdout) == (29, "")


def test_line_that_is_not_utf_8_is_a_failed_turn(run, server):
    result = run(*REPL, input=b"\xef\xbb\xbfone\r\nb\xffd\ntwo")
    assert (result.status, result.stdout) == (26, "You said: one\nYou said: two\n")
    assert "line 2 of standard input is not UTF-8: byte 0xff at offset 1" in result.stderr


def test_too_long_line_is_a_failed_turn(run, server, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_MAX_PROMPT", "1K")
    result = run(*REPL, input="x" * 3000 + "\none\n" + "y" * 3_000_000 + "\ntwo\n")
    assert (result.status, result.stdout) == (26, "You said: one\nYou said: two\n")
    assert "line 3 of standard input is too long" in result.stderr


def test_commands_of_pipe_print_on_stderr(run, server):
    result = run(*REPL, input="/model ctx-large\n/tokens\nhi\n/nope\n//etc\n/exit\nnever\n")
    assert result.status == 2
    assert result.stdout == "You said: hi\nYou said: /etc\n"
    assert "model: ctx-large\n" in result.stderr
    assert server.requests[-1].json()["model"] == "ctx-large"


def test_jsonl_has_events_and_errors_of_every_turn(run, server):
    result = run(*REPL, "--jsonl", input="one\n!429\n/nope\nb\xff\n".encode("latin-1"))
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["type"] for event in events[-4:]] == ["done", "error", "error", "error"]
    assert {event["type"] for event in events[:-4]} == {"delta"}
    assert [event["error"]["exit"] for event in events[-3:]] == [29, 2, 26]
    assert result.status == 29
    assert all(json.loads(line)["error"] for line in result.stderr.splitlines())


def test_nothing_is_saved_without_session(run, server):
    assert run(*REPL, input="one\n").status == 0
    assert not state_folder().exists()


def test_session_marks_incomplete_answer_and_does_not_send_it(run, server):
    assert run(*REPL, "--session", "s", input="one\n!cut now\n").status == 50
    assert run("chat", "send", "-n", "--session", "s", "two").status == 0
    assert contents(server.requests[-1]) == ["one", "You said: one", "two"]
    shown = run("session", "show", "s").stdout
    assert "## assistant (not complete, not sent again)" in shown


def test_session_show_marks_undone_turn(run, server):
    run(*REPL, "--session", "s", input="one\n/undo\ntwo\n")
    shown = run("session", "show", "s").stdout
    assert shown.count("(taken back, not sent again)") == 2
    assert run("chat", "send", "-n", "--session", "s", "three").status == 0
    assert contents(server.requests[-1]) == ["two", "You said: two", "three"]


def test_flags_apply_to_request(run, server):
    run(
        *(*REPL, "-s", "Be terse.", "-m", "ctx-large", "-t", "0", "--max-tokens", "9"),
        *("--param", "top_p=0.5"),
        input="one\n",
    )
    body = server.request.json()
    assert body["messages"][0] == {"role": "system", "content": "Be terse."}
    params = {name: body[name] for name in ("model", "temperature", "max_tokens", "top_p")}
    assert params == {"model": "ctx-large", "temperature": 0, "max_tokens": 9, "top_p": 0.5}
    assert body["stream"] is True


def test_usage_is_printed_after_each_answer(run, server):
    result = run(*REPL, "--usage", input="one\ntwo\n")
    assert result.stderr.count("usage: prompt 11, completion 7, total 18 tokens") == 2


def test_template_of_config_file_applies_to_one_message(run, server):
    run("config", "set", "templates.t.prompt", "Translate into {language}: {input}")
    run("config", "set", "templates.t.model", "ctx-large")
    run("config", "set", "templates.t.params.seed", "7")
    run("config", "set", "templates.t.system", "You translate.")
    result = run(*REPL, "-m", "ctx-small", input="/template t language=French\nhello\nthanks\n")
    assert result.status == 0
    first, second = (request.json() for request in server.requests)
    assert first["messages"] == [
        {"role": "system", "content": "You translate."},
        {"role": "user", "content": "Translate into French: hello"},
    ]
    assert (first["model"], first["seed"]) == ("ctx-large", 7)
    assert (second["model"], second.get("seed")) == ("ctx-small", None)


@pytest.mark.parametrize("line", ["/template nope", "/edit"])
def test_unknown_template_and_edit_without_terminal_are_config_errors(run, server, line):
    assert run(*REPL, input=f"{line}\n", env={"EDITOR": "true"}).status == 3


def test_max_time_applies_to_each_turn(run, serve, exported, monkeypatch):
    exported(serve(lambda _: stream(0.4, chunk("fine"), chunk(finish="stop"))))
    monkeypatch.setenv("CONTEXTOPS_MAX_TIME", "1s")
    result = run(*REPL, input="one\ntwo\nthree\nfour\n")
    assert (result.status, result.stdout) == (0, "fine\n" * 4)


def test_idle_connection_closed_by_server_is_not_an_error(run, serve, exported):
    exported(serve(OpenWebUI(), idle=0))
    result = run(*REPL, input="one\ntwo\n")
    assert (result.status, result.stderr) == (0, "")


def test_only_model_of_server_is_default(run, serve, exported):
    exported(serve(OpenWebUI(models=["only"])), model=None)
    assert run(*REPL, input="hi\n").stdout == "You said: hi\n"


def test_missing_model_is_config_error_in_pipe(run, serve, exported):
    exported(serve(OpenWebUI()), model=None)
    result = run(*REPL, "--jsonl", input="hi\n")
    assert result.status == 3
    assert json.loads(result.stdout)["error"]["exit"] == 3


def test_load_prints_no_earlier_turns_on_stdout(run, server):
    run(*REPL, "--session", "s", input="one\n")
    assert run(*REPL, input="/load s\ntwo\n").stdout == "You said: two\n"
    events = run(*REPL, "--jsonl", input="/load s\ntwo\n").stdout
    assert all(json.loads(line)["type"] in ("delta", "done") for line in events.splitlines())


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_full_disk_at_stdout_ends_conversation(command, server):
    with FULL.open("wb") as full:
        process = command.start(*REPL, stdout=full)
        stderr = process.communicate(b"one\ntwo\nthree\n", 10)[1]
    assert process.returncode == 23
    assert stderr.count(b"\n") == 1
    assert len(server.requests) == 1


def test_key_is_masked_in_all_output(run, server):
    result = run(*REPL, "-v", input=f"hi\n/model {KEY}\n")
    assert KEY not in result.stdout + result.stderr


def test_background_client_does_not_run_key_command(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_API_KEY_COMMAND", f"touch {tmp_path}/ran")
    client = Client(config.resolve({}), note=print)
    with pytest.raises(AuthError):
        client.background(1.0)
    assert not (tmp_path / "ran").exists()


def test_key_is_known_before_first_entry(run, server, monkeypatch):
    """An entry that holds the key is not saved in the history."""
    secrets = []
    monkeypatch.setattr(Printer, "add_secret", lambda _, secret: secrets.append(secret))
    run(*REPL, input="")
    assert secrets == [KEY]
    assert server.requests == []


def test_key_command_runs_when_key_is_needed(monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_API_KEY_COMMAND", f"printf {KEY}")
    services = Context()
    context = ReplContext(services)
    context.load_key()
    assert not context.knows_key()
    services.profile.key.read()
    assert context.knows_key()


def test_only_first_keystroke_waits_for_slow_list_of_models(monkeypatch):
    is_listed = threading.Event()
    monkeypatch.setattr(ReplContext, "_list_in_background", lambda _: is_listed.wait(10))
    context = ReplContext(Context())
    started = time.monotonic()
    for _ in range(20):
        assert context.known_models() == []
    is_listed.set()
    assert time.monotonic() - started < 2


def test_embedded_engine_has_one_model(run, monkeypatch, tmp_path):
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(b"GGUF")
    monkeypatch.setenv("CONTEXTOPS_LOCAL_MODEL", str(weights))
    result = run(*REPL, "--local", input="/models\n/model other\nhi\n")
    assert result.status == 5
    assert "tiny" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_in_pipeline_ends_conversation_and_saves_incomplete_answer(
    command, run, serve, exported
):
    from server import HOLD

    exported(serve(lambda _: stream(chunk("part "), HOLD)))
    process = command.start(*REPL, "--session", "s")
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.read(5) == b"part "
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    assert "part" in run("session", "show", "s").stdout
