"""Dotted keys: the names by which ``contextops config`` reads and changes settings.

``model``, ``params.temperature``, ``headers.X-Org.Unit`` and ``templates.NAME.prompt`` are keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contextops.config.settings import KEY_SOURCES, SETTINGS, TEMPLATE_SETTINGS, TEMPLATES, Setting
from contextops.config.values import FILE, HEADERS, KEY, PARAMS, URL, parse_parameter
from contextops.errors import ConfigError, ContextopsError, UsageError
from contextops.secrets import is_secret_name, redact
from contextops.suggest import did_you_mean

Keys = tuple[str, ...]

DEFAULT_PROFILE_KEY = "default_profile"
"""The key of the profile in use; it belongs to the file and to no profile."""

_COMMON_PARAMETERS = ("temperature", "max_tokens", "top_p", "seed")


def split_key(key: str) -> Keys:
    """Return the parts of a dotted key; a header's name may hold dots, so it is one part.

    Raises:
        ValueError: if no setting has this key; the reason does not repeat what may be a secret.
    """
    name, *inner = key.split(".")
    if name == TEMPLATES:
        return (TEMPLATES, *_split_template_key(inner))
    if name not in SETTINGS:
        raise ValueError(f"unknown setting {redact(name)}")
    if inner and not SETTINGS[name].is_table:
        raise ValueError(f"{name} has no keys below it")
    if not all(inner):
        raise ValueError("a part of the key is empty")
    return (name, ".".join(inner)) if inner and SETTINGS[name].kind is HEADERS else (name, *inner)


def _split_template_key(parts: list[str]) -> Keys:
    """Split NAME or NAME.KEY; the name may hold dots, and ends before the first known KEY."""
    if not parts or not all(parts):
        raise ValueError(f"the key of a template is written {TEMPLATES}.NAME.KEY")
    ends = (place for place, part in enumerate(parts) if place and part in TEMPLATE_SETTINGS)
    end = next(ends, len(parts))
    key = parts[end:]
    if key[1:] and not TEMPLATE_SETTINGS[key[0]].is_table:
        raise ValueError(f"{key[0]} has no keys below it")
    return (".".join(parts[:end]), *key)


def find_key(key: str) -> Keys:
    """Return the parts of a dotted key, or of ``default_profile``.

    Raises:
        UsageError: if no setting has this key; it suggests the nearest.
    """
    if key == DEFAULT_PROFILE_KEY:
        return (key,)
    try:
        return split_key(key)
    except ValueError as error:
        raise unknown_key_error(key, error) from None


def unknown_key_error(key: str, error: ValueError) -> UsageError:
    """Return the error for a key that ``split_key`` rejected, with the nearest key as remedy."""
    if key in _COMMON_PARAMETERS:
        return UsageError(str(error), remedy=f"did you mean params.{key}?")
    if key.partition(".")[0] == TEMPLATES:
        return UsageError(str(error), remedy="see them all with 'contextops config list'")
    hint = did_you_mean(key, [*SETTINGS, DEFAULT_PROFILE_KEY])
    return UsageError(str(error), remedy=hint or "see them all with 'contextops help environment'")


def parse_assignments(words: Sequence[str]) -> dict[Keys, str]:
    """Return the keys and texts of ``KEY VALUE`` or of several ``KEY=VALUE``.

    No key contains an equals sign, so the first word shows which syntax is used.
    """
    if "=" not in words[0]:
        if len(words) != 2:
            raise UsageError("cannot tell keys from values", "write KEY VALUE, or KEY=VALUE ...")
        return {_settable_key(words[0]): words[1]}
    texts: dict[Keys, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError("cannot tell keys from values", "one word is not KEY=VALUE")
        texts[_settable_key(key)] = text
    return texts


def _settable_key(key: str) -> Keys:
    """Return the parts of a key; raises ``UsageError`` for one that cannot be set.

    That is the name of a template without a key, or with a key that templates do not have.
    """
    keys = find_key(key)
    if keys[0] == TEMPLATES and len(keys) == 2:
        _name, dot, last = keys[1].rpartition(".")
        hint = did_you_mean(last, TEMPLATE_SETTINGS) if dot else ""
        raise UsageError(
            f"{redact(key)} is not a setting of a template",
            f"a template has {', '.join(TEMPLATE_SETTINGS)}",
            hint or f"write {TEMPLATES}.NAME.KEY",
        )
    return keys


def setting_of(keys: Keys) -> tuple[Setting[Any], Keys]:
    """Return the setting that a key belongs to, and the parts of the key below it."""
    if keys[0] == TEMPLATES:
        return TEMPLATE_SETTINGS[keys[2]], keys[3:]
    return SETTINGS[keys[0]], keys[1:]


def is_secret_key(keys: Keys) -> bool:
    """Return whether the value of a key is a secret."""
    setting = SETTINGS.get(keys[0])
    return setting is not None and (
        setting.kind is KEY or (setting.kind is HEADERS and is_secret_name(keys[-1]))
    )


def parse_value(keys: Keys, text: str) -> Any:
    """Return the value that the config file stores for text under these keys.

    Raises:
        ValueError: if the setting cannot have this value.
    """
    setting, inner = setting_of(keys)
    if not inner:
        stored = setting.kind.parse(text)
        value = setting.kind.check(stored)
        return value.shortest if setting.kind is URL else stored
    value = table = parse_parameter(text) if setting.kind is PARAMS else text.strip()
    for key in reversed(inner):
        table = {key: table}
    setting.kind.check(table)
    return value


def parse_stored_value(keys: Keys, text: str) -> Any:
    """Return what ``parse_value`` returns, with paths made absolute.

    A relative path in the config file begins at the file's folder, and one on the command line at
    the current folder.

    Raises:
        UsageError: if the setting cannot have this value.
        ConfigError: the same, for the server or the key.
    """
    if keys == (DEFAULT_PROFILE_KEY,):
        return text
    setting, inner = setting_of(keys)
    try:
        value = parse_value(keys, text)
    except ValueError as error:
        key = ".".join(keys)
        remedy = "" if text else f"to remove it: contextops config unset {key}"
        raise value_error(setting)(f"cannot set {key}", str(error), remedy) from None
    if setting.name == "system" and value.startswith("@"):
        return f"@{_absolute(value[1:])}"
    return _absolute(value) if setting.kind is FILE and not inner else value


def value_error(setting: Setting[Any]) -> type[ContextopsError]:
    """Return the class of the error for a value on the command line that cannot be used.

    It is a usage error, except for the server and the key, whose errors are always of the config.
    """
    return ConfigError if setting.name in ("base_url", *KEY_SOURCES) else UsageError


def _absolute(text: str) -> str:
    if text.startswith("~"):
        return text
    try:
        return str(Path(text).absolute())
    except FileNotFoundError:
        raise ConfigError(
            "cannot resolve a relative path",
            "the current folder was removed",
            "use an absolute path",
        ) from None


def spelled_as(table: Mapping[str, Any], keys: Keys) -> str:
    """Return the last key as the table spells it: header names are case-insensitive."""
    normalize = str.lower if keys[0] == "headers" else str
    return next((name for name in table if normalize(name) == normalize(keys[-1])), keys[-1])
