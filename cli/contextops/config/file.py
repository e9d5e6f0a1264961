"""The config file: TOML in, checked values and errors with their line out; and its edits.

An edit is a function from the file's data to the data it should have. What it does not know
(tables of later versions, keys with a slip of the pen) it keeps.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from contextops import files
from contextops.config.settings import (
    KEY_SOURCES,
    SETTINGS,
    TEMPLATE_SETTINGS,
    TEMPLATES,
    Setting,
)
from contextops.editor import run_editor
from contextops.errors import ConfigError, reason
from contextops.secrets import HIDDEN, is_secret_name, redact, userinfo_of
from contextops.suggest import did_you_mean

DEFAULT_PROFILE = "default"
"""The profile that is meant where none is named, in the file or not."""

LOCAL_PROFILE = "local"
"""The profile that no file holds: the embedded model."""

_LARGEST = 4 * 2**20
_EDIT = "correct it with 'contextops config edit'"
_TOPS = ("default_profile", "profiles", TEMPLATES)

Data = dict[str, Any]
Keys = tuple[str, ...]


class ConfigFile(NamedTuple):
    """Hold what a file says; without a file, nothing."""

    path: Path
    exists: bool
    text: str
    data: Data

    def __repr__(self) -> str:
        """Name the file only: it may hold a key."""
        return f"ConfigFile({self.path})"

    def profile(self, name: str) -> Data | None:
        """Give the settings of a profile; None where the file has none of that name."""
        found: Data | None = self.data.get("profiles", {}).get(name)
        return found

    @property
    def templates(self) -> dict[str, Data]:
        """Give what each template says, by its name."""
        found: dict[str, Data] = self.data.get(TEMPLATES, {})
        return found


class InvalidSettingError(Exception):
    """Tell which key of the file is wrong, and why; ``load`` and ``edit`` add where it stands."""

    def __init__(self, keys: Keys, why: str, remedy: str = _EDIT) -> None:
        super().__init__(keys, why)
        self.keys = keys
        self.why = why
        self.remedy = remedy


# --- reading ------------------------------------------------------------------------------------


class ExposedConfigError(ConfigError):
    """Report a file with a key in it that others may read."""


def load_config(path: Path, *, required: bool = False) -> ConfigFile:
    """Read a file and check all that it says; an absent one says nothing, unless it is required."""
    file = _read(path, required=required)
    _check_located(file, file.data)
    return file


def _read(path: Path, *, required: bool = False) -> ConfigFile:
    try:
        raw, private = _read_bytes(path)
    except FileNotFoundError:
        if required:
            raise _unusable(
                path,
                "there is no such file",
                "name another with CONTEXTOPS_CONFIG, or make it with 'contextops config set'",
            ) from None
        return ConfigFile(path, exists=False, text="", data={})
    except OSError as error:
        raise _unusable(path, reason(error), "") from None
    text = _decode(path, raw)
    data = _parse(path, text)
    if not private and next(_secrets(data), None) is not None:
        raise ExposedConfigError(
            f"cannot use {path}",
            "it holds a key, and others than its owner may read it",
            f"run 'chmod 600 {shlex.quote(str(path))}'",
        )
    return ConfigFile(path, exists=True, text=text, data=data)


def _read_bytes(path: Path) -> tuple[bytes, bool]:
    """Read the file, and tell whether it is private, from one and the same open file."""
    with path.open("rb") as stream:
        private = _is_private(os.fstat(stream.fileno()))
        raw = stream.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST} bytes")
    return raw, private


if sys.platform == "win32":

    def _is_private(_status: os.stat_result) -> bool:
        """Leave it to the folder: Windows inherits its permissions."""
        return True

else:

    def _is_private(status: os.stat_result) -> bool:
        """Judge our own regular files only: the mode of others (a mounted secret) is not ours."""
        ours = status.st_uid == os.geteuid() and stat.S_ISREG(status.st_mode)
        return not ours or not status.st_mode & 0o077


def _decode(path: Path, raw: bytes) -> str:
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        raise _misplaced(path, _position(before, len(before)), "it is not UTF-8") from None


def _parse(path: Path, text: str) -> Data:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, place = _reason(str(error), text)
        raise _misplaced(path, place, reason) from None
    except RecursionError:
        raise _unusable(path, "it is nested too deep", _EDIT) from None
    except ValueError:
        # A number with more digits than Python will read; the parser does not say where.
        raise _misplaced(path, _long_number(text), "the number is too long") from None


def _loads(text: str) -> Data:
    import tomllib

    return tomllib.loads(text)


class Place(NamedTuple):
    """Hold where in a text something is, as editors count."""

    line: int
    column: int


_AT = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"


def _reason(told: str, text: str) -> tuple[str, Place]:
    match = re.search(_AT, told)
    reason = _lower(re.sub(_AT, "", told))
    if match and match[1]:
        return reason, Place(int(match[1]), int(match[2]))
    return reason, _position(text, len(text.rstrip()))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _position(text: str, index: int) -> Place:
    before = text[:index]
    return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _long_number(text: str) -> Place:
    match = re.search(r"[0-9_]{4000,}", text)
    return _position(text, match.start() if match else 0)


def _unusable(path: Path, why: str, remedy: str) -> ConfigError:
    return ConfigError(f"cannot use {path}", why, remedy)


def _misplaced(path: Path, place: Place, why: str, remedy: str = _EDIT) -> ConfigError:
    return _unusable(path, f"line {place.line}, column {place.column}: {why}", remedy)


# --- checking -----------------------------------------------------------------------------------


def check_config(data: Data) -> None:
    """Raise ``InvalidSettingError`` for the first value that no setting can have."""
    if not isinstance(data.get("default_profile", ""), str):
        raise InvalidSettingError(("default_profile",), "must be the name of a profile, in quotes")
    for name in _tables(data, ("profiles",)):
        keys = ("profiles", name)
        if name == LOCAL_PROFILE:
            remedy = "remove it with 'contextops config unset --profile local'"
            raise InvalidSettingError(
                keys, f"the name {LOCAL_PROFILE} is taken by the embedded model", remedy
            )
        _check_values(data, keys, SETTINGS)
    for name in _tables(data, (TEMPLATES,)):
        _check_values(data, (TEMPLATES, name), TEMPLATE_SETTINGS)


def _check_values(data: Data, keys: Keys, known: Mapping[str, Setting]) -> None:
    for key, value in _tables(data, keys).items():
        try:
            if key in known:
                known[key].check(value)
        except ValueError as error:
            raise InvalidSettingError((*keys, key), str(error)) from None


def _tables(data: Data, keys: Keys) -> Data:
    for depth, key in enumerate(keys, 1):
        data = data.get(key, {})
        if not isinstance(data, dict):
            raise InvalidSettingError(keys[:depth], "must be a table")
    return data


def _check_located(file: ConfigFile, data: Data) -> None:
    try:
        check_config(data)
    except InvalidSettingError as wrong:
        raise _located(file, wrong) from None


def _located(file: ConfigFile, wrong: InvalidSettingError) -> ConfigError:
    why = f"{wrong.keys[-1]}: {wrong.why}"
    place = locate(file.text, wrong.keys)
    if place is None:
        return _unusable(file.path, why, wrong.remedy)
    return _misplaced(file.path, place, why, wrong.remedy)


def unknown_keys(file: ConfigFile, profile: str) -> list[str]:
    """Say which keys mean nothing, at the top and in the profile, and what may be meant."""
    where = f"{file.path} [profiles.{profile}]"
    return [
        *_unknown(file.path, file.data, _TOPS),
        *_unknown(where, file.profile(profile) or {}, SETTINGS),
    ]


def unknown_keys_of_template(file: ConfigFile, template: str) -> list[str]:
    """Say the same of a template."""
    where = f"{file.path} [{TEMPLATES}.{template}]"
    return _unknown(where, file.templates.get(template, {}), TEMPLATE_SETTINGS)


def _unknown(where: object, keys: Iterable[str], known: Iterable[str]) -> list[str]:
    hints = {key: did_you_mean(key, known) for key in keys if key not in known}
    return [f"unknown key {key} in {where}{hint and '; '}{hint}" for key, hint in hints.items()]


# --- finding a place ----------------------------------------------------------------------------


class Statement(NamedTuple):
    """Hold one statement of a TOML text: where it begins, and the keys that it sets."""

    start: int
    text: str
    table: Keys
    data: Data


def locate(text: str, keys: Keys) -> Place | None:
    """Find where a text sets these keys."""
    for statement in _statements(text):
        if any(keys == path[: len(keys)] for path in _paths(statement.data, statement.table)):
            pattern = rf"(?<![\w-])[\"']?{re.escape(keys[-1])}[\"']?\s*[\].=]"
            match = re.search(pattern, statement.text)
            return _position(text, statement.start + (match.start() if match else 0))
    return None


def _statements(text: str) -> Iterator[Statement]:
    """Cut a text that parses into statements: the fewest lines that parse by themselves."""
    table: Keys = ()
    start = end = quotes = 0
    for line in text.split("\n"):
        is_first = start == end
        end += len(line) + 1
        quotes += line.count('"""') + line.count("'''")
        # Of a long text or list, only a line that could end it is worth the parser's time.
        if quotes % 2 or not (is_first or re.search("[\"'\\]}]", line)):
            continue
        chunk = text[start:end]
        try:
            data = _loads(chunk)
        except ValueError:
            continue
        if chunk.lstrip().startswith("["):
            table = max(_paths(data, ()), key=len)
            data = {}
        yield Statement(start, chunk, table, data)
        start, quotes = end, 0
    yield Statement(start, text[start:], table, {})


