"""What a person can type with a slash before it, in one table: names, helps, completions."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from contextops import strict_json
from contextops.api import usage_line
from contextops.chat import (
    STANDARD_INPUT,
    Conversation,
    InputReader,
    frame_file,
    image_part,
    message_text,
    session_exists,
    session_files,
    session_path,
)
from contextops.config import INPUT_FIELD, is_field_name, parse_parameter
from contextops.errors import ConfigError, ContextopsError, UsageError
from contextops.repl.dialogue import Added, Dialogue, TemplateRequest, first_words
from contextops.suggest import did_you_mean

SLASH = "/"

_SHOWN_TURNS = 2
_MOST_PATHS = 200
_NOTHING = ('""', "''")
_OTHER_WAYS = {"model": "/model ID", "messages": "plain words", "stream": "--no-stream"}


class Leave(Exception):  # noqa: N818 - not a failure
    """End the conversation: a command asked for it."""


class ReplContext(Protocol):
    """What commands need beyond the dialogue; each function may raise a ``ContextopsError``."""

    sources: InputReader
    folder: Path
    """Where the sessions are that have a name."""

    def models(self) -> list[str]:
        """Ask the server which models it lists."""

    def models_by_now(self) -> list[str]:
        """Give the models that are known, without keeping anybody waiting for those that are not.

        This alone raises nothing.
        """

    def template_names(self) -> list[str]:
        """Name the templates of the config file."""

    def template(self, name: str) -> TemplateRequest:
        """Give a template, with nothing filled in."""

    def edited(self, text: str) -> str:
        """Let the person change a text in an editor."""


Run = Callable[[Dialogue, ReplContext, str], None]
Complete = Callable[[ReplContext, str], Iterable[str]]


class Command(NamedTuple):
    """What follows the slash: a word, maybe an argument; ``complete`` gives the arguments."""

    argument: str
    help: str
    run: Run
    complete: Complete | None = None


class Candidate(NamedTuple):
    """A completion: what takes the place of so many characters before the cursor."""

    text: str
    replaces: int
    about: str = ""


def run(dialogue: Dialogue, around: ReplContext, line: str) -> None:
    """Do what a line with a slash says; raises ``UsageError`` where nothing is called so."""
    word, _, argument = _parted(line)
    if word not in COMMANDS:
        near = did_you_mean(word, COMMANDS) or "see /help"
        remedy = f"{near} (// sends a text that begins with a slash)"
        raise UsageError(f"{first_words(word)} is no command", "nothing was sent", remedy)
    command = COMMANDS[word]
    if argument and not command.argument:
        remedy = f"type {word} alone (// sends a text that begins with a slash)"
        raise UsageError(f"{word} takes nothing after it", "nothing was done", remedy)
    command.run(dialogue, around, argument.rstrip())


def complete_command(around: ReplContext, text: str) -> list[Candidate]:
    """Give what may stand where this text ends; raises nothing."""
    if not text.startswith(SLASH) or text.startswith(SLASH * 2) or "\n" in text:
        return []
    word, gap, argument = _parted(text)
    if not gap:
        begun = {name: each for name, each in COMMANDS.items() if name.startswith(word)}
        return [
            Candidate(f"{name} " if each.argument else name, len(word), each.help)
            for name, each in begun.items()
        ]
    complete = COMMANDS[word].complete if word in COMMANDS else None
    if complete is None:
        return []
    try:
        return [
            Candidate(name, len(argument))
            for name in complete(around, argument)
            if name.startswith(argument)
        ]
    except (ContextopsError, OSError, RuntimeError, ValueError):
        # No such folder, no such user, no path at all: there is nothing that could stand here.
        return []


def _parted(line: str) -> tuple[str, str, str]:
    """Cut a line into the command, the white space after it, and all that follows."""
    word = (line.split(maxsplit=1) or [""])[0]
    rest = line[len(word) :]
    argument = rest.lstrip()
    return word, rest[: len(rest) - len(argument)], argument


def show_last_turns(dialogue: Dialogue) -> None:
    """Show how a conversation ended that is taken up again, to a person, else beside stdout."""
    printer, turns = dialogue.printer, dialogue.conversation.turns()
    if len(turns) > _SHOWN_TURNS:
        printer.info([f"({len(turns)} turns; the last {_SHOWN_TURNS}:)"])
    for turn in turns[-_SHOWN_TURNS:]:
        for said in turn:
            if said["role"] == "user":
                printer.info([f"> {line}" for line in message_text(said).splitlines()])
            elif said["role"] == "assistant" and not printer.is_for_person:
                printer.info(message_text(said).splitlines())
            elif said["role"] == "assistant":
                writer = printer.answer_writer()
                writer.write(message_text(said))
                writer.end()


# The commands -----------------------------------------------------------------------------------


def _help(dialogue: Dialogue, _around: ReplContext, _argument: str) -> None:
    names = {f"{name} {command.argument}".rstrip(): command for name, command in COMMANDS.items()}
    width = max(map(len, names))
    dialogue.printer.info(f"{name:<{width}}  {command.help}" for name, command in names.items())
    dialogue.printer.info(_KEYS)


def _model(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    if argument:
        dialogue.model = argument
        _note_unlisted(dialogue, around, argument)
    dialogue.printer.info([f"model: {dialogue.model or 'none; choose with /model ID'}"])


def _note_unlisted(dialogue: Dialogue, around: ReplContext, model: str) -> None:
    try:
        listed = around.models_by_now() or around.models()
    except ContextopsError:
        # Whoever cannot list the models may answer all the same; the next turn tells.
        return
    if model not in listed:
        near = did_you_mean(model, listed)
        dialogue.printer.note(f"the server does not list {model}{near and '; '}{near}")


def _models(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    names = [name for name in around.models() if argument.lower() in name.lower()]
    dialogue.printer.info(names or ["the server lists none"])


def _system(dialogue: Dialogue, _around: ReplContext, argument: str) -> None:
    if argument:
        dialogue.conversation.instruct("" if argument in _NOTHING else argument)
    dialogue.printer.info([f"system: {dialogue.conversation.system or 'none'}"])
    if argument:
        dialogue.conversation.keep()


def _param(dialogue: Dialogue, _around: ReplContext, argument: str) -> None:
    if argument:
        _set_param(dialogue, argument)
    shown = (f"{name} = {strict_json.dumps(value)}" for name, value in dialogue.params.items())
    dialogue.printer.info(list(shown) or ["no parameters; set one with /param NAME=VALUE"])


def _set_param(dialogue: Dialogue, argument: str) -> None:
    name, equals, value = (part.strip() for part in argument.partition("="))
    if not equals or not name:
        raise UsageError(f"{argument} is not NAME=VALUE", "", "try: /param temperature=0.2")
    if name in _OTHER_WAYS:
        raise UsageError(f"/param cannot set {name}", "", f"use {_OTHER_WAYS[name]}")
    if value:
        dialogue.params[name] = parse_parameter(value)
    else:
        dialogue.params.pop(name, None)


def _file(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    if argument:
        path = _path(argument)
        text = "".join(frame_file(path, around.sources.text_of(path)))
        dialogue.added.append(Added(path, text=text))
    _tell_added(dialogue)


def _image(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    if argument:
        path = _path(argument)
        dialogue.added.append(Added(path, image=image_part(path, around.sources)))
    _tell_added(dialogue)


def _path(argument: str) -> str:
    """Give the path that is meant: as it is typed where that is there, else less its quotes."""
    # Unlike pathlib's these raise nothing, whatever is typed.
    is_there = os.path.exists(os.path.expanduser(argument))  # noqa: PTH110, PTH111 - see above
    path = argument if is_there else _unquoted(argument)
    if path == STANDARD_INPUT:
        raise UsageError("standard input cannot be added", "the messages come from there")
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError:
        raise UsageError(f"cannot read {path}", "there is no such user") from None


def _unquoted(argument: str) -> str:
    """Take away the quotes of a shell, where there are some around all of it."""
    lexer = shlex.shlex(argument, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    if os.sep == "\\":
        # On Windows it parts folders.
        lexer.escape = ""
    try:
        words = list(lexer)
    except ValueError:
        return argument
    return words[0] if len(words) == 1 else argument


def _tell_added(dialogue: Dialogue) -> None:
    names = ", ".join(added.name for added in dialogue.added)
    told = f"with the next message: {names}" if names else "nothing is added to the next message"
    dialogue.printer.info([told])


def _template(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    if not argument:
        dialogue.printer.info(around.template_names() or ["the config file has no templates"])
        return
    name, *pairs = _words(argument)
    form = around.template(name)
    variables = dict(_pair(name, pair) for pair in pairs)
    _check(form, variables)
    dialogue.form = form._replace(variables=variables)
    if form.template.schema is not None:
        dialogue.printer.note(f"the schema of {name} is for 'chat send' only")
    how = "Enter alone sends it" if form.is_whole else "the next message fills it"
    dialogue.printer.info([f"template: {name} ({how})"])


def _words(argument: str) -> list[str]:
    try:
        return shlex.split(argument)
    except ValueError as error:
        raise UsageError("cannot read the values", str(error).lower(), "close it") from None


def _pair(template: str, pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals or not is_field_name(name) or name == INPUT_FIELD:
        remedy = f"try: /template {template} style=short"
        raise UsageError(f"{pair} fills no field", "it is not FIELD=VALUE", remedy)
    return name, value


def _check(form: TemplateRequest, variables: Mapping[str, str]) -> None:
    name, fields = (
        form.template.name,
        [each for each in form.template.fields if each != INPUT_FIELD],
    )
    missing = [field for field in fields if field not in variables]
    if missing:
        values = " ".join(f"{field}=VALUE" for field in fields)
        remedy = f"type: /template {name} {values}"
        raise UsageError(f"the template {name} lacks {', '.join(missing)}", "", remedy)
    for variable in variables:
        if variable not in fields:
            why = f"it has {', '.join(fields) or 'none'}"
            near = did_you_mean(variable, fields)
            raise UsageError(f"the template {name} has no field {variable}", why, near)


def _retry(dialogue: Dialogue, _around: ReplContext, _argument: str) -> None:
    if not dialogue.retry():
        dialogue.printer.info(["there is nothing to ask again"])


def _undo(dialogue: Dialogue, _around: ReplContext, _argument: str) -> None:
    dialogue.printer.info([dialogue.undo()])
    dialogue.leave()


def _edit(dialogue: Dialogue, around: ReplContext, _argument: str) -> None:
    before, parts = dialogue.words_of_last()
    after = around.edited(before)
    if not after.strip() or after.strip() == before.strip():
        dialogue.printer.info(["nothing was changed, and nothing sent"])
        return
    dialogue.say(after.rstrip("\n"), parts)


def _save(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    name = _named(argument, "/save")
    path = session_path(name, around.folder)
    if path != dialogue.conversation.path:
        if session_exists(path):
            raise UsageError(f"there is a session {name}", "", f"use another name, or /load {name}")
        dialogue.conversation.keep_in(path)
    dialogue.printer.info([f"kept from now on: {path}"])


def _load(dialogue: Dialogue, around: ReplContext, argument: str) -> None:
    name = _named(argument, "/load")
    path = session_path(name, around.folder)
    if not session_exists(path):
        near = did_you_mean(name, _sessions(around, "")) or "see /session"
        raise ConfigError(f"no session {name}", f"there is no {path}", near)
    dialogue.take_up(Conversation(path=path))
    show_last_turns(dialogue)


def _named(argument: str, command: str) -> str:
    if not argument:
        raise UsageError(f"{command} wants a name", "", f"try: {command} review")
    return argument


def _session(dialogue: Dialogue, around: ReplContext, _argument: str) -> None:
    path = dialogue.conversation.path
    dialogue.printer.info([f"session: {path or 'none; keep this one with /save NAME'}"])
    names = list(_sessions(around, ""))
    if names:
        dialogue.printer.info([f"kept: {', '.join(names)}"])


def _tokens(dialogue: Dialogue, _around: ReplContext, argument: str) -> None:
    if argument not in ("", "on", "off"):
        raise UsageError(f"/tokens cannot be {first_words(argument)}", "", "try: /tokens on")
    if argument:
        dialogue.tells_cost = argument == "on"
    if not dialogue.responses:
        dialogue.printer.info(["no answer yet"])
        return
    dialogue.printer.info([usage_line(dialogue.responses[-1])])
    totals = [_total(response) for response in dialogue.responses]
    if len(totals) > 1:
        dialogue.printer.info([f"all {len(totals)} answers: {sum(totals)} tokens"])


def _total(response: Mapping[str, object]) -> int:
    usage = response.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) else 0


def _clear(dialogue: Dialogue, _around: ReplContext, _argument: str) -> None:
    left = dialogue.conversation.path
    dialogue.take_up(Conversation(system=dialogue.conversation.system))
    told = f"a new conversation; {left} stays as it is" if left else "a new conversation"
    dialogue.printer.info([told])


def _exit(_dialogue: Dialogue, _around: ReplContext, _argument: str) -> None:
    raise Leave


# What completes their arguments -----------------------------------------------------------------


def _listed(around: ReplContext, _begun: str) -> Iterable[str]:
    return around.models_by_now()


def _templates(around: ReplContext, _begun: str) -> Iterable[str]:
    return around.template_names()


def _sessions(around: ReplContext, _begun: str) -> Iterable[str]:
    return [path.stem for path in session_files(around.folder)]


def _paths(_around: ReplContext, begun: str) -> Sequence[str]:
    """Give the paths that begin so, folders with a slash after them; hidden ones when begun so."""
    folder, name = os.path.split(begun)
    shown = begun[: len(begun) - len(name)]
    with os.scandir(Path(folder or ".").expanduser()) as entries:
        found = [
            f"{shown}{entry.name}{os.sep if entry.is_dir() else ''}"
            for entry in entries
            if entry.name.startswith(name or "") and entry.name.startswith(".") <= (name[:1] == ".")
        ]
    return sorted(found)[:_MOST_PATHS]


COMMANDS: Mapping[str, Command] = {
    "/help": Command("", "this list", _help),
    "/model": Command("[ID]", "ask another model, or say which is asked", _model, _listed),
    "/models": Command("[PART]", "the models that the server lists", _models),
    "/system": Command("[TEXT]", 'say how to answer ("": no more), or show what was said', _system),
    "/param": Command("[NAME=VALUE]", "set a parameter (no VALUE: drop it), or show them", _param),
    "/file": Command("[PATH]", "add a file to the next message", _file, _paths),
    "/image": Command("[PATH|URL]", "add an image to the next message", _image, _paths),
    "/template": Command(
        "[NAME FIELD=VALUE…]",
        "fill a template with the next message",
        _template,
        _templates,
    ),
    "/retry": Command("", "ask the last question again", _retry),
    "/undo": Command("", "take back what was added, else the last turn", _undo),
    "/edit": Command("", "write a message in your editor, beginning with the last", _edit),
    "/save": Command("NAME", "keep this conversation from now on", _save),
    "/load": Command("NAME", "go on with a conversation that is kept", _load, _sessions),
    "/session": Command("", "where this conversation is kept, and which others are", _session),
    "/tokens": Command("[on|off]", "what the last answer cost; on: after each answer", _tokens),
    "/clear": Command("", "begin a new conversation", _clear),
    "/exit": Command("", "leave; so does Ctrl-D", _exit),
}

_KEYS = (
    "Enter sends; Alt-Enter, or a backslash before Enter, begins a new line; // sends a slash.",
    "Ctrl-C stops an answer; Ctrl-R searches what you typed; Tab completes.",
)
