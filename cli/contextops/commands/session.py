"""``contextops session``: what is kept of conversations."""

from pathlib import Path
from typing import Annotated, Any

import typer

from contextops.chat import (
    describe_session,
    load_records,
    message_text,
    remove_session,
    session_files,
    session_path,
)
from contextops.commands import SUMMARIES
from contextops.commands.context import Context
from contextops.commands.options import AsJson
from contextops.commands.parser import Command, group
from contextops.config import state_folder
from contextops.errors import ConfigError

app = group("session", SUMMARIES["session"])

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its path in .jsonl.")]


@app.command("list", cls=Command)
def list_sessions(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the conversations.

    A table on a terminal, one name a line in a pipe.
    """
    runtime: Context = ctx.obj
    printer = runtime.printer
    paths = session_files(state_folder())
    if as_json:
        printer.json([describe_session(path) for path in paths])
    elif not printer.stdout_is_terminal:
        printer.lines(path.stem for path in paths)
    elif paths:
        rows = [_row(describe_session(path)) for path in paths]
        printer.table(("SESSION", "MESSAGES", "MODEL", "LAST"), rows)


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Print a conversation.

    With --json its lines are one array.
    """
    runtime: Context = ctx.obj
    records = load_records(_existing(name))
    if as_json:
        runtime.printer.json(records)
        return
    for record in records:
        runtime.printer.heading(_title(record))
        runtime.printer.paragraph(message_text(record))


@app.command("rm", cls=Command)
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Which to throw away.")],
) -> None:
    """Throw conversations away.

    All that are named, or none.
    """
    for path in [_existing(name) for name in names]:
        remove_session(path)


def _existing(name: str) -> Path:
    path = session_path(name, state_folder())
    if not path.is_file():
        raise ConfigError(
            f"no session {name}", f"there is no {path}", "see them with: contextops session list"
        )
    return path


def _row(summary: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        summary["name"],
        str(summary["messages"]),
        summary["model"] or "",
        (summary["last"] or "").replace("T", " ")[:16],
    )


def _title(record: dict[str, Any]) -> str:
    incomplete = "" if record.get("complete", True) else " (not complete, not sent again)"
    state = " (taken back, not sent again)" if record.get("undone") else incomplete
    return f"{record['role']}{state}"
