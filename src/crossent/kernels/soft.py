"""Labels that are distributions, or are smoothed: one example at a time, in float64.

Every class has its amount a_j, the weighted share of the label that its -log q_j is charged with. A
gradient is q_j (sum of the other a) - a_j (sum of the other q); at the largest of the amounts and of
the logits, where the sum of the others is next to nothing, it is found by adding them, not by
subtracting from the whole. The arguments are those of the kernels in `rows`; C-contiguous float64 in,
losses and gradients out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels import group, rows
from crossent.kernels.compiled import kernel, loop, sum_loop
from crossent.kernels.scalar import exponential, frame_of


@loop
def _amounts(p: Any, weights: Any, kept: Any, spread: Any, out: Any) -> Any:
    """weight times (kept p + spread), without weights where there are none."""
    for j in range(out.shape[0]):
        out[j] = kept * p[j] + spread
    for j in range(weights.shape[0]):
        out[j] *= weights[j]


@loop
def _smoothed(label: Any, weights: Any, kept: Any, spread: Any, out: Any) -> Any:
    for j in range(out.shape[0]):
        out[j] = spread
    out[label] += kept
    for j in range(weights.shape[0]):
        out[j] *= weights[j]


@loop
def _charges(amounts: Any, x: Any, largest: Any, spread: Any, out: Any) -> Any:
    # not added up at once: there the compiler may subtract x from the sum of the other two, which cancels
    for j in range(x.shape[0]):
        out[j] = amounts[j] * ((largest - x[j]) + spread) if amounts[j] != 0 else 0.0


@loop
def _sum_without(x: Any, place: Any) -> Any:
    """The sum of a row without one of its entries."""
    total = 0.0
    for start in range(0, x.shape[0], rows.PIECE):
        stop = min(start + rows.PIECE, x.shape[0])
        if start <= place < stop:
            total += rows.sum_of(x[start:place]) + rows.sum_of(x[place + 1 : stop])
        else:
            total += rows.sum_of(x[start:stop])
    return total


@loop
def _slopes(x: Any, amounts: Any, frame: Any, share: Any, total: Any, scale: Any, out: Any) -> Any:
    base, floor, power = frame
    for j in range(x.shape[0]):
        q = exponential(x[j], base, floor, power) * share
        out[j] = scale * (q * (total - amounts[j]) - amounts[j] * (1.0 - q))


@kernel
def cross_entropies(
    x: Any,
    labels: Any,
    p: Any,
    ignored: Any,
    weights: Any,
    smoothing: Any,
    scale: Any,
    losses: Any,
    gradient: Any,
) -> Any:
    """Distributions p, or labels where it has no rows, of which a share is spread over all classes."""
    bad = -1
    k = x.shape[1]
    kept, spread_evenly = 1.0 - smoothing, smoothing / k
    wanted, hard = gradient.shape[0] > 0, p.shape[0] == 0
    piece, amounts = np.empty(min(rows.PIECE, k)), np.empty(k)
    for i in range(x.shape[0]):
        label = labels[i] if hard else 0
        if hard and group.is_ignored(label, ignored):
            losses[i] = 0
            if wanted:
                group.fill(gradient[i], 0)
            continue
        largest = rows.largest_of(x[i])
        frame = frame_of(largest)
        top = rows.place_of(x[i], largest)
        others, own = rows.sum_apart(x[i], top, frame, piece)
        if not (group.has_softmax(largest, others + own) and group.is_label(label, k)):
            losses[i] = np.nan
            if wanted:
                group.fill(gradient[i], np.nan)
            bad = i if bad < 0 else bad
            continue
        if hard:
            _smoothed(label, weights, kept, spread_evenly, amounts)
        else:
            _amounts(p[i], weights, kept, spread_evenly, amounts)
        spread = group.loss_of(x[i], top, largest, others, own, group.least_sum(x))
        total = 0.0
        for start in range(0, k, rows.PIECE):
            stop = min(start + rows.PIECE, k)
            _charges(amounts[start:stop], x[i, start:stop], largest, spread, piece)
            total += rows.sum_of(piece[: stop - start])
        losses[i] = total
        if wanted:
            share = 1.0 / (others + own)
            most = rows.place_of(amounts, rows.largest_of(amounts))
            others_of_most = _sum_without(amounts, most)
            whole = others_of_most + amounts[most]
            _slopes(x[i], amounts, frame, share, whole, scale[i if scale.shape[0] > 1 else 0], gradient[i])
            for place in (top, most):
                q = exponential(x[i, place], frame[0], frame[1], frame[2]) * share
                others_of_q = others * share if place == top else 1.0 - q
                others_of_a = others_of_most if place == most else whole - amounts[place]
                slope = q * others_of_a - amounts[place] * others_of_q
                gradient[i, place] = scale[i if scale.shape[0] > 1 else 0] * slope
    return bad


@loop
def _differences(x: Any, p: Any, frame: Any, share: Any, q: Any, d: Any) -> Any:
    base, floor, power = frame
    for j in range(x.shape[0]):
        q[j] = exponential(x[j], base, floor, power) * share
        d[j] = q[j] - p[j]


@sum_loop
def _dot(a: Any, b: Any) -> Any:
    total = 0.0
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@loop
def _squared_slopes(x: Any, p: Any, frame: Any, share: Any, centre: Any, scale: Any, out: Any) -> Any:
    base, floor, power = frame
    for j in range(x.shape[0]):
        q = exponential(x[j], base, floor, power) * share
        out[j] = scale * q * ((q - p[j]) - centre)


@kernel
def squared_errors(x: Any, p: Any, scale: Any, losses: Any, gradient: Any) -> Any:
    """With d = q - p the loss is the sum of d^2, and the slopes are 2 q (d - sum of q d).

    At the largest logit, where q may be next to 1 and p too, d is what p leaves to the others less what
    q leaves.
    """
    bad = -1
    k = x.shape[1]
    wanted = gradient.shape[0] > 0
    piece, q, d = np.empty(min(rows.PIECE, k)), np.empty(min(rows.PIECE, k)), np.empty(min(rows.PIECE, k))
    for i in range(x.shape[0]):
        largest = rows.largest_of(x[i])
        frame = frame_of(largest)
        top = rows.place_of(x[i], largest)
        others, own = rows.sum_apart(x[i], top, frame, piece)
        if not group.has_softmax(largest, others + own):
            losses[i] = np.nan
            if wanted:
                group.fill(gradient[i], np.nan)
            bad = i if bad < 0 else bad
            continue
        share = 1.0 / (others + own)
        of_top, rest_of_top = own * share, others * share
        d_top = (1.0 - p[i, top]) - rest_of_top if p[i, top] > 0.5 else of_top - p[i, top]
        loss, products = 0.0, 0.0
        for start in range(0, k, rows.PIECE):
            stop = min(start + rows.PIECE, k)
            its, differences = q[: stop - start], d[: stop - start]
            _differences(x[i, start:stop], p[i, start:stop], frame, share, its, differences)
            if start <= top < stop:
                differences[top - start] = 0.0
            loss += _dot(differences, differences)
            products += _dot(its, differences)
        losses[i] = loss + d_top * d_top
        if wanted:
            factor = 2.0 * scale[i if scale.shape[0] > 1 else 0]
            _squared_slopes(x[i], p[i], frame, share, products + of_top * d_top, factor, gradient[i])
            gradient[i, top] = factor * of_top * (d_top * rest_of_top - products)
    return bad
