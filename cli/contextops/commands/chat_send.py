"""``contextops chat send``: one prompt, one answer."""

from contextops.chat import SendOptions, send_prompt
from contextops.commands.context import Context
from contextops.commands.options import (
    JSON,
    JSON_LINES,
    MODEL,
    PLAIN,
    RAW,
    REASONING,
    SESSION,
    SYSTEM,
    TEMPLATE,
    command,
)
from contextops.commands.parser import OnlineCommand, standalone
from contextops.errors import ConfigError

app = standalone()

_FLAGS = [MODEL, SYSTEM, SESSION, TEMPLATE, REASONING, PLAIN, RAW, JSON, JSON_LINES]


@command(app, "send", OnlineCommand, flags=_FLAGS)
def send(context: Context, options: SendOptions) -> None:
    """Send one prompt and print the answer as it comes.

    \b
    contextops chat send "Why is the sky blue?"
    git diff --cached | contextops chat send "write a commit message"
    contextops chat send -f main.py -x "add type hints" -o typed.py
    contextops chat send --json hi | jq -r '.choices[0].message.content'

    Exits 0 only when the answer is complete; see 'contextops help exit-codes'.
    """
    answer_format = context.display.format
    options.validate(answer_format, has_session_flag="session" in context.flags)
    context.set_flags(params=options.request_params())
    profile = context.profile
    if options.output is None:
        context.printer.require_stdout()
    send_prompt(
        options,
        profile,
        client=lambda: context.client,
        model=lambda: _offline_model(context) if options.dry_run else context.model,
        sessions=context.sessions,
        printer=context.printer,
        answer_format=answer_format,
        override_system="system" in context.flags,
    )


def _offline_model(context: Context) -> str:
    """Return the model of a dry run, which does not request the list of models."""
    if context.profile.is_local:
        return context.profile.model or context.local_model()
    if context.profile.model is None:
        why = "a dry run does not ask the server"
        raise ConfigError("no model chosen", why, "choose one with -m ID")
    return context.profile.model
