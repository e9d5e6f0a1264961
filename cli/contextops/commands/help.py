"""``contextops help``: what no single command's help can say."""

from typing import Annotated, Any

import typer

from contextops.commands.context import Context
from contextops.commands.parser import Command, alone
from contextops.config import environment_variables
from contextops.errors import (
    INTERNAL,
    OK,
    AuthError,
    BadResponseError,
    ConfigError,
    InputError,
    ModelNotFoundError,
    NoMatchError,
    OutputError,
    RateLimitedError,
    RejectedError,
    ServerError,
    TimedOutError,
    TlsError,
    TooLargeError,
    TruncatedError,
    UnreachableError,
    UsageError,
)

app = alone()

_WHEN = {
    UsageError: "bad flag or argument, flags that exclude each other, no prompt",
    ConfigError: "broken or unsafe settings, unknown profile, no model chosen, port taken",
    AuthError: "no key, or 401 or 403 of the server itself",
    ModelNotFoundError: "the server does not offer the model; models check misses one",
    UnreachableError: "name, refused, no route, proxy, closed before any answer",
    BadResponseError: "not HTTP, a web page, no JSON, wrong shape, redirect, unknown path",
    NoMatchError: "the answer is not of the form that was asked for",
    TruncatedError: "the answer ended unproved, or at a limit that you did not set",
    RejectedError: "any other 4xx",
    OutputError: "stdout or an output file cannot be written",
    InputError: "a file or standard input is unreadable, not UTF-8, or too large",
    TimedOutError: "connecting, first word, silence, or the whole",
    RateLimitedError: "429 after the retries",
    ServerError: "5xx after the retries, an error in the stream, a provider's failure",
    TlsError: "certificate or handshake",
    TooLargeError: "a size limit of ours was hit",
}

EXIT_CODES = (
    (str(OK), "ok", "the answer is complete"),
    (str(INTERNAL), "internal", "a bug of ours; the message says what to report"),
    *((str(failure.status), failure.code, when) for failure, when in _WHEN.items()),
    ("129 130 141 143", "-", "died of SIGHUP, SIGINT, SIGPIPE, SIGTERM, by the signal itself"),
)

TOPICS = ("exit-codes", "environment")


@app.command("help", cls=Command)
def help_topic(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC|COMMAND]...", help="exit-codes, environment, a command."),
    ] = None,
) -> None:
    """Explain exit-codes, the environment, or a command."""
    runtime: Context = ctx.obj
    if words == ["exit-codes"]:
        runtime.printer.columns(EXIT_CODES)
    elif words == ["environment"]:
        runtime.printer.columns(environment_variables())
    else:
        runtime.printer.write_text(f"{_help_of(ctx.find_root(), words or [])}\n")


def _help_of(ctx: Any, words: list[str]) -> str:
    """Give the help of a command, as its own ``--help`` prints it."""
    for word in words:
        command = getattr(ctx.command, "commands", {}).get(word)
        if command is None:
            raise UsageError(
                f"no help on {' '.join(words)}",
                remedy=f"try {' or '.join(TOPICS)}, or a command",
            )
        ctx = typer.Context(command, parent=ctx, info_name=word)
    return str(ctx.get_help())
