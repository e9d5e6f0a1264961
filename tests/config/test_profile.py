"""Which value is in effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextops.config.layers import collect_layers
from contextops.config.profile import resolve
from contextops.config.show import effective_settings
from contextops.errors import ConfigError, InputError, UsageError

KEY = "sk-CANARY0123456789"
A, B = "https://a.example", "https://b.example"


def test_profile_without_settings_has_defaults(environ):
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


def test_flag_beats_environment_beats_file(stored, environ):
    stored('[profiles.default]\nmodel = "stored"\nretries = 5\nidle_timeout = "1m"\n')
    environ |= {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_RETRIES": "6"}
    profile = resolve({"model": "typed"}, environ)
    assert (profile.model, profile.retries, profile.idle_timeout) == ("typed", 6, 60)


def test_profile_named_by_flag_beats_environment(stored, environ):
    stored('[profiles.work]\nmodel = "stored"\n')
    environ |= {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_RETRIES": "6"}
    profile = resolve({"profile": "work"}, environ)
    assert (profile.model, profile.retries) == ("stored", 6)
    assert resolve({"profile": "work", "model": "typed"}, environ).model == "typed"


def test_profile_named_by_environment_does_not_beat_environment(stored, environ):
    stored('[profiles.work]\nmodel = "stored"\n')
    environ |= {"CONTEXTOPS_MODEL": "exported", "CONTEXTOPS_PROFILE": "work"}
    assert resolve({}, environ).model == "exported"


def test_profile_is_named_by_flag_environment_or_file(stored, environ):
    stored('default_profile = "a"\n[profiles.a]\n[profiles.b]\n[profiles.c]\n')
    assert resolve({}, environ).name == "a"
    environ["CONTEXTOPS_PROFILE"] = "b"
    assert resolve({}, environ).name == "b"
    assert resolve({"profile": "c"}, environ).name == "c"
    environ["CONTEXTOPS_PROFILE"] = ""
    assert resolve({}, environ).name == "a"


def test_unknown_profile_is_refused_wherever_it_is_named(stored, environ):
    with pytest.raises(ConfigError, match="no profile nope"):
        resolve({"profile": "nope"}, environ)
    with pytest.raises(ConfigError, match="no profile nope"):
        resolve({}, {**environ, "CONTEXTOPS_PROFILE": "nope"})
    stored('default_profile = "nope"\n[profiles.work]\n')
    with pytest.raises(ConfigError, match="no profile nope") as caught:
        resolve({}, environ)
    assert "work" in caught.value.why
    assert resolve({"profile": "default"}, environ).name == "default"


def test_empty_variable_counts_as_unset(stored, environ):
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
def test_exported_parameters_must_be_json_object(environ, value):
    with pytest.raises(ConfigError, match="CONTEXTOPS_PARAMS"):
        resolve({}, {**environ, "CONTEXTOPS_PARAMS": value})


def test_invalid_flag_is_usage_error_and_other_config_error(environ):
    with pytest.raises(UsageError, match="--connect-timeout"):
        resolve({"connect_timeout": "soon"}, environ)
    with pytest.raises(UsageError, match="--model"):
        resolve({"model": ""}, environ)
    with pytest.raises(UsageError, match="--profile"):
        resolve({"profile": ""}, environ)
    with pytest.raises(ConfigError, match="CONTEXTOPS_CONNECT_TIMEOUT"):
        resolve({}, {**environ, "CONTEXTOPS_CONNECT_TIMEOUT": "soon"})


def test_invalid_base_url_is_config_error_also_as_flag(environ):
    for typed in ("ftp://x", "http://me:hunter2@x", ""):
        with pytest.raises(ConfigError, match="--base-url") as caught:
            resolve({"base_url": typed}, environ)
        assert "hunter2" not in caught.value.message


def test_invalid_value_of_weaker_level_is_ignored(environ):
    assert resolve({"retries": "1"}, {**environ, "CONTEXTOPS_RETRIES": "x"}).retries == 1


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
def test_stronger_address_brings_its_api_path(
    stored, environ, typed, exported, file, url, api_path
):
    stored(f"[profiles.default]\n{file}\n")
    environ["CONTEXTOPS_BASE_URL"] = exported or ""
    profile = resolve({"base_url": typed} if typed else {}, environ)
    assert (profile.base_url, profile.api_path) == (url, api_path)


def test_stored_path_is_relative_to_config_folder(stored, environ, home, monkeypatch):
    path = stored('[profiles.a]\napi_key_file = "key"\n[profiles.b]\napi_key_file = "~/key"\n')
    path.with_name("key").write_text("beside-the-config")
    (home / "key").write_text("at-home")
    assert resolve({"profile": "a"}, environ).key.read() == "beside-the-config"
    assert resolve({"profile": "b"}, environ).key.read() == "at-home"
    monkeypatch.chdir(home)
    assert resolve({"api_key_file": "key"}, environ).key.read() == "at-home"


def test_representations_contain_no_key(stored, environ):
    stored(
        f'[profiles.default]\napi_key = "{KEY}"\nproxy = "http://me:{KEY}@proxy:1"\n'
        f'headers = {{Authorization = "{KEY}"}}\n'
    )
    sources = collect_layers({}, environ)
    assert KEY not in repr(resolve({}, environ))
    assert KEY not in repr(resolve({}, environ).key)
    assert KEY not in repr(sources)
    assert KEY not in repr(effective_settings(sources))


def test_local_profile_ignores_settings_of_servers(stored, environ):
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


def test_local_profile_is_named_by_environment_or_file(stored, environ):
    assert resolve({}, {**environ, "CONTEXTOPS_PROFILE": "local"}).is_local
    stored('default_profile = "local"\n')
    assert resolve({}, environ).is_local


@pytest.mark.parametrize("typed", [{"base_url": A}, {"api_key_file": "/key"}])
def test_local_profile_refuses_address_and_key(environ, typed):
    with pytest.raises(UsageError, match="cannot be used with the profile local"):
        resolve({"profile": "local", **typed}, environ)


def test_system_message_is_read_from_file(stored, environ, tmp_path):
    file = tmp_path / "system.md"
    file.write_bytes(b"\xef\xbb\xbfBe brief.\r\n")
    assert resolve({"system": f"@{file}"}, environ).system == "Be brief.\r\n"
    path = stored('[profiles.default]\nsystem = "@system.md"\n')
    path.with_name("system.md").write_text("Be kind.")
    assert resolve({}, environ).system == "Be kind."
    assert resolve({"system": ""}, environ).system is None


@pytest.mark.parametrize("raw", [None, b"\xff", b"x" * 2000])
def test_unreadable_system_file_is_input_error(environ, tmp_path, raw):
    file = tmp_path / "system.md"
    if raw is not None:
        file.write_bytes(raw)
    with pytest.raises(InputError, match=r"system\.md"):
        resolve({"system": f"@{file}"}, {**environ, "CONTEXTOPS_MAX_PROMPT": "1K"})


def test_named_config_file_must_exist(environ, tmp_path):
    with pytest.raises(ConfigError, match=r"other\.toml"):
        resolve({}, {**environ, "CONTEXTOPS_CONFIG": str(tmp_path / "other.toml")})
