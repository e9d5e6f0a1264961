"""``contextops session``: saved conversations."""

from dataclasses import dataclass
from typing import Annotated, Any

from contextops.chat import Record, message_text
from contextops.commands import SUMMARIES
from contextops.commands.context import Context
from contextops.commands.options import JSON, command
from contextops.commands.parser import Command, group
from contextops.flags import Argument
from contextops.output import Result

app = group("session", SUMMARIES["session"])


@command(app, "list", Command, flags=[JSON])
def list_sessions(context: Context) -> None:
    """List saved conversations.

    The output is a table on a terminal, and one name a line in a pipe.
    """
    store = context.sessions
    context.show(
        Result(
            document=store.descriptions,
            lines=store.list,
            header=("SESSION", "MESSAGES", "MODEL", "LAST"),
            rows=lambda: [_row(description) for description in store.descriptions()],
        )
    )


def _row(description: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        description["name"],
        str(description["messages"]),
        description["model"] or "",
        (description["last"] or "").replace("T", " ")[:16],
    )


@dataclass(kw_only=True)
class ShowOptions:
    """The options of ``session show``."""

    name: Annotated[str, Argument("NAME", "Name, or a path that ends in .jsonl.")]


@command(app, "show", Command, flags=[JSON])
def show(context: Context, options: ShowOptions) -> None:
    """Print a saved conversation.

    With --json, its messages are printed as one array.
    """
    records = context.sessions.records(options.name)
    if context.display.json:
        context.printer.json(records)
        return
    # Not a Result, whose lines show tabs and line ends as visible characters.
    for record in records:
        context.printer.heading(_heading(record))
        context.printer.paragraph(message_text(record))


def _heading(record: Record) -> str:
    if record.get("undone"):
        return f"{record['role']} (undone, not sent again)"
    if not record.get("complete", True):
        return f"{record['role']} (not complete, not sent again)"
    return str(record["role"])


@dataclass(kw_only=True)
class RemoveOptions:
    """The options of ``session rm``."""

    names: Annotated[list[str], Argument("NAME...", "Conversations to delete.")]


@command(app, "rm", Command)
def remove(context: Context, options: RemoveOptions) -> None:
    """Delete saved conversations.

    If one does not exist, none is deleted.
    """
    context.sessions.remove(*options.names)
