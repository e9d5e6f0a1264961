"""The options of commands: shared ones, and ``command``, which makes Typer's of declared ones.

Shared options are accepted before and after the subcommand; the later one wins. The values of
settings go to ``Context.flags``, by the name of the setting; options that say how to print go to
``Context.display``. All others are fields of a command's options object.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import partial
from typing import Annotated, Any, cast, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperOption

from contextops.config import FLAGS, LOCAL_FLAG, LOCAL_PROFILE, SETTINGS
from contextops.flags import Argument, Flag
from contextops.output import COLORS, REPORT_FORMATS

# --- shared options ---------------------------------------------------------------------------


def _set_flag(ctx: typer.Context, option: Any, value: Any) -> None:
    """Store the value of an option under the name of its setting."""
    if value not in (None, (), False):
        ctx.obj.flags[option.name] = value


def _set_display(ctx: typer.Context, option: Any, value: Any) -> None:
    """Store the value of an option that says how to print."""
    if value not in (None, False):
        setattr(ctx.obj.display, option.name, value)


def _set_local(ctx: typer.Context, _option: Any, value: bool) -> None:
    if value:
        ctx.obj.flags["profile"] = LOCAL_PROFILE


def _set_table(ctx: typer.Context, option: Any, texts: tuple[str, ...] | None) -> None:
    """Store each NAME and VALUE of a repeated option in the table of its setting."""
    for text in texts or ():
        name, value = _usage_errors(cast("Any", FLAGS[option.name].parse))(text)
        ctx.obj.flags.setdefault(option.name, {})[name] = value


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


def _setting_option(name: str) -> TyperOption:
    """Return the option of a setting, as ``contextops.config`` declares it."""
    flag = FLAGS[name]
    names = [*flag.names.split(), name]
    if flag.metavar is None:
        return _option(*names, is_flag=True, help=flag.help)
    if name in SETTINGS and SETTINGS[name].is_table:
        more: dict[str, Any] = {"multiple": True, "store": _set_table}
    else:
        more = {}
    return _option(*names, type=str, metavar=flag.metavar, help=flag.help, **more)


PROFILE = [
    _setting_option("profile"),
    _option(LOCAL_FLAG.names, is_flag=True, store=_set_local, help=LOCAL_FLAG.help),
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
        "--quiet",
        "-q",
        is_flag=True,
        store=_set_display,
        help="Print only errors on stderr, no notes.",
    ),
    _option(
        "--verbose",
        "-v",
        is_flag=True,
        store=_set_display,
        help="Print the headers of requests and responses on stderr, keys masked.",
    ),
]

CONNECTION = [_setting_option(name) for name, flag in FLAGS.items() if flag.group == "connection"]

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
"""The options that say how a result is printed."""

MODEL, SYSTEM, SESSION, TEMPLATE = map(_setting_option, ("model", "system", "session", "template"))

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
    ``Argument``; a command without options of its own takes only the context. ``flags`` are
    shared options, whose values are in the context. A status that ``run`` returns is the exit
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
        # Typer only calls the class, so that a function that adds the flags can replace it.
        cls: Any = partial(cast("Any", kind), flags=flags)
        app.command(name, cls=cls, context_settings=context_settings)(call)
        return run

    return register


_KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _parameters(options: type[Any]) -> list[inspect.Parameter]:
    """Return a Typer parameter for each field of an options class."""
    hints = get_type_hints(options, include_extras=True)
    parameters = []
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
        parameters.append(
            inspect.Parameter(field.name, _KEYWORD, default=default, annotation=annotation)
        )
    return parameters


def _argument(declared: Argument) -> Any:
    return typer.Argument(
        metavar=declared.metavar,
        help=declared.help,
        show_default=False,
        callback=_choice_callback(declared.choices),
    )


def _flag(declared: Flag) -> Any:
    return typer.Option(
        *declared.names.split(),
        help=declared.help,
        metavar=declared.metavar,
        parser=_usage_errors(declared.parse) if declared.parse else None,
        min=declared.minimum,
        max=declared.maximum,
        callback=_choice_callback(declared.choices),
    )


def _choice_callback(choices: tuple[str, ...]) -> Callable[[Any], Any] | None:
    if not choices:
        return None

    def check(value: Any) -> Any:
        _require_one_of(choices, value)
        return value

    return check


def _usage_errors(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser that raises Typer's usage error in place of a ``ValueError``."""

    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(f"{error}.") from None

    return read
