"""Whether a host has an address, and whether something listens there: for whoever asks why not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from contextops.api import SHARE_OF_ONE_ADDRESS
from contextops.errors import TimedOutError, UnreachableError, reason

Found = TypeVar("Found")


def addresses(host: str, port: int, timeout: float, setting: str) -> list[str]:
    """Resolve a name; raises ``UnreachableError``, or ``TimedOutError`` where a name server hangs.

    ``setting`` is where the name comes from.
    """

    def resolve() -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    try:
        return _within(timeout, resolve)
    except TimeoutError:
        raise TimedOutError(f"cannot resolve {host}", f"no answer within {timeout:g} s") from None
    except (OSError, UnicodeError) as error:
        raise UnreachableError(
            f"cannot resolve {host}",
            reason(error),
            f"check {setting} ('contextops config get {setting}') and the network",
        ) from None


def connection(host: str, port: int, timeout: float, setting: str) -> str:
    """Connect and hang up; gives the address that took it, or raises ``UnreachableError``."""

    def connect() -> str:
        for_one = timeout * SHARE_OF_ONE_ADDRESS or None
        with socket.create_connection((host, port), for_one) as taken:
            return str(taken.getpeername()[0])

    try:
        return _within(timeout, connect)
    except TimeoutError:
        raise TimedOutError(
            f"cannot connect to {host} port {port}",
            f"no answer within {timeout:g} s",
            f"check {setting}, and the firewalls between",
        ) from None
    except OSError as error:
        raise UnreachableError(
            f"cannot connect to {host} port {port}",
            reason(error),
            f"check that it runs, and {setting} ('contextops config get {setting}')",
        ) from None


def _within(timeout: float, do: Callable[[], Found]) -> Found:
    """Do it in a thread: a name server that hangs would hold Ctrl-C up, and heeds no limit."""
    done: SimpleQueue[Found | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            done.put(do())
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            done.put(error)

    threading.Thread(target=run, name="reach", daemon=True).start()
    try:
        found = done.get(timeout=timeout or None)
    except Empty:
        raise TimeoutError from None
    if isinstance(found, BaseException):
        raise found
    return found
