"""``contextops completion``: the scripts that make shells complete the command."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from contextops.commands.context import Context
from contextops.commands.parser import Command, alone

app = alone()

_FILES = {"bash": "contextops.bash", "zsh": "_contextops", "fish": "contextops.fish"}


class Shell(StrEnum):
    """The shells that we have a script for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@app.command("completion", cls=Command)
def completion(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Which shell.")],
) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(contextops completion bash)"                     in ~/.bashrc
    zsh:  contextops completion zsh > ~/.zfunc/_contextops         with ~/.zfunc in fpath
    fish: contextops completion fish > ~/.config/fish/completions/contextops.fish
    """
    runtime: Context = ctx.obj
    runtime.printer.write(_script(_FILES[shell]))


def _script(name: str) -> bytes:
    """Read a script beside the package, or from the checkout that the package is run from."""
    package = Path(__file__).parents[1]
    installed = package / "completions" / name
    return (
        installed if installed.exists() else package.parents[1] / "completions" / name
    ).read_bytes()
