"""The address on which ``contextops serve`` listens."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass

from contextops.errors import ConfigError, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Addresses of this machine, with a port that was free a moment ago."""

    addresses: list[str]
    port: int
    base_url: str

    @property
    def is_loopback(self) -> bool:
        """Return whether only this machine can connect."""
        return all(ipaddress.ip_address(each).is_loopback for each in self.addresses)


class _NoSuchAddressError(ConfigError):
    """An address that this machine does not have."""


def claim_listener(host: str, port: int) -> Listener:
    """Resolve the host and check that the port is free, before the weights are loaded.

    ``localhost`` means both loopback addresses: a client may try either, and must not reach
    another server there. Port 0 picks a free port.

    Raises:
        ConfigError: the host is not an address of this machine, or the port is taken.
    """
    if host != "localhost":
        address, port = _check_address(host, port)
        # A client cannot connect to "every address".
        name = "localhost" if ipaddress.ip_address(address).is_unspecified else host
        return Listener(addresses=[address], port=port, base_url=_url(name, port))
    address, port = _check_address("127.0.0.1", port)
    addresses = [address]
    # A machine without IPv6 is fine, but another server on the IPv6 address is an error.
    with suppress(_NoSuchAddressError):
        addresses.append(_check_address("::1", port)[0])
    return Listener(addresses=addresses, port=port, base_url=_url(host, port))


def _check_address(host: str, port: int) -> tuple[str, int]:
    """Listen on the address for a moment, and return it in numbers, with the port."""
    what = f"cannot serve on {host} port {port}"
    use_another_host = "choose another with --host"
    try:
        results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = results[0]
        with socket.create_server((str(address[0]), port), family=family) as listener:
            return str(address[0]), listener.getsockname()[1]
    except (socket.gaierror, UnicodeError):
        raise _NoSuchAddressError(what, "unknown host", use_another_host) from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            remedy = "choose another with --port, or stop the server that uses it"
            raise ConfigError(what, "the port is taken", remedy) from None
        # The text of an error of ``create_server`` repeats the address; that of its number does
        # not.
        why = os.strerror(error.errno).lower() if error.errno else reason(error)
        if error.errno == errno.EACCES:
            raise ConfigError(what, why, "choose a port above 1023 with --port") from None
        raise _NoSuchAddressError(what, why, use_another_host) from None


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
