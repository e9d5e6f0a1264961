"""``contextops config``, as its users run it."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import stat
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from system_spy import patch_calls

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files and signals")

KEY = "sk-CANARY0123456789"


def read(path):
    return tomllib.loads(path.read_text())


def assert_silent(result):
    assert (result.status, result.stdout, result.stderr) == (0, "", "")


def assert_fails(result, status, *words):
    """Assert that stderr has one line with these words, and stdout nothing."""
    assert (result.status, result.stdout) == (status, "")
    assert result.stderr.startswith("contextops: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


# --- set ---


def test_first_set_makes_private_file_with_default_profile(run, path):
    assert_silent(run("config", "set", "model", "llama3.1"))
    assert path.read_text() == '[profiles.default]\nmodel = "llama3.1"\n'
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_several_settings_are_stored_in_their_types(run, path):
    assert_silent(
        run(
            "config",
            "set",
            "base_url=https://ai.example.com/api/",
            "retries=3",
            "allow_http=true",
            "idle_timeout=1m30s",
            "max_body=8M",
            "api_key_command=pass show 'my key'",
            "params.temperature=0.2",
            "params.stop=a=b",
            "headers.X-Org=acme",
        )
    )
    assert read(path)["profiles"]["default"] == {
        "base_url": "https://ai.example.com",
        "retries": 3,
        "allow_http": True,
        "idle_timeout": "1m30s",
        "max_body": "8M",
        "api_key_command": ["pass", "show", "my key"],
        "params": {"temperature": 0.2, "stop": "a=b"},
        "headers": {"X-Org": "acme"},
    }


def test_value_may_contain_equals_sign_or_begin_with_dash(run, path):
    assert_silent(run("config", "set", "system", "a=b"))
    assert_silent(run("config", "set", "params.presence_penalty", "-1"))
    profile = read(path)["profiles"]["default"]
    assert profile == {"system": "a=b", "params": {"presence_penalty": -1}}


def test_dash_reads_standard_input_without_last_line_end(run, path):
    assert_silent(run("config", "set", "api_key", "-", input=f"{KEY}\n"))
    assert_silent(run("config", "set", "system=-", input="two\nlines\n\n"))
    assert_silent(run("config", "set", "model", "-", input="m\r\n"))
    assert read(path)["profiles"]["default"] == {
        "api_key": KEY,
        "system": "two\nlines\n",
        "model": "m",
    }


@posix
def test_key_typed_at_terminal_is_not_echoed(terminal, path):
    child = terminal("config", "set", "api_key", "-")
    child.expect_exact("api_key: ")
    child.sendline(KEY)
    shown = child.read()
    assert "CANARY" not in shown
    assert read(path)["profiles"]["default"] == {"api_key": KEY}


def test_standard_input_is_read_once_and_must_be_utf8(run, path):
    assert_fails(run("config", "set", "model=-", "system=-", input="x"), 2, "twice")
    assert_fails(run("config", "set", "system", "-", input=b"\xff"), 26, "UTF-8")
    assert not path.exists()


def test_profile_is_made_only_if_a_flag_names_it(run, path):
    assert_silent(run("config", "set", "--profile", "work", "model", "m"))
    assert read(path) == {"profiles": {"work": {"model": "m"}}}
    assert_silent(run("--profile", "home", "config", "set", "model", "n"))
    assert read(path)["profiles"]["home"] == {"model": "n"}
    exported = {"CONTEXTOPS_PROFILE": "play"}
    assert_fails(run("config", "set", "model", "o", env=exported), 3, "no profile play")
    assert "play" not in path.read_text()


def test_set_changes_profile_in_use(run, stored):
    path = stored('default_profile = "work"\n\n[profiles.work]\n\n[profiles.home]\n')
    assert_silent(run("config", "set", "model", "m"))
    assert_silent(run("config", "set", "model", "n", env={"CONTEXTOPS_PROFILE": "home"}))
    assert read(path)["profiles"] == {"work": {"model": "m"}, "home": {"model": "n"}}


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["--local", "--profile", "work"], "work"),
        (["--profile", "work", "--local"], "local"),
        (["--profile", "x", "--profile", "work"], "work"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_later_of_local_and_profile_wins(run, stored, flags, name, place):
    stored("[profiles.work]\n")
    argv = ["config", "get", "profile"]
    result = run(*flags, *argv) if place == "before" else run(*argv, *flags)
    assert (result.status, result.stdout, result.stderr) == (0, f"{name}\n", "")


def test_local_profile_cannot_be_set(run, path):
    for argv in (["--local"], ["--profile", "local"]):
        assert_fails(run("config", "set", *argv, "model", "m"), 3, "profile local", "built in")
    assert not path.exists()


def test_set_default_profile_checks_that_it_exists(run, path):
    assert_silent(run("config", "set", "--profile", "work", "model=m", "default_profile=work"))
    assert read(path)["default_profile"] == "work"
    assert_fails(run("config", "set", "default_profile", "home"), 3, "no profile home")
    assert_silent(run("config", "set", "default_profile", "local"))
    assert read(path)["default_profile"] == "local"


def test_source_of_key_replaces_another_with_note(run, path, tmp_path):
    run("config", "set", "api_key", "-", input=KEY)
    result = run("config", "set", "api_key_file", tmp_path / "key")
    assert (result.status, result.stdout) == (0, "")
    assert result.stderr == "contextops: note: api_key_file replaces api_key\n"
    assert list(read(path)["profiles"]["default"]) == ["api_key_file"]
    assert_fails(run("config", "set", "api_key=x", "api_key_file=y"), 3, "two keys")


def test_relative_path_is_stored_as_absolute(run, path, home, monkeypatch):
    monkeypatch.chdir(home)
    assert_silent(run("config", "set", "api_key_file=key", "system=@me.md", "ca_bundle=~/ca.pem"))
    assert read(path)["profiles"]["default"] == {
        "api_key_file": str(home / "key"),
        "system": f"@{home / 'me.md'}",
        "ca_bundle": "~/ca.pem",
    }


@pytest.mark.parametrize(
    ("argv", "status", "word"),
    [
        (["modle", "m"], 2, "did you mean model?"),
        (["modle=m"], 2, "did you mean model?"),
        (["sk-CANARY0123456789", "api_key"], 2, "unknown setting ***"),
        (["model"], 2, "KEY VALUE"),
        (["model", "m", "n"], 2, "KEY VALUE"),
        (["model=m", "retries"], 2, "KEY=VALUE"),
        (["model.x", "m"], 2, "model has no keys below it"),
        (["model", ""], 2, "contextops config unset model"),
        (["retries", "many"], 2, "whole number"),
        (["allow_http", "yes"], 2, "true or false"),
        (["idle_timeout", "soon"], 2, "duration"),
        (["params.model", "m"], 2, "model cannot be set as a parameter"),
        (["params.stop", "null"], 3, "TOML cannot hold"),
        (["params", "[1]"], 2, "JSON object"),
        (["headers.X A", "b"], 2, "name"),
        (["base_url", "ftp://a.example"], 3, "http://"),
        (["base_url", "https://me:hunter2@a.example"], 3, "user name or password"),
        (["base_url", "https://a.example:65536"], 3, "port"),
        (["api_key", "sk-CANARY and more"], 3, "header"),
    ],
)
def test_invalid_key_or_value_is_refused(run, path, argv, status, word):
    result = run("config", "set", *argv)
    assert_fails(result, status, word)
    assert "hunter2" not in result.stderr
    assert "CANARY" not in result.stderr
    assert not path.exists()


def test_lost_comments_are_copied_without_keys_with_note(run, stored):
    path = stored(f'# mine, before it was {KEY}\n[profiles.default]\napi_key = "{KEY}"\n')
    result = run("config", "set", "model", "m")
    backup = path.with_name("config.toml.bak")
    assert (result.status, result.stdout) == (0, "")
    assert result.stderr.startswith("contextops: note: ")
    assert str(backup) in result.stderr
    assert backup.read_text() == '# mine, before it was ***\n[profiles.default]\napi_key = "***"\n'
    assert read(path)["profiles"]["default"] == {"api_key": KEY, "model": "m"}


def test_quiet_suppresses_note(run, stored):
    stored("# mine\n")
    assert_silent(run("config", "set", "-q", "model", "m"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[profiles.default\n", "line 1, column 18"),
        ('x = 1\n[profiles.default]\nretries = "2"\n', "line 3, column 1"),
    ],
)
@pytest.mark.parametrize("argv", [["set", "model", "m"], ["get", "model"], ["list"], ["use"]])
def test_broken_file_is_reported_and_unchanged(run, stored, text, place, argv):
    path = stored(text)
    assert_fails(run("config", *argv), 3, str(path), place, "contextops config edit")
    assert path.read_text() == text


@posix
@pytest.mark.parametrize("argv", [["set", "model", "m"], ["unset", "model"], ["get", "model"]])
def test_file_with_key_readable_by_others_is_refused(run, stored, argv):
    path = stored(f'[profiles.default]\napi_key = "{KEY}"\n')
    path.chmod(0o644)
    assert_fails(run("config", *argv), 3, f"chmod 600 {path}")
    assert KEY in path.read_text()


def test_folder_in_place_of_file_is_refused(run, path):
    path.mkdir(parents=True)
    assert_fails(run("config", "set", "model", "m"), 3, str(path))
    assert_fails(run("config", "get", "model"), 3, str(path))


@posix
def test_symbolic_link_is_preserved(run, path, tmp_path):
    target = tmp_path / "dotfiles.toml"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    assert_silent(run("config", "set", "model", "m"))
    assert path.is_symlink()
    assert read(target) == {"profiles": {"default": {"model": "m"}}}


def test_variable_names_another_file(run, path, tmp_path):
    other = tmp_path / "a" / "other.toml"
    named = {"CONTEXTOPS_CONFIG": str(other)}
    assert_fails(run("config", "get", "model", env=named), 3, str(other))
    assert_fails(run("config", "unset", "model", env=named), 3, str(other))
    assert not other.parent.exists()
    assert_silent(run("config", "set", "model", "m", env=named))
    assert run("config", "get", "model", env=named).stdout == "m\n"
    assert not path.exists()


@posix
def test_device_is_read_but_never_replaced(run):
    named = {"CONTEXTOPS_CONFIG": "/dev/null"}
    assert run("config", "get", "retries", env=named).stdout == "2\n"
    assert_fails(run("config", "set", "model", "m", env=named), 3, "not a regular file")
    assert Path("/dev/null").is_char_device()
    assert not Path("/dev/null.lock").exists()


def test_full_disk_leaves_file_unchanged(run, stored, monkeypatch):
    text = '[profiles.default]\nmodel = "old"\n'
    path = stored(text)

    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    patch_calls(monkeypatch, write=full)
    assert_fails(run("config", "set", "model", "new"), 23, "no space left on device")
    assert path.read_text() == text
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "config.toml",
        "config.toml.lock",
    ]


# --- get ---


def test_get_prints_value_in_effect_from_any_level(run, stored):
    stored('[profiles.default]\nmodel = "stored"\n')
    assert run("config", "get", "model").stdout == "stored\n"
    exported = {"CONTEXTOPS_MODEL": "exported"}
    assert run("config", "get", "model", env=exported).stdout == "exported\n"
    typed = run("config", "get", "--profile", "default", "model", env=exported)
    assert typed.stdout == "stored\n"
    assert run("config", "get", "idle_timeout").stdout == "2m\n"
    assert run("--base-url", "http://a/v1", "config", "get", "base_url").stdout == "http://a\n"
    assert run("config", "get", "--base-url", "http://a/v1", "api_path").stdout == "/v1\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "llama3.1:8b"),
        ("base_url", "https://ai.example.com/team"),
        ("api_path", "/v1"),
        ("api_key_command", "pass show contextops"),
        ("system", "two\nlines, a\ttab,  blanks and ü "),
        ("idle_timeout", "1h30m"),
        ("max_time", "0"),
        ("retries", "0"),
        ("allow_http", "true"),
        ("max_answer", "512K"),
        ("params.temperature", "0.2"),
        ("params.stop", '["a","b"]'),
        ("params.logit_bias.50256", "-100"),
        ("params", '{"seed":1,"stop":"x"}'),
        ("headers.X-Org", "acme"),
        ("session", "notes"),
        ("default_profile", "local"),
    ],
)
def test_get_prints_what_was_set(run, key, value):
    assert_silent(run("config", "set", key, value))
    if key == "default_profile":
        assert run("config", "get", "profile").stdout == "local\n"
    result = run("config", "get", key)
    assert (result.status, result.stdout, result.stderr) == (0, f"{value}\n", "")


def test_get_of_unset_key_fails_without_output(run):
    for key in ("model", "api_key", "params", "params.seed", "headers.X", "default_profile"):
        assert_fails(run("config", "get", key), 3, f"{key} is not set")
    assert_fails(run("config", "get", "modle"), 2, "did you mean model?")


def test_get_json_preserves_types(run):
    run("config", "set", "params.seed=7", "retries=1", "idle_timeout=90s", "max_body=1K")
    assert run("config", "get", "--json", "params").stdout == '{"seed":7}\n'
    assert run("config", "get", "--json", "retries").stdout == "1\n"
    assert run("config", "get", "--json", "idle_timeout").stdout == "90.0\n"
    assert run("config", "get", "--json", "max_body").stdout == "1024\n"
    assert run("config", "get", "--json", "base_url").stdout == '"http://localhost:3000"\n'


def test_unknown_key_is_noted_and_can_be_removed(run, stored):
    path = stored('[profiles.default]\nmodle = "m"\n')
    result = run("config", "get", "retries")
    assert (result.status, result.stdout) == (0, "2\n")
    assert result.stderr == (
        f"contextops: note: unknown key modle in {path} [profiles.default]; did you mean model?\n"
    )
    assert_silent(run("config", "unset", "modle"))
    assert run("config", "get", "retries").stderr == ""


# --- list ---


def test_list_in_pipe_prints_key_value_lines(run):
    run("config", "set", "params.seed=7", "model=m", "system=two\nlines")
    result = run("config", "list")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "profile = default",
        "base_url = http://localhost:3000",
        "api_path = /api",
        "model = m",
        'system = "two\\nlines"',
        "params.seed = 7",
        "connect_timeout = 10s",
        "first_token_timeout = 5m",
        "idle_timeout = 2m",
        "retries = 2",
        "allow_http = false",
        "insecure = false",
        "max_answer = 64M",
        "max_event = 8M",
        "max_body = 32M",
        "max_prompt = 32M",
    ]


def test_list_shows_origin_of_each_value(run, path):
    run("config", "set", "model", "m")
    result = run(
        "config", "list", "--show-origin", "--retries", "1", env={"CONTEXTOPS_SYSTEM": "s"}
    )
    lines = result.stdout.splitlines()
    assert f"{path} [profiles.default]\tmodel = m" in lines
    assert "CONTEXTOPS_SYSTEM\tsystem = s" in lines
    assert "flag --retries\tretries = 1" in lines
    assert "default\tmax_body = 32M" in lines


def test_list_json_is_one_document(run):
    run("config", "set", "params.seed=7", "headers.X-Org=acme", "idle_timeout=90s")
    document = json.loads(run("config", "list", "--json").stdout)
    assert document["params"] == {"seed": 7}
    assert document["headers"] == {"X-Org": "acme"}
    assert document["idle_timeout"] == 90
    assert "model" not in document
    document = json.loads(run("config", "list", "--json", "--show-origin").stdout)
    assert document["retries"] == {"value": 2, "origin": "default"}
    assert document["params"]["seed"]["value"] == 7


@posix
def test_list_on_terminal_is_table(terminal):
    child = terminal("config", "list", columns=120)
    child.expect(r"KEY +VALUE\r\n")
    child.expect(r"idle_timeout +2m\r\n")
    child.expect("max_prompt +32M\r\n")


@posix
def test_control_characters_are_visible_on_terminal(run, terminal):
    run("config", "set", "model", "a\x1b]0;owned\x07b")
    assert run("config", "get", "model").stdout == "a\x1b]0;owned\x07b\n"
    child = terminal("config", "get", "model")
    child.expect_exact("a^[]0;owned^Gb\r\n")


@posix
def test_tab_of_value_is_printed_on_terminal(run, terminal):
    assert_silent(run("config", "set", "system", "a\tb\nc"))
    child = terminal("config", "get", "system")
    # The terminal may expand the tab.
    assert child.read().expandtabs() == "a       b\r\nc\r\n"
    child.close()
    assert child.exitstatus == 0


# --- unset, use, path, edit ---


def test_setting_is_unset(run, path):
    run("config", "set", "model=m", "params.seed=1", "params.top_p=1", "headers.X-Org=acme")
    assert_silent(run("config", "unset", "model"))
    assert_silent(run("config", "unset", "params.seed", "headers.x-org"))
    assert read(path)["profiles"]["default"] == {"params": {"top_p": 1}}
    assert_silent(run("config", "unset", "params"))
    assert read(path) == {"profiles": {"default": {}}}


def test_unset_of_unset_key_succeeds(run, path):
    assert_silent(run("config", "unset", "model"))
    assert not path.parent.exists()
    assert_fails(run("config", "unset", "modle"), 2, "did you mean model?")
    assert_fails(run("config", "unset"), 2, "nothing to unset")
    assert_fails(run("config", "unset", "--profile", "work", "model"), 3, "no profile work")


def test_whole_profile_is_removed(run, stored):
    path = stored('default_profile = "work"\n\n[profiles.home]\n\n[profiles.work]\n')
    assert_silent(run("config", "unset", "--profile", "home"))
    assert read(path) == {"default_profile": "work", "profiles": {"work": {}}}
    result = run("config", "unset", "--profile", "work")
    assert (result.status, result.stdout) == (0, "")
    assert "work was the default profile" in result.stderr
    assert read(path) == {}
    assert_fails(run("config", "unset", "--profile", "work"), 3, "no profile work")


def test_use_makes_profile_the_default(run, path):
    run("config", "set", "--profile", "work", "model", "m")
    assert_fails(run("config", "get", "model"), 3)
    assert_silent(run("config", "use", "work"))
    assert run("config", "get", "model").stdout == "m\n"
    assert_fails(run("config", "use", "home"), 3, "no profile home", "has work")
    assert_silent(run("config", "unset", "default_profile"))
    assert read(path) == {"profiles": {"work": {"model": "m"}}}


def test_use_without_name_lists_profiles(run):
    assert run("config", "use").stdout == "default\nlocal\n"
    run("config", "set", "--profile", "work", "base_url", "https://ai.example.com")
    run("config", "use", "work")
    assert run("config", "use").stdout == "default\nwork\nlocal\n"
    assert json.loads(run("config", "use", "--json").stdout) == [
        {"name": "default", "base_url": "http://localhost:3000", "in_use": False},
        {"name": "work", "base_url": "https://ai.example.com", "in_use": True},
        {"name": "local", "base_url": None, "in_use": False},
    ]


def test_use_on_terminal_marks_profile_in_use(terminal):
    child = terminal("config", "use", env={"CONTEXTOPS_PROFILE": "local"})
    child.expect(r"PROFILE +SERVER\r\n")
    child.expect(r"   +default +http://localhost:3000\r\n")
    child.expect(r"\* +local +the embedded model\r\n")


def test_path_is_printed_for_any_file(run, path, stored):
    assert run("config", "path").stdout == f"{path}\n"
    stored("broken =")
    assert run("config", "path").stdout == f"{path}\n"
    named = run("config", "path", env={"CONTEXTOPS_CONFIG": "other.toml"})
    assert named.stdout == "other.toml\n"


def editing(code):
    """Return an editor that runs Python code with the file's path in ``path``."""
    prelude = "import sys; from pathlib import Path; path = Path(sys.argv[1]); "
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(prelude + code)}"


