"""How the config file is changed."""

from __future__ import annotations

import stat
import sys
import tomllib

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextops.config import edit
from contextops.config.edit import (
    edit_config,
    edit_in_editor,
    remove_profile,
    set_default_profile,
    set_value,
    unset_value,
)
from contextops.config.file import load_config
from contextops.errors import ConfigError, ContextopsError

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")
# A file of its own for each example would be slower than the examples.
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


@pytest.fixture
def named(path, environ):
    """Return an environment that names the config file."""
    return {**environ, "CONTEXTOPS_CONFIG": str(path)}


def read(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


def setting(*words, profile="work"):
    """Return the change that ``config set --profile work KEY VALUE`` makes."""
    *keys, value = words
    return lambda data: set_value(data, profile, tuple(keys), value)


def test_first_setting_makes_private_file(path):
    assert edit_config(path, setting("model", "m")) == []
    assert read(path) == {"profiles": {"work": {"model": "m"}}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 or sys.platform == "win32"


def test_settings_are_set_and_unset(path):
    edit_config(path, setting("model", "m"))
    edit_config(path, setting("params", "temperature", 0.2))
    edit_config(path, setting("params", "logit_bias", "50256", -100))
    assert read(path)["profiles"]["work"] == {
        "model": "m",
        "params": {"temperature": 0.2, "logit_bias": {"50256": -100}},
    }
    edit_config(path, lambda data: unset_value(data, "work", ("params", "logit_bias", "50256")))
    assert read(path)["profiles"]["work"]["params"] == {"temperature": 0.2}
    edit_config(path, lambda data: unset_value(data, "work", ("params", "temperature")))
    assert read(path)["profiles"]["work"] == {"model": "m"}
    edit_config(path, lambda data: unset_value(data, "work", ("model",)))
    assert read(path) == {"profiles": {"work": {}}}
    assert not unset_value(read(path), "work", ("model",))


def test_header_name_is_case_insensitive(path):
    edit_config(path, setting("headers", "X-Org", "a"))
    edit_config(path, setting("headers", "x-org", "b"))
    assert read(path)["profiles"]["work"]["headers"] == {"X-Org": "b"}
    edit_config(path, lambda data: unset_value(data, "work", ("headers", "X-ORG")))
    assert read(path)["profiles"]["work"] == {}


def test_source_of_key_replaces_others():
    data = {}
    assert set_value(data, "work", ("api_key",), "sk-1") == []
    assert set_value(data, "work", ("api_key_file",), "/key") == ["api_key"]
    assert data["profiles"]["work"] == {"api_key_file": "/key"}


def test_default_profile_must_exist():
    data = {"profiles": {"work": {}}}
    for name in ("work", "default", "local"):
        set_default_profile(data, name)
        assert data["default_profile"] == name
    with pytest.raises(ConfigError, match="no profile home") as caught:
        set_default_profile(data, "home")
    assert caught.value.why == "the config file has work"


def test_removed_profile_is_no_longer_default():
    data = {"default_profile": "work", "profiles": {"work": {}, "home": {}}}
    assert not remove_profile(data, "home")
    assert remove_profile(data, "work")
    assert data == {}
    with pytest.raises(ConfigError, match="has none"):
        remove_profile(data, "work")


def test_unknown_data_is_preserved(path):
    write(
        path,
        '[profiles.work]\nmodle = "m"\n\n[templates.review]\nprompt = "p"\ndate = 2024-01-01\n',
    )
    edit_config(path, setting("model", "m"))
    assert read(path)["templates"]["review"]["prompt"] == "p"
    assert read(path)["profiles"]["work"] == {"modle": "m", "model": "m"}


@posix
def test_symbolic_link_is_preserved(path):
    target = path.parent.parent / "dotfiles.toml"
    write(target, "")
    path.symlink_to(target)
    edit_config(path, setting("model", "m"))
    assert path.is_symlink()
    assert read(target)["profiles"]["work"] == {"model": "m"}


@pytest.mark.parametrize("text", ["[profiles.work\n", b"\xff", "x = \x00"])
def test_broken_file_is_never_overwritten(path, text):
    write(path, text)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="line 1"):
        edit_config(path, setting("model", "m"))
    assert path.read_bytes() == before


def test_file_with_wrong_value_is_left_until_corrected(path):
    text = '[profiles.work]\nretries = "many"\n'
    write(path, text)
    with pytest.raises(ConfigError, match="line 2, column 1: retries"):
        edit_config(path, setting("model", "m"))
    assert path.read_text() == text
    edit_config(path, setting("retries", 3))
    assert read(path) == {"profiles": {"work": {"retries": 3}}}


@pytest.mark.parametrize("text", ["profiles = 3\n", "[profiles]\nwork = 3\n"])
def test_value_in_place_of_table_is_refused(path, text):
    write(path, text)
    for change in (
        setting("model", "m"),
        lambda data: unset_value(data, "work", ("model",)),
        lambda data: set_default_profile(data, "nowhere"),
    ):
        with pytest.raises(ContextopsError):
            edit_config(path, change)
        assert path.read_text() == text


@pytest.mark.parametrize("value", [None, [None], {"x": None}, "\ud800"])
def test_value_that_toml_cannot_hold_is_refused(path, value):
    write(path, "")
    with pytest.raises(ConfigError):
        edit_config(path, setting("params", "stop", value))
    assert path.read_text() == ""


def test_file_too_large_to_be_read_is_not_written(path, monkeypatch):
    monkeypatch.setattr(edit, "MAX_FILE_SIZE", 1000)
    with pytest.raises(ConfigError, match="larger"):
        edit_config(path, setting("system", "x" * 1000))
    assert not path.exists()


def test_unset_does_not_make_file(path):
    edit_config(path, lambda data: unset_value(data, "work", ("model",)), create=False)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ConfigError, match="no such file"):
        edit_config(path, dict.clear, create=False, required=True)


