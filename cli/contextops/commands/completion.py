"""``contextops completion``: the completion scripts for shells."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from contextops.commands.context import Context
from contextops.commands.options import command
from contextops.commands.parser import Command, standalone
from contextops.config import refresh_names
from contextops.errors import UsageError
from contextops.flags import Argument, Flag

app = standalone()

_FILES = {"bash": "contextops.bash", "zsh": "_contextops", "fish": "contextops.fish"}


class Shell(StrEnum):
    """The shells for which there is a script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@dataclass(kw_only=True)
class CompletionOptions:
    """The options of ``completion``."""

    shell: Annotated[
        Shell | None, Argument("bash|zsh|fish", "The shell to print the script for.")
    ] = None
    names: Annotated[
        bool, Flag("--names", "Only write the list of names that the script completes.")
    ] = False


@command(app, "completion", Command)
def completion(context: Context, options: CompletionOptions) -> None:
    """Print the completion script of a shell.

    \b
    bash: eval "$(contextops completion bash)"                     in ~/.bashrc
    zsh:  contextops completion zsh > ~/.zfunc/_contextops         with ~/.zfunc in fpath
    fish: contextops completion fish > ~/.config/fish/completions/contextops.fish
    """
    if options.names:
        refresh_names()
    elif options.shell is None:
        raise UsageError("no shell named", remedy="choose from bash, zsh, fish")
    else:
        context.printer.write(_read_script(_FILES[options.shell]))


def _read_script(name: str) -> bytes:
    """Return a script from the installed package, or from the checkout."""
    package = Path(__file__).parents[1]
    installed = package / "completions" / name
    checkout = package.parents[1] / "completions" / name
    return (installed if installed.exists() else checkout).read_bytes()
