"""A config file, and an environment of which a test knows every variable."""

from __future__ import annotations

import pytest


@pytest.fixture
def path(tmp_path):
    """Return the path of a config file in a folder of its own."""
    folder = tmp_path / "contextops"
    folder.mkdir(mode=0o700)
    return folder / "config.toml"


@pytest.fixture
def stored(home):
    """Return a function that writes the config file of the home folder, private to its owner."""

    def write(text):
        path = home / ".config" / "contextops" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def environ(home):
    """Return the smallest environment; a test adds the variables that it is about."""
    config, state = str(home / ".config"), str(home / ".local/state")
    windows = {"APPDATA": config, "LOCALAPPDATA": state, "USERPROFILE": str(home)}
    return {"HOME": str(home), "XDG_CONFIG_HOME": config, "XDG_STATE_HOME": state, **windows}
