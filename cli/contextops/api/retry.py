"""When a request is sent again, and after how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urljoin

from contextops.api.error_responses import effective_status, error_from_response, retry_after
from contextops.api.request import Request
from contextops.api.responses import FinalResponse, read_error_body
from contextops.api.timeouts import Deadlines
from contextops.api.transport import Response, Transport
from contextops.config import origin_of
from contextops.errors import ContextopsError, UnreachableError
from contextops.secrets import masked_header

RETRIED_STATUSES = frozenset({408, 429, 502, 503})
RETRIED_STATUSES_FOR_GET = RETRIED_STATUSES | {504}
"""A 504 is retried only where nothing can be done twice: the work may still be running."""

MAX_WAIT = 120.0
"""Seconds; there is no retry if the server asks for a longer wait."""

_FIRST_DELAY = 0.5
_LAST_DELAY = 8.0
_MAX_REDIRECTS = 5

Wait = Callable[[float, str], None]
"""Waits so many seconds before the next attempt, for the reason given as one line.

It may note the reason, wait longer, or return at once.
"""


def discard(_line: str) -> None:
    """Discard a line of output."""


class Retrier:
    """Sends requests, up to ``retries`` times more if they fail in a way that may pass.

    ``note`` gets one line before each wait and ``detail`` the lines of ``--verbose``. ``wait``
    replaces the note and the sleep between two attempts.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        retries: int,
        note: Callable[[str], None],
        detail: Callable[[str], None] = discard,
        wait: Wait | None = None,
    ) -> None:
        self._transport = transport
        self._retries = retries
        self._note = note
        self._detail = detail
        self._wait = wait or self._note_and_sleep

    def send(self, request: Request, deadlines: Deadlines) -> FinalResponse:
        """Send a request until no retry would help; the caller must close the response.

        A GET is redirected within its origin. Nothing is retried once the head of a successful
        response has come, since that would print, or cost, things twice.

        Raises:
            UnreachableError: No attempt got a response.
            ContextopsError: Whatever else ``Transport.send`` raises.
        """
        attempt = redirects = 0
        while True:
            attempt += 1
            started = time.monotonic()
            self._log_request(request)
            try:
                response = self._transport.send(request, deadlines)
            except UnreachableError as unreachable:
                if self._wait_for_retry(unreachable, None, attempt, deadlines):
                    continue
                raise
            self._log_response(response, deadlines)
            if 200 <= response.status < 300:
                return FinalResponse(response, attempt, started)
            target = _redirect_target(request, response)
            if target is not None and redirects < _MAX_REDIRECTS:
                response.close()
                request = Request(request.method, target, request.headers)
                redirects += 1
                attempt -= 1
                continue
            body = read_error_body(response)
            response.close()
            error = error_from_response(response.status, response.headers, body, request.url)
            final = FinalResponse(response, attempt, started, error, body)
            if not is_retried(request.method, effective_status(response.status, body)):
                return final
            if not self._wait_for_retry(error, retry_after(response.headers), attempt, deadlines):
                return final

    def _wait_for_retry(
        self, error: ContextopsError, delay: float | None, attempt: int, deadlines: Deadlines
    ) -> bool:
        """Wait before the next attempt; return False at once if there is to be none."""
        seconds = backoff(attempt) if delay is None else delay
        if attempt > self._retries or seconds > MAX_WAIT or not deadlines.allows(seconds):
            return False
        self._wait(seconds, error.summary)
        return True

    def _note_and_sleep(self, seconds: float, reason: str) -> None:
        self._note(f"{reason}; trying again in {seconds:.1f} s")
        time.sleep(seconds)

    def _log_request(self, request: Request) -> None:
        if self._detail is discard:
            return
        self._detail(f"> {request.method} {request.url}")
        for name, value in request.headers.items():
            self._detail(f"> {name}: {masked_header(name, value)}")

    def _log_response(self, response: Response, deadlines: Deadlines) -> None:
        if self._detail is discard:
            return
        self._detail(f"< {response.status} after {deadlines.elapsed * 1000:.0f} ms")
        for name, value in response.headers.items():
            self._detail(f"< {name}: {masked_header(name, value)}")


def is_retried(method: str, status: int) -> bool:
    """Return whether a request that was answered with this status is sent again."""
    statuses = RETRIED_STATUSES_FOR_GET if method in ("GET", "HEAD") else RETRIED_STATUSES
    return status in statuses


def backoff(attempt: int) -> float:
    """Return the seconds to wait after attempt 1, 2, …: doubled each time, less up to a quarter."""
    import random

    # The exponent is limited: that of a thousandth attempt would overflow a float.
    longest = min(_LAST_DELAY, _FIRST_DELAY * 2.0 ** min(attempt - 1, 16))
    return longest * random.uniform(0.75, 1.0)  # noqa: S311 - spreads clients, hides nothing


def _redirect_target(request: Request, response: Response) -> str | None:
    """Return where a GET is redirected within its origin; a POST is never sent on."""
    if request.method not in ("GET", "HEAD") or response.status not in (301, 302, 303, 307, 308):
        return None
    location = response.headers.get("location")
    if not location:
        return None
    try:
        target = urljoin(request.url, location)
        is_same_origin = origin_of(target) == origin_of(request.url)
    except ValueError:
        return None
    return target if is_same_origin else None
