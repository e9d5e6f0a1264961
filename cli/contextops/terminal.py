"""Show a model's Markdown on a terminal, a block at a time: the only module that loads Rich."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

from rich.console import Console
from rich.markdown import Markdown

from contextops.markdown import Blocks


class MarkdownWriter:
    """Render each block when it is finished, so that nothing shown is ever taken back.

    ``write`` puts text on the terminal; ``clean`` makes the model's control characters visible.
    """

    def __init__(
        self, write: Callable[[str], None], *, color: str, clean: Callable[[str], str]
    ) -> None:
        self._put = write
        self._clean = clean
        self._blocks = Blocks()
        self._has_written = False
        self._no_color = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))

    def write(self, text: str) -> None:
        """Take the next words and show the blocks that they finish."""
        for block in self._blocks.feed(self._clean(text)):
            self._show(block)

    def end(self) -> None:
        """Show what is left."""
        for block in self._blocks.close():
            self._show(block)

    def _show(self, block: str) -> None:
        if not block.strip():
            return
        # A console of its own for each block: the terminal may have been resized.
        screen = io.StringIO()
        console = Console(
            file=screen, force_terminal=True, no_color=self._no_color, highlight=False
        )
        console.print(Markdown(block, code_theme="ansi_dark"))
        gap = "\n" if self._has_written else ""
        self._has_written = True
        self._put(gap + screen.getvalue())
