"""Read, ask, print, again: the loop of a conversation, which nothing but its reader ends."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Protocol

from contextops.errors import OK, ContextopsError, InputError, SignalInterrupt, reason
from contextops.output import StdoutError
from contextops.repl import slash_commands
from contextops.repl.dialogue import Dialogue
from contextops.repl.slash_commands import SLASH, Leave, ReplContext


class Reader(Protocol):
    """Where the messages come from."""

    is_person: bool
    """Whether somebody types: Ctrl-C then stops an answer, and else the program."""

    def read(self, prompt: str) -> str:
        """Give what is entered next.

        Raises ``EOFError`` at the end, ``KeyboardInterrupt`` for Ctrl-C where nothing was typed,
        and a ``ContextopsError`` for what cannot be read, after which there may be more.
        """


class Repl:
    """Take what is entered, message by message, until there is no more.

    With ``fail_fast`` the first failure ends it. ``profile`` is named in the prompt; each entry is
    taken ``each_in`` a context.
    """

    def __init__(
        self,
        dialogue: Dialogue,
        around: ReplContext,
        reader: Reader,
        *,
        profile: str,
        fail_fast: bool = False,
        each_in: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._dialogue = dialogue
        self._around = around
        self._reader = reader
        self._profile = profile
        self._fail_fast = fail_fast
        self._each_in = each_in
        self._ctrl_c = CtrlC()

    def run(self) -> int:
        """Have the conversation; give the status of the first failure.

        A person's is 0, unless standard output takes no answers: that ends it for anybody.
        """
        first = OK
        with self._ctrl_c.ours() if self._reader.is_person else nullcontext():
            try:
                while not self._ends_with(failure := self._turn()):
                    first = first or self._status_of(failure)
            except (EOFError, Leave):
                failure = None
            last = self._told(partial(self._finish, self._dialogue.leave))
        return first or self._status_of(failure) or self._status_of(last)

    def _ends_with(self, failure: ContextopsError | None) -> bool:
        if isinstance(failure, StdoutError):
            return True
        return failure is not None and self._fail_fast and not self._reader.is_person

    def _status_of(self, failure: ContextopsError | None) -> int:
        if failure is None or (self._reader.is_person and not isinstance(failure, StdoutError)):
            return OK
        return failure.status

    @property
    def prompt(self) -> str:
        """Name the profile and the model, and what goes with the next message."""
        dialogue = self._dialogue
        added = f" +{len(dialogue.added)}" if dialogue.added else ""
        template = f" {dialogue.form.template.name}" if dialogue.form else ""
        return f"{self._profile} {dialogue.model or '(no model)'}{template}{added}> "

    def _turn(self) -> ContextopsError | None:
        """Take one entry to its end; give what failed, once that has been told."""
        return self._told(self._take)

    def _take(self) -> None:
        entered = self._read()
        if entered is not None:
            self._finish(partial(self._do, entered))

    def _told(self, act: Callable[[], None]) -> ContextopsError | None:
        try:
            with self._each_in():
                act()
        except ContextopsError as failure:
            self._tell(failure)
            return failure
        return None

    def _read(self) -> str | None:
        try:
            with self._ctrl_c.raising():
                return self._reader.read(self.prompt)
        except KeyboardInterrupt:
            if not self._reader.is_person:
                raise
            self._dialogue.printer.info(["(Ctrl-D or /exit leaves)"])
            return None

    def _finish(self, act: Callable[[], None]) -> None:
        """Do a command or have a turn; one that is interrupted has been kept as far as it came."""
        try:
            with self._ctrl_c.raising():
                act()
        except OSError as error:
            # Nothing that the system refuses is worth a conversation.
            raise InputError("that cannot be done", reason(error)) from None
        except (KeyboardInterrupt, SignalInterrupt) as ended:
            is_ctrl_c = not isinstance(ended, SignalInterrupt) or ended.signum == signal.SIGINT
            if not (self._reader.is_person and is_ctrl_c):
                raise
            again = "" if self._dialogue.is_answered else "; /retry asks again"
            self._dialogue.printer.info([f"(interrupted{again})"])

    def _do(self, entered: str) -> None:
        line = entered.lstrip(" \t")
        if line.startswith(SLASH) and not line.startswith(SLASH * 2):
            slash_commands.run(self._dialogue, self._around, line)
        elif entered.strip() or (self._dialogue.form and self._dialogue.form.is_whole):
            indent = entered[: len(entered) - len(line)]
            self._dialogue.say(indent + line.removeprefix(SLASH))

    def _tell(self, failure: ContextopsError) -> None:
        is_turns = failure is self._dialogue.failure and not self._dialogue.is_answered
        if self._reader.is_person and is_turns:
            failure.remedy = "; ".join(filter(None, [failure.remedy, "/retry asks again"]))
        self._dialogue.printer.error(failure)


class CtrlC:
    """Let Ctrl-C end what may be ended, once, and nothing else: not the keeping of what came."""

    def __init__(self) -> None:
        self._raises = False

    @contextmanager
    def ours(self) -> Iterator[None]:
        """Take the signal from whoever has it."""
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise ``KeyboardInterrupt`` for the first one that comes in here."""
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def _handle(self, _signum: int, _frame: Any) -> None:
        if self._raises:
            self._raises = False
            raise KeyboardInterrupt
