"""``contextops config``: see and change what is stored."""

import signal
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from contextops import strict_json
from contextops.chat import STANDARD_INPUT, InputReader
from contextops.commands import SUMMARIES
from contextops.commands.config_check import check
from contextops.commands.context import Context
from contextops.commands.options import JSON, REPORT, AsJson, command
from contextops.commands.parser import Command, OnlineCommand, group
from contextops.config import (
    DEFAULT_PROFILE,
    HEADERS,
    KEY_SOURCES,
    SETTINGS,
    TEMPLATE_SETTINGS,
    TEMPLATES,
    Data,
    InForce,
    SettingLayers,
    change_config,
    collect_layers,
    config_path,
    edit_in_editor,
    look_up_in_template,
    look_up_setting,
    parse_value,
    profile_names,
    profile_to_change,
    remove_profile,
    set_default_profile,
    set_template_value,
    set_value,
    setting_of,
    settings_in_force,
    split_key,
    templates_in_force,
    to_stored,
    unknown_keys_of_template,
    unset_template,
    unset_unknown,
    unset_value,
    value_error,
)
from contextops.editor import editor_command
from contextops.errors import ConfigError, InputError, SignalInterrupt, UsageError
from contextops.output import sanitize_text
from contextops.secrets import is_secret_name, redact
from contextops.suggest import did_you_mean

app = group("config", SUMMARIES["config"])

_DEFAULT_PROFILE = "default_profile"
Keys = tuple[str, ...]

Key = Annotated[str, typer.Argument(metavar="KEY", help="E.g. model, or params.temperature.")]


# A value may begin with a dash: config set params.temperature -1
@app.command("set", cls=Command, context_settings={"ignore_unknown_options": True})
def set_values(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY VALUE | KEY=VALUE...",
            help="A setting and its value; '-' as the value reads standard input.",
            show_default=False,
        ),
    ],
) -> None:
    """Store settings.

    They go to the profile in use, or to the one of --profile, which may be new; what begins with
    templates.NAME goes to that template.

    \b
    contextops config set base_url=https://ai.example.com model=llama3.1
    pass show contextops | contextops config set api_key -
    contextops config set --profile home params.temperature 0.2
    contextops config set templates.brief.prompt 'Say in one line: {input}'
    """
    runtime: Context = ctx.obj
    pairs = _pairs(words)
    texts = _with_input(runtime, pairs)
    values = {keys: _kept(keys, text) for keys, text in texts.items()}
    _refuse_two_keys(values)
    default_profile = values.pop((_DEFAULT_PROFILE,), None)
    in_templates = {keys: values.pop(keys) for keys in list(values) if keys[0] == TEMPLATES}
    notes: list[str] = []

    def change(data: Data) -> None:
        if values:
            profile = profile_to_change(runtime.flags, data, may_be_new=True)
        for keys, value in values.items():
            left = set_value(data, profile, keys, value)
            notes.extend(f"{keys[0]} takes the place of {name}" for name in left)
        for keys, value in in_templates.items():
            set_template_value(data, keys, value)
        if default_profile is not None:
            set_default_profile(data, default_profile)

    _note(runtime, [*change_config(change, create=True), *notes])
    _note(runtime, [_EXPOSED.format(".".join(keys)) for keys in pairs if _is_exposed(keys, pairs)])


_EXPOSED = (
    "other users of this machine can read the words of a command; "
    "next time: contextops config set {} -"
)


def _is_exposed(keys: Keys, pairs: Mapping[Keys, str]) -> bool:
    setting = SETTINGS.get(keys[0])
    if setting is None or pairs[keys] == STANDARD_INPUT:
        return False
    return setting.is_secret or (setting.kind is HEADERS and is_secret_name(keys[-1]))


