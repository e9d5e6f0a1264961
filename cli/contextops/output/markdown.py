"""Rendering of Markdown on a terminal, block by block: the only module that loads Rich."""

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

from contextops.output.markdown_blocks import BlockSplitter

_DEFAULT_WIDTH = 80
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
# Rich pads lines to the full width: the spaces would be copied along, and would wrap in a narrower
# window.
_PADDING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$", re.MULTILINE)
# A background color for code would stand out on a light terminal.
_THEME = Theme({"markdown.code": "cyan", "markdown.h1": "bold underline"})


class _Heading(markdown.Heading):
    """A heading aligned to the left; Rich would center it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the heading's text."""
        yield self.text


class _Code(markdown.CodeBlock):
    """Code that can be copied; Rich would indent it, wrap it, and replace its tabs by spaces."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines of code, of which the terminal itself wraps the long ones."""
        if options.max_width < console.width:
            # In a list or a quotation Rich would cut long lines off unless it wraps them.
            yield from super().__rich_console__(console, options)
            return
        code = str(self.text).rstrip()
        highlighted = Syntax("", self.lexer_name, theme=self.theme, tab_size=0).highlight(code)
        highlighted.rstrip()
        yield from highlighted.render(console, end="\n")


class _Markdown(markdown.Markdown):
    """Markdown with the headings and code of this module."""

    elements: ClassVar = {
        **markdown.Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
    }


class MarkdownWriter:
    """A writer that renders each block once it is complete, so that nothing is ever redrawn.

    ``write`` puts text on the terminal; ``sanitize`` makes control characters visible. ``color`` is
    one of ``COLORS``.
    """

    def __init__(
        self, write: Callable[[str], None], *, color: str, sanitize: Callable[[str], str]
    ) -> None:
        self._write = write
        self._sanitize = sanitize
        self._splitter = BlockSplitter()
        self._has_written = False
        self._no_color = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))

    def write(self, text: str) -> None:
        """Add a piece of text and render the blocks that it completes."""
        for block in self._splitter.feed(self._sanitize(text)):
            self._render(block)

    def end(self) -> None:
        """Render the last block."""
        for block in self._splitter.close():
            self._render(block)

    def _render(self, block: str) -> None:
        if not block.strip():
            return
        # A new console for each block, since the terminal may have been resized.
        screen = io.StringIO()
        console = Console(
            file=screen,
            force_terminal=True,
            no_color=self._no_color,
            highlight=False,
            theme=_THEME,
        )
        if console.width < 1:
            # With COLUMNS=0 Rich would print nothing.
            console.width = _DEFAULT_WIDTH
        console.print(_parse(block), crop=False)
        gap = "\n" if self._has_written else ""
        self._has_written = True
        # Some Markdown renders to nothing, but the model's text must be shown.
        rendered = _PADDING.sub(r"\1", _strip_margins(screen.getvalue())) or block.strip("\n")
        self._write(f"{gap}{rendered}\n")


def _parse(block: str) -> _Markdown:
    """Parse a block without the syntax whose text Rich hides: HTML, images, link references."""
    parsed = _Markdown("", code_theme="ansi_dark", hyperlinks=False)
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    parsed.parsed = parser.disable(["image", "reference"]).parse(block)
    return parsed


def _strip_margins(rendered: str) -> str:
    """Return the lines without the empty ones around them, which differ by the kind of block."""
    lines = rendered.split("\n")
    filled = [number for number, line in enumerate(lines) if _STYLES.sub("", line).strip()]
    return "\n".join(lines[filled[0] : filled[-1] + 1]) if filled else ""
