"""``contextops config check``: why it does not work."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from contextops.commands.context import Context
from contextops.commands.options import AsJson, AsReport
from contextops.flags import exclude
from contextops.output import Finding, Printer, print_report

if TYPE_CHECKING:
    from contextops.checks import CheckResult


def check(ctx: typer.Context, form: AsReport = None, as_json: AsJson = False) -> None:
    """Find out why it does not work: the file, the way to the server, the key, the models.

    \b
    contextops config check
    contextops config check --profile work --json | jq '.[] | select(.state == "failed")'

    Exits with the status of the first thing that fails.
    """
    runtime: Context = ctx.obj
    exclude((form is not None, "--format", as_json, "--json"))
    from contextops.checks import Examination, examine

    printer = runtime.printer
    printer.require_stdout()
    examination = Examination(
        lambda: runtime.profile, lambda: runtime.client, lambda: runtime.anonymous
    )
    with printer.waiting():
        examined = list(examine(examination.looks()))
    _show_examined(examined, printer, form=form, as_json=as_json)
    if failure := next((each.failure for each in examined if each.failure), None):
        raise failure


def _show_examined(
    examined: Sequence["CheckResult"], printer: Printer, *, form: str | None, as_json: bool
) -> None:
    findings = [
        Finding(
            each.state,
            each.check,
            each.failure.code if each.failure else each.detail,
            error=printer.error_object(each.failure) if each.failure else None,
        )
        for each in examined
    ]
    if as_json:
        printer.json(
            [
                {"check": check.name, "state": check.state, "detail": each.detail or None}
                | {"error": check.error}
                for each, check in zip(examined, findings, strict=True)
            ]
        )
    elif form is None and printer.stdout_is_terminal:
        rows = [(each.name, each.state, each.detail) for each in findings]
        printer.table(("CHECK", "STATE", "DETAIL"), rows)
    else:
        print_report(form, "contextops config check", findings, printer)
