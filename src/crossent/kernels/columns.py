"""Few classes: many examples at a time, along the column.

A row of some ten classes is shorter than a vector register. So a block of examples is copied into (class, example)
order, where every loop runs over the examples. The kernels have the arguments, the results and the formulas of those
in `rows`, which finish what is out of the ordinary: a label whose exponential underflows, others that all do. The
last argument is a place (k, BLOCK) to work in. A block is always computed whole, so that an example's bits do not
depend on its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels import rows
from crossent.kernels.compiled import kernel, loop
from crossent.kernels.scalar import exponential, frame_of, larger, log_of_share

BLOCK = 256
"""Examples at a time: their exponentials stay in the first-level cache."""


@loop
def _load(x: Any, t: Any) -> Any:
    for j in range(x.shape[1]):
        for i in range(x.shape[0]):
            t[j, i] = x[i, j]


@loop
def _load_places(labels: Any, ignored: Any, classes: Any, places: Any) -> Any:
    """The labels that are classes, and 0 for the others; whether there were others."""
    plain = True
    for i in range(labels.shape[0]):
        label = labels[i]
        counts = rows.is_label(label, classes) and label != ignored
        places[i] = label if counts else 0
        plain &= counts
    return not plain


@loop
def _largest(t: Any, largest: Any) -> Any:
    for i in range(BLOCK):
        largest[i] = t[0, i]
    for j in range(1, t.shape[0]):
        for i in range(BLOCK):
            largest[i] = larger(largest[i], t[j, i])


@loop
def _places_of(t: Any, largest: Any, found: Any, places: Any) -> Any:
    """The first class that has the largest logit; `found` holds places as numbers of the logits' type meanwhile."""
    rows.fill(found, 0)
    for j in range(t.shape[0] - 1, -1, -1):
        place = t.dtype.type(j)
        for i in range(BLOCK):
            found[i] = place if t[j, i] == largest[i] else found[i]
    for i in range(BLOCK):
        places[i] = np.int64(found[i])


@loop
def _frames(largest: Any, base: Any, floor: Any, power: Any) -> Any:
    for i in range(BLOCK):
        base[i], floor[i], power[i] = frame_of(largest[i])


@loop
def _exponentials(x: Any, base: Any, floor: Any, power: Any) -> Any:
    # in place: two arrays that may overlap make LLVM choose the loop without vectors
    for i in range(BLOCK):
        x[i] = exponential(x[i], base[i], floor[i], power[i])


@loop
def _pick(t: Any, places: Any, count: Any, out: Any) -> Any:
    for i in range(count):
        out[i] = t[places[i], i]


@loop
def _put(t: Any, places: Any, count: Any, value: Any) -> Any:
    for i in range(count):
        t[places[i], i] = value


@loop
def _add(t: Any, sums: Any) -> Any:
    rows.fill(sums, 0)
    for j in range(t.shape[0]):
        for i in range(BLOCK):
            sums[i] += np.float64(t[j, i])


@loop
def _add_squares(t: Any, sums: Any) -> Any:
    rows.fill(sums, 0)
    for j in range(t.shape[0]):
        for i in range(BLOCK):
            sums[i] += np.float64(t[j, i]) * np.float64(t[j, i])


@loop
def _logs(others: Any, own: Any, out: Any) -> Any:
    for i in range(BLOCK):
        out[i] = log_of_share(others[i], np.float64(own[i]))


@loop
def _factors(others: Any, own: Any, scale: Any, factors: Any) -> Any:
    for i in range(BLOCK):
        factors[i] = scale[i] / (others[i] + np.float64(own[i]))


@loop
def _products(others: Any, factors: Any, out: Any) -> Any:
    for i in range(BLOCK):
        out[i] = -others[i] * factors[i]


