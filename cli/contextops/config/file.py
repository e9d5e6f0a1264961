"""The config file: reading and checking it."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from contextops.config.locate import Keys, Place, locate, parse_error, position
from contextops.config.settings import SETTINGS, TEMPLATE_SETTINGS, TEMPLATES, Setting
from contextops.errors import ConfigError, reason
from contextops.secrets import is_secret_name, userinfo_of
from contextops.suggest import did_you_mean

DEFAULT_PROFILE = "default"
"""The profile in use if none is named; the file need not have it."""

LOCAL_PROFILE = "local"
"""The profile of the embedded model, which no file has."""

MAX_FILE_SIZE = 4 * 2**20
KNOWN_TABLES = ("default_profile", "profiles", TEMPLATES)

_EDIT = "correct it with 'contextops config edit'"

Data = dict[str, Any]


class ConfigFile(NamedTuple):
    """The content of a config file; a file that does not exist has none."""

    path: Path
    exists: bool
    text: str
    data: Data

    def __repr__(self) -> str:
        """Name the file only: its content may hold a key."""
        return f"ConfigFile({self.path})"

    def profile(self, name: str) -> Data | None:
        """Return the settings of a profile; None if the file has no such profile."""
        profile: Data | None = self.data.get("profiles", {}).get(name)
        return profile

    @property
    def templates(self) -> dict[str, Data]:
        """The settings of each template, by its name."""
        templates: dict[str, Data] = self.data.get(TEMPLATES, {})
        return templates


class ExposedConfigError(ConfigError):
    """A config file that contains a key and that other users may read."""


class InvalidSettingError(Exception):
    """A wrong value in the data of a config file; ``setting_error`` adds the file and the line."""

    def __init__(self, keys: Keys, why: str, remedy: str = _EDIT) -> None:
        super().__init__(keys, why)
        self.keys = keys
        self.why = why
        self.remedy = remedy


# --- reading ------------------------------------------------------------------------------------


def load_config(path: Path, *, required: bool = False) -> ConfigFile:
    """Read and check a config file; if it does not exist, it is empty unless it is ``required``.

    Raises:
        ConfigError: if it cannot be read, is not TOML, or has a wrong value.
        ExposedConfigError: if it contains a key and other users may read it.
    """
    file = read_config(path, required=required)
    try:
        check_config(file.data)
    except InvalidSettingError as error:
        raise setting_error(file, error) from None
    return file


def read_config(path: Path, *, required: bool = False) -> ConfigFile:
    """Read a config file without checking its values, which an edit may be about to correct."""
    try:
        raw, is_private = _read_bytes(path)
    except FileNotFoundError:
        if required:
            raise file_error(
                path,
                "there is no such file",
                "name another with CONTEXTOPS_CONFIG, or create it with 'contextops config set'",
            ) from None
        return ConfigFile(path, exists=False, text="", data={})
    except OSError as error:
        raise file_error(path, reason(error)) from None
    text = _decode(path, raw)
    data = _parse(path, text)
    if not is_private and next(secrets_in(data), None) is not None:
        raise ExposedConfigError(
            f"cannot use {path}",
            "it contains a key, and other users may read it",
            f"run 'chmod 600 {shlex.quote(str(path))}'",
        )
    return ConfigFile(path, exists=True, text=text, data=data)


def _read_bytes(path: Path) -> tuple[bytes, bool]:
    """Return the content, and whether the file is private, both from one open file."""
    with path.open("rb") as stream:
        is_private = _is_private(os.fstat(stream.fileno()))
        raw = stream.read(MAX_FILE_SIZE + 1)
    if len(raw) > MAX_FILE_SIZE:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_FILE_SIZE} bytes")
    return raw, is_private


def _is_private(status: os.stat_result) -> bool:
    """Return whether only its owner may read a file; the mode of others' files does not count.

    A mounted secret belongs to another user, and Windows inherits permissions from the folder.
    """
    if sys.platform == "win32":
        return True
    is_own_file = status.st_uid == os.geteuid() and stat.S_ISREG(status.st_mode)
    return not is_own_file or not status.st_mode & 0o077


def _decode(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        raise file_error(path, "it is not UTF-8", place=position(before, len(before))) from None


def _parse(path: Path, text: str) -> Data:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        why, place = parse_error(str(error), text)
        raise file_error(path, why, place=place) from None
    except RecursionError:
        raise file_error(path, "it is nested too deeply", _EDIT) from None
    except ValueError:
        # A number with more digits than Python reads; the parser does not name its place.
        match = re.search(r"[0-9_]{4000,}", text)
        place = position(text, match.start() if match else 0)
        raise file_error(path, "the number is too long", place=place) from None


def file_error(path: Path, why: str, remedy: str = "", place: Place | None = None) -> ConfigError:
    """Return the error for a config file that cannot be used, with the place to edit, if known."""
    if place is not None:
        why, remedy = f"line {place.line}, column {place.column}: {why}", remedy or _EDIT
    return ConfigError(f"cannot use {path}", why, remedy)


# --- checking -----------------------------------------------------------------------------------


def check_config(data: Data) -> None:
    """Raise ``InvalidSettingError`` for the first wrong value."""
    if not isinstance(data.get("default_profile", ""), str):
        raise InvalidSettingError(("default_profile",), "must be the name of a profile, in quotes")
    for name in table_at(data, ("profiles",)):
        if name == LOCAL_PROFILE:
            raise InvalidSettingError(
                ("profiles", name),
                f"the name {LOCAL_PROFILE} is taken by the embedded model",
                "remove it with 'contextops config unset --profile local'",
            )
        _check_values(data, ("profiles", name), SETTINGS)
    for name in table_at(data, (TEMPLATES,)):
        _check_values(data, (TEMPLATES, name), TEMPLATE_SETTINGS)


def _check_values(data: Data, keys: Keys, known: Mapping[str, Setting[Any]]) -> None:
    for key, value in table_at(data, keys).items():
        try:
            if key in known:
                known[key].kind.check(value)
        except ValueError as error:
            raise InvalidSettingError((*keys, key), str(error)) from None


def table_at(data: Data, keys: Keys) -> Data:
    """Return the table under these keys, empty if there is none."""
    for depth, key in enumerate(keys, 1):
        data = data.get(key, {})
        if not isinstance(data, dict):
            raise InvalidSettingError(keys[:depth], "must be a table")
    return data


def setting_error(file: ConfigFile, error: InvalidSettingError) -> ConfigError:
    """Return the error for a wrong value, with the file, and the line if the file has the value."""
    why = f"{error.keys[-1]}: {error.why}"
    return file_error(file.path, why, error.remedy, place=locate(file.text, error.keys))


def unknown_keys(file: ConfigFile, profile: str) -> list[str]:
    """Return a note for each unknown key at the top level and in the profile."""
    where = f"{file.path} [profiles.{profile}]"
    return [
        *_unknown_keys(file.path, file.data, KNOWN_TABLES),
        *_unknown_keys(where, file.profile(profile) or {}, SETTINGS),
    ]


def unknown_keys_of_template(file: ConfigFile, template: str) -> list[str]:
    """Return a note for each unknown key of a template."""
    where = f"{file.path} [{TEMPLATES}.{template}]"
    return _unknown_keys(where, file.templates.get(template, {}), TEMPLATE_SETTINGS)


def _unknown_keys(where: object, keys: Iterable[str], known: Iterable[str]) -> list[str]:
    hints = {key: did_you_mean(key, known) for key in keys if key not in known}
    return [f"unknown key {key} in {where}{hint and '; '}{hint}" for key, hint in hints.items()]


def require_profile(data: Data, profile: str) -> None:
    """Raise ``ConfigError``, naming the profiles of the file, if it does not have this one."""
    profiles = table_at(data, ("profiles",))
    if profile not in profiles:
        names = [name for name in profiles if name != LOCAL_PROFILE]
        raise ConfigError(
            f"there is no profile {profile}",
            f"the config file has {', '.join(names) or 'none'}",
            "create it with 'contextops config set --profile NAME KEY VALUE', "
            "or list them with 'contextops config use'",
        )


def require_template(data: Data, template: str) -> None:
    """Raise ``ConfigError``, naming the templates of the file, if it does not have this one."""
    templates = table_at(data, (TEMPLATES,))
    if template not in templates:
        raise ConfigError(
            f"there is no template {template}",
            f"the config file has {', '.join(templates) or 'none'}",
            did_you_mean(template, templates)
            or f"create it with 'contextops config set {TEMPLATES}.NAME.prompt TEXT'",
        )


def secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """Yield every secret in the data, also under unknown keys; request parameters hold none."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "params":
                yield from secrets_in(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from secrets_in(item, name)
    elif isinstance(value, str) and value:
        secret = value if is_secret_name(name) else userinfo_of(value)
        if secret.strip():
            yield secret.strip()
