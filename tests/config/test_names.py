"""The list of names that completion scripts read."""

from __future__ import annotations

import os

import pytest

from contextops.config.edit import set_settings
from contextops.config.layers import collect_layers
from contextops.config.names import refresh_names


@pytest.fixture
def names(home, environ):
    """Return the path of the list."""
    environ["XDG_CACHE_HOME"] = environ["LOCALAPPDATA"] = str(home / "cache")
    return home / "cache/contextops/names"


def test_list_has_path_profiles_templates_and_profile_in_use(stored, environ, names):
    path = stored('default_profile = "my lab"\n[profiles."my lab"]\n[templates.brief]\n')
    collect_layers({}, environ)
    assert names.read_text(encoding="utf-8").splitlines() == [
        str(path),
        "profile default",
        "profile my lab",
        "profile local",
        "template brief",
        "in_use my lab",
    ]


def test_missing_config_file_is_not_listed(environ, names):
    collect_layers({}, environ)
    assert not names.exists()


def test_name_that_no_line_can_hold_or_looks_like_option_is_left_out(stored, environ, names):
    stored('[profiles."two\\nlines"]\n[profiles.--quiet]\n[profiles.""]\n')
    collect_layers({}, environ)
    assert names.read_text(encoding="utf-8").splitlines()[1:] == [
        "profile default",
        "profile local",
        "in_use default",
    ]


def test_change_is_listed(stored, environ, names):
    stored("")
    set_settings({"profile": "new"}, {("model",): "m"}, environ)
    assert "profile new" in names.read_text(encoding="utf-8").splitlines()


def test_unchanged_list_is_not_written_but_made_newer_than_the_file(stored, environ, names):
    path = stored("[profiles.work]\n")
    collect_layers({}, environ)
    before = names.stat()
    collect_layers({}, environ)
    assert names.stat().st_mtime_ns == before.st_mtime_ns
    os.utime(names, (0, 0))
    collect_layers({}, environ)
    assert names.stat().st_mtime_ns >= path.stat().st_mtime_ns
    assert names.stat().st_ino == before.st_ino


def test_list_that_cannot_be_written_is_no_error(stored, environ, home):
    stored("[profiles.work]\n")
    (home / "file").touch()
    environ["XDG_CACHE_HOME"] = environ["LOCALAPPDATA"] = str(home / "file")
    assert collect_layers({}, environ).profile == "default"
    refresh_names(environ)


def test_named_config_file_is_listed_as_the_environment_names_it(
    environ, names, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.toml").write_text("[profiles.other]\n")
    collect_layers({}, {**environ, "CONTEXTOPS_CONFIG": "./other.toml"})
    first, *rest = names.read_text(encoding="utf-8").splitlines()
    assert first == os.path.join(tmp_path, "./other.toml")  # noqa: PTH118 - as scripts make it
    assert "profile other" in rest


def test_refresh_lists_broken_file_without_its_names(stored, environ, names):
    path = stored("[profiles.work]\n")
    refresh_names(environ)
    assert "profile work" in names.read_text(encoding="utf-8").splitlines()
    path.write_text("[profiles.work")
    refresh_names(environ)
    lines = names.read_text(encoding="utf-8").splitlines()
    assert lines == [str(path), "profile default", "profile local", "in_use default"]
    assert names.stat().st_mtime_ns >= path.stat().st_mtime_ns
