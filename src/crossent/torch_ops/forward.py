"""One call of a loss of logits: tensors to rows, checks of labels, the mean's denominator, the sum.

No derivative stands here, and no formula.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossent.kernels import threads
from crossent.torch_ops import arithmetic, parts
from crossent.torch_ops.tensors import view, wide, wide_dtype

NONE, MEAN, SUM = 0, 1, 2
"""How the losses of the rows become one, by PyTorch's numbers."""


class Options(NamedTuple):
    """What an operator takes beside tensors, in its order."""

    label_smoothing: float
    ignore_index: int
    reduction: int
    nan_in_ignored: bool
    """Whether ignored rows without a softmax have a gradient of nan, which is PyTorch's rule."""


class _Given(NamedTuple):
    """The arguments as arrays, with an axis D behind the classes."""

    logits: NDArray[Any]
    """(N, C, D)."""
    target: NDArray[Any]
    """Labels (N, D), or as the logits."""
    ignore_index: int | None
    """None where no row has it."""
    options: dict[str, Any]
    """Those of the formula."""

    def problem(self, part: slice) -> arithmetic.Problem:
        target = self.target[part]
        target = target.reshape(-1) if target.ndim == 2 else parts.rows(target)
        return arithmetic.Problem(parts.rows(self.logits[part]), target, self.ignore_index, self.options)


def computed(
    name: arithmetic.Name,
    logits: Tensor,
    target: Tensor,
    class_weights: Tensor | None,
    scale: Tensor | None,
    options: Options,
    into: Tensor | None = None,
) -> Tensor:
    """The loss; and the gradient is written `into` memory on the CPU, where that is given."""
    weights = None if class_weights is None else view(class_weights.double())
    given = _given(name, logits, target, weights, options)
    n, _, depth = given.logits.shape
    denominator = _denominator(given, weights) if options.reduction == MEAN else 1.0
    factor: float | NDArray[Any] = 1.0 / denominator if denominator else math.inf
    if scale is not None:
        factor = factor * scale.item() if scale.ndim == 0 else view(wide(scale)).reshape(n, depth)
    gradient = None if into is None else _with_depth(view(into))
    of_rows = np.float64 if logits.dtype == torch.float64 else np.float32
    each, total = None, 0.0
    if options.reduction == NONE:
        each = np.empty((n, depth), of_rows)
    matrices = (given.logits, given.target, gradient)
    with np.errstate(all="ignore"):
        for part in parts.cut(*(array for array in matrices if array is not None and array.ndim == 3)):
            rows = len(range(n)[part]) * depth
            losses = np.empty(rows, of_rows) if each is None else each[part].reshape(-1)
            scales = factor[part].reshape(-1) if isinstance(factor, np.ndarray) else factor
            _compute(name, given, part, scales, losses, gradient, options.nan_in_ignored)
            if each is None:
                total += losses.sum(dtype=np.float64)
        value = np.asarray(total / np.float64(denominator)) if each is None else each
    loss = torch.from_numpy(value.reshape(loss_shape(logits, options)))
    return loss.to(logits.device, wide_dtype(logits.dtype))


def loss_shape(logits: Tensor, options: Options) -> tuple[int, ...]:
    """One loss for each row, or one in all."""
    return (*logits.shape[:1], *logits.shape[2:]) if options.reduction == NONE else ()


def _compute(
    name: arithmetic.Name,
    given: _Given,
    part: slice,
    scale: float | NDArray[Any],
    losses: NDArray[Any],
    gradient: NDArray[Any] | None,
    nan_in_ignored: bool,
) -> None:
    problem = given.problem(part)
    workers = threads.count(torch.get_num_threads())
    if gradient is None:
        arithmetic.losses_of(name, problem, losses, workers=workers)
        return
    rows = parts.rows(gradient[part])
    arithmetic.losses_and_gradient(name, problem, scale, losses, rows, workers=workers)
    if nan_in_ignored and given.ignore_index is not None:
        arithmetic.nan_where_ignored(problem, rows)
    if not np.may_share_memory(rows, gradient):
        parts.put_back(rows, gradient[part])


def _given(
    name: arithmetic.Name,
    logits: Tensor,
    target: Tensor,
    weights: NDArray[np.float64] | None,
    options: Options,
) -> _Given:
    x = _with_depth(view(logits))
    n, classes, depth = x.shape
    taken: dict[str, Any] = {}
    if name == "softmax_cross_entropy":
        taken = {"class_weights": weights, "label_smoothing": options.label_smoothing}
    if target.ndim == logits.ndim:
        return _Given(x, _with_depth(view(target)), None, taken)
    labels = view(target).reshape(n, depth).astype(np.int64, copy=False)
    ignored = _some_ignored(labels, classes, options.ignore_index)
    return _Given(x, labels, options.ignore_index if ignored else None, taken)


def _with_depth(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.ndim == 3 else array[:, :, None]


def _some_ignored(labels: NDArray[np.int64], classes: int, ignore_index: int) -> bool:
    """Whether any label says to; refuses those that would be read out of bounds, in PyTorch's words."""
    if labels.view(np.uint64).max(initial=0) >= classes:  # negative labels are huge
        wrong = labels[labels.view(np.uint64) >= classes]
        wrong = wrong[wrong != ignore_index]
        if len(wrong):
            raise IndexError(f"Target {wrong[0]} is out of bounds.")
        return True
    return 0 <= ignore_index < classes and bool((labels == ignore_index).any())


def _denominator(given: _Given, weights: NDArray[np.float64] | None) -> float:
    """The sum of the weights of the labels that count; the number of rows for distributions."""
    labels = given.target
    if labels.ndim == 3:
        return float(labels.shape[0] * labels.shape[2])
    if weights is None and given.ignore_index is None:
        return float(labels.size)
    kept = labels if given.ignore_index is None else labels[labels != given.ignore_index]
    if weights is None:
        return float(kept.size)
    counts = np.bincount(kept.reshape(-1), minlength=len(weights))
    present = counts > 0
    return float(counts[present] @ weights[present])
