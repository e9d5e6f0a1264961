"""The levels of settings: flags, template, environment, config file and defaults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from contextops.config.dotted_keys import value_error
from contextops.config.file import (
    DEFAULT_PROFILE,
    LOCAL_PROFILE,
    ConfigFile,
    Data,
    load_config,
    require_profile,
    require_template,
    unknown_keys,
    unknown_keys_of_template,
)
from contextops.config.names import save_names
from contextops.config.paths import config_path, is_config_named
from contextops.config.settings import (
    KEY_SOURCES,
    PROFILE_VARIABLE,
    SETTINGS,
    TEMPLATE_SETTINGS,
    TEMPLATES,
    Setting,
)
from contextops.config.url import needs_no_proxy, origin_of
from contextops.errors import ConfigError, ContextopsError, UsageError


class Level(StrEnum):
    """The kind of source that a value comes from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class SettingValue:
    """The value of a setting at one level; ``origin`` says where it is set, as text for people."""

    def __init__(self, setting: Setting[Any], raw: Any, level: Level, origin: str) -> None:
        self.setting = setting
        self.raw = raw
        self.level = level
        self.origin = origin

    def __repr__(self) -> str:
        """Name the source only: the value may be a key."""
        return f"SettingValue({self.setting.name}, {self.origin})"

    @property
    def stored(self) -> Any:
        """The value as a config file would store it."""
        if not isinstance(self.raw, str) or self.level in (Level.FILE, Level.DEFAULT):
            return self.raw
        try:
            return self.setting.kind.parse(self.raw)
        except ValueError as error:
            raise self._error(error) from None

    @cached_property
    def value(self) -> Any:
        """The value as the program uses it."""
        if self.level is Level.DEFAULT:
            return self.setting.default_value
        stored = self.stored
        try:
            return self.setting.kind.check(stored)
        except ValueError as error:
            raise self._error(error) from None

    def _error(self, error: ValueError) -> ContextopsError:
        """Return the error for a value that cannot be used, with where to correct it."""
        setting, why = self.setting, str(error)
        if self.level is Level.FLAG:
            # Parameters have flags of their own too, such as --temperature.
            what = "invalid parameter" if setting.name == "params" else setting.flag_name
            return value_error(setting)(what, why, "see --help")
        remedy = "correct it with 'contextops config edit'"
        if self.level is Level.ENVIRONMENT:
            remedy = f"correct or unset {self.origin}"
        return ConfigError(f"cannot use {setting.name} from {self.origin}", why, remedy)


Layer = dict[str, SettingValue]
"""The values of one level, by the name of their setting."""


