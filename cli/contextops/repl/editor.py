"""A line editor for messages, and its history: the only module that loads prompt_toolkit."""

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
from contextops.repl.reader import CONTINUATION

_MAX_ENTRIES = 1000
_MAX_BYTES = 1 << 20
"""Size of the history file; a file of twice this size is cut to it."""
_MAX_ENTRY_BYTES = 1 << 16
_LOCK_TIMEOUT = 0.2
"""Seconds for which Enter may wait for another process that has locked the history."""
_GROUP_AND_OTHERS = 0o077

Complete = Callable[[str], Iterable[tuple[str, int, str]]]
"""A function from the text before the cursor to completions.

Each is a text, the number of characters that it replaces, and a note about it.
"""


class LineEditor:
    """A reader of messages of one or more lines, which Enter sends.

    ``screen`` is the terminal, used with or without ``colors``. Entries are saved in the file
    ``history``, except those that begin with a space or for which ``is_secret`` is true; none is
    saved before ``knows_secrets`` is true. ``note`` prints why the history could not be saved.
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
        self._received: signal.Signals | None = None
        output = create_output(stdout=screen)
        # Asking for the cursor's position delays terminals that do not support the request, and
        # a late answer would reach the shell as if it had been typed.
        output.enable_cpr = False  # type: ignore[attr-defined]
        self._session: PromptSession[str] = PromptSession(
            history=self._history,
            completer=_Completer(complete),
            complete_while_typing=_is_typing_command,
            key_bindings=_key_bindings(),
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
        """Return the next entry.

        Raises:
            EOFError: Ctrl-D was typed, or the terminal is gone.
            KeyboardInterrupt: Ctrl-C was typed on an empty line, or right after Enter.
            SignalInterrupt: SIGHUP or SIGTERM arrived.
        """
        self._history.save_pending()
        entry = None
        while entry is None:
            with self._deferring_signals(), suppress(_DiscardedError):
                entry = self._edit(prompt)
        self._history.save(entry)
        if self._ctrl_c_followed():
            raise KeyboardInterrupt
        # The library represents bytes that are not UTF-8 as surrogates.
        return strict_json.without_surrogates(entry)

    def _ctrl_c_followed(self) -> bool:
        """Return whether Ctrl-C was typed right after Enter.

        The terminal is still in raw mode then, so that it arrives as a key and not as a signal.
        Other keys are left for the next message.
        """
        keyboard = self._session.input
        keys = get_typeahead(keyboard)
        if not keys and not keyboard.closed:
            keys = keyboard.read_keys()
        is_ctrl_c = bool(keys) and keys[0].key == Keys.ControlC
        store_typeahead(keyboard, keys[is_ctrl_c:])
        return is_ctrl_c

    def _edit(self, prompt: str) -> str:
        try:
            # An empty line separates the prompt from the answer above it.
            message = FormattedText([("", "\n"), ("bold", sanitize_exact(prompt))])
            return self._session.prompt(message, pre_run=self._exit_if_signaled)
        except OSError:
            # The terminal is gone. SIGHUP reports that too, unless it is ignored.
            raise EOFError from None

    @contextmanager
    def _deferring_signals(self) -> Iterator[None]:
        """Raise a signal as ``SignalInterrupt`` after the editor has restored the terminal.

        A handler cannot raise it: asyncio would swallow the exception.
        """
        names = ("SIGHUP", "SIGTERM")
        signums = [getattr(signal, name) for name in names if hasattr(signal, name)]
        previous = {
            signum: signal.signal(signum, self._handle)
            for signum in signums
            if signal.getsignal(signum) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)
            if self._received is not None:
                raise SignalInterrupt(self._received)

    def _handle(self, signum: int, _frame: Any) -> None:
        self._received = signal.Signals(signum)
        loop = self._session.app.loop
        if loop is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._exit_if_signaled)

    def _exit_if_signaled(self) -> None:
        app = self._session.app
        if self._received is not None and app.is_running and not app.is_done:
            app.exit(exception=EOFError)


class _DiscardedError(Exception):
    """Ctrl-C discarded the text that was typed."""


class FileHistory(History):
    """A history in a file of JSON strings, one a line, that only its owner can read.

    Other processes may append to the file at the same time.
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
        self._pending: list[str] = []
        self._note = note
        self._has_noted = False

    def load_history_strings(self) -> Iterable[str]:
        """Return the last 1,000 entries, the latest first."""
        try:
            self._make_private()
            self._truncate()
            lines = _tail(self._path, _MAX_BYTES).splitlines()
        except (OSError, ContextopsError):
            return
        for line in reversed(lines[-_MAX_ENTRIES:]):
            with suppress(ValueError):
                entry = strict_json.loads(line)
                if isinstance(entry, str):
                    yield entry

    def store_string(self, string: str) -> None:
        """Do nothing: ``save`` writes the file once the terminal is restored."""

    def append_string(self, string: str) -> None:
        """Store an entry in memory, as many as are read from the file."""
        super().append_string(string)
        del self._loaded_strings[_MAX_ENTRIES:]

    def save(self, entry: str) -> None:
        """Append an entry to the file, as soon as the secrets are known."""
        self._pending.append(entry)
        self.save_pending()

    def save_pending(self) -> None:
        """Append the entries that are waiting for the secrets; an error is noted once."""
        if self._knows_secrets():
            pending, self._pending = self._pending, []
            for entry in pending:
                self._append(entry)

    def _append(self, entry: str) -> None:
        if not entry.strip() or entry.startswith(" ") or self._is_secret(entry):
            return
        line = f"{strict_json.dumps(entry)}\n".encode("utf-8", "replace")
        if len(line) > _MAX_ENTRY_BYTES:
            return
        try:
            files.append(self._path, line, _LOCK_TIMEOUT)
        except ContextopsError as error:
            if not self._has_noted:
                self._note(f"cannot save the history: {error.why or error.what}")
            self._has_noted = True

    def _make_private(self) -> None:
        """Make the file readable by its owner only; raises ``OSError`` for a pipe or a device."""
        mode = self._path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise OSError("not a regular file")
        if mode & _GROUP_AND_OTHERS:
            try:
                files.protect(self._path)
            except ContextopsError as error:
                self._note(f"other users can read the history: {error.why}")

    def _truncate(self) -> None:
        if self._path.stat().st_size > 2 * _MAX_BYTES:
            with files.locked(self._path, _LOCK_TIMEOUT):
                files.replace(self._path, _tail(self._path, _MAX_BYTES))


def _tail(path: Path, size: int) -> bytes:
    """Return the last complete lines of a file, of ``size`` bytes at most."""
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
def _is_typing_command() -> bool:
    """Whether to complete while the user types: commands, but not their arguments."""
    text = get_app().current_buffer.text
    return text.startswith("/") and not any(character.isspace() for character in text)


def _continuation(_width: int, _line: int, wrapped: int) -> str:
    return "" if wrapped else "... "


def _key_bindings() -> KeyBindings:
    bindings = KeyBindings()
    is_writing = has_focus(DEFAULT_BUFFER)

    @bindings.add("enter", filter=is_writing)
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        line = buffer.document.current_line_before_cursor
        if line.endswith(CONTINUATION) and buffer.document.is_cursor_at_the_end:
            buffer.delete_before_cursor()
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter", filter=is_writing)
    def _start_new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    @bindings.add("c-c", filter=is_writing)
    def _interrupt(event: KeyPressEvent) -> None:
        exception = _DiscardedError if event.current_buffer.text else KeyboardInterrupt
        event.app.exit(exception=exception, style="class:aborting")

    return bindings
