"""``contextops models``: what the server offers."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contextops.api import (
    ACCESS_HINT,
    METADATA_MAX_TIME,
    exact_model,
    match_models,
    save_model_ids,
    search_models,
    shortest_limit,
)
from contextops.commands import SUMMARIES
from contextops.commands.context import Context
from contextops.commands.options import (
    JSON,
    JSON_LINES,
    AsJson,
    AsReport,
    command,
    duration,
)
from contextops.commands.parser import OnlineCommand, group
from contextops.config import cache_folder
from contextops.errors import ConfigError, UsageError
from contextops.flags import Argument, Flag, exclude, need
from contextops.output import Finding, Printer, Result, print_report

if TYPE_CHECKING:
    from contextops.checks import Verdict

app = group("models", SUMMARIES["models"])

Refresh = Annotated[
    bool, typer.Option("--refresh", help="Have the server ask its providers again first.")
]


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """The options of ``models list``."""

    patterns: Annotated[
        list[str],
        Argument(
            "[PATTERN]...", "Part of an id, or a glob such as 'llama*'; any may match, in any case."
        ),
    ] = field(default_factory=list)
    refresh: Annotated[bool, Flag("--refresh", "Ask the providers again first.")] = False


@command(app, "list", OnlineCommand, flags=[JSON, JSON_LINES])
def list_models(context: Context, options: ListOptions) -> None:
    """List the models: a table on a terminal, one id a line in a pipe.

    No match is not an error: nothing is printed and the status is 0.
    """
    listed = _listed(context, refresh=options.refresh)
    models = _matching(listed, options.patterns)
    context.show(
        Result(
            document=lambda: models,
            lines=lambda: (model["id"] for model in models),
            header=("MODEL", "OWNER", "CREATED"),
            rows=lambda: [_row(model) for model in models],
        )
    )
    _remember(context, listed)


@app.command("check", cls=OnlineCommand)
def check_models(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Exact ids, or globs that must match.  [the model of the profile]",
            show_default=False,
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Have each of them say a word: a list can lie.")
    ] = False,
    max_latency: Annotated[
        float | None,
        typer.Option(
            "--max-latency",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="With --probe: what takes longer for its word fails, with 28.",
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option("--jobs", "-j", metavar="N", min=1, max=64, help="Probe so many at a time."),
    ] = 4,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            parser=duration,
            metavar="DURATION",
            show_default=False,
            help="Ask again until it is so, at most for so long; a refused key ends it.",
        ),
    ] = None,
    refresh: Refresh = False,
    form: AsReport = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether models are there, and whether they answer.

    \b
    contextops models check llama3.1 'qwen*' || echo "not deployed"
    contextops models check --probe --max-latency 5s llama3.1
    contextops models check --wait 5m --probe && ./evaluate.sh

    Exits 0 when all is well and 5 when a model is missing. Any other status says why it cannot be
    told, or why a model does not answer; see 'contextops help exit-codes'.
    """
    runtime: Context = ctx.obj
    exclude((form is not None, "--format", as_json, "--json"))
    need((max_latency is not None, "--max-latency", probe, "--probe"))
    if "" in (names or ()):
        raise UsageError("the name of a model is empty", remedy="leave it out, or name one")
    from contextops.checks import combined_error, judge, poll_until_ok, probe_models, with_hints

    printer = runtime.printer
    printer.require_stdout()
    if wait:
        # Whoever polls has no need of retries within a poll.
        runtime.flags.setdefault("retries", "0")
    profile, client = runtime.profile, runtime.client
    wanted = names or ([profile.model] if profile.model else [])
    # A glob is typed: the model of a profile is one.
    find = match_models if names else exact_model

    def list_ids() -> list[str]:
        return [model["id"] for model in client.models(refresh=refresh)]

    def poll(left: float) -> list["Verdict"]:
        seconds = _limit(profile.max_time, left)
        client.begin(seconds)
        begun = time.monotonic()
        verdicts = judge(wanted, list_ids, find)
        if not probe:
            return verdicts
        rest = max(seconds - (time.monotonic() - begun), 0.001) if seconds else 0.0
        latency = max_latency or 0.0
        return probe_models(verdicts, client.probe, jobs=jobs, max_latency=latency, seconds=rest)

    with printer.waiting():
        verdicts = with_hints(poll_until_ok(poll, wait or 0.0, printer.progress))
    verdicts = [each._replace(model=_masked(each.model, printer)) for each in verdicts]
    _show_verdicts(verdicts, printer, form=form, as_json=as_json)
    if failure := combined_error(verdicts):
        raise failure