def test_edit_opens_file_in_editor_and_checks_it(run, path):
    good = editing("path.write_text('[profiles.default]\\nmodel = \"m\"\\n')")
    assert_silent(run("config", "edit", env={"VISUAL": good, "EDITOR": "false"}))
    assert run("config", "get", "model").stdout == "m\n"
    broken = editing("path.write_text('[profiles.default')")
    assert_fails(run("config", "edit", env={"EDITOR": broken}), 3, "line 1, column 18")
    assert path.read_text() == "[profiles.default"
    assert_silent(run("config", "edit", env={"EDITOR": good}))


def test_group_without_command_prints_help(run):
    result = run("config")
    assert (result.status, result.stderr) == (0, "")
    for name in ("set", "get", "unset", "list", "path", "edit", "use"):
        assert f"\n  {name} " in result.stdout


# --- keys in output ---


@pytest.mark.parametrize("level", ["environment", "file", "command", "header", "proxy"])
def test_key_is_in_no_output(run, stored, level):
    exported = {}
    if level == "environment":
        exported["CONTEXTOPS_API_KEY"] = KEY
    else:
        line = {
            "file": f'api_key = "{KEY}"',
            "command": f'api_key_command = ["printf", "{KEY}"]',
            "header": f'headers = {{Authorization = "Bearer {KEY}"}}',
            "proxy": f'proxy = "http://me:{KEY}@proxy:3128"',
        }[level]
        stored(f"# mine\n[profiles.default]\n{line}\n")
    shown = ""
    for argv in (
        ["list"],
        ["list", "--json", "--show-origin"],
        ["get", "api_key"],
        ["get", "api_key_command"],
        ["get", "headers"],
        ["get", "headers.Authorization"],
        ["get", "proxy"],
        ["set", "retries", "x"],
        ["set", "model", "m"],
        ["use"],
    ):
        result = run("config", *argv, env=exported)
        shown += result.stdout + result.stderr
    assert "CANARY" not in shown
    assert "***" in shown
    if level in ("environment", "file"):
        assert run("config", "get", "api_key", env=exported).stdout == "***6789\n"


