"""The time limits of a request, and which of them is reached next."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any

from contextops.errors import TimedOutError

METADATA_MAX_TIME = 30.0
"""Seconds for requests other than chats (lists of models, checks) where ``max_time`` is not set."""

SHARE_OF_ONE_ADDRESS = 0.4
"""The share of the connect timeout for one address, so that a dead one leaves time for the next."""

# Seconds for what may follow a complete answer: the usage, ``[DONE]``.
_TRAILER_TIMEOUT = 5.0


@contextmanager
def time_limit(limit: float | None, elapsed: float) -> Iterator[None]:
    """Raise ``TimedOutError`` within the block once ``limit - elapsed`` seconds are over.

    None or 0 is no limit. Only a signal interrupts a regular expression, so there is no limit on
    Windows and in threads other than the main one.
    """
    alarm = getattr(signal, "SIGALRM", None)
    if not limit or alarm is None or current_thread() is not main_thread():
        yield
        return

    def stop(_signum: int, _frame: Any) -> None:
        raise _timeout_error("not done", limit, "--max-time")

    previous = signal.signal(alarm, stop)
    try:
        # 0 would stop the timer instead of starting it.
        signal.setitimer(signal.ITIMER_REAL, max(limit - elapsed, 0.001))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(alarm, previous)


def shortest_limit(*limits: float) -> float:
    """Return the shortest of some limits; 0 is no limit."""
    return min((limit for limit in limits if limit), default=0.0)


class Deadlines:
    """The four time limits of a request, in seconds; 0 is no limit.

    ``connect`` runs from ``begin``, ``first_token`` from ``sent``, ``idle`` from each ``token``,
    and ``total`` over all attempts, from ``started`` (a reading of the clock) or from now.
    """

    def __init__(
        self,
        *,
        connect: float,
        first_token: float,
        idle: float,
        total: float,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = {
            "connect": (connect, "no connection", "--connect-timeout"),
            "upload": (0.0, "", ""),
            "first_token": (first_token, "no token of an answer", "--first-token-timeout"),
            "idle": (idle, "no further token", "--idle-timeout"),
            "trailer": (_TRAILER_TIMEOUT, "the stream did not end", "--idle-timeout"),
        }
        self._clock = clock
        self._total = total
        self._phase_started = clock()
        self._started = self._phase_started if started is None else started
        self._phase = "connect"

    def begin(self) -> None:
        """Start an attempt."""
        self._enter("connect")

    def connected(self) -> None:
        """Note that the upload of the request has begun."""
        self._enter("upload")

    def sent(self) -> None:
        """Note that the server has the whole request."""
        self._enter("first_token")

    def token(self) -> None:
        """Note that text, reasoning or a tool call came; a ping does not count."""
        self._enter("idle")

    def completed(self) -> None:
        """Note that the answer is complete, so that only its usage and ``[DONE]`` can follow."""
        if self._phase != "trailer":
            self._enter("trailer")

    def remaining(self) -> float | None:
        """Return the seconds until a limit is reached, at least 0; None if there is no limit."""
        ends = [end for end in (self._phase_end, self._total_end) if end is not None]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def allows(self, wait: float) -> bool:
        """Return whether a wait of so many seconds ends before ``total`` does."""
        return self._total_end is None or self._clock() + wait < self._total_end

    def error(self) -> TimedOutError:
        """Return the error that names the limit that was reached."""
        total_end, phase_end = self._total_end, self._phase_end
        if total_end is not None and (phase_end is None or total_end <= phase_end):
            return _timeout_error("not done", self._total, "--max-time")
        limit, why, flag = self._limits[self._phase]
        return _timeout_error(why, limit, flag)

    @property
    def elapsed(self) -> float:
        """The seconds since ``started``."""
        return self._clock() - self._started

    @property
    def _phase_end(self) -> float | None:
        limit = self._limits[self._phase][0]
        return self._phase_started + limit if limit else None

    @property
    def _total_end(self) -> float | None:
        return self._started + self._total if self._total else None

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._phase_started = self._clock()


def _timeout_error(why: str, limit: float, flag: str) -> TimedOutError:
    return TimedOutError("timed out", f"{why} within {limit:g} s", f"allow more with {flag}")