class SettingLayers(NamedTuple):
    """The values of every level, the strongest first, with their profile and config file.

    ``strongest`` has the value in effect of each setting, ``template`` all that the template sets.
    """

    profile: str
    profile_origin: str
    layers: tuple[Layer, ...]
    strongest: Layer
    template: Layer
    notes: tuple[str, ...]
    file: ConfigFile

    @property
    def is_local(self) -> bool:
        """Whether the embedded model is in use."""
        return self.profile == LOCAL_PROFILE

    def values(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the value in effect of each of these settings, None if it has none."""
        sources = {name: self.strongest.get(name) for name in names}
        return {name: source.value if source else None for name, source in sources.items()}

    def key_source(self) -> SettingValue | None:
        """Return the strongest source of a key.

        Raises:
            ConfigError: if one level has two sources, since only one of them can be right.
        """
        for layer in self.layers:
            sources = [layer[name] for name in KEY_SOURCES if name in layer]
            if len(sources) > 1:
                one, other = sources[:2]
                raise ConfigError(
                    "two keys are set",
                    f"{one.origin} sets {one.setting.name} and {other.origin} sets "
                    f"{other.setting.name}",
                    "remove one of them ('contextops config unset KEY', or unset the variable)",
                )
            if sources:
                return sources[0]
        return None

    def address(self) -> tuple[SettingValue, str, SettingValue]:
        """Return the base URL, the path of the API, and the value that this path comes from.

        An address that ends in /v1 overrides an ``api_path`` of a weaker level.
        """
        base = self.strongest["base_url"]
        for layer in self.layers:
            if "api_path" in layer:
                break
            if layer.get("base_url") is base and base.value.api_path:
                return base, base.value.api_path, base
        path = self.strongest["api_path"]
        return base, path.value, path

    def merge_table(self, name: str) -> dict[str, tuple[Any, SettingValue]]:
        """Return the entries of a table from all levels, each with the value it comes from.

        Header names are case-insensitive.
        """
        entries: dict[str, tuple[str, Any, SettingValue]] = {}
        for layer in reversed(self.layers):
            if name in layer:
                for key, value in layer[name].value.items():
                    entries[key.lower() if name == "headers" else key] = (key, value, layer[name])
        return {key: (value, source) for key, value, source in entries.values()}


def collect_layers(
    flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> SettingLayers:
    """Collect the values of every level.

    ``flags`` has the values from the command line by the name of their setting, and ``profile`` and
    ``template``. The strongest level is first: flags, template, environment, file, defaults. A
    profile that a flag names comes before the environment.

    Raises:
        ConfigError: if the config file, or the profile or template that is named, cannot be used.
    """
    file = load_config(config_path(environ), required=is_config_named(environ))
    save_names(file, environ)
    name, origin = profile_in_use(flags, environ, file.data)
    by_flag = _flag_layer(flags)
    template = template_layer(file, flags["template"]) if "template" in flags else {}
    exported, defaults = _environment_layer(environ), _default_layer()
    if name == LOCAL_PROFILE:
        _refuse_server_flags(by_flag)
        # The embedded model is not a server: variables that describe a server do not apply to it,
        # and neither does the model of a template.
        exported = {key: each for key, each in exported.items() if _is_for_local(each.setting)}
        template = {key: each for key, each in template.items() if _is_for_local(each.setting)}
        layers: tuple[Layer, ...] = (by_flag, template, exported, defaults)
    else:
        stored = _file_layer(file, name, required=origin != Level.DEFAULT)
        layers = (by_flag, template, exported, stored, defaults)
        if "profile" in flags:
            layers = (by_flag, template, stored, exported, defaults)
        layers = (*layers, _proxy_layer(layers, environ))
    strongest: Layer = {}
    for layer in reversed(layers):
        strongest |= layer
    notes = [*unknown_keys(file, name), *unknown_keys_of_template(file, flags.get("template", ""))]
    return SettingLayers(name, origin, layers, strongest, template, tuple(notes), file)


def profile_in_use(
    flags: Mapping[str, Any], environ: Mapping[str, str], data: Data
) -> tuple[str, str]:
    """Return the name of the profile in use, and where it is set.

    That is ``--profile``, else CONTEXTOPS_PROFILE, else ``default_profile``, else ``default``.
    """
    if "profile" in flags:
        if not flags["profile"]:
            raise UsageError("cannot use --profile", "its name is empty", "name a profile")
        return flags["profile"], "flag --profile"
    if exported := environ.get(PROFILE_VARIABLE):
        return exported, PROFILE_VARIABLE
    if stored := data.get("default_profile"):
        return stored, str(config_path(environ))
    return DEFAULT_PROFILE, Level.DEFAULT.value


def template_origin(file: ConfigFile, name: str) -> str:
    """Return the origin of the values of a template."""
    return f"{file.path} [{TEMPLATES}.{name}]"


def template_layer(file: ConfigFile, name: str) -> Layer:
    """Return all values of a template, also those that are not settings of a profile."""
    if not name:
        raise UsageError("cannot use --template", "its name is empty", "name a template")
    require_template(file.data, name)
    origin = template_origin(file, name)
    return _table_layer(file.templates[name], TEMPLATE_SETTINGS, origin)


def _is_for_local(setting: Setting[Any]) -> bool:
    return not setting.of_server and setting.name != "model"


def _refuse_server_flags(by_flag: Layer) -> None:
    for name in ("base_url", *KEY_SOURCES):
        if name in by_flag:
            raise UsageError(
                f"{SETTINGS[name].flag_name} cannot be used with the profile {LOCAL_PROFILE}",
                "the embedded model has no address and no key",
                "leave one of them out",
            )


def _flag_layer(flags: Mapping[str, Any]) -> Layer:
    return {
        name: SettingValue(setting, flags[name], Level.FLAG, f"flag {setting.flag_name}")
        for name, setting in SETTINGS.items()
        if name in flags
    }


def _environment_layer(environ: Mapping[str, str]) -> Layer:
    return {
        name: SettingValue(setting, environ[setting.variable], Level.ENVIRONMENT, setting.variable)
        for name, setting in SETTINGS.items()
        if environ.get(setting.variable)
    }


def _file_layer(file: ConfigFile, profile: str, *, required: bool) -> Layer:
    if required and profile != DEFAULT_PROFILE:
        require_profile(file.data, profile)
    origin = f"{file.path} [profiles.{profile}]"
    return _table_layer(file.profile(profile) or {}, SETTINGS, origin)


def _table_layer(data: Data, known: Mapping[str, Setting[Any]], origin: str) -> Layer:
    return {
        name: SettingValue(known[name], value, Level.FILE, origin)
        for name, value in data.items()
        if name in known
    }


def _default_layer() -> Layer:
    return {
        name: SettingValue(setting, setting.default, Level.DEFAULT, Level.DEFAULT.value)
        for name, setting in SETTINGS.items()
        if setting.default is not None
    }


def _proxy_layer(layers: Sequence[Layer], environ: Mapping[str, str]) -> Layer:
    """Return the proxy that the environment names for the server, as for any program."""
    try:
        base_url = next(layer["base_url"] for layer in layers if "base_url" in layer)
        origin = origin_of(base_url.value.url)
    except ContextopsError:
        return {}  # An invalid address is reported where it is used.
    pair = (f"{origin.scheme}_proxy", "all_proxy")
    names = [name for lower in pair for name in (lower, lower.upper())]
    # In a CGI program, HTTP_PROXY holds what a client sent as its header Proxy (httpoxy).
    untrusted = "HTTP_PROXY" if "REQUEST_METHOD" in environ else ""
    name = next((each for each in names if each != untrusted and environ.get(each, "").strip()), "")
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if not name or needs_no_proxy(origin, no_proxy):
        return {}
    text = environ[name].strip()
    url = text if "://" in text else f"http://{text}"
    return {"proxy": SettingValue(SETTINGS["proxy"], url, Level.ENVIRONMENT, name)}
