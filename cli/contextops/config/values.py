"""Kinds of values: how each is read from text and from TOML.

Nothing here reads the environment or a file. A value that cannot be used raises ``ValueError``
with a short reason, which never repeats the value: it may be a key in the wrong place.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from contextops import strict_json
from contextops.config.url import normalize_base_url, parse_api_path, parse_proxy
from contextops.secrets import HIDDEN, mask, masked_header, redact, without_userinfo

# A longer duration is a typo, and selectors cannot wait that long precisely.
_MAX_DURATION = 366 * 24 * 3600.0
_MAX_COUNT = 1000
_MAX_SIZE = 2**62
_MAX_DEPTH = 64

# --- durations, sizes, numbers ------------------------------------------------------------------

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?"
_SIZE = r"([0-9]{1,15})([KMGkmg]?)"
_SIZE_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def parse_duration(text: str) -> float:
    """Return ``2``, ``500ms``, ``90s`` or ``1h30m`` as seconds; 0 stands for no limit.

    Raises:
        ValueError: if the text is not a duration, or is longer than 366 days.
    """
    text = text.strip()
    if re.fullmatch(_NUMBER, text):
        return _check_seconds(float(text))
    match = re.fullmatch(_DURATION, text)
    if not match or not text:
        raise ValueError("must be a duration such as 2, 500ms, 90s or 1h30m, or 0 for no limit")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return _check_seconds(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _check_seconds(seconds: float) -> float:
    if not 0 <= seconds <= _MAX_DURATION:
        raise ValueError("must be a duration of at most a year, or 0 for no limit")
    return seconds


def _check_duration(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('must be seconds, or text such as "90s"')
    # float() fails for a larger integer, and -1 is rejected as that should be.
    return _check_seconds(float(value) if abs(value) < _MAX_SIZE else -1)


def parse_size(text: str) -> int:
    """Return bytes, or ``64K``, ``64M``, ``1G`` in powers of 1024, as a number of bytes."""
    match = re.fullmatch(_SIZE, text.strip())
    if not match:
        raise ValueError("must be a size in bytes, or such as 64K, 64M or 1G")
    return _check_bytes(int(match[1]) * _SIZE_UNITS[match[2].upper()])


def _check_bytes(count: int) -> int:
    if not 0 < count <= _MAX_SIZE:
        raise ValueError("must be a size of at least one byte and at most 4 EiB")
    return count


def _check_size(value: Any) -> int:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError('must be bytes, or text such as "64M"')
    return _check_bytes(value)


def _parse_count(text: str) -> int:
    return _check_count(int(text) if re.fullmatch("[0-9]{1,9}", text.strip()) else None)


def _check_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_COUNT:
        raise ValueError(f"must be a whole number from 0 to {_MAX_COUNT}")
    return value


def parse_boolean(text: str) -> bool:
    """Return ``true``, ``false``, ``1`` or ``0``, in any case, as a boolean."""
    try:
        return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _check_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


# --- text, keys, commands -----------------------------------------------------------------------


def _check_unicode(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not UTF-8") from None
    return text


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text, in quotes")
    if not value.strip():
        raise ValueError("must not be empty")
    if "\0" in value:
        raise ValueError("contains a NUL character")
    return _check_unicode(value)


def _check_prompt(value: Any) -> str:
    """Accept the empty text too: it means that there is no system message."""
    return _check_text(value) if value != "" else ""


def parse_key(text: str) -> str:
    """Return a key without white space and byte order mark around it.

    Raises:
        ValueError: if nothing is left, or if the key cannot stand in a header.
    """
    key = text.strip().strip("\ufeff").strip()
    if not key:
        raise ValueError("the key is empty")
    if not re.fullmatch("[\x21-\x7e]+", key):
        raise ValueError("the key contains blanks or characters not allowed in a header")
    return key


def _parse_command(text: str) -> list[Any]:
    """Read a JSON array, or words quoted as for a shell, although no shell runs them."""
    try:
        if text.lstrip().startswith("["):
            return list(strict_json.loads(text))
        return shlex.split(_check_unicode(text))
    except ValueError:
        raise ValueError("the command has unbalanced quotes") from None


def _check_command(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _parse_command(value)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError('must be a list of words, such as ["pass", "show", "contextops"]')
    if not value or not value[0] or any("\0" in word for word in value):
        raise ValueError("the command is empty")
    return tuple(value)


# --- tables -------------------------------------------------------------------------------------

_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEADER_VALUE = r"[\t\x20-\x7e]*"
_REQUEST_FIELDS = ("model", "messages", "stream")
# They describe the connection, which only the HTTP client knows: a wrong one breaks the request.
_CONNECTION_HEADERS = (
    *("accept-encoding", "connection", "content-length", "keep-alive", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
)


def parse_parameter(text: str) -> Any:
    """Return the JSON value of a request parameter, or the text itself if it is not JSON."""
    try:
        return strict_json.loads(text)
    except ValueError:
        return _check_unicode(text)


def check_params(value: Any) -> dict[str, Any]:
    """Return a table of request parameters.

    Raises:
        ValueError: if a value cannot be written as JSON, or if a name is one that the request
            sets itself, such as ``model``.
    """
    table = _check_table(value, "a table of request parameters")
    for name, item in table.items():
        if name in _REQUEST_FIELDS:
            raise ValueError(f"{name} cannot be set as a parameter: the request sets it")
        _check_json(name, item)
    return dict(table)


def _check_json(name: str, value: Any, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError(f"{name} is nested too deeply")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_json(name, item, depth + 1)
    elif isinstance(value, float):
        if not abs(value) < float("inf"):
            raise ValueError(f"{name} must be a finite number")
    elif not (
        value is None
        or isinstance(value, str | bool)
        or (isinstance(value, int) and -(2**63) <= value < 2**63)
    ):
        raise ValueError(f"{name} cannot be written as JSON")


def parse_header(text: str) -> tuple[str, str]:
    """Return the name and the value of ``Name: value``."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # The value is not repeated: it may be a secret.
        raise ValueError("a header is written 'Name: value'")
    return name.strip(), value.strip()


