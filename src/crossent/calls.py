"""A public call from its arguments to its result: whose arrays, checks, blocks of rows, layout.

The one place that turns on the library of an array: tensors go to `torch_ops`, which is loaded only
then. No formula and no documentation of the functions in here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossent import arrays
from crossent.arrays import Array, Rows, is_tensor
from crossent.errors import DtypeError, OptionError, ShapeError
from crossent.kernels import blocks, threads

Formula = Callable[..., NDArray[np.float64]]
Loss = Literal["softmax_cross_entropy", "softmax_squared_error"]


class Problem(NamedTuple):
    """Checked arguments of one call; the logits among them are checked by whoever computes."""

    rows: Rows
    """Logits, or predicted probabilities."""
    arguments: tuple[Any, ...]
    """What the formula takes, in its order; tensors where the rows are one."""
    ignore_index: int | None = None
    """Rows with this label do not count."""


def from_logits(logits: Array, labels: Array, ignore_index: int | None = None) -> Problem:
    """Logits and their labels."""
    if isinstance(ignore_index, bool) or not isinstance(ignore_index, numbers.Integral | None):
        raise OptionError(f"ignore_index is {ignore_index!r}: pass an integer, or None")
    rows = arrays.as_rows(logits, "logits")
    target = _target(rows, labels, "labels", ignore_index)
    return Problem(rows, (rows.values, target), None if ignore_index is None else int(ignore_index))


def from_probs(p: Array) -> Problem:
    """Distributions alone."""
    rows = arrays.as_rows(p, "p")
    arrays.check_probs(rows, "p")
    return Problem(rows, (rows.values,))


def along(logits: Array, axis: int) -> Rows:
    """Logits with the axis last."""
    rows = arrays.as_rows(logits, "logits")
    axes = 1 if rows.single else 2
    if isinstance(axis, bool) or not isinstance(axis, int) or not -axes <= axis < axes:
        raise OptionError(f"axis is {axis!r}: logits have {axes} axes, counted from 0, or back from -1")
    if axis % axes == axes - 1:
        return rows
    return arrays.as_rows(rows.values.T, "logits.T")._replace(transposed=True)


def measured(formula: Formula, p: Array, q: Array) -> Array:
    """A loss of probabilities q under labels p."""
    rows = arrays.as_rows(q, "q")
    target = _target(rows, p, "p")
    arrays.check_probs(rows, "q")
    if not is_tensor(rows.values):
        target = arrays.check_labels(target, "p", rows)
    return each_row(formula, Problem(rows, (target, rows.values)))


def each_row(formula: Formula, problem: Problem) -> Array:
    """The formula's value for each row, where no kernel has it."""
    rows = problem.rows
    if is_tensor(rows.values):
        values = _operator(formula.__name__)(*problem.arguments)
    else:
        values = np.empty(len(rows.view), arrays.loss_dtype(rows.view.dtype))
        threads.fill(values, formula, *problem.arguments)
    return values[0] if rows.single else values


def normalised(logits: Array, axis: int, temperature: float, out: Array | None, *, logarithm: bool) -> Array:
    """The softmax or its logarithm."""
    number = _number("temperature", temperature)
    if not 0.0 < number < math.inf:
        raise OptionError(f"temperature is {number!r}: it must be finite and > 0")
    rows = along(logits, axis)
    check_out(out, rows)
    if is_tensor(rows.values):
        values = _operator("log_softmax" if logarithm else "softmax")(rows.values, number)
        _refuse_nan(rows, values[:, 0])
        return _placed(rows, values, out)
    result = _room(rows) if out is None else out
    into = rows.like(result)
    if out is not None and np.may_share_memory(into, rows.view):
        summed(rows)  # refuses what has no softmax before anything is overwritten
    bad = blocks.softmax(
        arrays.floats(rows.view), into, logarithm=logarithm, temperature=number, workers=threads.count()
    )
    _refuse(rows, bad)
    return result


def summed(rows: Rows) -> Array:
    """The logarithm of the sum of exponentials."""
    if is_tensor(rows.values):
        values = _operator("logsumexp")(rows.values)
        _refuse_nan(rows, values)
    else:
        values = np.empty(len(rows.view), arrays.loss_dtype(rows.view.dtype))
        _refuse(rows, blocks.logsumexp(arrays.floats(rows.view), values, workers=threads.count()))
    return values[0] if rows.single else values


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
    """One factor for each row, or of arrays one for all, of the library of the rows."""
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
    return np.atleast_1d(array.astype(np.float64))


def check_out(out: Array | None, rows: Rows, *others: Array) -> None:
    """Refuses an `out` that cannot take the result, or that shares memory with what is still needed."""
    if out is not None:
        check = _torch_ops().check_out if is_tensor(rows.values) else arrays.check_out
        check(out, rows, *others)


