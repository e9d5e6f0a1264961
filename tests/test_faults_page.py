"""The fault matrix as README and its page describe it, compared with the cases that are run."""

from __future__ import annotations

import re
from pathlib import Path

from faults import page

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PAGE = page.FILE.read_text(encoding="utf-8")


def totals(text: str) -> list[list[str]]:
    table = text.partition("| mode | rows | cases | passed |\n|---|---|---|---|\n")[2]
    rows = table.partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_page_covers_the_complete_matrix_and_every_case_passed():
    runs = page.expected()
    *modes, (_, rows, cases, passed) = totals(PAGE)
    assert (int(cases), passed) == (len(runs), cases)
    assert int(rows) == len({row for row, _, _ in runs})
    for mode, rows, cases, passed in modes:
        runs_of_mode = [(row, case) for row, case, of in runs if of == mode]
        assert (int(cases), passed) == (len(runs_of_mode), cases)
        assert int(rows) == len({row for row, _ in runs_of_mode})
    assert ", failed" not in PAGE


def test_readme_has_the_totals_of_the_page():
    assert totals(README) == totals(PAGE)


def test_every_row_is_on_the_page():
    on_page = set(re.findall(r"^\| ([FM]\d+b?) \|", PAGE, re.MULTILINE))
    assert on_page == {row for row, _, _ in page.expected()}
