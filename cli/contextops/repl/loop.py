"""The use case of ``chat repl``: read an entry, act on it, print, until the input ends."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TextIO

from contextops import __version__
from contextops.chat import (
    Params,
    Temperature,
    jsonl_errors,
    parse_params,
    render_jsonl,
    render_text,
)
from contextops.config import state_folder
from contextops.errors import OK, ContextopsError, InputError, SignalInterrupt, reason
from contextops.flags import Flag
from contextops.output import StdoutError
from contextops.repl.context import ReplContext, Services
from contextops.repl.dialogue import Dialogue
from contextops.repl.reader import Reader, choose_reader
from contextops.repl.slash_commands import SLASH, complete_command, run_command
from contextops.secrets import redact

_HISTORY = "history"
"""The file with the history of the line editor, in the folder of the sessions."""


@dataclass(kw_only=True)
class ReplOptions:
    """The options of ``chat repl`` that are not settings."""

    temperature: Temperature = None
    max_tokens: Annotated[
        int | None,
        Flag("--max-tokens", "Stop each answer after N tokens.", "N", group="answer", minimum=1),
    ] = None
    params: Params = field(default_factory=list)
    usage: Annotated[
        bool,
        Flag("--usage", "Print token counts on stderr after each answer.", group="output"),
    ] = False
    fail_fast: Annotated[
        bool,
        Flag(
            "--fail-fast",
            "End with the first turn that fails, unless on a terminal.",
            group="conversation",
        ),
    ] = False

    def request_params(self) -> dict[str, Any]:
        """Return the parameters of requests; raises ``UsageError`` if one is set twice."""
        flags = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return parse_params(self.params, flags)


def run_repl(
    options: ReplOptions,
    services: Services,
    *,
    jsonl: bool = False,
    colors: bool = True,
    quiet: bool = False,
) -> int:
    """Run a conversation on standard input and output; return the exit status.

    With ``jsonl`` answers and errors are JSON lines. ``colors`` is for the line editor, and
    ``quiet`` leaves out the greeting.

    Raises:
        ContextopsError: the conversation cannot begin.
    """
    printer = services.printer
    printer.require_stdout()
    context = ReplContext(services)
    context.load_key()

    def make_editor(screen: TextIO) -> Reader:
        from contextops.repl.editor import LineEditor

        return LineEditor(
            screen=screen,
            colors=colors,
            history=state_folder() / _HISTORY,
            is_secret=lambda entry: printer.contains_secret(entry) or redact(entry) != entry,
            knows_secrets=context.knows_key,
            complete=partial(complete_command, context),
            note=printer.note,
        )

    profile = services.profile
    reader = choose_reader(printer, max_line=profile.max_prompt, make_editor=make_editor)
    dialogue = Dialogue(
        context.ask,
        context.open_conversation(),
        model=context.default_model(can_choose=reader.is_person),
        params=profile.params,
        printer=printer,
        render=render_jsonl if jsonl else render_text,
        shows_usage=options.usage,
    )
    if reader.is_person:
        if not quiet:
            printer.info([f"contextops {__version__}: /help lists the commands, Ctrl-D leaves"])
        dialogue.show_last_turns()
    return Repl(
        dialogue,
        context,
        reader,
        profile=profile.name,
        fail_fast=options.fail_fast,
        error_context=partial(jsonl_errors, printer) if jsonl else nullcontext,
    ).run()


class Repl:
    """The loop of a conversation, which runs until the input ends or /exit is typed.

    ``profile`` is shown in the prompt. With ``fail_fast`` the first error ends the loop, unless a
    person types. Each entry is handled in an ``error_context``, which sees the error before it is
    printed.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        context: ReplContext,
        reader: Reader,
        *,
        profile: str,
        fail_fast: bool = False,
        error_context: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._dialogue = dialogue
        self._context = context
        self._reader = reader
        self._profile = profile
        self._fail_fast = fail_fast
        self._error_context = error_context
        self._ctrl_c = CtrlC()
        self._status = OK

    def run(self) -> int:
        """Run the conversation; return the exit status of the first error.

        For a person it is 0, unless standard output cannot be written: that ends any conversation.
        """
        with self._ctrl_c.handled() if self._reader.is_person else nullcontext():
            while self._reporting_errors(self._handle_entry):
                pass
            self._reporting_errors(self._save_pending)
        return self._status

    @property
    def prompt(self) -> str:
        """The profile, the model, and what is sent with the next message."""
        dialogue = self._dialogue
        attached = f" +{len(dialogue.attachments)}" if dialogue.attachments else ""
        template = f" {dialogue.template.template.name}" if dialogue.template else ""
        return f"{self._profile} {dialogue.model or '(no model)'}{template}{attached}> "

    def _reporting_errors(self, step: Callable[[], bool]) -> bool:
        """Run a step and print its error; return whether the conversation goes on."""
        try:
            with self._error_context():
                return step()
        except ContextopsError as error:
            self._print_error(error)
            is_person, is_stdout = self._reader.is_person, isinstance(error, StdoutError)
            if is_stdout or not is_person:
                self._status = self._status or error.status
            return not (is_stdout or (self._fail_fast and not is_person))

    def _handle_entry(self) -> bool:
        """Read an entry and act on it; return whether the conversation goes on."""
        try:
            with self._ctrl_c.raising():
                entry = self._reader.read(self.prompt)
        except EOFError:
            return False
        except KeyboardInterrupt:
            if not self._reader.is_person:
                raise
            self._dialogue.printer.info(["(Ctrl-D or /exit leaves)"])
            return True
        with self._interruptible():
            text = entry.lstrip(" \t")
            if text.startswith(SLASH) and not text.startswith(SLASH * 2):
                return run_command(self._dialogue, self._context, text)
            template = self._dialogue.template
            if entry.strip() or (template is not None and template.is_complete):
                indent = entry[: len(entry) - len(text)]
                self._dialogue.send(indent + text.removeprefix(SLASH))
        return True

    def _save_pending(self) -> bool:
        with self._interruptible():
            self._dialogue.save_pending()
        return False

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Catch Ctrl-C of a person: it ends the block, but not the conversation."""
        try:
            with self._ctrl_c.raising():
                yield
        except OSError as error:
            # An error of the system must not end the conversation.
            raise InputError("the operation failed", reason(error)) from None
        except (KeyboardInterrupt, SignalInterrupt) as interrupt:
            is_ctrl_c = not isinstance(interrupt, SignalInterrupt) or (
                interrupt.signum == signal.SIGINT
            )
            if not (self._reader.is_person and is_ctrl_c):
                raise
            retry = "" if self._dialogue.is_answered else "; /retry asks again"
            self._dialogue.printer.info([f"(interrupted{retry})"])

    def _print_error(self, error: ContextopsError) -> None:
        is_of_turn = error is self._dialogue.error and not self._dialogue.is_answered
        if self._reader.is_person and is_of_turn:
            error.remedy = "; ".join(filter(None, [error.remedy, "/retry asks again"]))
        self._dialogue.printer.error(error)


class CtrlC:
    """A handler of SIGINT that raises only where an interruption is safe, and only once.

    Saving an answer, for example, is not interrupted.
    """

    def __init__(self) -> None:
        self._raises = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Install the handler, and restore the previous one at the end."""
        previous = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise ``KeyboardInterrupt`` for the first SIGINT that arrives in this context."""
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def _handle(self, _signum: int, _frame: Any) -> None:
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt
