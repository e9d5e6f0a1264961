"""Splitting Markdown into blocks, while it arrives or afterwards.

A block is a complete paragraph, list, fenced code block and so on. Text that arrives later does not
change how it is rendered, so a terminal never has to redraw it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# CommonMark, section 4.5: the info string after backticks contains no backtick, so that
# "```x``` is code" is a line of a paragraph.
_FENCE_OPEN = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_FENCE_CLOSE = re.compile(r" {0,3}(`{3,}|~{3,})\s*")
_LIST_ITEM = re.compile(r" {0,3}([-*+]|[0-9]{1,9}[.)])(\s|$)")
_MAY_BECOME_LIST_ITEM = re.compile(r" {0,3}([-*+]|[0-9]{1,9}[.)]?)?")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
# This many characters of a line decide whether it is a list item.
_LINE_START = 16


class BlockSplitter:
    """A splitter of text that arrives in pieces.

    The blocks, joined by newlines, are the text less white space at its end. They do not depend on
    how the text was divided into pieces.
    """

    def __init__(self) -> None:
        # The pieces of the last line, the complete lines of the current block, and the fence that
        # this block is in.
        self._pieces: list[str] = []
        self._lines: list[str] = []
        self._fence = ""

    def feed(self, text: str) -> list[str]:
        """Add a piece of text and return the blocks that it completes."""
        blocks = []
        if text:
            self._pieces.append(text)
        if "\n" in text:
            *lines, rest = "".join(self._pieces).split("\n")
            self._pieces = [rest] if rest else []
            blocks = [block for line in lines for block in self._add_line(line)]
        start = "".join(self._pieces[:_LINE_START])
        if not _MAY_BECOME_LIST_ITEM.fullmatch(start) and self._ends_before(start):
            blocks.append(self._take_block())
        return blocks

    def close(self) -> list[str]:
        """Return the rest as the last block, complete or not; none if it is blank."""
        self._lines.append("".join(self._pieces))
        self._pieces.clear()
        return [block for block in [self._take_block()] if block.strip()]

    def _add_line(self, line: str) -> list[str]:
        if self._fence:
            self._lines.append(line)
            closing = _FENCE_CLOSE.fullmatch(line)
            if closing and closing[1].startswith(self._fence):
                self._fence = ""
                return [self._take_block()]
            return []
        opening = _FENCE_OPEN.match(line)
        ends_block = self._lines and (opening or self._ends_before(line))
        blocks = [self._take_block()] if ends_block else []
        self._lines.append(line)
        if opening:
            self._fence = opening[1]
        elif not line.strip() and not _LIST_ITEM.match(self._lines[0]):
            # A blank line ends a paragraph, but not a list.
            blocks.append(self._take_block())
        return blocks

    def _ends_before(self, line: str) -> bool:
        """Return whether the current block, a list, ends before this line."""
        after_blank = bool(self._lines) and not self._lines[-1].strip() and not self._fence
        continues = line.startswith(("  ", "\t")) or _LIST_ITEM.match(line)
        return after_blank and bool(line.strip()) and not continues

    def _take_block(self) -> str:
        block = "\n".join(self._lines)
        self._lines = []
        return block


def first_code_block(text: str, language: str | None = None) -> str | None:
    """Return the content of the first fenced code block, or None if there is none.

    With ``language``, of the first block whose info string begins with that word, in any case.
    """
    # Not splitlines(), which also splits at form feeds and U+2028; those are part of the code.
    lines = iter(_LINE.findall(text))
    for line in lines:
        opening = _FENCE_OPEN.match(line.rstrip("\r\n"))
        if not opening:
            continue
        info = line[opening.end() :].split()
        content = _read_code(lines, opening[1], indent=opening.start(1))
        if language is None or (info and info[0].lower() == language.lower()):
            return content
    return None


def _read_code(lines: Iterator[str], fence: str, *, indent: int) -> str:
    """Read up to the closing fence, removing from each line the indentation of the opening one."""
    content = []
    for line in lines:
        closing = _FENCE_CLOSE.fullmatch(line.rstrip("\r\n"))
        if closing and closing[1].startswith(fence):
            break
        margin = len(line) - len(line.lstrip(" "))
        content.append(line[min(indent, margin) :])
    return "".join(content)
