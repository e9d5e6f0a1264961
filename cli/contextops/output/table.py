"""Columns of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contextops.output.sanitize import one_line


def align_columns(rows: Iterable[Sequence[str]], width: int | None = None) -> list[str]:
    """Return a line for each row, its cells sanitized and aligned with those of other rows.

    Where a line is longer than ``width`` characters, the last cell is folded within its column,
    if that has at least half of the width.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    lines = []
    for row in cells:
        padded = (cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        line = "  ".join(padded).rstrip()
        if width is not None and len(line) > width and indent <= width // 2:
            import textwrap

            folded = textwrap.wrap(line[indent:], width - indent)
            line = line[:indent] + f"\n{' ' * indent}".join(folded)
        lines.append(line)
    return lines
