"""Many classes: one example at a time, along the row.

Every kernel takes C-contiguous rows (n, k) of float32 or float64, writes its results, and returns the
first row that has no result (nan, +inf, no finite logit, a label that is no class), or -1; such a row
gets nan. A row of the output holds the exponentials until they are divided by their sum, so memory is
read once and written once as long as a row fits into the second-level cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crossent.kernels.compiled import kernel, loop, sum_loop
from crossent.kernels.scalar import exponential, frame_of, larger, log_of_share, multiply_add, reciprocal

PIECE = 2048
"""A piece of a row and its exponentials stay in the first-level cache between two loops."""


@sum_loop
def largest_of(x: Any) -> Any:
    largest = x[0]
    for j in range(x.shape[0]):
        largest = larger(largest, x[j])
    return largest


@sum_loop
def _any_is(x: Any, value: Any) -> Any:
    count = 0
    for j in range(x.shape[0]):
        count += x[j] == value
    return count > 0


@loop
def place_of(x: Any, value: Any) -> Any:
    """The first place that holds the value, which is there; the first of all where it is nan."""
    for start in range(0, x.shape[0], 64):
        piece = x[start : min(start + 64, x.shape[0])]
        if _any_is(piece, value):
            for j in range(piece.shape[0]):
                if piece[j] == value:
                    return start + j
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
def multiply(x: Any, factor: Any) -> Any:
    for j in range(x.shape[0]):
        x[j] = x[j] * factor


@loop
def fill(x: Any, value: Any) -> Any:
    for j in range(x.shape[0]):
        x[j] = value


@loop
def multiply_twice(x: Any, factor: Any, rest: Any) -> Any:
    for j in range(x.shape[0]):
        x[j] = multiply_add(x[j], factor, x[j] * rest)


@loop
def _subtract_twice(x: Any, first: Any, second: Any, out: Any) -> Any:
    for j in range(x.shape[0]):
        out[j] = (x[j] - first) - second


@loop
def sums_apart(x: Any, apart: Any, also: Any, frame: Any, e: Any) -> Any:
    """Exponentials of a row, their sum and sum of squares without those at two places, and these two.

    `e` takes the exponentials, 0 at both places; where it is shorter than the row it is only a place to
    work in. The second place may be the first again, whose exponential then comes back as 0.
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
def sum_apart(x: Any, apart: Any, frame: Any, e: Any) -> Any:
    """Exponentials of a row, their sum without the one at a place, and that one; `e` as in `sums_apart`."""
    k, kept = x.shape[0], e.shape[0] == x.shape[0]
    others, own = 0.0, 0.0
    if k <= PIECE:  # the same without cutting, which takes as long as the arithmetic of some ten classes
        exponentials(x, frame, e)
        if apart >= 0:
            own = np.float64(e[apart])
            e[apart] = 0
        return sum_of(e), own
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
def has_softmax(largest: Any, total: Any) -> Any:
    """Whether a row is of finite logits and -inf: the sum is nan where one of them is, or is +inf."""
    return -np.inf < largest < np.inf and total < np.inf


@loop
def is_label(label: Any, classes: Any) -> Any:
    return 0 <= label < classes


@loop
def is_ignored(label: Any, ignored: Any) -> Any:
    """Whether it is the label of rows that do not count, of which there is one or none."""
    return ignored.shape[0] > 0 and label == ignored[0]


@loop
def least_sum(x: Any) -> Any:
    """A sum of exponentials below this may lack some that have underflown."""
    return np.float64(np.finfo(x.dtype).tiny) * 2.0**30


@loop
def loss_of(x: Any, label: Any, own_logit: Any, largest: Any, others: Any, own: Any) -> Any:
    """-log of the softmax at the label, from the exponential there and the sum of the others."""
    if own == 0.0:  # underflown beside the largest
        base, floor, power = frame_of(largest)
        top = np.float64(exponential(largest, base, floor, power))
        return (np.float64(largest) - np.float64(own_logit)) + log_of_share(others - top, top)
    if others < least_sum(x):
        others = 0.0
        for j in range(x.shape[0]):
            if j != label:
                others += math.exp(np.float64(x[j]) - np.float64(own_logit))
        return math.log1p(others)
    return log_of_share(others, own)


@loop
def softmax(x: Any, out: Any) -> Any:
    """The softmax of a row; False, and nan, where it has none."""
    largest = largest_of(x)
    total, _ = sum_apart(x, -1, frame_of(largest), out)
    if not has_softmax(largest, total):
        fill(out, np.nan)
        return False
    share, rest = reciprocal(total, x[0])
    multiply_twice(out, share, rest)
    return True


@loop
def spread_of(x: Any, e: Any) -> Any:
    """The largest entry, and log of the sum of exp(x - largest), nan where there is no softmax."""
    largest = largest_of(x)
    top = place_of(x, largest)
    others, own = sum_apart(x, top, frame_of(largest), e)
    valid = has_softmax(largest, others + own)
    return largest, loss_of(x, top, largest, largest, others, own) if valid else np.nan


