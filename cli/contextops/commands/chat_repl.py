"""``contextops chat repl``: a conversation."""

from contextlib import nullcontext
from typing import Annotated

import typer

from contextops.chat import jsonl_errors
from contextops.commands.chat import (
    Model,
    Param,
    Plain,
    Raw,
    Reasoning,
    SessionName,
    System,
    Temperature,
)
from contextops.commands.context import Context
from contextops.commands.options import AsJsonLines, OnlineCommand, alone
from contextops.repl import ReplOptions, run_repl

app = alone()


@app.command("repl", cls=OnlineCommand)
def repl(
    ctx: typer.Context,
    model: Model = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Stop each answer after N tokens."),
    ] = None,
    param: Param = None,
    session_name: SessionName = None,
    usage: Annotated[
        bool, typer.Option("--usage", help="Print token counts on stderr after each answer.")
    ] = False,
    reasoning: Reasoning = False,
    plain: Plain = False,
    raw: Raw = False,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", help="Not at a terminal: end with the first turn that fails."),
    ] = False,
    as_json_lines: AsJsonLines = False,
) -> None:
    """Have a conversation.

    \b
    contextops chat repl
    contextops chat repl --session review
    contextops chat repl < questions.txt

    At a terminal, /help lists the commands; Ctrl-C stops an answer, Ctrl-D leaves. Elsewhere
    each line of standard input is a turn, and the exit status is that of the first that failed.
    """
    context: Context = ctx.obj
    context.plain, context.raw, context.reasoning = plain, raw, reasoning
    options = ReplOptions(
        temperature=temperature,
        max_tokens=max_tokens,
        params=param,
        usage=usage,
        fail_fast=fail_fast,
    )
    context.keep(model=model, system=system, params=options.parameters(), session=session_name)
    with jsonl_errors(context.printer) if as_json_lines else nullcontext():
        status = run_repl(
            options,
            context,
            jsonl=as_json_lines,
            colors=context.color != "never",
            quiet=context.quiet,
        )
    raise typer.Exit(status)
