"""What can be set: the one table of settings, and how the text of each is read.

Pure: text and TOML values in, values out; no environment, no files. What cannot be used is a
``ValueError`` with a short reason, which never repeats the value: it may be a key in a wrong place.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from contextops import strict_json
from contextops.secrets import HIDDEN, mask, masked_header, redact, without_userinfo

# Longer is a slip of the keyboard, and selectors cannot wait for ever so precisely.
_LONGEST = 366 * 24 * 3600.0
_MOST_RETRIES = 1000
_LARGEST = 2**62
_DEEPEST = 64

# --- durations, sizes, numbers ------------------------------------------------------------------

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_DURATION = rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?(?:({_NUMBER})ms)?"
_SIZE = r"([0-9]{1,15})([KMGkmg]?)"
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def parse_duration(text: str) -> float:
    """Read ``2``, ``500ms``, ``90s`` or ``1h30m`` as seconds; 0 stands for no limit."""
    text = text.strip()
    if re.fullmatch(_NUMBER, text):
        return _duration(float(text))
    match = re.fullmatch(_DURATION, text)
    if not match or not text:
        raise ValueError("a duration is written 2, 500ms, 90s, 1h30m, or 0 for no limit")
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return _duration(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _duration(seconds: float) -> float:
    if not 0 <= seconds <= _LONGEST:
        raise ValueError("a duration is at most a year, and 0 for no limit")
    return seconds


def parse_size(text: str) -> int:
    """Read bytes, or ``64K``, ``64M``, ``1G`` in powers of 1024."""
    match = re.fullmatch(_SIZE, text.strip())
    if not match:
        raise ValueError("a size is written in bytes, or as 64K, 64M or 1G")
    return _size(int(match[1]) * _UNITS[match[2].upper()])


def _size(count: int) -> int:
    if not 0 < count <= _LARGEST:
        raise ValueError("a size is at least one byte, and no larger than a disk")
    return count


def parse_boolean(text: str) -> bool:
    """Read ``true``, ``false``, ``1`` or ``0``."""
    try:
        return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _parse_count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        raise ValueError(f"must be a whole number from 0 to {_MOST_RETRIES}")
    return _check_count(int(text))


# --- addresses ----------------------------------------------------------------------------------


class BaseUrl(NamedTuple):
    """Hold where a server is, and the path of its API where the address said so."""

    url: str
    api_path: str | None

    def __str__(self) -> str:
        """Give the address with what it says of its API."""
        return self.url + (self.api_path or "")

    @property
    def shortest(self) -> str:
        """Give the shortest text that leads to the same place."""
        cuttable = self.api_path == "/api" and not re.fullmatch(_API_TAIL, self.url)
        return self.url if cuttable else str(self)


class Origin(NamedTuple):
    """Hold whom a key belongs to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Give the address without its default port."""
        return f"{self.scheme}://{self.host}{_explicit_port(self.scheme, self.port)}"


_DEFAULT_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535
_AUTHORITY = r"(\[[^\[\]]*\]|[^:]*)(?::([^:]*))?"
_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?"
_API_TAIL = r"(.*?)(/api/v1|/v1|/api)(?:/models|/chat/completions)?"
# The last label decides, as it does for resolvers: 0x7f.1 and 134744072 are addresses, no names.
_NUMERIC_HOST = r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?"


def normalize_base_url(text: str) -> BaseUrl:
    """Cut trailing slashes and pasted endpoints; keep a path before them.

    An address may hold a password in a place where none belongs, so no reason repeats it.
    """
    scheme, host, port, path = _split_url(text, schemes=_DEFAULT_PORTS)
    if "?" in path or "#" in path:
        raise ValueError("a base URL has no query and no fragment")
    path = re.sub("/+", "/", path).rstrip("/")
    tail = re.fullmatch(_API_TAIL, path)
    prefix, api_path = (tail[1], tail[2]) if tail else (path, None)
    return BaseUrl(f"{scheme}://{host}{_explicit_port(scheme, port)}{prefix}", api_path)


def origin_of(url: str) -> Origin:
    """Give the part of an address that a key belongs to."""
    scheme, host, port, _path = _split_url(url, schemes=_DEFAULT_PORTS)
    return Origin(scheme, host, port)


def _split_url(text: str, *, schemes: Mapping[str, int]) -> tuple[str, str, int, str]:
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("a URL has no blanks, backslashes or control characters")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in schemes:
        raise ValueError(f"it must begin with {' or '.join(f'{name}://' for name in schemes)}")
    authority, *path = re.split(r"(?=[/?#])", rest, maxsplit=1)
    if "@" in authority:
        raise ValueError("a user name or password does not belong into a URL")
    match = re.fullmatch(_AUTHORITY, authority)
    if not match:
        raise ValueError("host and port are written HOST:PORT, an IPv6 address in brackets")
    return scheme, _host(match[1].lower()), _port(match[2], schemes[scheme]), "".join(path)


def _host(host: str) -> str:
    if host.startswith("["):
        address = ip_address(host[1:-1].replace("%25", "%"))
        if address is None or address.version == 4:
            raise ValueError("what stands in brackets is an IPv6 address")
        return f"[{address}]".replace("%", "%25")
    # Check-alike dots and digits of other scripts would reach another host than the one judged.
    if not host.isascii():
        raise ValueError("a host name is written in ASCII (xn--...)")
    if not re.fullmatch(_NAME, host):
        raise ValueError("that is no host name" if host else "the host name is missing")
    return host


def _port(text: str | None, default: int) -> int:
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) <= _LAST_PORT:
        raise ValueError(f"a port is a number from 1 to {_LAST_PORT}")
    return int(text)


def _explicit_port(scheme: str, port: int) -> str:
    return "" if port == _DEFAULT_PORTS[scheme] else f":{port}"


def ip_address(text: str) -> Any:
    """Read an IPv4 or IPv6 address; None for a name."""
    import ipaddress

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


_PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
_PRIVATE_SUFFIXES = (
    ".local",
    ".internal",
    ".lan",
    ".home.arpa",
    ".localhost",
    ".svc",
    ".ts.net",
)


def is_private_host(host: str) -> bool:
    """Tell whether a key may go there unencrypted: this machine, this network, no public name."""
    host = host.lower().strip("[]").replace("%25", "%")
    if ":" in host or re.fullmatch(_NUMERIC_HOST, host):
        return _is_private_address(host)
    # "ai." with its dot is the public top level domain and nothing else.
    return host.removesuffix(".").endswith(_PRIVATE_SUFFIXES) or "." not in host


def _is_private_address(host: str) -> bool:
    import ipaddress

    address = ip_address(host)
    if address is None:
        return False
    # 198.51.100.1 is as public when it is written as ::ffff:198.51.100.1.
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ipaddress.ip_network(network) for network in _PRIVATE_NETWORKS)


def needs_no_proxy(origin: Origin, exempt: str) -> bool:
    """Tell whether a host is this machine, or one that a list in the form of NO_PROXY names.

    What the list has in no known form names nobody.
    """
    host = origin.host.strip("[]").replace("%25", "%").removesuffix(".")
    ip = ip_address(host)
    is_loopback = ip.is_loopback if ip else host.endswith(".localhost") or host == "localhost"
    return bool(is_loopback) or any(
        _is_exempt(host, ip, origin.port, entry) for entry in re.split(r"[,\s]+", exempt.lower())
    )


def _is_exempt(host: str, ip: Any, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    match = re.fullmatch(r"\[([^\]]*)\](?::([0-9]+))?|([^:]*):([0-9]+)", entry)
    if match:
        entry = match[1] or match[3] or ""
        named = match[2] or match[4]
        if named and named.lstrip("0") != str(port):
            return False
    if ip:
        return ip in _network(entry)
    name = entry.removeprefix("*").strip(".")
    return bool(name) and f".{host}".endswith(f".{name}")


def _network(text: str) -> Any:
    import ipaddress

    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ()


def _parse_api_path(text: str) -> str:
    path = text.strip().rstrip("/")
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~%-]+)+", path):
        raise ValueError("a path is written /api, /v1 or /api/v1")
    return path


_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def _parse_proxy(text: str) -> str:
    # A proxy's address may hold its password: there is no other place for it.
    _split_url(without_userinfo(text), schemes=_PROXY_PORTS)
    return text.strip()


# --- keys and what else is secret ---------------------------------------------------------------


def parse_key(text: str) -> str:
    """Strip a key of white space and BOM, and refuse one that cannot stand in a header."""
    key = text.strip().strip("\ufeff").strip()
    if not key:
        raise ValueError("the key is empty")
    if not re.fullmatch("[\x21-\x7e]+", key):
        raise ValueError("the key has blanks or characters that cannot stand in a header")
    return key


# --- tables -------------------------------------------------------------------------------------

_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEADER_VALUE = r"[\t\x20-\x7e]*"
_OURS = ("model", "messages", "stream")
# They say how the bytes travel, which whoever sends them knows: a wrong one breaks the request.
_OF_THE_CONNECTION = (
    *("accept-encoding", "connection", "content-length", "keep-alive", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
)


def parse_parameter(text: str) -> Any:
    """Read a request parameter: JSON where it is JSON, else the text itself."""
    try:
        return strict_json.loads(text)
    except ValueError:
        return _unicode(text)


def check_params(value: Any) -> dict[str, Any]:
    """Refuse parameters that are no JSON, and those that have a place of their own."""
    table = _table(value, "a table of request parameters")
    for name, item in table.items():
        if name in _OURS:
            raise ValueError(f"{name} is no parameter: it has a place of its own in the request")
        _check_json(name, item)
    return dict(table)


def _check_json(name: str, value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"{name} is nested too deep")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_json(name, item, depth + 1)
    elif not (
        value is None
        or isinstance(value, str | bool)
        or (isinstance(value, int) and -(2**63) <= value < 2**63)
        or (isinstance(value, float) and abs(value) < float("inf"))
    ):
        raise ValueError(f"{name} cannot be written as JSON")


def check_headers(value: Any) -> dict[str, str]:
    """Refuse headers that would break the request; no reason repeats a value."""
    table = _table(value, "a table of header names and values")
    for name, text in table.items():
        if not re.fullmatch(_HEADER_NAME, name):
            raise ValueError("a header's name has a character that cannot stand there")
        if name.lower() in _OF_THE_CONNECTION:
            raise ValueError(f"{name} is no header to choose: it belongs to the connection")
        if not isinstance(text, str) or not re.fullmatch(_HEADER_VALUE, text):
            raise ValueError(f"the value of {name} is no text in ASCII on one line")
    return {name: text.strip() for name, text in table.items()}


def _table(value: Any, what: str) -> dict[str, Any]:
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


# --- the kinds of settings ----------------------------------------------------------------------


class Kind(NamedTuple):
    """Join the two ways in: ``keep`` turns text into what TOML keeps, ``check`` that into a value.

    Both raise ``ValueError``. What is kept of ``1h30m`` is ``1h30m``: the file says what was said.
    """

    keep: Callable[[str], Any]
    check: Callable[[Any], Any]


def _unicode(text: str) -> str:
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
        raise ValueError("has a NUL character")
    return _unicode(value)


def _check_prompt(value: Any) -> str:
    """Allow the empty text, which is how no system message is asked for."""
    return _check_text(value) if value != "" else ""


def _check_command(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = _keep_command(value)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ValueError('must be a list of words, such as ["pass", "show", "contextops"]')
    if not value or not value[0] or any("\0" in word for word in value):
        raise ValueError("the command is empty")
    return tuple(value)


def _keep_command(text: str) -> list[Any]:
    """Read a JSON array, or words quoted as for a shell: none runs it."""
    try:
        if text.lstrip().startswith("["):
            return list(strict_json.loads(text))
        return shlex.split(_unicode(text))
    except ValueError:
        raise ValueError("the command has a quote too many or too few") from None


def _check_duration(value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('must be seconds, or a text such as "90s"')
    return _duration(float(value) if abs(value) < _LARGEST else -1)


def _check_size(value: Any) -> int:
    if isinstance(value, str):
        return parse_size(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError('must be bytes, or a text such as "64M"')
    return _size(value)


def _check_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_RETRIES:
        raise ValueError(f"must be a whole number from 0 to {_MOST_RETRIES}")
    return value


def _check_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")
    return value


def _kind_of_text(read: Callable[[str], Any]) -> Kind:
    """Make a kind whose file holds text too; what is kept is the text of what was read."""

    def check(value: Any) -> Any:
        return read(_check_text(value))

    return Kind(keep=lambda text: str(check(text)), check=check)


def _kind_with_unit(check: Callable[[Any], Any]) -> Kind:
    def keep(text: str) -> str:
        check(text)
        return text.strip()

    return Kind(keep, check)


TEXT = _kind_of_text(str.strip)
PROMPT = Kind(_check_prompt, _check_prompt)
WORDS = _kind_of_text(str)
FILE = _kind_of_text(str)
URL = _kind_of_text(normalize_base_url)
API_PATH = _kind_of_text(_parse_api_path)
PROXY = _kind_of_text(_parse_proxy)
KEY = _kind_of_text(parse_key)
COMMAND = Kind(lambda text: list(_check_command(text)), _check_command)
DURATION = _kind_with_unit(_check_duration)
SIZE = _kind_with_unit(_check_size)
COUNT = Kind(_parse_count, _check_count)
BOOLEAN = Kind(parse_boolean, _check_boolean)
PARAMS = Kind(_parse_object, check_params)
HEADERS = Kind(_parse_object, check_headers)


# --- the table ----------------------------------------------------------------------------------


class Setting(NamedTuple):
    """Describe one setting; flags, variables, ``config`` and the errors follow from it.

    ``default`` is written as the file would have it.
    """

    name: str
    kind: Kind
    help: str
    flag: str = ""
    default: Any = None

    def parse(self, text: str) -> Any:
        """Read what was typed or exported."""
        return self.kind.check(self.kind.keep(text))

    def check(self, value: Any) -> Any:
        """Read what a TOML file holds."""
        return self.kind.check(value)

    @property
    def is_secret(self) -> bool:
        """Tell whether the value is a key itself."""
        return self.kind is KEY

    @property
    def is_table(self) -> bool:
        """Tell whether dotted keys reach into it, and levels merge name by name."""
        return self.kind in (PARAMS, HEADERS)

    def masked(self, kept: Any) -> Any:
        """Give what a file keeps without what is secret; ``config set`` would take the rest."""
        if self.kind is KEY:
            return mask(kept)
        if self.kind is HEADERS:
            return {name: masked_header(name, text) for name, text in kept.items()}
        if self.kind is PROXY:
            return without_userinfo(kept, f"{HIDDEN}@")
        if self.kind is COMMAND:
            return redact(kept if isinstance(kept, str) else shlex.join(kept))
        return kept

    def to_json(self, kept: Any) -> Any:
        """Give the same for programs: seconds and bytes as numbers."""
        return self.check(kept) if self.kind in (DURATION, SIZE) else self.masked(kept)


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "base_url",
            URL,
            "the server, e.g. https://ai.example.com",
            flag="--base-url",
            default="http://localhost:3000",
        ),
        Setting("api_path", API_PATH, "where its API begins: /api, or /v1", default="/api"),
        Setting("api_key", KEY, "the key itself"),
        Setting("api_key_file", FILE, "a file that holds the key", flag="--api-key-file"),
        Setting("api_key_command", COMMAND, "a command that prints the key; no shell runs it"),
        Setting("model", TEXT, "the model to ask", flag="--model"),
        Setting("system", PROMPT, "the system message, or @FILE", flag="--system"),
        Setting("params", PARAMS, "request parameters by name", flag="--param"),
        Setting("headers", HEADERS, "headers to send, by name", flag="--header"),
        Setting(
            "connect_timeout",
            DURATION,
            "the limit for connecting",
            flag="--connect-timeout",
            default="10s",
        ),
        Setting(
            "first_token_timeout",
            DURATION,
            "the limit from the request to the first word",
            flag="--first-token-timeout",
            default="5m",
        ),
        Setting(
            "idle_timeout",
            DURATION,
            "the limit between two words",
            flag="--idle-timeout",
            default="2m",
        ),
        Setting("max_time", DURATION, "the limit for the whole", flag="--max-time"),
        Setting("retries", COUNT, "how often to try again", flag="--retries", default=2),
        Setting(
            "allow_http",
            BOOLEAN,
            "whether the key may go to a public address over plain http",
            flag="--allow-http",
            default=False,
        ),
        Setting("ca_bundle", FILE, "the certificates to trust, in PEM"),
        Setting("client_cert", FILE, "the certificate and key to show, in PEM"),
        Setting("proxy", PROXY, "the proxy, instead of the environment's"),
        Setting(
            "insecure", BOOLEAN, "whether the server's certificate goes unchecked", default=False
        ),
        Setting("session", TEXT, "the conversation to continue", flag="--session"),
        Setting("max_answer", SIZE, "the limit for an answer's text", default="64M"),
        Setting("max_event", SIZE, "the limit for one server-sent event", default="8M"),
        Setting("max_body", SIZE, "the limit for a JSON answer", default="32M"),
        Setting("max_prompt", SIZE, "the limit for the request's text", default="32M"),
    )
}

KEY_SOURCES = ("api_key", "api_key_file", "api_key_command")
"""Where a key can come from; they count as one setting."""


TEMPLATES = "templates"
"""The table of the config file that holds, by name, what can be asked again and again."""

TEMPLATE_SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("prompt", WORDS, "the prompt, with {input} and other {fields}"),
        SETTINGS["system"],
        SETTINGS["model"],
        SETTINGS["params"],
        Setting("schema", FILE, "the JSON schema that the answer has to fit", flag="--schema"),
    )
}
"""What a template can say."""


def split_key(key: str) -> tuple[str, ...]:
    """Read a dotted key; a header's name may hold dots, so nothing lies below it."""
    name, *inner = key.split(".")
    if name == TEMPLATES:
        return (TEMPLATES, *_split_template_key(inner))
    if name not in SETTINGS:
        # A key of the other kind, in the wrong place, is not repeated.
        raise ValueError(f"there is no setting {redact(name)}")
    if inner and not SETTINGS[name].is_table:
        raise ValueError(f"{name} has nothing below it")
    if not all(inner):
        raise ValueError("a part of the key is empty")
    return (name, ".".join(inner)) if inner and SETTINGS[name].kind is HEADERS else (name, *inner)


