"""A public call from its arguments to its result: whose arrays, checks, blocks of rows, layout.

The one place that turns on the library of an array: tensors go to `torch_ops`, which is loaded only
then. No formula and no documentation of the functions in here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossent import arrays
from crossent.arrays import Array, Rows, is_tensor
from crossent.errors import DtypeError, OptionError, ShapeError
from crossent.kernels import threads

Formula = Callable[..., NDArray[np.float64]]


class Problem(NamedTuple):
    """Checked arguments of one call."""

    rows: Rows
    """Logits, or predicted probabilities."""
    arguments: tuple[Any, ...]
    """What the formula takes, in its order; tensors where the rows are one."""
    keep: NDArray[np.bool_] | None = None
    """Which rows count; None: all."""


def from_logits(logits: Array, labels: Array, ignore_index: int | None = None) -> Problem:
    """Logits and their labels."""
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, numbers.Integral | None):
        raise OptionError(f"ignore_index is {ignore_index!r}: pass an integer, or None")
    rows = arrays.as_rows(logits, "logits")
    target, keep = _target(rows, labels, "labels", ignore_index)
    arrays.check_logits(rows, "logits", keep)
    return Problem(rows, (rows.values, target), keep)


def from_probs(p: Array) -> Problem:
    """Distributions alone."""
    rows = arrays.as_rows(p, "p")
    arrays.check_probs(rows, "p")
    return Problem(rows, (rows.values,))


def along(logits: Array, axis: int) -> Problem:
    """Logits alone, with the axis last."""
    rows = arrays.as_rows(logits, "logits")
    axes = 1 if rows.single else 2
    if isinstance(axis, bool) or not isinstance(axis, int) or not -axes <= axis < axes:
        raise OptionError(f"axis is {axis!r}: logits have {axes} axes, counted from 0, or back from -1")
    name = "logits"
    if axis % axes != axes - 1:
        name, rows = "logits.T", arrays.as_rows(rows.values.T, "logits.T")._replace(transposed=True)
    arrays.check_logits(rows, name)
    return Problem(rows, (rows.values,))


def measured(formula: Formula, p: Array, q: Array) -> Array:
    """A loss of probabilities q under labels p."""
    rows = arrays.as_rows(q, "q")
    target, _ = _target(rows, p, "p")
    arrays.check_probs(rows, "q")
    return losses(formula, Problem(rows, (target, rows.values)))


def normalised(formula: Formula, logits: Array, axis: int, temperature: float, out: Array | None) -> Array:
    """The softmax or its logarithm."""
    number = _number("temperature", temperature)
    if not 0.0 < number < math.inf:
        raise OptionError(f"temperature is {number!r}: it must be finite and > 0")
    problem = along(logits, axis)
    check_out(out, problem)
    return _matrix(partial(_operator(formula, problem), temperature=number), problem, out)


def options(problem: Problem, class_weights: Array | None, label_smoothing: float) -> dict[str, Any]:
    """Checked options of the softmax cross-entropy."""
    smoothing = _number("label_smoothing", label_smoothing)
    if not 0.0 <= smoothing <= 1.0:
        raise OptionError(f"label_smoothing is {smoothing!r}: it must lie between 0 and 1")
    weights = None
    if class_weights is not None:
        constant = arrays.as_constant(class_weights, "class_weights")
        weights = arrays.as_class_weights(constant, problem.rows.view.shape[1])
    return {"class_weights": weights, "label_smoothing": smoothing}


def upstream(problem: Problem, factor: Array | None) -> Any:
    """One factor for each row, of the library of the rows."""
    rows = problem.rows
    n = len(rows.view)
    given: Array = 1.0 if factor is None else factor
    array = (
        arrays.as_array(given, "upstream")
        if is_tensor(rows.values)
        else arrays.as_constant(given, "upstream")
    )
    if array.shape not in ((), () if rows.single else (n,)):
        raise ShapeError(f"upstream has shape {array.shape}: pass a number, or one for each of {n} losses")
    if is_tensor(rows.values):
        return _torch_ops().beside(given if is_tensor(given) else array, rows.values).expand(n)
    return np.broadcast_to(array.astype(np.float64), n)


def check_out(out: Array | None, problem: Problem, *others: Array) -> None:
    """Refuses an `out` that cannot take the result, or that shares memory with what is still needed."""
    if out is not None:
        check = _torch_ops().check_out if is_tensor(problem.rows.values) else arrays.check_out
        check(out, problem.rows, *others)


def losses(formula: Formula, problem: Problem, **options: Any) -> Array:
    """The formula's value for each row."""
    rows, arguments, keep = problem
    compute = partial(_operator(formula, problem), **options)
    if is_tensor(rows.values):
        values = _torch_ops().where_kept(compute, keep, *arguments)
    else:
        values = np.empty(len(rows.view), arrays.loss_dtype(rows.view.dtype))
        threads.fill(values, compute, *arguments, keep=keep)
    return values[0] if rows.single else values


def gradient(formula: Formula, problem: Problem, scale: Any, out: Array | None, **options: Any) -> Array:
    """The formula's value for each entry, times the factor of the row."""
    operator = _operator(formula, problem)

    def scaled(logits: Any, target: Any, scale: Any) -> Any:
        if is_tensor(logits):
            return operator(logits, target, scale, **options)
        return operator(logits, target, **options) * scale[:, None]

    return _matrix(scaled, problem._replace(arguments=(*problem.arguments, scale)), out)


def _matrix(compute: Callable[..., Any], problem: Problem, out: Array | None) -> Array:
    """A value for each entry, in the dtype and layout of the logits."""
    rows, arguments, keep = problem
    if is_tensor(rows.values):
        values = _torch_ops().where_kept(compute, keep, *arguments).to(rows.values.dtype)
        restored = values[0] if rows.single else values.T if rows.transposed else values
        return restored if out is None else out.copy_(restored)
    if out is None:
        n, classes = rows.view.shape
        shape = (classes,) if rows.single else (classes, n) if rows.transposed else (n, classes)
        out = np.empty(shape, arrays.result_dtype(rows.view.dtype))
    threads.fill(rows.like(out), compute, *arguments, keep=keep)
    return out


def _target(rows: Rows, labels: Array, name: str, ignore_index: int | None = None) -> tuple[Any, Any]:
    """Checked labels, of the library of the rows, and which rows count."""
    tensors = is_tensor(rows.values)
    array = arrays.as_array(labels, name) if tensors else arrays.as_constant(labels, name)
    target, keep = arrays.as_target(array, name, rows, ignore_index)
    if not tensors:
        return target, keep
    derivable = is_tensor(labels) and target.ndim == 2
    return _torch_ops().beside(
        arrays.as_rows(labels, name).values if derivable else target, rows.values
    ), keep


def _operator(formula: Formula, problem: Problem) -> Callable[..., Any]:
    """The formula, or PyTorch's operator, which bears the formula's name."""
    if not is_tensor(problem.rows.values):
        return formula
    operator: Callable[..., Any] = getattr(_torch_ops(), formula.__name__)
    return operator


def _torch_ops() -> Any:
    """Only called once a tensor was passed, so that PyTorch is loaded already."""
    from crossent import torch_ops

    return torch_ops


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise DtypeError(f"{name} is a {type(value).__name__}: pass a number")
    return float(value)
