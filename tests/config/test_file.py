"""The config file: what is read from it, which errors it gives, and how it is changed."""

from __future__ import annotations

import os
import stat
import sys
import tomllib

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextops.config import file as config_file
from contextops.config.file import (
    edit_config,
    load_config,
    locate,
    remove_profile,
    set_default_profile,
    set_value,
    unknown_keys,
    unset_value,
    without_keys,
)
from contextops.errors import ConfigError, ContextopsError

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files")

# A file of its own for each example would be slower than the examples.
one_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "contextops"
    folder.mkdir(mode=0o700)
    return folder / "config.toml"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


def read(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


def setting(*words, profile="work"):
    """Make the change of ``config set --profile work KEY VALUE``."""
    *keys, value = words
    return lambda data: set_value(data, profile, tuple(keys), value)


# --- reading ---


def test_a_file_is_read(path):
    write(path, 'default_profile = "work"\n[profiles.work]\nmodel = "m"\n')
    file = load_config(path)
    assert file.exists
    assert file.profile("work") == {"model": "m"}
    assert file.profile("home") is None


def test_no_file_says_nothing_unless_it_is_required(path):
    assert not load_config(path).exists
    with pytest.raises(ConfigError, match="no such file"):
        load_config(path, required=True)


def test_a_file_of_another_system_is_read(path):
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
def test_what_is_no_toml_is_told_with_its_line_and_column(path, text, line, column):
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
def test_a_wrong_type_is_told_with_its_line_and_column(path, text, place, key):
    write(path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert f"{path}: {place}: {key}: " in caught.value.message


def test_a_key_of_a_wrong_form_is_not_echoed(path):
    write(path, '[profiles.work]\napi_key = "sk-CANARY and more"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "CANARY" not in caught.value.message
    assert "CANARY" not in repr(load_config(path.with_name("none")))


def test_what_is_too_deep_or_too_large_is_an_error_as_well(path):
    write(path, "a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError, match="deep"):
        load_config(path)
    write(path, b"#" * 5 * 2**20)
    with pytest.raises(ConfigError, match="larger"):
        load_config(path)


def test_a_folder_in_place_of_the_file(path):
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot use"):
        load_config(path)


def test_the_profile_local_is_taken(path):
    write(path, '[profiles.local]\nmodel = "m"\n')
    with pytest.raises(ConfigError, match=r"line 1, column 11: .* taken"):
        load_config(path)
    edit_config(path, lambda data: remove_profile(data, "local"))
    assert load_config(path).data == {}


def test_unknown_keys_are_noted_with_the_nearest_known_one(path):
    write(path, 'defualt_profile = "a"\n[profiles.a]\nmodle = "m"\n[profiles.b]\nmodelle = 1\n')
    top, inner = unknown_keys(load_config(path), "a")
    assert f"unknown key defualt_profile in {path}; did you mean default_profile?" == top
    assert f"unknown key modle in {path} [profiles.a]; did you mean model?" == inner


# --- who may read it ---


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
def test_a_file_with_a_key_that_others_can_read_is_refused(path, text):
    write(path, text)
    assert load_config(path).exists
    for mode in (0o644, 0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="chmod 600") as caught:
            load_config(path)
        assert str(path) in caught.value.remedy
        with pytest.raises(ConfigError, match="chmod 600"):
            edit_config(path, setting("model", "m"))
        assert path.read_text() == text


@posix
def test_a_file_without_a_key_may_be_read_by_all(path):
    write(path, '[profiles.work]\nmodel = "m"\napi_key_file = "/run/secrets/key"\n')
    path.chmod(0o644)
    assert load_config(path).exists


@posix
def test_a_file_of_somebody_else_is_not_judged(path, monkeypatch):
    write(path, '[profiles.work]\napi_key = "sk-1"\n')
    path.chmod(0o444)
    ours = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    assert load_config(path).exists


# --- changing ---


def test_the_first_setting_makes_the_file(path):
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


def test_case_means_nothing_in_the_name_of_a_header(path):
    edit_config(path, setting("headers", "X-Org", "a"))
    edit_config(path, setting("headers", "x-org", "b"))
    assert read(path)["profiles"]["work"]["headers"] == {"X-Org": "b"}
    edit_config(path, lambda data: unset_value(data, "work", ("headers", "X-ORG")))
    assert read(path)["profiles"]["work"] == {}


def test_a_source_of_the_key_takes_the_place_of_the_others():
    data = {}
    assert set_value(data, "work", ("api_key",), "sk-1") == []
    assert set_value(data, "work", ("api_key_file",), "/key") == ["api_key"]
    assert data["profiles"]["work"] == {"api_key_file": "/key"}


def test_the_default_profile_is_one_that_there_is():
    data = {"profiles": {"work": {}}}
    for name in ("work", "default", "local"):
        set_default_profile(data, name)
        assert data["default_profile"] == name
    with pytest.raises(ConfigError, match="no profile home") as caught:
        set_default_profile(data, "home")
    assert caught.value.why == "the config file has work"


def test_a_removed_profile_is_no_default_any_more():
    data = {"default_profile": "work", "profiles": {"work": {}, "home": {}}}
    assert not remove_profile(data, "home")
    assert remove_profile(data, "work")
    assert data == {}
    with pytest.raises(ConfigError, match="has none"):
        remove_profile(data, "work")


def test_what_is_unknown_is_kept(path):
    write(
        path,
        '[profiles.work]\nmodle = "m"\n\n[templates.review]\nprompt = "p"\ndate = 2024-01-01\n',
    )
    edit_config(path, setting("model", "m"))
    assert read(path)["templates"]["review"]["prompt"] == "p"
    assert read(path)["profiles"]["work"] == {"modle": "m", "model": "m"}


@posix
def test_a_symbolic_link_is_kept(path):
    target = path.parent.parent / "dotfiles.toml"
    write(target, "")
    path.symlink_to(target)
    edit_config(path, setting("model", "m"))
    assert path.is_symlink()
    assert read(target)["profiles"]["work"] == {"model": "m"}


@pytest.mark.parametrize("text", ["[profiles.work\n", b"\xff", "x = \x00"])
def test_a_broken_file_is_never_overwritten(path, text):
    write(path, text)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="line 1"):
        edit_config(path, setting("model", "m"))
    assert path.read_bytes() == before


def test_a_wrong_value_keeps_the_file_until_it_is_mended(path):
    text = '[profiles.work]\nretries = "many"\n'
    write(path, text)
    with pytest.raises(ConfigError, match="line 2, column 1: retries"):
        edit_config(path, setting("model", "m"))
    assert path.read_text() == text
    edit_config(path, setting("retries", 3))
    assert read(path) == {"profiles": {"work": {"retries": 3}}}


@pytest.mark.parametrize("text", ["profiles = 3\n", "[profiles]\nwork = 3\n"])
def test_a_value_in_place_of_a_table(path, text):
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
def test_what_toml_cannot_hold_is_refused(path, value):
    write(path, "")
    with pytest.raises(ConfigError):
        edit_config(path, setting("params", "stop", value))
    assert path.read_text() == ""


def test_what_could_not_be_read_again_is_not_written(path, monkeypatch):
    monkeypatch.setattr(config_file, "_LARGEST", 1000)
    with pytest.raises(ConfigError, match="larger"):
        edit_config(path, setting("system", "x" * 1000))
    assert not path.exists()


def test_to_unset_makes_no_file(path):
    edit_config(path, lambda data: unset_value(data, "work", ("model",)), create=False)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ConfigError, match="no such file"):
        edit_config(path, dict.clear, create=False, required=True)


def test_what_changes_nothing_keeps_comments(path):
    text = '# mine\n[profiles.work]\nmodel = "m"\n'
    write(path, text)
    assert edit_config(path, setting("model", "m")) == []
    assert path.read_text() == text
    assert not path.with_name("config.toml.bak").exists()


def test_one_and_true_are_not_the_same(path):
    edit_config(path, setting("params", "x", 1))
    edit_config(path, setting("params", "x", True))
    assert read(path)["profiles"]["work"]["params"]["x"] is True


# --- what is kept beside it ---


def test_comments_and_order_are_copied_before_they_are_lost(path):
    text = '# mine\n[profiles.work]\nmodel = "m"  # the good one\nbase_url = "http://a"\n'
    write(path, text)
    [note] = edit_config(path, setting("retries", 1))
    backup = path.with_name("config.toml.bak")
    assert str(backup) in note
    assert backup.read_text() == text
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert edit_config(path, setting("retries", 2)) == [], (
        "nothing is lost of what we wrote ourselves"
    )


KEY = "sk-CANARY0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f'[profiles.work]\napi_key = "{KEY}"\n# x\n',
        f'profiles = {{ work = {{ api_key = "{KEY}" }} }}\n# x\n',
        f'profiles.work.api_key = """\n{KEY}"""\n# x\n',
        f'[profiles.work]\napi_key = "\\u0073{KEY[1:]}"\n# x\n',
        f'[profiles.work]\napi_key = """{KEY[:9]}\\\n   {KEY[9:]}"""\n# x\n',
        f'[profiles.work]\nmodel = "m" # api_key = "{KEY}"\n# x\n',
        f'[profiles.work]\n#api_key="{KEY}"\n# x\n',
        f"[profiles.work]\n# the old one was {KEY}!\n# x\n",
        f'[profiles.work.headers]\nAuthorization = "Bearer {KEY}"\nX-Org = "acme"\n# x\n',
        f'[profiles.work]\nheaders = {{ X-Org = "acme", X-Api-Key = "{KEY}" }}\n# x\n',
        f'[profiles.work]\nproxy = "http://me:{KEY}@proxy:3128"\n# x\n',
        f'[profiles.work]\napi_key_command = ["printf", "{KEY}"]\n# x\n',
        f'[profiles.work]\napikey = "{KEY}"\n# x\n',
        f'[profiles.work]\nold_tokens = ["{KEY}"]\n# x\n',
        f'"api_key" = "{KEY}"\n# x\n',
    ],
)
def test_no_key_is_copied(text):
    copy = without_keys(text)
    assert "CANARY" not in copy
    assert "***" in copy
    assert copy.endswith("# x\n")
    tomllib.loads(copy)


