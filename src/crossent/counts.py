"""What is counted: integers, which add up exactly in any order, and rows that are kept.

Of one block or of many, for each model and each pair. Weights do not count here. No floating-point sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.differences import Differences
from crossent.extremes import Example, LargestSizes, Ranking
from crossent.measures import ExampleLosses
from crossent.reliability import BinCounts
from crossent.seeds import in_one

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_PARTS = 64


@dataclass(frozen=True)
class Confusion:
    """Counts by label and prediction, sparse: cell ``label * classes + predicted``."""

    cells: tuple[Ints, ...]
    counts: tuple[Ints, ...]

    def plus(self, other: Confusion) -> Confusion:
        both = Confusion(self.cells + other.cells, self.counts + other.counts)
        return both if len(both.cells) < _MOST_PARTS else both.compact()

    def compact(self) -> Confusion:
        """The same counts, each cell once, in order."""
        cells, where = np.unique(np.concatenate(self.cells), return_inverse=True)
        counts = np.zeros(len(cells), np.int64)
        np.add.at(counts, where, np.concatenate(self.counts))
        return Confusion((cells,), (counts,))


@dataclass(frozen=True)
class ModelCounts:
    """One model's counts: predictions that are wrong, examples tied at the top, with probability 0 for the
    label; predictions by label and class, and by bin. A model of several seeds predicts as often."""

    wrong: int
    tied: int
    zero: int
    confusion: Confusion
    bins: BinCounts

    @classmethod
    def of(
        cls,
        losses: ExampleLosses,
        runs: Sequence[ExampleLosses],
        label: Ints,
        classes: int,
        bins: BinCounts,
    ) -> ModelCounts:
        predicted = in_one([label * classes + run.predicted for run in runs])
        cells, counts = _counted(predicted, classes**2)
        return cls(
            sum(int(np.count_nonzero(run.wrong)) for run in runs),
            int(np.count_nonzero(losses.tied)),
            int(np.count_nonzero(losses.zero)),
            Confusion((cells,), (counts.astype(np.int64, copy=False),)),
            bins,
        )

    def plus(self, other: ModelCounts) -> ModelCounts:
        return ModelCounts(
            self.wrong + other.wrong,
            self.tied + other.tied,
            self.zero + other.zero,
            self.confusion.plus(other.confusion),
            self.bins.plus(other.bins),
        )


def _counted(cells: Ints, of: int) -> tuple[Ints, Ints]:
    """Which cells there are, in order, and how often each; ``of`` are possible."""
    if of > len(cells):
        return np.unique(cells, return_counts=True)
    counts = np.bincount(cells, minlength=of)
    (found,) = np.nonzero(counts)
    return found, counts[found]


@dataclass(frozen=True)
class Least:
    """What a difference must be to be kept any more, where a is worse and where b is.

    Attributes
    ----------
    examples : what it must reach to be an example that is listed.
    sizes : what it must exceed, times its weight, to be one of the largest sizes.
    """

    examples: tuple[float, float] = (0.0, 0.0)
    sizes: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class PairCounts:
    """Two models' counts and extremes.

    Attributes
    ----------
    parts, infinite, more_wrong : as of `differences.Differences`.
    a_worse, b_worse : the examples that differ most in cross-entropy.
    a_sizes, b_sizes : the largest finite differences, each times its weight.
    """

    parts: Ints
    infinite: Ints
    more_wrong: Ints
    a_worse: Ranking
    b_worse: Ranking
    a_sizes: LargestSizes
    b_sizes: LargestSizes

    @classmethod
    def of(
        cls,
        differences: Differences,
        weights: Floats | None,
        describe: Callable[[int], Example],
        most: int,
        least: Least,
    ) -> PairCounts:
        """``describe`` tells an example; ``most`` are listed of each direction, none below ``least``."""
        d = weighted = differences.cross_entropy
        tell = describe
        if weights is not None:
            weighted = np.where(weights > 0, d, 0.0) * weights
        else:  # what no list takes, nearly all, is passed over once and not four times
            rows = np.flatnonzero(np.abs(d) >= min(*least.examples, *least.sizes))
            d = weighted = d[rows]

            def tell(row: int) -> Example:
                return describe(int(rows[row]))

        return cls(
            differences.parts,
            differences.infinite,
            differences.more_wrong,
            Ranking.of(-d, tell, most, least.examples[0]),
            Ranking.of(d, tell, most, least.examples[1]),
            LargestSizes.of(-weighted, least.sizes[0]),
            LargestSizes.of(weighted, least.sizes[1]),
        )

    @property
    def least(self) -> Least:
        """What a difference must be to be kept any more."""
        return Least((self.a_worse.least, self.b_worse.least), (self.a_sizes.least, self.b_sizes.least))

    def plus(self, other: PairCounts) -> PairCounts:
        return PairCounts(
            self.parts + other.parts,
            self.infinite + other.infinite,
            self.more_wrong + other.more_wrong,
            self.a_worse.plus(other.a_worse),
            self.b_worse.plus(other.b_worse),
            self.a_sizes.plus(other.a_sizes),
            self.b_sizes.plus(other.b_sizes),
        )
