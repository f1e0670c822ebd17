"""Many classes: one example at a time, along the row; and some together for what `group` does.

Every kernel takes C-contiguous rows (n, k) of float32 or float64, writes its results, and returns the
first row that has no result (nan, +inf, no finite logit, a label that is no class), or -1; such a row
gets nan. A row of the output holds the exponentials until they are divided by their sum, so memory is
read once and written once as long as a group of rows fits into the second-level cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels import group, squares
from crossent.kernels.compiled import kernel, loop, sum_loop
from crossent.kernels.scalar import exponential, larger, multiply_add

PIECE = 2048
"""A piece of a row and its exponentials stay in the first-level cache between two loops."""

TOGETHER = 32
"""Rows at most that are a group."""


@loop
def rows_together(classes: Any) -> Any:
    return max(1, min(TOGETHER, 2 * PIECE // classes))


@sum_loop
def largest_of(x: Any) -> Any:
    largest = x[0]
    for j in range(x.shape[0]):
        largest = larger(largest, x[j])
    return largest


@sum_loop
def _first_of(x: Any, value: Any) -> Any:
    first = np.int32(x.shape[0])
    for j in range(x.shape[0]):
        first = min(first, np.int32(j) if x[j] == value else np.int32(2**31 - 1))
    return first


@loop
def place_of(x: Any, value: Any) -> Any:
    """The first place that holds the value, which is there; the first of all where it is nan."""
    for start in range(0, x.shape[0], 256):
        piece = x[start : min(start + 256, x.shape[0])]
        place = _first_of(piece, value)
        if place < piece.shape[0]:
            return start + place
    return 0


@loop
def exponentials(x: Any, frame: Any, out: Any) -> Any:
    base, floor, power = frame
    for j in range(x.shape[0]):
        out[j] = exponential(x[j], base, floor, power)


@sum_loop
def sum_of(x: Any) -> Any:
    # float64 also of float32: the sum of a long row adds nothing to its rounding
    total = 0.0
    for j in range(x.shape[0]):
        total += np.float64(x[j])
    return total


@sum_loop
def sum_of_squares(x: Any) -> Any:
    total = 0.0
    for j in range(x.shape[0]):
        total += np.float64(x[j]) * np.float64(x[j])
    return total


@loop
def _multiply(x: Any, factor: Any) -> Any:
    for j in range(x.shape[0]):
        x[j] = x[j] * factor


@loop
def _multiply_twice(x: Any, factor: Any, rest: Any) -> Any:
    for j in range(x.shape[0]):
        x[j] = multiply_add(x[j], factor, x[j] * rest)


@loop
def _subtract_twice(x: Any, first: Any, second: Any, out: Any) -> Any:
    for j in range(x.shape[0]):
        out[j] = (x[j] - first) - second


@loop
def sum_apart(x: Any, apart: Any, frame: Any, e: Any) -> Any:
    """Exponentials of a row, their sum without the one at a place, if there is one, and that one.

    `e` takes the exponentials, 0 at the place; where it is shorter than the row it is only a place to
    work in.
    """
    k, kept = x.shape[0], e.shape[0] == x.shape[0]
    others, own = 0.0, 0.0
    for start in range(0, k, PIECE):
        stop = min(start + PIECE, k)
        piece = e[start:stop] if kept else e[: stop - start]
        exponentials(x[start:stop], frame, piece)
        if start <= apart < stop:
            own = np.float64(piece[apart - start])
            piece[apart - start] = 0
        others += sum_of(piece)
    return others, own


@loop
def sums_apart(x: Any, apart: Any, also: Any, frame: Any, e: Any) -> Any:
    """The same with a second place apart, and the sum of squares.

    The second may be the first again, whose exponential then comes back as 0.
    """
    k, kept = x.shape[0], e.shape[0] == x.shape[0]
    rest, squares, own, other = 0.0, 0.0, 0.0, 0.0
    for start in range(0, k, PIECE):
        stop = min(start + PIECE, k)
        piece = e[start:stop] if kept else e[: stop - start]
        exponentials(x[start:stop], frame, piece)
        if start <= apart < stop:
            own = np.float64(piece[apart - start])
            piece[apart - start] = 0
        if start <= also < stop:
            other = np.float64(piece[also - start])
            piece[also - start] = 0
        rest += sum_of(piece)
        squares += sum_of_squares(piece)
    return rest, squares, own, other


@loop
def find_frames(block: Any, g: Any) -> Any:
    for i in range(block.shape[0]):
        g.largest[i] = largest_of(block[i])
    group.find_frames(g)


@loop
def find_exponentials(block: Any, g: Any, e: Any) -> Any:
    for i in range(block.shape[0]):
        exponentials(block[i], (g.base[i], g.floor[i], g.power[i]), e[i])


@loop
def _take(e: Any, places: Any, count: Any, out: Any) -> Any:
    """Takes one entry out of each row, where 0 remains."""
    for i in range(count):
        place = np.uint64(places[i])  # without a sign, which would be looked at
        out[i] = e[i, place]
        e[i, place] = 0


@loop
def find_sums(block: Any, g: Any, e: Any) -> Any:
    """Exponentials into `e`, 0 for the class apart; their sums."""
    if block.shape[1] > PIECE:
        for i in range(block.shape[0]):
            frame = g.base[i], g.floor[i], g.power[i]
            g.others[i], g.own[i] = sum_apart(block[i], g.places[i], frame, e[i])
        return
    # one loop after the other over all rows: none waits for what the loop before has just written
    find_exponentials(block, g, e)
    _take(e, g.places, block.shape[0], g.own)
    for i in range(block.shape[0]):
        g.others[i] = sum_of(e[i])


@loop
def find_squares(block: Any, g: Any, s: Any, e: Any) -> Any:
    """Exponentials into `e`, 0 for the label and the largest; sums of the rest and of their squares."""
    for i in range(block.shape[0]):
        s.tops[i] = place_of(block[i], g.largest[i])
    if block.shape[1] > PIECE:
        for i in range(block.shape[0]):
            frame = g.base[i], g.floor[i], g.power[i]
            found = sums_apart(block[i], g.places[i], s.tops[i], frame, e[i])
            s.rest[i], s.squares[i], g.own[i], s.other[i] = found
        return
    find_exponentials(block, g, e)
    _take(e, g.places, block.shape[0], g.own)
    _take(e, s.tops, block.shape[0], s.other)
    for i in range(block.shape[0]):
        s.rest[i] = sum_of(e[i])
        s.squares[i] = sum_of_squares(e[i])


@loop
def _find_totals(block: Any, g: Any, e: Any) -> Any:
    if block.shape[1] > PIECE:
        for i in range(block.shape[0]):
            g.others[i], _ = sum_apart(block[i], -1, (g.base[i], g.floor[i], g.power[i]), e[i])
        return
    find_exponentials(block, g, e)
    for i in range(block.shape[0]):
        g.others[i] = sum_of(e[i])


@loop
def _find_spreads(block: Any, g: Any, e: Any) -> Any:
    """log of the sum of exp(x - largest) of each row."""
    find_frames(block, g)
    for i in range(block.shape[0]):
        g.places[i] = place_of(block[i], g.largest[i])
    find_sums(block, g, e)
    group.find_losses(block, g)


@kernel
def softmaxes(x: Any, out: Any) -> Any:
    bad = -1
    size = rows_together(x.shape[1])
    g, rest = group.group_of(size, out), np.empty(size, out.dtype)
    for start in range(0, x.shape[0], size):
        block, results = x[start : start + size], out[start : start + size]
        find_frames(block, g)
        _find_totals(block, g, results)
        group.find_shares(g, rest)
        for i in range(block.shape[0]):
            _multiply_twice(results[i], g.share[i], rest[i])
        found = group.clear_without_softmax(g, results)
        bad = group.first_bad(bad, start, found)
    return bad


@kernel
def log_softmaxes(x: Any, out: Any) -> Any:
    bad = -1
    size = rows_together(x.shape[1])
    g, e = group.group_of(size, out), np.empty((size, min(PIECE, x.shape[1])), out.dtype)
    for start in range(0, x.shape[0], size):
        block, results = x[start : start + size], out[start : start + size]
        _find_spreads(block, g, e)
        for i in range(block.shape[0]):
            _subtract_twice(block[i], g.largest[i], out.dtype.type(g.loss[i]), results[i])
        found = group.clear_without_softmax(g, results)
        bad = group.first_bad(bad, start, found)
    return bad


@kernel
def logsumexps(x: Any, out: Any) -> Any:
    bad = -1
    size = rows_together(x.shape[1])
    g, e = group.group_of(size, x), np.empty((size, min(PIECE, x.shape[1])), x.dtype)
    for start in range(0, x.shape[0], size):
        block = x[start : start + size]
        _find_spreads(block, g, e)
        found = group.store_logsumexps(g, out[start : start + size])
        bad = group.first_bad(bad, start, found)
    return bad


@kernel
def cross_entropies(
    x: Any, labels: Any, ignored: Any, weights: Any, scale: Any, losses: Any, gradient: Any
) -> Any:
    """Losses of rows, and their gradient unless that has no rows.

    Rows with the label in `ignored`, which may be empty, cost 0; `weights` are of the classes, or
    empty; `scale`, one number or one for each row, multiplies the gradient.
    """
    bad, k = -1, x.shape[1]
    size, wanted = rows_together(k), gradient.shape[0] > 0
    g, work = group.group_of(size, x), np.empty((size, min(PIECE, k)), x.dtype)
    for start in range(0, x.shape[0], size):
        block, its = x[start : start + size], labels[start : start + size]
        costs, results = losses[start : start + size], gradient[start : start + size]
        odd = group.load_labels(its, ignored, k, g)
        find_frames(block, g)
        find_sums(block, g, results if wanted else work)
        odd |= group.find_losses(block, g)
        group.load_scale(scale, start, block.shape[0], g)
        group.weigh(weights, block.shape[0], g)
        group.copy(g.loss, costs)
        if wanted:
            group.find_slopes(g)
            for i in range(block.shape[0]):
                _multiply(results[i], g.share[i])
            group.store_at(g.places, g.slope, results)
        if odd:
            found = group.clear_odd(its, ignored, k, g, costs, results)
            bad = group.first_bad(bad, start, found)
    return bad


@loop
def _multiply_by_distance(e: Any, share: Any, centre: Any, factor: Any) -> Any:
    for j in range(e.shape[0]):
        q = e[j] * share
        e[j] = factor * q * (q - centre)


@kernel
def squared_errors(x: Any, labels: Any, ignored: Any, scale: Any, losses: Any, gradient: Any) -> Any:
    """Squared errors of the softmax of rows, and their gradient; as `cross_entropies`."""
    bad, k = -1, x.shape[1]
    size, wanted = rows_together(k), gradient.shape[0] > 0
    g, s = group.group_of(size, x), squares.squares_of(size, x)
    work = np.empty((size, min(PIECE, k)), x.dtype)
    for start in range(0, x.shape[0], size):
        block, its = x[start : start + size], labels[start : start + size]
        costs, results = losses[start : start + size], gradient[start : start + size]
        odd = group.load_labels(its, ignored, k, g)
        find_frames(block, g)
        find_squares(block, g, s, results if wanted else work)
        squares.find_losses(g, s)
        group.copy(g.loss, costs)
        if wanted:
            group.load_scale(scale, start, block.shape[0], g)
            squares.find_slopes(g, s)
            for i in range(block.shape[0]):
                _multiply_by_distance(results[i], g.share[i], s.centre[i], s.twice[i])
            group.store_at(s.tops, s.of_top, results)
            group.store_at(g.places, g.slope, results)
        if odd or not group.all_have_softmax(g):
            found = group.clear_odd(its, ignored, k, g, costs, results)
            bad = group.first_bad(bad, start, found)
    return bad
