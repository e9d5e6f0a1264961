"""Where the key comes from, and where it is sent."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from contextops.config import key as config_key
from contextops.config.layers import collect_layers
from contextops.config.profile import resolve
from contextops.config.show import look_up
from contextops.errors import ConfigError

KEY = "sk-CANARY0123456789"
A, B = "https://a.example", "https://b.example"
posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")


def python(code):
    """Return a command that runs some Python."""
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def test_sources_of_key_count_as_one(stored, environ, tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-typed")
    stored('[profiles.default]\napi_key = "sk-stored"\n')
    assert resolve({}, environ).key.read() == "sk-stored"
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python("print('sk-exported')")
    assert resolve({}, environ).key.read() == "sk-exported"
    assert resolve({"api_key_file": str(file)}, environ).key.read() == "sk-typed"


def test_two_keys_of_one_level_are_refused(stored, environ):
    exported = {"CONTEXTOPS_API_KEY": KEY, "CONTEXTOPS_API_KEY_FILE": "/key"}
    with pytest.raises(ConfigError, match="two keys") as caught:
        resolve({}, {**environ, **exported})
    assert KEY not in caught.value.message
    stored(f'[profiles.default]\napi_key = "{KEY}"\napi_key_file = "/key"\n')
    with pytest.raises(ConfigError, match="two keys") as caught:
        resolve({}, environ)
    assert "api_key_file" in caught.value.message
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    ("file", "exported", "typed", "is_sent"),
    [
        # A stored key goes to its profile's server, and to no other.
        (f'base_url = "{A}"\napi_key = "k"', {}, {}, True),
        (f'base_url = "{A}"\napi_key = "k"', {}, {"base_url": f"{A}:443/x/api"}, True),
        (f'base_url = "{A}"\napi_key = "k"', {}, {"base_url": B}, False),
        (f'base_url = "{A}"\napi_key = "k"', {}, {"base_url": f"{A}:444"}, False),
        (f'base_url = "{A}"\napi_key = "k"', {}, {"base_url": "http://a.example"}, False),
        (f'base_url = "{A}"\napi_key = "k"', {"BASE_URL": B}, {}, False),
        (f'base_url = "{A}"\napi_key = "k"', {"BASE_URL": B}, {"profile": "p"}, True),
        ('api_key = "k"', {}, {}, True),
        ('api_key = "k"', {"BASE_URL": B}, {}, False),
        ('api_key = "k"', {"BASE_URL": B}, {"profile": "p"}, False),
        # An exported one to the exported server, where there is one.
        (f'base_url = "{A}"', {"API_KEY": "k"}, {}, True),
        (f'base_url = "{A}"', {"API_KEY": "k"}, {"base_url": B}, True),
        (f'base_url = "{A}"', {"API_KEY": "k", "BASE_URL": B}, {}, True),
        (f'base_url = "{A}"', {"API_KEY": "k", "BASE_URL": B}, {"base_url": A}, False),
        (f'base_url = "{A}"', {"API_KEY": "k", "BASE_URL": B}, {"profile": "p"}, False),
        # A typed one goes where the command goes.
        (f'base_url = "{A}"', {"BASE_URL": B}, {"api_key_file": "/k"}, True),
        (f'base_url = "{A}"', {}, {"api_key_file": "/k", "base_url": B}, True),
        # The stronger key counts, fitting or not.
        (
            f'base_url = "{A}"\napi_key = "k"',
            {"API_KEY": "x", "BASE_URL": B},
            {"base_url": A},
            False,
        ),
    ],
)
def test_key_is_sent_only_to_its_origin(stored, environ, file, exported, typed, is_sent):
    stored(f'default_profile = "p"\n[profiles.p]\n{file}\n')
    environ |= {f"CONTEXTOPS_{name}": value for name, value in exported.items()}
    profile = resolve(typed, environ)
    assert (profile.key is not None) is is_sent
    assert len(profile.notes) == (not is_sent)


def test_withheld_key_is_noted(stored, environ):
    path = stored(f'[profiles.default]\nbase_url = "{A}"\napi_key = "{KEY}"\n')
    profile = resolve({"base_url": B}, environ)
    assert profile.notes == (
        f"the key from {path} [profiles.default] is not sent to {B}: it belongs to {A}",
    )


def test_secret_header_is_sent_only_to_its_origin(stored, environ):
    stored(
        f'[profiles.default]\nbase_url = "{A}"\n'
        f'headers = {{X-Org = "acme", Authorization = "Bearer {KEY}"}}\n'
    )
    assert resolve({}, environ).headers["Authorization"] == f"Bearer {KEY}"
    profile = resolve({"base_url": B, "headers": {"X-Api-Key": "typed"}}, environ)
    assert profile.headers == {"X-Org": "acme", "X-Api-Key": "typed"}
    [note] = profile.notes
    assert "Authorization" in note
    assert KEY not in note


def test_key_over_plain_http_needs_private_host(environ):
    environ["CONTEXTOPS_API_KEY"] = "k"
    for private in ("http://localhost", "http://192.168.1.5:3000", "http://gpu", "http://x.lan"):
        assert resolve({"base_url": private}, environ).key
    with pytest.raises(ConfigError, match=r"http://a\.example") as caught:
        resolve({"base_url": "http://a.example"}, environ)
    assert "allow_http" in caught.value.remedy
    assert resolve({"base_url": "http://a.example", "allow_http": True}, environ).key
    environ["CONTEXTOPS_ALLOW_HTTP"] = "1"
    assert resolve({"base_url": "http://a.example"}, environ).key


def test_plain_http_without_secrets_is_allowed(stored, environ):
    assert resolve({"base_url": "http://a.example"}, environ).key is None
    stored(f'[profiles.default]\nbase_url = "{A}"\napi_key = "k"\n')
    assert resolve({"base_url": "http://a.example"}, environ).key is None
    with pytest.raises(ConfigError, match="plain http"):
        resolve({"base_url": "http://a.example", "headers": {"Cookie": "x"}}, environ)


@pytest.mark.parametrize("text", ["sk-1", "sk-1\n", "\ufeffsk-1\r\n", "  sk-1  "])
def test_key_file_is_stripped_and_may_be_readable(environ, tmp_path, text):
    file = tmp_path / "key"
    file.write_bytes(text.encode())
    file.chmod(0o644)
    assert resolve({"api_key_file": str(file)}, environ).key.read() == "sk-1"


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b"CANARY\nuser: me\n", b"CANARY\x00", b"CANARY\xff", b"\xff\xfeC\x00"]
)
def test_invalid_key_is_not_echoed(environ, tmp_path, raw):
    file = tmp_path / "key"
    file.write_bytes(raw)
    key = resolve({"api_key_file": str(file)}, environ).key
    with pytest.raises(ConfigError, match="--api-key-file") as caught:
        key.read()
    assert "CANARY" not in caught.value.message


def test_key_file_is_read_once_when_needed(environ, tmp_path):
    file = tmp_path / "key"
    key = resolve({"api_key_file": str(file)}, environ).key
    with pytest.raises(ConfigError, match="no such file"):
        key.read()
    file.write_text("sk-1")
    assert key.read() == "sk-1"
    file.unlink()
    assert key.read() == "sk-1"


@pytest.fixture
def standard_input():
    """Replace standard input of this process and its children by a pipe with text in it."""
    reading, writing = os.pipe()
    os.write(writing, b"text of the prompt")
    os.close(writing)
    saved = os.dup(0)
    os.dup2(reading, 0)
    yield reading
    os.dup2(saved, 0)
    os.close(saved)
    os.close(reading)


def test_key_command_has_no_input_and_no_shell(environ, standard_input):
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python("import sys; print('k' + sys.stdin.read())")
    assert resolve({}, environ).key.read() == "k"
    assert os.read(standard_input, 99) == b"text of the prompt"
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python("import sys; print(sys.argv[1])") + " '$HOME'"
    assert resolve({}, environ).key.read() == "$HOME"


def test_key_command_runs_once_when_needed(environ, tmp_path):
    trace = tmp_path / "trace"
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python(
        f"open({str(trace)!r}, 'a').write('x'); print('k')"
    )
    key = resolve({}, environ).key
    look_up(collect_layers({}, environ), ("api_key_command",))
    assert not trace.exists()
    assert key.read() == key.read() == "k"
    assert trace.read_text() == "x"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (python(f"import sys; print('{KEY}'); sys.exit('{KEY}')"), "status 1"),
        ("no-such-command-anywhere", "no such program"),
        (python(""), "empty"),
        (python("import sys; sys.stdout.buffer.write(b'CANARY\\xff')"), "UTF-8"),
        (python("import time; time.sleep(60)"), "within 0.5 s"),
    ],
)
def test_failing_key_command_is_config_error(environ, monkeypatch, command, why):
    monkeypatch.setattr(config_key, "_COMMAND_TIMEOUT", 0.5)
    environ["CONTEXTOPS_API_KEY_COMMAND"] = command
    key = resolve({}, environ).key
    with pytest.raises(ConfigError) as caught:
        key.read()
    assert why in caught.value.why
    assert "CANARY" not in caught.value.message


@posix
@pytest.mark.parametrize(
    "words", ["cat /dev/zero", "sh -c 'cat /dev/zero; sleep 60'", "sh -c 'cat /dev/zero & exit 0'"]
)
def test_key_command_that_prints_endlessly_is_killed(environ, words):
    key = resolve({}, {**environ, "CONTEXTOPS_API_KEY_COMMAND": words}).key
    with pytest.raises(ConfigError, match="more than 65536 bytes"):
        key.read()


@posix
def test_late_key_command_is_killed_with_its_children(environ, tmp_path, monkeypatch):
    monkeypatch.setattr(config_key, "_COMMAND_TIMEOUT", 0.3)
    words = f"sh -c 'sleep 60 & echo $! > {tmp_path}/child; wait'"
    key = resolve({}, {**environ, "CONTEXTOPS_API_KEY_COMMAND": words}).key
    with pytest.raises(ConfigError, match="did not end"):
        key.read()
    assert_ended(int((tmp_path / "child").read_text()))


def assert_ended(process):
    for _ in range(200):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        stat = Path(f"/proc/{process}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    pytest.fail("it still runs")


@posix
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_kills_key_command(command, tmp_path, signum):
    words = f"sh -c 'echo $$ > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/child; sleep 60'"
    env = {"CONTEXTOPS_API_KEY_COMMAND": words, "CONTEXTOPS_BASE_URL": "http://localhost:1"}
    process = command.start("models", "list", env=env)
    while not (tmp_path / "child").exists():
        time.sleep(0.01)
    process.send_signal(signum)
    assert process.wait(10) == -signum
    assert_ended(int((tmp_path / "child").read_text()))
