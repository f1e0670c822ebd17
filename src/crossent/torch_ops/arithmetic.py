"""Where the numbers are made: NumPy views of tensors in, results written into NumPy views.

Everything the operators of this package compute passes through `filled`, `losses_of` and
`losses_and_gradient`; nothing here knows of PyTorch, shapes other than rows, or derivatives. bfloat16
is seen as uint16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossent import arrays
from crossent.kernels import blocks, threads
from crossent.kernels.layout import put

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
        put(wide, _bits(out))


def softmax(
    logits: NDArray[Any], out: NDArray[Any], *, logarithm: bool, temperature: float, workers: int
) -> None:
    """The softmax of each row, or its logarithm; nan in rows that have none."""
    blocks.softmax(_bits(logits), _bits(out), logarithm=logarithm, temperature=temperature, workers=workers)


def logsumexp(logits: NDArray[Any], out: NDArray[Any], *, workers: int) -> None:
    """The logarithm of the sum of exponentials of each row; nan where there is no softmax."""
    blocks.logsumexp(_bits(logits), out, workers=workers)


def losses_of(name: Name, problem: Problem, losses: NDArray[Any], *, workers: int) -> None:
    """The loss of each row into `losses`, (n,), float32 or float64.

    A row with nan, +inf or no finite logit costs nan, unless it is ignored.
    """
    _KERNELS[name](
        _bits(problem.logits),
        _bits(problem.target),
        losses,
        ignore_index=problem.ignore_index,
        workers=workers,
        **problem.options,
    )


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
    _KERNELS[name](
        _bits(problem.logits),
        _bits(problem.target),
        losses,
        _bits(gradient),
        ignore_index=problem.ignore_index,
        scale=scale,
        workers=workers,
        **problem.options,
    )


def nan_where_ignored(problem: Problem, gradient: NDArray[Any]) -> None:
    """PyTorch's rule: nan, +inf or no finite logit in an ignored row make its gradient nan."""
    ignored = np.flatnonzero(problem.target == problem.ignore_index)
    for block in arrays.blocks((len(ignored), problem.logits.shape[1])):
        rows = ignored[block]
        largest = _floats(problem.logits[rows]).max(axis=1)
        gradient[rows[~np.isfinite(largest)]] = 0x7FC0 if gradient.dtype == np.uint16 else np.nan


_KERNELS: dict[Name, Callable[..., int]] = {
    "softmax_cross_entropy": blocks.cross_entropy,
    "softmax_squared_error": blocks.squared_error,
}


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """bfloat16 as the kernels know it."""
    return array.view(np.int16) if array.dtype == np.uint16 else array


def _floats(array: NDArray[Any]) -> NDArray[Any]:
    """bfloat16 as the float32 whose upper half it is; others as they are."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array
