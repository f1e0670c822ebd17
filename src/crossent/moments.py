"""One series of per-example values as sums that merge exactly: count, mean, spread, skewness.

A series is a model's losses or a pair's differences. Sums of one block come from `moments`, all blocks'
together from `combine`; what they say about examples not seen is the business of `statistics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of one series of per-example values.

    Attributes
    ----------
    count : number of values.
    mean : their mean; nan where there are none, or their sum is beyond float64.
    m2, m3 : sums of the squared and cubed deviations from the mean; nan beyond float64.
    low, high : smallest and largest value; that all are equal is told by these, exactly, not by ``m2``.
    """

    count: int
    mean: float
    m2: float
    m3: float
    low: float
    high: float

    @property
    def standard_error(self) -> float:
        """Of the mean; nan for a single value."""
        if self.count < 2:
            return math.nan
        return math.sqrt(self.m2 / (self.count - 1) / self.count)

    @property
    def skewness(self) -> float:
        """The sample's own, ``m3 / m2**1.5`` of the central moments; nan where nothing varies."""
        if not self.varies:
            return math.nan
        # one quotient after the other: m2**1.5 underflows for the losses of very confident models
        return self.m3 / self.m2 / math.sqrt(self.m2 / self.count)

    @property
    def varies(self) -> bool:
        """Whether there is a spread, and one that float64 can hold."""
        return self.low < self.high and 0 < self.m2 < math.inf

    @property
    def all_zero(self) -> bool:
        """Whether every single value is 0."""
        return self.low == self.high == 0


def moments(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One block's columns for `combine`: count, sum, m2, m3, low, high.

    Parameters
    ----------
    values : array of shape (n,), float64
        Finite values only; n may be 0. Not modified.

    Returns
    -------
    array of shape (6,), float64
        ``m2`` and ``m3`` are centred on the block's own mean, sum / count.

    Notes
    -----
    Two passes, corrected for the rounding of the mean: Chan, Golub and LeVeque (1983),
    doi:10.1080/00031305.1983.10483115.
    """
    count = values.size
    if count == 0:
        return np.array([0.0, 0.0, 0.0, 0.0, math.nan, math.nan])
    # values whose squares or cubes leave float64 end as inf or nan here, and as 'no interval' later
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        total = values.sum()
        deviations = values - total / count
        missed = deviations.sum()
        squares = deviations * deviations
        second = squares.sum()
        third = (squares * deviations).sum()
        shift = missed / count
        m2 = second - missed * shift
        m3 = third - 3 * shift * second + 2 * missed * shift * shift
        return np.array([count, total + missed, m2, m3, values.min(), values.max()])


def combine(parts: NDArray[np.float64]) -> Moments:
    """All blocks' sums as the moments of the whole series.

    Parameters
    ----------
    parts : array of shape (blocks, 6), float64
        Rows of `moments`, in any order; rows with count 0 add nothing. Not modified.

    Returns
    -------
    Moments
        The same bits for any order of the blocks, since every sum over them is exact.

    Notes
    -----
    Merging central moments: Chan, Golub and LeVeque (1983), doi:10.1080/00031305.1983.10483115, and
    Pébay (2008), doi:10.2172/1028931. Exact sums: Shewchuk (1997), doi:10.1007/PL00009321.
    """
    parts = parts[parts[:, 0] > 0]
    if not len(parts):
        return Moments(0, math.nan, 0.0, 0.0, math.nan, math.nan)
    counts, sums, seconds, thirds, lows, highs = parts.T
    count = int(_exact_sum(counts))
    # adding 0.0 turns -0.0 into 0.0: of the two, min and max return whichever comes first
    low, high = float(lows.min()) + 0.0, float(highs.max()) + 0.0
    if low == high:
        return Moments(count, low, 0.0, 0.0, low, high)
    mean = _exact_sum(sums) / count
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        offsets = sums / counts - mean
        weighted = counts * offsets * offsets
        m2 = _exact_sum(seconds, weighted)
        m3 = _exact_sum(thirds, 3 * offsets * seconds, weighted * offsets)
    return Moments(count, mean, m2, m3, low, high)


def _exact_sum(*columns: NDArray[np.float64]) -> float:
    """The sum of all entries, rounded once; nan where float64 cannot hold it."""
    try:
        return math.fsum(value for column in columns for value in column.tolist()) + 0.0
    except (OverflowError, ValueError):
        return math.nan
