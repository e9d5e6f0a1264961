"""What each row of the matrix showed, as ``README.md`` beside this file has it.

The page is written by a run of the whole matrix, never by hand: an outcome of every case in every
mode, from what its process did. A run in which all holds leaves it as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults import machine_rows, server_rows
from faults.matrix import MODES, Case, Mode, Row

FILE = Path(__file__).parent / "README.md"
PROPERTY = "fault"
"""The name under which a test tells what it was about, and what came of it."""

_HEAD = """\
# What each fault showed

Written by `pytest -m faults`, which runs every case in a process of its own, against a server on
raw sockets, and compares its status, stdout to the byte, the lines on stderr, memory and time.
"""


@dataclass(frozen=True)
class Showed:
    """What one run showed: its place on the page, its status, whether all was as it must be."""

    row: str
    case: str
    mode: str
    status: str
    held: bool


def name_of(row: Row, case: Case, mode: Mode) -> dict[str, str]:
    """Say which run it is, as its report carries it."""
    return {"row": row.name, "case": case.name, "mode": mode.name}


def showed(reports: Iterable[Any]) -> list[Showed]:
    """Read what the reports of a run say of the matrix."""
    read = []
    for report in reports:
        told = dict(report.user_properties)
        if PROPERTY in told:
            status = str(told.get("status", "none"))
            read.append(Showed(**told[PROPERTY], status=status, held=report.outcome == "passed"))
    return read


def expected() -> set[tuple[str, str, str]]:
    """Give the row, case and mode of every run that the whole matrix has."""
    served = {
        (row.name, case.name, mode.name)
        for row in server_rows.ROWS
        for case in row.cases
        for mode in MODES
        if mode.outcome(case)
    }
    return served | {(row.name, case, mode) for row, case, mode in machine_rows.runs()}


def is_whole(runs: Iterable[Showed]) -> bool:
    """Tell whether a run was of the whole matrix."""
    return {(run.row, run.case, run.mode) for run in runs} == expected()


def write(reports: Iterable[Any]) -> str:
    """Write the page where the whole matrix ran; say so, and how much of it held."""
    runs = showed(reports)
    told = f"faults: {sum(run.held for run in runs)} of {len(runs)} held"
    if not is_whole(runs):
        return f"{told}; that is not the whole matrix"
    FILE.write_text(page(runs), encoding="utf-8")
    return f"{told}; written to {FILE}"


def page(runs: Iterable[Showed]) -> str:
    """Write the page."""
    by_case = {(run.row, run.case, run.mode): run for run in runs}
    modes = [mode.name for mode in MODES]
    lines = [_HEAD, *_totals(by_case.values()), "", "## The server", ""]
    lines += _table("row", "the server", modes)
    for row in server_rows.ROWS:
        for case in row.cases:
            cells = [_cell(by_case.get((row.name, case.name, mode))) for mode in modes]
            lines.append(_line(row.name, _told(row.what, case.name), *cells))
    lines += ["", "## The machine and the person", ""]
    lines += _table("row", "what", ["status"])
    for row, case, mode in machine_rows.runs():
        lines.append(
            _line(row.name, _told(row.what, case), _cell(by_case.get((row.name, case, mode))))
        )
    return "\n".join([*lines, ""])


def totals(runs: Iterable[Showed]) -> Mapping[str, tuple[int, int, int]]:
    """Give, for every mode, how many rows, how many cases, and how many of these held."""
    runs = list(runs)
    cases = Counter(run.mode for run in runs)
    held = Counter(run.mode for run in runs if run.held)
    return {
        mode: (len({run.row for run in runs if run.mode == mode}), count, held[mode])
        for mode, count in cases.items()
    }


def _totals(runs: Iterable[Showed]) -> list[str]:
    told = totals(runs)
    known = [*(mode.name for mode in MODES), machine_rows.MODE]
    lines = _table("mode", "rows", ["cases", "held"])
    lines += [_line(mode, *map(str, told[mode])) for mode in known if mode in told]
    rows = len({run.row for run in runs})
    _, cases, held = map(sum, zip(*told.values(), strict=True))
    return [*lines, _line("**all**", str(rows), str(cases), str(held))]


def _told(what: str, case: str) -> str:
    return f"{what}: {case}" if case else what


def _cell(run: Showed | None) -> str:
    if run is None:
        return ""
    return run.status if run.held else f"**{run.status}, not held**"


def _table(first: str, second: str, others: Iterable[str]) -> list[str]:
    heads = [first, second, *others]
    return [_line(*heads), f"|{'---|' * len(heads)}"]


def _line(*cells: str) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("|", "\\|") if len(cell) < 120 else f"{cell[:100]}…"