def test_a_key_without_a_known_shape_is_not_copied_either(path):
    write(path, '# was hunter2-old\n# token: hunter2-old\n[profiles.work]\napi_key = "hunter2"\n')
    edit_config(path, setting("model", "m"))
    copy = path.with_name("config.toml.bak").read_text()
    assert copy == '# was ***-old\n# token: ***\n[profiles.work]\napi_key = "***"\n'


def test_a_parameter_of_the_request_is_no_key(path):
    text = '# x\n[profiles.work]\nparams = { prompt_cache_key = "team-a" }\n'
    assert without_keys(text) == text
    write(path, text)
    path.chmod(0o644)
    assert load_config(path).exists


def test_a_short_key_takes_nothing_else_with_it():
    text = '# a comment\n[profiles.work]\nmodel = "a"\napi_key = "a"\n'
    assert without_keys(text) == '# a comment\n[profiles.work]\nmodel = "a"\n# ***\n'


# --- properties ---

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
@given(raw=st.binary(max_size=80) | st.text("[]{}=\"'.,#\n \\ab1", max_size=80).map(str.encode))
def test_any_bytes_are_a_config_or_an_error_with_its_line(path, raw):
    write(path, raw)
    try:
        load_config(path)
    except ConfigError as failure:
        assert "line " in failure.why  # noqa: PT017  both outcomes are right
    else:
        tomllib.loads(raw.decode().removeprefix("\ufeff"))


