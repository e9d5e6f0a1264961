"""The profile: which server, with which key, model and limits.

Flags override environment variables, which override stored settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from contextops.config.file import LOCAL_PROFILE
from contextops.config.key import KeySource, make_key_source
from contextops.config.layers import (
    Level,
    SettingLayers,
    SettingValue,
    collect_layers,
    template_origin,
)
from contextops.config.paths import expand_path, read_limited
from contextops.config.settings import KEY_SOURCES, LOCAL_MODEL_VARIABLE, SETTINGS, Settings
from contextops.config.template import Template
from contextops.config.url import Origin, is_private_host, origin_of
from contextops.errors import ConfigError, InputError, reason
from contextops.secrets import is_secret_name


class Profile(Settings):
    """The settings in effect: all that a request needs to know about its server and its limits.

    It has an attribute for every setting, but ``key`` in place of ``api_key``, ``api_key_file`` and
    ``api_key_command``. Durations are seconds, and 0 is no limit; ``max_time`` is None if it is not
    set. Sizes are bytes. ``base_url_is_default`` is true if no server is set, and
    ``local_model`` is the file of the weights that replace those of the embedded model.
    """

    name: str
    key: KeySource | None
    template: Template | None
    notes: tuple[str, ...]
    base_url_is_default: bool
    local_model: Path | None

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        """Name the profile only: headers and proxies may hold keys."""
        return f"Profile({self.name})"

    @property
    def is_local(self) -> bool:
        """Whether the embedded model answers."""
        return self.name == LOCAL_PROFILE

    def without_key(self) -> Profile:
        """Return the same profile without its key."""
        return Profile(**{**vars(self), "key": None})


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Profile:
    """Return the profile in use, with every setting resolved.

    ``flags`` has the values from the command line, by the names in ``FLAGS``.

    1. The profile: ``--profile``, CONTEXTOPS_PROFILE, ``default_profile``, ``default``.
    2. The levels: flags, environment, file, defaults; a template, and a profile named by a flag,
       come before the environment.
    3. The address, and the path of its API: a stronger address brings its own path.
    4. The key and the secret headers: each only for the origin that it was set for.
    5. No key over plain http to a public address, unless that is allowed.
    6. The rest: the strongest value of each; tables merge name by name.

    Raises:
        ConfigError: if a setting cannot be used.
        UsageError: the same for a flag.
        InputError: if the file of the system message cannot be read.
    """
    layers = collect_layers(flags, environ)
    base_url, api_path = "", "/api"
    if not layers.is_local:
        base, api_path, _source = layers.address()
        base_url = base.value.url
    values = layers.values(_PLAIN_SETTINGS)
    key, headers, notes = _credentials(layers, base_url, environ)
    if key or any(map(is_secret_name, headers)):
        _refuse_plain_http(base_url, allowed=values["allow_http"])
    params = layers.merge_table("params")
    local_model = environ.get(LOCAL_MODEL_VARIABLE)
    is_default = layers.strongest["base_url"].level is Level.DEFAULT
    return Profile(
        name=layers.profile,
        base_url=base_url,
        base_url_is_default=is_default and not layers.is_local,
        api_path=api_path,
        key=key,
        headers=headers,
        params={name: value for name, (value, _source) in params.items()},
        system=_system(layers, values["max_prompt"], environ),
        ca_bundle=_file(layers, layers.strongest.get("ca_bundle"), environ),
        client_cert=_file(layers, layers.strongest.get("client_cert"), environ),
        local_model=Path(local_model) if local_model else None,
        template=_template(layers, flags["template"], environ) if "template" in flags else None,
        notes=(*notes, *layers.notes),
        **values,
    )


# A setting is here unless ``resolve`` does more for it than to take the strongest value.
_PLAIN_SETTINGS = tuple(
    name
    for name in SETTINGS
    if name not in KEY_SOURCES
    and name not in ("base_url", "api_path", "headers", "params")
    and name not in ("system", "ca_bundle", "client_cert")
)


# --- the key and secret headers -----------------------------------------------------------------


def _credentials(
    layers: SettingLayers, base_url: str, environ: Mapping[str, str]
) -> tuple[KeySource | None, dict[str, str], list[str]]:
    """Return the key and the headers for this address, and a note for each that is not sent."""
    key, headers, notes = None, {}, []

    def is_withheld(what: str, source: SettingValue) -> bool:
        origin = _other_origin(layers, source, base_url)
        if origin:
            notes.append(
                f"the {what} from {source.origin} is not sent to {origin_of(base_url)}: "
                f"it belongs to {origin}"
            )
        return origin is not None

    if source := layers.key_source():
        # An invalid key is an error even where it would not be sent.
        key = make_key_source(source, partial(_path, layers, source, environ=environ))
        if is_withheld("key", source):
            key = None
    for name, (value, source) in layers.merge_table("headers").items():
        if not is_secret_name(name) or not is_withheld(f"header {name}", source):
            headers[name] = value
    return key, headers, notes


def _other_origin(layers: SettingLayers, secret: SettingValue, base_url: str) -> Origin | None:
    """Return the origin that a secret belongs to if it is not that of ``base_url``.

    A stored secret belongs to the server of its profile, one from the environment to the server in
    the environment, if there is one. A secret from a flag is sent to the server of its command.
    """
    layer = next(each for each in layers.layers if each.get(secret.setting.name) is secret)
    home = layer.get("base_url")
    if not base_url or (home is None and secret.level is not Level.FILE):
        return None
    origin = origin_of((home.value if home else Settings.base_url.default_value).url)
    return origin if origin != origin_of(base_url) else None


def _refuse_plain_http(base_url: str, *, allowed: bool) -> None:
    if not base_url.startswith("http://") or allowed:
        return
    origin = origin_of(base_url)
    if not is_private_host(origin.host):
        raise ConfigError(
            f"will not send the key to {origin}",
            "over plain http anyone on the way can read it",
            "use https, or allow it with --allow-http or 'contextops config set allow_http true'",
        )


# --- files that settings name -------------------------------------------------------------------


def _path(
    layers: SettingLayers, source: SettingValue, text: str, environ: Mapping[str, str]
) -> Path:
    """Return a path; a stored one is relative to the folder of the config file."""
    folder = layers.file.path.parent if source.level is Level.FILE else Path()
    return expand_path(text, folder, environ)


def _file(
    layers: SettingLayers, source: SettingValue | None, environ: Mapping[str, str]
) -> Path | None:
    return _path(layers, source, source.value, environ) if source else None


def _system(layers: SettingLayers, limit: int, environ: Mapping[str, str]) -> str | None:
    """Return the system message, read from its file if it is @FILE; an empty one is None."""
    source = layers.strongest.get("system")
    text = source.value if source else ""
    if source is None or not text.startswith("@"):
        return text or None
    path = _path(layers, source, text[1:], environ)
    try:
        raw = read_limited(path, limit)
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8: invalid byte at offset {error.start}"
    except OSError as error:
        why = reason(error)
    else:
        if len(raw) <= limit:
            return text or None
        why = f"it is larger than {limit} bytes"
    raise InputError(f"cannot read {path}", why, f"correct system from {source.origin}")


def _template(layers: SettingLayers, name: str, environ: Mapping[str, str]) -> Template:
    own = {key: source.value for key, source in layers.template.items()}
    system = layers.strongest.get("system")
    return Template(
        name=name,
        prompt=own.get("prompt", ""),
        schema=_file(layers, layers.template.get("schema"), environ),
        says_system=bool(system and system.origin == template_origin(layers.file, name)),
        model=own.get("model"),
        params=own.get("params", {}),
    )
