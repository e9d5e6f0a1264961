"""``contextops serve``: the engine in the foreground, with the key that a client would send."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import engines
from contextops.local import engine
from deaths import SIGNALS
from engines import StandIn, runs, until

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ENDS = "import threading; threading.Timer(0.04, lambda: os._exit(7)).start()"


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> StandIn:
    made = engines.stand_in(tmp_path / "packages", monkeypatch)
    monkeypatch.setattr(engine, "default_model_file", lambda: made.weights)
    monkeypatch.setattr("contextops.commands.serve._POLL", 0.02)
    return made


@pytest.fixture
def temporary(monkeypatch) -> Iterator[Path]:
    with engines.temporary(monkeypatch) as folder:
        yield folder


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def configure(home: Path, text: str) -> None:
    path = home / ".config/contextops/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)


def test_a_random_key_is_printed_once_as_the_line_to_export(run, stand_in, port):
    stand_in.loads(ENDS)

    told = run("serve", "--port", str(port))

    word, url, key = shlex.split(told.stdout)
    assert word == "export"
    assert url == f"CONTEXTOPS_BASE_URL=http://localhost:{port}"
    assert re.fullmatch("CONTEXTOPS_API_KEY=sk-[0-9a-f]{32}", key)
    assert stand_in.given["api_keys"] == str([key.partition("=")[2]])
    assert key.partition("=")[2] not in told.stderr


def test_a_person_reads_what_it_is_and_where(run, stand_in, port):
    stand_in.loads(ENDS)

    told = run("serve", "--port", str(port))

    assert told.stderr.splitlines()[0] == (
        f"contextops: note: serving tiny-1b at http://localhost:{port}/api until Ctrl-C: "
        "a demo model, fluent and often wrong"
    )


def test_an_exported_key_is_used_and_not_printed(run, stand_in, port):
    stand_in.loads(ENDS)

    told = run("serve", "--port", str(port), env={"CONTEXTOPS_API_KEY": "sk-exported"})

    assert stand_in.given["api_keys"] == "['sk-exported']"
    assert told.stdout == ""
    assert "sk-exported" not in told.stderr


def test_the_stored_key_of_a_profile_with_that_address_is_used(run, home, stand_in, port):
    stand_in.loads(ENDS)
    configure(home, f'[profiles.here]\nbase_url = "http://localhost:{port}"\napi_key = "sk-stored"')

    told = run("serve", "--port", str(port), env={"CONTEXTOPS_PROFILE": "here"})

    assert stand_in.given["api_keys"] == "['sk-stored']"
    assert told.stdout == ""


def test_a_key_of_another_server_is_not_lent_to_this_one(run, home, stand_in, port):
    stand_in.loads(ENDS)
    configure(home, '[profiles.default]\nbase_url = "https://ai.example.com"\napi_key = "sk-work"')

    told = run("serve", "--port", str(port))

    assert "sk-work" not in str(stand_in.given)
    assert "CONTEXTOPS_API_KEY=sk-" in told.stdout


def test_how_another_server_may_be_asked_is_nothing_to_this_one(run, stand_in, port):
    stand_in.loads(ENDS)

    public = {"CONTEXTOPS_BASE_URL": "http://ai.example.com", "CONTEXTOPS_API_KEY": "sk-work"}
    told = run("serve", "--port", str(port), env=public)

    assert "will not send" not in told.stderr
    assert "sk-work" not in str(stand_in.given)
    assert f"CONTEXTOPS_BASE_URL=http://localhost:{port} CONTEXTOPS_API_KEY=sk-" in told.stdout


@pytest.mark.parametrize("chosen", [{"CONTEXTOPS_PROFILE": "local"}, {}])
def test_who_asks_the_embedded_model_anyway_can_serve_it(run, stand_in, port, chosen):
    stand_in.loads(ENDS)

    told = run(*([] if chosen else ["--local"]), "serve", "--port", str(port), env=chosen)

    assert told.stdout.startswith("export ")


def test_the_engine_that_ends_by_itself_is_a_failure(run, stand_in, port):
    stand_in.loads(ENDS)

    told = run("serve", "--port", str(port))

    assert told.status == 50
    assert told.stderr.splitlines()[-1] == (
        "contextops: the embedded model ended: it ended with status 7; try again"
    )


def test_both_loopback_addresses_are_served(run, stand_in, port):
    stand_in.loads(ENDS)

    run("serve", "--port", str(port))

    assert stand_in.given["hostnames"] in ("['127.0.0.1', '::1']", "['127.0.0.1']")
    assert stand_in.given["port"] == str(port)


def test_other_machines_are_a_warning(run, stand_in, port):
    stand_in.loads(ENDS)

    told = run("serve", "--host", "0.0.0.0", "--port", str(port))  # noqa: S104

    assert "other machines reach it too" in told.stderr
    assert stand_in.given["hostnames"] == "['0.0.0.0']"


def test_a_taken_port_is_status_3_and_names_the_flag(run, stand_in):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = run("serve", "--port", str(taken.getsockname()[1]))

    assert told.status == 3
    assert "the port is taken; choose another with --port" in told.stderr
    assert told.stderr.count("\n") == 1
    assert not stand_in.notes.exists()


def test_a_model_file_of_ones_own_is_served(run, stand_in, port, tmp_path):
    stand_in.loads(ENDS)
    mine = tmp_path / "Mine-3B-Q8_0.gguf"
    mine.write_bytes(engines.GGUF)

    told = run("serve", "--port", str(port), "--model-file", mine)

    assert stand_in.given["model"] == {"path": str(mine)}
    assert "serving mine-3b at" in told.stderr


def test_a_model_file_can_be_exported(run, stand_in, port, tmp_path):
    stand_in.loads(ENDS)
    mine = tmp_path / "Mine-3B-Q8_0.gguf"
    mine.write_bytes(engines.GGUF)

    run("serve", "--port", str(port), env={"CONTEXTOPS_LOCAL_MODEL": str(mine)})

    assert stand_in.given["model"] == {"path": str(mine)}


def test_a_model_file_that_is_none_is_status_3(run, stand_in, tmp_path):
    told = run("serve", "--port", "0", "--model-file", tmp_path / "none.gguf")

    assert told.status == 3
    assert "no such file" in told.stderr


def test_help_calls_it_what_it_is(run):
    told = run("serve", "--help")

    assert "demo model" in told.stdout
    assert "often wrong" in told.stdout


@posix
@pytest.mark.parametrize("signum", SIGNALS)
def test_it_dies_of_the_signal_and_takes_its_child_along(command, stand_in, temporary, signum):
    process = command.start("serve", "--port", "0", "--model-file", stand_in.weights)
    child = stand_in.loading()
    assert process.stdout.readline().startswith(b"export ")

    started = time.monotonic()
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=5)

    assert time.monotonic() - started < 0.5
    assert process.returncode == -signum
    assert stderr.count(b"\n") == 1
    assert not runs(child)
    assert not list(temporary.iterdir())


@posix
def test_ctrl_c_at_a_terminal_ends_it_while_it_loads(terminal, stand_in, temporary):
    stand_in.loads("time.sleep(60)")
    shell = terminal("serve", "--port", "0", "--model-file", str(stand_in.weights))
    child = stand_in.loading()

    started = time.monotonic()
    shell.sendintr()
    shell.expect_exact(__import__("pexpect").EOF)
    shell.close()

    assert time.monotonic() - started < 0.5
    assert shell.signalstatus == signal.SIGINT
    assert shell.before.strip() in ("", "^C")
    assert not runs(child)
    assert not list(temporary.iterdir())


@posix
def test_a_killed_server_takes_its_child_along(command, stand_in, temporary):
    process = command.start("serve", "--port", "0", "--model-file", stand_in.weights)
    child = stand_in.loading()
    process.stdout.readline()

    process.kill()

    until(lambda: not runs(child) and not list(temporary.iterdir()), 1.0)


@pytest.mark.local_model
@posix
def test_the_demo_model_answers_over_http(command, temporary):
    process = command.start("serve", "--port", "0")
    told = dict(word.split("=", 1) for word in process.stdout.readline().decode().split()[1:])
    base_url = told["CONTEXTOPS_BASE_URL"]
    request = urllib.request.Request(  # noqa: S310
        f"{base_url}/api/models",
        headers={"Authorization": f"Bearer {told['CONTEXTOPS_API_KEY']}"},
    )

    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert b'"id":"smollm2-135m-instruct"' in answer.read()

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(request, timeout=1)  # noqa: S310
    assert not list(temporary.iterdir())
