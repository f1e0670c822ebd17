"""Where the numbers are made: NumPy views of tensors in, results written into NumPy views.

Everything the operators of this package compute passes through `filled`, `losses_of` and
`losses_and_gradient`; nothing here knows of PyTorch, shapes other than rows, or derivatives. bfloat16
is seen as uint16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossent import arrays, reference
from crossent.kernels import threads

Name = Literal["softmax_cross_entropy", "softmax_squared_error"]


class Problem(NamedTuple):
    """Rows of logits and what they should have been."""

    logits: NDArray[Any]
    """(n, k), any strides; float64, float32, float16, or uint16 for bfloat16."""
    target: NDArray[Any]
    """int64 labels (n,), each a class or `ignore_index`; or (n, k) of any of the four dtypes."""
    ignore_index: int | None
    """Rows with this label cost 0 and have gradient 0; None where there are none."""
    options: dict[str, Any]
    """Of the cross-entropy: class_weights, float64 (k,) or None, of any sign, and label_smoothing."""


def filled(
    formula: Callable[..., NDArray[np.float64]], out: NDArray[Any], *rows: NDArray[Any], workers: int
) -> None:
    """The formula's values, rounded once to the dtype of `out`."""
    narrow = out.dtype == np.uint16
    wide = np.empty(out.shape, np.float32) if narrow else out
    threads.fill(wide, formula, *(_floats(array) for array in rows), workers=workers)
    if narrow:
        out[...] = _as_bfloat16(wide)


def losses_of(name: Name, problem: Problem, losses: NDArray[Any], *, workers: int) -> None:
    """The loss of each row into `losses`, (n,), float32 or float64.

    A row with nan, +inf or no finite logit costs nan, unless it is ignored.
    """
    formula = partial(getattr(reference, name), **problem.options)
    _fill(losses, partial(_nan_without_softmax, formula), problem, workers=workers)


def losses_and_gradient(
    name: Name,
    problem: Problem,
    scale: float | NDArray[Any],
    losses: NDArray[Any],
    gradient: NDArray[Any],
    *,
    workers: int,
) -> None:
    """`losses_of`, and each row's gradient by the logits times its scale (a number, or (n,)).

    `gradient` is (n, k), any strides, in the dtype of the logits, and may be the logits themselves. Rows
    that cost nan have a gradient of nan throughout; ignored ones 0, whatever their scale and logits.
    """
    losses_of(name, problem, losses, workers=workers)
    slopes = partial(_nan_without_softmax, partial(getattr(reference, f"{name}_grad"), **problem.options))
    narrow = gradient.dtype == np.uint16
    wide = np.empty(gradient.shape, np.float32) if narrow else gradient
    if isinstance(scale, np.ndarray):
        _fill(wide, lambda x, t, s: slopes(x, t) * s[:, None], problem, scale, workers=workers)
    else:
        _fill(wide, lambda x, t: slopes(x, t) * scale, problem, workers=workers)
    if narrow:
        gradient[...] = _as_bfloat16(wide)


def nan_where_ignored(problem: Problem, gradient: NDArray[Any]) -> None:
    """PyTorch's rule: nan, +inf or no finite logit in an ignored row make its gradient nan."""
    ignored = np.flatnonzero(problem.target == problem.ignore_index)
    for block in arrays.blocks((len(ignored), problem.logits.shape[1])):
        rows = ignored[block]
        largest = _floats(problem.logits[rows]).max(axis=1)
        gradient[rows[~np.isfinite(largest)]] = 0x7FC0 if gradient.dtype == np.uint16 else np.nan


def _fill(
    out: NDArray[Any],
    formula: Callable[..., NDArray[np.float64]],
    problem: Problem,
    *others: NDArray[Any],
    workers: int,
) -> None:
    ignored = problem.target == problem.ignore_index if problem.ignore_index is not None else None
    target = problem.target if ignored is None else np.where(ignored, 0, problem.target)
    threads.fill(out, formula, _floats(problem.logits), _floats(target), *others, workers=workers)
    if ignored is not None:
        out[ignored] = 0


def _nan_without_softmax(
    formula: Callable[..., NDArray[np.float64]], logits: NDArray[np.float64], target: NDArray[Any]
) -> NDArray[np.float64]:
    values = formula(logits, target)
    values[~np.isfinite(logits.max(axis=1))] = np.nan
    return values


def _floats(array: NDArray[Any]) -> NDArray[Any]:
    """bfloat16 as the float32 whose upper half it is; others as they are."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array


def _as_bfloat16(wide: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Rounded to nearest, ties to even, as the upper half of a float32."""
    bits = wide.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(wide), 0x7FC0, rounded).astype(np.uint16)
