"""Every formula once, in plain float64 NumPy: the specification that every kernel is held to.

`logits`, `p` and `q` are C-contiguous float64 rows (n, k), k >= 1, already checked; a `target` is
int64 labels (n,) or float64 distributions (n, k). No checks, no policy, no other dtype in here.

What makes it exact: the largest entry of a row is left out of its sum and added last, so that
-log q_j = (max - x_j) + log1p(sum of the others) is a sum of two terms >= 0 for every class, and
1 - q of the largest class is the others' share. Nothing that is nearly equal is ever subtracted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Target = NDArray[Any]
"""Labels (n,) or Floats (n, k), told apart by ndim, which the type checker cannot follow."""


class _Exponentials(NamedTuple):
    gaps: Floats
    """(x - max) / temperature, all <= 0."""
    powers: Floats
    """exp of the gaps; exactly 1 at `top`."""
    top: NDArray[np.intp]
    """The first largest entry of each row."""
    others: Floats
    """Sum of the powers without the one at `top`."""


def _row_sums(terms: Floats) -> Floats:
    """Sum of each row within an ulp, for any number of classes.

    Leading bits, cut on a grid that the whole row shares, add up without rounding; what was cut off is
    too small for the rounding of its own sum to matter (Rump, Ogita and Oishi 2008, doi:10.1137/050645671).
    """
    largest = np.abs(terms).max(axis=1)
    finite = np.isfinite(largest)
    _, exponent = np.frexp(np.where(finite, largest, 0.0) * terms.shape[1])
    grid = np.ldexp(1.0, exponent + 1)[:, None]
    leading = (terms + grid) - grid
    with np.errstate(invalid="ignore"):  # inf - inf, in rows whose sum is inf already
        trailing = (terms - leading).sum(axis=1)
    return np.asarray(leading.sum(axis=1) + np.where(finite, trailing, 0.0))


def _exponentials(logits: Floats, temperature: float = 1.0) -> _Exponentials:
    rows = np.arange(len(logits))
    top = logits.argmax(axis=1)
    largest = logits[rows, top][:, None]
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = logits - largest
        # What the subtraction rounded off: exp would turn it into an error of |gap| ulp.
        back = gaps - logits
        slip = (logits - (gaps - back)) - (largest + back)
        slip[~np.isfinite(slip)] = 0.0
        if temperature != 1.0:
            gaps /= temperature
            slip /= temperature
    powers = np.exp(gaps)
    powers += powers * slip
    powers[rows, top] = 0.0
    others = _row_sums(powers)
    powers[rows, top] = 1.0
    return _Exponentials(gaps, powers, top, others)


def _times_log(weights: Floats, logs: Floats) -> Floats:
    """weights * logs, where a weight of 0 makes 0 of -inf and inf too."""
    with np.errstate(invalid="ignore"):
        products = weights * logs
    products[weights == 0.0] = 0.0
    return products


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """exp(x_j / T) / sum of exp(x_i / T)."""
    _, powers, _, others = _exponentials(logits, temperature)
    powers /= (1.0 + others)[:, None]
    return powers


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Logarithm of the softmax; -inf where the logit is."""
    gaps, _, _, others = _exponentials(logits, temperature)
    gaps -= np.log1p(others)[:, None]
    return gaps


def logsumexp(logits: Floats) -> Floats:
    """log of the sum of exp(x_i)."""
    _, _, _, others = _exponentials(logits)
    return np.asarray(logits.max(axis=1) + np.log1p(others))


def cross_entropy(p: Target, q: Floats) -> Floats:
    """-sum of p ln q, with 0 ln 0 = 0."""
    with np.errstate(divide="ignore"):
        if p.ndim == 1:
            return np.asarray(0.0 - np.log(q[np.arange(len(q)), p]))
        return np.asarray(0.0 - _row_sums(_times_log(p, np.log(q))))


def squared_error(p: Target, q: Floats) -> Floats:
    """Sum over the classes of (p - q)^2."""
    if p.ndim == 1:
        return _row_sums(np.square(_minus_labels(q, p)))
    return _row_sums(np.square(q - p))


def classification_error(p: Target, q: Floats) -> Floats:
    """1 where the first largest q is not the label (the first largest p), else 0."""
    labels = p if p.ndim == 1 else p.argmax(axis=1)
    return np.asarray(q.argmax(axis=1) != labels, dtype=np.float64)


def kl_divergence(p: Target, q: Floats) -> Floats:
    """Sum of p ln(p / q), with 0 ln 0 = 0."""
    if p.ndim == 1:
        return cross_entropy(p, q)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (p - q) / q
        near = np.abs(ratio) < 0.5  # where ln p - ln q would cancel
        logs = np.where(near, np.log1p(np.where(near, ratio, 0.0)), np.log(p) - np.log(q))
    return np.asarray(_row_sums(_times_log(p, logs)) + 0.0)


def entropy(p: Floats) -> Floats:
    """-sum of p ln p, with 0 ln 0 = 0."""
    return np.asarray(cross_entropy(p, p))


