"""The profile loader: which server, as whom, with which model and limits.

What is typed beats what is exported, which beats what is stored.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from contextops import strict_json
from contextops.config.file import (
    DEFAULT_PROFILE,
    LOCAL_PROFILE,
    ConfigFile,
    Data,
    edit_config,
    load_config,
    require_profile,
    require_template,
    spelled_as,
    unknown_keys,
    unknown_keys_of_template,
)
from contextops.config.settings import (
    FILE,
    KEY_SOURCES,
    SETTINGS,
    TEMPLATE_SETTINGS,
    TEMPLATES,
    BaseUrl,
    Origin,
    Setting,
    is_private_host,
    needs_no_proxy,
    origin_of,
    parse_key,
    setting_of,
)
from contextops.config.template import Template
from contextops.errors import ConfigError, ContextopsError, InputError, UsageError, reason
from contextops.secrets import is_secret_name, redact

if TYPE_CHECKING:
    import subprocess

_PREFIX = "CONTEXTOPS_"
_PROFILE_FLAG = "flag --profile"
_OF_A_SERVER = (
    *KEY_SOURCES,
    *("base_url", "api_path", "headers", "proxy"),
    *("ca_bundle", "client_cert", "insecure", "allow_http"),
)
_LONGEST_KEY = 64 * 2**10
_COMMAND_TIMEOUT = 30.0


class KeySource:
    """Hold where a key comes from; it is fetched when a request is about to be sent, and once."""

    def __init__(
        self, origin: str, fetch: Callable[[], str], *, runs_command: bool = False
    ) -> None:
        self.origin = origin
        self.runs_command = runs_command
        self._fetch = fetch
        self._key: str | None = None

    def __repr__(self) -> str:
        """Name the source; a key stands in no trace and no log."""
        return f"KeySource({self.origin!r})"

    @property
    def is_read(self) -> bool:
        """Tell whether it has been fetched."""
        return self._key is not None

    def read(self) -> str:
        """Fetch the key, or fail without echoing a part of it."""
        if self._key is None:
            try:
                self._key = parse_key(self._fetch())
            except UnicodeDecodeError:
                raise self._unusable("it is not UTF-8") from None
            except ValueError as error:
                raise self._unusable(str(error)) from None
        return self._key

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            f"cannot use the key of {self.origin}",
            why,
            "see where it comes from with 'contextops config list --show-origin'",
        )


class Profile(NamedTuple):
    """Hold all that a request needs to know about its server and its limits.

    Durations are seconds, and 0 is no limit; ``max_time`` is None where nobody set one.
    """

    name: str
    base_url: str
    api_path: str
    model: str | None
    system: str | None
    params: Mapping[str, Any]
    headers: Mapping[str, str]
    connect_timeout: float
    first_token_timeout: float
    idle_timeout: float
    max_time: float | None
    retries: int
    allow_http: bool
    ca_bundle: Path | None
    client_cert: Path | None
    proxy: str | None
    insecure: bool
    session: str | None
    max_answer: int
    max_event: int
    max_body: int
    max_prompt: int
    local_model: Path | None
    template: Template | None
    key: KeySource | None
    notes: tuple[str, ...]
    origins: Mapping[str, str]

    def __repr__(self) -> str:
        """Name it only: headers and proxies may hold keys."""
        return f"Profile({self.name})"

    @property
    def is_local(self) -> bool:
        """Tell whether the embedded model is meant."""
        return self.name == LOCAL_PROFILE


TYPED, EXPORTED, STORED, BUILT_IN = "typed", "exported", "stored", "default"


class SettingValue(NamedTuple):
    """Hold one value as it was given, on which level, and where: ``origin`` is for people."""

    setting: Setting
    raw: Any
    level: str
    origin: str

    def __repr__(self) -> str:
        """Name the source only: the value may be a key."""
        return f"Given({self.setting.name}, {self.origin})"

    @property
    def kept(self) -> Any:
        """Give the value as a file would keep it."""
        if not isinstance(self.raw, str) or self.level not in (TYPED, EXPORTED):
            return self.raw
        try:
            return self.setting.kind.keep(self.raw)
        except ValueError as error:
            raise self.unusable(str(error)) from None

    @property
    def value(self) -> Any:
        """Read the value."""
        kept = self.kept
        try:
            return self.setting.check(kept)
        except ValueError as error:
            raise self.unusable(str(error)) from None

    def unusable(self, why: str) -> ContextopsError:
        """Say in whose hands it is to correct this."""
        remedy = {
            TYPED: "see --help for how it is written",
            EXPORTED: f"correct or unset {self.origin}",
        }.get(self.level, "correct it with 'contextops config edit'")
        what = f"cannot use {self.setting.name} of {self.origin}"
        return value_error(self.setting, what, why, remedy, typed=self.level == TYPED)


def value_error(
    setting: Setting, what: str, why: str, remedy: str, *, typed: bool
) -> ContextopsError:
    """Make a slip on the command line a usage failure, but for the server and the key."""
    about_server = setting.name in ("base_url", *KEY_SOURCES)
    return (UsageError if typed and not about_server else ConfigError)(what, why, remedy)


Level = dict[str, SettingValue]
"""The values of one level, by the name of their setting."""


class SettingLayers(NamedTuple):
    """Hold what every level gives, the strongest first."""

    profile: str
    profile_origin: str
    levels: tuple[Level, ...]
    notes: tuple[str, ...]
    file: ConfigFile

    def first(self, name: str) -> SettingValue | None:
        """Give the strongest value of a setting."""
        return next((level[name] for level in self.levels if name in level), None)

    def all(self, name: str) -> list[SettingValue]:
        """Give every value of a setting, the weakest first: a table is merged in this order."""
        return [level[name] for level in reversed(self.levels) if name in level]

    def key_source(self) -> SettingValue | None:
        """Give the strongest source of a key; two on one level cannot both be meant."""
        for level in self.levels:
            found = [level[name] for name in KEY_SOURCES if name in level]
            if len(found) > 1:
                raise ConfigError(
                    "there are two keys",
                    f"{found[0].origin} and {found[1].origin} give {found[0].setting.name} and "
                    f"{found[1].setting.name}",
                    "keep one of them ('contextops config unset KEY', or unset the variable)",
                )
            if found:
                return found[0]
        return None


# --- the levels -----------------------------------------------------------------------------------


def collect_layers(
    typed: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> SettingLayers:
    """Collect what every level gives, without judging what a request would make of it."""
    file = load_config(config_path(environ), required=is_config_named(environ))
    name, origin = _profile_name(typed, environ, file.data)
    by_hand, exported, built_in = _typed(typed), _exported(environ), _built_in()
    template = _of_template(file, typed["template"]) if "template" in typed else {}
    if name == LOCAL_PROFILE:
        _refuse_beside_local(by_hand)
        # The embedded model is no server: nothing that is exported for one is meant for it, and
        # no model that a template names.
        for key in (*_OF_A_SERVER, "model"):
            exported.pop(key, None)
            template.pop(key, None)
        levels: tuple[Level, ...] = (by_hand, template, exported, built_in)
    else:
        stored = _stored(file, name, required=origin != BUILT_IN)
        levels = (by_hand, template, exported, stored, built_in)
        if "profile" in typed:
            levels = (by_hand, template, stored, exported, built_in)
        levels = (*levels, _proxy_of_environment(levels, environ))
    notes = [*unknown_keys(file, name), *unknown_keys_of_template(file, typed.get("template", ""))]
    return SettingLayers(name, origin, levels, tuple(notes), file)


def _refuse_beside_local(typed: Level) -> None:
    for name in ("base_url", *KEY_SOURCES):
        if name in typed:
            raise UsageError(
                f"{SETTINGS[name].flag} does not go with the profile {LOCAL_PROFILE}",
                "the embedded model has no address and no key",
                "leave one of them out",
            )


def _profile_name(
    typed: Mapping[str, Any], environ: Mapping[str, str], data: Data
) -> tuple[str, str]:
    if "profile" in typed:
        if not typed["profile"]:
            raise UsageError("cannot use --profile", "its name is empty", "give it a name")
        return typed["profile"], _PROFILE_FLAG
    if exported := environ.get(f"{_PREFIX}PROFILE"):
        return exported, f"{_PREFIX}PROFILE"
    if stored := data.get("default_profile"):
        return stored, str(config_path(environ))
    return DEFAULT_PROFILE, BUILT_IN


def _typed(typed: Mapping[str, Any]) -> Level:
    return {
        name: SettingValue(SETTINGS[name], value, TYPED, f"flag {SETTINGS[name].flag}")
        for name, value in typed.items()
        if name in SETTINGS
    }


def _exported(environ: Mapping[str, str]) -> Level:
    return {
        name: SettingValue(setting, environ[_variable(name)], EXPORTED, _variable(name))
        for name, setting in SETTINGS.items()
        if environ.get(_variable(name))
    }


def _proxy_of_environment(levels: Sequence[Level], environ: Mapping[str, str]) -> Level:
    """Give the proxy that the environment names for the server, as for any program."""
    try:
        base_url = next(level["base_url"] for level in levels if "base_url" in level)
        origin = origin_of(base_url.value.url)
    except ContextopsError:
        return {}  # the address is judged where it is used
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    both = (f"{origin.scheme}_proxy", "all_proxy")
    names = [name for lower in both for name in (lower, lower.upper())]
    # In a CGI program, HTTP_PROXY holds what a client sent as its header Proxy.
    foreign = "HTTP_PROXY" if "REQUEST_METHOD" in environ else ""
    told = (name for name in names if name != foreign and environ.get(name, "").strip())
    name = next(told, None)
    if name is None or needs_no_proxy(origin, exempt):
        return {}
    text = environ[name].strip()
    url = text if "://" in text else f"http://{text}"
    return {"proxy": SettingValue(SETTINGS["proxy"], url, EXPORTED, name)}


def _stored(file: ConfigFile, profile: str, *, required: bool) -> Level:
    if required and profile != DEFAULT_PROFILE:
        require_profile(file.data, profile)
    origin = f"{file.path} [profiles.{profile}]"
    return _level(file.profile(profile) or {}, SETTINGS, origin)


def _of_template(file: ConfigFile, name: str) -> Level:
    """Give all that a template says, also what is no setting of a profile."""
    if not name:
        raise UsageError("cannot use --template", "its name is empty", "give it a name")
    require_template(file.data, name)
    return _level(file.templates[name], TEMPLATE_SETTINGS, _origin_of_template(file, name))


def _origin_of_template(file: ConfigFile, name: str) -> str:
    return f"{file.path} [{TEMPLATES}.{name}]"


def _level(data: Data, known: Mapping[str, Setting], origin: str) -> Level:
    return {
        name: SettingValue(known[name], value, STORED, origin)
        for name, value in data.items()
        if name in known
    }


def _built_in() -> Level:
    return {
        name: SettingValue(setting, setting.default, BUILT_IN, BUILT_IN)
        for name, setting in SETTINGS.items()
        if setting.default is not None
    }


# --- what is in force ---------------------------------------------------------------------------


class InForce(NamedTuple):
    """Hold a value for people and for programs, keys masked, and where it comes from."""

    value: Any
    shown: str
    origin: str


def settings_in_force(sources: SettingLayers) -> dict[str, InForce]:
    """Give what applies, by name; a table has one entry a name, such as ``params.seed``."""
    found = {"profile": InForce(sources.profile, sources.profile, sources.profile_origin)}
    if default := sources.file.data.get("default_profile"):
        found["default_profile"] = InForce(default, default, str(sources.file.path))
    key = sources.key_source()
    for name, setting in SETTINGS.items():
        given = sources.first(name)
        if given is None or (name in KEY_SOURCES and given is not key):
            continue
        if name in ("base_url", "api_path"):
            if sources.profile != LOCAL_PROFILE:
                found[name] = _in_force_address(sources, name)
        elif setting.is_table:
            found.update(_in_force_table(sources, name))
        else:
            shown = _as_text(setting.masked(given.kept))
            found[name] = InForce(setting.to_json(given.kept), shown, given.origin)
    return found


def _in_force_address(sources: SettingLayers, name: str) -> InForce:
    url, path = address(sources)
    value, given = (url.url, sources.first(name)) if name == "base_url" else path
    return InForce(value, value, given.origin if given else BUILT_IN)


def _in_force_table(sources: SettingLayers, name: str) -> Iterator[tuple[str, InForce]]:
    for key, (value, given) in merge_tables(sources, name).items():
        shown = given.setting.masked({key: value})[key]
        yield f"{name}.{key}", InForce(shown, _as_text(shown), given.origin)


def look_up_setting(found: Mapping[str, InForce], keys: Sequence[str]) -> InForce | None:
    """Give what is in force under a dotted key; a table's own name gives the whole of it."""
    name, *inner = keys
    if (key := ".".join(keys)) in found:
        return found[key]
    entries = {
        entry.removeprefix(f"{name}."): each
        for entry, each in found.items()
        if entry.startswith(f"{name}.")
    }
    value: Any = {entry: each.value for entry, each in entries.items()}
    origin = ", ".join(dict.fromkeys(each.origin for each in entries.values()))
    for part in inner:
        if not isinstance(value, dict):
            return None
        value = value.get(spelled_as(value, (name, part)), {})
    return InForce(value, _as_text(value), origin) if value != {} else None


