"""``contextops chat repl`` where standard input is no terminal: a line is a turn."""

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
from contextops.commands import chat_repl
from contextops.commands.context import Context
from contextops.config import state_folder
from contextops.errors import AuthError
from contextops.output.printer import Printer
from shapes import KEY, OpenWebUI, chunk, stream

REPL = ("chat", "repl")
FULL = Path("/dev/full")


@pytest.fixture
def server(serve, exported):
    return exported(serve(OpenWebUI(), may_be_idle=True))


def said(request):
    return [message["content"] for message in request.json()["messages"]]


def test_each_line_is_a_turn_answered_on_stdout(run, server):
    told = run(*REPL, input="one\n\n  \ntwo")
    assert (told.status, told.stdout, told.stderr) == (0, "You said: one\nYou said: two\n", "")
    assert said(server.requests[1]) == ["one", "You said: one", "two"]


def test_a_line_is_answered_before_the_next_is_there(command, server):
    process = command.start(*REPL)
    for word in (b"one", b"two"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"You said: " + word + b"\n"
    process.stdin.close()
    assert process.wait(10) == 0


def test_all_turns_are_tried_and_the_first_failures_status_is_given(run, server):
    told = run(*REPL, input="one\n!429\n!500\ntwo\n")
    assert told.status == 29
    assert told.stdout == "You said: one\nYou said: two\n"
    assert told.stderr.count("\n") == 2
    assert "/retry" not in told.stderr
    # What failed is no part of the conversation.
    assert said(server.requests[-1]) == ["one", "You said: one", "two"]


def test_fail_fast_stops_at_the_first(run, server):
    told = run(*REPL, "--fail-fast", input="!429\none\n")
    assert (told.status, told.stdout) == (29, "")


def test_a_line_that_is_not_utf_8_is_a_turn_that_failed(run, server):
    told = run(*REPL, input=b"\xef\xbb\xbfone\r\nb\xffd\ntwo")
    assert (told.status, told.stdout) == (26, "You said: one\nYou said: two\n")
    assert "line 2 of standard input is not UTF-8: byte 0xff at offset 1" in told.stderr


def test_a_line_that_is_too_long_is_a_turn_that_failed(run, server, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_MAX_PROMPT", "1K")
    told = run(*REPL, input="x" * 3000 + "\none\n" + "y" * 3_000_000 + "\ntwo\n")
    assert (told.status, told.stdout) == (26, "You said: one\nYou said: two\n")
    assert "line 3 of standard input is too long" in told.stderr


def test_commands_work_and_what_they_tell_is_no_answer(run, server):
    told = run(*REPL, input="/model ctx-large\n/tokens\nhi\n/nope\n//etc\n/exit\nnever\n")
    assert told.status == 2
    assert told.stdout == "You said: hi\nYou said: /etc\n"
    assert "model: ctx-large\n" in told.stderr
    assert server.requests[-1].json()["model"] == "ctx-large"


def test_events_of_every_turn(run, server):
    told = run(*REPL, "--jsonl", input="one\n!429\n/nope\nb\xff\n".encode("latin-1"))
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert [event["type"] for event in events[-4:]] == ["done", "error", "error", "error"]
    assert {event["type"] for event in events[:-4]} == {"delta"}
    assert [event["error"]["exit"] for event in events[-3:]] == [29, 2, 26]
    assert told.status == 29
    assert all(json.loads(line)["error"] for line in told.stderr.splitlines())


def test_nothing_is_kept_unless_it_is_asked_for(run, server):
    assert run(*REPL, input="one\n").status == 0
    assert not state_folder().exists()


def test_a_session_goes_on_and_keeps_what_broke_off_marked(run, server):
    assert run(*REPL, "--session", "s", input="one\n!cut now\n").status == 50
    assert run("chat", "send", "-n", "--session", "s", "two").status == 0
    assert said(server.requests[-1]) == ["one", "You said: one", "two"]
    shown = run("session", "show", "s").stdout
    assert "## assistant (not complete, not sent again)" in shown


def test_a_turn_that_was_taken_back_is_shown_as_such(run, server):
    run(*REPL, "--session", "s", input="one\n/undo\ntwo\n")
    shown = run("session", "show", "s").stdout
    assert shown.count("(taken back, not sent again)") == 2
    assert run("chat", "send", "-n", "--session", "s", "three").status == 0
    assert said(server.requests[-1]) == ["two", "You said: two", "three"]


def test_flags_are_in_force(run, server):
    run(
        *(*REPL, "-s", "Be terse.", "-m", "ctx-large", "-t", "0", "--max-tokens", "9"),
        *("--param", "top_p=0.5"),
        input="one\n",
    )
    body = server.request.json()
    assert body["messages"][0] == {"role": "system", "content": "Be terse."}
    given = {name: body[name] for name in ("model", "temperature", "max_tokens", "top_p")}
    assert given == {"model": "ctx-large", "temperature": 0, "max_tokens": 9, "top_p": 0.5}
    assert body["stream"] is True


def test_usage_is_told_after_each_answer(run, server):
    told = run(*REPL, "--usage", input="one\ntwo\n")
    assert told.stderr.count("usage: prompt 11, completion 7, total 18 tokens") == 2


def test_a_template_of_the_config_file(run, server):
    run("config", "set", "templates.t.prompt", "Translate into {language}: {input}")
    run("config", "set", "templates.t.model", "ctx-large")
    run("config", "set", "templates.t.params.seed", "7")
    run("config", "set", "templates.t.system", "You translate.")
    told = run(*REPL, "-m", "ctx-small", input="/template t language=French\nhello\nthanks\n")
    assert told.status == 0
    first, second = (request.json() for request in server.requests)
    assert first["messages"] == [
        {"role": "system", "content": "You translate."},
        {"role": "user", "content": "Translate into French: hello"},
    ]
    assert (first["model"], first["seed"]) == ("ctx-large", 7)
    assert (second["model"], second.get("seed")) == ("ctx-small", None)


@pytest.mark.parametrize("line", ["/template nope", "/edit"])
def test_what_cannot_be_done_here_is_status_3(run, server, line):
    assert run(*REPL, input=f"{line}\n", env={"EDITOR": "true"}).status == 3


def test_max_time_is_each_turns(run, serve, exported, monkeypatch):
    exported(serve(lambda _: stream(0.4, chunk("fine"), chunk(finish="stop"))))
    monkeypatch.setenv("CONTEXTOPS_MAX_TIME", "1s")
    told = run(*REPL, input="one\ntwo\nthree\nfour\n")
    assert (told.status, told.stdout) == (0, "fine\n" * 4)


def test_a_connection_that_the_server_closes_when_idle_costs_nothing(run, serve, exported):
    exported(serve(OpenWebUI(), idle=0))
    told = run(*REPL, input="one\ntwo\n")
    assert (told.status, told.stderr) == (0, "")


def test_without_a_model_the_only_one_is_asked(run, serve, exported):
    exported(serve(OpenWebUI(models=["only"])), model=None)
    assert run(*REPL, input="hi\n").stdout == "You said: hi\n"


def test_without_a_model_there_is_nothing_to_begin_with(run, serve, exported):
    exported(serve(OpenWebUI()), model=None)
    told = run(*REPL, "--jsonl", input="hi\n")
    assert told.status == 3
    assert json.loads(told.stdout)["error"]["exit"] == 3


def test_programs_get_nothing_of_a_session_that_they_did_not_ask_for(run, server):
    run(*REPL, "--session", "s", input="one\n")
    assert run(*REPL, input="/load s\ntwo\n").stdout == "You said: two\n"
    events = run(*REPL, "--jsonl", input="/load s\ntwo\n").stdout
    assert all(json.loads(line)["type"] in ("delta", "done") for line in events.splitlines())


@pytest.mark.skipif(not FULL.exists(), reason="this system has no disk that is always full")
def test_an_output_that_is_full_ends_it(command, server):
    with FULL.open("wb") as full:
        process = command.start(*REPL, stdout=full)
        told = process.communicate(b"one\ntwo\nthree\n", 10)[1]
    assert process.returncode == 23
    assert told.count(b"\n") == 1
    assert len(server.requests) == 1


def test_the_key_is_in_no_output(run, server):
    told = run(*REPL, "-v", input=f"hi\n/model {KEY}\n")
    assert KEY not in told.stdout + told.stderr


def test_to_complete_a_name_no_command_is_run_for_the_key(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_API_KEY_COMMAND", f"touch {tmp_path}/ran")
    client = Client(config.resolve({}), note=print)
    with pytest.raises(AuthError):
        client.background(1.0)
    assert not (tmp_path / "ran").exists()


def test_the_key_is_known_before_the_first_word(run, server, monkeypatch):
    """Who types it first has it in no history."""
    hidden = []
    monkeypatch.setattr(Printer, "add_secret", lambda _, secret: hidden.append(secret))
    run(*REPL, input="")
    assert hidden == [KEY]
    assert server.requests == []


def test_a_command_gives_the_key_when_it_is_needed(monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_API_KEY_COMMAND", f"printf {KEY}")
    runtime = Context()
    chat_repl._hide_key(runtime)
    assert not chat_repl._knows_key(runtime)
    runtime.profile.key.read()
    assert chat_repl._knows_key(runtime)


def test_each_key_that_is_typed_does_not_wait_for_the_models(monkeypatch):
    """Whose list is slow: only the first does, for a moment."""
    is_listed = threading.Event()
    monkeypatch.setattr(chat_repl._Around, "_ask_in_background", lambda _: is_listed.wait(10))
    around = chat_repl._Around(Context())
    started = time.monotonic()
    for _ in range(20):
        assert around.models_by_now() == []
    is_listed.set()
    assert time.monotonic() - started < 2


def test_the_embedded_model_is_the_only_one_there(run, monkeypatch, tmp_path):
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(b"GGUF")
    monkeypatch.setenv("CONTEXTOPS_LOCAL_MODEL", str(weights))
    told = run(*REPL, "--local", input="/models\n/model other\nhi\n")
    assert told.status == 5
    assert "tiny" in told.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_in_a_pipeline_ctrl_c_ends_it_and_the_part_is_kept(command, run, serve, exported):
    from server import HOLD

    exported(serve(lambda _: stream(chunk("part "), HOLD)))
    process = command.start(*REPL, "--session", "s")
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.read(5) == b"part "
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    assert "part" in run("session", "show", "s").stdout
