"""The embedded engine as a child process: how it starts, runs and ends.

All but the last tests run a fake, see ``engines``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import pytest

from contextops.errors import ServerError, TimedOutError
from contextops.local import default_model_file, running_engine
from deaths import SIGNALS
from engines import is_running, start_error, wait_until

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and sockets of POSIX")


def test_engine_receives_key_on_standard_input_not_in_arguments(fake_engine):
    with running_engine(fake_engine.weights) as engine:
        parameters = fake_engine.parameters
        assert parameters["api_keys"] == str([engine.api_key])
        assert parameters["model_alias"] == "{'tiny-1b'}"
        assert parameters["api_prefix"] == "/api"
        assert parameters["model"] == {"path": str(fake_engine.weights)}
        assert engine.model == "tiny-1b"
        assert engine.api_key not in " ".join(map(str, engine.process.args))
    assert len(engine.api_key) > 32


def test_engine_gets_sampling_defaults_for_small_model(fake_engine):
    with running_engine(fake_engine.weights):
        sampling = fake_engine.parameters["sampling"]

    assert sampling == {"temp": 0.2, "top_p": 0.9, "penalty_repeat": 1.1}


def test_end_while_loading_is_noticed_within_a_second(fake_engine):
    fake_engine.load_with("time.sleep(0.1); os._exit(1)")

    started = time.monotonic()
    start_error(fake_engine.weights)

    assert time.monotonic() - started < 1.0


def test_max_time_ends_loading(fake_engine, temporary_root):
    fake_engine.load_with("time.sleep(60)")

    with (
        pytest.raises(TimedOutError, match="--max-time"),
        running_engine(fake_engine.weights, max_time=0.15),
    ):
        pytest.fail("the engine started")

    assert not list(temporary_root.iterdir())


@posix
def test_socket_is_private_and_removed_at_the_end(fake_engine, temporary_root):
    with running_engine(fake_engine.weights) as engine:
        assert engine.socket is not None
        assert engine.socket.parent.parent == temporary_root
        assert engine.socket.parent.stat().st_mode & 0o777 == 0o700
        assert fake_engine.parameters["hostnames"] == str([str(engine.socket)])
        # In a session of its own, where Ctrl-C at the terminal does not reach it.
        assert os.getsid(engine.process.pid) != os.getsid(0)
        assert engine.error() is None

    assert not is_running(engine.process.pid)
    assert not list(temporary_root.iterdir())


def test_failed_start_leaves_no_files(fake_engine, temporary_root):
    fake_engine.load_with("raise RuntimeError")

    start_error(fake_engine.weights)

    assert not list(temporary_root.iterdir())


def test_meanwhile_is_called_while_model_loads(fake_engine, tmp_path):
    done = tmp_path / "done"
    fake_engine.load_with(f"while not os.path.exists({str(done)!r}): time.sleep(0.005)")

    with running_engine(fake_engine.weights, meanwhile=done.touch, max_time=5):
        assert done.exists()


def test_child_imports_nothing_from_current_folder(fake_engine, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)

    with running_engine(fake_engine.weights):
        pass


@posix
def test_long_tmpdir_is_replaced_by_short_one(fake_engine, tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with running_engine(fake_engine.weights) as engine:
        assert len(bytes(engine.socket)) <= 103


def test_missing_tmpdir_error_names_variable(fake_engine, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr("contextops.local.engine._short_root", lambda: None)

    assert "TMPDIR" in start_error(fake_engine.weights).message


@posix
def test_killed_engine_has_error_that_explains_it(fake_engine):
    with running_engine(fake_engine.weights) as engine:
        os.kill(engine.process.pid, signal.SIGKILL)
        wait_until(lambda: engine.error() is not None)
        error = engine.error()

    assert isinstance(error, ServerError)
    assert "memory" in error.message


@posix
@pytest.mark.parametrize("signum", SIGNALS)
def test_child_ignores_signals(fake_engine, signum):
    fake_engine.load_with("signal.signal(signal.SIGINT, lambda *_: print('interrupted'))")

    with running_engine(fake_engine.weights) as engine:
        os.kill(engine.process.pid, signum)
        time.sleep(0.05)
        assert engine.error() is None
        assert engine.log.read_text() == ""


PARENT = """
import signal, sys, time
from pathlib import Path
from contextops.local import running_engine

signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
with running_engine(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


LOADING, READY = "time.sleep(60)", "pass"


@pytest.fixture
def parent(fake_engine) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(fake_engine.weights)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@posix
@pytest.mark.parametrize("body", [LOADING, READY], ids=["loading", "ready"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_parent_and_child_within_half_a_second(
    fake_engine, temporary_root, parent, body, signum
):
    fake_engine.load_with(body)
    process = parent()
    child = fake_engine.wait_until_loading()
    if body == READY:
        process.stdout.readline()

    started = time.monotonic()
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=5)

    assert time.monotonic() - started < 0.5
    assert process.returncode != 0
    assert not is_running(child)
    assert not list(temporary_root.iterdir())
    assert b"xllamacpp" not in stderr


@posix
def test_killed_parent_ends_child_and_removes_folder(fake_engine, temporary_root, parent):
    process = parent()
    child = fake_engine.wait_until_loading()
    process.stdout.readline()

    process.kill()

    wait_until(lambda: not is_running(child) and not list(temporary_root.iterdir()), 1.0)


@posix
def test_parent_killed_while_loading_ends_child_after_loading(fake_engine, temporary_root, parent):
    fake_engine.load_with("time.sleep(0.2)")
    process = parent()
    child = fake_engine.wait_until_loading()

    process.kill()

    wait_until(lambda: not is_running(child) and not list(temporary_root.iterdir()), 2.0)


@pytest.mark.local_model
def test_real_model_answers(temporary_root):
    import httpx

    started = time.monotonic()
    with running_engine() as engine:
        loaded = time.monotonic() - started
        transport = httpx.HTTPTransport(uds=engine.socket and str(engine.socket))
        headers = {"Authorization": f"Bearer {engine.api_key}"}
        with httpx.Client(transport=transport, base_url=engine.base_url, timeout=60) as client:
            assert client.get("/api/models").status_code == 401
            models = client.get("/api/models", headers=headers).json()["data"]
            response = client.post(
                "/api/chat/completions",
                headers=headers,
                json={
                    "model": engine.model,
                    "messages": [{"role": "user", "content": "Say hello."}],
                },
            )
            assert engine.log.read_text() == ""

    assert [entry["id"] for entry in models] == [engine.model] == ["smollm2-135m-instruct"]
    assert response.json()["choices"][0]["message"]["content"]
    assert response.json()["model"] == engine.model
    assert loaded < 5
    assert not list(temporary_root.iterdir())


@pytest.mark.local_model
@posix
def test_real_engine_reports_truncated_file(tmp_path):
    truncated = tmp_path / "truncated.gguf"
    with default_model_file().open("rb") as complete:
        truncated.write_bytes(complete.read(50_000_000))

    assert "not within the file bounds" in start_error(truncated).message


@pytest.mark.local_model
@posix
def test_real_engine_does_not_delay_ctrl_c(temporary_root):
    for delay in (0.05, 0.2, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(default_model_file())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until(
            lambda: any(path.name.startswith("contextops-") for path in temporary_root.iterdir())
        )
        time.sleep(delay)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        assert time.monotonic() - started < 0.5
        assert not list(temporary_root.iterdir())