def templates_in_force(sources: SettingLayers) -> dict[tuple[str, ...], InForce]:
    """Give what every template says, by its dotted key; a table has one entry a name."""
    found: dict[tuple[str, ...], InForce] = {}
    for template in sources.file.templates:
        for name, given in _of_template(sources.file, template).items():
            entries: dict[tuple[str, ...], Any] = {(): given.raw}
            if given.setting.is_table:
                entries = {(key,): value for key, value in given.raw.items()}
            for inner, value in entries.items():
                keys = (TEMPLATES, template, name, *inner)
                found[keys] = InForce(value, _as_text(value), given.origin)
    return found


def look_up_in_template(sources: SettingLayers, keys: Sequence[str]) -> InForce | None:
    """Give what a template says under a dotted key; its own name gives the whole of it."""
    _, template, *inner = keys
    require_template(sources.file.data, template)
    said = _of_template(sources.file, template)
    value: Any = {name: given.raw for name, given in said.items()}
    for part in inner:
        value = value.get(part) if isinstance(value, dict) else None
    origin = _origin_of_template(sources.file, template)
    return InForce(value, _as_text(value), origin) if value not in (None, {}) else None


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else strict_json.dumps(value)


def merge_tables(sources: SettingLayers, name: str) -> dict[str, tuple[Any, SettingValue]]:
    """Merge a table name by name over the levels; case means nothing in the name of a header."""
    found: dict[str, tuple[str, Any, SettingValue]] = {}
    for given in sources.all(name):
        for key, value in given.value.items():
            found[key.lower() if name == "headers" else key] = (key, value, given)
    return {key: (value, given) for key, value, given in found.values()}


