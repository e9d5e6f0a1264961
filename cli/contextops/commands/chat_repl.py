"""``contextops chat repl``: a conversation."""

from contextops.commands.context import Context
from contextops.commands.options import (
    JSON_LINES,
    MODEL,
    PLAIN,
    RAW,
    REASONING,
    SESSION,
    SYSTEM,
    command,
)
from contextops.commands.parser import OnlineCommand, standalone
from contextops.repl import ReplOptions, run_repl

app = standalone()


@command(
    app,
    "repl",
    OnlineCommand,
    flags=[MODEL, SYSTEM, SESSION, REASONING, PLAIN, RAW, JSON_LINES],
)
def repl(context: Context, options: ReplOptions) -> int:
    """Start a conversation.

    \b
    contextops chat repl
    contextops chat repl --session review
    contextops chat repl < questions.txt

    At a terminal, /help lists the commands; Ctrl-C stops an answer, Ctrl-D leaves. Elsewhere
    each line of standard input is a turn, and the exit status is that of the first that failed.
    """
    context.set_flags(params=options.request_params())
    display = context.display
    return run_repl(
        options,
        context,
        jsonl=display.json_lines,
        colors=display.color != "never",
        quiet=display.quiet,
    )
