"""``contextops models``: what the server offers."""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from contextops import delivery
from contextops.options import AsJson, AsJsonLines, OnlineCommand, group
from contextops.output import Printer
from contextops.runtime import Runtime

app = group("models", "See what the server offers.")


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
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Have the server ask its providers again first.")
    ] = False,
    as_json: AsJson = False,
    as_json_lines: AsJsonLines = False,
) -> None:
    """List the models: a table on a terminal, one id a line in a pipe.

    No match is no failure: it prints nothing and exits 0.
    """
    runtime: Runtime = ctx.obj
    with delivery.ending_lines(runtime.printer) if as_json_lines else nullcontext():
        models = _listed(runtime, patterns or (), refresh=refresh)
    _show(models, runtime.printer, as_json=as_json, as_json_lines=as_json_lines)


def _listed(runtime: Runtime, patterns: Sequence[str], *, refresh: bool) -> list[dict[str, Any]]:
    printer = runtime.printer
    printer.require_stdout()
    listed = runtime.client.models(refresh=refresh)
    if not listed:
        printer.note(
            "the server lists no models: they are private until an administrator grants access"
        )
    return [model for model in listed if _matches(model["id"], patterns)]


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


def _matches(model: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(_match(model, pattern) for pattern in patterns)


def _match(model: str, pattern: str) -> bool:
    model, pattern = model.lower(), pattern.lower()
    has_wildcards = any(sign in pattern for sign in "*?[")
    return fnmatchcase(model, pattern) if has_wildcards else pattern in model


def _row(model: dict[str, Any]) -> tuple[str, str, str]:
    return model["id"], str(model["owned_by"] or ""), _day(model["created"])


def _day(created: Any) -> str:
    try:
        return f"{datetime.fromtimestamp(created, UTC):%Y-%m-%d}"
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