def check_headers(value: Any) -> dict[str, str]:
    """Return a table of headers, their values without white space around them.

    Raises:
        ValueError: if a header would break the request; the reason does not repeat a value.
    """
    table = _check_table(value, "a table of header names and values")
    for name, text in table.items():
        if not re.fullmatch(_HEADER_NAME, name):
            raise ValueError("a header name contains a character that is not allowed there")
        if name.lower() in _CONNECTION_HEADERS:
            raise ValueError(f"{name} cannot be set: it belongs to the connection")
        if not isinstance(text, str) or not re.fullmatch(_HEADER_VALUE, text):
            raise ValueError(f"the value of {name} must be ASCII text on one line")
    return {name: text.strip() for name, text in table.items()}


def _check_table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(value):
        raise ValueError(f"must be {what}")
    return value


def _parse_object(text: str) -> dict[str, Any]:
    try:
        value = strict_json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    return value


# --- the kinds ----------------------------------------------------------------------------------


def _unchanged(stored: Any) -> Any:
    return stored


class Kind(NamedTuple):
    """How the values of a setting are read and shown.

    ``parse`` turns text into what the config file stores, and ``check`` that into the value that
    the program uses; both raise ``ValueError``. ``1h30m`` is stored as ``1h30m``: the file shows
    what the user wrote. ``mask`` returns a stored value without its secrets, and ``to_json``, where
    there is one, the value as programs want it.
    """

    parse: Callable[[str], Any]
    check: Callable[[Any], Any]
    mask: Callable[[Any], Any] = _unchanged
    to_json: Callable[[Any], Any] | None = None


def _text_kind(read: Callable[[str], Any], mask: Callable[[Any], Any] = _unchanged) -> Kind:
    """Return a kind that is stored as the text of the value that ``read`` returns."""

    def check(value: Any) -> Any:
        return read(_check_text(value))

    return Kind(lambda text: str(check(text)), check, mask)


def _unit_kind(check: Callable[[Any], Any]) -> Kind:
    """Return a kind that people write with a unit, and programs read as a number."""

    def parse(text: str) -> str:
        check(text)
        return text.strip()

    return Kind(parse, check, to_json=check)


def _mask_command(stored: Any) -> str:
    return redact(stored if isinstance(stored, str) else shlex.join(stored))


def _mask_headers(stored: Any) -> dict[str, str]:
    return {name: masked_header(name, text) for name, text in stored.items()}


TEXT = _text_kind(str.strip)
PROMPT = Kind(_check_prompt, _check_prompt)
PROSE = _text_kind(str)
FILE = _text_kind(str)
URL = _text_kind(normalize_base_url)
API_PATH = _text_kind(parse_api_path)
PROXY = _text_kind(parse_proxy, lambda stored: without_userinfo(stored, f"{HIDDEN}@"))
KEY = _text_kind(parse_key, mask)
COMMAND = Kind(lambda text: list(_check_command(text)), _check_command, _mask_command)
DURATION = _unit_kind(_check_duration)
SIZE = _unit_kind(_check_size)
COUNT = Kind(_parse_count, _check_count)
BOOLEAN = Kind(parse_boolean, _check_boolean)
PARAMS = Kind(_parse_object, check_params)
HEADERS = Kind(_parse_object, check_headers, _mask_headers)
