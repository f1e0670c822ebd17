"""What one model costs more than another on the rows of a block: series, counts, and the parts of the gap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.differences import of_pair
from crossent.kernels.layout import read_only
from crossent.measures import ExampleLosses

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MORE_WRONG = 0.1
"""Nats by which two cross-entropies must differ for one model to be more wrong on an example."""

PARTS = ("both_right", "only_a_wrong", "only_b_wrong", "both_wrong")
"""The four parts of the gap. Where a model is several seeds, half of them make an example wrong."""


@dataclass(frozen=True)
class Differences:
    """Two models' losses on the same rows, b - a; what only rounding tells apart is 0.

    Attributes
    ----------
    series : (3, n) differences of wrong, squared error and cross-entropy; the last one nan where both
        are infinite.
    parts : (4,) examples of each part.
    infinite : (4, 3) examples with weight, by part, where only a, only b, both cost infinitely much.
    more_wrong : (2,) examples on which a, b is more wrong by over `MORE_WRONG`.
    gap : (4,) Σ w d of the finite differences d of cross-entropy, by part.
    gap_weight : Σ w of their rows.
    """

    series: Floats
    parts: Ints
    infinite: Ints
    more_wrong: Ints
    gap: Floats
    gap_weight: float

    @classmethod
    def of(
        cls,
        a: ExampleLosses,
        b: ExampleLosses,
        weights: Floats | None = None,
        into: Floats | None = None,
    ) -> Differences:
        """Of two models, row by row; ``weights`` (n,), or None where every row counts alike.

        ``into`` is where the series (3, n) go.
        """
        series = np.empty_like(a.series) if into is None else into
        parts, more_wrong = np.zeros(len(PARTS), np.int64), np.zeros(2, np.int64)
        infinite = np.zeros((len(PARTS), 3), np.int64)
        gap = np.zeros(len(PARTS) + 1)
        w = np.empty(0) if weights is None else np.ascontiguousarray(weights)
        given = (read_only(values) for values in (a.series, b.series, w))
        of_pair(*given, a.resolution + b.resolution, MORE_WRONG, series, parts, infinite, more_wrong, gap)
        return cls(series, parts, infinite, more_wrong, gap[:-1], float(gap[-1]))

    @property
    def cross_entropy(self) -> Floats:
        """Differences of cross-entropy."""
        found: Floats = self.series[2]
        return found
