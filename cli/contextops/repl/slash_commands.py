"""Slash commands: the table ``COMMANDS``, its dispatch and completion, and the functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from contextops import strict_json
from contextops.api import usage_line
from contextops.chat import Conversation, frame_file, image_part
from contextops.config import parse_parameter
from contextops.errors import ConfigError, ContextopsError, UsageError
from contextops.repl.arguments import (
    complete_model,
    complete_path,
    complete_session,
    complete_template,
    parse_path,
    parse_template,
    require_name,
    split_command,
)
from contextops.repl.context import ReplContext
from contextops.repl.dialogue import Attachment, Dialogue, shorten
from contextops.suggest import did_you_mean

SLASH = "/"

_ESCAPE_HINT = "(// sends a message that begins with a slash)"
_EMPTY = ('""', "''")
_OTHER_WAYS = {"model": "/model ID", "messages": "plain text", "stream": "--no-stream"}

Run = Callable[[Dialogue, ReplContext, str], None]
Complete = Callable[[ReplContext, str], Iterable[str]]


class Command(NamedTuple):
    """One row of ``COMMANDS``.

    ``argument`` is how the argument is shown, empty if the command takes none. ``run`` is None
    for the command that ends the conversation. ``complete`` returns candidates for the argument.
    """

    argument: str
    help: str
    run: Run | None
    complete: Complete | None = None


class Candidate(NamedTuple):
    """A completion, the number of characters before the cursor that it replaces, and a note."""

    text: str
    replaces: int
    about: str = ""


def run_command(dialogue: Dialogue, context: ReplContext, line: str) -> bool:
    """Run the command of a line; return whether the conversation goes on.

    Raises:
        UsageError: the command is unknown, or takes no argument.
        ContextopsError: whatever the command raises.
    """
    word, _, argument = split_command(line)
    if word not in COMMANDS:
        near = did_you_mean(word, COMMANDS) or "see /help"
        what = f"unknown command {shorten(word)}"
        raise UsageError(what, "nothing was sent", f"{near} {_ESCAPE_HINT}")
    command = COMMANDS[word]
    if argument and not command.argument:
        what, remedy = f"{word} takes no argument", f"type {word} alone {_ESCAPE_HINT}"
        raise UsageError(what, "nothing was done", remedy)
    if command.run is None:
        return False
    command.run(dialogue, context, argument.rstrip())
    return True


def complete_command(context: ReplContext, text: str) -> list[Candidate]:
    """Return the completions of the text before the cursor; raises nothing."""
    if not text.startswith(SLASH) or text.startswith(SLASH * 2) or "\n" in text:
        return []
    word, gap, argument = split_command(text)
    if not gap:
        return [
            Candidate(f"{name} " if command.argument else name, len(word), command.help)
            for name, command in COMMANDS.items()
            if name.startswith(word)
        ]
    complete = COMMANDS[word].complete if word in COMMANDS else None
    if complete is None:
        return []
    try:
        return [
            Candidate(name, len(argument))
            for name in complete(context, argument)
            if name.startswith(argument)
        ]
    except (ContextopsError, OSError, RuntimeError, ValueError):
        # A missing folder or user, an invalid path or config file: no completions.
        return []


# The model and its parameters -------------------------------------------------------------------


def _model(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    if argument:
        dialogue.model = argument
        _note_unlisted_model(dialogue, context, argument)
    dialogue.printer.info([f"model: {dialogue.model or 'none; choose with /model ID'}"])


def _note_unlisted_model(dialogue: Dialogue, context: ReplContext, model: str) -> None:
    try:
        listed = context.known_models() or context.models()
    except ContextopsError:
        # A server that cannot list its models may still answer; the next turn shows that.
        return
    if model not in listed:
        near = did_you_mean(model, listed)
        dialogue.printer.note(f"the server does not list {model}{near and '; '}{near}")


def _models(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    names = [name for name in context.models() if argument.lower() in name.lower()]
    dialogue.printer.info(names or ["no matching models" if argument else "no models"])


def _system(dialogue: Dialogue, _context: ReplContext, argument: str) -> None:
    if argument:
        dialogue.conversation.set_system("" if argument in _EMPTY else argument)
    dialogue.printer.info([f"system: {dialogue.conversation.system or 'none'}"])
    if argument:
        dialogue.conversation.save()


def _param(dialogue: Dialogue, _context: ReplContext, argument: str) -> None:
    if argument:
        name, equals, value = (part.strip() for part in argument.partition("="))
        if not equals or not name:
            what = f"invalid parameter {argument!r}"
            raise UsageError(what, "expected NAME=VALUE", "try: /param temperature=0.2")
        if name in _OTHER_WAYS:
            raise UsageError(f"/param cannot set {name}", "", f"use {_OTHER_WAYS[name]}")
        if value:
            dialogue.params[name] = parse_parameter(value)
        else:
            dialogue.params.pop(name, None)
    lines = [f"{name} = {strict_json.dumps(value)}" for name, value in dialogue.params.items()]
    dialogue.printer.info(lines or ["no parameters; set one with /param NAME=VALUE"])


# The next message -------------------------------------------------------------------------------


def _file(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    if argument:
        path = parse_path(argument)
        text = "".join(frame_file(path, context.inputs.read_text(path)))
        dialogue.attachments.append(Attachment(path, text=text))
    _show_attachments(dialogue)


def _image(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    if argument:
        path = parse_path(argument)
        dialogue.attachments.append(Attachment(path, image=image_part(path, context.inputs)))
    _show_attachments(dialogue)


def _show_attachments(dialogue: Dialogue) -> None:
    names = ", ".join(attachment.name for attachment in dialogue.attachments)
    dialogue.printer.info([f"attached to the next message: {names or 'nothing'}"])


def _template(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    if not argument:
        dialogue.printer.info(context.template_names() or ["the config file has no templates"])
        return
    name, variables = parse_template(argument)
    request = context.template(name)
    request.template.check(variables, hint=lambda field: f"{field}=VALUE")
    dialogue.template = request._replace(variables=variables)
    if request.template.schema is not None:
        dialogue.printer.note(f"the schema of {name} applies to 'chat send' only")
    how = "press Enter to send it" if request.is_complete else "the next message fills it"
    dialogue.printer.info([f"template: {name} ({how})"])


def _edit(dialogue: Dialogue, context: ReplContext, _argument: str) -> None:
    before, parts = dialogue.last_question_parts()
    after = context.edit_text(before)
    if not after.strip() or after.strip() == before.strip():
        dialogue.printer.info(["nothing was changed, and nothing was sent"])
        return
    dialogue.send(after.rstrip("\n"), parts)


# Turns ------------------------------------------------------------------------------------------


def _retry(dialogue: Dialogue, _context: ReplContext, _argument: str) -> None:
    if not dialogue.retry():
        dialogue.printer.info(["there is no question to ask again"])


def _undo(dialogue: Dialogue, _context: ReplContext, _argument: str) -> None:
    dialogue.printer.info([dialogue.undo()])
    dialogue.save_pending()


def _tokens(dialogue: Dialogue, _context: ReplContext, argument: str) -> None:
    if argument not in ("", "on", "off"):
        what = f"invalid argument {shorten(argument)} for /tokens"
        raise UsageError(what, "expected on or off", "try: /tokens on")
    if argument:
        dialogue.shows_usage = argument == "on"
    if not dialogue.responses:
        dialogue.printer.info(["no answer yet"])
        return
    dialogue.printer.info([usage_line(dialogue.responses[-1])])
    if len(dialogue.responses) > 1:
        total = sum(map(_total_tokens, dialogue.responses))
        dialogue.printer.info([f"all {len(dialogue.responses)} answers: {total} tokens"])


def _total_tokens(response: Mapping[str, object]) -> int:
    usage = response.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if isinstance(total, int) else 0


# Sessions ---------------------------------------------------------------------------------------


def _save(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    name = require_name(argument, "/save")
    session = context.sessions.session(name)
    if session != dialogue.conversation.session:
        if session.exists():
            remedy = f"use another name, or /load {name}"
            raise UsageError(f"session {name} already exists", "", remedy)
        dialogue.conversation.save_as(session)
    dialogue.printer.info([f"saved from now on: {session.location}"])


def _load(dialogue: Dialogue, context: ReplContext, argument: str) -> None:
    name = require_name(argument, "/load")
    session = context.sessions.session(name)
    if not session.exists():
        near = did_you_mean(name, context.sessions.list()) or "see /session"
        raise ConfigError(f"no session {name}", f"{session.location} does not exist", near)
    dialogue.switch_to(Conversation(session=session))
    dialogue.show_last_turns()


def _session(dialogue: Dialogue, context: ReplContext, _argument: str) -> None:
    location = dialogue.conversation.location
    dialogue.printer.info([f"session: {location or 'none; save this one with /save NAME'}"])
    names = ", ".join(context.sessions.list())
    if names:
        dialogue.printer.info([f"saved sessions: {names}"])


def _clear(dialogue: Dialogue, _context: ReplContext, _argument: str) -> None:
    previous = dialogue.conversation.location
    dialogue.switch_to(Conversation(system=dialogue.conversation.system))
    rest = f"; {previous} is unchanged" if previous else ""
    dialogue.printer.info([f"started a new conversation{rest}"])


# The table --------------------------------------------------------------------------------------


def _help(dialogue: Dialogue, _context: ReplContext, _argument: str) -> None:
    usages = {f"{name} {command.argument}".rstrip(): command for name, command in COMMANDS.items()}
    width = max(map(len, usages))
    dialogue.printer.info(f"{usage:<{width}}  {command.help}" for usage, command in usages.items())
    dialogue.printer.info(_KEYS)


COMMANDS: Mapping[str, Command] = {
    "/help": Command("", "list the commands", _help),
    "/model": Command("[ID]", "choose the model, or show it", _model, complete_model),
    "/models": Command("[PART]", "list the models of the server", _models),
    "/system": Command("[TEXT]", 'set the system message ("" removes it), or show it', _system),
    "/param": Command("[NAME=VALUE]", "set a parameter (no VALUE removes it), or show all", _param),
    "/file": Command("[PATH]", "attach a file to the next message", _file, complete_path),
    "/image": Command("[PATH|URL]", "attach an image to the next message", _image, complete_path),
    "/template": Command(
        "[NAME FIELD=VALUE…]",
        "fill a template with the next message",
        _template,
        complete_template,
    ),
    "/retry": Command("", "ask the last question again", _retry),
    "/undo": Command("", "remove the attachments, or else the last turn", _undo),
    "/edit": Command("", "write a message in your editor, starting from the last one", _edit),
    "/save": Command("NAME", "save this conversation from now on", _save),
    "/load": Command("NAME", "continue a saved conversation", _load, complete_session),
    "/session": Command("", "show where this conversation is saved, and list the others", _session),
    "/tokens": Command("[on|off]", "show token counts; on: after each answer", _tokens),
    "/clear": Command("", "start a new conversation", _clear),
    "/exit": Command("", "end the conversation, as Ctrl-D does", None),
}

_KEYS = (
    "Enter sends; Alt-Enter, or a backslash before Enter, starts a new line; // sends a slash.",
    "Ctrl-C stops an answer; Ctrl-R searches the history; Tab completes.",
)