# --- concurrency and sudden ends ---


def test_parallel_sets_are_all_stored(command, path):
    def put(number):
        return command("config", "set", f"params.p{number}", str(number))

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(put, range(20)))
    assert [result.status for result in results] == [0] * 20
    params = read(path)["profiles"]["default"]["params"]
    assert params == {f"p{number}": number for number in range(20)}


@posix
def test_killed_set_leaves_complete_file(command, path, tmp_path):
    """Kill a loop of sets at random moments: no acknowledged value is lost, and no key leaks."""
    command("config", "set", "api_key", "-", stdin=KEY)
    loop = (
        "import sys; from typer.testing import CliRunner; from contextops.app import app\n"
        "for n in range(10**6):\n"
        "    run = CliRunner().invoke(app, ['config', 'set', 'retries', str(n % 1000)])\n"
        "    assert run.exit_code == 0\n"
        "    print(n % 1000, flush=True)\n"
    )
    chance = random.Random(4)  # noqa: S311  the moments only have to differ
    for _ in range(4):
        # Started once a round: the interpreter is slow to start, the writes are not.
        with subprocess.Popen([sys.executable, "-c", loop], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            acknowledged = process.stdout.read().split()
        profile = read(path)["profiles"]["default"]
        assert profile["api_key"] == KEY
        if acknowledged:
            last = int(acknowledged[-1])
            assert profile["retries"] in (last, (last + 1) % 1000)
    assert command("config", "set", "model", "m").status == 0
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "config.toml",
        "config.toml.lock",
    ]


