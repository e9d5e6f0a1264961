"""Which limit in time runs out next: a clock for one request, its retries and its waits."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import Any

from contextops.errors import TimedOutError

METADATA_MAX_TIME = 30.0
"""Seconds for what is no chat, where no ``max_time`` is set: lists of models, checks."""

SHARE_OF_ONE_ADDRESS = 0.4
"""The share of the time to connect for one address, so that a dead one leaves some for the next."""

# Seconds for what may follow a complete answer: the usage, ``[DONE]``.
_REST = 5.0


@contextmanager
def time_limit(limit: float | None, elapsed: float) -> Iterator[None]:
    """Raise ``TimedOutError`` in the midst of work that goes on beyond what is left of a limit.

    Both in seconds; no limit is None or 0. Only a signal gets into a regular expression: on
    Windows, and in other threads than the main one, there is no limit.
    """
    alarm = getattr(signal, "SIGALRM", None)
    if not limit or alarm is None or current_thread() is not main_thread():
        yield
        return

    def end(_signum: int, _frame: Any) -> None:
        raise _failure("not done", limit, "--max-time")

    before = signal.signal(alarm, end)
    try:
        # 0 would be no timer.
        signal.setitimer(signal.ITIMER_REAL, max(limit - elapsed, 0.001))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(alarm, before)


def shortest_limit(*limits: float) -> float:
    """Give the shortest of some limits, of which 0 is none."""
    return min((limit for limit in limits if limit), default=0.0)


class Deadlines:
    """Keep the four limits of a request; all in seconds, 0 is no limit.

    ``connect`` runs from ``begin``, ``first_token`` from ``sent``, ``idle`` from each ``token``;
    ``whole`` from ``started``, a reading of the clock, or from now, over all attempts.
    """

    def __init__(
        self,
        *,
        connect: float,
        first_token: float,
        idle: float,
        whole: float,
        started: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = {
            "connect": (connect, "no connection", "--connect-timeout"),
            "upload": (0.0, "", ""),
            "first_token": (first_token, "no word of an answer", "--first-token-timeout"),
            "idle": (idle, "nothing new", "--idle-timeout"),
            "rest": (_REST, "no end", "--idle-timeout"),
        }
        self._clock = clock
        self._whole = whole
        self._since = clock()
        self._started = self._since if started is None else started
        self._phase = "connect"

    def begin(self) -> None:
        """Start an attempt."""
        self._enter("connect")

    def connected(self) -> None:
        """Note that the request is going up."""
        self._enter("upload")

    def sent(self) -> None:
        """Note that the request is with the server."""
        self._enter("first_token")

    def token(self) -> None:
        """Note a sign of work: text, reasoning or a tool call, not a ping."""
        self._enter("idle")

    def completed(self) -> None:
        """Note that the answer is whole, and only what is told about it can follow."""
        if self._phase != "rest":
            self._enter("rest")

    def remaining(self) -> float | None:
        """Give the seconds until a limit is reached, at least 0; None where there is no limit."""
        ends = [end for end in (self._phase_end, self._whole_end) if end is not None]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def allow(self, wait: float) -> bool:
        """Tell whether a wait of so many seconds fits into the whole."""
        return self._whole_end is None or self._clock() + wait < self._whole_end

    def failure(self) -> TimedOutError:
        """Say which limit it was that ran out."""
        whole_end, phase_end = self._whole_end, self._phase_end
        if whole_end is not None and (phase_end is None or whole_end <= phase_end):
            return _failure("not done", self._whole, "--max-time")
        limit, told, flag = self._limits[self._phase]
        return _failure(told, limit, flag)

    @property
    def elapsed(self) -> float:
        """Give the seconds since this clock was made."""
        return self._clock() - self._started

    @property
    def _phase_end(self) -> float | None:
        limit = self._limits[self._phase][0]
        return self._since + limit if limit else None

    @property
    def _whole_end(self) -> float | None:
        return self._started + self._whole if self._whole else None

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._since = self._clock()


def _failure(told: str, limit: float, flag: str) -> TimedOutError:
    return TimedOutError("timed out", f"{told} within {limit:g} s", f"allow more with {flag}")
