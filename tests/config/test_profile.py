"""Which value is in force, and to whom a key goes."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from contextops.config import profile as profiles
from contextops.config.profile import (
    cache_folder,
    collect_layers,
    config_path,
    look_up_setting,
    resolve,
    settings_in_force,
    state_folder,
)
from contextops.config.settings import split_key
from contextops.errors import ConfigError, InputError, UsageError

KEY = "sk-CANARY0123456789"

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX processes and names")


@pytest.fixture
def stored(home):
    """Write the config file, with the key's own rights."""

    def write(text):
        path = home / ".config" / "contextops" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def environ(home):
    """Give the smallest environment; a test adds what it exports."""
    config, state = str(home / ".config"), str(home / ".local/state")
    windows = {"APPDATA": config, "LOCALAPPDATA": state, "USERPROFILE": str(home)}
    return {"HOME": str(home), "XDG_CONFIG_HOME": config, "XDG_STATE_HOME": state, **windows}


def python(code):
    """Give a command that runs some Python."""
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


# --- what beats what ---


def test_without_anything_the_defaults_hold(environ):
    profile = resolve({}, environ)
    assert (profile.name, profile.base_url, profile.api_path) == (
        "default",
        "http://localhost:3000",
        "/api",
    )
    limits = (profile.connect_timeout, profile.first_token_timeout, profile.idle_timeout)
    assert limits == (10, 300, 120)
    assert (profile.max_time, profile.retries, profile.allow_http) == (None, 2, False)
    assert (profile.max_answer, profile.max_event) == (64 * 2**20, 8 * 2**20)
    assert (profile.max_body, profile.max_prompt) == (32 * 2**20, 32 * 2**20)
    assert (profile.key, profile.model, profile.system) == (None, None, None)
    assert (profile.notes, profile.is_local) == ((), False)