def test_config_command_loads_no_http_client():
    code = (
        "import sys; from typer.testing import CliRunner; from contextops.app import app\n"
        "CliRunner().invoke(app, ['config', 'get', 'retries'])\n"
        "print([name for name in ('httpx', 'rich', 'tomli_w', 'tomllib') if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert result.stdout == b"[]\n"


# --- input, environment and files that fail ---


@posix
@pytest.mark.parametrize(("key", "ending"), [("\x03", -signal.SIGINT), ("\x04", 26)])
def test_interrupted_key_prompt_stores_nothing(terminal, path, key, ending):
    child = terminal("config", "set", "api_key", "-")
    child.expect_exact("api_key: ")
    child.send(key)
    shown = child.read()
    child.wait()
    assert -(child.signalstatus or 0) + (child.exitstatus or 0) == ending
    assert "Aborted" not in shown
    lines = [line for line in shown.splitlines() if line.strip()]
    expected = ["contextops: cannot read api_key: the input ended; type it"]
    assert lines == (expected if ending == 26 else [])
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["api_key", KEY], "api_key"),
        (["model=m", f"api_key={KEY}"], "api_key"),
        (["headers.X-Token", KEY], "headers.X-Token"),
    ],
)
def test_key_on_command_line_is_stored_with_note(run, path, words, named):
    result = run("config", "set", *words)
    assert (result.status, result.stdout) == (0, "")
    assert result.stderr == (
        "contextops: note: other users of this machine can read the command line; "
        f"next time: contextops config set {named} -\n"
    )
    assert KEY in path.read_text()


