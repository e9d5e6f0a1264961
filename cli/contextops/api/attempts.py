"""Send one request until it is settled: again where that may help, on within its origin."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain
from typing import NamedTuple
from urllib.parse import urljoin

from contextops.api import error_responses as refusal
from contextops.api import retry
from contextops.api.timeouts import Deadlines
from contextops.api.transport import Request, Response, Transport
from contextops.config import origin_of
from contextops.errors import (
    BadResponseError,
    ContextopsError,
    TimedOutError,
    TooLargeError,
    TruncatedError,
    UnreachableError,
)
from contextops.secrets import masked_header

MAX_ERROR_BODY = 64 << 10
"""Bytes of an error's body that are read; the rest says nothing new."""

_MAX_REDIRECTS = 5

Note = Callable[[str], None]


def ignore(_text: str) -> None:
    """Say nothing."""


class Settled(NamedTuple):
    """An answer that is final, after so many attempts, the last of which began at ``begun``.

    ``begun`` is a reading of the monotonic clock. ``refusal`` is what it means where its status is
    not a success; its body has been read then.
    """

    response: Response
    attempts: int
    begun: float
    refusal: ContextopsError | None = None
    body: bytes = b""


class Retrier:
    """Try a request so often as the profile allows, with a note for every wait."""

    def __init__(
        self, transport: Transport, *, retries: int, note: Note, detail: Note = ignore
    ) -> None:
        self._transport = transport
        self._retries = retries
        self._note = note
        self._detail = detail

    def settle(self, request: Request, deadlines: Deadlines) -> Settled:
        """Give the answer that no further attempt mends; its response is the caller's to close.

        Nothing is tried again once a byte of a successful answer has come: that would print, or
        cost, things twice. Raises what the transport raises when nobody answers.
        """
        attempt = redirects = 0
        while True:
            attempt += 1
            begun = time.monotonic()
            self._detail_request(request)
            try:
                response = self._transport.send(request, deadlines)
                self._detail_response(response, deadlines)
            except UnreachableError as failure:
                if self._waits(failure, retry.own_delay(attempt), attempt, deadlines):
                    continue
                raise
            if 200 <= response.status < 300:
                return Settled(response, attempt, begun)
            target = _redirect(request, response)
            if target is not None and redirects < _MAX_REDIRECTS:
                response.close()
                request = Request(request.method, target, request.headers)
                redirects += 1
                attempt -= 1
                continue
            settled = _refused(request, response, attempt, begun)
            if not self._tries_again(request, settled, deadlines):
                return settled

    def _detail_request(self, request: Request) -> None:
        self._detail(f"> {request.method} {request.url}")
        for name, value in request.headers.items():
            self._detail(f"> {name}: {masked_header(name, value)}")

    def _detail_response(self, response: Response, deadlines: Deadlines) -> None:
        self._detail(f"< {response.status} after {deadlines.elapsed * 1000:.0f} ms")
        for name, value in response.headers.items():
            self._detail(f"< {name}: {masked_header(name, value)}")

    def _tries_again(self, request: Request, settled: Settled, deadlines: Deadlines) -> bool:
        status = refusal.status_meant(settled.response.status, settled.body)
        if settled.refusal is None or not retry.is_retried(request.method, status):
            return False
        asked = retry.asked_delay(settled.response.headers)
        delay = retry.own_delay(settled.attempts) if asked is None else asked
        return self._waits(settled.refusal, delay, settled.attempts, deadlines)

    def _waits(
        self, failure: ContextopsError, delay: float, attempt: int, deadlines: Deadlines
    ) -> bool:
        """Wait for the next attempt; not where that is one too many, or too long."""
        if attempt > self._retries or delay > retry.MAX_WAIT or not deadlines.allow(delay):
            return False
        self._note(f"{failure.summary}; trying again in {delay:.1f} s")
        time.sleep(delay)
        return True


def read(response: Response, limit: int, start: bytes = b"") -> bytes:
    """Read a body whole, after its ``start``; raises ``TooLargeError`` beyond ``limit`` bytes."""
    body = bytearray()
    for block in chain([start], response.blocks()):
        body += block
        if len(body) > limit:
            raise TooLargeError(
                "the answer is too large", f"more than {limit} bytes", "raise max_body if need be"
            )
    return bytes(body)


def _refused(request: Request, response: Response, attempt: int, begun: float) -> Settled:
    body = _error_body(response)
    response.close()
    failure = refusal.error_from_response(response.status, response.headers, body, request.url)
    return Settled(response, attempt, begun, failure, body)


def _error_body(response: Response) -> bytes:
    """Read what there is of an error's body, up to a limit: its status tells already."""
    body = bytearray()
    try:
        for block in response.blocks():
            body += block
            if len(body) > MAX_ERROR_BODY:
                break
    except (TruncatedError, TimedOutError, BadResponseError):
        pass
    return bytes(body[:MAX_ERROR_BODY])


def _redirect(request: Request, response: Response) -> str | None:
    """Give where a GET is led within its origin; a POST is never sent on."""
    if request.method not in ("GET", "HEAD") or response.status not in (301, 302, 303, 307, 308):
        return None
    location = response.headers.get("location")
    if not location:
        return None
    try:
        target = urljoin(request.url, location)
        is_ours = origin_of(target) == origin_of(request.url)
    except ValueError:
        return None
    return target if is_ours else None
