"""One series of per-example values as sums that merge exactly: count, mean, spread, skewness.

A series is a model's losses or a pair's differences. Sums of one block come from `moments`, all blocks'
together from `combine`; for weighted rows from `weighted_moments` and `combine_weighted`. Rows that belong
together are added up in `clusters`; what all this says about examples not seen is the business of
`statistics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.layout import read_only
from crossent.kernels.moments import of_groups

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Series(Protocol):
    """What `statistics` asks of a series, however its rows are weighted or belong together.

    Attributes
    ----------
    count : rows that enter the mean.
    units : what is independent of each other: the rows, or the clusters; one more than the degrees of
        freedom.
    mean, standard_error, skewness : of the rows; the skewness is that of the units.
    varies : whether there is a spread, and one that float64 can hold.
    all_zero : whether every single row is 0.
    """

    @property
    def count(self) -> int: ...
    @property
    def units(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def standard_error(self) -> float: ...
    @property
    def skewness(self) -> float: ...
    @property
    def varies(self) -> bool: ...
    @property
    def all_zero(self) -> bool: ...


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
    def units(self) -> int:
        """Every value stands for itself."""
        return self.count

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


@dataclass(frozen=True)
class WeightedMoments:
    """Sufficient statistics of a weighted mean, Σwl / Σw, of rows or of clusters of rows.

    Attributes
    ----------
    count : rows with a weight above 0.
    units : what is independent of each other: those rows, or the clusters that have one of them.
    mean : the weighted mean; nan where there are no rows, or a sum is beyond float64.
    squares, cubes : sums over the units of U² and U³, where U = Σ w (l - mean) / Σw, the first sum over
        the unit's rows; exactly 0 where no unit differs from another by more than rounding.
    low, high : smallest and largest value with a weight above 0.
    equal_units : as many units of one and the same weight as these are worth, (ΣW)² / ΣW² of the units'
        weights W: Kish (1965), Survey Sampling.

    Notes
    -----
    The variance is the linearised one with the correction units / (units - 1), CR1: Liang and Zeger (1986),
    doi:10.1093/biomet/73.1.13; Cameron and Miller (2015), doi:10.3368/jhr.50.2.317.
    """

    count: int
    units: int
    mean: float
    squares: float
    cubes: float
    low: float
    high: float
    equal_units: float

    @property
    def standard_error(self) -> float:
        """Of the mean; nan for a single unit."""
        if self.units < 2:
            return math.nan
        return math.sqrt(self.squares * (self.units / (self.units - 1)))

    @property
    def skewness(self) -> float:
        """Of the units' U, whose mean is 0; nan where nothing varies."""
        if not self.varies:
            return math.nan
        return self.cubes / self.squares / math.sqrt(self.squares / self.units)

    @property
    def varies(self) -> bool:
        """Whether there is a spread, and one that float64 can hold."""
        return self.low < self.high and 0 < self.squares < math.inf

    @property
    def all_zero(self) -> bool:
        """Whether every single value is 0."""
        return self.low == self.high == 0


def moments(values: Floats) -> Floats:
    """One block's columns for `combine`: count, sum, m2, m3, low, high.

    Parameters
    ----------
    values : array of shape (n,), float64
        What is not finite is left out. Not modified.

    Returns
    -------
    array of shape (6,), float64
        ``m2`` and ``m3`` are centred on the block's own mean, sum / count. Values whose squares or cubes
        leave float64 end as inf or nan here, and as 'no interval' later.

    Notes
    -----
    Two passes, corrected for the rounding of the mean: Chan, Golub and LeVeque (1983),
    doi:10.1080/00031305.1983.10483115. The sum as in Rump, Ogita and Oishi (2008), doi:10.1137/050645671.
    """
    found: Floats = grouped_moments(values[None], np.arange(len(values)), np.array([0, len(values)]))[0, 0]
    return found


def grouped_moments(series: Floats, order: Ints, starts: Ints) -> Floats:
    """`moments` of each series (S, n) in each of G groups of rows, as (G, S, 6).

    ``order`` are all rows, group by group; ``starts`` (G + 1,) is where each group begins there, and the
    end. A group's moments depend on its own rows alone, in their order.
    """
    assert len(order) == series.shape[1], "every row has its place in a group"
    out = np.empty((len(starts) - 1, len(series), 6))
    of_groups(*map(read_only, (np.ascontiguousarray(series), order, starts)), out)
    return out


def combine(parts: Floats) -> Moments:
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


@dataclass(frozen=True)
class Located:
    """A block's weighted values about a centre of their own.

    Attributes
    ----------
    row : count, exponent, Σw, Σwl, centre, Σw(l - centre), low, high; w is the weight times 2**-exponent.
    weights : the w, between 0 and 2, so that their cubes can be held whatever unit the weights have.
    deviations : l - centre.
    """

    row: Floats
    weights: Floats
    deviations: Floats


def locate(values: Floats, weights: Floats) -> Located:
    """Centre a block of finite values with weights above 0, each of shape (n,); n may be 0."""
    if values.size == 0:
        return Located(np.array([0.0] * 6 + [math.nan] * 2), weights, values)
    exponent = int(np.frexp(weights.max())[1]) - 1
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        scaled = np.ldexp(weights, -exponent)
        weight, total = _precise_sum(scaled), _precise_sum(scaled * values)
        centre = total / weight
        deviations = values - centre
        sums = [weight, total, centre, (scaled * deviations).sum()]
    return Located(np.array([values.size, exponent, *sums, values.min(), values.max()]), scaled, deviations)