def test_edit_without_change_preserves_comments(path):
    text = '# mine\n[profiles.work]\nmodel = "m"\n'
    write(path, text)
    assert edit_config(path, setting("model", "m")) == []
    assert path.read_text() == text
    assert not path.with_name("config.toml.bak").exists()


def test_one_and_true_are_different_values(path):
    edit_config(path, setting("params", "x", 1))
    edit_config(path, setting("params", "x", True))
    assert read(path)["profiles"]["work"]["params"]["x"] is True


json_values = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


names = st.text(min_size=1).filter(lambda name: name not in ("model", "messages", "stream"))


@one_file
@given(name=names, value=json_values, other=json_values)
def test_set_value_is_read_back_and_rest_is_untouched(path, name, value, other):
    before = {"profiles": {"work": {"model": "m", "unknown": other}}, "of_later": {"t": other}}
    write(path, tomli_w.dumps(before))
    edit_config(path, setting("params", name, value))
    assert load_config(path).profile("work") == {
        **before["profiles"]["work"],
        "params": {name: value},
    }
    edit_config(path, lambda data: unset_value(data, "work", ("params", name)))
    assert read(path) == before


@posix
def test_editor_changes_file_in_place(path, named):
    editor = ["sh", "-c", 'printf "[profiles.work]\nmodel = \\"m\\"\n" > "$0"']
    edit_in_editor(editor, named)
    assert load_config(path).profile("work") == {"model": "m"}


@posix
def test_editor_that_makes_new_file_leaves_it_private(path, named):
    write(path, "")
    editor = ["sh", "-c", 'umask 0; echo "[profiles.work]" > "$0.new"; mv "$0.new" "$0"']
    edit_in_editor(editor, named)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_broken_edit_is_reported_and_not_lost(path, named):
    with pytest.raises(ConfigError, match="line 1"):
        edit_in_editor(["sh", "-c", 'echo "[profiles" > "$0"'], named)
    assert path.read_text() == "[profiles\n"
    edit_in_editor(["sh", "-c", 'echo "[profiles]" > "$0"'], named)


@posix
def test_failing_or_missing_editor_is_config_error(path, named):
    with pytest.raises(ConfigError, match="ended with status 1"):
        edit_in_editor(["false"], named)
    with pytest.raises(ConfigError, match="no-such-editor"):
        edit_in_editor(["no-such-editor"], named)
