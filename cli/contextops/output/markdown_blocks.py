"""Cut Markdown that is still being written into blocks that are finished.

A block is what can be rendered for good: a paragraph, a list, a fenced code, each whole. So a
terminal never has to take back what it showed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What follows backticks has none: "```x``` is code" is a line of a paragraph.
_OPENING = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})\s*")
_LIST = re.compile(r" {0,3}([-*+]|[0-9]{1,9}[.)])(\s|$)")
_START_OF_LIST = re.compile(r" {0,3}([-*+]|[0-9]{1,9}[.)]?)?")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
# Characters that tell whether a line is a list's.
_TELLING = 16


class Blocks:
    """Take text piece by piece and give the blocks that it finishes.

    Joined by newlines they are the text, less white space at its end, and they are the same
    however the text is cut.
    """

    def __init__(self) -> None:
        self._line: list[str] = []
        self._lines: list[str] = []
        self._fence = ""

    def feed(self, text: str) -> list[str]:
        """Take the next words and give the blocks that are complete with them."""
        blocks = []
        if text:
            self._line.append(text)
        if "\n" in text:
            *lines, rest = "".join(self._line).split("\n")
            self._line = [rest] if rest else []
            blocks = [block for line in lines for block in self._take(line)]
        begun = "".join(self._line[:_TELLING])
        if not _START_OF_LIST.fullmatch(begun) and self._ends_before(begun):
            blocks.append(self._cut())
        return blocks

    def close(self) -> list[str]:
        """Give what is left, finished or not."""
        self._lines.append("".join(self._line))
        self._line.clear()
        return [block for block in [self._cut()] if block.strip()]

    def _take(self, line: str) -> list[str]:
        if self._fence:
            self._lines.append(line)
            closing = _CLOSING.fullmatch(line)
            if closing and closing[1].startswith(self._fence):
                self._fence = ""
                return [self._cut()]
            return []
        opened = _OPENING.match(line)
        before = [self._cut()] if self._lines and (opened or self._ends_before(line)) else []
        self._lines.append(line)
        if opened:
            self._fence = opened[1]
        elif not line.strip() and not _LIST.match(self._lines[0]):
            # A paragraph ends with a blank line; a list may go on after it.
            before.append(self._cut())
        return before

    def _ends_before(self, line: str) -> bool:
        """Tell whether what was gathered ends before a line that is no part of its list."""
        after_blank = bool(self._lines) and not self._lines[-1].strip() and not self._fence
        goes_on = line.startswith(("  ", "\t")) or _LIST.match(line)
        return after_blank and bool(line.strip()) and not goes_on

    def _cut(self) -> str:
        block = "\n".join(self._lines)
        self._lines = []
        return block


def first_code_block(text: str, language: str | None = None) -> str | None:
    """Give the content of the first fenced block of code, of a language if one is named.

    None where there is none. The language is the first word after the fence, in any case.
    """
    # Not splitlines(): it cuts at form feeds and U+2028 too, which are part of the code.
    lines = iter(_LINE.findall(text))
    for line in lines:
        opened = _OPENING.match(line.rstrip("\r\n"))
        if not opened:
            continue
        named = line[opened.end() :].split()
        content = _until_closed(lines, opened[1], indent=opened.start(1))
        if language is None or (named and named[0].lower() == language.lower()):
            return content
    return None


def _until_closed(lines: Iterator[str], fence: str, *, indent: int) -> str:
    """Take the lines of a fenced block, each less the indentation of its fence."""
    content = []
    for line in lines:
        closing = _CLOSING.fullmatch(line.rstrip("\r\n"))
        if closing and closing[1].startswith(fence):
            break
        margin = len(line) - len(line.lstrip(" "))
        content.append(line[min(indent, margin) :])
    return "".join(content)
