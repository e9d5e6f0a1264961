"""``contextops help``: the topics in ``contextops/help``, and the help of commands.

A topic is a Markdown file: a title, then text that fits in 80 columns. The name of a table of
``_TABLES`` on a line of its own is replaced by that table.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from contextops.commands.context import Context
from contextops.commands.parser import Command, standalone
from contextops.config import environment_variables
from contextops.errors import INTERNAL, OK, ContextopsError, UsageError

app = standalone()

_FOLDER = Path(__file__).parents[1] / "help"

TOPICS = tuple(sorted(path.stem for path in _FOLDER.glob("*.md")))
"""The names of the topics."""

EXIT_CODES = (
    (str(OK), "ok", "the answer is complete"),
    (str(INTERNAL), "internal", "a bug in contextops; the message says what to report"),
    *(
        (str(error.status), error.code, error.when)
        for error in sorted(ContextopsError.__subclasses__(), key=lambda error: error.status)
    ),
    ("129 130 141 143", "-", "ended by SIGHUP, SIGINT, SIGPIPE, SIGTERM: by the signal itself"),
)
"""Status, code and meaning of each exit status; the last row is not an error."""

_TABLES: dict[str, Callable[[], Iterable[Sequence[str]]]] = {
    "{exit-codes}": lambda: EXIT_CODES,
    "{environment}": environment_variables,
}


def read_topic(name: str) -> tuple[str, str]:
    """Return the title and the text of a topic, tables not filled in."""
    title, _, text = (_FOLDER / f"{name}.md").read_text(encoding="utf-8").partition("\n")
    return title.removeprefix("# "), text.strip("\n")


# Not an options object: the help of other commands is found in Typer's own context.
@app.command("help", cls=Command)
def help_topic(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC|COMMAND]...", help=f"One of {', '.join(TOPICS)}; or a command."
        ),
    ] = None,
) -> None:
    """Explain a topic or a command."""
    context: Context = ctx.obj
    printer = context.printer
    if not words:
        width = max(map(len, TOPICS))
        topics = "".join(f"  {name:<{width}}  {read_topic(name)[0]}\n" for name in TOPICS)
        text = f"{ctx.find_root().get_help()}\n\nTopics of 'contextops help':\n{topics}"
    elif len(words) == 1 and words[0] in TOPICS:
        _, topic = read_topic(words[0])
        text = "".join(
            printer.columns(_TABLES[line]()) if line in _TABLES else f"{line}\n"
            for line in topic.splitlines()
        )
    else:
        text = f"{_help_of_command(ctx.find_root(), words)}\n"
    # One write, so that a reader that closes the pipe early does not end the command by SIGPIPE.
    printer.write_text(text)


def _help_of_command(ctx: Any, words: list[str]) -> str:
    """Return the help of a command, as its own ``--help`` prints it."""
    for word in words:
        command = getattr(ctx.command, "commands", {}).get(word)
        if command is None:
            raise UsageError(
                f"no help topic '{' '.join(words)}'",
                remedy=f"try {', '.join(TOPICS)}, or a command",
            )
        ctx = typer.Context(command, parent=ctx, info_name=word)
    return str(ctx.get_help())
