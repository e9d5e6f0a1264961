"""``contextops serve``: the embedded engine in the foreground, with the key that clients send."""

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
from deaths import SIGNALS
from engines import FakeEngine, is_running, wait_until

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ENDS = "import threading; threading.Timer(0.04, lambda: os._exit(7)).start()"


@pytest.fixture
def fake_engine(tmp_path, monkeypatch) -> FakeEngine:
    fake = engines.install_fake_engine(tmp_path / "packages", monkeypatch)
    monkeypatch.setattr("contextops.local.weights.default_model_file", lambda: fake.weights)
    monkeypatch.setattr("contextops.commands.serve._POLL", 0.02)
    return fake


@pytest.fixture
def temporary_root(monkeypatch) -> Iterator[Path]:
    with engines.temporary_root(monkeypatch) as folder:
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


def test_serve_prints_random_key_once_as_export_line(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    result = run("serve", "--port", str(port))

    word, url, key = shlex.split(result.stdout)
    assert word == "export"
    assert url == f"CONTEXTOPS_BASE_URL=http://localhost:{port}"
    assert re.fullmatch("CONTEXTOPS_API_KEY=sk-[0-9a-f]{32}", key)
    assert fake_engine.parameters["api_keys"] == str([key.partition("=")[2]])
    assert key.partition("=")[2] not in result.stderr


def test_serve_notes_model_and_address(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    result = run("serve", "--port", str(port))

    assert result.stderr.splitlines()[0] == (
        f"contextops: note: serving tiny-1b at http://localhost:{port}/api until Ctrl-C: "
        "a demo model, fluent and often wrong"
    )


def test_serve_uses_exported_key_without_printing_it(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    result = run("serve", "--port", str(port), env={"CONTEXTOPS_API_KEY": "sk-exported"})

    assert fake_engine.parameters["api_keys"] == "['sk-exported']"
    assert result.stdout == ""
    assert "sk-exported" not in result.stderr


def test_serve_uses_stored_key_of_profile_with_its_address(run, home, fake_engine, port):
    fake_engine.load_with(ENDS)
    configure(home, f'[profiles.here]\nbase_url = "http://localhost:{port}"\napi_key = "sk-stored"')

    result = run("serve", "--port", str(port), env={"CONTEXTOPS_PROFILE": "here"})

    assert fake_engine.parameters["api_keys"] == "['sk-stored']"
    assert result.stdout == ""


def test_serve_does_not_use_key_of_another_server(run, home, fake_engine, port):
    fake_engine.load_with(ENDS)
    configure(home, '[profiles.default]\nbase_url = "https://ai.example.com"\napi_key = "sk-work"')

    result = run("serve", "--port", str(port))

    assert "sk-work" not in str(fake_engine.parameters)
    assert "CONTEXTOPS_API_KEY=sk-" in result.stdout


def test_serve_ignores_exported_address_of_public_server(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    public = {"CONTEXTOPS_BASE_URL": "http://ai.example.com", "CONTEXTOPS_API_KEY": "sk-work"}
    result = run("serve", "--port", str(port), env=public)

    assert "will not send" not in result.stderr
    assert "sk-work" not in str(fake_engine.parameters)
    assert f"CONTEXTOPS_BASE_URL=http://localhost:{port} CONTEXTOPS_API_KEY=sk-" in result.stdout


@pytest.mark.parametrize("chosen", [{"CONTEXTOPS_PROFILE": "local"}, {}])
def test_serve_works_with_profile_local(run, fake_engine, port, chosen):
    fake_engine.load_with(ENDS)

    result = run(*([] if chosen else ["--local"]), "serve", "--port", str(port), env=chosen)

    assert result.stdout.startswith("export ")


def test_serve_fails_when_engine_ends(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    result = run("serve", "--port", str(port))

    assert result.status == 50
    assert result.stderr.splitlines()[-1] == (
        "contextops: the embedded model ended: it ended with status 7; try again"
    )


def test_serve_listens_on_both_loopback_addresses(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    run("serve", "--port", str(port))

    assert fake_engine.parameters["hostnames"] in ("['127.0.0.1', '::1']", "['127.0.0.1']")
    assert fake_engine.parameters["port"] == str(port)


def test_serve_on_all_addresses_prints_warning(run, fake_engine, port):
    fake_engine.load_with(ENDS)

    result = run("serve", "--host", "0.0.0.0", "--port", str(port))  # noqa: S104

    assert "other machines can reach it" in result.stderr
    assert fake_engine.parameters["hostnames"] == "['0.0.0.0']"


def test_serve_on_taken_port_is_status_3_and_names_flag(run, fake_engine):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", "--port", str(taken.getsockname()[1]))

    assert result.status == 3
    assert "the port is taken; choose another with --port" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not fake_engine.record.exists()


def test_serve_model_file_flag_selects_weights(run, fake_engine, port, tmp_path):
    fake_engine.load_with(ENDS)
    weights = tmp_path / "Mine-3B-Q8_0.gguf"
    weights.write_bytes(engines.GGUF)

    result = run("serve", "--port", str(port), "--model-file", weights)

    assert fake_engine.parameters["model"] == {"path": str(weights)}
    assert "serving mine-3b at" in result.stderr


def test_serve_model_file_variable_selects_weights(run, fake_engine, port, tmp_path):
    fake_engine.load_with(ENDS)
    weights = tmp_path / "Mine-3B-Q8_0.gguf"
    weights.write_bytes(engines.GGUF)

    run("serve", "--port", str(port), env={"CONTEXTOPS_LOCAL_MODEL": str(weights)})

    assert fake_engine.parameters["model"] == {"path": str(weights)}


def test_serve_with_missing_model_file_is_status_3(run, fake_engine, tmp_path):
    result = run("serve", "--port", "0", "--model-file", tmp_path / "none.gguf")

    assert result.status == 3
    assert "no such file" in result.stderr


def test_serve_help_describes_demo_model(run):
    result = run("serve", "--help")

    assert "demo model" in result.stdout
    assert "often wrong" in result.stdout


@posix
@pytest.mark.parametrize("signum", SIGNALS)
def test_serve_dies_of_signal_and_ends_child(command, fake_engine, temporary_root, signum):
    process = command.start("serve", "--port", "0", "--model-file", fake_engine.weights)
    child = fake_engine.wait_until_loading()
    assert process.stdout.readline().startswith(b"export ")

    started = time.monotonic()
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=5)

    assert time.monotonic() - started < 0.5
    assert process.returncode == -signum
    assert stderr.count(b"\n") == 1
    assert not is_running(child)
    assert not list(temporary_root.iterdir())


@posix
def test_serve_ends_on_ctrl_c_while_loading(terminal, fake_engine, temporary_root):
    fake_engine.load_with("time.sleep(60)")
    shell = terminal("serve", "--port", "0", "--model-file", str(fake_engine.weights))
    child = fake_engine.wait_until_loading()

    started = time.monotonic()
    shell.sendintr()
    shell.expect_exact(__import__("pexpect").EOF)
    shell.close()

    assert time.monotonic() - started < 0.5
    assert shell.signalstatus == signal.SIGINT
    assert shell.before.strip() in ("", "^C")
    assert not is_running(child)
    assert not list(temporary_root.iterdir())


@posix
def test_killed_serve_ends_child(command, fake_engine, temporary_root):
    process = command.start("serve", "--port", "0", "--model-file", fake_engine.weights)
    child = fake_engine.wait_until_loading()
    process.stdout.readline()

    process.kill()

    wait_until(lambda: not is_running(child) and not list(temporary_root.iterdir()), 1.0)


@pytest.mark.local_model
@posix
def test_serve_answers_over_http(command, temporary_root):
    process = command.start("serve", "--port", "0")
    exported = dict(word.split("=", 1) for word in process.stdout.readline().decode().split()[1:])
    base_url = exported["CONTEXTOPS_BASE_URL"]
    request = urllib.request.Request(  # noqa: S310
        f"{base_url}/api/models",
        headers={"Authorization": f"Bearer {exported['CONTEXTOPS_API_KEY']}"},
    )

    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        assert b'"id":"smollm2-135m-instruct"' in response.read()

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(request, timeout=1)  # noqa: S310
    assert not list(temporary_root.iterdir())
