"""``contextops chat``: ask a model, and the flags and the conversation that both ways share."""

from typing import Annotated, ClassVar

import typer

from contextops.chat import Conversation, session_path
from contextops.commands import SUMMARIES, SUMMARIES_OF_CHAT, LazyGroup
from contextops.commands.context import Context
from contextops.commands.parser import group
from contextops.config import state_folder

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="ID", help="The model to ask.  [the only one offered]"),
]
System = Annotated[
    str | None,
    typer.Option("--system", "-s", metavar="TEXT", help="The system message, or @FILE."),
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", "-t", metavar="NUMBER", help="How random; 0 is the least."),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="Any other parameter of the API, e.g. top_p=0.9; may be given again.",
    ),
]
SessionName = Annotated[
    str | None,
    typer.Option(
        "--session",
        metavar="NAME",
        help="Go on with this conversation, and keep it; a path ends in .jsonl.",
    ),
]
Reasoning = Annotated[
    bool, typer.Option("--reasoning", help="Show on stderr what the model thinks first.")
]
Plain = Annotated[bool, typer.Option("--plain", help="Render no Markdown on a terminal.")]
Raw = Annotated[
    bool, typer.Option("--raw", help="Give a terminal the text unchanged, control codes too.")
]


class _Chat(LazyGroup):
    """The two ways to ask: what the one needs is not loaded for the other."""

    summaries: ClassVar = SUMMARIES_OF_CHAT
    prefix: ClassVar = "chat_"


app = group("chat", SUMMARIES["chat"], cls=_Chat)


def conversation(runtime: Context, *, typed_system: bool) -> Conversation:
    """Take up the session of the profile, or begin a conversation that nobody keeps."""
    name = runtime.profile.session
    path = None if name is None else session_path(name, state_folder())
    system = runtime.profile.system
    return Conversation(path=path, system=system, typed_system=typed_system)
