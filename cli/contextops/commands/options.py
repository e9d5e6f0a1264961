"""Options: ``Flag`` made Typer's, those that many commands share, and ``command``.

Shared options are understood before the subcommand and after it; the later wins. The settings'
own go to ``Context.flags``, by the name of their setting; those that say how to print go to
``Context.display``. All others are fields of a command's options object.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import partial
from typing import Annotated, Any, cast, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperOption

from contextops.config import parse_duration
from contextops.flags import Argument, Flag
from contextops.output import COLORS, REPORT_FORMATS

# --- shared options ---------------------------------------------------------------------------


def _set_flag(ctx: typer.Context, option: Any, value: Any) -> None:
    """Store a typed value under the name of its setting."""
    if value not in (None, (), False):
        ctx.obj.flags[option.name] = value


def _set_display(ctx: typer.Context, option: Any, value: Any) -> None:
    """Store a typed value that says how to print."""
    if value not in (None, False):
        setattr(ctx.obj.display, option.name, value)


def _set_local(ctx: typer.Context, _option: Any, value: bool) -> None:
    if value:
        ctx.obj.flags["profile"] = "local"


def _set_headers(ctx: typer.Context, _option: Any, values: tuple[str, ...] | None) -> None:
    for line in values or ():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            # The value is not repeated: it may be a secret.
            raise typer.BadParameter("a header is written 'Name: value'.")
        ctx.obj.flags.setdefault("headers", {})[name.strip()] = value.strip()


def _require_one_of(choices: Sequence[str], value: str | None) -> None:
    if value is not None and value not in choices:
        raise typer.BadParameter(f"choose from {', '.join(choices)}.")


def _set_color(ctx: typer.Context, option: Any, value: str | None) -> None:
    _require_one_of(COLORS, value)
    _set_display(ctx, option, value)


def _set_report(ctx: typer.Context, option: Any, value: str | None) -> None:
    _require_one_of(REPORT_FORMATS, value)
    _set_display(ctx, option, value)


def _set_json(ctx: typer.Context, option: Any, value: bool) -> None:
    _set_display(ctx, option, value)
    if ctx.obj.display.json and ctx.obj.display.json_lines:
        raise typer.BadParameter("--json and --jsonl exclude each other.")


def _option(*decls: str, store: Any = _set_flag, **attributes: Any) -> TyperOption:
    return TyperOption(
        param_decls=list(decls), callback=store, expose_value=False, default=None, **attributes
    )


PROFILE = [
    _option("--profile", type=str, metavar="NAME", help="Use this profile of the config file."),
    _option(
        "--local",
        is_flag=True,
        store=_set_local,
        help="Use the embedded demo model: fluent, offline, often wrong.",
    ),
]

DISPLAY = [
    _option(
        "--color",
        type=str,
        metavar="WHEN",
        store=_set_color,
        help="Color on a terminal: auto, always or never.",
    ),
    _option(
        "--quiet", "-q", is_flag=True, store=_set_display, help="No notes on stderr, only errors."
    ),
    _option(
        "--verbose",
        "-v",
        is_flag=True,
        store=_set_display,
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
        store=_set_headers,
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

JSON = _option(
    "--json", is_flag=True, store=_set_json, help="Print one JSON document; errors are JSON too."
)
JSON_LINES = _option(
    "--jsonl", "json_lines", is_flag=True, store=_set_json, help="Print one JSON object a line."
)
REPORT = _option(
    "--format",
    "report",
    type=str,
    metavar="|".join(REPORT_FORMATS),
    store=_set_report,
    help="Write a JUnit XML file that CI servers display, or annotations for GitHub Actions.",
)
PLAIN = _option(
    "--plain", is_flag=True, store=_set_display, help="Do not render Markdown on a terminal."
)
RAW = _option(
    "--raw",
    is_flag=True,
    store=_set_display,
    help="Print the text unchanged on a terminal, control characters included.",
)
REASONING = _option(
    "--reasoning", is_flag=True, store=_set_display, help="Print reasoning text on stderr."
)

PRINTING = (JSON, JSON_LINES, REPORT, PLAIN, RAW, REASONING)
"""The flags that say how a result is printed."""

MODEL = _option(
    "--model", "-m", type=str, metavar="ID", help="Model to ask.  [the only one offered]"
)
SYSTEM = _option("--system", "-s", type=str, metavar="TEXT", help="System message, or @FILE.")
SESSION = _option(
    "--session",
    type=str,
    metavar="NAME",
    help="Continue and save conversation NAME; a path ends in .jsonl.",
)
TEMPLATE = _option(
    "--template", type=str, metavar="NAME", help="Fill this template of the config file."
)

# --- commands ---------------------------------------------------------------------------------


def command(
    app: typer.Typer,
    name: str,
    kind: type[TyperCommand],
    *,
    flags: Sequence[TyperOption] = (),
    context_settings: dict[str, Any] | None = None,
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Register ``run(context, options)`` as a command of ``app``; its docstring is the help.

    The class of ``options`` is a dataclass whose fields are annotated with ``Flag`` or
    ``Argument``; a command without options of its own takes the context alone. ``flags`` are
    shared options, which reach it through the context. A status that ``run`` returns is the exit
    status.
    """

    def register(run: Callable[..., int | None]) -> Callable[..., int | None]:
        options: Any = get_type_hints(run).get("options")

        def call(ctx: typer.Context, **values: Any) -> None:
            typed = {field: value for field, value in values.items() if value is not None}
            with ctx.obj.running():
                status = run(ctx.obj, options(**typed)) if options else run(ctx.obj)
            if status:
                raise typer.Exit(status)

        own = _parameters(options) if options else []
        parameters = [inspect.Parameter("ctx", _KEYWORD, annotation=typer.Context), *own]
        call.__doc__ = run.__doc__
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, cls=_with_flags(kind, flags), context_settings=context_settings)(call)
        return run

    return register


