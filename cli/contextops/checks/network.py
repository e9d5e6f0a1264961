"""DNS and TCP checks of a host, to find out why it cannot be reached."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from contextops.api import SHARE_OF_ONE_ADDRESS
from contextops.errors import TimedOutError, UnreachableError, reason

T = TypeVar("T")


def resolve(host: str, port: int, timeout: float, setting: str) -> list[str]:
    """Return the addresses of a host.

    ``setting`` is the setting that names the host. ``timeout`` is in seconds; 0 is no limit.

    Raises:
        TimedOutError: the name server does not respond.
        UnreachableError: the name cannot be resolved.
    """

    def look_up() -> list[str]:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in entries))

    try:
        return _call_with_timeout(timeout, look_up)
    except TimeoutError:
        raise TimedOutError(f"cannot resolve {host}", f"no answer within {timeout:g} s") from None
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"cannot resolve {host}",
            reason(error),
            f"check {setting} ('contextops config get {setting}') and the network",
        ) from None


def connect(host: str, port: int, timeout: float, setting: str) -> str:
    """Connect, close the connection, and return the address that accepted it.

    The parameters are those of ``resolve``.

    Raises:
        TimedOutError: no address responds.
        UnreachableError: the connection fails.
    """

    def open_connection() -> str:
        timeout_of_one_address = timeout * SHARE_OF_ONE_ADDRESS or None
        with socket.create_connection((host, port), timeout_of_one_address) as connection:
            return str(connection.getpeername()[0])

    try:
        return _call_with_timeout(timeout, open_connection)
    except TimeoutError:
        raise TimedOutError(
            f"cannot connect to {host} port {port}",
            f"no answer within {timeout:g} s",
            f"check {setting} and any firewall in between",
        ) from None
    except OSError as error:
        raise UnreachableError(
            f"cannot connect to {host} port {port}",
            reason(error),
            f"check that the server is running, and {setting} ('contextops config get {setting}')",
        ) from None


def _call_with_timeout(timeout: float, function: Callable[[], T]) -> T:
    """Call a function in a thread: a hanging name server ignores timeouts and blocks Ctrl-C."""
    results: SimpleQueue[T | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            results.put(function())
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            results.put(error)

    threading.Thread(target=run, name="network-check", daemon=True).start()
    try:
        result = results.get(timeout=timeout or None)
    except Empty:
        raise TimeoutError from None
    if isinstance(result, BaseException):
        raise result
    return result