@posix
@pytest.mark.parametrize(
    "words", [["config", "set", "model", "-"], ["api", "POST", "/models", "-d", "-"]]
)
def test_unreadable_standard_input_is_input_error(command, tmp_path, words):
    with (tmp_path / "file").open("wb") as stream:
        result = command(*words, stdin=stream, env={"CONTEXTOPS_BASE_URL": "http://localhost:1"})
    assert_fails(result, 26, "cannot read standard input: bad file descriptor")


@posix
def test_nonblocking_standard_input_is_read_to_its_end(command, path):
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    process = command.start("config", "set", "system", "-", stdin=reading)
    for _ in range(4):
        time.sleep(0.2)
        os.write(writing, b"x" * 1000)
    os.close(writing)
    assert process.wait(10) == 0
    os.close(reading)
    assert read(path)["profiles"]["default"] == {"system": "x" * 4000}


@posix
def test_relative_path_in_removed_folder_is_refused(command, tmp_path):
    gone = tmp_path / "gone"
    script = (
        f'mkdir {gone} && cd {gone} && rmdir {gone} && exec {sys.executable} -P -m contextops "$@"'
    )

    def run(*words, **env):
        program = ["sh", "-c", script, "sh", *words]
        result = subprocess.run(
            program, capture_output=True, check=False, env={**os.environ, **env}
        )
        return result.returncode, result.stdout, result.stderr.decode()

    status, stdout, stderr = run("config", "set", "api_key_file", "k")
    assert (status, stdout, stderr.count("\n")) == (3, b"", 1)
    assert "the current folder was removed" in stderr
    status, stdout, stderr = run("config", "set", "model", "m", CONTEXTOPS_CONFIG="here.toml")
    assert (status, stdout, stderr.count("\n")) == (23, b"", 1)
    assert "cannot write here.toml: no such file or directory" in stderr