def _with_flags(kind: Any, flags: Sequence[TyperOption]) -> type[TyperCommand]:
    """Return what makes a command of a kind with these flags: Typer only calls it."""
    return cast("type[TyperCommand]", partial(kind, flags=flags))


_KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _parameters(options: type[Any]) -> list[inspect.Parameter]:
    """Return a Typer parameter for each field of an options class."""
    hints = get_type_hints(options, include_extras=True)
    made = []
    for field in fields(options):
        kind, declared = get_args(hints[field.name])[:2]
        default = None if field.default is MISSING else field.default
        if isinstance(declared, Argument):
            is_required = field.default is MISSING and field.default_factory is MISSING
            info = _argument(declared)
            default = inspect.Parameter.empty if is_required else None
        else:
            info = _flag(declared)
            default = default or (False if kind is bool else None)
        if default is None:
            kind = kind | None
        annotation = Annotated[kind, info]  # type: ignore[valid-type]
        made.append(inspect.Parameter(field.name, _KEYWORD, default=default, annotation=annotation))
    return made


def _argument(declared: Argument) -> Any:
    return typer.Argument(
        metavar=declared.metavar,
        help=declared.help,
        show_default=False,
        callback=_checking(declared.choices),
    )


def _flag(declared: Flag) -> Any:
    return typer.Option(
        *declared.names.split(),
        help=declared.help,
        metavar=declared.metavar,
        parser=_parser(declared.parse) if declared.parse else None,
        min=declared.minimum,
        max=declared.maximum,
        callback=_checking(declared.choices),
    )


def _checking(choices: tuple[str, ...]) -> Callable[[Any], Any] | None:
    if not choices:
        return None

    def check(value: Any) -> Any:
        _require_one_of(choices, value)
        return value

    return check


def _parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.") from None

    return read


# --- as commands that have no options object declare them --------------------------------------


def _report(value: str | None) -> str | None:
    _require_one_of(REPORT_FORMATS, value)
    return value


AsReport = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="|".join(REPORT_FORMATS),
        callback=_report,
        help=REPORT.help,
    ),
]


def _legacy_json(name: str) -> Any:
    def store(ctx: typer.Context, value: bool) -> bool:
        setattr(ctx.obj.display, name, getattr(ctx.obj.display, name) or value)
        if ctx.obj.display.json and ctx.obj.display.json_lines:
            raise typer.BadParameter("--json and --jsonl exclude each other.")
        return value

    return store


AsJson = Annotated[bool, typer.Option("--json", help=JSON.help, callback=_legacy_json("json"))]
AsJsonLines = Annotated[
    bool, typer.Option("--jsonl", help=JSON_LINES.help, callback=_legacy_json("json_lines"))
]


def duration(text: str) -> float:
    """Return the seconds of a flag that is a time."""
    seconds: float = _parser(parse_duration)(text)
    return seconds