def softmax_cross_entropy(
    logits: Floats,
    target: Target,
    class_weights: Floats | None = None,
    label_smoothing: float = 0.0,
) -> Floats:
    """Sum of w_j t_j (-ln softmax_j); t is the target, a share `label_smoothing` of it spread evenly."""
    gaps, _, _, others = _exponentials(logits)
    spread = np.log1p(others)
    if target.ndim == 1 and label_smoothing == 0.0:
        rows = np.arange(len(logits))
        costs = spread - gaps[rows, target]
        return costs if class_weights is None else _times_log(class_weights[target], costs)
    costs = np.subtract(spread[:, None], gaps, out=gaps)
    amounts = _amounts(target, logits.shape[1], class_weights, label_smoothing)
    return _row_sums(_times_log(amounts, costs))


def softmax_cross_entropy_grad(
    logits: Floats,
    target: Target,
    class_weights: Floats | None = None,
    label_smoothing: float = 0.0,
) -> Floats:
    """Derivative of `softmax_cross_entropy` by the logits.

    With a = w t it is q_j sum(a) - a_j = q_j (sum of the other a) - a_j (sum of the other q), where
    neither sum is found by subtracting from the whole what makes more than half of it.
    """
    _, powers, top, others = _exponentials(logits)
    rows = np.arange(len(logits))
    total = 1.0 + others
    q = np.divide(powers, total[:, None], out=powers)
    rest_of_top = others / total
    if target.ndim == 1 and label_smoothing == 0.0:
        rest_of_label = np.where(top == target, rest_of_top, 1.0 - q[rows, target])
        q[rows, target] = -rest_of_label
        if class_weights is not None:
            q *= class_weights[target][:, None]
        return q
    amounts = _amounts(target, logits.shape[1], class_weights, label_smoothing)
    most = amounts.argmax(axis=1)
    apart = amounts.copy()
    apart[rows, most] = 0.0
    rest_of_most = _row_sums(apart)
    rest_of_amounts = np.subtract((amounts[rows, most] + rest_of_most)[:, None], amounts, out=apart)
    rest_of_amounts[rows, most] = rest_of_most
    rest_of_q = 1.0 - q
    rest_of_q[rows, top] = rest_of_top
    q *= rest_of_amounts
    q -= np.multiply(amounts, rest_of_q, out=rest_of_q)
    return q


def softmax_squared_error(logits: Floats, target: Target) -> Floats:
    """Sum over the classes of (softmax - target)^2."""
    return _row_sums(np.square(_softmax_minus_target(logits, target).differences))


def softmax_squared_error_grad(logits: Floats, target: Target) -> Floats:
    """Derivative of `softmax_squared_error` by the logits.

    With d = q - p it is 2 q_j (d_j - sum of q_i d_i). For the largest class, where d_j and q_j d_j nearly
    meet, d_j - q_j d_j is d_j times the others' share.
    """
    q, top, rest_of_top, differences = _softmax_minus_target(logits, target)
    rows = np.arange(len(logits))
    products = q * differences
    product_of_top = products[rows, top]
    products[rows, top] = 0.0
    others = _row_sums(products)
    slopes = np.subtract(differences, (product_of_top + others)[:, None], out=products)
    slopes[rows, top] = differences[rows, top] * rest_of_top - others
    slopes *= q
    slopes *= 2.0
    return slopes


class _Differences(NamedTuple):
    q: Floats
    top: NDArray[np.intp]
    rest_of_top: Floats
    """1 - q of the largest class."""
    differences: Floats
    """q - target."""


def _softmax_minus_target(logits: Floats, target: Target) -> _Differences:
    _, powers, top, others = _exponentials(logits)
    rows = np.arange(len(logits))
    total = 1.0 + others
    q = np.divide(powers, total[:, None], out=powers)
    rest_of_top = others / total
    differences = _minus_labels(q, target) if target.ndim == 1 else q - target
    of_top = np.where(target == top, 1.0, 0.0) if target.ndim == 1 else target[rows, top]
    # Both nearly 1: compare what each leaves to the others.
    differences[rows, top] = np.where(of_top > 0.5, (1.0 - of_top) - rest_of_top, differences[rows, top])
    return _Differences(q, top, rest_of_top, differences)


def _minus_labels(q: Floats, labels: Labels) -> Floats:
    """q minus the one-hot rows of the labels."""
    differences = q.copy()
    differences[np.arange(len(q)), labels] -= 1.0
    return differences


def _amounts(target: Target, classes: int, class_weights: Floats | None, label_smoothing: float) -> Floats:
    """w_j ((1 - s) p_j + s / k): what each class's -ln q is charged with."""
    if target.ndim == 1:
        amounts = np.full((len(target), classes), label_smoothing / classes)
        amounts[np.arange(len(target)), target] += 1.0 - label_smoothing
    elif label_smoothing == 0.0:
        amounts = target.astype(np.float64)
    else:
        amounts = (1.0 - label_smoothing) * target + label_smoothing / classes
    if class_weights is not None:
        amounts *= class_weights
    return amounts
