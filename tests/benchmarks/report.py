"""The measurements as text (RESULTS.md) and chart (chart.svg)."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.budgets import judge
from benchmarks.figures import MEASURES, Cost, Figures, Measure, exponent, median
from benchmarks.programs import PROGRAMS
from benchmarks.scenarios import SCENARIOS

ABSENT = "\N{EN DASH}"
_FEW_MEGABYTES = 0.4
"""With fewer megabytes, the cost of sending is smaller than the noise of start-up."""
_TITLES: Mapping[Measure, str] = {
    "cpu": "CPU, seconds (user and system)",
    "wall": "Wall clock, seconds",
    "peak": "Peak memory, MB",
    "sent": "Bytes sent, kB",
}
_UNITS: Mapping[Measure, float] = {"cpu": 1, "wall": 1, "peak": 1e6, "sent": 1e3}
_OWN_NAME = "contextops"


def document(figures: Figures, versions: Sequence[str], runs: int) -> str:
    """Return the text of RESULTS.md."""
    parts = [
        "# Cost of contextops and other programs",
        _HEAD.format(runs=runs, day=datetime.now(UTC).date(), machine=machine()),
        _list(versions),
        *_comparison(figures),
        *_growths(figures),
        *_budgets(figures),
        "## How to read it",
        _NOTES,
        *(["## Not measured", _list(figures.absent)] if figures.absent else []),
    ]
    return "\n\n".join(parts) + "\n"


_HEAD = """\
Written by `python tests/benchmarks/compare.py --runs {runs}` on {day}: {machine}.
Medians of {runs} runs of programs that have been used before. The programs ran in turn, against one
server on the loopback address. Seconds differ between machines; the ratios, which are medians of
the ratios of each round, are the result."""
_NOTES = f"""\
- {ABSENT} means that a program does not have the function, or that the scenario does not apply.
  curl prints the events unchanged, and uses jq where a prompt must be encoded as JSON.
- `script` is a dozen lines with httpx. `lean script` is the same with `verify=False`, which avoids
  loading CA certificates that a plain http URL does not need; contextops does not load them there.
- `import typer` is a Python process that does nothing else, in the environment of contextops: the
  minimum cost of a command line of this kind.
- shell-gpt runs without Markdown, which it renders from the start with every token, and with a
  limit of more than 100 messages. It does not list models, and its completion script runs the
  program. It needs typer below 0.26, since it imports click without declaring it.
- openwebui-cli runs without tools, which need another request first; it does not store
  conversations. llm logs prompts and answers, as it does by default.
- The server is a separate process with its answers ready. An answer has one HTTP chunk for every
  event, all sent at once. Memory below 10 MB is not resolved, since a peak includes that of the
  small process that starts the command.
- An exponent is computed from the last two sizes, after subtraction of the cost of the smallest: 1
  is linear, 2 quadratic, {ABSENT} no growth above the noise."""


def machine() -> str:
    """Return a description of the machine: processor, cores, system, Python."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    system = f"{platform.system()} {platform.release()}"
    return f"{processor}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def _comparison(figures: Figures) -> Iterator[str]:
    names = [program.name for program in PROGRAMS]
    measured = [name for name in SCENARIOS if any(figures.rounds.get(name, {}).values())]
    columns = [name for name in names if any(name in figures.rounds[one] for one in measured)]
    if not measured:
        return
    for measure in MEASURES:
        rows = [
            [SCENARIOS[one].title]
            + [_cell(figures.median(one, name, measure), measure) for name in columns]
            for one in measured
        ]
        yield f"## {_TITLES[measure]}"
        yield _table(["", *columns], rows)
    others = [name for name in columns if name != _OWN_NAME]
    rows = [
        [SCENARIOS[one].title, *(_times(figures.ratio(one, name, _OWN_NAME)) for name in others)]
        for one in measured
    ]
    yield "## CPU, as a multiple of contextops"
    yield _table(["", *others], rows)
    turn_scenarios = [name for name in measured if SCENARIOS[name].turns]
    if turn_scenarios:
        rows = [
            [SCENARIOS[one].title]
            + [_cell(figures.median(one, name, "sent"), "sent") for name in columns]
            for one in turn_scenarios
        ]
        yield f"## {_TITLES['sent']}"
        yield _table(["", *columns], rows)