@loop
def log_softmax(x: Any, out: Any, e: Any) -> Any:
    """The logarithm of the softmax of a row; False, and nan, where it has none."""
    largest, spread = spread_of(x, e)
    if np.isnan(spread):
        fill(out, np.nan)
        return False
    _subtract_twice(x, largest, x.dtype.type(spread), out)
    return True


@loop
def cross_entropy(x: Any, label: Any, ignored: Any, weights: Any, scale: Any, e: Any, wanted: Any) -> Any:
    """The loss of a row and whether it has one; where wanted, `e` becomes its gradient."""
    if is_ignored(label, ignored):
        fill(e, 0)
        return 0.0, True
    largest = largest_of(x)
    if is_label(label, x.shape[0]):
        own_logit = x[label]
        others, own = sum_apart(x, label, frame_of(largest), e)
        if has_softmax(largest, others + own):
            weight = weights[label] if weights.shape[0] > 0 else 1.0
            loss = weight * loss_of(x, label, own_logit, largest, others, own) if weight != 0 else 0.0
            if wanted:
                factor = weight * scale / (others + own)
                multiply(e, x.dtype.type(factor))
                e[label] = -others * factor
            return loss, True
    fill(e, np.nan)
    return np.nan, False


@loop
def _squared_error_slopes(e: Any, share: Any, centre: Any, scale: Any) -> Any:
    for j in range(e.shape[0]):
        q = e[j] * share
        e[j] = scale * q * (q - centre)


@loop
def squared_error(x: Any, label: Any, ignored: Any, scale: Any, e: Any, wanted: Any) -> Any:
    """The squared error of a row's softmax and whether it has one; where wanted, `e` becomes its gradient.

    With o and s the sums of q and q^2 of the other classes the loss is o^2 + s and the slopes are 2 q
    (q - c), c = s - q_y o; that of the label is -2 q_y loss. That of the largest, where it is not the
    label, nearly cancels as q nears 1: it is minus the sum of all others.
    """
    if is_ignored(label, ignored):
        fill(e, 0)
        return 0.0, True
    largest = largest_of(x)
    if is_label(label, x.shape[0]):
        top = label if x[label] == largest else place_of(x, largest)
        rest, squares, own, other = sums_apart(x, label, top, frame_of(largest), e)
        total = rest + other + own
        if has_softmax(largest, total):
            share = 1.0 / total
            rest, squares, own, other = rest * share, squares * share * share, own * share, other * share
            loss = (rest + other) * (rest + other) + (squares + other * other)
            if wanted:
                number = x.dtype.type
                centre = squares + other * other - own * (rest + other)
                _squared_error_slopes(e, number(share), number(centre), number(2.0 * scale))
                if top != label:
                    e[top] = 2.0 * scale * (own * loss - squares + centre * rest)
                e[label] = -2.0 * scale * own * loss
            return loss, True
    fill(e, np.nan)
    return np.nan, False


@kernel
def softmaxes(x: Any, out: Any) -> Any:
    bad = -1
    for i in range(x.shape[0]):
        if not softmax(x[i], out[i]) and bad < 0:
            bad = i
    return bad


@kernel
def log_softmaxes(x: Any, out: Any) -> Any:
    bad = -1
    e = np.empty(min(PIECE, x.shape[1]), x.dtype)
    for i in range(x.shape[0]):
        if not log_softmax(x[i], out[i], e) and bad < 0:
            bad = i
    return bad


@kernel
def logsumexps(x: Any, out: Any) -> Any:
    bad = -1
    e = np.empty(min(PIECE, x.shape[1]), x.dtype)
    for i in range(x.shape[0]):
        largest, spread = spread_of(x[i], e)
        out[i] = np.float64(largest) + spread
        if np.isnan(spread) and bad < 0:
            bad = i
    return bad


@kernel
def cross_entropies(
    x: Any, labels: Any, ignored: Any, weights: Any, scale: Any, losses: Any, gradient: Any
) -> Any:
    """Losses of rows, and their gradient unless that has no rows.

    Rows with the label in `ignored`, which may be empty, cost 0; `weights` are of the classes, or
    empty; `scale`, one number or one for each row, multiplies the gradient.
    """
    bad = -1
    wanted = gradient.shape[0] > 0
    piece = np.empty(min(PIECE, x.shape[1]), x.dtype)
    for i in range(x.shape[0]):
        e = gradient[i] if wanted else piece
        losses[i], valid = cross_entropy(
            x[i], labels[i], ignored, weights, scale[i if scale.shape[0] > 1 else 0], e, wanted
        )
        if not valid and bad < 0:
            bad = i
    return bad


@kernel
def squared_errors(x: Any, labels: Any, ignored: Any, scale: Any, losses: Any, gradient: Any) -> Any:
    """Squared errors of the softmax of rows, and their gradient; as `cross_entropies`."""
    bad = -1
    wanted = gradient.shape[0] > 0
    piece = np.empty(min(PIECE, x.shape[1]), x.dtype)
    for i in range(x.shape[0]):
        e = gradient[i] if wanted else piece
        losses[i], valid = squared_error(
            x[i], labels[i], ignored, scale[i if scale.shape[0] > 1 else 0], e, wanted
        )
        if not valid and bad < 0:
            bad = i
    return bad
