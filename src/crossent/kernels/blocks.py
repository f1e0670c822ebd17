"""Whole arrays to kernels: which kernel, on which pieces of rows, by how many threads.

Logits (n, k) of any of the four types and any layout, integer labels int64 (n,), results into arrays given; every
function returns the first row without a result, or -1. Nothing is checked beforehand: kernels look at each number
anyway. Results may lie where the logits do, but not overlap them otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels import columns, rows, soft
from crossent.kernels.layout import bits_of, copied, is_plain, number_of, put, read_only
from crossent.kernels.threads import deal

Array = NDArray[Any]

FEW = 24
"""Up to this many classes examples are taken many at a time."""

_PIECE = 2**19
"""Entries of a piece that is read and written where it lies: enough to make nothing of what a call costs."""
_COPY = 2**18
"""Entries of a piece that is copied: with its results 4 MB of float64 at most, or one row."""

_LEAST = 2**14
"""Entries below which nothing is dealt out."""

_NO_WEIGHTS = read_only(np.empty(0))
_NO_LABELS, _NO_ROWS = read_only(np.empty(0, np.int64)), read_only(np.empty((0, 0)))
_NEVER = -(2**63)
"""A label that nothing has."""


def softmax(logits: Array, out: Array, *, logarithm: bool = False, workers: int | None = None) -> int:
    """The softmax of each row, or its logarithm, into `out` (n, k)."""
    name = "log_softmaxes" if logarithm else "softmaxes"

    def compute(kernel: Callable[..., int], x: Array, results: Array, _: slice) -> int:
        return kernel(x, results)

    return _by_pieces(_columns_or_rows(name, logits), compute, logits, out, workers)


def logsumexp(logits: Array, out: Array, *, workers: int | None = None) -> int:
    """The logarithm of the sum of exponentials of each row, into `out` (n,)."""

    def compute(kernel: Callable[..., int], x: Array, _: Array, piece: slice) -> int:
        return kernel(x, out[piece])

    return _by_pieces(_columns_or_rows("logsumexps", logits), compute, logits, None, workers)


def cross_entropy(
    logits: Array,
    labels: Array,
    losses: Array,
    gradient: Array | None = None,
    *,
    ignored: int | None = None,
    class_weights: Array | None = None,
    scale: Array | float = 1.0,
    workers: int | None = None,
) -> int:
    """The cross-entropy of each row into `losses` (n,), and `scale`, one or (n,), times its gradient."""
    weights = _NO_WEIGHTS if class_weights is None else read_only(class_weights)
    labels, factors = read_only(labels), _factors(scale)
    skipped = _NEVER if ignored is None else ignored

    def compute(kernel: Callable[..., int], x: Array, results: Array, piece: slice) -> int:
        its = factors if len(factors) == 1 else factors[piece]
        return kernel(x, labels[piece], skipped, weights, its, losses[piece], results)

    return _by_pieces(_columns_or_rows("cross_entropies", logits), compute, logits, gradient, workers)


def smoothed_cross_entropy(
    logits: Array,
    target: Array,
    losses: Array,
    gradient: Array | None = None,
    *,
    smoothing: float = 0.0,
    ignored: int | None = None,
    class_weights: Array | None = None,
    scale: Array | float = 1.0,
    workers: int | None = None,
) -> int:
    """`cross_entropy` under distributions (n, k), or labels (n,) of which a share is spread over all classes."""
    weights = _NO_WEIGHTS if class_weights is None else read_only(class_weights)
    target, factors = read_only(target), _factors(scale)
    skipped = _NEVER if ignored is None else ignored

    def compute(kernel: Callable[..., int], x: Array, results: Array, piece: slice) -> int:
        its = factors if len(factors) == 1 else factors[piece]
        labels, p = (target[piece], _NO_ROWS) if target.ndim == 1 else (_NO_LABELS, _float64(target[piece]))
        return kernel(x, labels, p, skipped, weights, smoothing, its, losses[piece], results)

    return _by_pieces(soft.cross_entropies, compute, logits, gradient, workers, number=np.float64)


def soft_squared_error(
    logits: Array,
    target: Array,
    losses: Array,
    gradient: Array | None = None,
    *,
    scale: Array | float = 1.0,
    workers: int | None = None,
) -> int:
    """`squared_error` under distributions (n, k)."""
    factors = _factors(scale)

    def compute(kernel: Callable[..., int], x: Array, results: Array, piece: slice) -> int:
        its = factors if len(factors) == 1 else factors[piece]
        return kernel(x, _float64(target[piece]), its, losses[piece], results)

    return _by_pieces(soft.squared_errors, compute, logits, gradient, workers, number=np.float64)


def squared_error(
    logits: Array,
    labels: Array,
    losses: Array,
    gradient: Array | None = None,
    *,
    ignored: int | None = None,
    scale: Array | float = 1.0,
    workers: int | None = None,
) -> int:
    """The squared error of the softmax of each row into `losses` (n,), and `scale` times its gradient."""
    labels, factors = read_only(labels), _factors(scale)
    skipped = _NEVER if ignored is None else ignored

    def compute(kernel: Callable[..., int], x: Array, results: Array, piece: slice) -> int:
        its = factors if len(factors) == 1 else factors[piece]
        return kernel(x, labels[piece], skipped, its, losses[piece], results)

    return _by_pieces(_columns_or_rows("squared_errors", logits), compute, logits, gradient, workers)


def _factors(scale: Array | float) -> Array:
    return read_only(np.array([scale], np.float64) if np.ndim(scale) == 0 else _float64(np.asarray(scale)))


def _float64(array: Array) -> Array:
    return read_only(np.require(array, np.float64, ["C", "A"]))


def _columns_or_rows(name: str, logits: Array) -> Callable[..., int]:
    """The kernel of that name for so many classes."""
    classes, number = logits.shape[1], number_of(logits)
    if classes > FEW:
        return getattr(rows, name)  # type: ignore[no-any-return]
    kernel = getattr(columns, name)
    return lambda *arguments: kernel(*arguments, np.empty((classes, columns.BLOCK), number))


def _by_pieces(
    kernel: Callable[..., int],
    compute: Callable[..., int],
    logits: Array,
    out: Array | None,
    workers: int | None,
    number: type[Any] | None = None,
) -> int:
    """Computes pieces of rows of float32 or float64, with results for `out` or with none; the first bad row."""
    n, k = logits.shape
    number = number_of(logits) if number is None else number
    logits, out = bits_of(logits), None if out is None else bits_of(out)
    # where results lie on the input the compiler's loops take their slow way: then from a copy
    reads = is_plain(logits, number) and not (out is not None and np.may_share_memory(logits, out))
    writes = out is None or is_plain(out, number)
    step = max(1, (_PIECE if reads and writes else _COPY) // k)
    if workers is not None and workers > 1:
        step = min(step, max(_LEAST // k, -(-n // (4 * workers)), 1))
    none = np.empty((0, k), number)
    bad: list[int] = []

    def one(piece: int) -> None:
        at = slice(piece * step, min((piece + 1) * step, n))
        x = read_only(logits[at] if reads else copied(logits[at], number))
        results = none if out is None else out[at] if writes else np.empty(x.shape, number)
        found = compute(kernel, x, results, at)
        if found >= 0:
            bad.append(at.start + found)
        if out is not None and not writes:
            put(results, out[at])

    deal(one, -(-n // step), workers=workers)
    return min(bad, default=-1)
