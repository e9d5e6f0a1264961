"""Whether models are offered and answer, checked once or until they do."""

import copy
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, NamedTuple

from contextops.api import (
    ACCESS_HINT,
    METADATA_MAX_TIME,
    describe_offer,
    exact_model,
    match_models,
    shortest_limit,
    suggest_models,
)
from contextops.config import parse_duration
from contextops.errors import (
    AuthError,
    ConfigError,
    ContextopsError,
    ModelNotFoundError,
    OutputError,
    TimedOutError,
    UsageError,
)
from contextops.flags import Argument, Flag, require

if TYPE_CHECKING:
    from contextops.api import Client
    from contextops.config import Profile

FIRST_PAUSE = 0.5
LAST_PAUSE = 10.0
"""Seconds between two polls: they double from the first to the last."""

# Errors that waiting cannot resolve.
_FINAL_ERRORS = (AuthError, ConfigError, UsageError, OutputError)

# An error names this many missing models at most, since each suggestion takes time to find.
_MAX_NAMED = 10

ListIds = Callable[[], list[str]]
Probe = Callable[[str], float]
"""Ask a model for one token and return the seconds until it came; raises what prevented it."""
Match = Callable[[str, Sequence[str]], list[str]]
"""Return the ids that a name matches, out of all ids."""


@dataclass(kw_only=True)
class ModelsCheckOptions:
    """The options of ``models check``; durations are in seconds."""

    names: Annotated[
        list[str],
        Argument("[MODEL]...", "Exact ids, or globs that must match.  [the model of the profile]"),
    ] = field(default_factory=list)
    probe: Annotated[
        bool,
        Flag(
            "--probe",
            "Request one token from each model; a listed one may not work.",
        ),
    ] = False
    max_latency: Annotated[
        float | None,
        Flag(
            "--max-latency",
            "With --probe: slower models fail with status 28.",
            metavar="DURATION",
            parse=parse_duration,
        ),
    ] = None
    jobs: Annotated[
        int,
        Flag("--jobs -j", "Probe N models at a time.", metavar="N", minimum=1, maximum=64),
    ] = 4
    wait: Annotated[
        float | None,
        Flag(
            "--wait",
            "Poll until all pass, for at most DURATION; a rejected key ends it.",
            metavar="DURATION",
            parse=parse_duration,
        ),
    ] = None
    refresh: Annotated[bool, Flag("--refresh", "Make the server reload its list.")] = False

    def validate(self) -> None:
        """Raise ``UsageError`` for options that cannot be used together or at all."""
        require((self.max_latency is not None, "--max-latency", self.probe, "--probe"))
        if "" in self.names:
            raise UsageError("the name of a model is empty", remedy="leave it out, or name one")


class ModelCheck(NamedTuple):
    """The result of checking one model; a field is None if unknown or not checked.

    ``model`` is an id, a glob that matches no id, or None if no name was known. ``latency`` is in
    seconds. ``offered`` are the ids that the server lists, if it does not list this one.
    """

    model: str | None
    available: bool | None
    answered: bool | None = None
    latency: float | None = None
    offered: Sequence[str] | None = None
    error: ContextopsError | None = None


def check_models(
    options: ModelsCheckOptions,
    profile: "Profile",
    client: "Client",
    progress: Callable[[str], None],
) -> list[ModelCheck]:
    """Check models as ``models check`` does: the named ones, else the one of the profile.

    While it waits, ``progress`` is called with what it waits for.
    """
    names = options.names or ([profile.model] if profile.model else [])
    # Only names that were typed may be globs; a profile has an exact id.
    match = match_models if options.names else exact_model

    def list_ids() -> list[str]:
        return [model["id"] for model in client.models(refresh=options.refresh)]

    def poll(time_left: float) -> list[ModelCheck]:
        # However short the wait, a poll has a second.
        max_time = METADATA_MAX_TIME if profile.max_time is None else profile.max_time
        limit = shortest_limit(max_time, max(time_left, 1.0) if time_left else 0.0)
        client.begin(limit)
        start = time.monotonic()
        checks = check_listed(names, list_ids, match)
        if not options.probe:
            return checks
        return probe_models(
            checks,
            client.probe,
            jobs=options.jobs,
            max_latency=options.max_latency or 0.0,
            seconds=max(limit - (time.monotonic() - start), 0.001) if limit else 0.0,
        )

    return add_suggestions(poll_until_ok(poll, options.wait or 0.0, progress))


def check_listed(
    names: Sequence[str], list_ids: ListIds, match: Match = match_models
) -> list[ModelCheck]:
    """Check which of the names the server lists; without names, its only model."""
    wanted: Sequence[str | None] = list(dict.fromkeys(names)) or [None]
    try:
        ids = list_ids()
    except ContextopsError as error:
        return [ModelCheck(name, available=None, error=error) for name in wanted]
    checks: dict[str | None, ModelCheck] = {}
    for name in wanted:
        matches = ids if name is None else match(name, ids)
        if name is None and len(ids) > 1:
            remedy = "name those to check, or one for good: contextops config set model ID"
            not_chosen = ConfigError("no model chosen", remedy=f"{describe_offer(ids)}; {remedy}")
            return [ModelCheck(None, available=None, error=not_chosen)]
        for model in matches:
            checks.setdefault(model, ModelCheck(model, available=True))
        if not matches:
            checks.setdefault(name, _missing(name, ids))
    return list(checks.values())


