"""``contextops config check``: a diagnosis of the setup, by the checks of ``checks.doctor``."""

from contextops.commands.context import Context
from contextops.output import Result


def check(context: Context) -> None:
    """Diagnose the setup: the config file, the connection, the key and the models.

    \b
    contextops config check
    contextops config check --profile work --json | jq '.[] | select(.state == "failed")'

    Exits with the status of the first check that fails.
    """
    from contextops.checks import examine
    from contextops.output import Finding, finding_lines

    printer = context.printer
    printer.require_stdout()
    with printer.waiting():
        results = list(
            examine(lambda: context.profile, lambda: context.client, lambda: context.anonymous)
        )
    findings = [
        Finding(
            each.state,
            each.check,
            each.error.code if each.error else each.detail,
            error=printer.error_object(each.error) if each.error else None,
        )
        for each in results
    ]
    context.show(
        Result(
            document=lambda: [
                {
                    "check": result.check,
                    "state": result.state,
                    "detail": result.detail or None,
                    "error": finding.error,
                }
                for result, finding in zip(results, findings, strict=True)
            ],
            lines=lambda: finding_lines(findings),
            header=("CHECK", "STATE", "DETAIL"),
            rows=lambda: [(each.name, each.state, each.detail) for each in findings],
            findings=lambda: findings,
            title="contextops config check",
        )
    )
    if error := next((each.error for each in results if each.error), None):
        raise error
