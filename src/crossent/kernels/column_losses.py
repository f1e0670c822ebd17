"""The two losses for few classes: many examples at a time, along the column, as `columns` lays them
out.

Arguments, results and formulas are those of the kernels in `rows`; the last argument is a place (k,
BLOCK) to work in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels import columns, rows
from crossent.kernels.compiled import kernel, loop


@loop
def load_places(labels: Any, ignored: Any, classes: Any, places: Any) -> Any:
    """The labels that are classes, and 0 for the others; whether there were others."""
    plain = True
    for i in range(labels.shape[0]):
        label = labels[i]
        counts = rows.is_label(label, classes) and not rows.is_ignored(label, ignored)
        places[i] = label if counts else 0
        plain &= counts
    return not plain


@loop
def _factors(others: Any, own: Any, scale: Any, factors: Any) -> Any:
    for i in range(columns.BLOCK):
        factors[i] = scale[i] / (others[i] + np.float64(own[i]))


@loop
def _products(others: Any, factors: Any, out: Any) -> Any:
    for i in range(columns.BLOCK):
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
def _have_softmax(largest: Any, totals: Any) -> Any:
    odd = 0
    for i in range(columns.BLOCK):
        odd += 0 if (abs(largest[i]) < np.inf) & (totals[i] < np.inf) else 1
    return odd == 0


@loop
def _without_loss(
    labels: Any, ignored: Any, classes: Any, largest: Any, others: Any, own: Any, losses: Any, results: Any
) -> Any:
    """Gives 0 to examples that are ignored, nan to those without a loss; the first of these, or -1."""
    bad = -1
    for i in range(labels.shape[0]):
        skipped = rows.is_ignored(labels[i], ignored)
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
def load_scale(scale: Any, start: Any, count: Any, factors: Any) -> Any:
    """What the gradient of each example is multiplied by: one number for all, or one for each."""
    for i in range(count):
        factors[i] = scale[start + i if scale.shape[0] > 1 else 0]


@loop
def _weigh(weights: Any, places: Any, count: Any, losses: Any, factors: Any) -> Any:
    """Multiplies losses and gradients by the weight of the label."""
    for i in range(count):
        weight = weights[places[i]]
        factors[i] *= weight
        losses[i] = losses[i] * weight if weight != 0 else 0.0


@kernel
def cross_entropies(
    x: Any, labels: Any, ignored: Any, weights: Any, scale: Any, losses: Any, gradient: Any, t: Any
) -> Any:
    bad, k = -1, x.shape[1]
    largest, own, loss, share, slope = (
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
    )
    frames, others, factors, places = (
        np.empty((3, columns.BLOCK), t.dtype),
        np.empty(columns.BLOCK),
        np.ones(columns.BLOCK),
        np.zeros(columns.BLOCK, np.int64),
    )
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], columns.BLOCK):
        block, its = x[start : start + columns.BLOCK], labels[start : start + columns.BLOCK]
        costs, results = losses[start : start + columns.BLOCK], gradient[start : start + columns.BLOCK]
        count = block.shape[0]
        columns.load(block, t)
        odd = load_places(its, ignored, k, places)
        columns.largest_of(t, largest)
        columns.pick(t, places, count, own)
        columns.exponentials_of(t, largest, frames)
        columns.exponentials(own, frames[0], frames[1], frames[2])
        columns.put(t, places, count, 0)
        columns.add(t, others)
        columns.logs(others, own, loss)
        if not columns.all_plain(largest, others, own):
            odd = True
            row = np.empty(k, t.dtype)
            for i in range(count):
                if not columns.is_plain(largest[i], others[i], own[i], rows.least_sum(t)):
                    columns.copy(block[i], row)
                    loss[i] = rows.loss_of(
                        row, places[i], row[places[i]], largest[i], others[i], np.float64(own[i])
                    )
        load_scale(scale, start, count, factors)
        if weights.shape[0] > 0:
            _weigh(weights, places, count, loss, factors)
        columns.copy(loss, costs)
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
    """`rows.squared_error` after its sums; `rest` becomes the sum of all but the label."""
    for i in range(columns.BLOCK):
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
    largest, own, other = (
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
    )
    loss, share, centre = (
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
    )
    twice, of_own, of_top = (
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
        np.ones(columns.BLOCK, t.dtype),
    )
    frames, factors, rest, squares = (
        np.empty((3, columns.BLOCK), t.dtype),
        np.ones(columns.BLOCK),
        np.empty(columns.BLOCK),
        np.empty(columns.BLOCK),
    )
    places, tops = np.zeros(columns.BLOCK, np.int64), np.zeros(columns.BLOCK, np.int64)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], columns.BLOCK):
        block, its = x[start : start + columns.BLOCK], labels[start : start + columns.BLOCK]
        costs, results = losses[start : start + columns.BLOCK], gradient[start : start + columns.BLOCK]
        count = block.shape[0]
        columns.load(block, t)
        odd = load_places(its, ignored, k, places)
        columns.largest_of(t, largest)
        columns.places_of(t, largest, own, tops)
        columns.exponentials_of(t, largest, frames)
        columns.pick(t, places, count, own)
        columns.put(t, places, count, 0)
        columns.pick(t, tops, count, other)  # 0 where it is the label
        columns.put(t, tops, count, 0)
        columns.add(t, rest)
        columns.add_squares(t, squares)
        load_scale(scale, start, count, factors)
        _finish_squared(rest, squares, own, other, factors, loss, share, centre, twice, of_own, of_top)
        columns.copy(loss, costs)
        if results.shape[0] > 0:
            _store_squared(t, share, centre, twice, results)
            _store_at(tops, of_top, results)
            _store_at(places, of_own, results)
        if odd or not _have_softmax(largest, rest):
            first = _without_loss(its, ignored, k, largest, rest, own, costs, results)
            bad = start + first if bad < 0 <= first else bad
    return bad
