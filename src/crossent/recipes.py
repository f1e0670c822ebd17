"""A model of several seeds as a recipe: the spread between its runs, and Welch's t between two recipes.

Paired statistics of the seed-averaged losses say what holds for other examples; these, for other seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crossent.statistics import Difference, welch
from crossent.wording import MEASURES, Measure

FEWEST = 3
"""With fewer seeds on a side the verdict is about these runs, not about the recipe."""


@dataclass(frozen=True)
class Spread:
    """One measure's mean in each run, and their standard deviation; None where one is infinite or alone."""

    values: tuple[float, ...]
    deviation: float | None


@dataclass(frozen=True)
class Seeds:
    """The runs that one model consists of, by name, and how much the measures differ between them."""

    runs: tuple[str, ...]
    classification_error: Spread
    squared_error: Spread
    cross_entropy: Spread

    @classmethod
    def of(cls, runs: Sequence[str], means: Mapping[Measure, Sequence[float]]) -> Seeds:
        """From the mean of each measure in each run."""
        return cls(tuple(runs), *(_spread(means[measure]) for measure in MEASURES))

    def by(self, measure: Measure) -> Spread:
        """The spread of one measure."""
        found: Spread = getattr(self, measure)
        return found


@dataclass(frozen=True)
class SeedDifferences:
    """Two models' mean losses, b - a, by Welch's t on the means of their ``a_runs`` and ``b_runs`` runs."""

    a_runs: int
    b_runs: int
    classification_error: Difference
    squared_error: Difference
    cross_entropy: Difference

    def __str__(self) -> str:
        """``5 and 5 seeds``."""
        return f"{self.a_runs} and {self.b_runs} seeds"

    @property
    def about_recipes(self) -> bool:
        """Whether both sides have seeds enough for a verdict on the recipe."""
        return min(self.a_runs, self.b_runs) >= FEWEST

    def by(self, measure: Measure) -> Difference:
        """The difference of one measure."""
        found: Difference = getattr(self, measure)
        return found

    def with_holm(self, measure: Measure, p_holm: float | None) -> SeedDifferences:
        """The same with one measure's adjusted p-value."""
        adjusted: dict[str, Any] = {measure: replace(self.by(measure), p_holm=p_holm)}
        return replace(self, **adjusted)


def seed_differences(a: Seeds, b: Seeds, confidence: float) -> SeedDifferences:
    """What the runs of two models say of b - a; a model of a single run has one, which tells no spread."""
    differences = (welch(a.by(measure).values, b.by(measure).values, confidence) for measure in MEASURES)
    return SeedDifferences(len(a.runs), len(b.runs), *differences)


def _spread(values: Sequence[float]) -> Spread:
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return Spread(tuple(values), None)
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return Spread(tuple(values), math.sqrt(squares / (len(values) - 1)))
