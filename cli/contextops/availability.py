"""Whether models are there and answer: judged once, or until it is so.

Knows no HTTP: it is given what lists the ids, and what has a model say a word.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from contextops import catalogue
from contextops.errors import (
    AuthFailure,
    ConfigFailure,
    Failure,
    ModelNotFound,
    OutputFailure,
    TimedOut,
    UsageFailure,
)

FIRST_PAUSE = 0.5
LAST_PAUSE = 10.0
"""Seconds between two polls: they double from the first to the last."""

# No wait mends these.
_FINAL = (AuthFailure, ConfigFailure, UsageFailure, OutputFailure)

ListIds = Callable[[], list[str]]
Probe = Callable[[str], object]
"""Have a model say a word; whatever keeps it from that is a ``Failure``."""


class Verdict(NamedTuple):
    """What was found of one model; None is what could not be told, or was not asked.

    ``model`` is an id, a glob that nothing matches, or None where not even a name was known;
    ``latency`` is in seconds; ``near`` are the ids that a missing one looks like; ``failure`` says
    what is wrong.
    """

    model: str | None
    available: bool | None
    answered: bool | None = None
    latency: float | None = None
    near: Sequence[str] = ()
    failure: Failure | None = None


def judge(names: Sequence[str], list_ids: ListIds) -> list[Verdict]:
    """Tell which of these exact ids and globs the server lists; without any, its only model.

    Raises ``ConfigFailure`` where there is none chosen and more than one listed.
    """
    asked: Sequence[str | None] = names or [None]
    try:
        ids = list_ids()
    except Failure as failure:
        return [Verdict(name, available=None, failure=failure) for name in asked]
    if not ids:
        nothing = _nothing()
        return [Verdict(name, available=False, failure=nothing) for name in asked]
    if not names:
        return [_only(ids)]
    verdicts: dict[str, Verdict] = {}
    for name in names:
        found = catalogue.named(name, ids)
        for model in found:
            verdicts.setdefault(model, Verdict(model, available=True))
        if not found:
            verdicts.setdefault(name, _missing(name, ids))
    return list(verdicts.values())


def _only(ids: Sequence[str]) -> Verdict:
    if len(ids) == 1:
        return Verdict(ids[0], available=True)
    remedy = "name those to check, or one for good: contextops config set model ID"
    raise ConfigFailure("no model chosen", catalogue.offer(ids), remedy)


def _nothing() -> ModelNotFound:
    why = f"the key is good, but {catalogue.PRIVATE}"
    return ModelNotFound("the server lists no models", why, "ask one for access")


def _missing(name: str, ids: Sequence[str]) -> Verdict:
    near = [] if catalogue.is_glob(name) else catalogue.nearest(name, ids)
    remedy = f"did you mean {' or '.join(near)}?" if near else catalogue.offer(ids)
    failure = ModelNotFound(f"the server has no model {name}", "", remedy)
    return Verdict(name, available=False, near=near, failure=failure)


def probed(
    verdicts: Sequence[Verdict], probe: Probe, *, jobs: int, max_latency: float = 0.0
) -> list[Verdict]:
    """Have each model that is there say a word, ``jobs`` at a time, and measure how long it takes.

    What takes longer than ``max_latency`` seconds failed, 0 is no limit.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    listed = [each.model for each in verdicts if each.available and each.model is not None]
    for model in listed:
        waiting.put(model)
    told: SimpleQueue[Verdict | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            while not waiting.empty():
                told.put(_probed(waiting.get_nowait(), probe, max_latency))
        except BaseException as bug:  # noqa: BLE001 - the main thread raises it
            told.put(bug)

    for _ in range(min(jobs, len(listed))):
        # Daemons: whoever interrupts does not wait for the slowest model.
        threading.Thread(target=work, name="probe", daemon=True).start()
    answered = {verdict.model: verdict for verdict in (_taken(told) for _ in listed)}
    return [answered.get(each.model, each) for each in verdicts]


def _taken(told: SimpleQueue[Verdict | BaseException]) -> Verdict:
    verdict = told.get()
    if isinstance(verdict, BaseException):
        raise verdict
    return verdict


def _probed(model: str, probe: Probe, max_latency: float) -> Verdict:
    begun = time.monotonic()
    try:
        probe(model)
    except Failure as failure:
        failure.what = f"{model} does not answer: {failure.what}"
        return Verdict(model, available=True, answered=False, failure=failure)
    latency = time.monotonic() - begun
    slow = None
    if max_latency and latency > max_latency:
        took, allowed = (f"{seconds * 1000:.0f} ms" for seconds in (latency, max_latency))
        slow = TimedOut(f"{model} is slow", f"it took {took}, {allowed} are allowed")
    return Verdict(model, available=True, answered=True, latency=latency, failure=slow)


def failure_of(verdicts: Iterable[Verdict]) -> Failure | None:
    """Give the one failure that stands for all: what is missing, else the first."""
    failed = [each for each in verdicts if each.failure]
    missing = [each for each in failed if each.available is False]
    if len(missing) > 1 and not all(each.failure is missing[0].failure for each in missing):
        return ModelNotFound(
            f"{len(missing)} models are missing",
            ", ".join(_with_near(each) for each in missing),
            "see those that there are with 'contextops models list'",
        )
    # Those that could not be told share one.
    failures = list(dict.fromkeys(each.failure for each in missing or failed if each.failure))
    if len(failures) < 2:
        return failures[0] if failures else None
    first = copy.copy(failures[0])
    first.what = f"{len(failures)} models fail, the first: {first.what}"
    return first


def _with_near(verdict: Verdict) -> str:
    near = f" (did you mean {' or '.join(verdict.near)}?)" if verdict.near else ""
    return f"{verdict.model}{near}"


def waited(
    poll: Callable[[float], list[Verdict]],
    seconds: float,
    tell: Callable[[str], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Verdict]:
    """Poll until nothing fails, or nothing can mend it, or so many seconds are over.

    ``poll`` is given the seconds that are left; ``tell`` is told what it waits for.
    """
    end = clock() + seconds
    # The last poll is to have some time for itself.
    last_start = end - min(1.0, seconds / 4)
    pause = FIRST_PAUSE
    verdicts = poll(seconds)
    while (failure := failure_of(verdicts)) is not None and not _is_final(verdicts):
        left = last_start - clock()
        if left <= 0:
            break
        tell(f"waiting: {': '.join(part for part in (failure.what, failure.why) if part)}")
        sleep(min(left, max(pause, failure.retry_after or 0.0)))
        later = poll(end - clock())
        if clock() >= end and any(isinstance(each.failure, TimedOut) for each in later):
            # It was cut by the end of the wait: what was found before says more.
            break
        verdicts = later
        pause = min(2 * pause, LAST_PAUSE)
    return verdicts


def _is_final(verdicts: Iterable[Verdict]) -> bool:
    return any(isinstance(each.failure, _FINAL) for each in verdicts)
