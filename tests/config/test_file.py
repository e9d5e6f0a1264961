"""The config file: what is read from it, and which errors it gives."""

from __future__ import annotations

import os
import sys
import tomllib

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextops.config.edit import edit_config, remove_profile, set_value
from contextops.config.file import load_config, unknown_keys
from contextops.config.locate import locate
from contextops.errors import ConfigError

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")
# A file of its own for each example would be slower than the examples.
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


def test_file_is_read(path):
    write(path, 'default_profile = "work"\n[profiles.work]\nmodel = "m"\n')
    file = load_config(path)
    assert file.exists
    assert file.profile("work") == {"model": "m"}
    assert file.profile("home") is None


def test_missing_file_is_empty_unless_required(path):
    assert not load_config(path).exists
    with pytest.raises(ConfigError, match="no such file"):
        load_config(path, required=True)


def test_file_with_bom_and_crlf_is_read(path):
    write(path, b'\xef\xbb\xbf[profiles.work]\r\nmodel = "m"\r\n')
    assert load_config(path).profile("work") == {"model": "m"}


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[profiles.work\n", 1, 15),
        ('[profiles.work]\nmodel = "m\n', 2, 11),
        ('[profiles.work]\nmodel = "m"\nmodel = "n"\n', 3, 12),
        ("[profiles.work]\nretries = \n", 2, 11),
        ("a = 1\nb = 2\n\nc = [1,", 4, 8),
        (b'a = "x\x00"\n', 1, 7),
        (b'a = 1\nb = "\xff"\n', 2, 6),
        ("a = 1" + "0" * 5000, 1, 5),
    ],
)
def test_invalid_toml_is_reported_with_line_and_column(path, text, line, column):
    write(path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"{path}: line {line}, column {column}: " in caught.value.message
    assert "contextops config edit" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "place", "key"),
    [
        ("default_profile = 3\n", "line 1, column 1", "default_profile"),
        ("x = 1\nprofiles = 3\n", "line 2, column 1", "profiles"),
        ("[profiles]\n  work = 3\n", "line 2, column 3", "work"),
        ('[profiles.work]\n# retries\nretries = "3"\n', "line 3, column 1", "retries"),
        (
            '[profiles.a]\nretries = 1\n[profiles.b]\n  "retries" = -1\n',
            "line 4, column 3",
            "retries",
        ),
        (
            '[profiles.a]\nsystem = """\nretries = "x"\n"""\nretries = "x"',
            "line 5, column 1",
            "retries",
        ),
        ("profiles.work.retries = true\n", "line 1, column 15", "retries"),
        ("[profiles]\nwork = {model = 1}\n", "line 2, column 9", "model"),
        ("[profiles.work]\nparams = { stop = 2024-01-01 }\n", "line 2, column 1", "params"),
        ('[profiles.work.params]\nmodel = "m"\n', "line 1, column 16", "params"),
        ("[[profiles.work]]\nmodel = 1\n", "line 1, column 12", "work"),
        ('[profiles.work]\nheaders = {X = "a\\nb"}\n', "line 2, column 1", "headers"),
    ],
)
def test_wrong_type_is_reported_with_line_and_column(path, text, place, key):
    write(path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"{path}: {place}: {key}: " in caught.value.message


def test_invalid_key_in_file_is_not_echoed(path):
    write(path, '[profiles.work]\napi_key = "sk-CANARY and more"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "CANARY" not in caught.value.message
    assert "CANARY" not in repr(load_config(path.with_name("none")))


def test_too_deep_or_too_large_file_is_refused(path):
    write(path, "a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError, match="deep"):
        load_config(path)
    write(path, b"#" * 5 * 2**20)
    with pytest.raises(ConfigError, match="larger"):
        load_config(path)


def test_folder_in_place_of_file_is_refused(path):
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot use"):
        load_config(path)


def test_profile_named_local_is_refused(path):
    write(path, '[profiles.local]\nmodel = "m"\n')
    with pytest.raises(ConfigError, match=r"line 1, column 11: .* taken"):
        load_config(path)
    edit_config(path, lambda data: remove_profile(data, "local"))
    assert load_config(path).data == {}


def test_unknown_key_is_noted_with_nearest_known(path):
    write(path, 'defualt_profile = "a"\n[profiles.a]\nmodle = "m"\n[profiles.b]\nmodelle = 1\n')
    top, inner = unknown_keys(load_config(path), "a")
    assert f"unknown key defualt_profile in {path}; did you mean default_profile?" == top
    assert f"unknown key modle in {path} [profiles.a]; did you mean model?" == inner


@posix
@pytest.mark.parametrize(
    "text",
    [
        '[profiles.work]\napi_key = "sk-1"\n',
        '[profiles.work.headers]\nAuthorization = "Bearer 1"\n',
        '[profiles.work]\nproxy = "http://me:hunter2@proxy:3128"\n',
        '[profiles.work]\ntoken = "unknown to us, but a token"\n',
    ],
)
def test_file_with_key_readable_by_others_is_refused(path, text):
    write(path, text)
    assert load_config(path).exists
    for mode in (0o644, 0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="chmod 600") as caught:
            load_config(path)
        assert str(path) in caught.value.remedy
        with pytest.raises(ConfigError, match="chmod 600"):
            edit_config(path, lambda data: set_value(data, "work", ("model",), "m"))
        assert path.read_text() == text


@posix
def test_file_without_key_may_be_readable_by_all(path):
    write(path, '[profiles.work]\nmodel = "m"\napi_key_file = "/run/secrets/key"\n')
    path.chmod(0o644)
    assert load_config(path).exists


@posix
def test_mode_of_file_of_another_user_is_ignored(path, monkeypatch):
    write(path, '[profiles.work]\napi_key = "sk-1"\n')
    path.chmod(0o444)
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    assert load_config(path).exists


@one_file
@given(raw=st.binary(max_size=80) | st.text("[]{}=\"'.,#\n \\ab1", max_size=80).map(str.encode))
def test_any_bytes_are_config_or_error_with_line(path, raw):
    write(path, raw)
    try:
        load_config(path)
    except ConfigError as failure:
        assert "line " in failure.why  # noqa: PT017  both outcomes are right
    else:
        tomllib.loads(raw.decode().removeprefix("\ufeff"))


toml_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex("[a-z_][a-z0-9_-]*", fullmatch=True), toml_values, max_size=3))
def test_every_key_is_located(table):
    text = tomli_w.dumps({"profiles": {"work": table}})
    for key in table:
        place = locate(text, ("profiles", "work", key))
        line = text.split("\n")[place.line - 1]
        assert line[place.column - 1 :].startswith(key)


def test_locating_after_long_text_is_fast():
    prompt = "\n".join(f"line {n} of a [long] prompt" for n in range(2000))
    text = f'[profiles.work]\nsystem = """\n{prompt}\n"""\nretries = "x"\n'
    assert locate(text, ("profiles", "work", "retries")) == (2004, 1)
