"""The settings in effect, for people and for programs, and the table of environment variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from contextops import strict_json
from contextops.config.dotted_keys import DEFAULT_PROFILE_KEY, Keys, spelled_as
from contextops.config.file import require_template
from contextops.config.layers import (
    SettingLayers,
    SettingValue,
    template_layer,
    template_origin,
)
from contextops.config.settings import (
    CONFIG_VARIABLE,
    KEY_SOURCES,
    LOCAL_MODEL_VARIABLE,
    PROFILE_VARIABLE,
    SETTINGS,
    TEMPLATES,
    Setting,
)


class ShownValue(NamedTuple):
    """A value in effect, secrets masked: for programs, as text for people, and where it is set."""

    value: Any
    text: str
    origin: str


def effective_settings(layers: SettingLayers) -> dict[str, ShownValue]:
    """Return the settings in effect by name; a table has one entry a key, such as ``params.seed``.

    Raises:
        ConfigError: if a setting cannot be used.
    """
    shown = {"profile": ShownValue(layers.profile, layers.profile, layers.profile_origin)}
    if default := layers.file.data.get(DEFAULT_PROFILE_KEY):
        shown[DEFAULT_PROFILE_KEY] = ShownValue(default, default, str(layers.file.path))
    key = layers.key_source()
    for name, setting in SETTINGS.items():
        source = layers.strongest.get(name)
        if source is None or (name in KEY_SOURCES and source is not key):
            continue
        if name in ("base_url", "api_path"):
            if not layers.is_local:
                shown[name] = _show_address(layers, name)
        elif setting.is_table:
            shown.update(_show_table(layers, name))
        else:
            stored = source.stored
            text = _as_text(setting.mask(stored))
            shown[name] = ShownValue(setting.to_json(stored), text, source.origin)
    return shown


def _show_address(layers: SettingLayers, name: str) -> ShownValue:
    base, path, path_source = layers.address()
    if name == "base_url":
        return ShownValue(base.value.url, base.value.url, base.origin)
    return ShownValue(path, path, path_source.origin)


def _show_table(layers: SettingLayers, name: str) -> Iterator[tuple[str, ShownValue]]:
    for key, (value, source) in layers.merge_table(name).items():
        masked = source.setting.mask({key: value})[key]
        yield f"{name}.{key}", ShownValue(masked, _as_text(masked), source.origin)


def template_values(layers: SettingLayers) -> dict[Keys, ShownValue]:
    """Return what every template sets, by its keys; a table has one entry a name."""
    shown: dict[Keys, ShownValue] = {}
    for template in layers.file.templates:
        for name, source in template_layer(layers.file, template).items():
            entries: dict[Keys, Any] = {(): source.raw}
            if source.setting.is_table:
                entries = {(key,): value for key, value in source.raw.items()}
            for inner, value in entries.items():
                keys = (TEMPLATES, template, name, *inner)
                shown[keys] = ShownValue(value, _as_text(value), source.origin)
    return shown


def effective_values(layers: SettingLayers) -> dict[str, ShownValue]:
    """Return the settings and the templates by their dotted keys."""
    templates = template_values(layers).items()
    return {**effective_settings(layers), **{".".join(keys): each for keys, each in templates}}


def config_document(layers: SettingLayers, *, show_origin: bool = False) -> dict[str, Any]:
    """Return the settings and the templates as one JSON document, tables as objects.

    With ``show_origin``, each value is an object with ``value`` and ``origin``.
    """
    # The name of a header or of a template may contain dots.
    paths: dict[Keys, ShownValue] = {
        tuple(key.split(".", 1)): each for key, each in effective_settings(layers).items()
    }
    document: dict[str, Any] = {}
    for keys, each in {**paths, **template_values(layers)}.items():
        table = document
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        value = {"value": each.value, "origin": each.origin} if show_origin else each.value
        table[keys[-1]] = value
    return document


def look_up(layers: SettingLayers, keys: Keys) -> ShownValue | None:
    """Return the value in effect of a key, or None; the name of a table returns all of it."""
    if keys[0] == TEMPLATES:
        return _look_up_template(layers, keys)
    shown = effective_settings(layers)
    name, *inner = keys
    if (key := ".".join(keys)) in shown:
        return shown[key]
    entries = {
        entry.removeprefix(f"{name}."): each
        for entry, each in shown.items()
        if entry.startswith(f"{name}.")
    }
    value: Any = {entry: each.value for entry, each in entries.items()}
    origin = ", ".join(dict.fromkeys(each.origin for each in entries.values()))
    for part in inner:
        if not isinstance(value, dict):
            return None
        value = value.get(spelled_as(value, (name, part)), {})
    return ShownValue(value, _as_text(value), origin) if value != {} else None


def _look_up_template(layers: SettingLayers, keys: Keys) -> ShownValue | None:
    _, template, *inner = keys
    require_template(layers.file.data, template)
    sources: Mapping[str, SettingValue] = template_layer(layers.file, template)
    value: Any = {name: source.raw for name, source in sources.items()}
    for part in inner:
        value = value.get(part) if isinstance(value, dict) else None
    origin = template_origin(layers.file, template)
    return ShownValue(value, _as_text(value), origin) if value not in (None, {}) else None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else strict_json.dumps(value)


# --- environment variables ----------------------------------------------------------------------


def environment_variables() -> list[tuple[str, str]]:
    """Return every environment variable that is read, with what it sets and its default."""
    return [
        (CONFIG_VARIABLE, "Config file, in place of 'contextops config path'."),
        (PROFILE_VARIABLE, "Profile to use."),
        *((setting.variable, _describe(setting)) for setting in SETTINGS.values()),
        (LOCAL_MODEL_VARIABLE, "GGUF file in place of the embedded demo model."),
        ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY", "Proxy, if no setting names one."),
        ("NO_PROXY", "Hosts that need no proxy, e.g. .example.com,10.0.0.0/8."),
        ("XDG_CONFIG_HOME", "Folder of contextops/config.toml.  [~/.config]"),
        ("XDG_STATE_HOME", "Folder of contextops/ with sessions and history.  [~/.local/state]"),
        ("XDG_CACHE_HOME", "Folder of contextops/ with names for completion.  [~/.cache]"),
        ("VISUAL, EDITOR", "Editor of 'contextops config edit' and of /edit in 'chat repl'."),
    ]


def _describe(setting: Setting[Any]) -> str:
    default = "" if setting.default is None else f"  [{_as_text(setting.default)}]"
    return f"{setting.help}{default}"