@dataclass(frozen=True)
class Location:
    """Where all blocks' weighted values lie, and each block's centre among them.

    Attributes
    ----------
    count, mean, low, high : as of `WeightedMoments`.
    shares : per block the factor that turns its w into shares of the whole weight; 0 where it has no rows.
    offsets : per block its centre less the mean, also less what rounding took from the mean.
    """

    count: int
    mean: float
    low: float
    high: float
    shares: Floats
    offsets: Floats


def combine_locations(rows: Floats) -> Location:
    """All blocks' `Located.row`, of shape (blocks, 8), in any order; the same bits whatever the order."""
    shares, offsets = np.zeros((2, len(rows)))
    filled = rows[:, 0] > 0
    if not filled.any():
        return Location(0, math.nan, math.nan, math.nan, shares, offsets)
    counts, exponents, weights, sums, centres, missed, lows, highs = rows[filled].T
    low, high = float(lows.min()) + 0.0, float(highs.max()) + 0.0
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        factors = np.ldexp(1.0, (exponents - exponents.max()).astype(np.int64))
        weight = _exact_sum(weights * factors)
        mean = low if low == high else _exact_sum(sums * factors) / weight
        steps = centres - mean
        lost = _exact_sum(weights * factors * steps, missed * factors) / weight
        shares[filled], offsets[filled] = factors / weight, steps - lost
    return Location(int(_exact_sum(counts)), mean, low, high, shares, offsets)


def weighted_moments(values: Floats, weights: Floats) -> Floats:
    """One block's columns for `combine_weighted`.

    Parameters
    ----------
    values : array of shape (n,), float64
        Finite values only; n may be 0. Not modified.
    weights : array of shape (n,), float64
        Finite, >= 0; a row of weight 0 is as good as absent. Not modified.

    Returns
    -------
    array of shape (15,), float64
        `Located.row`; then Σw²dʲ for j = 0, 1, 2 and Σw³dʲ for j = 0, 1, 2, 3, with d = l - centre.
    """
    kept = weights > 0
    if not kept.all():
        values, weights = values[kept], weights[kept]
    located = locate(values, weights)
    w, d = located.weights, located.deviations
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        w2, wd = w * w, w * d
        wd2 = wd * wd
        second = [w2.sum(), (w * wd).sum(), wd2.sum()]
        third = [(w2 * w).sum(), (w2 * wd).sum(), (w * wd2).sum(), (wd * wd2).sum()]
    return np.concatenate([located.row, second, third])


def combine_weighted(parts: Floats) -> WeightedMoments:
    """All blocks' sums as the moments of the whole weighted series, every row a unit of its own.

    Parameters
    ----------
    parts : array of shape (blocks, 15), float64
        Rows of `weighted_moments`, in any order; rows with count 0 add nothing. Not modified.

    Returns
    -------
    WeightedMoments
        The same bits for any order of the blocks, since every sum over them is exact.
    """
    where = combine_locations(parts[:, :8])
    t, share = where.offsets, where.shares
    w2, w2d, w2d2, w3, w3d, w3d2, w3d3 = parts[:, 8:].T
    with np.errstate(over="ignore", under="ignore"):
        alike = as_equal_units(_exact_sum(share * (share * w2)))
    still = WeightedMoments(where.count, where.count, where.mean, 0.0, 0.0, where.low, where.high, alike)
    if not where.low < where.high:
        return still
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        # Σw²(d + t)² and Σw³(d + t)³, multiplied out; one share after the other, lest their cube underflow
        squares = _exact_sum(*(share * (share * term) for term in (w2d2, 2 * t * w2d, t * t * w2)))
        cubes = _exact_sum(
            *(
                share * (share * (share * term))
                for term in (w3d3, 3 * t * w3d2, 3 * t * t * w3d, t * t * t * w3)
            )
        )
    # rounding may leave less than nothing of a spread that one enormous weight outweighs
    return replace(still, squares=0.0 if squares < 0 else squares, cubes=cubes)


def as_equal_units(squared_shares: float) -> float:
    """As many units of one weight as those with this sum of squared shares are worth; 0 of none."""
    return 1 / squared_shares if squared_shares > 0 else 0.0


def _precise_sum(terms: Floats) -> float:
    """The sum of all entries, rounded next to once; that of whole numbers is exact.

    Rump, Ogita and Oishi (2008), doi:10.1137/050645671: the leading bits of all terms lie on one grid, on
    which their sum needs no rounding.
    """
    grid = np.ldexp(1.0, int(np.frexp(terms.size * np.abs(terms).max())[1]) + 1)
    leading = (terms + grid) - grid
    return float(leading.sum() + (terms - leading).sum())


def _exact_sum(*columns: Floats) -> float:
    """The sum of all entries, rounded once; nan where float64 cannot hold it."""
    try:
        return math.fsum(value for column in columns for value in column.tolist()) + 0.0
    except (OverflowError, ValueError):
        return math.nan
