"""The options of commands: shared ones, and ``command``, which makes Typer's of declared ones.

Shared options are accepted before and after the subcommand; the later one wins. The values of
settings go to ``Context.flags``, by the name of the setting; options that say how to print go to
``Context.display``. All others are fields of a command's options object.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from functools import partial
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperOption

from contextops.config import FLAGS, LOCAL_FLAG, LOCAL_PROFILE, SETTINGS
from contextops.flags import Argument, Flag
from contextops.output import COLORS, REPORT_FORMATS

# --- shared options ---------------------------------------------------------------------------


Store = Callable[[typer.Context, "SharedOption", Any], None]
"""What is done with the typed value of a shared option."""


class SharedOption(TyperOption):
    """An option of many commands, whose value goes to the context and not to the command."""

    def __init__(self, *decls: str, store: Store | None = None, **attributes: Any) -> None:
        super().__init__(param_decls=list(decls), default=None, **attributes)
        self.store = store or _set_flag


def store_shared(ctx: typer.Context, options: Iterable[SharedOption]) -> None:
    """Take the values of shared options out of the parameters, and store those that were typed.

    They are stored in the order of the command line, in which the parameters are: of ``--local``
    and ``--profile``, the later one wins.
    """
    shared = {str(option.name): option for option in options}
    for name in [name for name in ctx.params if name in shared]:
        option, value = shared[name], ctx.params.pop(name)
        # What was not typed is None, an empty tuple or False; an empty text was typed.
        if value or value == "":
            option.store(ctx, option, value)


def _set_flag(ctx: typer.Context, option: "SharedOption", value: Any) -> None:
    """Store the value of an option under the name of its setting."""
    ctx.obj.flags[option.name] = value


def _set_display(ctx: typer.Context, option: "SharedOption", value: Any) -> None:
    """Store the value of an option that says how to print."""
    setattr(ctx.obj.display, str(option.name), value)


def _set_local(ctx: typer.Context, _option: "SharedOption", _value: bool) -> None:
    ctx.obj.flags["profile"] = LOCAL_PROFILE


def _set_table(ctx: typer.Context, option: "SharedOption", texts: tuple[str, ...]) -> None:
    """Store each NAME and VALUE of a repeated option in the table of its setting."""
    parse = cast("Callable[[str], Any]", FLAGS[str(option.name)].parse)
    for text in texts:
        try:
            name, value = parse(text)
        except ValueError as error:
            raise _invalid(ctx, option, f"{error}.") from None
        ctx.obj.flags.setdefault(option.name, {})[name] = value


def _set_choice(ctx: typer.Context, option: "SharedOption", value: str) -> None:
    choices = {"color": COLORS, "report": REPORT_FORMATS}[str(option.name)]
    if value not in choices:
        raise _invalid(ctx, option, f"choose from {', '.join(choices)}.")
    _set_display(ctx, option, value)


def _set_json(ctx: typer.Context, option: "SharedOption", value: bool) -> None:
    _set_display(ctx, option, value)
    if ctx.obj.display.json and ctx.obj.display.json_lines:
        raise _invalid(ctx, option, "--json and --jsonl exclude each other.")


def _invalid(ctx: typer.Context, option: "SharedOption", reason: str) -> typer.BadParameter:
    return typer.BadParameter(reason, ctx=cast("Any", ctx), param=cast("Any", option))


def _setting_option(name: str) -> SharedOption:
    """Return the option of a setting, as ``contextops.config`` declares it."""
    flag = FLAGS[name]
    names = [*flag.names.split(), name]
    if flag.metavar is None:
        return SharedOption(*names, is_flag=True, help=flag.help)
    if name in SETTINGS and SETTINGS[name].is_table:
        more: dict[str, Any] = {"multiple": True, "store": _set_table}
    else:
        more = {}
    return SharedOption(*names, type=str, metavar=flag.metavar, help=flag.help, **more)


PROFILE = [
    _setting_option("profile"),
    SharedOption(LOCAL_FLAG.names, is_flag=True, store=_set_local, help=LOCAL_FLAG.help),
]

DISPLAY = [
    SharedOption(
        "--color",
        type=str,
        metavar="WHEN",
        store=_set_choice,
        help="Color on a terminal: auto, always or never.",
    ),
    SharedOption(
        "--quiet",
        "-q",
        is_flag=True,
        store=_set_display,
        help="Print only errors on stderr, no notes.",
    ),
    SharedOption(
        "--verbose",
        "-v",
        is_flag=True,
        store=_set_display,
        help="Print the headers of requests and responses on stderr, keys masked.",
    ),
]

CONNECTION = [_setting_option(name) for name, flag in FLAGS.items() if flag.group == "connection"]

SHARED = [*PROFILE, *CONNECTION, *DISPLAY]

JSON = SharedOption(
    "--json", is_flag=True, store=_set_json, help="Print one JSON document; errors are JSON too."
)
JSON_LINES = SharedOption(
    "--jsonl", "json_lines", is_flag=True, store=_set_json, help="Print one JSON object a line."
)
REPORT = SharedOption(
    "--format",
    "report",
    type=str,
    metavar="|".join(REPORT_FORMATS),
    store=_set_choice,
    help="Write a JUnit XML file that CI servers display, or annotations for GitHub Actions.",
)
PLAIN = SharedOption(
    "--plain", is_flag=True, store=_set_display, help="Do not render Markdown on a terminal."
)
RAW = SharedOption(
    "--raw",
    is_flag=True,
    store=_set_display,
    help="Print the text unchanged on a terminal, control characters included.",
)
REASONING = SharedOption(
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
    flags: Sequence[SharedOption] = (),
    context_settings: dict[str, Any] | None = None,
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Register ``run(context, options)`` as a command of ``app``; its docstring is the help.

    The class of ``options`` is a dataclass whose fields are annotated with ``Flag`` or
    ``Argument``, in a module without ``from __future__ import annotations``: evaluating text costs
    a tenth of a start. A command without options of its own takes the context alone. ``flags`` are
    shared options, which reach it through the context. A status that ``run`` returns is the exit
    status.
    """

    def register(run: Callable[..., int | None]) -> Callable[..., int | None]:
        options: Any = run.__annotations__.get("options")

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
    made = []
    for field in fields(options):
        annotation: Any = field.type
        kind, declared = annotation.__origin__, annotation.__metadata__[0]
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
        parameter = inspect.Parameter(field.name, _KEYWORD, default=default)
        made.append(parameter.replace(annotation=Annotated[kind, info]))
    return made


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
        if value is not None and value not in choices:
            raise typer.BadParameter(f"choose from {', '.join(choices)}.")
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
