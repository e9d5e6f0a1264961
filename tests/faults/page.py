"""The results of the fault matrix, written to ``README.md`` in this folder.

The page is written by a run of the complete matrix, never by hand. It has the exit status of every
case in every mode. A run in which every case passes leaves the page unchanged.
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
"""The property of a test report that names its row, case and mode."""

_HEAD = """\
# Fault matrix: results

Written by `pytest -m faults`, which runs every case in a separate process against a server on raw
sockets, and compares the exit status, every byte of stdout, the lines on stderr, memory and time.
The cells are exit statuses; -N is death by signal N.
"""


@dataclass(frozen=True)
class RunResult:
    """The result of one run: its row, case and mode, its exit status, and whether it passed."""

    row: str
    case: str
    mode: str
    status: str
    passed: bool


def name_of(row: Row, case: Case, mode: Mode) -> dict[str, str]:
    """Return the property that identifies a run in its report."""
    return {"row": row.name, "case": case.name, "mode": mode.name}


def read_results(reports: Iterable[Any]) -> list[RunResult]:
    """Return the results of the matrix in the reports of a pytest run."""
    results = []
    for report in reports:
        properties = dict(report.user_properties)
        if PROPERTY in properties:
            status = str(properties.get("status", "none"))
            results.append(
                RunResult(**properties[PROPERTY], status=status, passed=report.outcome == "passed")
            )
    return results


def expected() -> set[tuple[str, str, str]]:
    """Return row, case and mode of every run of the complete matrix."""
    served = {
        (row.name, case.name, mode.name)
        for row in server_rows.ROWS
        for case in row.cases
        for mode in MODES
        if mode.outcome(case)
    }
    return served | {(row.name, case, mode) for row, case, mode in machine_rows.runs()}


def is_complete(runs: Iterable[RunResult]) -> bool:
    """Return whether the runs are those of the complete matrix."""
    return {(run.row, run.case, run.mode) for run in runs} == expected()


def write(reports: Iterable[Any]) -> str:
    """Write the page if the complete matrix ran; return a summary."""
    runs = read_results(reports)
    summary = f"faults: {sum(run.passed for run in runs)} of {len(runs)} passed"
    if not is_complete(runs):
        return f"{summary}; the page is not written, since the matrix is not complete"
    FILE.write_text(page(runs), encoding="utf-8")
    return f"{summary}; written to {FILE}"


def page(runs: Iterable[RunResult]) -> str:
    """Return the text of the page."""
    by_case = {(run.row, run.case, run.mode): run for run in runs}
    modes = [mode.name for mode in MODES]
    lines = [_HEAD, *_totals(by_case.values()), "", "## Faults of the server", ""]
    lines += _table("row", "fault", modes)
    for row in server_rows.ROWS:
        for case in row.cases:
            cells = [_cell(by_case.get((row.name, case.name, mode))) for mode in modes]
            lines.append(_line(row.name, _title(row.title, case.name), *cells))
    lines += ["", "## Faults of the machine and invalid input", ""]
    lines += _table("row", "fault", ["status"])
    for row, case, mode in machine_rows.runs():
        lines.append(
            _line(row.name, _title(row.title, case), _cell(by_case.get((row.name, case, mode))))
        )
    return "\n".join([*lines, ""])


def totals(runs: Iterable[RunResult]) -> Mapping[str, tuple[int, int, int]]:
    """Return the numbers of rows, cases and passed cases of every mode."""
    runs = list(runs)
    cases = Counter(run.mode for run in runs)
    passed = Counter(run.mode for run in runs if run.passed)
    return {
        mode: (len({run.row for run in runs if run.mode == mode}), count, passed[mode])
        for mode, count in cases.items()
    }


def _totals(runs: Iterable[RunResult]) -> list[str]:
    by_mode = totals(runs)
    known = [*(mode.name for mode in MODES), machine_rows.MODE]
    lines = _table("mode", "rows", ["cases", "passed"])
    lines += [_line(mode, *map(str, by_mode[mode])) for mode in known if mode in by_mode]
    rows = len({run.row for run in runs})
    _, cases, passed = map(sum, zip(*by_mode.values(), strict=True))
    return [*lines, _line("**all**", str(rows), str(cases), str(passed))]


def _title(title: str, case: str) -> str:
    return f"{title}: {case}" if case else title


def _cell(run: RunResult | None) -> str:
    if run is None:
        return ""
    return run.status if run.passed else f"**{run.status}, failed**"


def _table(first: str, second: str, others: Iterable[str]) -> list[str]:
    heads = [first, second, *others]
    return [_line(*heads), f"|{'---|' * len(heads)}"]


def _line(*cells: str) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("|", "\\|") if len(cell) < 120 else f"{cell[:100]}…"
