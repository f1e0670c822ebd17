"""The three measures of each example in one pass, for comparisons, from float64 rows.

`predicted` is the first largest output, `top` its probability, `tied` whether another is as large.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crossent.kernels import column_losses, columns, rows
from crossent.kernels.compiled import kernel, loop, sum_loop
from crossent.kernels.scalar import frame_of


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


@kernel
def of_logits(
    x: Any, labels: Any, predicted: Any, top: Any, tied: Any, squared_error: Any, cross_entropy: Any
) -> Any:
    """Of logits that have a softmax, under labels (n,)."""
    e = np.empty(min(rows.PIECE, x.shape[1]))
    for i in range(x.shape[0]):
        label = labels[i]
        largest = rows.largest_of(x[i])
        place = rows.place_of(x[i], largest)
        rest, squares, own, other = rows.sums_apart(x[i], label, place, frame_of(largest), e)
        others = rest + other
        share = 1.0 / (others + own)
        predicted[i], tied[i] = place, _count_of(x[i], largest) > 1
        top[i] = (own if place == label else other) / (others + own)
        o, h = others * share, other * share
        squared_error[i] = o * o + (squares * share * share + h * h)
        cross_entropy[i] = rows.loss_of(x[i], label, x[i, label], largest, others, own)


@loop
def _of_block(
    rest: Any, squares: Any, own: Any, other: Any, others: Any, top: Any, squared_error: Any
) -> Any:
    for i in range(columns.BLOCK):
        others[i] = rest[i] + other[i]
        share = 1.0 / (others[i] + own[i])
        top[i] = (other[i] if other[i] > 0 else own[i]) / (others[i] + own[i])  # 0: it is the label's
        o, h = others[i] * share, other[i] * share
        squared_error[i] = o * o + (squares[i] * share * share + h * h)


@loop
def _ties(t: Any, largest: Any, tied: Any) -> Any:
    for i in range(tied.shape[0]):
        count = 0
        for j in range(t.shape[0]):
            count += t[j, i] == largest[i]
        tied[i] = count > 1


@kernel
def of_few_logits(
    x: Any, labels: Any, predicted: Any, top: Any, tied: Any, squared_error: Any, cross_entropy: Any, t: Any
) -> Any:
    """`of_logits` for few classes, many examples at a time."""
    k = x.shape[1]
    largest, own, other = np.ones(columns.BLOCK), np.ones(columns.BLOCK), np.ones(columns.BLOCK)
    rest, squares, others = np.ones(columns.BLOCK), np.ones(columns.BLOCK), np.ones(columns.BLOCK)
    share_of_top, loss, frames = np.ones(columns.BLOCK), np.ones(columns.BLOCK), np.ones((3, columns.BLOCK))
    places, tops, row = np.zeros(columns.BLOCK, np.int64), np.zeros(columns.BLOCK, np.int64), np.empty(k)
    nothing = np.empty(0, np.int64)
    for j in range(k):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], columns.BLOCK):
        block = x[start : start + columns.BLOCK]
        count = block.shape[0]
        columns.load(block, t)
        column_losses.load_places(labels[start : start + columns.BLOCK], nothing, k, places)
        columns.largest_of(t, largest)
        columns.places_of(t, largest, own, tops)
        _ties(t, largest, tied[start : start + columns.BLOCK])
        columns.exponentials_of(t, largest, frames)
        columns.pick(t, places, count, own)
        columns.put(t, places, count, 0)
        columns.pick(t, tops, count, other)
        columns.put(t, tops, count, 0)
        columns.add(t, rest)
        columns.add_squares(t, squares)
        _of_block(rest, squares, own, other, others, share_of_top, loss)
        for i in range(count):
            predicted[start + i], top[start + i] = tops[i], share_of_top[i]
            squared_error[start + i] = loss[i]
        columns.logs(others, own, loss)
        for i in range(count):
            if not columns.is_plain(largest[i], others[i], own[i], rows.least_sum(own)):
                columns.copy(block[i], row)
                loss[i] = rows.loss_of(row, places[i], row[places[i]], largest[i], others[i], own[i])
            cross_entropy[start + i] = loss[i]


@kernel
def of_probs(
    q: Any, labels: Any, p: Any, predicted: Any, top: Any, tied: Any, squared_error: Any, cross_entropy: Any
) -> Any:
    """Of probabilities, under distributions p, or, where that has no rows, labels (n,)."""
    hard = p.shape[0] == 0
    for i in range(q.shape[0]):
        largest = rows.largest_of(q[i])
        predicted[i], top[i] = rows.place_of(q[i], largest), largest
        tied[i] = _count_of(q[i], largest) > 1
        if hard:
            label = labels[i]
            own = q[i, label]
            others = rows.sum_of_squares(q[i, :label]) + rows.sum_of_squares(q[i, label + 1 :])
            squared_error[i] = others + (1.0 - own) * (1.0 - own)
            cross_entropy[i] = 0.0 - math.log(own)
        else:
            squared_error[i] = _squared_distance(p[i], q[i])
            cross_entropy[i] = 0.0 + _charges(p[i], q[i])
