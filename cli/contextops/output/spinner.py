"""A spinner on standard error that shows that the program is working."""

from __future__ import annotations

import itertools
from collections.abc import Callable


class Spinner:
    """A spinner with an optional caption, drawn by a thread of its own until ``stop``.

    It appears after a delay, so that quick work shows nothing. ``write`` puts text on the terminal.
    """

    _FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
    # Seconds.
    _DELAY = 0.3
    _PERIOD = 0.1
    _CLEAR_REST = "\x1b[K"
    _CLEAR_LINE = f"\r{_CLEAR_REST}"

    def __init__(self, write: Callable[[str], None]) -> None:
        import threading

        self.caption = ""
        self._write = write
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def clear(self) -> None:
        """Clear the line for other text; the next frame is drawn below it."""
        self._write(self._CLEAR_LINE)

    def stop(self) -> None:
        """Stop drawing and clear the line."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        if self._stopped.wait(self._DELAY):
            return
        import shutil

        for frame in itertools.cycle(self._FRAMES):
            # A caption that wraps could not be cleared.
            room = max(0, shutil.get_terminal_size().columns - 4)
            self._write(f"\r{frame} {self.caption[:room]}{self._CLEAR_REST}")
            if self._stopped.wait(self._PERIOD):
                break
        self._write(self._CLEAR_LINE)