def _pairs(words: list[str]) -> dict[Keys, str]:
    """Read ``KEY VALUE`` or several ``KEY=VALUE``: no key has an equals sign."""
    if "=" not in words[0]:
        if len(words) != 2:
            raise UsageError("cannot tell keys from values", "write KEY VALUE, or KEY=VALUE ...")
        return {_keys_to_set(words[0]): words[1]}
    pairs: dict[Keys, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError("cannot tell keys from values", "one word is not KEY=VALUE")
        pairs[_keys_to_set(key)] = text
    return pairs


def _keys_to_set(key: str) -> Keys:
    """Refuse the name of a template alone, or with a key that no template has."""
    keys = _keys(key)
    if keys[0] == TEMPLATES and len(keys) == 2:
        _name, dot, last = keys[1].rpartition(".")
        hint = did_you_mean(last, TEMPLATE_SETTINGS) if dot else ""
        raise UsageError(
            f"{redact(key)} is no setting of a template",
            f"there are {', '.join(TEMPLATE_SETTINGS)}",
            hint or f"write {TEMPLATES}.NAME.KEY",
        )
    return keys


def _keys(key: str) -> Keys:
    if key == _DEFAULT_PROFILE:
        return (key,)
    try:
        return split_key(key)
    except ValueError as error:
        raise _no_such_key(key, error) from None


def _no_such_key(key: str, error: ValueError) -> UsageError:
    parameters = [f"params.{name}" for name in ("temperature", "max_tokens", "top_p", "seed")]
    if f"params.{key}" in parameters:
        return UsageError(str(error), remedy=f"did you mean params.{key}?")
    if key.partition(".")[0] == TEMPLATES:
        return UsageError(str(error), remedy="see them all with 'contextops config list'")
    hint = did_you_mean(key, [*SETTINGS, _DEFAULT_PROFILE])
    return UsageError(str(error), remedy=hint or "see them all with 'contextops help environment'")


def _with_input(runtime: Context, pairs: dict[Keys, str]) -> dict[Keys, str]:
    """Replace a value ``-`` by standard input, less its last line end."""
    asking = [keys for keys, text in pairs.items() if text == "-"]
    if len(asking) > 1:
        raise UsageError("standard input is asked for twice", "", "give one '-' only")
    return {**pairs, **{keys: _read_input(runtime, keys) for keys in asking}}


def _read_input(runtime: Context, keys: Keys) -> str:
    is_person = sys.stdin is not None and sys.stdin.isatty() and runtime.printer.stderr_is_terminal
    if is_person and keys[0] == "api_key":
        return _ask("api_key")
    text = InputReader(limit=None, note=runtime.printer.note).text_of(STANDARD_INPUT)
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _ask(key: str) -> str:
    """Ask a person, without an echo."""
    import getpass

    try:
        return getpass.getpass(f"{key}: ", sys.stderr)
    except KeyboardInterrupt:
        typer.echo(err=True)
        raise SignalInterrupt(signal.SIGINT) from None
    except EOFError:
        typer.echo(err=True)
        raise InputError(f"cannot read {key}", "the input ended", "type it") from None


def _kept(keys: Keys, text: str) -> Any:
    if keys == (_DEFAULT_PROFILE,):
        return text
    try:
        return to_stored(keys, parse_value(keys, text))
    except ValueError as error:
        remedy = "" if text else f"to have none: contextops config unset {'.'.join(keys)}"
        what = f"cannot set {'.'.join(keys)}"
        setting, _inner = setting_of(keys)
        raise value_error(setting, what, str(error), remedy, typed=True) from None


def _refuse_two_keys(values: dict[Keys, Any]) -> None:
    if sum(keys[0] in KEY_SOURCES for keys in values) > 1:
        raise ConfigError("there are two keys", "they count as one setting", "give one of them")


@app.command("get", cls=OnlineCommand)
def get_value(ctx: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Print a value in force.

    It is printed wherever it comes from; a key is masked. Exits 3, and prints nothing, where there
    is none.
    """
    runtime: Context = ctx.obj
    keys = _readable(key)
    sources = _sources(runtime)
    if keys[0] == TEMPLATES:
        found = look_up_in_template(sources, keys)
    else:
        found = look_up_setting(settings_in_force(sources), keys)
    if found is None:
        raise ConfigError(f"{key} is not set", "", f"try: contextops config set {key} VALUE")
    if as_json:
        runtime.printer.json(found.value)
    else:
        _print(runtime, found.shown)


def _readable(key: str) -> Keys:
    return (key,) if key == "profile" else _keys(key)


def _sources(runtime: Context) -> SettingLayers:
    sources = collect_layers(runtime.flags)
    _note(runtime, sources.notes)
    for template in sources.file.templates:
        _note(runtime, unknown_keys_of_template(sources.file, template))
    return sources


@app.command("list", cls=OnlineCommand)
def list_values(
    ctx: typer.Context,
    show_origin: Annotated[
        bool, typer.Option("--show-origin", help="Say where each value comes from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the values in force, and the templates.

    They are a table on a terminal, and 'key = value' lines in a pipe.
    """
    runtime: Context = ctx.obj
    sources = _sources(runtime)
    settings, templates = settings_in_force(sources), templates_in_force(sources)
    found = {**settings, **{".".join(keys): each for keys, each in templates.items()}}
    if as_json:
        # A header's name may hold dots, and so may a template's.
        paths = {tuple(key.split(".", 1)): each for key, each in settings.items()}
        runtime.printer.json(_nested({**paths, **templates}, show_origin=show_origin))
    elif runtime.printer.stdout_is_terminal:
        header = ("KEY", "VALUE", "ORIGIN") if show_origin else ("KEY", "VALUE")
        rows = [(key, each.shown, each.origin)[: len(header)] for key, each in found.items()]
        runtime.printer.table(header, rows)
    else:
        _print(runtime, "\n".join(_line(key, each, show_origin) for key, each in found.items()))


def _line(key: str, each: InForce, show_origin: bool) -> str:
    shown = each.shown if each.shown.isprintable() else strict_json.dumps(each.shown)
    line = f"{key} = {shown}"
    return f"{each.origin}\t{line}" if show_origin else line


def _nested(found: Mapping[Keys, InForce], *, show_origin: bool) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for keys, each in found.items():
        table = document
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        value = {"value": each.value, "origin": each.origin} if show_origin else each.value
        table[keys[-1]] = value
    return document


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
    runtime: Context = ctx.obj
    notes: list[str] = []

    def remove_whole_profile(data: Data) -> None:
        name = runtime.flags["profile"]
        if remove_profile(data, name):
            notes.append(f"{name} was the default profile; now none is")

    def remove_keys(data: Data) -> None:
        for key in keys or ():
            _remove(runtime, data, key)

    if not keys and "profile" not in runtime.flags:
        raise UsageError("nothing to unset", "", "name a KEY, or a profile with --profile NAME")
    made = change_config(remove_keys if keys else remove_whole_profile)
    _note(runtime, [*made, *notes])


def _remove(runtime: Context, data: Data, key: str) -> None:
    """Remove a key; one that no setting has is removed too, where it is found."""
    if key == _DEFAULT_PROFILE:
        data.pop(key, None)
        return
    if key.startswith(f"{TEMPLATES}."):
        unset_template(data, _keys(key))
        return
    profile = profile_to_change(runtime.flags, data, may_be_new=False)
    try:
        keys, wrong = split_key(key), None
    except ValueError as error:
        keys, wrong = (key,), error
    found = unset_value(data, profile, keys)
    if not found and "profile" not in runtime.flags:
        found = unset_unknown(data, key)
    if wrong and not found:
        raise _no_such_key(key, wrong) from None


@app.command("use", cls=Command)
def use_profile(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Without it, list them.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a profile the default one, or list the profiles."""
    runtime: Context = ctx.obj
    if name is None:
        _list_profiles(runtime, as_json=as_json)
    else:
        # The default needs no file to be the one in use; the embedded model does.
        is_news = name != DEFAULT_PROFILE
        change = change_config(lambda data: set_default_profile(data, name), create=is_news)
        _note(runtime, change)


def _list_profiles(runtime: Context, *, as_json: bool) -> None:
    addresses, used = profile_names(runtime.flags)
    if as_json:
        runtime.printer.json(
            [
                {"name": name, "base_url": address or None, "in_use": name == used}
                for name, address in addresses.items()
            ]
        )
    elif runtime.printer.stdout_is_terminal:
        rows = [
            ("*" if name == used else "", name, address or "the embedded model")
            for name, address in addresses.items()
        ]
        runtime.printer.table(("", "PROFILE", "SERVER"), rows)
    else:
        runtime.printer.lines(addresses)


@command(app, "path", Command)
def print_path(context: Context) -> None:
    """Print where the config file is, or would be."""
    _print(context, str(config_path()))


@app.command("edit", cls=Command)
def edit_file(ctx: typer.Context) -> None:
    """Open the config file in an editor.

    That is $VISUAL, $EDITOR or vi. What was made of the file is checked afterwards.
    """
    runtime: Context = ctx.obj
    is_person = sys.stdin is not None and sys.stdin.isatty()
    editor = editor_command(on_terminal=is_person and runtime.printer.stdout_is_terminal)
    edit_in_editor(config_path(), editor)


command(app, "check", OnlineCommand, flags=[JSON, REPORT])(check)


def _print(runtime: Context, text: str) -> None:
    """Give a pipe the value as it was set, and a terminal nothing that it would obey."""
    shown = sanitize_text(text) if runtime.printer.stdout_is_terminal else text
    runtime.printer.write_text(f"{shown}\n")


def _note(runtime: Context, notes: Iterable[str]) -> None:
    for note in notes:
        runtime.printer.note(note)
