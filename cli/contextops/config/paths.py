"""Where the config file, the state and the cache are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from contextops.config.settings import CONFIG_VARIABLE
from contextops.errors import ConfigError


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the config file, whether it exists or not."""
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return _folder(environ, "APPDATA", "XDG_CONFIG_HOME", ".config") / "config.toml"


def is_config_named(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether CONTEXTOPS_CONFIG names the config file, which must then exist to be read."""
    return bool(environ.get(CONFIG_VARIABLE))


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of sessions and history, whether it exists or not."""
    return _folder(environ, "LOCALAPPDATA", "XDG_STATE_HOME", ".local/state")


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of files that may be deleted at any time, whether it exists or not."""
    return _folder(environ, "LOCALAPPDATA", "XDG_CACHE_HOME", ".cache")


def _folder(environ: Mapping[str, str], windows: str, xdg: str, below_home: str) -> Path:
    named = environ.get(windows if sys.platform == "win32" else xdg, "")
    # The XDG Base Directory Specification says that relative paths are to be ignored.
    parent = Path(named) if Path(named).is_absolute() else home_folder(environ) / below_home
    return parent / "contextops"


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the user's home folder.

    Raises:
        ConfigError: if neither the environment nor the account names one.
    """
    home = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    if home:
        return Path(home)
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
    raise ConfigError(
        "cannot find the config file",
        "there is no home folder",
        "set HOME, or name the file with CONTEXTOPS_CONFIG",
    )


def expand_path(text: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """Return the path that a setting names: below the home folder, or relative to ``folder``."""
    if text == "~" or text.startswith("~/"):
        return home_folder(environ) / text[2:]
    return folder / text


def read_limited(path: Path, limit: int) -> bytes:
    """Return the first bytes of a file, one more than ``limit`` if it is larger."""
    with path.open("rb") as stream:
        return stream.read(limit + 1)
