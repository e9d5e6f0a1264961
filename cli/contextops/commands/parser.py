"""Typer's classes for commands and groups: shared options, and help in sections."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from contextops.commands.options import (
    DISPLAY,
    PRINTING,
    PROFILE,
    SHARED,
    SharedOption,
    store_shared,
)


def _show_help(ctx: Any, _option: Any, value: bool) -> None:
    """Print the help with the printer: in UTF-8, and a failed write is an error."""
    if value and not ctx.resilient_parsing:
        ctx.obj.printer.write_text(f"{ctx.get_help()}\n")
        raise typer.Exit


def _with_help_callback(option: TyperOption | None) -> TyperOption | None:
    if option is not None:
        option.callback = _show_help
    return option


class Command(TyperCommand):
    """A command with the options for the profile and for printing."""

    shared: ClassVar = [*PROFILE, *DISPLAY]
    shared_title = "Options of every command"

    def __init__(
        self, *args: Any, params: Any = None, flags: Sequence[SharedOption] = (), **attributes: Any
    ) -> None:
        # In the order of the help: options that say how to print come after the others.
        first = [flag for flag in flags if flag not in PRINTING]
        printing = [flag for flag in flags if flag in PRINTING]
        ordered = [*first, *(params or []), *printing, *self.shared]
        super().__init__(*args, params=ordered, **attributes)
        self._stored = [*flags, *self.shared]

    def invoke(self, ctx: Any) -> Any:
        """Store the shared options in the context, and run the command."""
        store_shared(ctx, self._stored)
        return super().invoke(ctx)

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        """Return the option that prints the help."""
        return _with_help_callback(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List the command's own options before the shared ones."""
        shared = {id(option) for option in self.shared}
        own = [param for param in self.get_params(ctx) if id(param) not in shared]
        arguments = [param for param in own if param.param_type_name == "argument"]
        options = [param for param in own if param.param_type_name == "option"]
        _section(ctx, formatter, "Arguments", arguments)
        _section(ctx, formatter, "Options", options)
        _section(ctx, formatter, self.shared_title, self.shared)


class OnlineCommand(Command):
    """A command that may reach a server, with the connection options too."""

    shared: ClassVar = SHARED
    shared_title = "Connection and display options, also accepted before the subcommand"


class Group(TyperGroup):
    """A group of commands, which prints its help when no command is named."""

    shown: ClassVar[Sequence[SharedOption]] = ()

    def __init__(self, *args: Any, params: Any = None, **attributes: Any) -> None:
        super().__init__(*args, params=[*(params or []), *SHARED], **attributes)

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        """Return the option that prints the help."""
        return _with_help_callback(super().get_help_option(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Store the shared options; print the help when no command is named."""
        store_shared(ctx, SHARED)
        if not ctx._protected_args:  # noqa: SLF001 - where Typer stores the command's name
            _show_help(ctx, None, value=True)
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List the commands first."""
        self.format_commands(ctx, formatter)
        hidden = {id(option) for option in SHARED if option not in self.shown}
        own = [param for param in self.get_params(ctx) if id(param) not in hidden]
        _section(ctx, formatter, "Options", own)


def group(name: str, summary: str, cls: type[Group] = Group) -> typer.Typer:
    """Return a group of commands."""
    app = typer.Typer(name=name, help=summary, cls=cls, rich_markup_mode=None, add_completion=False)
    # Without a callback, Typer turns a group with a single command into that command.
    app.callback()(lambda: None)
    return app


def standalone() -> typer.Typer:
    """Return an app for a single command that is not in a group."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def _section(ctx: Any, formatter: Any, title: str, params: Iterable[Any]) -> None:
    records = [record for param in params if (record := param.get_help_record(ctx))]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)