def _growths(figures: Figures) -> Iterator[str]:
    if figures.growth:
        yield "## Growth"
    for title, programs in figures.growth.items():
        sizes = sorted({size for costs in programs.values() for size in costs})
        rows: list[list[str]] = []
        for name, costs in programs.items():
            measures: tuple[Measure, ...] = ("cpu", "peak", "sent")
            shown_measures = measures if _sends_more(costs) else measures[:2]
            rows += [_growth_row(name, measure, costs, sizes) for measure in shown_measures]
            if _sends_more(costs):
                rows.append(_per_megabyte_row(name, costs, sizes))
        yield _table([title, *(f"{size:,}" for size in sizes), "exponent"], rows)


def _sends_more(costs: Mapping[int, Sequence[Cost]]) -> bool:
    return exponent(costs, "sent") is not None


def _growth_row(
    name: str, measure: Measure, costs: Mapping[int, Sequence[Cost]], sizes: Iterable[int]
) -> list[str]:
    cells = [
        _cell(median(costs[size], measure) if costs.get(size) else None, measure) for size in sizes
    ]
    growth = exponent(costs, measure)
    title = _TITLES[measure].replace(" (user and system)", "")
    return [f"{name}: {title}", *cells, ABSENT if growth is None else f"{growth:.2f}"]


def _per_megabyte_row(
    name: str, costs: Mapping[int, Sequence[Cost]], sizes: Sequence[int]
) -> list[str]:
    """Return the row of CPU seconds per megabyte sent, both beyond the smallest size."""
    start = costs[sizes[0]]
    cells = [ABSENT]
    for size in sizes[1:]:
        more = (median(costs[size], "sent") - median(start, "sent")) / 1e6
        beyond = median(costs[size], "cpu") - median(start, "cpu")
        cells.append(_short(beyond / more) if more >= _FEW_MEGABYTES else ABSENT)
    return [f"{name}: CPU, seconds per additional MB sent", *cells, ""]


def _budgets(figures: Figures) -> Iterator[str]:
    results = judge(figures)
    if results:
        rows = [
            [budget.title, budget.limit, f"{budget.measured:.3f}", budget.verdict]
            for budget in results
        ]
        yield "## Budgets"
        yield _table(["ratio in one run", "budget", "measured", ""], rows)


def _cell(value: float | None, measure: Measure) -> str:
    return ABSENT if value is None or value < 0 else _short(value / _UNITS[measure])


def _times(ratio: float | None) -> str:
    return ABSENT if ratio is None else f"{_short(ratio)} \N{MULTIPLICATION SIGN}"


def _short(value: float) -> str:
    """Return a figure with three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


# The chart

_WIDTH, _BAR, _STEP, _LEFT = 760, 18, 26, 120
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title, .ours text { font-weight: 600 } .name { text-anchor: end }
rect { fill: #8c959f } .ours rect { fill: #1a7f5a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } rect { fill: #6e7681 } .ours rect { fill: #3fb68b }
}
"""
_CHARTED = {"cold": "CPU of one short answer", "tokens": "CPU of 100,000 streamed tokens"}
_NOT_CHARTED = ("import typer", "lean script")


def chart(figures: Figures) -> str:
    """Return a bar chart of the CPU time of two scenarios in every program, as SVG."""
    y = 0
    parts: list[str] = []
    titles: list[str] = []
    for scenario, title in _CHARTED.items():
        cells = [
            (program.name, value)
            for program in PROGRAMS
            if program.name not in _NOT_CHARTED
            and (value := figures.median(scenario, program.name, "cpu")) is not None
        ]
        if not cells:
            continue
        cells.sort(key=lambda cell: cell[1])
        parts.append(f'<text class="title" x="0" y="{y + 16}">{escape(title)}</text>')
        parts += _bars(cells, y + 26)
        titles.append(f"{title}: {', '.join(f'{name} {_time(value)}' for name, value in cells)}")
        y += 26 + _STEP * len(cells) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" '
        f'height="{y}" role="img">\n<title>{escape(". ".join(titles))}</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(cells: Sequence[tuple[str, float]], top: int) -> Iterator[str]:
    largest = max(value for _, value in cells)
    for row, (name, value) in enumerate(cells):
        y = top + row * _STEP
        width = max(1.0, value / largest * (_WIDTH - _LEFT - 80))
        x = _LEFT + width + 8
        yield '<g class="ours">' if name == _OWN_NAME else "<g>"
        yield f'<text class="name" x="{_LEFT - 8}" y="{y + 14}">{escape(name)}</text>'
        yield f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
        yield f'<text x="{x:.1f}" y="{y + 14}">{_time(value)}</text>'
        yield "</g>"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
