"""``contextops config``: show and change the settings."""

import signal
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from contextops import strict_json
from contextops.chat import STANDARD_INPUT, InputReader
from contextops.commands import SUMMARIES
from contextops.commands.config_check import check
from contextops.commands.context import Context
from contextops.commands.options import AsJson, Command, OnlineCommand, group
from contextops.config import (
    Keys,
    SettingLayers,
    ShownValue,
    collect_layers,
    config_document,
    config_path,
    edit_in_editor,
    everything_in_force,
    find_key,
    is_secret_key,
    list_profiles,
    look_up,
    parse_assignments,
    set_settings,
    unknown_keys_of_template,
    unset_settings,
    use_profile,
)
from contextops.editor import editor_command
from contextops.errors import ConfigError, InputError, SignalInterrupt, UsageError
from contextops.output import sanitize

app = group("config", SUMMARIES["config"])
app.command("check", cls=OnlineCommand)(check)

Key = Annotated[str, typer.Argument(metavar="KEY", help="E.g. model, or params.temperature.")]


# A value may begin with a dash: config set params.temperature -1
@app.command("set", cls=Command, context_settings={"ignore_unknown_options": True})
def set_values(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY VALUE | KEY=VALUE...",
            help="A setting and its value; the value '-' reads standard input.",
            show_default=False,
        ),
    ],
) -> None:
    """Store settings.

    They are stored in the profile in use, or in that of --profile, which may be new. Keys below
    templates.NAME set that template.

    \b
    contextops config set base_url=https://ai.example.com model=llama3.1
    pass show contextops | contextops config set api_key -
    contextops config set --profile home params.temperature 0.2
    contextops config set templates.brief.prompt 'Sum up in one line: {input}'
    """
    context: Context = ctx.obj
    texts = parse_assignments(words)
    from_stdin = [keys for keys, text in texts.items() if text == STANDARD_INPUT]
    if len(from_stdin) > 1:
        raise UsageError("cannot read standard input twice", remedy="use '-' for one value only")
    exposed = [keys for keys in texts if is_secret_key(keys) and keys not in from_stdin]
    texts |= {keys: _read_stdin(context, keys) for keys in from_stdin}
    _note(context, set_settings(context.typed, texts))
    _note(
        context,
        (
            "other users of this machine can read the command line; "
            f"next time: contextops config set {'.'.join(keys)} -"
            for keys in exposed
        ),
    )


def _read_stdin(context: Context, keys: Keys) -> str:
    """Return standard input without its last line end; a key is typed at a terminal unseen."""
    if keys[0] == "api_key" and _stdin_is_terminal() and context.printer.stderr_is_terminal:
        return _ask_for_key()
    text = InputReader(limit=None, note=context.printer.note).text_of(STANDARD_INPUT)
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _stdin_is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _ask_for_key() -> str:
    import getpass

    try:
        return getpass.getpass("api_key: ", sys.stderr)
    except KeyboardInterrupt:
        typer.echo(err=True)
        raise SignalInterrupt(signal.SIGINT) from None
    except EOFError:
        typer.echo(err=True)
        raise InputError("cannot read api_key", "the input ended", "type it") from None


@app.command("get", cls=OnlineCommand)
def get_value(ctx: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Print the value in force.

    A key is masked. Exits with status 3, and prints nothing, if the setting has no value.
    """
    context: Context = ctx.obj
    keys = ("profile",) if key == "profile" else find_key(key)
    shown = look_up(_layers(context), keys)
    if shown is None:
        raise ConfigError(f"{key} is not set", "", f"try: contextops config set {key} VALUE")
    if as_json:
        context.printer.json(shown.value)
    else:
        _print(context, shown.text)


def _layers(context: Context) -> SettingLayers:
    layers = collect_layers(context.typed)
    _note(context, layers.notes)
    for template in layers.file.templates:
        _note(context, unknown_keys_of_template(layers.file, template))
    return layers


@app.command("list", cls=OnlineCommand)
def list_values(
    ctx: typer.Context,
    show_origin: Annotated[
        bool, typer.Option("--show-origin", help="Show where each value is set.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the values in force, and the templates.

    The output is a table on a terminal, and 'key = value' lines in a pipe.
    """
    context: Context = ctx.obj
    layers = _layers(context)
    if as_json:
        context.printer.json(config_document(layers, show_origin=show_origin))
        return
    shown = everything_in_force(layers)
    if context.printer.stdout_is_terminal:
        header = ("KEY", "VALUE", "ORIGIN") if show_origin else ("KEY", "VALUE")
        rows = [(key, each.text, each.origin)[: len(header)] for key, each in shown.items()]
        context.printer.table(header, rows)
    else:
        _print(context, "\n".join(_line(key, each, show_origin) for key, each in shown.items()))


def _line(key: str, shown: ShownValue, show_origin: bool) -> str:
    text = shown.text if shown.text.isprintable() else strict_json.dumps(shown.text)
    line = f"{key} = {text}"
    return f"{shown.origin}\t{line}" if show_origin else line


@app.command("unset", cls=Command)
def unset_values(
    ctx: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY]...", help="Settings to remove.", show_default=False),
    ] = None,
) -> None:
    """Remove settings, a template, or a profile.

    \b
    contextops config unset model
    contextops config unset templates.brief     removes the whole template
    contextops config unset --profile home      removes the whole profile
    """
    context: Context = ctx.obj
    _note(context, unset_settings(context.typed, keys or []))


@app.command("use", cls=Command)
def choose_profile(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="The profile; without it, list them.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a profile the default one, or list the profiles."""
    context: Context = ctx.obj
    printer = context.printer
    if name is not None:
        _note(context, use_profile(name))
        return
    addresses, in_use = list_profiles(context.typed)
    if as_json:
        printer.json(
            [
                {"name": name, "base_url": address or None, "in_use": name == in_use}
                for name, address in addresses.items()
            ]
        )
    elif printer.stdout_is_terminal:
        rows = [
            ("*" if name == in_use else "", name, address or "the embedded model")
            for name, address in addresses.items()
        ]
        printer.table(("", "PROFILE", "SERVER"), rows)
    else:
        printer.lines(addresses)


@app.command("path", cls=Command)
def print_path(ctx: typer.Context) -> None:
    """Print the path of the config file, whether it exists or not."""
    _print(ctx.obj, str(config_path()))


@app.command("edit", cls=Command)
def edit_file(ctx: typer.Context) -> None:
    """Open the config file in an editor, and check it afterwards.

    The editor is $VISUAL, $EDITOR or vi.
    """
    context: Context = ctx.obj
    on_terminal = _stdin_is_terminal() and context.printer.stdout_is_terminal
    edit_in_editor(editor_command(on_terminal=on_terminal))


def _print(context: Context, text: str) -> None:
    """Print a value unchanged in a pipe, and without control characters on a terminal."""
    shown = sanitize(text) if context.printer.stdout_is_terminal else text
    context.printer.write_text(f"{shown}\n")


def _note(context: Context, notes: Iterable[str]) -> None:
    for note in notes:
        context.printer.note(note)
