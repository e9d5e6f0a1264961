"""Changes of the config file.

A change is a function that edits the file's data in place. Data that it does not know, such as
tables of later versions and misspelled keys, is preserved.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

from contextops import files
from contextops.config.dotted_keys import (
    DEFAULT_PROFILE_KEY,
    Keys,
    find_key,
    parse_stored_value,
    spelled_as,
    split_key,
    unknown_key_error,
)
from contextops.config.file import (
    DEFAULT_PROFILE,
    KNOWN_TABLES,
    LOCAL_PROFILE,
    MAX_FILE_SIZE,
    Data,
    InvalidSettingError,
    check_config,
    file_error,
    load_config,
    read_config,
    require_profile,
    require_template,
    setting_error,
    table_at,
)
from contextops.config.layers import profile_in_use
from contextops.config.names import profile_names, save_names
from contextops.config.paths import config_path, is_config_named
from contextops.config.settings import KEY_SOURCES, SETTINGS, TEMPLATES
from contextops.editor import run_editor
from contextops.errors import ConfigError, ContextopsError, UsageError

Environ = Mapping[str, str]

# --- the commands -------------------------------------------------------------------------------


def set_settings(
    flags: Mapping[str, Any], texts: Mapping[Keys, str], environ: Environ = os.environ
) -> list[str]:
    """Store settings in the profile in use, in templates, or as ``default_profile``.

    ``texts`` has the text of each value by its key. A profile that a flag names may be new. Returns
    notes for the user.
    """
    values = {keys: parse_stored_value(keys, text) for keys, text in texts.items()}
    if sum(keys[0] in KEY_SOURCES for keys in values) > 1:
        raise ConfigError("two keys are set", "they count as one setting", "set only one of them")
    default_profile = values.pop((DEFAULT_PROFILE_KEY,), None)
    in_templates = {keys: values.pop(keys) for keys in list(values) if keys[0] == TEMPLATES}
    notes: list[str] = []

    def change(data: Data) -> None:
        if values:
            profile = _profile_to_change(flags, data, environ, may_be_new=True)
        for keys, value in values.items():
            removed = set_value(data, profile, keys, value)
            notes.extend(f"{keys[0]} replaces {name}" for name in removed)
        for keys, value in in_templates.items():
            _make_table(data, keys[:-1])[keys[-1]] = value
        if default_profile is not None:
            set_default_profile(data, default_profile)

    return [*_change_config(change, environ, create=True), *notes]


def unset_settings(
    flags: Mapping[str, Any], keys: Sequence[str], environ: Environ = os.environ
) -> list[str]:
    """Remove settings by their dotted keys, or without keys the profile that a flag names."""
    notes: list[str] = []

    def change(data: Data) -> None:
        for key in keys:
            _unset(flags, data, key, environ)
        if not keys and remove_profile(data, flags["profile"]):
            notes.append(f"{flags['profile']} was the default profile; now none is")

    if not keys and "profile" not in flags:
        raise UsageError("nothing to unset", "", "name a KEY, or a profile with --profile NAME")
    return [*_change_config(change, environ), *notes]


def _unset(flags: Mapping[str, Any], data: Data, key: str, environ: Environ) -> None:
    """Remove a key; an unknown one is removed too if the file has it."""
    if key == DEFAULT_PROFILE_KEY:
        data.pop(key, None)
        return
    if key.startswith(f"{TEMPLATES}."):
        unset_template(data, find_key(key))
        return
    profile = _profile_to_change(flags, data, environ, may_be_new=False)
    try:
        keys, error = split_key(key), None
    except ValueError as unknown:
        keys, error = (key,), unknown
    is_removed = unset_value(data, profile, keys)
    if not is_removed and "profile" not in flags and key not in KNOWN_TABLES:
        is_removed = data.pop(key, None) is not None
    if error and not is_removed:
        raise unknown_key_error(key, error) from None


def use_profile(name: str, environ: Environ = os.environ) -> list[str]:
    """Make a profile the default one.

    ``default`` is in use without a file, so none is created for it.
    """
    create = name != DEFAULT_PROFILE
    return _change_config(lambda data: set_default_profile(data, name), environ, create=create)


def list_profiles(
    flags: Mapping[str, Any], environ: Environ = os.environ
) -> tuple[dict[str, str], str]:
    """Return the address of each profile by its name, and the name of the profile in use.

    The embedded model has the empty address.
    """
    file = load_config(config_path(environ), required=is_config_named(environ))
    save_names(file, environ)
    address = SETTINGS["base_url"].default
    profiles = {
        name: str((file.profile(name) or {}).get("base_url", address))
        for name in profile_names(file.data)
    }
    in_use, _origin = profile_in_use(flags, environ, file.data)
    return {**profiles, LOCAL_PROFILE: ""}, in_use


def edit_in_editor(editor: Sequence[str], environ: Environ = os.environ) -> None:
    """Run the user's editor on the config file, then check it.

    A file with an error stays as it was edited, so that nobody has to type it twice.
    """
    path = config_path(environ)
    if not path.exists():
        with files.locked(path):
            files.replace(path, b"")
    run_editor(editor, path)
    # Editors that write a new file give it the default mode, and this one may contain a key.
    files.protect(path)
    save_names(load_config(path), environ)


def _profile_to_change(
    flags: Mapping[str, Any], data: Data, environ: Environ, *, may_be_new: bool
) -> str:
    """Return the profile that a change is for; only one that a flag names may be new."""
    name, _origin = profile_in_use(flags, environ, data)
    is_new = may_be_new and "profile" in flags
    if not is_new and name not in (DEFAULT_PROFILE, LOCAL_PROFILE):
        require_profile(data, name)
    return name


def _change_config(
    change: Callable[[Data], None], environ: Environ, *, create: bool = False
) -> list[str]:
    path, required = config_path(environ), is_config_named(environ)
    notes = edit_config(path, change, create=create, required=required)
    # The change has been written, so a list that cannot be written is not an error.
    with suppress(ContextopsError):
        save_names(load_config(path), environ)
    return notes


# --- changing the file --------------------------------------------------------------------------


def edit_config(
    path: Path, change: Callable[[Data], None], *, create: bool = True, required: bool = False
) -> list[str]:
    """Apply a change under the file's lock and write the result durably; return notes for the user.

    A file with an error is left as it is, unless the change corrects it. A file that does not exist
    is made only if ``create`` is true.
    """
    if not create and not path.exists():
        change(read_config(path, required=required).data)
        return []
    if path.exists() and not path.is_file():
        raise file_error(path, "it is not a regular file", "name one with CONTEXTOPS_CONFIG")
    with files.locked(path):
        file = read_config(path)
        data = deepcopy(file.data)
        try:
            change(data)
            check_config(data)
        except InvalidSettingError as error:
            raise setting_error(file, error) from None
        content = _to_toml(path, data)
        if file.exists and content == _to_toml(path, file.data):
            return []
        notes = []
        text = file.text.replace("\r\n", "\n")
        if text.strip() and text.encode() != _to_toml(path, file.data):
            from contextops.config.backup import back_up

            notes.append(back_up(file))
        files.replace(path, content)
        return notes


def set_value(data: Data, profile: str, keys: Keys, value: Any) -> list[str]:
    """Set one value, and make the profile if it is new; return the settings that it replaced.

    A source of the key replaces the others, since they count as one setting.
    """
    if profile == LOCAL_PROFILE:
        raise ConfigError(
            f"cannot change the profile {LOCAL_PROFILE}",
            "it is built in",
            "name another one with --profile NAME",
        )
    settings = _make_table(data, ("profiles", profile))
    others = [key for key in KEY_SOURCES if keys[0] in KEY_SOURCES and key != keys[0]]
    replaced = [key for key in others if settings.pop(key, None) is not None]
    table = _make_table(data, ("profiles", profile, *keys[:-1]))
    table[spelled_as(table, keys)] = value
    return replaced


def unset_value(data: Data, profile: str, keys: Keys) -> bool:
    """Remove one value and the tables that this leaves empty; return whether it was there."""
    above = ("profiles", profile, *keys[:-1])
    return _remove(data, (*above, spelled_as(table_at(data, above), keys)), permanent=2)


def _remove(data: Data, path: Keys, *, permanent: int) -> bool:
    """Remove a value and the tables that this leaves empty, except the outermost ``permanent``."""
    tables = [table_at(data, path[:depth]) for depth in range(permanent, len(path))]
    is_removed = tables[-1].pop(path[-1], None) is not None
    above = reversed(path[permanent:-1])
    for key, table, inner in zip(above, tables[-2::-1], tables[:0:-1], strict=True):
        if is_removed and not inner:
            del table[key]
    return is_removed


def set_default_profile(data: Data, profile: str) -> None:
    """Make a profile the one that is used if none is named."""
    if profile not in (DEFAULT_PROFILE, LOCAL_PROFILE):
        require_profile(data, profile)
    data[DEFAULT_PROFILE_KEY] = profile


def remove_profile(data: Data, profile: str) -> bool:
    """Remove a profile; return whether it was the default, which then is ``default`` again."""
    require_profile(data, profile)
    del data["profiles"][profile]
    if not data["profiles"]:
        del data["profiles"]
    was_default = data.get(DEFAULT_PROFILE_KEY) == profile
    if was_default:
        del data[DEFAULT_PROFILE_KEY]
    return was_default


def unset_template(data: Data, keys: Keys) -> None:
    """Remove a template, or one value of it, and the tables that this leaves empty."""
    templates = table_at(data, (TEMPLATES,))
    name, _, unknown = keys[1].rpartition(".")
    inner = templates.get(name)
    if keys[1] not in templates and isinstance(inner, dict) and unknown in inner:
        # An unknown key of a template is removed too.
        keys = (TEMPLATES, name, unknown)
    require_template(data, keys[1])
    _remove(data, keys, permanent=0)


def _make_table(data: Data, keys: Keys) -> Data:
    for depth, key in enumerate(keys, 1):
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise InvalidSettingError(keys[:depth], "must be a table")
    return data


def _to_toml(path: Path, data: Data) -> bytes:
    import tomllib

    import tomli_w

    try:
        text = tomli_w.dumps(data)
        tomllib.loads(text)
        content = text.encode()
    except (ValueError, TypeError, RecursionError):
        raise file_error(path, "TOML cannot hold such a value", "use another one") from None
    if len(content) > MAX_FILE_SIZE:
        raise file_error(path, f"it would be larger than {MAX_FILE_SIZE} bytes", "store less in it")
    return content
