"""Show a model's Markdown on a terminal, a block at a time: the only module that loads Rich."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from typing import ClassVar

from markdown_it import MarkdownIt
from rich import markdown
from rich.console import Console, ConsoleOptions, RenderResult
from rich.syntax import Syntax
from rich.theme import Theme

from contextops.output.markdown_blocks import Blocks

_WIDTH = 80
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
# Rich fills lines up to the width: spaces to be copied, and lines broken by a narrower window.
_FILLING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)


class _Heading(markdown.Heading):
    """A heading where text begins: Rich would center it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the heading's text."""
        yield self.text


class _Code(markdown.CodeBlock):
    """Code as it can be copied: Rich would indent it, fold it, and make spaces of its tabs."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the code's lines, which the terminal folds where they are too long."""
        if options.max_width < console.width:
            # In a list or a quote what is too long would be cut off.
            yield from super().__rich_console__(console, options)
            return
        code = str(self.text).rstrip()
        highlighted = Syntax("", self.lexer_name, theme=self.theme, tab_size=0).highlight(code)
        highlighted.rstrip()
        yield from highlighted.render(console, end="\n")


class _Markdown(markdown.Markdown):
    """Markdown with our headings and code."""

    elements: ClassVar = {
        **markdown.Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
    }


# A background of its own would stand out on a light terminal.
_THEME = Theme({"markdown.code": "cyan", "markdown.h1": "bold underline"})


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
            file=screen,
            force_terminal=True,
            no_color=self._no_color,
            highlight=False,
            theme=_THEME,
        )
        if console.width < 1:
            # COLUMNS=0: nothing at all would be shown.
            console.width = _WIDTH
        console.print(_parsed(block), crop=False)
        gap = "\n" if self._has_written else ""
        self._has_written = True
        # Markdown may mean nothing to be shown, but the model said something.
        shown = _FILLING.sub(r"\1", _without_margins(screen.getvalue())) or block.strip("\n")
        self._put(f"{gap}{shown}\n")


def _parsed(block: str) -> _Markdown:
    """Parse all but what hides words: Rich leaves out tags, pictures' addresses, references."""
    parsed = _Markdown("", code_theme="ansi_dark", hyperlinks=False)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    parsed.parsed = parser.disable(["image", "reference"]).parse(block)
    return parsed


def _without_margins(shown: str) -> str:
    """Leave out the empty lines around a block: Rich gives each kind of block others."""
    lines = shown.split("\n")
    filled = [number for number, line in enumerate(lines) if _STYLES.sub("", line).strip()]
    return "\n".join(lines[filled[0] : filled[-1] + 1]) if filled else ""
