"""Whether models are there and answer: judged once, or until it is so.

Knows no HTTP: it is given what lists the ids, and what has a model say a word.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple

from contextops.api import ACCESS_HINT, describe_offer, match_models, suggest_models
from contextops.errors import (
    AuthError,
    ConfigError,
    ContextopsError,
    ModelNotFoundError,
    OutputError,
    TimedOutError,
    UsageError,
)

FIRST_PAUSE = 0.5
LAST_PAUSE = 10.0
"""Seconds between two polls: they double from the first to the last."""

# No wait mends these.
_FINAL = (AuthError, ConfigError, UsageError, OutputError)

_MOST_NAMED = 10

ListIds = Callable[[], list[str]]
Probe = Callable[[str], float]
"""Have a model say a word, and give the seconds that it took; what keeps it from that is raised."""
Find = Callable[[str, Sequence[str]], list[str]]


class Verdict(NamedTuple):
    """What was found of one model; None is what could not be told, or was not asked.

    ``model`` is an id, a glob that nothing matches, or None where not even a name was known;
    ``latency`` is in seconds; ``offered`` are the ids that there are instead of a missing one;
    ``failure`` says what is wrong.
    """

    model: str | None
    available: bool | None
    answered: bool | None = None
    latency: float | None = None
    offered: Sequence[str] | None = None
    failure: ContextopsError | None = None


def judge(names: Sequence[str], list_ids: ListIds, find: Find = match_models) -> list[Verdict]:
    """Tell which of these names the server lists; without any, its only model.

    ``find`` gives the ids that a name stands for.
    """
    asked: Sequence[str | None] = list(dict.fromkeys(names)) or [None]
    try:
        ids = list_ids()
    except ContextopsError as failure:
        return [Verdict(name, available=None, failure=failure) for name in asked]
    verdicts: dict[str | None, Verdict] = {}
    for name in asked:
        found = ids if name is None else find(name, ids)
        if name is None and len(ids) > 1:
            verdicts[name] = _not_chosen(ids)
            break
        for model in found:
            verdicts.setdefault(model, Verdict(model, available=True))
        if not found:
            verdicts.setdefault(name, _missing(name, ids))
    return list(verdicts.values())


def _not_chosen(ids: Sequence[str]) -> Verdict:
    remedy = "name those to check, or one for good: contextops config set model ID"
    failure = ConfigError("no model chosen", describe_offer(ids), remedy)
    return Verdict(None, available=None, failure=failure)


def _missing(name: str | None, ids: Sequence[str]) -> Verdict:
    why = "" if ids else f"it lists none: the key is good, but {ACCESS_HINT}"
    failure = ModelNotFoundError(f"the server has no model {name or 'at all'}", why)
    return Verdict(name, available=False, offered=ids, failure=failure)


def probe_models(
    verdicts: Sequence[Verdict],
    probe: Probe,
    *,
    jobs: int,
    max_latency: float = 0.0,
    seconds: float = 0.0,
) -> list[Verdict]:
    """Have each model that is there say a word, ``jobs`` at a time, and measure how long it takes.

    What takes longer than ``max_latency`` seconds failed; what has not been asked after
    ``seconds`` is not; 0 is no limit.
    """
    end = time.monotonic() + seconds if seconds else None
    waiting: SimpleQueue[str] = SimpleQueue()
    listed = [each.model for each in verdicts if each.available and each.model is not None]
    for model in listed:
        waiting.put(model)
    told: SimpleQueue[Verdict | BaseException] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                model = waiting.get_nowait()
            except Empty:
                return
            try:
                is_over = end is not None and time.monotonic() >= end
                told.put(_not_asked(model) if is_over else _probed(model, probe, max_latency))
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


def _not_asked(model: str) -> Verdict:
    remedy = "allow more with --max-time, or ask more at a time with -j"
    failure = TimedOutError(f"{model} was not asked", "the others took all of the time", remedy)
    return Verdict(model, available=True, failure=failure)


def _probed(model: str, probe: Probe, max_latency: float) -> Verdict:
    try:
        latency = probe(model)
    except ContextopsError as failure:
        failure.what = f"{model} does not answer: {failure.what}"
        return Verdict(model, available=True, answered=False, failure=failure)
    slow = None
    if max_latency and latency > max_latency:
        took, allowed = (f"{seconds * 1000:.0f} ms" for seconds in (latency, max_latency))
        slow = TimedOutError(f"{model} is slow", f"it took {took}, {allowed} are allowed")
    return Verdict(model, available=True, answered=True, latency=latency, failure=slow)


def with_hints(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Say of what is missing what may have been meant: of the first ten, as it takes its time."""
    hinted = 0
    for each in verdicts:
        if each.failure and each.offered and each.model and hinted < _MOST_NAMED:
            each.failure.remedy = suggest_models(each.model, each.offered)
            hinted += 1
    return list(verdicts)


def combined_error(verdicts: Iterable[Verdict]) -> ContextopsError | None:
    """Give the one failure that stands for all: what is missing, else the first."""
    failed = [each for each in verdicts if each.failure]
    missing = [each for each in failed if each.available is False]
    if len(missing) > 1:
        return _all_missing(missing)
    # Those that could not be told share one.
    failures = list(dict.fromkeys(each.failure for each in missing or failed if each.failure))
    if len(failures) < 2:
        return failures[0] if failures else None
    first = copy.copy(failures[0])
    first.what = f"{len(failures)} models fail, the first: {first.what}"
    return first


def _all_missing(missing: Sequence[Verdict]) -> ModelNotFoundError:
    named = [_with_near(each) for each in missing[:_MOST_NAMED]]
    if len(missing) > len(named):
        named.append(f"and {len(missing) - len(named)} more, which stdout names")
    failure = missing[0].failure
    why = failure.why if failure else ""
    remedy = why or "see those that there are with 'contextops models list'"
    return ModelNotFoundError(f"{len(missing)} models are missing", ", ".join(named), remedy)


def _with_near(verdict: Verdict) -> str:
    remedy = verdict.failure.remedy if verdict.failure else ""
    return f"{verdict.model} ({remedy})" if remedy.startswith("did you") else f"{verdict.model}"


def poll_until_ok(
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
    if seconds and clock() >= end:
        _allow_more(verdicts)
    while (failure := combined_error(verdicts)) is not None and not _is_final(verdicts):
        left = last_start - clock()
        if left <= 0:
            break
        tell(f"waiting: {failure.summary}")
        sleep(min(left, max(pause, failure.retry_after or 0.0)))
        later = poll(end - clock())
        if clock() >= end and any(isinstance(each.failure, TimedOutError) for each in later):
            # It was cut by the end of the wait: what was found before says more.
            break
        verdicts = later
        pause = min(2 * pause, LAST_PAUSE)
    return verdicts


def _allow_more(verdicts: Iterable[Verdict]) -> None:
    """Name the limit that it was: the end of the wait, not that of a poll."""
    for each in verdicts:
        if isinstance(each.failure, TimedOutError) and "--max-time" in each.failure.remedy:
            each.failure.remedy = "allow more with --wait"


def _is_final(verdicts: Iterable[Verdict]) -> bool:
    return any(isinstance(each.failure, _FINAL) for each in verdicts)
