"""Budgets: limits on ratios within one run, and whether they are met."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.figures import Figures, exponent

CHEAP = ("help", "config path", "completion", "tab")
LINEAR = 1.15
"""The largest exponent that counts as linear: n log n, and the noise of a loaded machine."""

FLAT = 1.25
"""The largest ratio that counts as constant memory.

Peaks of one command differ by up to 7 MB between runs (31 to 38 measured). Storing the events of
100,000 tokens would take 20 MB more."""


class Budget(NamedTuple):
    """A limit: the measured ratio must be at most (or at least) the bound."""

    title: str
    measured: float
    bound: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the budget is met."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        return f"{self.title}: {self.measured:.3f} ({self.limit}), {self.verdict}"

    @property
    def limit(self) -> str:
        """The bound as text."""
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    @property
    def verdict(self) -> str:
        """Whether the budget is met, as text."""
        return "met" if self.is_met else "NOT MET"


def judge(figures: Figures) -> list[Budget]:
    """Return the budgets whose ratios were measured."""
    return [*_ratios(figures), *_growth(figures)]


def _ratios(figures: Figures) -> Iterator[Budget]:
    def ratio_of(scenario: str, one: str, other: str) -> Iterator[float]:
        ratio = figures.ratio(scenario, one, other)
        if ratio is not None:
            yield ratio

    for ratio in ratio_of("cold", "contextops", "script"):
        yield Budget("one short answer: CPU relative to the script", ratio, 1.2)
    for ratio in ratio_of("cold", "llm", "contextops"):
        yield Budget("one short answer: CPU of llm relative to contextops", ratio, 5, at_least=True)
    for ratio in ratio_of("tokens", "contextops", "script"):
        yield Budget("100,000 tokens: CPU relative to the script", ratio, 1.0)
    for scenario in CHEAP:
        for ratio in ratio_of(scenario, "contextops", "import typer"):
            yield Budget(f"{scenario}: CPU relative to `import typer`", ratio, 1.3)
    cold, tokens = (figures.median(name, "contextops", "peak") for name in ("cold", "tokens"))
    if cold and tokens:
        yield Budget("memory: 100,000 tokens relative to one short answer", tokens / cold, FLAT)


def _growth(figures: Figures) -> Iterator[Budget]:
    for what, programs in figures.growth.items():
        sizes = programs.get("contextops", {})
        if len(sizes) < 3:
            continue
        time, memory = exponent(sizes, "cpu"), exponent(sizes, "peak")
        yield Budget(f"growth with {what}: exponent of time", time or 0.0, LINEAR)
        yield Budget(f"growth with {what}: exponent of memory", memory or 0.0, LINEAR)
