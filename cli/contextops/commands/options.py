"""The flags that many commands share, declared once.

They are understood before the subcommand and after it; what is typed later wins. ``Command`` has
those of every command, ``OnlineCommand`` those that reach a server too.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from contextops.config import parse_duration
from contextops.errors import UsageError
from contextops.output import COLORS, REPORT_FORMATS


def _setting(ctx: typer.Context, option: Any, value: Any) -> None:
    """Keep a typed value under the name of its setting."""
    if value not in (None, (), False):
        ctx.obj.typed[option.name] = value


def _display(ctx: typer.Context, option: Any, value: Any) -> None:
    """Keep a typed value that says how to print."""
    if value not in (None, False):
        setattr(ctx.obj, option.name, value)


def _local(ctx: typer.Context, _option: Any, value: bool) -> None:
    if value:
        ctx.obj.typed["profile"] = "local"


def _headers(ctx: typer.Context, _option: Any, values: tuple[str, ...] | None) -> None:
    for line in values or ():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            # The value is not repeated: it may be a secret.
            raise typer.BadParameter("a header is written 'Name: value'.")
        ctx.obj.typed.setdefault("headers", {})[name.strip()] = value.strip()


def _require_one_of(choices: Sequence[str], value: str | None) -> None:
    if value is not None and value not in choices:
        raise typer.BadParameter(f"choose from {', '.join(choices)}.")


def _color(ctx: typer.Context, option: Any, value: str | None) -> None:
    _require_one_of(COLORS, value)
    _display(ctx, option, value)


def _option(*decls: str, keep: Any = _setting, **attributes: Any) -> TyperOption:
    return TyperOption(
        param_decls=list(decls), callback=keep, expose_value=False, default=None, **attributes
    )


PROFILE = [
    _option("--profile", type=str, metavar="NAME", help="Use this profile of the config file."),
    _option(
        "--local",
        is_flag=True,
        keep=_local,
        help="Use the embedded demo model: fluent, offline, often wrong.",
    ),
]

DISPLAY = [
    _option(
        "--color",
        type=str,
        metavar="WHEN",
        keep=_color,
        help="Color on a terminal: auto, always or never.",
    ),
    _option("--quiet", "-q", is_flag=True, keep=_display, help="No notes on stderr, only errors."),
    _option(
        "--verbose",
        "-v",
        is_flag=True,
        keep=_display,
        help="Show on stderr what passes between here and the server, keys masked.",
    ),
]

CONNECTION = [
    _option("--base-url", type=str, metavar="URL", help="The server, e.g. https://ai.example.com."),
    _option(
        "--api-key-file",
        type=str,
        metavar="PATH",
        help="Read the key from this file. (A key itself is never a flag: use CONTEXTOPS_API_KEY.)",
    ),
    _option(
        "--header",
        "-H",
        type=str,
        multiple=True,
        keep=_headers,
        metavar="'NAME: VALUE'",
        help="Send this header too; may be given again.",
    ),
    _option(
        "--connect-timeout", type=str, metavar="DURATION", help="Time limit for connecting.  [10s]"
    ),
    _option(
        "--first-token-timeout",
        type=str,
        metavar="DURATION",
        help="From the request to the first word.  [5m]",
    ),
    _option(
        "--idle-timeout", type=str, metavar="DURATION", help="Time limit between two words.  [2m]"
    ),
    _option(
        "--max-time",
        type=str,
        metavar="DURATION",
        help="Time limit for everything; 0 is none.  [none; 30s for models and config check]",
    ),
    _option(
        "--retries",
        type=str,
        metavar="N",
        help="Retry at most N times, before the answer begins.  [2]",
    ),
    _option(
        "--allow-http",
        is_flag=True,
        help="Send the key over plain http to a public address too.",
    ),
]

SHARED = [*PROFILE, *CONNECTION, *DISPLAY]


def _show_help(ctx: Any, _option: Any, value: bool) -> None:
    """Print the help as everything is printed: in UTF-8, and failing where it cannot be."""
    if value and not ctx.resilient_parsing:
        ctx.obj.printer.write_text(f"{ctx.get_help()}\n")
        raise typer.Exit


def _with_our_help(option: TyperOption | None) -> TyperOption | None:
    if option is not None:
        option.callback = _show_help
    return option


class Command(TyperCommand):
    """A command that takes a profile and the ways to print."""

    shared: ClassVar = [*PROFILE, *DISPLAY]
    shared_title = "Options of every command"

    def __init__(self, *args: Any, params: Any = None, **attributes: Any) -> None:
        super().__init__(*args, params=[*(params or []), *self.shared], **attributes)

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        """Give the option that prints the help."""
        return _with_our_help(super().get_help_option(ctx))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Show the command's own options first: they are what its help was asked for."""
        shared = {id(option) for option in self.shared}
        own = [param for param in self.get_params(ctx) if id(param) not in shared]
        arguments = [param for param in own if param.param_type_name == "argument"]
        options = [param for param in own if param.param_type_name == "option"]
        _section(ctx, formatter, "Arguments", arguments)
        _section(ctx, formatter, "Options", options)
        _section(ctx, formatter, self.shared_title, self.shared)


