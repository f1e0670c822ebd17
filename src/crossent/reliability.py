"""How often the top class is right, by how probable the model called it: one model's reliability.

Counts are integers and add up at once; sums of probabilities stay apart by block until they are added
exactly. What the bins say, calibration error and bands, is the business of `calibration`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.bins import of_bins
from crossent.kernels.layout import read_only

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15
EDGES = np.arange(BINS + 1) / BINS
"""Bin i holds the probabilities above ``EDGES[i]``, up to and with ``EDGES[i + 1]``."""


@dataclass(frozen=True)
class BinCounts:
    """Examples of each bin, and how many of them are right; both (15,)."""

    examples: Ints
    correct: Ints

    def plus(self, other: BinCounts) -> BinCounts:
        return BinCounts(self.examples + other.examples, self.correct + other.correct)


@dataclass(frozen=True)
class Reliability:
    """The counts of each bin, and its sums (4, 15): Σw, Σw², Σw of the right ones, Σw·top probability.

    Without weights w is 1, and the first three are counts.
    """

    counts: BinCounts
    sums: Floats

    @classmethod
    def of(cls, top: Floats, correct: NDArray[np.bool_], weights: Floats | None = None) -> Reliability:
        """From each example's top probability, whether the top class is its label, and its weight."""
        counts = BinCounts(np.zeros(BINS, np.int64), np.zeros(BINS, np.int64))
        sums = np.zeros((4, BINS))  # squares of extreme weights may be inf: `calibration` does without them
        w = np.empty(0) if weights is None else np.ascontiguousarray(weights)
        given = map(read_only, (top, correct, w, EDGES))
        of_bins(*given, counts.examples, counts.correct, sums)
        return cls(counts, sums)

    @classmethod
    def joined(cls, counts: BinCounts, sums: Floats) -> Reliability:
        """From merged counts and the sums of all blocks (blocks, 4, 15), in any order: the same bits."""
        flat = sums.reshape(len(sums), -1)
        return cls(counts, np.array([math.fsum(each) for each in flat.T]).reshape(4, BINS))
