"""How often the top class is right, by how probable the model called it: one model's reliability.

Counts are integers and add up at once; sums of probabilities stay apart by block until they are added
exactly. What the bins say, calibration error and bands, is the business of `calibration`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    """The counts of each bin and the sum of its top probabilities, ``confidence`` (15,)."""

    counts: BinCounts
    confidence: Floats

    @classmethod
    def of(cls, top: Floats, correct: NDArray[np.bool_]) -> Reliability:
        """From each example's top probability, and whether the top class is its label."""
        which = np.searchsorted(EDGES[1:-1], top, side="left")
        counts = BinCounts(np.bincount(which, minlength=BINS), np.bincount(which[correct], minlength=BINS))
        return cls(counts, np.bincount(which, weights=top, minlength=BINS).astype(np.float64, copy=False))

    @classmethod
    def joined(cls, counts: BinCounts, confidence: Floats) -> Reliability:
        """From merged counts and the sums of all blocks (blocks, 15), in any order: the same bits."""
        return cls(counts, np.array([math.fsum(sums) for sums in confidence.T]))
