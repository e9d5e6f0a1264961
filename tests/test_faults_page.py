"""What README and its page say of the matrix of faults, against the table that is run."""

from __future__ import annotations

import re
from pathlib import Path

from faults import page

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PAGE = page.FILE.read_text(encoding="utf-8")


def totals(text: str) -> list[list[str]]:
    table = text.partition("| mode | rows | cases | held |\n|---|---|---|---|\n")[2]
    rows = table.partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_the_page_is_of_the_whole_matrix_and_all_of_it_held():
    runs = page.expected()
    *modes, (_, rows, cases, held) = totals(PAGE)
    assert (int(cases), held) == (len(runs), cases)
    assert int(rows) == len({row for row, _, _ in runs})
    for mode, rows, cases, held in modes:
        there = [(row, case) for row, case, of in runs if of == mode]
        assert (int(cases), held) == (len(there), cases)
        assert int(rows) == len({row for row, _ in there})
    assert "not held" not in PAGE


def test_readme_says_what_the_page_says():
    assert totals(README) == totals(PAGE)


def test_each_row_is_on_the_page():
    named = set(re.findall(r"^\| ([FM]\d+b?) \|", PAGE, re.MULTILINE))
    assert named == {row for row, _, _ in page.expected()}
