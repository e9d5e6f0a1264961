"""``contextops chat repl``: a conversation."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TextIO, cast

import typer

from contextops import __version__
from contextops.api import Piece
from contextops.chat import (
    InputReader,
    Message,
    StdinLines,
    jsonl_errors,
    parse_params,
    render_jsonl,
    render_text,
    request_body,
)
from contextops.commands.chat import (
    Model,
    Param,
    Plain,
    Raw,
    Reasoning,
    SessionName,
    System,
    Temperature,
    conversation,
)
from contextops.commands.context import Context
from contextops.commands.options import AsJsonLines
from contextops.commands.parser import OnlineCommand, alone
from contextops.config import Template, collect_layers, resolve, state_folder
from contextops.editor import editor_command, run_editor
from contextops.errors import ConfigError, ContextopsError, ModelNotFoundError
from contextops.output import Printer
from contextops.repl import (
    Dialogue,
    PipedReader,
    PlainReader,
    Reader,
    Repl,
    TemplateRequest,
    complete_command,
    show_last_turns,
)
from contextops.secrets import redact

app = alone()

_HISTORY = "history"
_OF_TEMPLATES = ("model", "system", "params")
_PASSING_TIME = 5.0
"""Seconds for a list of models that is asked for in passing."""
_PATIENCE = 0.2
"""Seconds for which a key may wait for it."""


@app.command("repl", cls=OnlineCommand)
def repl(
    ctx: typer.Context,
    model: Model = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Stop each answer after N tokens."),
    ] = None,
    param: Param = None,
    session_name: SessionName = None,
    usage: Annotated[
        bool, typer.Option("--usage", help="Print token counts after each answer, on stderr.")
    ] = False,
    reasoning: Reasoning = False,
    plain: Plain = False,
    raw: Raw = False,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", help="Not at a terminal: end with the first turn that fails."),
    ] = False,
    as_json_lines: AsJsonLines = False,
) -> None:
    """Have a conversation.

    \b
    contextops chat repl
    contextops chat repl --session review
    contextops chat repl < questions.txt

    At a terminal, /help lists what can be done; Ctrl-C stops an answer, Ctrl-D leaves. Elsewhere
    each line of standard input is a turn, and the status is that of the first that failed.
    """
    runtime: Context = ctx.obj
    runtime.display.plain, runtime.display.raw = plain, raw
    runtime.display.reasoning = reasoning
    flags = {"temperature": temperature, "max_tokens": max_tokens}
    parameters = parse_params(param or [], flags)
    runtime.set_flags(model=model, system=system, params=parameters, session=session_name)
    printer = runtime.printer
    with jsonl_errors(printer) if as_json_lines else nullcontext():
        printer.require_stdout()
        _hide_key(runtime)
        around = _Around(runtime)
        reader = _reader(runtime, around)
        dialogue = Dialogue(
            partial(_ask, runtime),
            conversation(runtime, typed_system=system is not None),
            model=_model(runtime, is_person=reader.is_person),
            params=runtime.profile.params,
            printer=printer,
            deliver=render_jsonl if as_json_lines else render_text,
            tells_cost=usage,
        )
    if reader.is_person:
        _greet(runtime, dialogue)
    status = Repl(
        dialogue,
        around,
        reader,
        profile=runtime.profile.name,
        fail_fast=fail_fast,
        each_in=partial(jsonl_errors, printer) if as_json_lines else nullcontext,
    ).run()
    raise typer.Exit(status)


def _hide_key(runtime: Context) -> None:
    """Know the key before the first word is typed, which may hold it, unless a command gives it."""
    key = runtime.profile.key
    if key is not None and not key.runs_command:
        # Each turn tells that it cannot be used.
        with suppress(ContextopsError):
            runtime.printer.add_secret(key.read())


def _knows_key(runtime: Context) -> bool:
    key = runtime.profile.key
    return key is None or not key.runs_command or key.is_read


def _ask(
    runtime: Context, messages: Sequence[Message], model: str, params: Mapping[str, Any]
) -> Iterator[Piece]:
    if runtime.profile.is_local and model != runtime.local_model():
        # The embedded engine answers to any name.
        why = f"it has {runtime.local_model()}"
        raise ModelNotFoundError(
            f"the embedded engine has no model {model}", why, "choose with /model"
        )
    runtime.client.begin()
    body = request_body(
        model=model, messages=messages, params=params, stream=True, shows_usage=True
    )
    return runtime.client.chat(body)


def _model(runtime: Context, *, is_person: bool) -> str | None:
    """Name the model; a person can still choose one where that fails."""
    try:
        return runtime.model
    except ContextopsError as failure:
        if not is_person or runtime.profile.is_local:
            raise
        runtime.printer.error(failure)
        return None


def _greet(runtime: Context, dialogue: Dialogue) -> None:
    if not runtime.display.quiet:
        told = f"contextops {__version__}: /help lists the commands, Ctrl-D leaves"
        runtime.printer.info([told])
    show_last_turns(dialogue)


# Where the messages come from -------------------------------------------------------------------


def _reader(runtime: Context, around: "_Around") -> Reader:
    lines = StdinLines(runtime.profile.max_prompt)
    if not _is_terminal(sys.stdin):
        return PipedReader(lines)
    screen = _screen(runtime.printer)
    if screen is None:
        return PlainReader(lines, runtime.printer)
    from contextops.repl import LineEditor

    return LineEditor(
        screen=screen,
        colors=runtime.display.color != "never",
        history=state_folder() / _HISTORY,
        is_secret=lambda entry: runtime.printer.contains_secret(entry) or redact(entry) != entry,
        knows_secrets=partial(_knows_key, runtime),
        complete=partial(complete_command, around),
        note=runtime.printer.note,
    )


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _screen(printer: Printer) -> TextIO | None:
    """Give the terminal that an editor can draw on; one that is dumb cannot be drawn on."""
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return None
    if printer.stdout_is_terminal:
        return sys.stdout
    return sys.stderr if printer.stderr_is_terminal else None


# What commands need -----------------------------------------------------------------------------


class _Around:
    """Give the commands what they need beyond the dialogue (``repl_commands.ReplContext``)."""

    def __init__(self, runtime: Context) -> None:
        self._runtime = runtime
        self._known: list[str] = []
        self._asking: threading.Thread | None = None
        self.folder = state_folder()
        self.sources = InputReader(limit=runtime.profile.max_prompt, note=runtime.printer.note)

    def models(self) -> list[str]:
        if self._runtime.profile.is_local:
            return [self._runtime.local_model()]
        client = self._runtime.client
        client.begin()
        self._known = [str(model["id"]) for model in client.models()]
        return self._known

    def models_by_now(self) -> list[str]:
        if self._known or self._runtime.profile.is_local:
            return self._known or [self._runtime.local_model()]
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask_in_background, daemon=True)
            self._asking.start()
            # Whoever types on is not kept waiting for it with each key.
            self._asking.join(_PATIENCE)
        return self._known

    def _ask_in_background(self) -> None:
        try:
            client = self._runtime.client.background(_PASSING_TIME)
            self._known = [str(model["id"]) for model in client.models()]
        except ContextopsError:
            # Nobody asked for it: who does gets to know.
            return

    def template_names(self) -> list[str]:
        return list(collect_layers(self._runtime.flags).file.templates)

    def template(self, name: str) -> TemplateRequest:
        # Typed after the flags, it beats them.
        typed = {k: v for k, v in self._runtime.flags.items() if k not in _OF_TEMPLATES}
        profile = resolve({**typed, "template": name})
        template = cast("Template", profile.template)
        return TemplateRequest(
            template,
            variables={},
            model=template.model,
            system=profile.system if template.says_system else None,
            params=template.params,
        )

    def edited(self, text: str) -> str:
        is_person = _is_terminal(sys.stdin) and self._runtime.printer.stdout_is_terminal
        editor = editor_command(on_terminal=is_person)
        if not is_person:
            raise ConfigError("cannot edit", "there is no terminal", "send lines instead")
        # A folder that is its owner's alone.
        with tempfile.TemporaryDirectory(prefix="contextops-") as folder:
            path = Path(folder, "message.md")
            path.write_bytes(text.encode())
            run_editor(editor, path)
            return self.sources.text_of(str(path))
