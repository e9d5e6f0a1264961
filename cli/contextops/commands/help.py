"""``contextops help``: what no single command's help can say."""

from typing import Annotated, Any

import typer

from contextops.errors import UsageFailure
from contextops.profiles import variables
from contextops.runtime import Runtime

EXIT_CODES = (
    ("0", "ok", "the answer is proved complete"),
    ("1", "internal", "a bug of ours; the message says what to report"),
    ("2", "usage", "bad flag or argument, flags that exclude each other, no prompt"),
    ("3", "config", "broken or unsafe settings, unknown profile, no model chosen, port taken"),
    ("4", "auth", "no key, or 401 or 403 of the server itself"),
    ("5", "model_not_found", "the server does not offer the model"),
    ("7", "unreachable", "name, refused, no route, proxy, closed before any answer"),
    ("8", "bad_response", "not HTTP, a web page, no JSON, wrong shape, redirect, unknown path"),
    ("12", "no_match", "the answer is not of the form that was asked for"),
    ("18", "truncated", "the answer ended unproved, or at a limit that you did not set"),
    ("22", "rejected", "any other 4xx"),
    ("23", "output", "stdout or an output file cannot be written"),
    ("26", "input", "a file or standard input is unreadable, not UTF-8, or too large"),
    ("28", "timeout", "connecting, first word, silence, or the whole"),
    ("29", "rate_limited", "429 after the retries"),
    ("50", "server_error", "5xx after the retries, an error in the stream, a provider's failure"),
    ("60", "tls", "certificate or handshake"),
    ("63", "too_large", "a size limit of ours was hit"),
    ("129 130 141 143", "-", "died of SIGHUP, SIGINT, SIGPIPE, SIGTERM, by the signal itself"),
)

TOPICS = ("exit-codes", "environment")


def help_topic(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC|COMMAND]...", help="exit-codes, environment, a command."),
    ] = None,
) -> None:
    """Explain exit-codes, the environment, or a command."""
    runtime: Runtime = ctx.obj
    if words == ["exit-codes"]:
        runtime.printer.columns(EXIT_CODES)
    elif words == ["environment"]:
        runtime.printer.columns(variables())
    else:
        runtime.printer.write_text(f"{_help_of(ctx.find_root(), words or [])}\n")


def _help_of(ctx: Any, words: list[str]) -> str:
    """Give the help of a command, as its own ``--help`` prints it."""
    for word in words:
        command = getattr(ctx.command, "commands", {}).get(word)
        if command is None:
            raise UsageFailure(
                f"no help on {' '.join(words)}",
                remedy=f"try {' or '.join(TOPICS)}, or a command",
            )
        ctx = typer.Context(command, parent=ctx, info_name=word)
    return str(ctx.get_help())