def _missing(name: str | None, ids: Sequence[str]) -> ModelCheck:
    what = "the server has no models" if name is None else f"the server has no model {name}"
    why = "" if ids else f"it lists none; the key is accepted, but {ACCESS_HINT}"
    return ModelCheck(name, available=False, offered=ids, error=ModelNotFoundError(what, why))


def probe_models(
    checks: Sequence[ModelCheck],
    probe: Probe,
    *,
    jobs: int,
    max_latency: float = 0.0,
    seconds: float = 0.0,
) -> list[ModelCheck]:
    """Ask each available model for one token, ``jobs`` at a time, and measure its latency.

    A model slower than ``max_latency`` seconds fails. Models not yet probed after ``seconds`` are
    not probed. 0 is no limit.
    """
    end = time.monotonic() + seconds if seconds else None
    models = [each.model for each in checks if each.available and each.model is not None]
    waiting: SimpleQueue[str] = SimpleQueue()
    for model in models:
        waiting.put(model)
    results: SimpleQueue[ModelCheck | BaseException] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                model = waiting.get_nowait()
            except Empty:
                return
            try:
                is_late = end is not None and time.monotonic() >= end
                results.put(_not_probed(model) if is_late else _probe(model, probe, max_latency))
            except BaseException as error:  # noqa: BLE001 - raised in the calling thread
                results.put(error)

    for _ in range(min(jobs, len(models))):
        # Daemon threads, so that Ctrl-C does not wait for the slowest model.
        threading.Thread(target=work, name="probe", daemon=True).start()
    probed: dict[str | None, ModelCheck] = {}
    for _ in models:
        result = results.get()
        if isinstance(result, BaseException):
            raise result
        probed[result.model] = result
    return [probed.get(each.model, each) for each in checks]


def _not_probed(model: str) -> ModelCheck:
    remedy = "allow more with --max-time, or probe more at a time with -j"
    error = TimedOutError(f"{model} was not probed", "no time was left", remedy)
    return ModelCheck(model, available=True, error=error)


def _probe(model: str, probe: Probe, max_latency: float) -> ModelCheck:
    try:
        latency = probe(model)
    except ContextopsError as error:
        error.what = f"{model} does not answer: {error.what}"
        return ModelCheck(model, available=True, answered=False, error=error)
    slow = None
    if max_latency and latency > max_latency:
        took, limit = (f"{seconds * 1000:.0f} ms" for seconds in (latency, max_latency))
        slow = TimedOutError(f"{model} is slow", f"it took {took}, the limit is {limit}")
    return ModelCheck(model, available=True, answered=True, latency=latency, error=slow)


def add_suggestions(checks: list[ModelCheck]) -> list[ModelCheck]:
    """Add similar ids to the errors of the first ten missing models."""
    suggested = 0
    for each in checks:
        if each.error and each.offered and each.model and suggested < _MAX_NAMED:
            each.error.remedy = suggest_models(each.model, each.offered)
            suggested += 1
    return checks


def combined_error(checks: Iterable[ModelCheck]) -> ContextopsError | None:
    """Return one error for all: that of the missing models, else the first."""
    failed = [each for each in checks if each.error]
    missing = [each for each in failed if each.available is False]
    if len(missing) > 1:
        return _all_missing(missing)
    # Models that could not be checked share one error.
    errors = list(dict.fromkeys(each.error for each in missing or failed if each.error))
    if len(errors) < 2:
        return errors[0] if errors else None
    first = copy.copy(errors[0])
    first.what = f"{len(errors)} models failed, the first: {first.what}"
    return first


def _all_missing(missing: Sequence[ModelCheck]) -> ModelNotFoundError:
    named = []
    for each in missing[:_MAX_NAMED]:
        remedy = each.error.remedy if each.error else ""
        suggestion = f" ({remedy})" if remedy.startswith("did you mean") else ""
        named.append(f"{each.model}{suggestion}")
    if len(missing) > len(named):
        named.append(f"and {len(missing) - len(named)} more, listed on stdout")
    why = missing[0].error.why if missing[0].error else ""
    remedy = why or "list the available ones with 'contextops models list'"
    return ModelNotFoundError(f"{len(missing)} models are missing", ", ".join(named), remedy)


def poll_until_ok(
    poll: Callable[[float], list[ModelCheck]],
    seconds: float,
    progress: Callable[[str], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[ModelCheck]:
    """Poll until no check fails, waiting cannot help, or the seconds are over.

    ``poll`` takes the seconds that are left, ``progress`` a line that says what is missing.
    """
    end = clock() + seconds
    # The last poll still gets some time.
    last_start = end - min(1.0, seconds / 4)
    pause = FIRST_PAUSE
    checks = poll(seconds)
    if seconds and clock() >= end:
        for each in checks:
            # The limit that this poll reached is the end of the wait, not its --max-time.
            if isinstance(each.error, TimedOutError) and "--max-time" in each.error.remedy:
                each.error.remedy = "allow more with --wait"
    while (error := combined_error(checks)) is not None:
        left = last_start - clock()
        if left <= 0 or any(isinstance(each.error, _FINAL_ERRORS) for each in checks):
            break
        progress(f"waiting: {error.summary}")
        sleep(min(left, max(pause, error.retry_after or 0.0)))
        later = poll(end - clock())
        if clock() >= end and any(isinstance(each.error, TimedOutError) for each in later):
            # This poll was cut short by the end of the wait; the one before says more.
            break
        checks = later
        pause = min(2 * pause, LAST_PAUSE)
    return checks
