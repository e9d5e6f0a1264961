"""What there is on the command line: the measure of what describes it."""

from __future__ import annotations

import typer

from contextops.app import app


def visible(command, parent=None, name="contextops"):
    """Give each command as it is typed, the options that its help shows, and its subcommands."""
    ctx = typer.Context(command, info_name=name, parent=parent, **command.context_settings)
    options = {
        name
        for param in command.get_params(ctx)
        if param.param_type_name == "option" and not param.hidden
        for name in (*param.opts, *param.secondary_opts)
    }
    commands = getattr(command, "commands", {}).items()
    below = {subcommand: each for subcommand, each in commands if not each.hidden}
    yield ctx.command_path, options, set(below)
    for subcommand, each in below.items():
        yield from visible(each, ctx, subcommand)


COMMANDS = list(visible(typer.main.get_command(app)))
