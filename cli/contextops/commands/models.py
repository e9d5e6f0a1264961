"""``contextops models``: the models that the server offers, and whether they work."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from contextops.api import ACCESS_HINT, save_model_ids, search_models
from contextops.checks import ModelCheck, ModelsCheckOptions, combined_error
from contextops.checks import check_models as run_check
from contextops.commands import SUMMARIES
from contextops.commands.context import Context
from contextops.commands.options import JSON, JSON_LINES, REPORT, command
from contextops.commands.parser import OnlineCommand, group
from contextops.config import cache_folder
from contextops.errors import ConfigError
from contextops.flags import Argument, Flag
from contextops.output import Finding, Printer, Result, finding_lines

app = group("models", SUMMARIES["models"])


@dataclass(kw_only=True)
class ListOptions:
    """The options of ``models list``."""

    patterns: Annotated[
        list[str],
        Argument(
            "[PATTERN]...", "Part of an id, or a glob such as 'llama*'; any may match, in any case."
        ),
    ] = field(default_factory=list)
    refresh: Annotated[bool, Flag("--refresh", "Make the server reload its list.")] = False


@command(app, "list", OnlineCommand, flags=[JSON, JSON_LINES])
def list_models(context: Context, options: ListOptions) -> None:
    """List the models: a table on a terminal, one id a line in a pipe.

    No match is not an error: nothing is printed and the status is 0.
    """
    printer = context.printer
    printer.require_stdout()
    models = context.client.models(refresh=options.refresh)
    ids = [model["id"] for model in models]
    if not models:
        printer.note(f"the server lists no models: {ACCESS_HINT}")
    matches = set(ids)
    if options.patterns:
        matches = {each for pattern in options.patterns for each in search_models(pattern, ids)}
    listed = [model for model in models if model["id"] in matches]
    context.show(
        Result(
            document=lambda: listed,
            lines=lambda: (model["id"] for model in listed),
            header=("MODEL", "OWNER", "CREATED"),
            rows=lambda: [
                (model["id"], str(model["owned_by"] or ""), _day(model["created"]))
                for model in listed
            ],
        )
    )
    # Shells complete the ids of a profile's server, not those of a server typed as --base-url.
    if "base_url" not in context.flags:
        with suppress(ConfigError):  # there is no home folder
            safe = (each for each in ids if not printer.contains_secret(each))
            save_model_ids(cache_folder(), context.profile.name, safe)


def _day(created: Any) -> str:
    """Return the day of a Unix time in seconds, or nothing for any other value."""
    try:
        return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d}"
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


@command(app, "check", OnlineCommand, flags=[JSON, REPORT])
def check_models(context: Context, options: ModelsCheckOptions) -> None:
    """Check whether models are offered, and with --probe whether they answer.

    \b
    contextops models check llama3.1 'qwen*' || echo "not deployed"
    contextops models check --probe --max-latency 5s llama3.1
    contextops models check --wait 5m --probe && ./evaluate.sh

    Exits with 0 if all models pass and 5 if one is missing. Any other status says why a model
    could not be checked or does not answer; see 'contextops help exit-codes'.
    """
    options.validate()
    printer = context.printer
    printer.require_stdout()
    if options.wait:
        # Polling makes retries within a poll pointless.
        context.flags.setdefault("retries", "0")
    profile, client = context.profile, context.client
    with printer.waiting():
        checks = run_check(options, profile, client, printer.progress)
    # A key may have been typed in place of a model.
    checks = [each._replace(model=each.model and printer.redact(each.model)) for each in checks]
    findings = [_finding(check, printer) for check in checks]
    context.show(
        Result(
            document=lambda: [_to_json(check, printer) for check in checks],
            # Without the name of a model, the error on stderr is enough.
            lines=lambda: finding_lines(each for each in findings if each.name),
            header=("MODEL", "AVAILABLE", "ANSWERED", "LATENCY"),
            rows=lambda: [_row(check) for check in checks],
            findings=lambda: findings,
            title="contextops models check",
        )
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


def _row(check: ModelCheck) -> tuple[str, str, str, str]:
    words: dict[bool | None, str] = {True: "yes", False: "no"}
    return (
        check.model or "-",
        words.get(check.available, "unknown"),
        words.get(check.answered, ""),
        "" if check.latency is None else f"{check.latency * 1000:.0f} ms",
    )