def _paths(data: Any, before: Keys) -> Iterator[Keys]:
    yield before
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _paths(value, (*before, key))


# --- what is secret in it -----------------------------------------------------------------------


def _secrets(value: Any, name: str = "") -> Iterator[str]:
    """Give every key in the data, known or not; the parameters of a request hold none."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "params":
                yield from _secrets(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, name)
    elif isinstance(value, str) and value:
        secret = value if is_secret_name(name) else userinfo_of(value)
        if secret.strip():
            yield secret.strip()


_TOO_SHORT_TO_SEEK = 6
_COMMENTED = r"""(?i)(\#.*?(?:key|token|secret|password|cookie|authorization)\b["']?\s*[:=]\s*).+"""


def without_keys(text: str) -> str:
    """Replace every key in a text that parses: in values however written, and in comments."""
    secrets = sorted(set(_secrets(_loads(text))), key=len, reverse=True)
    text = "".join(_without_keys(statement) for statement in _statements(text))
    for secret in secrets:
        if len(secret) >= _TOO_SHORT_TO_SEEK:
            text = text.replace(secret, HIDDEN)
    return redact(re.sub(_COMMENTED, rf"\1{HIDDEN}", text))


def _without_keys(statement: Statement) -> str:
    secrets = set(_secrets(statement.data))
    if not secrets:
        return statement.text
    text = statement.text
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    # A key with escapes or on several lines stands there otherwise than it reads.
    return text if _hides_all(text) else f"# {HIDDEN}\n"


def _hides_all(text: str) -> bool:
    try:
        return set(_secrets(_loads(text))) == {HIDDEN}
    except ValueError:
        return False


# --- editing ------------------------------------------------------------------------------------


def edit_config(
    path: Path, change: Callable[[Data], None], *, create: bool = True, required: bool = False
) -> list[str]:
    """Apply a change under the file's lock and keep the result durably; give what to note.

    A file that cannot be used is left as it is, unless the change is what mends it. An absent one
    is made only to ``create`` what it should hold.
    """
    if not create and not path.exists():
        change(_read(path, required=required).data)
        return []
    if path.exists() and not path.is_file():
        raise _unusable(path, "it is not a regular file", "name one with CONTEXTOPS_CONFIG")
    with files.locked(path):
        file = _read(path)
        data = deepcopy(file.data)
        try:
            change(data)
            check_config(data)
        except InvalidSettingError as wrong:
            raise _located(file, wrong) from None
        written = _written(path, data)
        if file.exists and written == _written(path, file.data):
            return []
        notes = _back_up(file)
        files.replace(path, written)
        return notes


def set_value(data: Data, profile: str, keys: Keys, value: Any) -> list[str]:
    """Set one value, and make the profile where there is none; give what had to leave for it.

    A source of the key takes the place of the others: they count as one setting.
    """
    if profile == LOCAL_PROFILE:
        raise ConfigError(
            f"cannot change the profile {LOCAL_PROFILE}",
            "it is built in",
            "name another one with --profile NAME",
        )
    settings = _into(data, ("profiles", profile))
    left = [key for key in KEY_SOURCES if keys[0] in KEY_SOURCES and key != keys[0]]
    left = [key for key in left if settings.pop(key, None) is not None]
    table = _into(data, ("profiles", profile, *keys[:-1]))
    table[spelled_as(table, keys)] = value
    return left


def unset_value(data: Data, profile: str, keys: Keys) -> bool:
    """Remove one value and the tables that this leaves empty; tell whether it was there."""
    above = ("profiles", profile, *keys[:-1])
    return _removed(data, (*above, spelled_as(_tables(data, above), keys)), kept=2)


def _removed(data: Data, path: Keys, *, kept: int) -> bool:
    """Remove a value and the tables that this leaves empty, but for the outermost ones."""
    tables = [_tables(data, path[:depth]) for depth in range(kept, len(path))]
    found = tables[-1].pop(path[-1], None) is not None
    above = reversed(path[kept:-1])
    for key, table, inner in zip(above, tables[-2::-1], tables[:0:-1], strict=True):
        if found and not inner:
            del table[key]
    return found


def unset_unknown(data: Data, key: str) -> bool:
    """Remove what stands outside of the profiles and means nothing; tell whether it was there."""
    return key not in _TOPS and data.pop(key, None) is not None


def set_default_profile(data: Data, profile: str) -> None:
    """Make a profile the one that is meant where none is named."""
    if profile not in (DEFAULT_PROFILE, LOCAL_PROFILE):
        require_profile(data, profile)
    data["default_profile"] = profile


def remove_profile(data: Data, profile: str) -> bool:
    """Remove a profile; tell whether it was the one in use, which then is ``default`` again."""
    require_profile(data, profile)
    del data["profiles"][profile]
    if not data["profiles"]:
        del data["profiles"]
    in_use = data.get("default_profile") == profile
    if in_use:
        del data["default_profile"]
    return in_use


def require_profile(data: Data, profile: str) -> None:
    """Fail for a profile that the file does not have, and name those that it has."""
    names = [name for name in _tables(data, ("profiles",)) if name != LOCAL_PROFILE]
    if profile not in _tables(data, ("profiles",)):
        raise ConfigError(
            f"there is no profile {profile}",
            f"the config file has {', '.join(names) if names else 'none'}",
            "make it with 'contextops config set --profile NAME KEY VALUE', "
            "or see all with 'contextops config use'",
        )


def set_template_value(data: Data, keys: Keys, value: Any) -> None:
    """Set one value of a template, and make the template where there is none."""
    _into(data, keys[:-1])[keys[-1]] = value


def unset_template(data: Data, keys: Keys) -> None:
    """Remove a template, or one value of it, and the tables that this leaves empty."""
    templates = _tables(data, (TEMPLATES,))
    name, _, unknown = keys[1].rpartition(".")
    inner = templates.get(name)
    if keys[1] not in templates and isinstance(inner, dict) and unknown in inner:
        # What no template can say is removed too, where it is found.
        keys = (TEMPLATES, name, unknown)
    require_template(data, keys[1])
    _removed(data, keys, kept=0)


def require_template(data: Data, template: str) -> None:
    """Fail for a template that the file does not have, and name the nearest that it has."""
    templates = _tables(data, (TEMPLATES,))
    if template not in templates:
        raise ConfigError(
            f"there is no template {template}",
            f"the config file has {', '.join(templates) or 'none'}",
            did_you_mean(template, templates)
            or f"make it with 'contextops config set {TEMPLATES}.NAME.prompt TEXT'",
        )


def _into(data: Data, keys: Keys) -> Data:
    for depth, key in enumerate(keys, 1):
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise InvalidSettingError(keys[:depth], "must be a table")
    return data


def spelled_as(table: Data, keys: Keys) -> str:
    """Give the spelling that the table has: case means nothing in the name of a header."""
    same = str.lower if keys[0] == "headers" else str
    return next((name for name in table if same(name) == same(keys[-1])), keys[-1])


def _written(path: Path, data: Data) -> bytes:
    import tomli_w

    try:
        text = tomli_w.dumps(data)
        _loads(text)
        written = text.encode()
    except (ValueError, TypeError, RecursionError):
        raise _unusable(path, "TOML cannot hold such a value", "give another one") from None
    if len(written) > _LARGEST:
        raise _unusable(path, f"it would be larger than {_LARGEST} bytes", "keep less in it")
    return written


def _back_up(file: ConfigFile) -> list[str]:
    text = file.text.replace("\r\n", "\n")
    if not text.strip() or text.encode() == _written(file.path, file.data):
        return []
    copy = file.path.with_name(f"{file.path.name}.bak")
    files.replace(copy, without_keys(file.text).encode())
    return [f"the comments and the order of {file.path} are kept, without keys, in {copy}"]


def edit_in_editor(path: Path, editor: Sequence[str]) -> None:
    """Let the user's editor change the file in its place, then check it.

    What was edited stays where it is, broken or not: nobody types it twice.
    """
    if not path.exists():
        with files.locked(path):
            files.replace(path, b"")
    run_editor(editor, path)
    # Editors that write a new file give it the mode of any file, and this one may hold a key.
    files.protect(path)
    load_config(path)
