"""The names that shells complete: a plain list, so that no completion script parses TOML.

The file ``names`` in the cache folder has the path of the config file in its first line, then one
name a line::

    /home/me/.config/contextops/config.toml
    profile default
    profile work
    profile local
    template brief
    in_use work

A script reads it if its first line names the config file in use and the config file is not newer;
otherwise it runs ``contextops completion --names`` once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from contextops.config.file import DEFAULT_PROFILE, LOCAL_PROFILE, ConfigFile, Data, load_config
from contextops.config.paths import cache_folder, config_path
from contextops.config.settings import CONFIG_VARIABLE
from contextops.errors import ConfigError, ContextopsError


def save_names(file: ConfigFile, environ: Mapping[str, str] = os.environ) -> None:
    """Write the list for a config file that was read, unless it is there and up to date.

    A name that does not fit on a line, or that looks like an option, is left out. Without a cache
    folder, or if the list cannot be written, nothing happens: completion is a convenience.
    """
    if file.exists:
        with suppress(ContextopsError, OSError):
            _write(file.path, _lines(file, environ), cache_folder(environ) / "names")


def refresh_names(environ: Mapping[str, str] = os.environ) -> None:
    """Read the config file and write the list, for a completion script.

    The list of a config file with an error is written too, without names, so that scripts do not
    run the program again before the file is corrected.
    """
    path = config_path(environ)
    try:
        file = load_config(path)
    except ConfigError:
        file = ConfigFile(path, exists=True, text="", data={})
    save_names(file, environ)


def profile_names(data: Data) -> list[str]:
    """Return the names of all profiles: those of the file, the default and the embedded model."""
    return list(dict.fromkeys([DEFAULT_PROFILE, *data.get("profiles", {}), LOCAL_PROFILE]))


def _lines(file: ConfigFile, environ: Mapping[str, str]) -> bytes:
    names = [
        *(("profile", name) for name in profile_names(file.data)),
        *(("template", name) for name in file.templates),
        ("in_use", file.data.get("default_profile", DEFAULT_PROFILE)),
    ]
    # Scripts compare it with the path that they derive from the same variables.
    named = environ.get(CONFIG_VARIABLE)
    lines = [os.path.join(os.getcwd(), named) if named else str(file.path)]  # noqa: PTH109, PTH118
    lines += [
        f"{kind} {name}" for kind, name in names if name.isprintable() and name[:1] not in ("", "-")
    ]
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _write(config: Path, lines: bytes, path: Path) -> None:
    with suppress(FileNotFoundError):
        if path.read_bytes() == lines:
            if path.stat().st_mtime_ns < config.stat().st_mtime_ns:
                os.utime(path)
            return
    from contextops import files

    # Another process that holds the lock writes the same list, so there is no need to wait.
    with files.locked(path, timeout=0.0):
        files.replace(path, lines)
