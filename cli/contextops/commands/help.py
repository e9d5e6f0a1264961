"""``contextops help``: what no single command's help can say."""

from typing import Annotated

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
    topic: Annotated[
        str | None, typer.Argument(metavar="[TOPIC]", help="exit-codes or environment.")
    ] = None,
) -> None:
    """Explain the exit statuses or the environment variables."""
    runtime: Runtime = ctx.obj
    if topic is None:
        runtime.printer.write_text(f"{ctx.find_root().get_help()}\n")
    elif topic == "exit-codes":
        runtime.printer.columns(EXIT_CODES)
    elif topic == "environment":
        runtime.printer.columns(variables())
    else:
        raise UsageFailure(f"no help on {topic}", remedy=f"try one of: {', '.join(TOPICS)}")
