"""The three measures of each example in one pass, for comparisons, in float64, also from float32.

`predicted` is the first largest output, `top` its probability, `tied` whether another is as large. The
`series` (3, n) are 1 where it is not the label and else 0, squared error, cross-entropy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crossent.kernels import columns, group, rows, squares
from crossent.kernels.compiled import kernel, loop, sum_loop


@sum_loop
def _count_of(x: Any, value: Any) -> Any:
    count = 0
    for j in range(x.shape[0]):
        count += x[j] == value
    return count


@sum_loop
def _squared_distance(p: Any, q: Any) -> Any:
    total = 0.0
    for j in range(q.shape[0]):
        total += (q[j] - p[j]) * (q[j] - p[j])
    return total


@loop
def _charges(p: Any, q: Any) -> Any:
    total = 0.0
    for j in range(q.shape[0]):
        if p[j] > 0:
            total -= p[j] * math.log(q[j])
    return total


@loop
def _store_predicted(tops: Any, places: Any, predicted: Any, wrong: Any) -> Any:
    for i in range(predicted.shape[0]):
        predicted[i] = tops[i]
        wrong[i] = 0.0 if tops[i] == places[i] else 1.0


@loop
def _store_group(
    g: Any, s: Any, predicted: Any, top: Any, wrong: Any, squared_error: Any, cross_entropy: Any, block: Any
) -> Any:
    squares.find_losses(g, s)
    _store_predicted(s.tops, g.places, predicted, wrong)
    group.copy(s.top, top)
    group.copy(g.loss, squared_error)
    group.find_losses(block, g)
    group.copy(g.loss, cross_entropy)


@kernel
def of_logits(x: Any, labels: Any, predicted: Any, top: Any, tied: Any, series: Any) -> Any:
    """Of logits that have a softmax, under labels (n,)."""
    wrong, squared_error, cross_entropy = series[0], series[1], series[2]
    size, k = rows.rows_together(x.shape[1]), x.shape[1]
    g, s, e = group.group_of(size, top), squares.squares_of(size, top), np.empty((size, min(rows.PIECE, k)))
    nothing = np.empty(0, np.int64)
    for start in range(0, x.shape[0], size):
        at = slice(start, start + size)
        block = x[at]
        group.load_labels(labels[at], nothing, k, g)
        rows.find_frames(block, g)
        rows.find_squares(block, g, s, e)
        for i in range(block.shape[0]):
            tied[start + i] = _count_of(block[i], g.largest[i]) > 1
        _store_group(g, s, predicted[at], top[at], wrong[at], squared_error[at], cross_entropy[at], block)


@loop
def _add_equal(x: Any, largest: Any, counts: Any) -> Any:
    for i in range(counts.shape[0]):
        counts[i] += 1.0 if x[i] == largest[i] else 0.0


@loop
def _find_ties(t: Any, largest: Any, counts: Any, tied: Any) -> Any:
    group.fill(counts, 0.0)  # floats, as wide as what is compared
    for j in range(t.shape[0]):
        _add_equal(t[j], largest, counts)
    for i in range(tied.shape[0]):
        tied[i] = counts[i] > 1


@kernel
def of_few_logits(x: Any, labels: Any, predicted: Any, top: Any, tied: Any, series: Any, t: Any) -> Any:
    """`of_logits` for few classes, many examples at a time, in any layout."""
    wrong, squared_error, cross_entropy = series[0], series[1], series[2]
    g, s = group.group_of(columns.BLOCK, t), squares.squares_of(columns.BLOCK, t)
    nothing, counts = np.empty(0, np.int64), np.empty(columns.BLOCK)
    columns.start_with(t)
    for start in range(0, x.shape[0], columns.BLOCK):
        at = slice(start, start + columns.BLOCK)
        block = x[at]
        group.load_labels(labels[at], nothing, x.shape[1], g)
        columns.load_group(x, start, t)
        columns.find_frames(t, g)
        _find_ties(t, g.largest, counts, tied[at])
        columns.find_squares(t, block.shape[0], g, s)
        _store_group(g, s, predicted[at], top[at], wrong[at], squared_error[at], cross_entropy[at], block)


@loop
def _store_probs(squares_of_others: Any, own: Any, squared_error: Any, cross_entropy: Any) -> Any:
    for i in range(squared_error.shape[0]):
        squared_error[i] = squares_of_others[i] + (1.0 - own[i]) * (1.0 - own[i])
        cross_entropy[i] = 0.0 - math.log(own[i])


@kernel
def of_few_probs(q: Any, labels: Any, predicted: Any, top: Any, tied: Any, series: Any, t: Any) -> Any:
    """`of_probs` under labels (n,) for few classes, many examples at a time, in any layout."""
    wrong, squared_error, cross_entropy = series[0], series[1], series[2]
    g, s = group.group_of(columns.BLOCK, t), squares.squares_of(columns.BLOCK, t)
    nothing, counts = np.empty(0, np.int64), np.empty(columns.BLOCK)
    columns.start_with(t)
    for start in range(0, q.shape[0], columns.BLOCK):
        at = slice(start, start + columns.BLOCK)
        group.load_labels(labels[at], nothing, q.shape[1], g)
        columns.load_group(q, start, t)
        columns.find_largest(t, g.largest)
        columns.find_tops(t, g.largest, s.tops)
        _find_ties(t, g.largest, counts, tied[at])
        _store_predicted(s.tops, g.places, predicted[at], wrong[at])
        group.copy(g.largest, top[at])
        columns.take(t, g.places, min(columns.BLOCK, q.shape[0] - start), g.own)
        columns.add_squares(t, s.squares)
        _store_probs(s.squares, g.own, squared_error[at], cross_entropy[at])


@kernel
def of_probs(q: Any, labels: Any, p: Any, predicted: Any, top: Any, tied: Any, series: Any) -> Any:
    """Of probabilities, under distributions p, or, where that has no rows, labels (n,)."""
    wrong, squared_error, cross_entropy = series[0], series[1], series[2]
    hard = p.shape[0] == 0
    for i in range(q.shape[0]):
        largest = rows.largest_of(q[i])
        predicted[i], top[i] = rows.place_of(q[i], largest), largest
        tied[i] = _count_of(q[i], largest) > 1
        wrong[i] = 0.0 if predicted[i] == labels[i] else 1.0
        if hard:
            label = labels[i]
            own = q[i, label]
            others = rows.sum_of_squares(q[i, :label]) + rows.sum_of_squares(q[i, label + 1 :])
            squared_error[i] = others + (1.0 - own) * (1.0 - own)
            cross_entropy[i] = 0.0 - math.log(own)
        else:
            squared_error[i] = _squared_distance(p[i], q[i])
            cross_entropy[i] = 0.0 + _charges(p[i], q[i])
