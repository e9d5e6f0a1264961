"""What is promised, as ratios in one run, and whether it held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.figures import Figures, exponent

CHEAP = ("help", "config path", "completion", "tab")
LINEAR = 1.15
"""The exponent that is still called linear: an n log n, and the noise of a loaded machine."""

FLAT = 1.25
"""The ratio that is still called flat: peaks of one command differ by up to 7 MB between runs (31
to 38 seen), and to hold those events would take 20 MB more."""


class Budget(NamedTuple):
    """A promise: the measured ratio is at most (or at least) the bound."""

    promise: str
    measured: float
    bound: float
    at_least: bool = False

    @property
    def held(self) -> bool:
        """Tell whether it held."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        return f"{self.promise}: {self.measured:.3f} ({self.limit}), {self.verdict}"

    @property
    def limit(self) -> str:
        """Write the bound."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    @property
    def verdict(self) -> str:
        """Say whether it held."""
        return "held" if self.held else "NOT HELD"


def judge(figures: Figures) -> list[Budget]:
    """Judge every promise that was measured; what was not is left out."""
    return [*_ratios(figures), *_growth(figures)]


def _ratios(figures: Figures) -> Iterator[Budget]:
    def of(scenario: str, one: str, other: str) -> Iterator[float]:
        ratio = figures.ratio(scenario, one, other)
        if ratio is not None:
            yield ratio

    for ratio in of("cold", "contextops", "script"):
        yield Budget("one short answer: CPU beside the script's", ratio, 1.2)
    for ratio in of("cold", "llm", "contextops"):
        yield Budget("one short answer: llm's CPU beside ours", ratio, 5, at_least=True)
    for ratio in of("tokens", "contextops", "script"):
        yield Budget("100,000 tokens: CPU beside the script's", ratio, 1.0)
    for scenario in CHEAP:
        for ratio in of(scenario, "contextops", "import typer"):
            yield Budget(f"{scenario}: CPU beside `import typer`", ratio, 1.3)
    cold, tokens = (figures.median(name, "contextops", "peak") for name in ("cold", "tokens"))
    if cold and tokens:
        yield Budget("memory: 100,000 tokens beside one short answer", tokens / cold, FLAT)


def _growth(figures: Figures) -> Iterator[Budget]:
    for what, programs in figures.growth.items():
        sizes = programs.get("contextops", {})
        if len(sizes) < 3:
            continue
        time, memory = exponent(sizes, "cpu"), exponent(sizes, "peak")
        yield Budget(f"growth with {what}: exponent of time", time or 0.0, LINEAR)
        yield Budget(f"growth with {what}: exponent of memory", memory or 0.0, LINEAR)
