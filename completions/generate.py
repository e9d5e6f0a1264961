"""Write the generated parts of the completion scripts; run it when the command line changes.

    python completions/generate.py

How a shell parses the line is written by hand in its script. The commands, options, arguments and
settings, between two markers there, come from the command line itself. Only the completion of
values is defined here, where the command line accepts any text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from contextops.app import app
from contextops.commands.help import TOPICS
from contextops.commands.options import CONNECTION, DISPLAY, PROFILE
from contextops.config import SETTINGS
from contextops.config.values import BOOLEAN, FILE, PROMPT
from contextops.output import REPORT_FORMATS
from contextops.output.printer import COLORS

_FOLDER = Path(__file__).parent
_BEGIN = "# --- generated: begin ---\n"
_END = "# --- generated: end ---\n"

# A KIND is what completes a value: the words themselves (auto|always|never), TEXT for nothing,
# FILE, or a function of each script (_FUNCTIONS).
_KINDS = {
    "--profile": "PROFILE",
    "--template": "TEMPLATE",
    "--session": "SESSION",
    "--model": "MODEL",
    "--format": "|".join(REPORT_FORMATS),
    "--color": "|".join(COLORS),
    "--api-key-file": "FILE",
    "--system": "@FILE",
    "--data": "@FILE",
    "--form": "NAME=@FILE",
    "--file": "FILE",
    "--image": "FILE",
    "--messages": "FILE",
    "--schema": "FILE",
    "--tools": "FILE",
    "--tool-choice": "auto|none|required",
    "--output": "FILE",
    "api method": "GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS",
    "help words": "|".join(TOPICS),
    "config get key": "READABLE",
    "config set words": "SETTING",
    "config unset keys": "KEY",
    "config use name": "PROFILE",
    "models list patterns": "MODEL",
    "models check names": "MODEL",
    "session show name": "SESSION",
    "session rm names": "SESSION",
}
_KINDS_OF_KEYS = {"model": "MODEL", "session": "SESSION"}
_KINDS_OF_SETTINGS = {BOOLEAN: "true|false", FILE: "FILE", PROMPT: "@FILE"}
_FUNCTIONS = {
    "PROFILE": "profiles",
    "TEMPLATE": "templates",
    "SESSION": "sessions",
    "MODEL": "models",
    "@FILE": "at_file",
    "NAME=@FILE": "form",
    "KEY": "keys",
    "READABLE": "readable",
    "SETTING": "setting",
}


# --- the command line -----------------------------------------------------------------------------


class Param(NamedTuple):
    """An option or an argument; the KIND of an option without a value is empty."""

    names: list[str]
    help: str
    kind: str
    metavar: str
    repeats: bool


class Command(NamedTuple):
    """A command; ``options`` excludes those of all commands, and of all that reach a server."""

    path: str
    help: str
    subcommands: list[Command]
    options: list[Param]
    arguments: list[Param]
    is_online: bool

    @property
    def name(self) -> str:
        """The last word of the path."""
        return self.path.rpartition(" ")[2]

    @property
    def shared(self) -> str:
        """The shell variables that hold the options shared with other commands."""
        return "$every $connection" if self.is_online else "$every"

    def walk(self) -> Iterator[Command]:
        """Yield the command and all its subcommands."""
        yield self
        for subcommand in self.subcommands:
            yield from subcommand.walk()


def read(command: Any, path: str = "") -> Command:
    """Return a command with its subcommands, without hidden ones."""
    ctx = typer.Context(command)
    params = [each for each in command.get_params(ctx) if not getattr(each, "hidden", False)]
    shared = {id(option) for option in (*PROFILE, *DISPLAY, *CONNECTION)}
    # Each command has a --help object of its own.
    own_params = [each for each in params if id(each) not in shared and each.name != "help"]
    names = command.list_commands(ctx) if hasattr(command, "list_commands") else []
    subcommands = [(name, command.get_command(ctx, name)) for name in names]
    return Command(
        path,
        _short(command.get_short_help_str(limit=200)),
        [read(each, f"{path} {name}".strip()) for name, each in subcommands if not each.hidden],
        [
            option
            for each in own_params
            if each.param_type_name == "option"
            for option in _options(each)
        ],
        [_argument(each, ctx, path) for each in own_params if each.param_type_name == "argument"],
        is_online={id(option) for option in CONNECTION} <= {id(each) for each in params},
    )


def _options(option: Any) -> Iterator[Param]:
    kind = "" if option.is_flag or option.count else _kind(option, option.opts[0])
    metavar = (option.metavar or "").strip("'")
    yield Param(option.opts, _short(option.help or ""), kind, metavar, option.multiple)
    if option.secondary_opts:
        yield Param(option.secondary_opts, f"Undo {option.opts[0]}", "", "", repeats=False)


def _argument(argument: Any, ctx: Any, path: str) -> Param:
    metavar = argument.make_metavar(ctx).strip("[]{}.")
    return Param([], "", _kind(argument, f"{path} {argument.name}"), metavar, argument.nargs == -1)


def _kind(param: Any, name: str) -> str:
    words = [str(getattr(each, "value", each)) for each in getattr(param.type, "choices", ())]
    is_file = param.type.name in ("path", "file", "filename")
    return _KINDS.get(name) or "|".join(words) or ("FILE" if is_file else "TEXT")


def _short(text: str) -> str:
    """Return the first sentence of a help text, and the default that follows it."""
    sentence, bracket, default = text.partition("  [")
    return sentence.partition(". (")[0].rstrip(".") + bracket[1:] + default


_HELP = Param(["--help", "-h"], "Show this message and exit", kind="", metavar="", repeats=False)
_COMMON = [*(option for each in (*PROFILE, *DISPLAY) for option in _options(each)), _HELP]
_CONNECTION = [option for each in CONNECTION for option in _options(each)]
_KEYS = [
    *(
        (
            name,
            _short(setting.help),
            _KINDS_OF_KEYS.get(name) or _KINDS_OF_SETTINGS.get(setting.kind, "TEXT"),
        )
        for name, setting in SETTINGS.items()
    ),
    ("default_profile", "Profile to use if none is named", "PROFILE"),
]


def _keys_by_kind() -> Iterator[tuple[str, list[str]]]:
    for kind in dict.fromkeys(kind for _name, _help, kind in _KEYS if kind != "TEXT"):
        yield kind, [name for name, _help, each in _KEYS if each == kind]


# --- bash -----------------------------------------------------------------------------------------


def bash(root: Command) -> Iterator[str]:
    """Yield the lines of a table of all commands."""
    yield "_contextops_settings='"
    yield from _wrapped((f"{name}={kind}" for name, _help, kind in _KEYS), "    ")
    yield "'"
    yield ""
    yield "# Set what a command accepts: options, as NAME=KIND where a value follows, and the KIND"
    yield "# of each argument. A KIND is auto|always|never, or one that _contextops_values knows."
    yield "_contextops_takes() {"
    for name, options in (("every", _COMMON), ("connection", _CONNECTION)):
        yield f"    local {name}='"
        yield from _wrapped(_in_bash(options), "        ")
        yield "    '"
    yield "    subcommands='' options='' arguments=''"
    yield "    case $1 in"
    for command in root.walk():
        yield f"    '{command.path}')"
        if command.subcommands:
            yield f"        subcommands='{' '.join(each.name for each in command.subcommands)}'"
        options = _wrapped(_in_bash(command.options), "            ")
        yield "\n".join([f'        options="{command.shared}', *options]) + '"'
        if command.arguments:
            kinds = [each.kind + "..." * each.repeats for each in command.arguments]
            yield f"        arguments='{' '.join(kinds)}'"
        yield "        ;;"
    yield "    *) return 1 ;;"
    yield "    esac"
    yield "}"


def _in_bash(options: Iterable[Param]) -> Iterator[str]:
    for option in options:
        for name in option.names:
            yield f"{name}={option.kind}" if option.kind else name


def _wrapped(words: Iterable[str], indent: str) -> list[str]:
    return textwrap.wrap(
        " ".join(words),
        width=100,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


# --- zsh ------------------------------------------------------------------------------------------


def zsh(root: Command) -> Iterator[str]:
    """Yield the lines of one function for each command."""
    yield from _array(
        "_contextops_settings", (_quoted(f"{key}:{help_}") for key, help_, _ in _KEYS)
    )
    yield ""
    yield "_contextops_value() {"
    yield "    case $1 in"
    for kind, keys in _keys_by_kind():
        yield f"        {'|'.join(keys)}) {_action(kind).replace('(', 'compadd ').strip(')')} ;;"
    yield "    esac"
    yield "}"
    for command in root.walk():
        function = "-".join(["_contextops", *command.path.split()])
        yield ""
        yield f"{function}() {{"
        if command is root:
            yield "    local -a typed=($words[1,CURRENT-1])"
            yield from _array("local -a every", map(_option_in_zsh, _COMMON), "    ")
            yield from _array("local -a connection", map(_option_in_zsh, _CONNECTION), "    ")
        call = "_arguments -s -S"
        if command.subcommands:
            names = (_quoted(f"{each.name}:{each.help}") for each in command.subcommands)
            yield from _array("local -a subcommands", names, "    ")
            call = f"_contextops_group {function}"
        specs = [*map(_option_in_zsh, command.options), *_arguments_in_zsh(command.arguments)]
        yield " \\\n        ".join([f"    {call} {command.shared}", *specs])
        yield "}"


def _array(name: str, items: Iterable[str], indent: str = "") -> Iterator[str]:
    yield f"{indent}{name}=("
    yield from (f"{indent}    {item}" for item in items)
    yield f"{indent})"


def _option_in_zsh(option: Param) -> str:
    names = option.names
    spec = f"[{_escaped(option.help, '[]')}]"
    if option.kind:
        names = [f"{name}=" if name.startswith("--") else f"{name}+" for name in names]
        spec += _value_in_zsh(option)
    if len(names) == 1:
        return _quoted("*" * option.repeats + names[0] + spec)
    excluded = "*" if option.repeats else f"({' '.join(option.names)})"
    return f"'{excluded}'{{{','.join(names)}}}{_quoted(spec)}"


def _arguments_in_zsh(arguments: Iterable[Param]) -> Iterator[str]:
    for place, argument in enumerate(arguments, 1):
        yield _quoted(("*" if argument.repeats else str(place)) + _value_in_zsh(argument))


def _value_in_zsh(param: Param) -> str:
    return f":{_escaped(param.metavar, ':')}:{_action(param.kind)}"


def _action(kind: str) -> str:
    if kind in _FUNCTIONS:
        return f"_contextops_{_FUNCTIONS[kind]}"
    return {"TEXT": " ", "FILE": "_files"}.get(kind) or f"({kind.replace('|', ' ')})"


def _escaped(text: str, special: str) -> str:
    return "".join(
        f"\\{character}" if character in f"\\{special}" else character for character in text
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --- fish -----------------------------------------------------------------------------------------


def fish(root: Command) -> Iterator[str]:
    """Yield one ``complete`` line for each completion, with its condition."""
    commands = [*root.walk()]
    for name, selected in (
        ("commands", commands),
        ("groups", [each for each in commands if each.subcommands]),
        ("online", [each for each in commands if each.is_online]),
    ):
        yield f"set -g __contextops_{name} {' '.join(_word(each.path) for each in selected)}"
    yield ""
    yield from _functions_in_fish(commands)
    yield ""
    yield "complete -c contextops -f"
    for where, options in (("in_any", _COMMON), ("in_online", _CONNECTION)):
        yield from (_option_in_fish(f"__contextops_{where}", option) for option in options)
    for command in commands:
        lines = [*_command_in_fish(command)]
        yield from ["", *lines] if lines else []


def _command_in_fish(command: Command) -> Iterator[str]:
    where = f"__contextops_in {_word(command.path)}"
    for each in command.subcommands:
        yield _line_in_fish(where, f"-a {each.name}", each.help)
    for place, argument in enumerate(command.arguments, 1):
        if argument.kind != "TEXT":
            position = f"{where} {place}{'+' * argument.repeats}"
            yield _line_in_fish(position, _value_in_fish(argument.kind))
    yield from (_option_in_fish(where, option) for option in command.options)


def _functions_in_fish(commands: list[Command]) -> Iterator[str]:
    yield "# Print the options of a command whose value may be the next word."
    yield "function __contextops_with_value"
    yield f"    printf '%s\\n' {' '.join(_with_value(_COMMON))}"
    yield "    contains -- $argv[1] $__contextops_online"
    yield f"    and printf '%s\\n' {' '.join(_with_value(_CONNECTION))}"
    yield "    switch $argv[1]"
    for command in commands:
        if options := _with_value(command.options):
            yield f"        case {_word(command.path)}"
            yield f"            printf '%s\\n' {' '.join(options)}"
    yield "    end"
    yield "end"
    yield ""
    yield "function __contextops_keys"
    for name, help_, _ in _KEYS:
        yield f"    printf '%s\\t%s\\n' {name} {_word(help_)}"
    yield "end"
    yield ""
    yield "function __contextops_value"
    yield "    switch $argv[1]"
    for kind, keys in _keys_by_kind():
        call = _function(kind)
        words = kind.replace("|", " ")
        yield f"        case {' '.join(keys)}"
        yield f"            {call} $argv[2]" if call else f"            printf '%s\\n' {words}"
    yield "    end"
    yield "end"


def _with_value(options: Iterable[Param]) -> list[str]:
    return [name for option in options if option.kind for name in option.names]


def _option_in_fish(where: str, option: Param) -> str:
    names = (f"-l {name[2:]}" if name[:2] == "--" else f"-s {name[1:]}" for name in option.names)
    value = ["-r", _value_in_fish(option.kind)] if option.kind else []
    return _line_in_fish(where, " ".join([*names, *value]), option.help)


def _value_in_fish(kind: str) -> str:
    if kind in ("TEXT", "FILE"):
        return {"TEXT": "-f", "FILE": "-F"}[kind]
    call = _function(kind)
    return f"-f -a '({call})'" if call else f"-f -a '{kind.replace('|', ' ')}'"


def _function(kind: str) -> str:
    name = "file" if kind == "FILE" else _FUNCTIONS.get(kind)
    return f"__contextops_{name}" if name else ""


def _line_in_fish(where: str, what: str, help_: str = "") -> str:
    condition = f'"{where}"' if " " in where else where
    explained = f" -d {_word(help_)}" if help_ else ""
    return f"complete -c contextops -n {condition} {what}{explained}"


def _word(text: str) -> str:
    """Return a word, quoted for fish if necessary."""
    if text.replace("_", "").isalnum():
        return text
    return "'" + _escaped(text, "'") + "'"


# --- the files ------------------------------------------------------------------------------------

_SCRIPTS = {"contextops.bash": bash, "_contextops": zsh, "contextops.fish": fish}


def scripts() -> Iterator[tuple[Path, str]]:
    """Yield the path of each script and its up-to-date text."""
    root = read(typer.main.get_command(app))
    for name, write in _SCRIPTS.items():
        text = (_FOLDER / name).read_text(encoding="utf-8")
        before, _, rest = text.partition(_BEGIN)
        _, _, after = rest.partition(_END)
        yield _FOLDER / name, "".join([before, _BEGIN, "\n".join([*write(root), _END]), after])


if __name__ == "__main__":
    for path, text in scripts():
        path.write_text(text, encoding="utf-8")