class OnlineCommand(Command):
    """A command that may reach a server."""

    shared: ClassVar = SHARED
    shared_title = "Connection and display options, also accepted before the subcommand"


class Group(TyperGroup):
    """A group of commands, which prints its help when none of them is named."""

    shown: ClassVar[Sequence[TyperOption]] = ()

    def __init__(self, *args: Any, params: Any = None, **attributes: Any) -> None:
        super().__init__(*args, params=[*(params or []), *SHARED], **attributes)

    def get_help_option(self, ctx: Any) -> TyperOption | None:
        """Give the option that prints the help."""
        return _with_our_help(super().get_help_option(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Print the help where there is nothing else to do: that is no mistake."""
        if not ctx._protected_args:  # noqa: SLF001 - where Typer keeps the command's name
            _show_help(ctx, None, value=True)
        return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Show the commands first."""
        self.format_commands(ctx, formatter)
        hidden = {id(option) for option in SHARED if option not in self.shown}
        own = [param for param in self.get_params(ctx) if id(param) not in hidden]
        _section(ctx, formatter, "Options", own)


def group(name: str, summary: str, cls: type[Group] = Group) -> typer.Typer:
    """Make a group of commands."""
    made = typer.Typer(
        name=name, help=summary, cls=cls, rich_markup_mode=None, add_completion=False
    )
    # Without a callback Typer takes a group of one command for that command.
    made.callback()(lambda: None)
    return made


def alone() -> typer.Typer:
    """Make the place of a command that stands in no group."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def _section(ctx: Any, formatter: Any, title: str, params: Iterable[Any]) -> None:
    records = [record for param in params if (record := param.get_help_record(ctx))]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)


def _json(ctx: typer.Context, value: bool) -> bool:
    ctx.obj.as_json = ctx.obj.as_json or value
    return _one_form(ctx, value)


def _json_lines(ctx: typer.Context, value: bool) -> bool:
    ctx.obj.as_json_lines = ctx.obj.as_json_lines or value
    return _one_form(ctx, value)


def _one_form(ctx: typer.Context, value: bool) -> bool:
    if ctx.obj.as_json and ctx.obj.as_json_lines:
        raise typer.BadParameter("--json and --jsonl exclude each other.")
    return value


def duration(text: str) -> float:
    """Read the value of a flag that is a time."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def exclude(*pairs: tuple[bool, str, bool, str]) -> None:
    """Refuse two flags that exclude each other: each was given or not, and has its name."""
    for first, first_flag, second, second_flag in pairs:
        if first and second:
            raise UsageError(
                f"{first_flag} and {second_flag} exclude each other", remedy="leave one out"
            )


def need(*pairs: tuple[bool, str, bool, str]) -> None:
    """Refuse a flag without the one that it goes with."""
    for first, first_flag, second, second_flag in pairs:
        if first and not second:
            raise UsageError(f"{first_flag} goes with {second_flag}", remedy=f"add {second_flag}")


def _report(value: str | None) -> str | None:
    _require_one_of(REPORT_FORMATS, value)
    return value


AsReport = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="|".join(REPORT_FORMATS),
        callback=_report,
        help="Write an XML file that CI servers draw, or annotations of GitHub Actions.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document; errors are JSON too.", callback=_json),
]
AsJsonLines = Annotated[
    bool,
    typer.Option("--jsonl", help="Print one JSON object a line.", callback=_json_lines),
]
