"""Where the files are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from contextops.config.paths import cache_folder, config_path, state_folder
from contextops.errors import ConfigError


def test_folders_follow_xdg_variables(home):
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


def test_home_folder_of_account_replaces_missing_home(monkeypatch):
    pwd = pytest.importorskip("pwd")
    assert config_path({}).is_absolute()

    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigError, match="set HOME"):
        config_path({})
