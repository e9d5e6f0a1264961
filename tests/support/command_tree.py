"""Every command and option that the help shows, for tests of what describes them."""

from __future__ import annotations

import typer

from contextops.app import app


def visible_commands(command, parent=None, name="contextops"):
    """Yield each command as it is typed, the options that its help shows, and its subcommands."""
    ctx = typer.Context(command, info_name=name, parent=parent, **command.context_settings)
    options = {
        name
        for param in command.get_params(ctx)
        if param.param_type_name == "option" and not param.hidden
        for name in (*param.opts, *param.secondary_opts)
    }
    commands = getattr(command, "commands", {}).items()
    subcommands = {subcommand: each for subcommand, each in commands if not each.hidden}
    yield ctx.command_path, options, set(subcommands)
    for subcommand, each in subcommands.items():
        yield from visible_commands(each, ctx, subcommand)


COMMANDS = list(visible_commands(typer.main.get_command(app)))
