"""Whole arrays to kernels: which kernel, on which pieces of rows, by how many threads.

Logits (n, k) of float16, bfloat16 (also as its bits in int16), float32 or float64 in any layout;
results go into arrays given; every function returns the first row that has none (there stands nan), or
-1. Nothing is checked beforehand: kernels see each number anyway. Results may lie where the logits do,
but not overlap them otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossent.kernels import columns, measures, rows, soft
from crossent.kernels.layout import bits_of, copied, is_plain, number_of, put, read_only
from crossent.kernels.threads import deal

Array = NDArray[Any]


class Measures(NamedTuple):
    """Of each example: the first largest output, its probability, whether it has an equal."""

    predicted: NDArray[np.int64]
    top: NDArray[np.float64]
    tied: NDArray[np.bool_]


Kernel = Callable[..., int]

_PIECE = 2**19
"""Entries of a piece that is read and written where it lies: a call costs nothing beside them."""
_COPY = 2**18
"""Entries of a piece that is copied: with its results 4 MB of float64 at most, or one row."""

_LEAST = 2**14
"""Entries below which nothing is dealt out."""

_NO_WEIGHTS = read_only(np.empty(0))
_NO_LABELS, _NO_ROWS = read_only(np.empty(0, np.int64)), read_only(np.empty((0, 0)))


def softmax(
    logits: Array,
    out: Array,
    *,
    logarithm: bool = False,
    temperature: float = 1.0,
    workers: int | None = None,
) -> int:
    """The softmax of each row at a temperature, or its logarithm, into `out` (n, k)."""
    name = "log_softmaxes" if logarithm else "softmaxes"
    if temperature == 1.0:
        return _by_pieces(_columns_or_rows(name, logits.shape[1]), _results_only, logits, out, workers)

    def cooled(kernel: Kernel, x: Array, results: Array, _: slice) -> int:
        with np.errstate(invalid="ignore", over="ignore"):
            return kernel(read_only((x - x.max(axis=1, keepdims=True)) / temperature), results)

    kernel = _columns_or_rows(name, logits.shape[1])
    return _by_pieces(kernel, cooled, logits, out, workers, number=np.float64)


def logsumexp(logits: Array, out: Array, *, workers: int | None = None) -> int:
    """The logarithm of the sum of exponentials of each row, into `out` (n,)."""

    def into(kernel: Kernel, x: Array, _: Array, piece: slice) -> int:
        return kernel(x, out[piece])

    return _by_pieces(_columns_or_rows("logsumexps", logits.shape[1]), into, logits, None, workers)


def cross_entropy(
    logits: Array,
    target: Array,
    losses: Array,
    gradient: Array | None = None,
    *,
    class_weights: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    scale: Array | float = 1.0,
    workers: int | None = None,
) -> int:
    """The cross-entropy of each row into `losses` (n,), and `scale`, one or (n,), times its gradient.

    The target is int64 labels (n,) or distributions (n, k); the class weights are float64 (k,).
    """
    weights = _NO_WEIGHTS if class_weights is None else read_only(class_weights)
    skipped = _NO_LABELS if ignore_index is None else read_only(np.array([ignore_index]))
    factors = _factors(scale)

    def hard(kernel: Kernel, x: Array, results: Array, at: slice) -> int:
        return kernel(x, labels[at], skipped, weights, _of(factors, at), losses[at], results)

    def general(kernel: Kernel, x: Array, results: Array, at: slice) -> int:
        its, p = (labels[at], _NO_ROWS) if target.ndim == 1 else (_NO_LABELS, _distributions(target[at]))
        amounts = (p, skipped, weights, label_smoothing)
        return kernel(x, its, *amounts, _of(factors, at), losses[at], results)

    labels = read_only(target)
    if target.ndim == 1 and label_smoothing == 0.0:
        kernel = _columns_or_rows("cross_entropies", logits.shape[1])
        return _by_pieces(kernel, hard, logits, gradient, workers)
    return _by_pieces(soft.cross_entropies, general, logits, gradient, workers, number=np.float64)


def squared_error(
    logits: Array,
    target: Array,
    losses: Array,
    gradient: Array | None = None,
    *,
    ignore_index: int | None = None,
    scale: Array | float = 1.0,
    workers: int | None = None,
) -> int:
    """The squared error of the softmax of each row, and `scale` times its gradient; as `cross_entropy`."""
    skipped = _NO_LABELS if ignore_index is None else read_only(np.array([ignore_index]))
    factors = _factors(scale)

    def hard(kernel: Kernel, x: Array, results: Array, at: slice) -> int:
        return kernel(x, labels[at], skipped, _of(factors, at), losses[at], results)

    def general(kernel: Kernel, x: Array, results: Array, at: slice) -> int:
        return kernel(x, _distributions(target[at]), _of(factors, at), losses[at], results)

    labels = read_only(target)
    if target.ndim == 1:
        kernel = _columns_or_rows("squared_errors", logits.shape[1])
        return _by_pieces(kernel, hard, logits, gradient, workers)
    return _by_pieces(soft.squared_errors, general, logits, gradient, workers, number=np.float64)


def few(classes: int) -> bool:
    """Whether examples of so many classes are taken many at a time, class by class."""
    return classes <= columns.FEW


@np.errstate(invalid="ignore")  # a signalling nan is found by whoever looks for nan
def ordered(outputs: Array) -> Array:
    """Rows (n, k) as measures are taken of them: float64, row by row; of few classes also class by class,
    and then also float32."""
    if outputs.flags.fnc and few(outputs.shape[1]):  # a single row is a row
        number = np.float32 if outputs.dtype == np.float32 else np.float64
        return np.require(outputs, number, ["F", "A"])
    return np.require(outputs, np.float64, ["C", "A"])


def measures_of(outputs: Array, target: Array, series: Array, *, logits: bool) -> Measures:
    """The three measures of rows that have been checked into `series` (3, n), by the calling thread alone:
    1 for wrong, squared error, cross-entropy.
    """
    n, k = outputs.shape
    found = Measures(np.empty(n, np.int64), np.empty(n), np.empty(n, np.bool_))
    x = read_only(ordered(outputs))
    hard = target.ndim == 1
    labels = read_only(target if hard else target.argmax(axis=1))
    p = _NO_ROWS if hard else _distributions(target)
    if not logits and hard and few(k):
        measures.of_few_probs(x, labels, *found, series, np.empty((k, columns.BLOCK)))
        return found
    if not logits:
        measures.of_probs(read_only(np.ascontiguousarray(x, np.float64)), labels, p, *found, series)
        return found
    if few(k):
        measures.of_few_logits(x, labels, *found, series, np.empty((k, columns.BLOCK)))
    else:
        measures.of_logits(x, labels, *found, series)
    if not hard:
        squared_error(x, p, series[1], workers=1)
        cross_entropy(x, p, series[2], workers=1)
    return found


def _results_only(kernel: Kernel, x: Array, results: Array, _: slice) -> int:
    return kernel(x, results)


def _factors(scale: Array | float) -> Array:
    return read_only(np.ascontiguousarray(np.atleast_1d(scale), np.float64))


def _of(factors: Array, piece: slice) -> Array:
    return factors if len(factors) == 1 else factors[piece]


def _distributions(rows: Array) -> Array:
    """Float64 rows of distributions of any of the four types, not copied where they are such rows."""
    rows = bits_of(rows)
    return read_only(rows if is_plain(rows, np.float64) else copied(rows, np.float64))


def _columns_or_rows(name: str, classes: int) -> Kernel:
    """The kernel of that name for so many classes."""
    kernel: Kernel = getattr(columns if few(classes) else rows, name)
    if not few(classes):
        return kernel

    def with_place(x: Array, *others: Any) -> int:
        return kernel(x, *others, np.empty((classes, columns.BLOCK), x.dtype))

    return with_place


def _by_pieces(
    kernel: Kernel,
    compute: Callable[[Kernel, Array, Array, slice], int],
    logits: Array,
    out: Array | None,
    workers: int | None,
    number: type[Any] | None = None,
) -> int:
    """Computes pieces of rows, with results for `out` or with none; the first row without a result."""
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
