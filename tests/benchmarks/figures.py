"""What was measured, and what is made of it: medians, ratios, exponents of growth."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Measure: TypeAlias = Literal["cpu", "wall", "peak", "sent"]
MEASURES: tuple[Measure, ...] = ("cpu", "wall", "peak")


class Cost(NamedTuple):
    """One run: seconds of CPU (user and system), of the clock, bytes of memory at its peak.

    ``sent`` are the bytes of the request's body, -1 where there was none.
    """

    cpu: float
    wall: float
    peak: int
    sent: int = -1


@dataclass
class Figures:
    """Every run: ``rounds`` by scenario and program, ``growth`` by what grows, program and size.

    The n-th costs of all programs in a scenario were measured one after the other.
    """

    rounds: dict[str, dict[str, list[Cost]]] = field(default_factory=dict)
    growth: dict[str, dict[str, dict[int, list[Cost]]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    """Who could not be measured, and why, a sentence each."""

    def median(self, scenario: str, program: str, measure: Measure) -> float | None:
        """Give the median of a cell, None where the program was not measured."""
        costs = self.rounds.get(scenario, {}).get(program)
        return median(costs, measure) if costs else None

    def ratio(self, scenario: str, one: str, other: str, measure: Measure = "cpu") -> float | None:
        """Give how many times ``other`` there is in ``one``: the median of each round's ratio."""
        cells = self.rounds.get(scenario, {})
        pairs = zip(cells.get(one, ()), cells.get(other, ()), strict=False)
        ratios = [getattr(mine, measure) / getattr(theirs, measure) for mine, theirs in pairs]
        return statistics.median(ratios) if ratios else None


def median(costs: Sequence[Cost], measure: Measure) -> float:
    """Give the median of one measure over some runs."""
    return float(statistics.median(getattr(cost, measure) for cost in costs))


_NOISE: Mapping[Measure, float] = {"cpu": 0.05, "wall": 0.1, "peak": 3e6, "sent": 1.0}


def exponent(sizes: Mapping[int, Sequence[Cost]], measure: Measure) -> float | None:
    """Give e where the cost grows as size ** e: 1 is linear, 2 quadratic; None where it does not.

    It is that of the last step, of the cost beyond the smallest size, which is the start.
    """
    if len(sizes) < 3:
        return None
    first, *_, before, last = sorted(sizes)
    start = median(sizes[first], measure)
    beyond = median(sizes[last], measure) - start
    if beyond < _NOISE[measure]:
        return None
    base = max(median(sizes[before], measure) - start, _NOISE[measure] / 5)
    return math.log(beyond / base) / math.log(last / before)