@one_file
@given(name=names, value=json_values, other=json_values)
def test_what_is_set_is_read_back_and_the_rest_is_untouched(path, name, value, other):
    before = {"profiles": {"work": {"model": "m", "unknown": other}}, "of_later": {"t": other}}
    write(path, tomli_w.dumps(before))
    edit_config(path, setting("params", name, value))
    assert load_config(path).profile("work") == {
        **before["profiles"]["work"],
        "params": {name: value},
    }
    edit_config(path, lambda data: unset_value(data, "work", ("params", name)))
    assert read(path) == before


@given(st.dictionaries(st.from_regex("[a-z_][a-z0-9_-]*", fullmatch=True), json_values, max_size=3))
def test_every_key_is_found_where_it_stands(table):
    text = tomli_w.dumps({"profiles": {"work": table}})
    for key in table:
        place = locate(text, ("profiles", "work", key))
        line = text.split("\n")[place.line - 1]
        assert line[place.column - 1 :].startswith(key)


def test_a_long_text_in_the_file_takes_no_long_time():
    prompt = "\n".join(f"line {n} of a [long] prompt" for n in range(2000))
    text = f'[profiles.work]\nsystem = """\n{prompt}\n"""\nretries = "x"\n'
    assert locate(text, ("profiles", "work", "retries")) == (2004, 1)


# --- by hand ---


@posix
def test_an_editor_changes_the_file_in_its_place(path):
    editor = ["sh", "-c", 'printf "[profiles.work]\nmodel = \\"m\\"\n" > "$0"']
    config_file.edit_in_editor(path, editor)
    assert load_config(path).profile("work") == {"model": "m"}


@posix
def test_an_editor_that_makes_a_new_file_leaves_it_private(path):
    write(path, "")
    editor = ["sh", "-c", 'umask 0; echo "[profiles.work]" > "$0.new"; mv "$0.new" "$0"']
    config_file.edit_in_editor(path, editor)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_a_broken_edit_is_told_and_not_lost(path):
    with pytest.raises(ConfigError, match="line 1"):
        config_file.edit_in_editor(path, ["sh", "-c", 'echo "[profiles" > "$0"'])
    assert path.read_text() == "[profiles\n"
    config_file.edit_in_editor(path, ["sh", "-c", 'echo "[profiles]" > "$0"'])


@posix
def test_an_editor_that_fails_or_is_not_there(path):
    with pytest.raises(ConfigError, match="ended with status 1"):
        config_file.edit_in_editor(path, ["false"])
    with pytest.raises(ConfigError, match="no-such-editor"):
        config_file.edit_in_editor(path, ["no-such-editor"])
