"""Let a person write messages at a terminal: the only module that loads prompt_toolkit."""

from __future__ import annotations

import signal
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.shortcuts import PromptSession

from contextops import files, strict_json
from contextops.errors import ContextopsError, SignalInterrupt
from contextops.output import sanitize_exact

_MOST_ENTRIES = 1000
_MOST_BYTES = 1 << 20
"""Of a file of history; twice as many are cut to this."""
_LONGEST_ENTRY = 1 << 16
_WAIT = 0.2
"""Seconds for which Enter may wait for another process that has the history open."""
_OTHERS = 0o077
_CONTINUED = "\\"

Complete = Callable[[str], Iterable[tuple[str, int, str]]]
"""From the text before the cursor to texts, how many characters each replaces, and about each."""


class LineEditor:
    """Read messages of one or many lines; Enter sends them.

    ``history`` is the file that keeps what was entered, but for what begins with a blank and what
    is a secret; nothing is kept before ``knows_secrets`` says that all of them are known.
    ``screen`` is the terminal, with ``colors`` or without. ``note`` is told what could not be kept.
    """

    is_person = True

    def __init__(
        self,
        *,
        screen: TextIO,
        colors: bool,
        history: Path,
        is_secret: Callable[[str], bool],
        knows_secrets: Callable[[], bool],
        complete: Complete,
        note: Callable[[str], None],
    ) -> None:
        self._history = FileHistory(
            history, is_secret=is_secret, knows_secrets=knows_secrets, note=note
        )
        self._death: signal.Signals | None = None
        output = create_output(stdout=screen)
        # To ask the terminal where its cursor is makes those that do not know wait, and its
        # answer, late, is left to the shell as if it had been typed.
        output.enable_cpr = False  # type: ignore[attr-defined]
        self._session: PromptSession[str] = PromptSession(
            history=self._history,
            completer=_Completer(complete),
            complete_while_typing=_writes_command,
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation=_continuation,
            enable_suspend=True,
            enable_open_in_editor=True,
            tempfile_suffix=".md",
            reserve_space_for_menu=6,
            output=output,
            color_depth=None if colors else ColorDepth.MONOCHROME,
        )

    def read(self, prompt: str) -> str:
        """Return what is entered next.

        Raises ``EOFError``, ``KeyboardInterrupt`` or ``SignalInterrupt``.
        """
        self._history.keep_waiting()
        entered = None
        while entered is None:
            with self._dying_outside(), suppress(_DiscardedError):
                entered = self._entered(prompt)
        self._history.keep(entered)
        if self._is_taken_back():
            raise KeyboardInterrupt
        # So the library hands on bytes that are no UTF-8.
        return strict_json.without_surrogates(entered)

    def _is_taken_back(self) -> bool:
        """Tell whether Ctrl-C followed Enter at once: as a key, the terminal being still ours.

        What else was typed since is left for the next message.
        """
        keyboard = self._session.input
        keys = get_typeahead(keyboard)
        if not keys and not keyboard.closed:
            keys = keyboard.read_keys()
        is_ctrl_c = bool(keys) and keys[0].key == Keys.ControlC
        store_typeahead(keyboard, keys[is_ctrl_c:])
        return is_ctrl_c

    def _entered(self, prompt: str) -> str:
        try:
            # An empty line between what was answered and what is asked.
            message = FormattedText([("", "\n"), ("bold", sanitize_exact(prompt))])
            return self._session.prompt(message, pre_run=self._leave_if_dead)
        except OSError:
            # The terminal is gone; SIGHUP says so too, unless that is ignored.
            raise EOFError from None

    @contextmanager
    def _dying_outside(self) -> Iterator[None]:
        """Let a signal end the editor first, so that it leaves the terminal as it found it.

        asyncio would swallow what a handler raises.
        """
        taken = [getattr(signal, name) for name in ("SIGHUP", "SIGTERM") if hasattr(signal, name)]
        before = {
            signum: signal.signal(signum, self._handle)
            for signum in taken
            if signal.getsignal(signum) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
            if self._death is not None:
                raise SignalInterrupt(self._death)

    def _handle(self, signum: int, _frame: Any) -> None:
        self._death = signal.Signals(signum)
        loop = self._session.app.loop
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._leave_if_dead)

    def _leave_if_dead(self) -> None:
        app = self._session.app
        if self._death is not None and app.is_running and not app.is_done:
            app.exit(exception=EOFError)


