"""``contextops config``: show and change the settings."""

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from contextops import strict_json
from contextops.commands import SUMMARIES
from contextops.commands.config_check import check
from contextops.commands.context import Context
from contextops.commands.options import JSON, REPORT, command
from contextops.commands.parser import Command, OnlineCommand, group
from contextops.config import config_path
from contextops.errors import ConfigError, InputError, SignalInterrupt, UsageError
from contextops.flags import Argument, Flag
from contextops.output import Result

if TYPE_CHECKING:
    from contextops.config import Keys, SettingLayers, ShownValue

app = group("config", SUMMARIES["config"])
command(app, "check", OnlineCommand, flags=[JSON, REPORT])(check)


@dataclass(kw_only=True)
class SetOptions:
    """The options of ``config set``."""

    words: Annotated[
        list[str],
        Argument(
            "KEY VALUE | KEY=VALUE...", "Setting and its value; the value '-' is standard input."
        ),
    ]


# A value may begin with a dash: config set params.temperature -1
@command(app, "set", Command, context_settings={"ignore_unknown_options": True})
def set_values(context: Context, options: SetOptions) -> None:
    """Store settings.

    They are stored in the profile in use, or in that of --profile, which may be new. Keys below
    templates.NAME set that template.

    \b
    contextops config set base_url=https://ai.example.com model=llama3.1
    pass show contextops | contextops config set api_key -
    contextops config set --profile home params.temperature 0.2
    contextops config set templates.brief.prompt 'Sum up in one line: {input}'
    """
    from contextops.chat import STANDARD_INPUT
    from contextops.config import is_secret_key, parse_assignments, set_settings

    texts = parse_assignments(options.words)
    from_stdin = [keys for keys, text in texts.items() if text == STANDARD_INPUT]
    if len(from_stdin) > 1:
        raise UsageError("cannot read standard input twice", remedy="use '-' for one value only")
    exposed = [keys for keys in texts if is_secret_key(keys) and keys not in from_stdin]
    texts |= {keys: _read_stdin(context, keys) for keys in from_stdin}
    _note(context, set_settings(context.flags, texts))
    _note(
        context,
        (
            "other users of this machine can read the command line; "
            f"next time: contextops config set {'.'.join(keys)} -"
            for keys in exposed
        ),
    )


def _read_stdin(context: Context, keys: "Keys") -> str:
    """Return standard input without its last line end; at a terminal, ask for a key unseen."""
    from contextops.chat import STANDARD_INPUT, InputReader, stdin_is_terminal

    if keys[0] == "api_key" and stdin_is_terminal() and context.printer.stderr_is_terminal:
        return _ask_for_key()
    text = InputReader(limit=None, note=context.printer.note).read_text(STANDARD_INPUT)
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


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


@dataclass(kw_only=True)
class GetOptions:
    """The options of ``config get``."""

    key: Annotated[str, Argument("KEY", "E.g. model, or params.temperature.")]


@command(app, "get", OnlineCommand, flags=[JSON])
def get_value(context: Context, options: GetOptions) -> None:
    """Print the value in effect.

    A key is masked. Exits with status 3 if the setting has no value.
    """
    from contextops.config import find_key, look_up

    key = options.key
    keys = ("profile",) if key == "profile" else find_key(key)
    shown = look_up(_layers(context), keys)
    if shown is None:
        raise ConfigError(f"{key} is not set", "", f"try: contextops config set {key} VALUE")
    lines = shown.text.split("\n")
    context.show(Result(document=lambda: shown.value, lines=lambda: lines, is_exact=True))


def _layers(context: Context) -> "SettingLayers":
    from contextops.config import collect_layers, unknown_keys_of_template

    layers = collect_layers(context.flags)
    _note(context, layers.notes)
    for template in layers.file.templates:
        _note(context, unknown_keys_of_template(layers.file, template))
    return layers


@dataclass(kw_only=True)
class ListOptions:
    """The options of ``config list``."""

    show_origin: Annotated[bool, Flag("--show-origin", "Show where each value is set.")] = False


@command(app, "list", OnlineCommand, flags=[JSON])
def list_values(context: Context, options: ListOptions) -> None:
    """List the settings in effect, and the templates.

    The output is a table on a terminal, and 'key = value' lines in a pipe.
    """
    from contextops.config import config_document, effective_values

    layers = _layers(context)
    shown = effective_values(layers)
    header = ("KEY", "VALUE", "ORIGIN") if options.show_origin else ("KEY", "VALUE")
    context.show(
        Result(
            document=lambda: config_document(layers, show_origin=options.show_origin),
            lines=lambda: [_line(key, each, options) for key, each in shown.items()],
            header=header,
            rows=lambda: [
                (key, each.text, each.origin)[: len(header)] for key, each in shown.items()
            ],
            is_exact=True,
        )
    )


def _line(key: str, shown: "ShownValue", options: ListOptions) -> str:
    text = shown.text if shown.text.isprintable() else strict_json.dumps(shown.text)
    return f"{shown.origin}\t{key} = {text}" if options.show_origin else f"{key} = {text}"


@dataclass(kw_only=True)
class UnsetOptions:
    """The options of ``config unset``."""

    keys: Annotated[list[str], Argument("[KEY]...", "Settings to remove.")] = field(
        default_factory=list
    )


@command(app, "unset", Command)
def unset_values(context: Context, options: UnsetOptions) -> None:
    """Remove settings, a template, or a profile.

    \b
    contextops config unset model
    contextops config unset templates.brief     removes the whole template
    contextops config unset --profile home      removes the whole profile
    """
    from contextops.config import unset_settings

    _note(context, unset_settings(context.flags, options.keys))


@dataclass(kw_only=True)
class UseOptions:
    """The options of ``config use``."""

    name: Annotated[
        str | None, Argument("[NAME]", "Profile to use; without it, list the profiles.")
    ] = None


@command(app, "use", Command, flags=[JSON])
def choose_profile(context: Context, options: UseOptions) -> None:
    """Make a profile the default one, or list the profiles."""
    from contextops.config import list_profiles, use_profile

    if options.name is not None:
        _note(context, use_profile(options.name))
        return
    addresses, in_use = list_profiles(context.flags)
    context.show(
        Result(
            document=lambda: [
                {"name": name, "base_url": address or None, "in_use": name == in_use}
                for name, address in addresses.items()
            ],
            lines=lambda: addresses,
            header=("", "PROFILE", "SERVER"),
            rows=lambda: [
                ("*" if name == in_use else "", name, address or "the embedded model")
                for name, address in addresses.items()
            ],
        )
    )


@command(app, "path", Command)
def print_path(context: Context) -> None:
    """Print the path of the config file, whether it exists or not."""
    path = str(config_path())
    context.show(Result(document=lambda: path, lines=lambda: [path], is_exact=True))


@command(app, "edit", Command)
def edit_file(context: Context) -> None:
    """Open the config file in an editor, and check it afterwards.

    The editor is $VISUAL, $EDITOR or vi.
    """
    from contextops.chat import stdin_is_terminal
    from contextops.config import edit_in_editor
    from contextops.editor import editor_command

    on_terminal = stdin_is_terminal() and context.printer.stdout_is_terminal
    edit_in_editor(editor_command(on_terminal=on_terminal))


def _note(context: Context, notes: Iterable[str]) -> None:
    for note in notes:
        context.printer.note(note)
