"""Count, sum, spread and range of several series of values, by groups of rows.

`crossent.moments` says what the numbers are for, and takes over from here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crossent.kernels.compiled import kernel, loop, sum_loop
from crossent.kernels.scalar import larger

_PIECE = 2048
"""Values and what is made of them stay in the first-level cache between two loops."""
_SHORT = 256
"""Powers are added up in pieces so short that rounding stays small, and those with what rounding loses."""


@loop
def _find_places(order: Any, places: Any) -> Any:
    for i in range(order.shape[0]):
        places[np.uint64(order[i])] = i


@loop
def _put(values: Any, places: Any, out: Any) -> Any:
    """Reads on and on and writes in as many places as there are groups, which a cache likes."""
    for i in range(values.shape[0]):
        out[np.uint64(places[i])] = values[i]  # without a sign, which would be looked at


@sum_loop
def _count_finite(x: Any) -> Any:
    count = 0
    for i in range(x.shape[0]):
        count += 1 if abs(x[i]) < np.inf else 0
    return count


@loop
def _drop_infinite(x: Any) -> Any:
    """Moves what is finite to the front, in order; how many are."""
    count = 0
    for i in range(x.shape[0]):
        value = x[i]
        x[count] = value
        count += 1 if abs(value) < np.inf else 0
    return count


@sum_loop
def _range_of(x: Any) -> Any:
    low, high = -x[0], x[0]
    for i in range(x.shape[0]):
        low, high = larger(low, -x[i]), larger(high, x[i])
    return -low, high


@loop
def _part(x: Any, grid: Any, leading: Any, rest: Any) -> Any:
    for i in range(x.shape[0]):
        leading[i] = (x[i] + grid) - grid
        rest[i] = x[i] - leading[i]


@sum_loop
def _sum_of(x: Any) -> Any:
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i]
    return total


@loop
def _precise_sum(x: Any, largest: Any, leading: Any, rest: Any) -> Any:
    """Rounded next to once: the leading bits of all lie on one grid, on which their sum needs no rounding."""
    _, exponent = math.frexp(x.shape[0] * largest)
    grid = math.ldexp(1.0, exponent + 1)
    high = low = 0.0
    for start in range(0, x.shape[0], _PIECE):
        piece = x[start : start + _PIECE]
        _part(piece, grid, leading, rest)
        high += _sum_of(leading[: piece.shape[0]])
        low += _sum_of(rest[: piece.shape[0]])
    return high + low


@sum_loop
def _powers(x: Any, centre: Any) -> Any:
    """Sums of the first three powers of the deviations."""
    first = second = third = 0.0
    for i in range(x.shape[0]):
        deviation = x[i] - centre
        first += deviation
        second += deviation * deviation
        third += deviation * deviation * deviation
    return first, second, third


@loop
def _plus(total: Any, term: Any, lost: Any) -> Any:
    """total + term, and what rounding has lost so far: Knuth's two-sum."""
    both = total + term
    taken = both - total
    return both, lost + ((total - (both - taken)) + (term - taken))


@loop
def _kept(total: Any, lost: Any) -> Any:
    return total + lost if abs(total) < np.inf else total


@loop
def _store(x: Any, leading: Any, rest: Any, out: Any) -> Any:
    count = x.shape[0]
    if count == 0:
        out[:] = (0.0, 0.0, 0.0, 0.0, np.nan, np.nan)
        return
    low, high = _range_of(x)
    if low == high:  # as of hard labels' entropy: nothing to add up
        out[:] = (np.float64(count), count * low, 0.0, 0.0, low, high)
        return
    total = _precise_sum(x, max(abs(low), abs(high)), leading, rest)
    first = second = third = lost1 = lost2 = lost3 = 0.0
    for start in range(0, count, _SHORT):
        a, b, c = _powers(x[start : start + _SHORT], total / count)
        first, lost1 = _plus(first, a, lost1)
        second, lost2 = _plus(second, b, lost2)
        third, lost3 = _plus(third, c, lost3)
    first, second, third = _kept(first, lost1), _kept(second, lost2), _kept(third, lost3)
    # corrected for the rounding of the mean
    shift = first / count
    m2 = second - first * shift
    m3 = third - 3 * shift * second + 2 * first * shift * shift
    out[:] = (np.float64(count), total, m2, m3, low, high)


@kernel
def of_groups(series: Any, order: Any, starts: Any, out: Any) -> Any:
    """Of each group of rows and each series, into `out` (groups, series, 6).

    `order` are all rows, group by group; `starts` where each group begins there, and the end. Values of the
    series (series, n) that are not finite are left out.
    """
    by_group, leading, rest = np.empty(order.shape[0]), np.empty(_PIECE), np.empty(_PIECE)
    places = np.empty(order.shape[0], np.int32)
    _find_places(order, places)
    for i in range(series.shape[0]):  # one series after the other, which stays in the second-level cache
        _put(series[i], places, by_group)
        for group in range(starts.shape[0] - 1):
            values = by_group[starts[group] : starts[group + 1]]
            count = values.shape[0]
            if _count_finite(values) < count:  # seldom, and looked at by itself
                count = _drop_infinite(values)
            _store(values[:count], leading, rest, out[group, i])
