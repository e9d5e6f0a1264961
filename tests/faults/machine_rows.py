"""Faults of the machine and invalid input, and their expected outcomes.

Each check causes the fault and returns the exit status of the command, for the page.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deaths import SIGNALS
from faults.launcher import Run
from faults.matrix import SLACK, Stage
from faults.server_rows import LIST
from server import HOLD, Answer, Request, Server
from shapes import KEY, OpenWebUI, chunk, detail, json_answer, reply, stream

MODE = "machine"

Check = Callable[[Stage], int | str]

_CHAT = ("chat", "send", "-n")
_REPETITIONS = 300 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 20


@dataclass(frozen=True)
class MachineRow:
    """One kind of fault, with a check for each way in which it occurs."""

    name: str
    title: str
    checks: Mapping[str, Check]


def runs() -> Iterator[tuple[MachineRow, str, str]]:
    """Yield every row, with the names of its checks and the mode."""
    for row in ROWS:
        for name in row.checks:
            yield row, name, MODE


def _start_server(stage: Stage, answer: Any = None, **settings: Any) -> Server:
    server = stage.serve(answer or (lambda _: stream(*reply("one two"))), **settings)
    stage.use_server(server.url)
    return server


def _models_or_chat(request: Request) -> Answer:
    return LIST if request.path.endswith("/models") else stream(*reply("one two"))


def _assert_one_error(stage: Stage, *words: str) -> None:
    error = stage.read("stderr").decode()
    assert error.count("\n") == 1, error
    assert error.startswith("contextops: ")
    assert [word for word in words if word not in error] == [], error


# Standard output ----------------------------------------------------------------------------------


def _unwritable_stdout(path: str | None, *argv: str) -> Check:
    def check(stage: Stage) -> int:
        _start_server(stage, _models_or_chat, may_be_idle=path is None)
        run = stage.launcher.run(stage.job(*argv, stdout=path))
        assert run.status == 23
        if "--json" in argv:
            assert json.loads(stage.read("stderr"))["error"]["exit"] == 23
        else:
            _assert_one_error(stage, "cannot write to standard output")
        return run.status

    return check


def _reader_closes(*argv: str) -> Check:
    def check(stage: Stage) -> int:
        lines = [chunk("a line\n"), chunk("and more\n" * 20_000)] * 50
        server = _start_server(stage, lambda _: stream(*lines, HOLD))
        pipe = stage.folder / "pipe"
        os.mkfifo(pipe)
        stage.launcher.start(stage.job(*_CHAT, *argv, "hi", stdout=str(pipe)))
        with pipe.open("rb") as reader:
            assert reader.readline()
        (run,) = stage.launcher.wait()
        assert run.status == -signal.SIGPIPE
        assert stage.read("stderr") == b""
        assert server.hung_up.wait(5)
        return run.status

    return check


# Signals ------------------------------------------------------------------------------------------

_SIGNALS = {each.name.removeprefix("SIG"): each for each in SIGNALS}


def _end_with_signal(stage: Stage, signum: signal.Signals, pid: int) -> Run:
    started = time.monotonic()
    os.kill(pid, signum)
    (run,) = stage.launcher.wait()
    assert run.status == -signum
    assert time.monotonic() - started < 0.5 + SLACK
    return run


def _wait_for_output(stage: Stage, name: str, words: bytes) -> None:
    """Wait until a stream contains these words."""
    path = stage.folder / name
    end = time.monotonic() + 10
    while not (path.exists() and words in path.read_bytes()):
        assert time.monotonic() < end, path.read_bytes()
        time.sleep(0.01)


def _signal_before_first_byte(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        server = _start_server(stage, lambda _: [HOLD])
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "hi"))
        assert server.request_received.wait(10)
        run = _end_with_signal(stage, signum, pid)
        assert (stage.read("stdout"), stage.read("stderr")) == (b"", b"")
        assert server.hung_up.wait(5)
        return run.status

    return check


def _signal_in_stream(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        server = _start_server(stage, lambda _: stream(chunk("part "), HOLD))
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "--session", "s", "hi"))
        _wait_for_output(stage, "stdout", b"part ")
        run = _end_with_signal(stage, signum, pid)
        assert (stage.read("stdout"), stage.read("stderr")) == (b"part \n", b"")
        assert server.hung_up.wait(5)
        stored = _session_records()[-1]
        assert (stored["content"], stored["complete"]) == ("part ", False)
        return run.status

    return check


def _signal_in_document(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        arrived = threading.Event()
        _start_server(stage, lambda _: stream(chunk("part "), lambda _c: arrived.set(), HOLD))
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "--json", "hi"))
        assert arrived.wait(10)
        time.sleep(0.3)
        run = _end_with_signal(stage, signum, pid)
        document = json.loads(stage.read("stdout"))
        assert document["choices"][0]["message"]["content"] == "part "
        assert document["contextops"]["complete"] is False
        return run.status

    return check


def _signal_while_retrying(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        _start_server(stage, json_answer({"detail": "busy"}, 429, {"retry-after": "60"}))
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "hi"))
        _wait_for_output(stage, "stderr", b"trying again")
        run = _end_with_signal(stage, signum, pid)
        assert stage.read("stdout") == b""
        assert stage.read("stderr").count(b"\n") == 1
        return run.status

    return check


def _signal_while_reading(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        _start_server(stage, may_be_idle=True)
        pipe = stage.folder / "pipe"
        os.mkfifo(pipe)
        (pid,) = stage.launcher.start(stage.job("chat", "send", "hi", stdin=str(pipe)))
        with pipe.open("wb") as writer:
            writer.write(b"half a question")
            writer.flush()
            time.sleep(0.3)
            run = _end_with_signal(stage, signum, pid)
        assert (stage.read("stdout"), stage.read("stderr")) == (b"", b"")
        return run.status

    return check


# Disks --------------------------------------------------------------------------------------------


def _config() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "contextops" / "config.toml"


def _session_records() -> list[dict[str, Any]]:
    (path,) = Path(os.environ["XDG_STATE_HOME"]).rglob("s.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _write_config(text: str, mode: int = 0o600) -> Path:
    path = _config()
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(text)
    path.chmod(mode)
    return path


def _full_disk_for_config(stage: Stage) -> int:
    path = _write_config('default_profile = "default"\n\n[profiles.default]\nmodel = "old"\n')
    before = path.read_bytes()
    run = stage.launcher.run(stage.job("config", "set", "model", "x" * 5000, file_size=2000))
    assert run.status == 23
    _assert_one_error(stage, "config.toml")
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".tmp"] == []
    return run.status


def _full_disk_for_session(stage: Stage) -> int:
    _start_server(stage)
    assert stage.launcher.run(stage.job(*_CHAT, "--session", "s", "x" * 3000)).status == 0
    stage.read("stdout")
    before = _session_records()
    run = stage.launcher.run(stage.job(*_CHAT, "--session", "s", "hi", file_size=3100))
    assert run.status == 23
    assert stage.read("stdout") == b"one two\n"
    _assert_one_error(stage, "s.jsonl")
    assert _session_records() == before
    return run.status


def _read_only_for_config(stage: Stage) -> int:
    stage.env["CONTEXTOPS_CONFIG"] = "/proc/config.toml"
    run = stage.launcher.run(stage.job("config", "set", "model", "x"))
    assert run.status == 23
    _assert_one_error(stage, "/proc")
    return run.status


def _read_only_for_session(stage: Stage) -> int:
    _start_server(stage)
    stage.env["XDG_STATE_HOME"] = "/proc/state"
    run = stage.launcher.run(stage.job(*_CHAT, "--session", "s", "hi"))
    assert run.status == 23
    assert stage.read("stdout") == b"one two\n"
    _assert_one_error(stage, "/proc/state")
    return run.status


# Concurrent writers -------------------------------------------------------------------------------


def _parallel_settings(stage: Stage) -> str:
    jobs = [stage.job("config", "set", f"params.p{number}", str(number)) for number in range(100)]
    stage.launcher.start(*jobs)
    statuses = [run.status for run in stage.launcher.wait()]
    assert set(statuses) <= {0, 3}
    stored = tomllib.loads(_config().read_text())["profiles"]["default"]["params"]
    completed = {f"p{number}": number for number, status in enumerate(statuses) if status == 0}
    assert stored == completed
    assert len(completed) > 50
    return "0"


def _parallel_turns(stage: Stage) -> str:
    _start_server(stage)
    jobs = [stage.job(*_CHAT, "--session", "s", f"question {number}") for number in range(50)]
    stage.launcher.start(*jobs)
    statuses = [run.status for run in stage.launcher.wait()]
    assert set(statuses) <= {0, 3, 23}
    records = _session_records()
    questions = [record["content"] for record in records if record["role"] == "user"]
    assert sorted(questions) == sorted(set(questions))
    completed = {f"question {number}" for number, status in enumerate(statuses) if status == 0}
    assert completed <= set(questions)
    assert len(completed) > 25
    # Each question is followed by its answer: turns do not interleave.
    assert [record["role"] for record in records] == ["user", "assistant"] * len(questions)
    return "0"


def _kill_at_random(stage: Stage, *argv: str) -> bool:
    """Kill a run at a random time; return whether it had already ended with status 0."""
    (pid,) = stage.launcher.start(stage.job(*argv))
    time.sleep(random.uniform(0.0, 0.15))  # noqa: S311  not used for secrets
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    (run,) = stage.launcher.wait()
    assert run.status in (0, -signal.SIGKILL)
    return run.status == 0


def _kill_config_set(stage: Stage) -> str:
    assert (
        stage.launcher.run(stage.job("config", "set", "api_key", "-", stdin=_key(stage))).status
        == 0
    )
    completed = {}
    for number in range(_REPETITIONS):
        if _kill_at_random(stage, "config", "set", f"params.p{number}", str(number)):
            completed[f"p{number}"] = number
    path = _config()
    stored = tomllib.loads(path.read_text())["profiles"]["default"]
    assert stored["api_key"] == KEY
    assert completed.items() <= stored.get("params", {}).items()
    _assert_private(path)
    assert stage.launcher.run(stage.job("config", "set", "model", "x")).status == 0
    _assert_private(path)
    leaked = [each for each in path.parent.iterdir() if each != path and KEY in each.read_text()]
    assert leaked == []
    return "0"


def _assert_private(path: Path) -> None:
    for each in path.parent.iterdir():
        assert each.stat().st_mode & 0o077 == 0, each


def _kill_chat_send(stage: Stage) -> str:
    _start_server(stage)
    completed = set()
    for number in range(_REPETITIONS):
        if _kill_at_random(stage, *_CHAT, "--session", "s", f"question {number}"):
            completed.add(f"question {number}")
    assert stage.launcher.run(stage.job(*_CHAT, "--session", "s", "last")).status == 0
    records = _session_records()
    assert {*completed, "last"} <= {
        record["content"] for record in records if record["role"] == "user"
    }
    for path in Path(os.environ["HOME"]).rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
    return "0"


def _kill_concurrently(stage: Stage, *argvs: Sequence[str]) -> list[bool]:
    """Start runs at once and kill each at a random time; return which ended with status 0."""
    pids = stage.launcher.start(*(stage.job(*argv) for argv in argvs))
    for pid in random.sample(pids, len(pids)):
        time.sleep(random.uniform(0.0, 0.15) / len(pids))  # noqa: S311  not used for secrets
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    statuses = [run.status for run in stage.launcher.wait()]
    assert set(statuses) <= {0, -signal.SIGKILL}
    return [status == 0 for status in statuses]


def _kill_concurrent_config_set(stage: Stage) -> str:
    completed = {}
    for number in range(_REPETITIONS // 8 + 1):
        names = [f"p{number}_{each}" for each in range(8)]
        argvs = [("config", "set", f"params.{name}", "1") for name in names]
        exit_was_clean = _kill_concurrently(stage, *argvs)
        completed.update(
            {
                name: 1
                for name, is_completed in zip(names, exit_was_clean, strict=True)
                if is_completed
            }
        )
    assert stage.launcher.run(stage.job("config", "set", "model", "x")).status == 0
    stored = tomllib.loads(_config().read_text())["profiles"]["default"]
    assert completed.items() <= stored.get("params", {}).items()
    _assert_private(_config())
    return "0"


def _kill_concurrent_chat_send(stage: Stage) -> str:
    _start_server(stage)
    completed = set()
    for number in range(_REPETITIONS // 4 + 1):
        questions = [f"question {number} {each}" for each in range(4)]
        exit_was_clean = _kill_concurrently(
            stage, *([*_CHAT, "--session", "s", words] for words in questions)
        )
        completed |= {
            words
            for words, is_completed in zip(questions, exit_was_clean, strict=True)
            if is_completed
        }
    assert stage.launcher.run(stage.job(*_CHAT, "--session", "s", "last")).status == 0
    records = _session_records()
    assert {*completed, "last"} <= {
        record["content"] for record in records if record["role"] == "user"
    }
    return "0"


def _kill_output_file(stage: Stage) -> str:
    _start_server(stage)
    path = stage.folder / "answer.txt"
    path.write_text("old")
    for _ in range(_REPETITIONS):
        is_completed = _kill_at_random(stage, *_CHAT, "-o", str(path), "hi")
        text = path.read_text()
        assert text == "one two\n" if is_completed else text in ("old", "one two\n")
    return "0"


def _key(stage: Stage) -> str:
    return stage.file("key", KEY)


# Config files -------------------------------------------------------------------------------------

_INVALID_CONFIGS = {
    "broken TOML": ('model = "x\n', 0o600),
    "a wrong type": ("[profiles.default]\nretries = true\n", 0o600),
    "a string instead of a table": ('profiles = "x"\n', 0o600),
    "NUL bytes": ('model = "a\0b"\n', 0o600),
    "a key in a file that others can read": (f'[profiles.default]\napi_key = "{KEY}"\n', 0o644),
}


def _invalid_config(text: str, mode: int) -> Check:
    def check(stage: Stage) -> int:
        path = _write_config(text, mode)
        statuses = set()
        for argv in (
            ("config", "get", "model"),
            ("config", "set", "model", "y"),
            ("models", "list"),
        ):
            statuses.add(stage.launcher.run(stage.job(*argv)).status)
            assert stage.read("stdout") == b""
            _assert_one_error(stage, "config.toml")
        assert path.read_bytes() == text.encode()
        assert {each.name for each in path.parent.iterdir()} <= {"config.toml", "config.toml.lock"}
        (status,) = statuses
        assert status == 3
        return status

    return check


def _directory_as_config(stage: Stage) -> int:
    path = _config()
    path.mkdir(parents=True)
    run = stage.launcher.run(stage.job("models", "list"))
    assert run.status == 3
    _assert_one_error(stage, "config.toml")
    assert list(path.iterdir()) == []
    return run.status


def _linked_config(stage: Stage) -> int:
    target = Path(stage.file("real.toml", '[profiles.default]\nmodel = "old"\n'))
    path = _config()
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    run = stage.launcher.run(stage.job("config", "set", "model", "new"))
    assert run.status == 0
    assert path.is_symlink()
    assert tomllib.loads(target.read_text())["profiles"]["default"]["model"] == "new"
    return run.status


def _unknown_setting(stage: Stage) -> int:
    _write_config('[profiles.default]\nmodle = "x"\nmodel = "y"\n')
    run = stage.launcher.run(stage.job("config", "get", "model"))
    assert (run.status, stage.read("stdout")) == (0, b"y\n")
    note = stage.read("stderr")
    assert note.startswith(b"contextops: note: ")
    assert b"modle" in note
    return run.status


# Input --------------------------------------------------------------------------------------------


def _session_name(name: str) -> Check:
    def check(stage: Stage) -> int:
        server = _start_server(stage, may_be_idle=True)
        before = set(stage.folder.rglob("*"))
        run = stage.launcher.run(stage.job(*_CHAT, "--session", name, "hi"))
        assert run.status == 2
        assert stage.read("stdout") == b""
        _assert_one_error(stage)
        assert set(stage.folder.rglob("*")) == before
        assert not server.requests
        return run.status

    return check


_NAMES = {
    "../x": "../x",
    "/abs": "/abs",
    "300 characters": "x" * 300,
    "CON": "CON",
    "empty": "",
    "a/b": "a/b",
    "with a newline": "a\nb",
}


def _prompt_file(make: Callable[[Path], object], *words: str) -> Check:
    def check(stage: Stage) -> int:
        server = _start_server(stage, may_be_idle=True)
        path = stage.folder / "prompt"
        make(path)
        run = stage.launcher.run(stage.job(*_CHAT, "-f", str(path)))
        assert run.status == 26
        assert stage.read("stdout") == b""
        _assert_one_error(stage, *words)
        assert not server.requests
        return run.status

    return check


def _prompt_from_fifo(stage: Stage) -> int:
    server = _start_server(stage)
    pipe = stage.folder / "prompt"
    os.mkfifo(pipe)
    stage.launcher.start(stage.job(*_CHAT, "-f", str(pipe)))
    with pipe.open("wb") as writer:
        writer.write(b"question in a pipe")
    (run,) = stage.launcher.wait()
    assert (run.status, stage.read("stdout"), stage.read("stderr")) == (0, b"one two\n", b"")
    assert "question in a pipe" in server.request.json()["messages"][0]["content"]
    return run.status


def _environment(stdin: str | None = os.devnull, **env: str | None) -> Check:
    """Return a check in a new interpreter, which reads the environment when it starts."""

    def check(stage: Stage) -> int:
        _start_server(stage, OpenWebUI())
        stage.env |= env
        job = stage.job("chat", "send", "größer")
        closing = " <&-" if stdin is None else " </dev/null"
        process = subprocess.run(
            [
                "sh",
                "-c",
                f'exec "$@"{closing}',
                "sh",
                sys.executable,
                "-m",
                "contextops",
                *job.argv,
            ],
            env=job.env,
            cwd=job.cwd,
            check=False,
            capture_output=True,
            timeout=20,
            start_new_session=True,
        )
        assert (process.stdout, process.stderr) == ("You said: größer\n".encode(), b"")
        assert process.returncode == 0
        return process.returncode

    return check


# Keys ---------------------------------------------------------------------------------------------

_CANARY = "sk-CANARY5ca1ab1e0ddba11c0ffee0facade0b"


def _key_in_environment(stage: Stage) -> set[Path]:
    stage.env["CONTEXTOPS_API_KEY"] = _CANARY
    return set()


def _key_in_file(stage: Stage) -> set[Path]:
    path = Path(stage.file("secret", f"{_CANARY}\n"))
    stage.env |= {"CONTEXTOPS_API_KEY": None, "CONTEXTOPS_API_KEY_FILE": str(path)}
    return {path}


def _key_from_command(stage: Stage) -> set[Path]:
    path = Path(stage.file("secret", f"{_CANARY}\n"))
    stage.env |= {"CONTEXTOPS_API_KEY": None, "CONTEXTOPS_API_KEY_COMMAND": f"cat {path}"}
    return {path}


def _key_in_config(stage: Stage) -> set[Path]:
    stage.env["CONTEXTOPS_API_KEY"] = None
    base = stage.env["CONTEXTOPS_BASE_URL"]
    path = _write_config(f'[profiles.default]\nbase_url = "{base}"\napi_key = "{_CANARY}"\n')
    return {path}


def _key_stays_secret(store_key: Callable[[Stage], set[Path]]) -> Check:
    def check(stage: Stage) -> int:
        def answer(request: Request) -> Answer:
            assert request.key == _CANARY
            if b"hold" in request.body:
                return [HOLD]
            if b"reject" in request.body:
                return detail(f"bad key {request.key}", 401)
            if request.path.endswith("/models"):
                return LIST
            return stream(chunk("one "), 0.05, chunk("two", finish="stop"))

        _start_server(stage, answer)
        key_files = store_key(stage)
        statuses = []
        for argv in (
            (*_CHAT, "-v", "--session", "s", "hi"),
            (*_CHAT, "-v", "reject"),
            (*_CHAT, "--json", "reject"),
            (*_CHAT, "--dry-run", "--curl", "hi"),
            ("models", "list", "-v"),
            ("config", "list", "--show-origin"),
            ("config", "get", "api_key"),
        ):
            statuses.append(stage.launcher.run(stage.job(*argv)).status)
            assert _CANARY.encode() not in stage.read("stdout") + stage.read("stderr")
        assert statuses[:6] == [0, 4, 4, 0, 0, 0]
        _assert_key_not_in_arguments(stage)
        for path in stage.folder.rglob("*"):
            if path.is_file() and path not in key_files:
                assert _CANARY.encode() not in path.read_bytes(), path
        return statuses[0]

    return check


def _assert_key_not_in_arguments(stage: Stage) -> None:
    """Assert that the arguments of a running command, which others can read, have no key."""
    stage.servers[0].request_received.clear()
    argv = [sys.executable, "-m", "contextops", *_CHAT, "hold"]
    env = {**os.environ, **{name: text for name, text in stage.env.items() if text is not None}}
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as process:
        assert stage.servers[0].request_received.wait(10)
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()
    assert b"contextops" in words
    assert _CANARY.encode() not in words


def _each_signal(when: str, check: Callable[[signal.Signals], Check]) -> dict[str, Check]:
    return {f"{when}: {name}": check(signum) for name, signum in _SIGNALS.items()}


ROWS = (
    MachineRow(
        "M1",
        "stdout cannot be written",
        {
            "full, text": _unwritable_stdout("/dev/full", *_CHAT, "hi"),
            "full, --json": _unwritable_stdout("/dev/full", *_CHAT, "--json", "hi"),
            "full, models list": _unwritable_stdout("/dev/full", "models", "list"),
            "closed, text": _unwritable_stdout(None, *_CHAT, "hi"),
            "closed, --json": _unwritable_stdout(None, *_CHAT, "--json", "hi"),
            "closed, models list": _unwritable_stdout(None, "models", "list"),
        },
    ),
    MachineRow(
        "M2",
        "reader of a pipe closes after one line",
        {"text": _reader_closes(), "--jsonl": _reader_closes("--jsonl")},
    ),
    MachineRow(
        "M3",
        "signal",
        {
            **_each_signal("before the first byte of the response", _signal_before_first_byte),
            **_each_signal("during the stream", _signal_in_stream),
            **_each_signal("during the stream, --json", _signal_in_document),
            **_each_signal("while waiting for a retry", _signal_while_retrying),
            **_each_signal("while reading standard input", _signal_while_reading),
        },
    ),
    MachineRow(
        "M4",
        "full or read-only disk",
        {
            "full, config set": _full_disk_for_config,
            "full, saving a session": _full_disk_for_session,
            "read-only, config set": _read_only_for_config,
            "read-only, saving a session": _read_only_for_session,
        },
    ),
    MachineRow(
        "M5",
        "many concurrent writers",
        {"100 runs of config set": _parallel_settings, "50 turns in one session": _parallel_turns},
    ),
    MachineRow(
        "M6",
        "SIGKILL at random times",
        {
            "config set": _kill_config_set,
            "eight concurrent runs of config set": _kill_concurrent_config_set,
            "chat send with a session": _kill_chat_send,
            "four concurrent chat send with one session": _kill_concurrent_chat_send,
            "chat send with an output file": _kill_output_file,
        },
    ),
    MachineRow(
        "M7",
        "invalid config file",
        {
            **{
                name: _invalid_config(text, mode) for name, (text, mode) in _INVALID_CONFIGS.items()
            },
            "a directory": _directory_as_config,
            "a symbolic link": _linked_config,
            "an unknown setting": _unknown_setting,
        },
    ),
    MachineRow(
        "M8",
        "invalid session name",
        {label: _session_name(name) for label, name in _NAMES.items()},
    ),
    MachineRow(
        "M9",
        "prompt file",
        {
            "missing": _prompt_file(lambda _: None, "no such file"),
            "a directory": _prompt_file(lambda path: path.mkdir()),
            "binary": _prompt_file(lambda path: path.write_bytes(b"a\xff\x00"), "offset 1"),
            "UTF-16": _prompt_file(lambda path: path.write_bytes("aé".encode("utf-16"))),
            "larger than the limit": _prompt_file(
                lambda path: path.write_bytes(b"x" * (33 << 20)), "too large"
            ),
            "a pipe": _prompt_from_fifo,
        },
    ),
    MachineRow(
        "M10",
        "minimal environment",
        {
            "LC_ALL=C": _environment(LC_ALL="C", LANG=None),
            "no HOME": _environment(HOME=None, XDG_CONFIG_HOME=None, XDG_STATE_HOME=None),
            "TERM=dumb": _environment(TERM="dumb"),
            "standard input closed": _environment(stdin=None),
        },
    ),
    MachineRow(
        "M11",
        "the key appears in no output and no other file",
        {
            "from the environment": _key_stays_secret(_key_in_environment),
            "from a key file": _key_stays_secret(_key_in_file),
            "from a key command": _key_stays_secret(_key_from_command),
            "from the config file": _key_stays_secret(_key_in_config),
        },
    ),
)