@loop
def _store(t: Any, factors: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = t[j, i] * factors[i]


@loop
def _store_at(places: Any, values: Any, out: Any) -> Any:
    for i in range(out.shape[0]):
        out[i, places[i]] = values[i]


@loop
def _is_plain(largest: Any, others: Any, own: Any, tiny: Any) -> Any:
    """Whether there is a softmax, and no exponential that matters has underflown."""
    return (abs(largest) < np.inf) & (others >= tiny) & (others < np.inf) & (own > 0)


@loop
def _copy(x: Any, out: Any) -> Any:
    for j in range(out.shape[0]):
        out[j] = x[j]


@loop
def _have_softmax(largest: Any, totals: Any) -> Any:
    odd = 0
    for i in range(BLOCK):
        odd += 0 if (abs(largest[i]) < np.inf) & (totals[i] < np.inf) else 1
    return odd == 0


@loop
def _all_plain(largest: Any, others: Any, own: Any) -> Any:
    odd, tiny = 0, rows.least_sum(own)
    for i in range(BLOCK):
        odd += 0 if _is_plain(largest[i], others[i], own[i], tiny) else 1
    return odd == 0


@loop
def _exponentials_of(t: Any, largest: Any, frames: Any) -> Any:
    """Turns a block (k, BLOCK) into its exponentials, within the frame of each example."""
    _frames(largest, frames[0], frames[1], frames[2])
    for j in range(t.shape[0]):
        _exponentials(t[j], frames[0], frames[1], frames[2])


@kernel
def softmaxes(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    largest, factors, none = np.empty(BLOCK, t.dtype), np.empty(BLOCK, t.dtype), np.zeros(BLOCK, t.dtype)
    frames, totals, ones = np.empty((3, BLOCK), t.dtype), np.empty(BLOCK), np.ones(BLOCK)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block, results = x[start : start + BLOCK], out[start : start + BLOCK]
        _load(block, t)
        _largest(t, largest)
        _exponentials_of(t, largest, frames)
        _add(t, totals)
        _factors(totals, none, ones, factors)
        _store(t, factors, results)
        for i in range(block.shape[0]):
            if not rows.has_softmax(largest[i], totals[i]):
                rows.fill(results[i], np.nan)
                bad = start + i if bad < 0 else bad
    return bad


@loop
def _spreads(
    block: Any, t: Any, e: Any, largest: Any, places: Any, work: Any, others: Any, spread: Any
) -> Any:
    """Loads a block; the largest of each example, and log of the sum of exp(x - largest): nan without a softmax."""
    count, own, frames = block.shape[0], work[0], work[1:4]
    _load(block, t)
    _largest(t, largest)
    _places_of(t, largest, own, places)
    for j in range(t.shape[0]):
        _copy(t[j], e[j])
    _exponentials_of(e, largest, frames)
    _pick(e, places, count, own)
    _put(e, places, count, 0)
    _add(e, others)
    _logs(others, own, spread)
    if not _all_plain(largest, others, own):
        for i in range(count):
            if not rows.has_softmax(largest[i], others[i] + own[i]):
                spread[i] = np.nan
            elif not _is_plain(largest[i], others[i], own[i], rows.least_sum(t)):
                top, row = largest[i], np.empty(t.shape[0], t.dtype)
                _copy(block[i], row)
                spread[i] = rows.loss_of(row, places[i], top, top, others[i], np.float64(own[i]))


@loop
def _subtract_twice(t: Any, first: Any, second: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = (t[j, i] - first[i]) - second[i]


@kernel
def log_softmaxes(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    largest, spread, work = np.empty(BLOCK, t.dtype), np.empty(BLOCK, t.dtype), np.ones((4, BLOCK), t.dtype)
    e, others, places = np.empty_like(t), np.empty(BLOCK), np.zeros(BLOCK, np.int64)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block, results = x[start : start + BLOCK], out[start : start + BLOCK]
        _spreads(block, t, e, largest, places, work, others, spread)
        _subtract_twice(t, largest, spread, results)
        for i in range(block.shape[0]):
            if np.isnan(spread[i]):
                rows.fill(results[i], np.nan)
                bad = start + i if bad < 0 else bad
    return bad


@kernel
def logsumexps(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    largest, spread, work = np.empty(BLOCK, t.dtype), np.empty(BLOCK, t.dtype), np.ones((4, BLOCK), t.dtype)
    e, others, places = np.empty_like(t), np.empty(BLOCK), np.zeros(BLOCK, np.int64)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block = x[start : start + BLOCK]
        _spreads(block, t, e, largest, places, work, others, spread)
        for i in range(block.shape[0]):
            out[start + i] = np.float64(largest[i]) + np.float64(spread[i])
            if np.isnan(spread[i]) and bad < 0:
                bad = start + i
    return bad


@loop
def _without_loss(
    labels: Any, ignored: Any, classes: Any, largest: Any, others: Any, own: Any, losses: Any, results: Any
) -> Any:
    """Gives 0 to examples that are ignored and nan to those without a loss; the first of the latter, or -1."""
    bad = -1
    for i in range(labels.shape[0]):
        skipped = labels[i] == ignored
        if skipped or not (
            rows.is_label(labels[i], classes) and rows.has_softmax(largest[i], others[i] + own[i])
        ):
            value = 0.0 if skipped else np.nan
            losses[i] = value
            if results.shape[0] > 0:
                rows.fill(results[i], value)
            bad = i if bad < 0 and not skipped else bad
    return bad


@loop
def _load_scale(scale: Any, start: Any, count: Any, factors: Any) -> Any:
    """What the gradient of each example is multiplied by: one number for all, or one for each."""
    for i in range(count):
        factors[i] = scale[start + i if scale.shape[0] > 1 else 0]


@loop
def _weigh(weights: Any, places: Any, count: Any, losses: Any, factors: Any) -> Any:
    """Multiplies losses and gradients by the weight of the label."""
    for i in range(count):
        weight = weights[places[i]]
        factors[i] *= weight
        losses[i] = losses[i] * weight if weight > 0 else 0.0


@kernel
def cross_entropies(
    x: Any, labels: Any, ignored: Any, weights: Any, scale: Any, losses: Any, gradient: Any, t: Any
) -> Any:
    bad, k = -1, x.shape[1]
    largest, own, loss, share, slope = (
        np.ones(BLOCK, t.dtype),
        np.ones(BLOCK, t.dtype),
        np.ones(BLOCK, t.dtype),
        np.ones(BLOCK, t.dtype),
        np.ones(BLOCK, t.dtype),
    )
    frames, others, factors, places = (
        np.empty((3, BLOCK), t.dtype),
        np.empty(BLOCK),
        np.ones(BLOCK),
        np.zeros(BLOCK, np.int64),
    )
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block, its = x[start : start + BLOCK], labels[start : start + BLOCK]
        costs, results = losses[start : start + BLOCK], gradient[start : start + BLOCK]
        count = block.shape[0]
        _load(block, t)
        odd = _load_places(its, ignored, k, places)
        _largest(t, largest)
        _pick(t, places, count, own)
        _exponentials_of(t, largest, frames)
        _exponentials(own, frames[0], frames[1], frames[2])
        _put(t, places, count, 0)
        _add(t, others)
        _logs(others, own, loss)
        if not _all_plain(largest, others, own):
            odd = True
            row = np.empty(k, t.dtype)
            for i in range(count):
                if not _is_plain(largest[i], others[i], own[i], rows.least_sum(t)):
                    _copy(block[i], row)
                    loss[i] = rows.loss_of(
                        row, places[i], row[places[i]], largest[i], others[i], np.float64(own[i])
                    )
        _load_scale(scale, start, count, factors)
        if weights.shape[0] > 0:
            _weigh(weights, places, count, loss, factors)
        _copy(loss, costs)
        if results.shape[0] > 0:
            _factors(others, own, factors, share)
            _products(others, share, slope)
            _store(t, share, results)
            _store_at(places, slope, results)
        if odd:
            first = _without_loss(its, ignored, k, largest, others, own, costs, results)
            bad = start + first if bad < 0 <= first else bad
    return bad


@loop
def _finish_squared(
    rest: Any,
    squares: Any,
    own: Any,
    other: Any,
    scale: Any,
    loss: Any,
    share: Any,
    centre: Any,
    twice: Any,
    of_own: Any,
    of_top: Any,
) -> Any:
    """`rows.squared_error` after its sums; `rest` becomes the sum without the label's, the last six are results."""
    for i in range(BLOCK):
        others = rest[i] + np.float64(other[i])
        part = 1.0 / (others + np.float64(own[i]))
        r, s, o, h = rest[i] * part, squares[i] * part * part, own[i] * part, other[i] * part
        cost = (r + h) * (r + h) + (s + h * h)
        middle = s + h * h - o * (r + h)
        factor = 2.0 * scale[i]
        loss[i], share[i], centre[i], twice[i] = cost, part, middle, factor
        of_own[i] = -factor * o * cost
        of_top[i] = factor * (o * cost - s + middle * r)
        rest[i] = others


@loop
def _store_squared(t: Any, share: Any, centre: Any, factors: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            q = t[j, i] * share[i]
            out[i, j] = factors[i] * q * (q - centre[i])


@kernel
def squared_errors(x: Any, labels: Any, ignored: Any, scale: Any, losses: Any, gradient: Any, t: Any) -> Any:
    bad, k = -1, x.shape[1]
    largest, own, other = np.ones(BLOCK, t.dtype), np.ones(BLOCK, t.dtype), np.ones(BLOCK, t.dtype)
    loss, share, centre = np.ones(BLOCK, t.dtype), np.ones(BLOCK, t.dtype), np.ones(BLOCK, t.dtype)
    twice, of_own, of_top = np.ones(BLOCK, t.dtype), np.ones(BLOCK, t.dtype), np.ones(BLOCK, t.dtype)
    frames, factors, rest, squares = (
        np.empty((3, BLOCK), t.dtype),
        np.ones(BLOCK),
        np.empty(BLOCK),
        np.empty(BLOCK),
    )
    places, tops = np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block, its = x[start : start + BLOCK], labels[start : start + BLOCK]
        costs, results = losses[start : start + BLOCK], gradient[start : start + BLOCK]
        count = block.shape[0]
        _load(block, t)
        odd = _load_places(its, ignored, k, places)
        _largest(t, largest)
        _places_of(t, largest, own, tops)
        _exponentials_of(t, largest, frames)
        _pick(t, places, count, own)
        _put(t, places, count, 0)
        _pick(t, tops, count, other)  # 0 where it is the label
        _put(t, tops, count, 0)
        _add(t, rest)
        _add_squares(t, squares)
        _load_scale(scale, start, count, factors)
        _finish_squared(rest, squares, own, other, factors, loss, share, centre, twice, of_own, of_top)
        _copy(loss, costs)
        if results.shape[0] > 0:
            _store_squared(t, share, centre, twice, results)
            _store_at(tops, of_top, results)
            _store_at(places, of_own, results)
        if odd or not _have_softmax(largest, rest):
            first = _without_loss(its, ignored, k, largest, rest, own, costs, results)
            bad = start + first if bad < 0 <= first else bad
    return bad