class _DiscardedError(Exception):
    """What was typed is not sent."""


class FileHistory(History):
    """Keep what was entered in a file, a JSON string a line, readable by its owner only.

    Other processes may add to it meanwhile.
    """

    def __init__(
        self,
        path: Path,
        *,
        is_secret: Callable[[str], bool],
        knows_secrets: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        super().__init__()
        self._path = path
        self._is_secret = is_secret
        self._knows_secrets = knows_secrets
        self._waiting: list[str] = []
        self._note = note
        self._has_told = False

    def load_history_strings(self) -> Iterable[str]:
        """Give the last entries, the latest first."""
        try:
            self._require_ours()
            self._shorten()
            lines = _tail(self._path, _MOST_BYTES).splitlines()
        except (OSError, ContextopsError):
            return
        for line in reversed(lines[-_MOST_ENTRIES:]):
            with suppress(ValueError):
                entry = strict_json.loads(line)
                if isinstance(entry, str):
                    yield entry

    def store_string(self, string: str) -> None:
        """Leave it to ``keep``: this is called while the terminal is not in order."""

    def append_string(self, string: str) -> None:
        """Remember an entry, and no more of them than are read from the file."""
        super().append_string(string)
        del self._loaded_strings[_MOST_ENTRIES:]

    def keep(self, entry: str) -> None:
        """Add an entry to the file, as soon as what is secret is known."""
        self._waiting.append(entry)
        self.keep_waiting()

    def keep_waiting(self) -> None:
        """Add the entries that waited for that; what cannot be added is noted, once."""
        if self._knows_secrets():
            waiting, self._waiting = self._waiting, []
            for entry in waiting:
                self._keep(entry)

    def _keep(self, entry: str) -> None:
        if not entry.strip() or entry.startswith(" ") or self._is_secret(entry):
            return
        line = f"{strict_json.dumps(entry)}\n".encode("utf-8", "replace")
        if len(line) > _LONGEST_ENTRY:
            return
        try:
            files.append(self._path, line, _WAIT)
        except ContextopsError as failure:
            if not self._has_told:
                self._note(f"the history is not kept: {failure.why or failure.what}")
            self._has_told = True

    def _require_ours(self) -> None:
        """Let nobody else read it; raises ``OSError`` for a pipe or a device in its place."""
        mode = self._path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError("it is not a regular file")
        if mode & _OTHERS:
            try:
                files.protect(self._path)
            except ContextopsError as failure:
                self._note(f"others can read the history: {failure.why}")

    def _shorten(self) -> None:
        if self._path.stat().st_size > 2 * _MOST_BYTES:
            with files.locked(self._path, _WAIT):
                files.replace(self._path, _tail(self._path, _MOST_BYTES))


def _tail(path: Path, size: int) -> bytes:
    """Read the last whole lines of a file."""
    with path.open("rb") as file:
        start = max(0, file.seek(0, 2) - size)
        file.seek(start)
        data = file.read()
    return data if start == 0 else data.partition(b"\n")[2]


class _Completer(Completer):
    def __init__(self, complete: Complete) -> None:
        self._complete = complete

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - as the library calls it
    ) -> Iterable[Completion]:
        for text, replaces, about in self._complete(document.text_before_cursor):
            yield Completion(
                text,
                start_position=-replaces,
                display=sanitize_exact(text),
                display_meta=sanitize_exact(about),
            )


@Condition
def _writes_command() -> bool:
    """Show the commands as soon as there is a slash; their arguments when Tab asks for them."""
    text = get_app().current_buffer.text
    return text.startswith("/") and not any(sign.isspace() for sign in text)


def _continuation(_width: int, _line: int, wrapped: int) -> str:
    return "" if wrapped else "... "


def _keys() -> KeyBindings:
    keys = KeyBindings()
    writing = has_focus(DEFAULT_BUFFER)

    @keys.add("enter", filter=writing)
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        before = buffer.document.current_line_before_cursor
        if before.endswith(_CONTINUED) and buffer.document.is_cursor_at_the_end:
            buffer.delete_before_cursor()
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=writing)
    def _break(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @keys.add("c-c", filter=writing)
    def _interrupt(event: KeyPressEvent) -> None:
        why = _DiscardedError if event.current_buffer.text else KeyboardInterrupt
        event.app.exit(exception=why, style="class:aborting")

    return keys
