"""What was measured, as RESULTS.md and chart.svg."""

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
"""Below, what sending costs is lost in the noise of a start."""
_TITLES: Mapping[Measure, str] = {
    "cpu": "CPU, seconds (user and system)",
    "wall": "Wall clock, seconds",
    "peak": "Memory at its peak, MB",
    "sent": "Bytes sent, kB",
}
_UNITS: Mapping[Measure, float] = {"cpu": 1, "wall": 1, "peak": 1e6, "sent": 1e3}
_US = "contextops"


def document(figures: Figures, versions: Sequence[str], runs: int) -> str:
    """Write RESULTS.md."""
    parts = [
        "# What contextops costs, beside others",
        _HEAD.format(runs=runs, day=datetime.now(UTC).date(), machine=machine()),
        _list(versions),
        *_comparison(figures),
        *_growths(figures),
        *_judged(figures),
        "## How to read it",
        _NOTES,
        *(["## Not measured", _list(figures.absent)] if figures.absent else []),
    ]
    return "\n\n".join(parts) + "\n"


_HEAD = """\
Written by `python tests/benchmarks/compare.py --runs {runs}` on {day}: {machine}.
Medians of {runs} runs, by programs that have been used before. They took turns, against one server
on the loopback. Other machines have other seconds; what counts are the ratios, which are medians of
each round's ratio."""
_NOTES = f"""\
- {ABSENT} stands where a program has no such thing, or is no measure for it. curl prints the events
  as they come, and has jq beside it where a prompt must become JSON.
- `script` is what one writes with httpx in a dozen lines. `lean script` is the same with
  `verify=False`, which spares it the store of certificates that a plain http address cannot need;
  contextops does not load it for one.
- `import typer` is a Python that does nothing else, in the environment of contextops: the least
  that a command line of this kind can cost.
- shell-gpt is run without Markdown, which renders the whole answer anew with every token, and is
  told to keep more than 100 messages. It lists no models, and the completion script that it prints
  asks it for what it does not know. It wants typer below 0.26: it imports click without naming it.
- openwebui-cli is run without tools, about which it would ask the server first; it keeps no
  conversation. llm logs what it is asked, as it does by itself.
- The server is a process of its own with its answers ready. An answer is one block of HTTP for
  every event, all sent at once. What lies below 10 MB of memory is not told apart: a peak begins
  with that of the small process that starts the command.
- An exponent is that of the last step, of what a size costs beyond the smallest: 1 is linear, 2
  quadratic, {ABSENT} no growth that stands out of the noise."""


def machine() -> str:
    """Name the machine: processor, cores, system, Python."""
    processor = platform.processor() or platform.machine()
    told = Path("/proc/cpuinfo")
    if told.exists():
        names = [line for line in told.read_text().splitlines() if line.startswith("model name")]
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
    others = [name for name in columns if name != _US]
    rows = [
        [SCENARIOS[one].title, *(_times(figures.ratio(one, name, _US)) for name in others)]
        for one in measured
    ]
    yield "## CPU, as a multiple of ours"
    yield _table(["", *others], rows)
    turns = [name for name in measured if SCENARIOS[name].turns]
    if turns:
        rows = [
            [SCENARIOS[one].title]
            + [_cell(figures.median(one, name, "sent"), "sent") for name in columns]
            for one in turns
        ]
        yield f"## {_TITLES['sent']}"
        yield _table(["", *columns], rows)


def _growths(figures: Figures) -> Iterator[str]:
    if figures.growth:
        yield "## Growth"
    for what, programs in figures.growth.items():
        sizes = sorted({size for found in programs.values() for size in found})
        rows: list[list[str]] = []
        for name, found in programs.items():
            measures: tuple[Measure, ...] = ("cpu", "peak", "sent")
            grown = measures if _sends_more(found) else measures[:2]
            rows += [_growth_row(name, measure, found, sizes) for measure in grown]
            if _sends_more(found):
                rows.append(_by_the_byte(name, found, sizes))
        yield _table([what, *(f"{size:,}" for size in sizes), "exponent"], rows)


def _sends_more(found: Mapping[int, Sequence[Cost]]) -> bool:
    return exponent(found, "sent") is not None


def _growth_row(
    name: str, measure: Measure, found: Mapping[int, Sequence[Cost]], sizes: Iterable[int]
) -> list[str]:
    cells = [
        _cell(median(found[size], measure) if found.get(size) else None, measure) for size in sizes
    ]
    grown = exponent(found, measure)
    title = _TITLES[measure].replace(" (user and system)", "")
    return [f"{name}: {title}", *cells, ABSENT if grown is None else f"{grown:.2f}"]


def _by_the_byte(name: str, found: Mapping[int, Sequence[Cost]], sizes: Sequence[int]) -> list[str]:
    """Tell what a size costs beyond the smallest, by the megabytes that it sends more."""
    start = found[sizes[0]]
    cells = [ABSENT]
    for size in sizes[1:]:
        more = (median(found[size], "sent") - median(start, "sent")) / 1e6
        beyond = median(found[size], "cpu") - median(start, "cpu")
        cells.append(_short(beyond / more) if more >= _FEW_MEGABYTES else ABSENT)
    return [f"{name}: CPU, seconds by the MB sent more", *cells, ""]


def _judged(figures: Figures) -> Iterator[str]:
    judged = judge(figures)
    if judged:
        rows = [
            [budget.promise, budget.limit, f"{budget.measured:.3f}", budget.verdict]
            for budget in judged
        ]
        yield "## Budgets"
        yield _table(["ratio in one run", "budget", "measured", ""], rows)


def _cell(value: float | None, measure: Measure) -> str:
    return ABSENT if value is None or value < 0 else _short(value / _UNITS[measure])


def _times(ratio: float | None) -> str:
    return ABSENT if ratio is None else f"{_short(ratio)} \N{MULTIPLICATION SIGN}"


def _short(value: float) -> str:
    """Write a figure with what can be told of it."""
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
_LEFT_OUT = ("import typer", "lean script")


def chart(figures: Figures) -> str:
    """Draw what two scenarios cost in every program, as bars from zero."""
    y = 0
    parts: list[str] = []
    told: list[str] = []
    for scenario, title in _CHARTED.items():
        cells = [
            (program.name, value)
            for program in PROGRAMS
            if program.name not in _LEFT_OUT
            and (value := figures.median(scenario, program.name, "cpu")) is not None
        ]
        if not cells:
            continue
        cells.sort(key=lambda cell: cell[1])
        parts.append(f'<text class="title" x="0" y="{y + 16}">{escape(title)}</text>')
        parts += _bars(cells, y + 26)
        told.append(f"{title}: {', '.join(f'{name} {_time(value)}' for name, value in cells)}")
        y += 26 + _STEP * len(cells) + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" '
        f'height="{y}" role="img">\n<title>{escape(". ".join(told))}</title>\n'
        f"<style>{_STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bars(cells: Sequence[tuple[str, float]], top: int) -> Iterator[str]:
    most = max(value for _, value in cells)
    for row, (name, value) in enumerate(cells):
        y = top + row * _STEP
        width = max(1.0, value / most * (_WIDTH - _LEFT - 80))
        x = _LEFT + width + 8
        yield '<g class="ours">' if name == _US else "<g>"
        yield f'<text class="name" x="{_LEFT - 8}" y="{y + 14}">{escape(name)}</text>'
        yield f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
        yield f'<text x="{x:.1f}" y="{y + 14}">{_time(value)}</text>'
        yield "</g>"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"
