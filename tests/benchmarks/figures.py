"""Measurements, and their medians, ratios and exponents of growth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Measure: TypeAlias = Literal["cpu", "wall", "peak", "sent"]
MEASURES: tuple[Measure, ...] = ("cpu", "wall", "peak")


class Cost(NamedTuple):
    """The cost of one run: CPU seconds (user and system), wall-clock seconds, peak memory in bytes.

    ``sent`` is the size of the request body in bytes, -1 if there was none.
    """

    cpu: float
    wall: float
    peak: int
    sent: int = -1


@dataclass
class Figures:
    """All costs: ``rounds`` by scenario and program, ``growth`` by dimension, program and size.

    The n-th costs of all programs in a scenario were measured in the same round.
    """

    rounds: dict[str, dict[str, list[Cost]]] = field(default_factory=dict)
    growth: dict[str, dict[str, dict[int, list[Cost]]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    """One sentence for each program that was not measured, with the reason."""

    def median(self, scenario: str, program: str, measure: Measure) -> float | None:
        """Return the median cost of a program in a scenario, None if it was not measured."""
        costs = self.rounds.get(scenario, {}).get(program)
        return median(costs, measure) if costs else None

    def ratio(self, scenario: str, one: str, other: str, measure: Measure = "cpu") -> float | None:
        """Return the ratio of ``one`` to ``other``: the median of the ratios of all rounds."""
        cells = self.rounds.get(scenario, {})
        pairs = zip(cells.get(one, ()), cells.get(other, ()), strict=False)
        ratios = [
            getattr(first_cost, measure) / getattr(second_cost, measure)
            for first_cost, second_cost in pairs
        ]
        return statistics.median(ratios) if ratios else None


def median(costs: Sequence[Cost], measure: Measure) -> float:
    """Return the median of one measure over several runs."""
    return float(statistics.median(getattr(cost, measure) for cost in costs))


_NOISE: Mapping[Measure, float] = {"cpu": 0.05, "wall": 0.1, "peak": 3e6, "sent": 1.0}


def exponent(sizes: Mapping[int, Sequence[Cost]], measure: Measure) -> float | None:
    """Return the exponent e with which the cost grows as size ** e; None if it does not grow.

    1 is linear growth, 2 quadratic. The exponent is computed from the last two sizes, after
    subtraction of the cost of the smallest size, which is that of start-up.
    """
    if len(sizes) < 3:
        return None
    first, *_, previous, last = sorted(sizes)
    start = median(sizes[first], measure)
    beyond = median(sizes[last], measure) - start
    if beyond < _NOISE[measure]:
        return None
    base = max(median(sizes[previous], measure) - start, _NOISE[measure] / 5)
    return math.log(beyond / base) / math.log(last / previous)