def test_edit_without_terminal_needs_editor_variable(command, path):
    assert_fails(command("config", "edit"), 3, "no editor: vi needs a terminal; set EDITOR")
    assert not path.exists()


def test_unknown_key_outside_profiles_can_be_removed(run, stored):
    path = stored('modle = "m"\nmodel = "m"\n\n[other]\na = 1\n\n[profiles.default]\nretries = 1\n')
    assert "unknown key modle" in run("config", "get", "retries").stderr
    for key in ("modle", "other", "model"):
        assert_silent(run("config", "unset", key))
    assert read(path) == {"profiles": {"default": {"retries": 1}}}
    assert_fails(run("config", "unset", "modle"), 2, "unknown setting modle")
    assert_fails(run("config", "unset", "profiles"), 2, "unknown setting profiles")


def test_profile_named_local_has_one_remedy(run, stored):
    path = stored('[profiles.local]\nmodel = "m"\n')
    result = run("config", "list")
    assert_fails(result, 3, "line 1", "; remove it with 'contextops config unset --profile local'")
    assert result.stderr.count(";") == 1
    assert_silent(run("config", "unset", "--profile", "local"))
    assert read(path) == {}


def test_proxy_of_environment_is_listed_without_password(run):
    exported = {
        "HTTPS_PROXY": f"me:{KEY}@proxy:3128",
        "CONTEXTOPS_BASE_URL": "https://ai.example.com",
    }
    result = run("config", "list", "--show-origin", env=exported)
    assert "HTTPS_PROXY\tproxy = http://***@proxy:3128\n" in result.stdout
    assert "CANARY" not in result.stdout
    result = run("config", "list", env={**exported, "NO_PROXY": "example.com"})
    assert "proxy" not in result.stdout
    result = run("config", "list", env={**exported, "HTTPS_PROXY": f"ftp://{KEY}@x"})
    assert_fails(result, 3, "cannot use proxy from HTTPS_PROXY", "correct or unset HTTPS_PROXY")
    assert "CANARY" not in result.stderr


def test_header_of_connection_is_refused(run, stored):
    refused = "belongs to the connection"
    result = run("models", "list", "-H", "Content-Length: 3")
    assert_fails(result, 2, "Content-Length", refused)
    assert_fails(run("config", "set", "headers.TE", "trailers"), 2, "TE", refused)
    stored('[profiles.default]\nheaders = { Connection = "close" }\n')
    assert_fails(run("models", "list"), 3, "line 2", "Connection", refused)


def test_local_can_be_default_without_file(run, path):
    assert run("config", "use", "local").status == 0
    assert read(path)["default_profile"] == "local"


def test_use_default_makes_no_file(run, path):
    assert run("config", "use", "default").status == 0
    assert not path.exists()