# --- the profile ----------------------------------------------------------------------------------


def resolve(typed: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Profile:
    """Settle every setting.

    1. The profile: ``--profile``, CONTEXTOPS_PROFILE, ``default_profile``, ``default``.
    2. The levels: typed, exported, stored, built in; the values of a template and of a profile that
       are typed before the exported.
    3. The address, and the path of its API: a stronger address brings its own.
    4. The key and the secret headers: each only to the origin that it was given for.
    5. No key over plain http to a public address, unless that is allowed.
    6. The rest: the strongest value of each; tables merge name by name.
    """
    sources = collect_layers(typed, environ)
    is_local = sources.profile == LOCAL_PROFILE
    base_url, api_path = ("", "/api") if is_local else _where(sources)
    key, headers, notes = _credentials(sources, base_url, environ)
    if not is_local and (key or any(map(is_secret_name, headers))):
        _refuse_plain_http(base_url, allowed=_value(sources, "allow_http"))
    return Profile(
        name=sources.profile,
        base_url=base_url,
        api_path=api_path,
        key=key,
        headers=headers,
        notes=(*notes, *sources.notes),
        params={name: value for name, (value, _given) in merge_tables(sources, "params").items()},
        system=_system(sources, environ),
        ca_bundle=_file(sources, "ca_bundle", environ),
        client_cert=_file(sources, "client_cert", environ),
        local_model=_local_model(environ),
        template=_template(sources, typed["template"], environ) if "template" in typed else None,
        origins={name: entry.origin for name, entry in settings_in_force(sources).items()},
        **{name: _value(sources, name) for name in _PLAIN},
    )


_PLAIN = (
    *("model", "session", "proxy", "allow_http", "insecure", "retries"),
    *("connect_timeout", "first_token_timeout", "idle_timeout", "max_time"),
    *("max_answer", "max_event", "max_body", "max_prompt"),
)


def _value(sources: SettingLayers, name: str) -> Any:
    given = sources.first(name)
    return given.value if given else None


def address(sources: SettingLayers) -> tuple[BaseUrl, tuple[str, SettingValue]]:
    """Settle the base URL, and the path of the API with the setting that gives it.

    An address that ends in /v1 says more than a path on a weaker level.
    """
    base = next(level["base_url"] for level in sources.levels if "base_url" in level)
    url: BaseUrl = base.value
    for level in sources.levels:
        if "api_path" in level:
            break
        if url.api_path and level.get("base_url") is base:
            return url, (url.api_path, base)
    return url, (level["api_path"].value, level["api_path"])


def _where(sources: SettingLayers) -> tuple[str, str]:
    url, (api_path, _given) = address(sources)
    return url.url, api_path


def _credentials(
    sources: SettingLayers, base_url: str, environ: Mapping[str, str]
) -> tuple[KeySource | None, dict[str, str], list[str]]:
    """Give the key and the headers for this address, and say what is kept back from it."""
    notes = []
    key = None
    if given := sources.key_source():
        if home := _belongs_elsewhere(sources, given, base_url):
            notes.append(_kept_back(f"the key of {given.origin}", base_url, home))
        else:
            key = _key_source(given, sources.file.path.parent, environ)
    headers = {}
    for name, (value, given) in merge_tables(sources, "headers").items():
        home = _belongs_elsewhere(sources, given, base_url) if is_secret_name(name) else None
        if home:
            notes.append(_kept_back(f"the header {name} of {given.origin}", base_url, home))
        else:
            headers[name] = value
    return key, headers, notes


def _belongs_elsewhere(sources: SettingLayers, given: SettingValue, base_url: str) -> Origin | None:
    """Give the origin that a secret belongs to where it is another one.

    A stored secret belongs to its profile's server, an exported one to the exported server where
    there is one; what is typed is meant for wherever this command goes.
    """
    level = next(level for level in sources.levels if level.get(given.setting.name) is given)
    home = level.get("base_url")
    if home is None and given.level == STORED:
        home = _built_in()["base_url"]
    if home is None or not base_url:
        return None
    origin = origin_of(home.value.url)
    return origin if origin != origin_of(base_url) else None


def _kept_back(what: str, base_url: str, home: Origin) -> str:
    return f"{what} is not sent to {origin_of(base_url)}: it belongs to {home}"


def _refuse_plain_http(base_url: str, *, allowed: bool) -> None:
    origin = origin_of(base_url)
    if origin.scheme == "http" and not allowed and not is_private_host(origin.host):
        raise ConfigError(
            f"will not send the key to {origin}",
            "over plain http everybody on the way can read it",
            "use https, or allow it with --allow-http or 'contextops config set allow_http true'",
        )


# --- files and commands that settings name --------------------------------------------------------


def _path(given: SettingValue, text: str, folder: Path, environ: Mapping[str, str]) -> Path:
    """Read a path: a stored one begins at the folder of the config file."""
    if text == "~" or text.startswith("~/"):
        return _home(environ) / text[2:]
    return folder / text if given.level == STORED else Path(text)


def _file(sources: SettingLayers, name: str, environ: Mapping[str, str]) -> Path | None:
    given = sources.first(name)
    return _path(given, given.value, sources.file.path.parent, environ) if given else None


def _local_model(environ: Mapping[str, str]) -> Path | None:
    """Give the weights in place of the demo model's: about this machine, so no profile has them."""
    named = environ.get(f"{_PREFIX}LOCAL_MODEL")
    return Path(named) if named else None


def _system(sources: SettingLayers, environ: Mapping[str, str]) -> str | None:
    given = sources.first("system")
    text = given.value if given else ""
    if given is None or not text.startswith("@"):
        return text or None
    path = _path(given, text[1:], sources.file.path.parent, environ)
    limit = _value(sources, "max_prompt")
    try:
        raw = _read_limited(path, limit)
        text = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8: byte {error.start} begins no character"
    except OSError as error:
        why = reason(error)
    else:
        if len(raw) <= limit:
            return text or None
        why = f"it is larger than {limit} bytes"
    raise InputError(f"cannot read {path}", why, f"correct system of {given.origin}")


def _template(sources: SettingLayers, name: str, environ: Mapping[str, str]) -> Template:
    system = sources.first("system")
    return Template(
        name=name,
        prompt=_value(sources, "prompt") or "",
        schema=_file(sources, "schema", environ),
        says_system=bool(system and system.origin == _origin_of_template(sources.file, name)),
    )


def _read_limited(path: Path, limit: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(limit + 1)


def _key_source(given: SettingValue, folder: Path, environ: Mapping[str, str]) -> KeySource:
    if given.setting.name == "api_key":
        return KeySource(given.origin, lambda: str(given.raw))
    if given.setting.name == "api_key_file":
        path = _path(given, given.value, folder, environ)
        return KeySource(given.origin, lambda: _key_in_file(path))
    command = given.value
    return KeySource(given.origin, lambda: _key_by_command(command), runs_command=True)


def _key_in_file(path: Path) -> str:
    try:
        raw = _read_limited(path, _LONGEST_KEY)
    except OSError as error:
        raise ConfigError(
            f"cannot read the key file {path}",
            reason(error),
            "name another with --api-key-file or 'contextops config set api_key_file PATH'",
        ) from None
    return raw.decode("utf-8")


def _key_by_command(command: tuple[str, ...]) -> str:
    """Run the command that prints the key; neither its words nor its errors are repeated.

    Both may hold the key.
    """
    import subprocess

    try:
        status, output = _run(command)
    except subprocess.TimeoutExpired:
        why = f"it did not end within {_COMMAND_TIMEOUT:g} s"
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = "there is no such program" if missing else reason(error)
    else:
        if len(output) > _LONGEST_KEY:
            why = f"it printed more than {_LONGEST_KEY} bytes"
        elif status == 0:
            return output.decode("utf-8")
        else:
            why = f"it ended with status {status}"
    raise ConfigError(
        f"api_key_command gave no key ({redact(command[0])})", why, "run it by hand to see why"
    )


def _run(command: Sequence[str]) -> tuple[int, bytes]:
    """Give the status of a command and its output, cut where no key is so long.

    Whatever keeps it from ending by itself, a signal to us too, ends it with all that it started.
    """
    import subprocess
    import threading
    import time

    deadline = time.monotonic() + _COMMAND_TIMEOUT
    output = bytearray()
    started: list[subprocess.Popen[bytes] | OSError] = []
    is_started = threading.Event()

    def run() -> None:
        """Start it away from signals: none comes between its start and our knowing of it."""
        try:
            started.append(_start(command))
        except OSError as error:
            started.append(error)
        is_started.set()
        if not isinstance(started[0], OSError):
            # Here, because a pipe on Windows cannot be waited for but by a thread.
            with cast("IO[bytes]", started[0].stdout) as stream:
                output.extend(stream.read(_LONGEST_KEY + 1))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        is_started.wait()
        process = _running(started[0])
        thread.join(_COMMAND_TIMEOUT)
        if len(output) > _LONGEST_KEY:
            _kill(process)
        status = process.wait(max(0.0, deadline - time.monotonic()))
        if not thread.is_alive():
            return status, bytes(output)
        # It has left somebody behind who may print more.
        _kill(process)
    except BaseException:
        is_started.wait()
        if not isinstance(started[0], OSError):
            _kill(started[0])
            started[0].wait()
        raise
    raise subprocess.TimeoutExpired(command[0], _COMMAND_TIMEOUT)


def _running(started: subprocess.Popen[bytes] | OSError) -> subprocess.Popen[bytes]:
    if isinstance(started, OSError):
        raise started
    return started


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    import subprocess

    return subprocess.Popen(  # noqa: S603  # the user's own command, and no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    import signal

    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


# --- the variables ----------------------------------------------------------------------------


def environment_variables() -> list[tuple[str, str]]:
    """Give every variable that is read, with what it sets."""
    return [
        (f"{_PREFIX}CONFIG", "the config file, in place of 'contextops config path'"),
        (f"{_PREFIX}PROFILE", "the profile to use"),
        *((_variable(name), _with_default(setting)) for name, setting in SETTINGS.items()),
        (f"{_PREFIX}LOCAL_MODEL", "a GGUF file in place of the embedded demo model"),
        ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY", "the proxy where no setting names one"),
        ("NO_PROXY", "the hosts that need none, e.g. .example.com,10.0.0.0/8"),
        ("XDG_CONFIG_HOME", "where contextops/config.toml is  [~/.config]"),
        ("XDG_STATE_HOME", "where contextops/ keeps sessions and history  [~/.local/state]"),
        ("XDG_CACHE_HOME", "where contextops/ keeps the model ids that a TAB offers  [~/.cache]"),
        ("VISUAL, EDITOR", "the editor of 'contextops config edit'"),
    ]


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _with_default(setting: Setting) -> str:
    as_json = " (a JSON object)" if setting.is_table else ""
    default = "" if setting.default is None else f"  [{_as_text(setting.default)}]"
    return f"{setting.help}{as_json}{default}"


# --- where the user's things are ------------------------------------------------------------------


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the path of the config file, whether there is one or not."""
    if named := environ.get(f"{_PREFIX}CONFIG"):
        return Path(named)
    return _folder(environ, "APPDATA", "XDG_CONFIG_HOME", ".config") / "config.toml"


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the folder of what is kept between runs, whether there is one or not."""
    return _folder(environ, "LOCALAPPDATA", "XDG_STATE_HOME", ".local/state")


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Give the folder of what may be thrown away, whether there is one or not."""
    return _folder(environ, "LOCALAPPDATA", "XDG_CACHE_HOME", ".cache")


def _folder(environ: Mapping[str, str], windows: str, xdg: str, below_home: str) -> Path:
    named = environ.get(windows if sys.platform == "win32" else xdg, "")
    # The XDG specification has relative paths ignored.
    parent = Path(named) if Path(named).is_absolute() else _home(environ) / below_home
    return parent / "contextops"


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    return Path(home) if home else _home_of_account()


def _home_of_account() -> Path:
    if sys.platform != "win32":
        import pwd

        with suppress(KeyError):
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
    raise ConfigError(
        "cannot find the config file",
        "there is no home folder",
        "set HOME, or name the file with CONTEXTOPS_CONFIG",
    )


def is_config_named(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the user names the config file, which then has to be there for readers."""
    return bool(environ.get(f"{_PREFIX}CONFIG"))


def profile_to_change(
    typed: Mapping[str, Any],
    data: Data,
    environ: Mapping[str, str] = os.environ,
    *,
    may_be_new: bool,
) -> str:
    """Give the profile that an edit is for; only one that is typed may be a new one."""
    name, origin = _profile_name(typed, environ, data)
    is_new = may_be_new and origin == _PROFILE_FLAG
    if not is_new and name not in (DEFAULT_PROFILE, LOCAL_PROFILE):
        require_profile(data, name)
    return name


def profile_names(
    typed: Mapping[str, Any], environ: Mapping[str, str] = os.environ
) -> tuple[dict[str, str], str]:
    """Give the address of every profile that can be used, by name, and the one in use."""
    data = load_config(config_path(environ), required=is_config_named(environ)).data
    stored = {DEFAULT_PROFILE: {}, **data.get("profiles", {})}
    built_in = SETTINGS["base_url"].default
    names = {name: str(each.get("base_url", built_in)) for name, each in stored.items()}
    return {**names, LOCAL_PROFILE: ""}, _profile_name(typed, environ, data)[0]


def change_config(
    change: Callable[[Data], None],
    environ: Mapping[str, str] = os.environ,
    *,
    create: bool = False,
) -> list[str]:
    """Edit the config file; give what to note."""
    required = is_config_named(environ)
    return edit_config(config_path(environ), change, create=create, required=required)


def to_stored(keys: Sequence[str], value: Any) -> Any:
    """Make a path that is typed absolute: a stored one would begin at the config file's folder."""
    setting, inner = setting_of(tuple(keys))
    if setting.name == "system" and value.startswith("@"):
        return f"@{_absolute(value[1:])}"
    return _absolute(value) if setting.kind is FILE and not inner else value


def _absolute(text: str) -> str:
    if text.startswith("~"):
        return text
    try:
        return str(Path(text).absolute())
    except FileNotFoundError:
        raise ConfigError(
            "cannot tell where a relative path begins",
            "the current folder was removed",
            "give an absolute path",
        ) from None
