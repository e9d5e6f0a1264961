"""The commands: options in, a use case called, a result rendered.

A command's module is loaded when it is named: together they cost a third of a start.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer

from contextops.commands.parser import Group

SUMMARIES = {
    "chat": "Ask a model.",
    "models": "List the models of the server and check them.",
    "session": "List, show and delete saved conversations.",
    "config": "Show and change the settings.",
    "api": "Call any endpoint of the server.",
    "serve": "Run the demo model as a local server, until Ctrl-C.",
    "completion": "Print the completion script of a shell.",
    "help": "Explain a topic or a command.",
}
"""The summary of each command, in the order in which a new user needs them."""

SUMMARIES_OF_CHAT = {
    "send": "Send one prompt and print the answer as it comes.",
    "repl": "Start a conversation.",
}


class Commands(Mapping[str, Any]):
    """Commands by name, loaded on first use; replaces the dictionary of Typer's group."""

    def __init__(self, names: Iterable[str], prefix: str = "") -> None:
        self._names = list(names)
        self._prefix = prefix
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return the command, loading its module the first time."""
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            module = import_module(f"{__name__}.{self._prefix}{name}")
            self._loaded[name] = typer.main.get_command(module.app)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class LazyGroup(Group):
    """A group whose commands are loaded when they are named.

    The command ``name`` is the ``app`` of the module ``{prefix}{name}``.
    """

    summaries: ClassVar[Mapping[str, str]]
    prefix: ClassVar = ""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **{**attributes, "commands": Commands(self.summaries, self.prefix)})

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))