def test_typed_beats_exported_beats_stored(stored, environ):
    stored('[profiles.default]\nmodel = "stored"\nretries = 5\nidle_timeout = "1m"\n')
    environ |= {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_RETRIES": "6"}
    profile = resolve({"model": "typed"}, environ)
    assert (profile.model, profile.retries, profile.idle_timeout) == ("typed", 6, 60)


def test_a_typed_profile_beats_the_environment(stored, environ):
    stored('[profiles.work]\nmodel = "stored"\n')
    environ |= {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_RETRIES": "6"}
    profile = resolve({"profile": "work"}, environ)
    assert (profile.model, profile.retries) == ("stored", 6)
    assert resolve({"profile": "work", "model": "typed"}, environ).model == "typed"


def test_an_exported_profile_does_not(stored, environ):
    stored('[profiles.work]\nmodel = "stored"\n')
    environ |= {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_PROFILE": "work"}
    assert resolve({}, environ).model == "exported"


def test_what_names_the_profile(stored, environ):
    stored('default_profile = "a"\n[profiles.a]\n[profiles.b]\n[profiles.c]\n')
    assert resolve({}, environ).name == "a"
    environ["CONTEXTOPS_PROFILE"] = "b"
    assert resolve({}, environ).name == "b"
    assert resolve({"profile": "c"}, environ).name == "c"
    environ["CONTEXTOPS_PROFILE"] = ""
    assert resolve({}, environ).name == "a"


def test_an_unknown_profile_wherever_it_is_named(stored, environ):
    with pytest.raises(ConfigError, match="no profile nope"):
        resolve({"profile": "nope"}, environ)
    with pytest.raises(ConfigError, match="no profile nope"):
        resolve({}, {**environ, "CONTEXTOPS_PROFILE": "nope"})
    stored('default_profile = "nope"\n[profiles.work]\n')
    with pytest.raises(ConfigError, match="no profile nope") as caught:
        resolve({}, environ)
    assert "work" in caught.value.why
    assert resolve({"profile": "default"}, environ).name == "default"


def test_an_empty_variable_counts_as_unset(stored, environ):
    stored('[profiles.default]\nmodel = "stored"\n')
    environ |= {"CONTEXTOPS_MODEL": "", "CONTEXTOPS_API_KEY": "", "CONTEXTOPS_CONFIG": ""}
    assert resolve({}, environ).model == "stored"


def test_parameters_and_headers_merge_name_by_name(stored, environ):
    stored(
        "[profiles.default]\nparams = {temperature = 1, seed = 1, top_p = 1}\n"
        'headers = {X-A = "stored", X-B = "stored"}\n'
    )
    environ |= {
        "CONTEXTOPS_PARAMS": '{"seed": 2, "top_p": 2}',
        "CONTEXTOPS_HEADERS": '{"x-b": "exported"}',
    }
    profile = resolve({"params": {"top_p": 3}, "headers": {"X-C": "typed"}}, environ)
    assert profile.params == {"temperature": 1, "seed": 2, "top_p": 3}
    assert profile.headers == {"X-A": "stored", "x-b": "exported", "X-C": "typed"}


@pytest.mark.parametrize("value", ["[]", "3", "{", '{"x": NaN}', '{"model": "m"}'])
def test_exported_parameters_are_a_json_object(environ, value):
    with pytest.raises(ConfigError, match="CONTEXTOPS_PARAMS"):
        resolve({}, {**environ, "CONTEXTOPS_PARAMS": value})


def test_a_slip_of_the_fingers_is_a_usage_failure_and_a_stored_one_of_the_config(environ):
    with pytest.raises(UsageError, match="--connect-timeout"):
        resolve({"connect_timeout": "soon"}, environ)
    with pytest.raises(UsageError, match="--model"):
        resolve({"model": ""}, environ)
    with pytest.raises(UsageError, match="--profile"):
        resolve({"profile": ""}, environ)
    with pytest.raises(ConfigError, match="CONTEXTOPS_CONNECT_TIMEOUT"):
        resolve({}, {**environ, "CONTEXTOPS_CONNECT_TIMEOUT": "soon"})


def test_a_base_url_that_cannot_be_used_is_always_one_of_the_config(environ):
    for typed in ("ftp://x", "http://me:hunter2@x", ""):
        with pytest.raises(ConfigError, match="base_url") as caught:
            resolve({"base_url": typed}, environ)
        assert "hunter2" not in caught.value.message


def test_a_shadowed_slip_does_no_harm(environ):
    assert resolve({"retries": "1"}, {**environ, "CONTEXTOPS_RETRIES": "x"}).retries == 1


# --- the address ---


@pytest.mark.parametrize(
    ("typed", "exported", "file", "url", "api_path"),
    [
        (None, None, "", "http://localhost:3000", "/api"),
        (None, None, 'base_url = "http://a/v1"', "http://a", "/v1"),
        (None, None, 'api_path = "/v1"', "http://localhost:3000", "/v1"),
        ("http://b", None, 'base_url = "http://a/v1"', "http://b", "/api"),
        ("http://b", None, 'api_path = "/v1"', "http://b", "/v1"),
        ("http://b/api", None, 'api_path = "/v1"', "http://b", "/api"),
        ("http://b/api/v1", "http://c/v1", "", "http://b", "/api/v1"),
        (None, "http://c/v1", 'api_path = "/api"', "http://c", "/v1"),
        (None, None, 'base_url = "http://a/v1"\napi_path = "/x/v2"', "http://a", "/x/v2"),
    ],
)
def test_a_stronger_address_brings_the_path_of_its_api(
    stored, environ, typed, exported, file, url, api_path
):
    stored(f"[profiles.default]\n{file}\n")
    environ["CONTEXTOPS_BASE_URL"] = exported or ""
    profile = resolve({"base_url": typed} if typed else {}, environ)
    assert (profile.base_url, profile.api_path) == (url, api_path)


# --- the key ---


def test_the_sources_of_a_key_count_as_one(stored, environ, tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-typed")
    stored('[profiles.default]\napi_key = "sk-stored"\n')
    assert resolve({}, environ).key.read() == "sk-stored"
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python("print('sk-exported')")
    assert resolve({}, environ).key.read() == "sk-exported"
    assert resolve({"api_key_file": str(file)}, environ).key.read() == "sk-typed"


def test_two_keys_on_one_level(stored, environ):
    exported = {"CONTEXTOPS_API_KEY": KEY, "CONTEXTOPS_API_KEY_FILE": "/key"}
    with pytest.raises(ConfigError, match="two keys") as caught:
        resolve({}, {**environ, **exported})
    assert KEY not in caught.value.message
    stored(f'[profiles.default]\napi_key = "{KEY}"\napi_key_file = "/key"\n')
    with pytest.raises(ConfigError, match="two keys") as caught:
        resolve({}, environ)
    assert "api_key_file" in caught.value.message
    assert KEY not in caught.value.message


A, B = "https://a.example", "https://b.example"


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
def test_a_key_belongs_to_an_origin(stored, environ, file, exported, typed, is_sent):
    stored(f'default_profile = "p"\n[profiles.p]\n{file}\n')
    environ |= {f"CONTEXTOPS_{name}": value for name, value in exported.items()}
    profile = resolve(typed, environ)
    assert (profile.key is not None) is is_sent
    assert len(profile.notes) == (not is_sent)


def test_a_key_that_is_not_sent_is_noted(stored, environ):
    path = stored(f'[profiles.default]\nbase_url = "{A}"\napi_key = "{KEY}"\n')
    profile = resolve({"base_url": B}, environ)
    assert profile.notes == (
        f"the key of {path} [profiles.default] is not sent to {B}: it belongs to {A}",
    )


def test_a_secret_header_belongs_to_an_origin_as_well(stored, environ):
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


def test_plain_http_is_for_private_places(environ):
    environ["CONTEXTOPS_API_KEY"] = "k"
    for private in ("http://localhost", "http://192.168.1.5:3000", "http://gpu", "http://x.lan"):
        assert resolve({"base_url": private}, environ).key
    with pytest.raises(ConfigError, match=r"http://a\.example") as caught:
        resolve({"base_url": "http://a.example"}, environ)
    assert "allow_http" in caught.value.remedy
    assert resolve({"base_url": "http://a.example", "allow_http": True}, environ).key
    environ["CONTEXTOPS_ALLOW_HTTP"] = "1"
    assert resolve({"base_url": "http://a.example"}, environ).key


def test_without_a_key_plain_http_is_for_all(stored, environ):
    assert resolve({"base_url": "http://a.example"}, environ).key is None
    stored(f'[profiles.default]\nbase_url = "{A}"\napi_key = "k"\n')
    assert resolve({"base_url": "http://a.example"}, environ).key is None
    with pytest.raises(ConfigError, match="plain http"):
        resolve({"base_url": "http://a.example", "headers": {"Cookie": "x"}}, environ)


@pytest.mark.parametrize("text", ["sk-1", "sk-1\n", "\ufeffsk-1\r\n", "  sk-1  "])
def test_a_key_file_is_stripped_and_its_rights_are_not_judged(environ, tmp_path, text):
    file = tmp_path / "key"
    file.write_bytes(text.encode())
    file.chmod(0o644)
    assert resolve({"api_key_file": str(file)}, environ).key.read() == "sk-1"


@pytest.mark.parametrize(
    "raw", [b"", b" \n", b"CANARY\nuser: me\n", b"CANARY\x00", b"CANARY\xff", b"\xff\xfeC\x00"]
)
def test_a_key_that_cannot_be_used_is_not_echoed(environ, tmp_path, raw):
    file = tmp_path / "key"
    file.write_bytes(raw)
    key = resolve({"api_key_file": str(file)}, environ).key
    with pytest.raises(ConfigError, match="--api-key-file") as caught:
        key.read()
    assert "CANARY" not in caught.value.message


def test_a_key_file_is_read_when_it_is_needed_and_once(environ, tmp_path):
    file = tmp_path / "key"
    key = resolve({"api_key_file": str(file)}, environ).key
    with pytest.raises(ConfigError, match="no such file"):
        key.read()
    file.write_text("sk-1")
    assert key.read() == "sk-1"
    file.unlink()
    assert key.read() == "sk-1"


def test_a_stored_path_begins_at_the_folder_of_the_config(stored, environ, home, monkeypatch):
    path = stored('[profiles.a]\napi_key_file = "key"\n[profiles.b]\napi_key_file = "~/key"\n')
    path.with_name("key").write_text("beside-the-config")
    (home / "key").write_text("at-home")
    assert resolve({"profile": "a"}, environ).key.read() == "beside-the-config"
    assert resolve({"profile": "b"}, environ).key.read() == "at-home"
    monkeypatch.chdir(home)
    assert resolve({"api_key_file": "key"}, environ).key.read() == "at-home"


@pytest.fixture
def standard_input():
    """Give this process, and its children, something to read."""
    reading, writing = os.pipe()
    os.write(writing, b"meant for the prompt")
    os.close(writing)
    kept = os.dup(0)
    os.dup2(reading, 0)
    yield reading
    os.dup2(kept, 0)
    os.close(kept)
    os.close(reading)


def test_a_command_gets_no_input_and_no_shell(environ, standard_input):
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python("import sys; print('k' + sys.stdin.read())")
    assert resolve({}, environ).key.read() == "k"
    assert os.read(standard_input, 99) == b"meant for the prompt"
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python("import sys; print(sys.argv[1])") + " '$HOME'"
    assert resolve({}, environ).key.read() == "$HOME"


def test_a_command_runs_when_it_is_needed(environ, tmp_path):
    trace = tmp_path / "trace"
    environ["CONTEXTOPS_API_KEY_COMMAND"] = python(
        f"open({str(trace)!r}, 'a').write('x'); print('k')"
    )
    key = resolve({}, environ).key
    look_up_setting(settings_in_force(collect_layers({}, environ)), ["api_key_command"])
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
def test_a_command_that_gives_no_key(environ, monkeypatch, command, why):
    monkeypatch.setattr(profiles, "_COMMAND_TIMEOUT", 0.5)
    environ["CONTEXTOPS_API_KEY_COMMAND"] = command
    key = resolve({}, environ).key
    with pytest.raises(ConfigError) as caught:
        key.read()
    assert why in caught.value.why
    assert "CANARY" not in caught.value.message


def test_no_key_stands_in_a_representation(stored, environ):
    stored(
        f'[profiles.default]\napi_key = "{KEY}"\nproxy = "http://me:{KEY}@proxy:1"\n'
        f'headers = {{Authorization = "{KEY}"}}\n'
    )
    sources = collect_layers({}, environ)
    assert KEY not in repr(resolve({}, environ))
    assert KEY not in repr(resolve({}, environ).key)
    assert KEY not in repr(sources)
    assert KEY not in repr(settings_in_force(sources))


# --- the embedded model ---


def test_local_is_the_embedded_model(stored, environ):
    stored(f'[profiles.default]\nbase_url = "{A}"\napi_key = "k"\nmodel = "m"\nsystem = "s"\n')
    environ |= {
        "CONTEXTOPS_BASE_URL": B,
        "CONTEXTOPS_API_KEY": "k",
        "CONTEXTOPS_MODEL": "m",
        "CONTEXTOPS_HEADERS": '{"X-A": "b"}',
        "CONTEXTOPS_PROXY": "http://proxy:1",
        "CONTEXTOPS_SYSTEM": "be brief",
        "CONTEXTOPS_PARAMS": '{"seed": 1}',
        "CONTEXTOPS_LOCAL_MODEL": "/weights.gguf",
    }
    profile = resolve({"profile": "local", "params": {"top_p": 1}}, environ)
    assert profile.is_local
    assert (profile.key, profile.model, profile.headers, profile.proxy) == (None, None, {}, None)
    assert (profile.system, profile.params) == ("be brief", {"seed": 1, "top_p": 1})
    assert (profile.api_path, profile.notes) == ("/api", ())
    assert profile.local_model == Path("/weights.gguf")
    assert resolve({"profile": "local", "model": "typed"}, environ).model == "typed"


def test_local_may_be_chosen_in_other_ways(stored, environ):
    assert resolve({}, {**environ, "CONTEXTOPS_PROFILE": "local"}).is_local
    stored('default_profile = "local"\n')
    assert resolve({}, environ).is_local


@pytest.mark.parametrize("typed", [{"base_url": A}, {"api_key_file": "/key"}])
def test_local_has_no_address_and_no_key(environ, typed):
    with pytest.raises(UsageError, match="does not go with the profile local"):
        resolve({"profile": "local", **typed}, environ)


# --- the system message ---


def test_a_system_message_may_be_in_a_file(stored, environ, tmp_path):
    file = tmp_path / "system.md"
    file.write_bytes(b"\xef\xbb\xbfBe brief.\r\n")
    assert resolve({"system": f"@{file}"}, environ).system == "Be brief.\r\n"
    path = stored('[profiles.default]\nsystem = "@system.md"\n')
    path.with_name("system.md").write_text("Be kind.")
    assert resolve({}, environ).system == "Be kind."
    assert resolve({"system": ""}, environ).system is None


@pytest.mark.parametrize("raw", [None, b"\xff", b"x" * 2000])
def test_a_system_file_that_cannot_be_read(environ, tmp_path, raw):
    file = tmp_path / "system.md"
    if raw is not None:
        file.write_bytes(raw)
    with pytest.raises(InputError, match=r"system\.md"):
        resolve({"system": f"@{file}"}, {**environ, "CONTEXTOPS_MAX_PROMPT": "1K"})


# --- what is in force ---


def test_every_value_has_its_origin(stored, environ):
    path = stored(
        '[profiles.default]\nmodel = "m"\nparams = {seed = 1}\nbase_url = "http://a/v1"\n'
    )
    environ["CONTEXTOPS_RETRIES"] = "3"
    found = settings_in_force(
        collect_layers({"idle_timeout": "5s", "params": {"top_p": 1}}, environ)
    )
    in_file = f"{path} [profiles.default]"
    assert {key: (found[key].shown, found[key].origin) for key in found if key[:4] != "max_"} == {
        "profile": ("default", "default"),
        "base_url": ("http://a", in_file),
        "api_path": ("/v1", in_file),
        "model": ("m", in_file),
        "params.seed": ("1", in_file),
        "params.top_p": ("1", "flag --param"),
        "connect_timeout": ("10s", "default"),
        "first_token_timeout": ("5m", "default"),
        "idle_timeout": ("5s", "flag --idle-timeout"),
        "retries": ("3", "CONTEXTOPS_RETRIES"),
        "allow_http": ("false", "default"),
        "insecure": ("false", "default"),
    }
    assert resolve({}, environ).origins["model"] == in_file


def test_a_table_is_looked_up_whole_and_in_parts(environ):
    environ["CONTEXTOPS_PARAMS"] = '{"logit_bias": {"50256": -100}, "seed": 1}'
    environ["CONTEXTOPS_HEADERS"] = f'{{"X-Org": "acme", "X-Api-Key": "{KEY}"}}'
    found = settings_in_force(collect_layers({}, environ))
    assert look_up_setting(found, split_key("params")).value == {
        "logit_bias": {"50256": -100},
        "seed": 1,
    }
    assert look_up_setting(found, split_key("params.logit_bias.50256")).shown == "-100"
    assert look_up_setting(found, split_key("headers.x-org")).shown == "acme"
    assert look_up_setting(found, split_key("headers.X-Api-Key")).shown == "***6789"
    assert look_up_setting(found, split_key("params.stop")) is None
    assert look_up_setting(found, split_key("params.seed.x")) is None
    assert look_up_setting(found, split_key("model")) is None


# --- where things are ---


def test_where_the_files_are(home):
    posix = {"HOME": "/h"}
    if sys.platform == "win32":
        pytest.skip("%APPDATA% has no such rules")
    assert config_path(posix) == Path("/h/.config/contextops/config.toml")
    assert state_folder(posix) == Path("/h/.local/state/contextops")
    assert cache_folder(posix) == Path("/h/.cache/contextops")
    xdg = {**posix, "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/t"}
    assert config_path(xdg) == Path("/c/contextops/config.toml")
    assert state_folder(xdg) == Path("/s/contextops")
    assert cache_folder(xdg) == Path("/t/contextops")
    assert config_path({**xdg, "XDG_CONFIG_HOME": "c"}) == config_path(posix)
    assert config_path({**xdg, "CONTEXTOPS_CONFIG": "other.toml"}) == Path("other.toml")


def test_without_a_home_the_account_has_one(monkeypatch):
    pwd = pytest.importorskip("pwd")
    assert config_path({}).is_absolute()

    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigError, match="set HOME"):
        config_path({})


def test_a_named_config_file_has_to_be_there(environ, tmp_path):
    with pytest.raises(ConfigError, match=r"other\.toml"):
        resolve({}, {**environ, "CONTEXTOPS_CONFIG": str(tmp_path / "other.toml")})


# --- the proxy of the environment ---


def proxy_for(url, environ, **exported):
    return resolve({"base_url": url}, {**environ, **exported}).proxy


@pytest.mark.parametrize(
    ("exported", "expected"),
    [
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://b:1", "all_proxy": "http://c:1"}, "http://b:1"),
        ({"all_proxy": "socks5h://c:1", "ALL_PROXY": "http://d:1"}, "socks5h://c:1"),
        ({"ALL_PROXY": "http://d:1"}, "http://d:1"),
        ({"https_proxy": " ", "HTTPS_PROXY": "me:pw@b:1"}, "http://me:pw@b:1"),
        ({"HTTPS_PROXY": "http://b:1", "REQUEST_METHOD": "GET"}, "http://b:1"),
        ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, None),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_the_proxy_of_the_environment_is_the_default(environ, exported, expected):
    assert proxy_for("https://ai.example.com", environ, **exported) == expected


@posix
def test_what_a_client_of_a_cgi_program_sent_is_no_proxy(environ):
    exported = {"HTTP_PROXY": "http://b:1"}
    assert proxy_for("http://ai.lan", environ, **exported) == "http://b:1"
    assert proxy_for("http://ai.lan", environ, **exported, REQUEST_METHOD="GET") is None
    exported["http_proxy"] = "http://a:1"
    assert proxy_for("http://ai.lan", environ, **exported, REQUEST_METHOD="GET") == "http://a:1"


def test_every_setting_beats_the_proxy_of_the_environment(stored, environ):
    environ |= {"HTTPS_PROXY": "http://environment:1", "NO_PROXY": "nobody"}
    stored('[profiles.default]\nbase_url = "https://a.example"\nproxy = "http://stored:1"\n')
    assert resolve({}, environ).proxy == "http://stored:1"
    assert resolve({"profile": "default"}, environ).proxy == "http://stored:1"
    environ["CONTEXTOPS_PROXY"] = "http://exported:1"
    assert resolve({}, environ).proxy == "http://exported:1"
    environ["NO_PROXY"] = "*"
    assert resolve({}, environ).proxy == "http://exported:1", "it was meant for this program"


@pytest.mark.parametrize(
    "url", ["http://localhost:3000", "http://127.8.9.1", "http://[::1]:80", "https://a.localhost"]
)
def test_this_machine_needs_no_proxy(environ, url):
    assert proxy_for(url, environ, ALL_PROXY="http://a:1") is None


def test_the_embedded_model_needs_no_proxy(environ):
    assert resolve({"profile": "local"}, {**environ, "ALL_PROXY": "nonsense://"}).proxy is None


def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(environ):
    for text in ("ftp://me:CANARY@proxy", "http://", "http://a:port", "://"):
        with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
            proxy_for("https://a.example", environ, HTTPS_PROXY=text)
        assert "CANARY" not in caught.value.message


# --- a command that prints the key ---


@posix
@pytest.mark.parametrize(
    "words", ["cat /dev/zero", "sh -c 'cat /dev/zero; sleep 60'", "sh -c 'cat /dev/zero & exit 0'"]
)
def test_a_command_that_prints_without_end_is_ended(environ, words):
    key = resolve({}, {**environ, "CONTEXTOPS_API_KEY_COMMAND": words}).key
    with pytest.raises(ConfigError, match="more than 65536 bytes"):
        key.read()


@posix
def test_what_a_late_command_started_ends_with_it(environ, tmp_path, monkeypatch):
    monkeypatch.setattr(profiles, "_COMMAND_TIMEOUT", 0.3)
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
def test_a_signal_ends_the_command_too(command, tmp_path, signum):
    words = f"sh -c 'echo $$ > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/child; sleep 60'"
    env = {"CONTEXTOPS_API_KEY_COMMAND": words, "CONTEXTOPS_BASE_URL": "http://localhost:1"}
    process = command.start("models", "list", env=env)
    while not (tmp_path / "child").exists():
        time.sleep(0.01)
    process.send_signal(signum)
    assert process.wait(10) == -signum
    assert_ended(int((tmp_path / "child").read_text()))