def losses(name: Loss, problem: Problem, **options: Any) -> Array:
    """The loss of each row."""
    rows = problem.rows
    if is_tensor(rows.values):
        values = _torch_ops().where_kept(partial(_operator(name), **options), *_kept(problem))
        _refuse_nan(rows, values)
    else:
        values = np.empty(len(rows.view), arrays.loss_dtype(rows.view.dtype))
        _compute(name, problem, values, None, **options)
    return values[0] if rows.single else values


def losses_and_gradient(
    name: Loss, problem: Problem, scale: Any, out: Array | None, **options: Any
) -> tuple[Array, Array]:
    """The loss of each row, and its gradient times the factor of the row."""
    rows = problem.rows
    if is_tensor(rows.values):
        both = partial(_operator(f"{name}_and_grad"), **options)
        keep, *arguments = _kept(problem)
        values, gradient = _torch_ops().where_kept(both, keep, *arguments, scale)
        _refuse_nan(rows, values)
        return values[0] if rows.single else values, _placed(rows, gradient, out)
    values = np.empty(len(rows.view), arrays.loss_dtype(rows.view.dtype))
    result = _room(rows) if out is None else out
    into, unscaled = rows.like(result), values
    if out is not None and np.may_share_memory(into, rows.view):
        _compute(name, problem, values, None, **options)  # refuses before anything is overwritten
        unscaled = np.empty_like(values)
    _compute(name, problem, unscaled, into, scale=scale, **options)
    return values[0] if rows.single else values, result


def _compute(
    name: Loss, problem: Problem, values: NDArray[Any], into: NDArray[Any] | None, **options: Any
) -> None:
    kernel = {"softmax_cross_entropy": blocks.cross_entropy, "softmax_squared_error": blocks.squared_error}[
        name
    ]
    logits, target = problem.arguments
    target = arrays.floats(target) if target.ndim == 2 else target
    options |= {"ignore_index": problem.ignore_index, "workers": threads.count()}
    bad = kernel(arrays.floats(logits), target, values, into, **options)
    if bad >= 0 and target.ndim == 1:
        arrays.check_labels(target[bad : bad + 1], "labels", problem.rows, problem.ignore_index, first=bad)
    _refuse(problem.rows, bad)


def _kept(problem: Problem) -> tuple[Any, ...]:
    """Which rows of tensors count, None for all, and the arguments."""
    target = problem.arguments[1]
    if problem.ignore_index is None or target.ndim == 2:
        return (None, *problem.arguments)
    return (target != problem.ignore_index, *problem.arguments)


def _refuse(rows: Rows, bad: int) -> None:
    if bad >= 0:
        arrays.refuse_logits(rows, "logits.T" if rows.transposed else "logits", bad)


def _refuse_nan(rows: Rows, values: Any) -> None:
    """Refuses rows whose result is nan: so operators mark those without a softmax."""
    missing = values.detach().isnan()
    if bool(missing.any()):
        _refuse(rows, int(missing.int().argmax()))


def _room(rows: Rows) -> NDArray[Any]:
    n, classes = rows.view.shape
    shape = (classes,) if rows.single else (classes, n) if rows.transposed else (n, classes)
    return np.empty(shape, arrays.result_dtype(rows.view.dtype))


def _placed(rows: Rows, values: Any, out: Any) -> Any:
    """A tensor with a value for each entry in the layout of what was passed, in `out` if there is one."""
    values = values.to(rows.values.dtype)
    restored = values[0] if rows.single else values.T if rows.transposed else values
    return restored if out is None else out.copy_(restored)


def _target(rows: Rows, labels: Array, name: str, ignore_index: int | None = None) -> Any:
    """Labels or distributions of the right shape, of the library of the rows."""
    tensors = is_tensor(rows.values)
    array = arrays.as_array(labels, name) if tensors else arrays.as_constant(labels, name)
    target = arrays.as_target(array, name, rows, ignore_index)
    if not tensors:
        return target
    if target.ndim == 1:
        target = arrays.check_labels(target, name, rows, ignore_index)
    derivable = is_tensor(labels) and target.ndim == 2
    return _torch_ops().beside(arrays.as_rows(labels, name).values if derivable else target, rows.values)


def _operator(name: str) -> Callable[..., Any]:
    """PyTorch's operator of that name."""
    operator: Callable[..., Any] = getattr(_torch_ops(), name)
    return operator


def _torch_ops() -> Any:
    """Only called once a tensor was passed, so that PyTorch is loaded already."""
    from crossent import torch_ops

    return torch_ops


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise DtypeError(f"{name} is a {type(value).__name__}: pass a number")
    return float(value)
