"""Addresses: base URLs, the origin that a key belongs to, private hosts, and ``NO_PROXY``.

An address may contain a password where none belongs, so the text of an error does not repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from contextops.secrets import without_userinfo

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_LAST_PORT = 65535
_AUTHORITY = r"(\[[^\[\]]*\]|[^:]*)(?::([^:]*))?"
_HOST_NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?"
_API_TAIL = r"(.*?)(/api/v1|/v1|/api)(?:/models|/chat/completions)?"


class BaseUrl(NamedTuple):
    """The address of a server, and the path of its API if the address names one."""

    url: str
    api_path: str | None

    def __str__(self) -> str:
        return self.url + (self.api_path or "")

    @property
    def shortest(self) -> str:
        """The shortest text that is read as the same address: ``/api`` is the default path."""
        can_omit = self.api_path == "/api" and not re.fullmatch(_API_TAIL, self.url)
        return self.url if can_omit else str(self)


class Origin(NamedTuple):
    """Scheme, host and port: what a key belongs to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{_explicit_port(self.scheme, self.port)}"


def normalize_base_url(text: str) -> BaseUrl:
    """Return an address without trailing slashes and pasted endpoints such as ``/v1/models``.

    A path before these is part of the address: ``https://a.example/team``.
    """
    scheme, host, port, path = _split_url(text, schemes=_DEFAULT_PORTS)
    if "?" in path or "#" in path:
        raise ValueError("must have no query and no fragment")
    path = re.sub("/+", "/", path).rstrip("/")
    tail = re.fullmatch(_API_TAIL, path)
    prefix, api_path = (tail[1], tail[2]) if tail else (path, None)
    return BaseUrl(f"{scheme}://{host}{_explicit_port(scheme, port)}{prefix}", api_path)


def parse_api_path(text: str) -> str:
    """Return the path of an API without its trailing slash."""
    path = text.strip().rstrip("/")
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~%-]+)+", path):
        raise ValueError("must be a path such as /api, /v1 or /api/v1")
    return path


def parse_proxy(text: str) -> str:
    """Return the address of a proxy, which may contain a password: it has no other place."""
    _split_url(without_userinfo(text), schemes=_PROXY_PORTS)
    return text.strip()


def origin_of(url: str) -> Origin:
    """Return the origin of an address."""
    scheme, host, port, _path = _split_url(url, schemes=_DEFAULT_PORTS)
    return Origin(scheme, host, port)


def _split_url(text: str, *, schemes: Mapping[str, int]) -> tuple[str, str, int, str]:
    """Return scheme, host, port and the rest; ``schemes`` maps each scheme to its port."""
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("must not contain blanks, backslashes or control characters")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in schemes:
        raise ValueError(f"must begin with {' or '.join(f'{name}://' for name in schemes)}")
    authority, *path = re.split(r"(?=[/?#])", rest, maxsplit=1)
    if "@" in authority:
        raise ValueError("a user name or password does not belong in a URL")
    match = re.fullmatch(_AUTHORITY, authority)
    if not match:
        raise ValueError("must have HOST:PORT after the scheme, an IPv6 address in brackets")
    return scheme, _check_host(match[1].lower()), _port(match[2], schemes[scheme]), "".join(path)


def _check_host(host: str) -> str:
    if host.startswith("["):
        address = ip_address(host[1:-1].replace("%25", "%"))
        if address is None or address.version == 4:
            raise ValueError("the brackets must hold an IPv6 address")
        return f"[{address}]".replace("%", "%25")
    # Lookalike dots and digits of other scripts would reach another host than the one checked.
    if not host.isascii():
        raise ValueError("the host name must be ASCII (xn--...)")
    if not re.fullmatch(_HOST_NAME, host):
        raise ValueError("the host name is invalid" if host else "the host name is missing")
    return host


def _port(text: str | None, default: int) -> int:
    if not text:
        return default
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) <= _LAST_PORT:
        raise ValueError(f"the port must be a number from 1 to {_LAST_PORT}")
    return int(text)


def _explicit_port(scheme: str, port: int) -> str:
    return "" if port == _DEFAULT_PORTS[scheme] else f":{port}"


def ip_address(text: str) -> Any:
    """Return an ``ipaddress`` object for an IPv4 or IPv6 address, and None for a name."""
    import ipaddress

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


# --- private hosts ------------------------------------------------------------------------------

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
# The last label decides, as it does for resolvers: 0x7f.1 and 134744072 are addresses, not names.
_NUMERIC_HOST = r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?"


def is_private_host(host: str) -> bool:
    """Return whether a host is this machine or in a private network.

    A key may go there over plain http.
    """
    import ipaddress

    host = host.lower().strip("[]").replace("%25", "%")
    if ":" not in host and not re.fullmatch(_NUMERIC_HOST, host):
        # "ai." with its dot is the public top-level domain and nothing else.
        return host.removesuffix(".").endswith(_PRIVATE_SUFFIXES) or "." not in host
    address = ip_address(host)
    # 198.51.100.1 is as public when it is written as ::ffff:198.51.100.1.
    address = getattr(address, "ipv4_mapped", None) or address
    return address is not None and any(
        address in ipaddress.ip_network(network) for network in _PRIVATE_NETWORKS
    )


# --- NO_PROXY -----------------------------------------------------------------------------------

# ``urllib.request.proxy_bypass_environment`` knows names and ``host:port``, but no networks
# (10.0.0.0/8), no brackets around IPv6 addresses, no lists separated by blanks and no loopback
# addresses, and importing it takes 16 ms.


def needs_no_proxy(origin: Origin, no_proxy: str) -> bool:
    """Return whether a host is this machine, or is in a list such as NO_PROXY.

    An entry of an unknown form matches nothing.
    """
    host = origin.host.strip("[]").replace("%25", "%").removesuffix(".")
    address = ip_address(host)
    if address.is_loopback if address else f".{host}".endswith(".localhost"):
        return True
    entries = re.split(r"[,\s]+", no_proxy.lower())
    return any(_matches_no_proxy(host, address, origin.port, entry) for entry in entries)


def _matches_no_proxy(host: str, address: Any, port: int, entry: str) -> bool:
    import ipaddress

    if entry == "*":
        return True
    match = re.fullmatch(r"\[([^\]]*)\](?::([0-9]+))?|([^:]*):([0-9]+)", entry)
    if match:
        entry = match[1] or match[3] or ""
        entry_port = match[2] or match[4]
        if entry_port and entry_port.lstrip("0") != str(port):
            return False
    if address:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name = entry.removeprefix("*").strip(".")
    return bool(name) and f".{host}".endswith(f".{name}")
