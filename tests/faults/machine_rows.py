"""What a disk, a shell or a person can do, and what must come of it.

Each check makes it happen and gives the status that the command ended with, as the page shows it.
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
_TIMES = 300 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 20


@dataclass(frozen=True)
class MachineRow:
    """One line of the matrix: what happens, and a check for each way in which it does."""

    name: str
    what: str
    checks: Mapping[str, Check]


def runs() -> Iterator[tuple[MachineRow, str, str]]:
    """Give every row, check and mode."""
    for row in ROWS:
        for name in row.checks:
            yield row, name, MODE


def _answering(stage: Stage, answer: Any = None, **settings: Any) -> Server:
    server = stage.serve(answer or (lambda _: stream(*reply("one two"))), **settings)
    stage.ask(server.url)
    return server


def _either(request: Request) -> Answer:
    return LIST if request.path.endswith("/models") else stream(*reply("one two"))


def _one_error(stage: Stage, *words: str) -> None:
    error = stage.read("stderr").decode()
    assert error.count("\n") == 1, error
    assert error.startswith("contextops: ")
    assert [word for word in words if word not in error] == [], error


# What takes the output ---------------------------------------------------------------------------


def _stdout_is(path: str | None, *argv: str) -> Check:
    def check(stage: Stage) -> int:
        _answering(stage, _either, may_be_idle=path is None)
        told = stage.launcher.run(stage.job(*argv, stdout=path))
        assert told.status == 23
        if "--json" in argv:
            assert json.loads(stage.read("stderr"))["error"]["exit"] == 23
        else:
            _one_error(stage, "cannot write to standard output")
        return told.status

    return check


def _reader_leaves(*argv: str) -> Check:
    def check(stage: Stage) -> int:
        lines = [chunk("a line\n"), chunk("and more\n" * 20_000)] * 50
        server = _answering(stage, lambda _: stream(*lines, HOLD))
        pipe = stage.folder / "pipe"
        os.mkfifo(pipe)
        stage.launcher.start(stage.job(*_CHAT, *argv, "hi", stdout=str(pipe)))
        with pipe.open("rb") as reader:
            assert reader.readline()
        (told,) = stage.launcher.ended()
        assert told.status == -signal.SIGPIPE
        assert stage.read("stderr") == b""
        assert server.hung_up.wait(5)
        return told.status

    return check


# What ends it ------------------------------------------------------------------------------------

_SIGNALS = {each.name.removeprefix("SIG"): each for each in SIGNALS}


def _signalled(stage: Stage, signum: signal.Signals, pid: int) -> Run:
    started = time.monotonic()
    os.kill(pid, signum)
    (told,) = stage.launcher.ended()
    assert told.status == -signum
    assert time.monotonic() - started < 0.5 + SLACK
    return told


def _await(stage: Stage, name: str, words: bytes) -> None:
    """Wait until these words are on a stream."""
    path = stage.folder / name
    end = time.monotonic() + 10
    while not (path.exists() and words in path.read_bytes()):
        assert time.monotonic() < end, path.read_bytes()
        time.sleep(0.01)


def _before_a_byte(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        server = _answering(stage, lambda _: [HOLD])
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "hi"))
        assert server.asked.wait(10)
        told = _signalled(stage, signum, pid)
        assert (stage.read("stdout"), stage.read("stderr")) == (b"", b"")
        assert server.hung_up.wait(5)
        return told.status

    return check


def _in_the_stream(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        server = _answering(stage, lambda _: stream(chunk("part "), HOLD))
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "--session", "s", "hi"))
        _await(stage, "stdout", b"part ")
        told = _signalled(stage, signum, pid)
        assert (stage.read("stdout"), stage.read("stderr")) == (b"part \n", b"")
        assert server.hung_up.wait(5)
        kept = _session()[-1]
        assert (kept["content"], kept["complete"]) == ("part ", False)
        return told.status

    return check


def _in_a_document(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        arrived = threading.Event()
        _answering(stage, lambda _: stream(chunk("part "), lambda _c: arrived.set(), HOLD))
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "--json", "hi"))
        assert arrived.wait(10)
        time.sleep(0.3)
        told = _signalled(stage, signum, pid)
        document = json.loads(stage.read("stdout"))
        assert document["choices"][0]["message"]["content"] == "part "
        assert document["contextops"]["complete"] is False
        return told.status

    return check


def _while_retrying(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        _answering(stage, json_answer({"detail": "busy"}, 429, {"retry-after": "60"}))
        (pid,) = stage.launcher.start(stage.job(*_CHAT, "hi"))
        _await(stage, "stderr", b"trying again")
        told = _signalled(stage, signum, pid)
        assert stage.read("stdout") == b""
        assert stage.read("stderr").count(b"\n") == 1
        return told.status

    return check


def _while_reading(signum: signal.Signals) -> Check:
    def check(stage: Stage) -> int:
        _answering(stage, may_be_idle=True)
        pipe = stage.folder / "pipe"
        os.mkfifo(pipe)
        (pid,) = stage.launcher.start(stage.job("chat", "send", "hi", stdin=str(pipe)))
        with pipe.open("wb") as writer:
            writer.write(b"half a question")
            writer.flush()
            time.sleep(0.3)
            told = _signalled(stage, signum, pid)
        assert (stage.read("stdout"), stage.read("stderr")) == (b"", b"")
        return told.status

    return check


# What the files are on ---------------------------------------------------------------------------


def _config() -> Path:
    return Path(os.environ["XDG_CONFIG_HOME"]) / "contextops" / "config.toml"


def _session() -> list[dict[str, Any]]:
    (path,) = Path(os.environ["XDG_STATE_HOME"]).rglob("s.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def _stored(text: str, mode: int = 0o600) -> Path:
    path = _config()
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text(text)
    path.chmod(mode)
    return path


def _full_disk_for_config(stage: Stage) -> int:
    path = _stored('default_profile = "default"\n\n[profiles.default]\nmodel = "old"\n')
    before = path.read_bytes()
    told = stage.launcher.run(stage.job("config", "set", "model", "x" * 5000, file_size=2000))
    assert told.status == 23
    _one_error(stage, "config.toml")
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".tmp"] == []
    return told.status


def _full_disk_for_session(stage: Stage) -> int:
    _answering(stage)
    assert stage.launcher.run(stage.job(*_CHAT, "--session", "s", "x" * 3000)).status == 0
    stage.read("stdout")
    before = _session()
    told = stage.launcher.run(stage.job(*_CHAT, "--session", "s", "hi", file_size=3100))
    assert told.status == 23
    assert stage.read("stdout") == b"one two\n"
    _one_error(stage, "s.jsonl")
    assert _session() == before
    return told.status


def _read_only_for_config(stage: Stage) -> int:
    stage.env["CONTEXTOPS_CONFIG"] = "/proc/config.toml"
    told = stage.launcher.run(stage.job("config", "set", "model", "x"))
    assert told.status == 23
    _one_error(stage, "/proc")
    return told.status


def _read_only_for_session(stage: Stage) -> int:
    _answering(stage)
    stage.env["XDG_STATE_HOME"] = "/proc/state"
    told = stage.launcher.run(stage.job(*_CHAT, "--session", "s", "hi"))
    assert told.status == 23
    assert stage.read("stdout") == b"one two\n"
    _one_error(stage, "/proc/state")
    return told.status


# Who else writes ---------------------------------------------------------------------------------


def _parallel_settings(stage: Stage) -> str:
    jobs = [stage.job("config", "set", f"params.p{number}", str(number)) for number in range(100)]
    stage.launcher.start(*jobs)
    statuses = [told.status for told in stage.launcher.ended()]
    assert set(statuses) <= {0, 3}
    kept = tomllib.loads(_config().read_text())["profiles"]["default"]["params"]
    done = {f"p{number}": number for number, status in enumerate(statuses) if status == 0}
    assert kept == done
    assert len(done) > 50
    return "0"


def _parallel_turns(stage: Stage) -> str:
    _answering(stage)
    jobs = [stage.job(*_CHAT, "--session", "s", f"question {number}") for number in range(50)]
    stage.launcher.start(*jobs)
    statuses = [told.status for told in stage.launcher.ended()]
    assert set(statuses) <= {0, 3, 23}
    records = _session()
    asked = [record["content"] for record in records if record["role"] == "user"]
    assert sorted(asked) == sorted(set(asked))
    done = {f"question {number}" for number, status in enumerate(statuses) if status == 0}
    assert done <= set(asked)
    assert len(done) > 25
    # Each question is followed by its answer: turns are not mixed.
    assert [record["role"] for record in records] == ["user", "assistant"] * len(asked)
    return "0"


def _killed(stage: Stage, *argv: str) -> bool:
    """Kill a run at a random moment of it; tell whether it had ended well before."""
    (pid,) = stage.launcher.start(stage.job(*argv))
    time.sleep(random.uniform(0.0, 0.15))  # noqa: S311  moments, not secrets
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    (told,) = stage.launcher.ended()
    assert told.status in (0, -signal.SIGKILL)
    return told.status == 0


def _killed_settings(stage: Stage) -> str:
    assert (
        stage.launcher.run(stage.job("config", "set", "api_key", "-", stdin=_key(stage))).status
        == 0
    )
    done = {}
    for number in range(_TIMES):
        if _killed(stage, "config", "set", f"params.p{number}", str(number)):
            done[f"p{number}"] = number
    path = _config()
    kept = tomllib.loads(path.read_text())["profiles"]["default"]
    assert kept["api_key"] == KEY
    assert done.items() <= kept.get("params", {}).items()
    _require_private(path)
    assert stage.launcher.run(stage.job("config", "set", "model", "x")).status == 0
    _require_private(path)
    stray = [each for each in path.parent.iterdir() if each != path and KEY in each.read_text()]
    assert stray == []
    return "0"


def _require_private(path: Path) -> None:
    for each in path.parent.iterdir():
        assert each.stat().st_mode & 0o077 == 0, each


def _killed_turns(stage: Stage) -> str:
    _answering(stage)
    done = set()
    for number in range(_TIMES):
        if _killed(stage, *_CHAT, "--session", "s", f"question {number}"):
            done.add(f"question {number}")
    assert stage.launcher.run(stage.job(*_CHAT, "--session", "s", "last")).status == 0
    records = _session()
    assert {*done, "last"} <= {record["content"] for record in records if record["role"] == "user"}
    for path in Path(os.environ["HOME"]).rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
    return "0"


def _killed_at_once(stage: Stage, *argvs: Sequence[str]) -> list[bool]:
    """Start so many at once and kill each at a moment of its own; tell which had ended well."""
    pids = stage.launcher.start(*(stage.job(*argv) for argv in argvs))
    for pid in random.sample(pids, len(pids)):
        time.sleep(random.uniform(0.0, 0.15) / len(pids))  # noqa: S311  moments, not secrets
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    statuses = [told.status for told in stage.launcher.ended()]
    assert set(statuses) <= {0, -signal.SIGKILL}
    return [status == 0 for status in statuses]


def _killed_settings_at_once(stage: Stage) -> str:
    done = {}
    for number in range(_TIMES // 8 + 1):
        names = [f"p{number}_{each}" for each in range(8)]
        argvs = [("config", "set", f"params.{name}", "1") for name in names]
        ended = _killed_at_once(stage, *argvs)
        done.update({name: 1 for name, is_done in zip(names, ended, strict=True) if is_done})
    assert stage.launcher.run(stage.job("config", "set", "model", "x")).status == 0
    kept = tomllib.loads(_config().read_text())["profiles"]["default"]
    assert done.items() <= kept.get("params", {}).items()
    _require_private(_config())
    return "0"


def _killed_turns_at_once(stage: Stage) -> str:
    _answering(stage)
    done = set()
    for number in range(_TIMES // 4 + 1):
        asked = [f"question {number} {each}" for each in range(4)]
        ended = _killed_at_once(stage, *([*_CHAT, "--session", "s", words] for words in asked))
        done |= {words for words, is_done in zip(asked, ended, strict=True) if is_done}
    assert stage.launcher.run(stage.job(*_CHAT, "--session", "s", "last")).status == 0
    records = _session()
    assert {*done, "last"} <= {record["content"] for record in records if record["role"] == "user"}
    return "0"


def _killed_outputs(stage: Stage) -> str:
    _answering(stage)
    path = stage.folder / "answer.txt"
    path.write_text("old")
    for _ in range(_TIMES):
        is_done = _killed(stage, *_CHAT, "-o", str(path), "hi")
        told = path.read_text()
        assert told == "one two\n" if is_done else told in ("old", "one two\n")
    return "0"


def _key(stage: Stage) -> str:
    return stage.file("key", KEY)


# What stands in the config file ------------------------------------------------------------------

_BROKEN = {
    "broken TOML": ('model = "x\n', 0o600),
    "a wrong type": ("[profiles.default]\nretries = true\n", 0o600),
    "a value for a table": ('profiles = "x"\n', 0o600),
    "NUL bytes": ('model = "a\0b"\n', 0o600),
    "a key that others can read": (f'[profiles.default]\napi_key = "{KEY}"\n', 0o644),
}


def _broken(text: str, mode: int) -> Check:
    def check(stage: Stage) -> int:
        path = _stored(text, mode)
        statuses = set()
        for argv in (
            ("config", "get", "model"),
            ("config", "set", "model", "y"),
            ("models", "list"),
        ):
            statuses.add(stage.launcher.run(stage.job(*argv)).status)
            assert stage.read("stdout") == b""
            _one_error(stage, "config.toml")
        assert path.read_bytes() == text.encode()
        assert {each.name for each in path.parent.iterdir()} <= {"config.toml", "config.toml.lock"}
        (status,) = statuses
        assert status == 3
        return status

    return check


def _folder_for_config(stage: Stage) -> int:
    path = _config()
    path.mkdir(parents=True)
    told = stage.launcher.run(stage.job("models", "list"))
    assert told.status == 3
    _one_error(stage, "config.toml")
    assert list(path.iterdir()) == []
    return told.status


def _linked_config(stage: Stage) -> int:
    target = Path(stage.file("real.toml", '[profiles.default]\nmodel = "old"\n'))
    path = _config()
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    told = stage.launcher.run(stage.job("config", "set", "model", "new"))
    assert told.status == 0
    assert path.is_symlink()
    assert tomllib.loads(target.read_text())["profiles"]["default"]["model"] == "new"
    return told.status


def _unknown_setting(stage: Stage) -> int:
    _stored('[profiles.default]\nmodle = "x"\nmodel = "y"\n')
    told = stage.launcher.run(stage.job("config", "get", "model"))
    assert (told.status, stage.read("stdout")) == (0, b"y\n")
    note = stage.read("stderr")
    assert note.startswith(b"contextops: note: ")
    assert b"modle" in note
    return told.status


# What a person types -----------------------------------------------------------------------------


def _named(name: str) -> Check:
    def check(stage: Stage) -> int:
        server = _answering(stage, may_be_idle=True)
        before = set(stage.folder.rglob("*"))
        told = stage.launcher.run(stage.job(*_CHAT, "--session", name, "hi"))
        assert told.status == 2
        assert stage.read("stdout") == b""
        _one_error(stage)
        assert set(stage.folder.rglob("*")) == before
        assert not server.requests
        return told.status

    return check


_NAMES = {
    "../x": "../x",
    "/abs": "/abs",
    "300 characters": "x" * 300,
    "CON": "CON",
    "empty": "",
    "a/b": "a/b",
    "with a line end": "a\nb",
}


def _prompt_of(make: Callable[[Path], object], *words: str) -> Check:
    def check(stage: Stage) -> int:
        server = _answering(stage, may_be_idle=True)
        path = stage.folder / "prompt"
        make(path)
        told = stage.launcher.run(stage.job(*_CHAT, "-f", str(path)))
        assert told.status == 26
        assert stage.read("stdout") == b""
        _one_error(stage, *words)
        assert not server.requests
        return told.status

    return check


def _prompt_of_a_pipe(stage: Stage) -> int:
    server = _answering(stage)
    pipe = stage.folder / "prompt"
    os.mkfifo(pipe)
    stage.launcher.start(stage.job(*_CHAT, "-f", str(pipe)))
    with pipe.open("wb") as writer:
        writer.write(b"asked in a pipe")
    (told,) = stage.launcher.ended()
    assert (told.status, stage.read("stdout"), stage.read("stderr")) == (0, b"one two\n", b"")
    assert "asked in a pipe" in server.request.json()["messages"][0]["content"]
    return told.status


def _around(stdin: str | None = os.devnull, **env: str | None) -> Check:
    """Run it as an interpreter of its own, which reads its surroundings when it starts."""

    def check(stage: Stage) -> int:
        _answering(stage, OpenWebUI())
        stage.env |= env
        job = stage.job("chat", "send", "größer")
        closing = " <&-" if stdin is None else " </dev/null"
        told = subprocess.run(
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
        assert (told.stdout, told.stderr) == ("You said: größer\n".encode(), b"")
        assert told.returncode == 0
        return told.returncode

    return check


# Where a key is kept -----------------------------------------------------------------------------

_CANARY = "sk-CANARY5ca1ab1e0ddba11c0ffee0facade0b"


def _exported_key(stage: Stage) -> set[Path]:
    stage.env["CONTEXTOPS_API_KEY"] = _CANARY
    return set()


def _key_of_a_file(stage: Stage) -> set[Path]:
    path = Path(stage.file("secret", f"{_CANARY}\n"))
    stage.env |= {"CONTEXTOPS_API_KEY": None, "CONTEXTOPS_API_KEY_FILE": str(path)}
    return {path}


def _key_of_a_command(stage: Stage) -> set[Path]:
    path = Path(stage.file("secret", f"{_CANARY}\n"))
    stage.env |= {"CONTEXTOPS_API_KEY": None, "CONTEXTOPS_API_KEY_COMMAND": f"cat {path}"}
    return {path}


def _key_of_the_config(stage: Stage) -> set[Path]:
    stage.env["CONTEXTOPS_API_KEY"] = None
    base = stage.env["CONTEXTOPS_BASE_URL"]
    path = _stored(f'[profiles.default]\nbase_url = "{base}"\napi_key = "{_CANARY}"\n')
    return {path}


def _kept_secret(keep: Callable[[Stage], set[Path]]) -> Check:
    def check(stage: Stage) -> int:
        def answer(request: Request) -> Answer:
            assert request.key == _CANARY
            if b"hold" in request.body:
                return [HOLD]
            if b"refuse" in request.body:
                return detail(f"bad key {request.key}", 401)
            if request.path.endswith("/models"):
                return LIST
            return stream(chunk("one "), 0.05, chunk("two", finish="stop"))

        _answering(stage, answer)
        secret = keep(stage)
        statuses = []
        for argv in (
            (*_CHAT, "-v", "--session", "s", "hi"),
            (*_CHAT, "-v", "refuse"),
            (*_CHAT, "--json", "refuse"),
            (*_CHAT, "--dry-run", "--curl", "hi"),
            ("models", "list", "-v"),
            ("config", "list", "--show-origin"),
            ("config", "get", "api_key"),
        ):
            statuses.append(stage.launcher.run(stage.job(*argv)).status)
            assert _CANARY.encode() not in stage.read("stdout") + stage.read("stderr")
        assert statuses[:6] == [0, 4, 4, 0, 0, 0]
        _require_no_word_of_it(stage)
        for path in stage.folder.rglob("*"):
            if path.is_file() and path not in secret:
                assert _CANARY.encode() not in path.read_bytes(), path
        return statuses[0]

    return check


def _require_no_word_of_it(stage: Stage) -> None:
    """See that others cannot read the key among the words of the process, which asks meanwhile."""
    stage.servers[0].asked.clear()
    argv = [sys.executable, "-m", "contextops", *_CHAT, "hold"]
    env = {**os.environ, **{name: text for name, text in stage.env.items() if text is not None}}
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as process:
        assert stage.servers[0].asked.wait(10)
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        process.kill()
    assert b"contextops" in words
    assert _CANARY.encode() not in words


def _each_signal(when: str, check: Callable[[signal.Signals], Check]) -> dict[str, Check]:
    return {f"{when}: {name}": check(signum) for name, signum in _SIGNALS.items()}


ROWS = (
    MachineRow(
        "M1",
        "stdout takes nothing",
        {
            "full, text": _stdout_is("/dev/full", *_CHAT, "hi"),
            "full, --json": _stdout_is("/dev/full", *_CHAT, "--json", "hi"),
            "full, models list": _stdout_is("/dev/full", "models", "list"),
            "closed, text": _stdout_is(None, *_CHAT, "hi"),
            "closed, --json": _stdout_is(None, *_CHAT, "--json", "hi"),
            "closed, models list": _stdout_is(None, "models", "list"),
        },
    ),
    MachineRow(
        "M2",
        "the reader of a pipe leaves after a line",
        {"text": _reader_leaves(), "--jsonl": _reader_leaves("--jsonl")},
    ),
    MachineRow(
        "M3",
        "a signal",
        {
            **_each_signal("before the first byte", _before_a_byte),
            **_each_signal("in the stream", _in_the_stream),
            **_each_signal("in the stream, --json", _in_a_document),
            **_each_signal("waiting to try again", _while_retrying),
            **_each_signal("reading standard input", _while_reading),
        },
    ),
    MachineRow(
        "M4",
        "a disk that is full or read-only",
        {
            "full, a setting": _full_disk_for_config,
            "full, a session": _full_disk_for_session,
            "read-only, a setting": _read_only_for_config,
            "read-only, a session": _read_only_for_session,
        },
    ),
    MachineRow(
        "M5",
        "many write at once",
        {"100 settings": _parallel_settings, "50 turns of one session": _parallel_turns},
    ),
    MachineRow(
        "M6",
        "it is killed at random moments",
        {
            "while it sets": _killed_settings,
            "eight that set at once": _killed_settings_at_once,
            "while it keeps a turn": _killed_turns,
            "four that keep one session": _killed_turns_at_once,
            "while it writes a file": _killed_outputs,
        },
    ),
    MachineRow(
        "M7",
        "a config file that is not as it should be",
        {
            **{name: _broken(text, mode) for name, (text, mode) in _BROKEN.items()},
            "a folder": _folder_for_config,
            "a symbolic link": _linked_config,
            "an unknown setting": _unknown_setting,
        },
    ),
    MachineRow(
        "M8",
        "a name for a session that is none",
        {shown: _named(name) for shown, name in _NAMES.items()},
    ),
    MachineRow(
        "M9",
        "a file for the prompt",
        {
            "missing": _prompt_of(lambda _: None, "no such file"),
            "a folder": _prompt_of(lambda path: path.mkdir()),
            "binary": _prompt_of(lambda path: path.write_bytes(b"a\xff\x00"), "offset 1"),
            "UTF-16": _prompt_of(lambda path: path.write_bytes("aé".encode("utf-16"))),
            "beyond the limit": _prompt_of(
                lambda path: path.write_bytes(b"x" * (33 << 20)), "too large"
            ),
            "a pipe": _prompt_of_a_pipe,
        },
    ),
    MachineRow(
        "M10",
        "surroundings without a thing",
        {
            "LC_ALL=C": _around(LC_ALL="C", LANG=None),
            "no HOME": _around(HOME=None, XDG_CONFIG_HOME=None, XDG_STATE_HOME=None),
            "TERM=dumb": _around(TERM="dumb"),
            "standard input closed": _around(stdin=None),
        },
    ),
    MachineRow(
        "M11",
        "a key that must be seen nowhere",
        {
            "exported": _kept_secret(_exported_key),
            "in a file": _kept_secret(_key_of_a_file),
            "of a command": _kept_secret(_key_of_a_command),
            "in the config file": _kept_secret(_key_of_the_config),
        },
    ),
)
