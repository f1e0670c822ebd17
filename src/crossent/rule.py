"""Which series of numbers a block's rows have, in which order, and what they are once they are added up.

From the models alone; the numbers are made in `tally`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crossent.moments import Series
from crossent.predictions import ModelSource

S = TypeVar("S", Sequence[Series], NDArray[np.float64])


@dataclass(frozen=True)
class Rule:
    """What a block's sums depend on beside its rows: ``top`` examples are kept per pair and direction."""

    models: tuple[ModelSource, ...]
    classes: tuple[str, ...]
    clip: float | None
    top: int

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple(combinations(range(len(self.models)), 2))

    @property
    def series(self) -> int:
        """How many series there are: three of each model, pair, and run of several seeds; two of labels."""
        runs = sum(len(model.seeds) for model in self.models)
        return 3 * (len(self.models) + len(self.pairs) + runs) + 2

    def apart(self, series: S) -> tuple[list[S], list[S], list[list[S]]]:
        """The series by threes: of each model, of each pair, of the runs of each model of several seeds."""
        threes = iter([series[start : start + 3] for start in range(0, self.series - 2, 3)])

        def some(count: int) -> list[S]:
            return list(islice(threes, count))

        models, pairs = some(len(self.models)), some(len(self.pairs))
        return models, pairs, [some(len(model.seeds)) for model in self.models]


@dataclass(frozen=True)
class Measures:
    """The three measures of a model, or their differences b - a for a pair, as series of examples.

    The cross-entropy is over the rows where it is finite, for a pair in both.
    """

    classification_error: Series
    squared_error: Series
    cross_entropy: Series


@dataclass(frozen=True)
class MeasureSeries:
    """The series of a set of rows, taken apart: models, pairs, each model's runs where it is several seeds
    (else none), the labels' entropy and sum of squares."""

    models: tuple[Measures, ...]
    pairs: tuple[Measures, ...]
    runs: tuple[tuple[Measures, ...], ...]
    label_entropy: Series
    label_squares: Series

    @classmethod
    def of(cls, series: Sequence[Series], rule: Rule) -> MeasureSeries:
        models, pairs, runs = rule.apart(series)
        return cls(
            tuple(Measures(*three) for three in models),
            tuple(Measures(*three) for three in pairs),
            tuple(tuple(Measures(*three) for three in its) for its in runs),
            series[-2],
            series[-1],
        )