def _split_template_key(parts: list[str]) -> tuple[str, ...]:
    """Read NAME or NAME.KEY: a name may hold dots, and ends before the first part that is a key."""
    if not parts or not all(parts):
        raise ValueError(f"a key of a template is written {TEMPLATES}.NAME.KEY")
    ends = (place for place, part in enumerate(parts) if place and part in TEMPLATE_SETTINGS)
    end = next(ends, len(parts))
    key = parts[end:]
    if key[1:] and not TEMPLATE_SETTINGS[key[0]].is_table:
        raise ValueError(f"{key[0]} has nothing below it")
    return (".".join(parts[:end]), *key)


def setting_of(keys: tuple[str, ...]) -> tuple[Setting, tuple[str, ...]]:
    """Give the setting that a key is about, and what of the key lies below it."""
    if keys[0] == TEMPLATES:
        return TEMPLATE_SETTINGS[keys[2]], keys[3:]
    return SETTINGS[keys[0]], keys[1:]


def parse_value(keys: tuple[str, ...], text: str) -> Any:
    """Read text as the value that a file keeps under these keys."""
    setting, inner = setting_of(keys)
    if not inner:
        value = setting.check(setting.kind.keep(text))
        return value.shortest if setting.kind is URL else setting.kind.keep(text)
    value = whole = parse_parameter(text) if setting.kind is PARAMS else text.strip()
    for key in reversed(inner):
        whole = {key: whole}
    setting.check(whole)
    return value