def _limit(max_time: float | None, left: float) -> float:
    """Give the seconds that a poll may take, of those that are left to wait; 0 is no limit."""
    # However short the wait: a poll is a poll.
    return shortest_limit(
        METADATA_MAX_TIME if max_time is None else max_time, max(left, 1.0) if left else 0.0
    )


def _masked(model: str | None, printer: Printer) -> str | None:
    """Hide a key that stands where a name should."""
    return None if model is None else printer.redact(model)


def _show_verdicts(
    verdicts: Sequence["Verdict"], printer: Printer, *, form: str | None, as_json: bool
) -> None:
    if as_json:
        printer.json([_entry(verdict, printer) for verdict in verdicts])
    elif form is None and printer.stdout_is_terminal:
        header = ("MODEL", "THERE", "ANSWERED", "LATENCY")
        printer.table(header, [_cells(verdict) for verdict in verdicts])
    else:
        findings = [_finding(verdict, printer) for verdict in verdicts]
        if form is None:
            # The error says it all where there is no name.
            findings = [each for each in findings if each.name]
        print_report(form, "contextops models check", findings, printer)


def _entry(verdict: "Verdict", printer: Printer) -> dict[str, Any]:
    seconds, failure = verdict.latency, verdict.failure
    return {
        "model": verdict.model,
        "available": verdict.available,
        "answered": verdict.answered,
        "latency_ms": None if seconds is None else round(seconds * 1000),
        "error": printer.error_object(failure) if failure else None,
    }


def _finding(verdict: "Verdict", printer: Printer) -> Finding:
    failure = verdict.failure
    detail = _latency(verdict, "{:.0f}ms")
    if failure is not None and verdict.available is not False and not detail:
        detail = failure.code
    return Finding(
        _state(verdict),
        verdict.model or "",
        detail,
        verdict.latency,
        printer.error_object(failure) if failure else None,
    )


def _state(verdict: "Verdict") -> str:
    if verdict.failure is None:
        return "ok"
    if verdict.available is None:
        return "unknown"
    if not verdict.available:
        return "missing"
    return "slow" if verdict.answered else "failed"


def _cells(verdict: "Verdict") -> tuple[str, str, str, str]:
    said: dict[bool | None, str] = {True: "yes", False: "no"}
    return (
        verdict.model or "-",
        said.get(verdict.available, "cannot tell"),
        said.get(verdict.answered, ""),
        _latency(verdict, "{:.0f} ms"),
    )


def _latency(verdict: "Verdict", form: str) -> str:
    return "" if verdict.latency is None else form.format(verdict.latency * 1000)


def _listed(runtime: Context, *, refresh: bool) -> list[dict[str, Any]]:
    printer = runtime.printer
    printer.require_stdout()
    listed = runtime.client.models(refresh=refresh)
    if not listed:
        printer.note(f"the server lists no models: {ACCESS_HINT}")
    return listed


def _matching(listed: list[dict[str, Any]], patterns: Sequence[str]) -> list[dict[str, Any]]:
    if not patterns:
        return listed
    ids = [model["id"] for model in listed]
    wanted = {each for pattern in patterns for each in search_models(pattern, ids)}
    return [model for model in listed if model["id"] in wanted]


def _remember(runtime: Context, listed: list[dict[str, Any]]) -> None:
    """Let a TAB offer them; not those of a server that was typed, which are no profile's."""
    if "base_url" in runtime.flags:
        return
    ids = (model["id"] for model in listed if not runtime.printer.contains_secret(model["id"]))
    with suppress(ConfigError):  # where there is no home folder
        save_model_ids(cache_folder(), runtime.profile.name, ids)


def _row(model: dict[str, Any]) -> tuple[str, str, str]:
    return model["id"], str(model["owned_by"] or ""), _day(model["created"])


def _day(created: Any) -> str:
    try:
        return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d}"
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
