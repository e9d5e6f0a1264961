"""``contextops models``: what the server offers."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from contextops.api import (
    ACCESS_HINT,
    save_model_ids,
    search_models,
)
from contextops.chat import jsonl_errors
from contextops.checks import ModelCheck, ModelsCheckOptions, combined_error
from contextops.checks import check_models as run_check
from contextops.commands import SUMMARIES
from contextops.commands.context import Context
from contextops.commands.options import (
    AsJson,
    AsJsonLines,
    AsReport,
    OnlineCommand,
    duration,
    exclude,
    group,
)
from contextops.config import cache_folder
from contextops.errors import ConfigError
from contextops.output import Finding, Printer, Result, finding_lines

app = group("models", SUMMARIES["models"])

Refresh = Annotated[
    bool, typer.Option("--refresh", help="Have the server ask its providers again first.")
]


@app.command("list", cls=OnlineCommand)
def list_models(
    ctx: typer.Context,
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATTERN]...",
            help="Part of an id, or a glob such as 'llama*'; any of them may match, in any case.",
            show_default=False,
        ),
    ] = None,
    refresh: Refresh = False,
    as_json: AsJson = False,
    as_json_lines: AsJsonLines = False,
) -> None:
    """List the models: a table on a terminal, one id a line in a pipe.

    No match is no failure: it prints nothing and exits 0.
    """
    runtime: Context = ctx.obj
    with jsonl_errors(runtime.printer) if as_json_lines else nullcontext():
        listed = _listed(runtime, refresh=refresh)
    models = _matching(listed, patterns or ())
    _show(models, runtime.printer, as_json=as_json, as_json_lines=as_json_lines)
    _remember(runtime, listed)


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
    options = ModelsCheckOptions(
        names=names or [],
        probe=probe,
        max_latency=max_latency,
        jobs=jobs,
        wait=wait,
        refresh=refresh,
    )
    options.validate()
    printer = runtime.printer
    printer.require_stdout()
    if options.wait:
        # Polling makes retries within a poll pointless.
        runtime.typed.setdefault("retries", "0")
    profile, client = runtime.profile, runtime.client
    with printer.waiting():
        checks = run_check(options, profile, client, printer.progress)
    # A key may have been typed in place of a name.
    checks = [each._replace(model=each.model and printer.redact(each.model)) for each in checks]
    findings = [_finding(check, printer) for check in checks]
    printer.result(
        Result(
            document=lambda: [_to_json(check, printer) for check in checks],
            # Where no model is known by name, the error says it all.
            lines=lambda: finding_lines(each for each in findings if each.name),
            header=("MODEL", "AVAILABLE", "ANSWERED", "LATENCY"),
            rows=lambda: [_row_of_check(check) for check in checks],
            findings=lambda: findings,
            title="contextops models check",
        ),
        "json" if as_json else form,
    )
    if error := combined_error(checks):
        raise error


def _to_json(check: ModelCheck, printer: Printer) -> dict[str, Any]:
    return {
        "model": check.model,
        "available": check.available,
        "answered": check.answered,
        "latency_ms": None if check.latency is None else round(check.latency * 1000),
        "error": printer.error_object(check.error) if check.error else None,
    }


def _finding(check: ModelCheck, printer: Printer) -> Finding:
    detail = "" if check.latency is None else f"{check.latency * 1000:.0f}ms"
    if check.error is None:
        state = "ok"
    elif check.available is None:
        state = "unknown"
    elif not check.available:
        state = "missing"
    else:
        state = "slow" if check.answered else "failed"
    if check.error is not None and state != "missing" and not detail:
        detail = check.error.code
    error = printer.error_object(check.error) if check.error else None
    return Finding(state, check.model or "", detail, check.latency, error)


def _row_of_check(check: ModelCheck) -> tuple[str, str, str, str]:
    words: dict[bool | None, str] = {True: "yes", False: "no"}
    return (
        check.model or "-",
        words.get(check.available, "unknown"),
        words.get(check.answered, ""),
        "" if check.latency is None else f"{check.latency * 1000:.0f} ms",
    )


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
    if "base_url" in runtime.typed:
        return
    ids = (model["id"] for model in listed if not runtime.printer.contains_secret(model["id"]))
    with suppress(ConfigError):  # where there is no home folder
        save_model_ids(cache_folder(), runtime.profile.name, ids)


def _show(
    models: list[dict[str, Any]], printer: Printer, *, as_json: bool, as_json_lines: bool
) -> None:
    if as_json_lines:
        printer.json_lines(models)
    elif as_json:
        printer.json(models)
    elif not printer.stdout_is_terminal:
        printer.lines(model["id"] for model in models)
    elif models:
        printer.table(("MODEL", "OWNER", "CREATED"), [_row(model) for model in models])


def _row(model: dict[str, Any]) -> tuple[str, str, str]:
    return model["id"], str(model["owned_by"] or ""), _day(model["created"])


def _day(created: Any) -> str:
    try:
        return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d}"
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
