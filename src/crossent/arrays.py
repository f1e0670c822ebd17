"""Whose array is it, and is it valid: shapes, dtypes, labels, logits, probabilities.

Everything here looks and refuses; nothing is computed from the values, and nothing is changed, clipped
or renormalised. PyTorch is recognised, never imported.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DtypeError, LabelError, LogitError, OptionError, ProbabilityError, ShapeError

Reason = Literal["nan", "+inf", "no finite logit", "negative", "sum"]

Array = Any
"""A NumPy array, a list, or a PyTorch tensor."""

_DTYPES = "pass dense float16, bfloat16, float32, float64, integers or booleans"

ENTRIES_PER_BLOCK = 2**17
"""A block and its temporaries stay in the second-level cache or near it."""


@dataclass(frozen=True)
class Fault:
    """The first row that is not what it should be.

    Attributes
    ----------
    row, column : indices from 0; the column is None where the whole row is meant.
    value : the offending entry, or the row's sum where that is the reason.
    reason : what is wrong with it.
    """

    row: int
    column: int | None
    value: float
    reason: Reason


def logits_fault(logits: NDArray[np.floating[Any]]) -> Fault | None:
    """The first row (n, k) with nan, +inf, or no finite logit; None where every row has a softmax."""
    largest = logits.max(axis=1)
    bad = ~np.isfinite(largest)
    if not bad.any():
        return None
    row = int(bad.argmax())
    value = float(largest[row])
    if math.isnan(value):
        return Fault(row, int(np.isnan(logits[row]).argmax()), value, "nan")
    if value == math.inf:
        return Fault(row, int(logits[row].argmax()), value, "+inf")
    return Fault(row, None, value, "no finite logit")


def probs_fault(probs: NDArray[np.float64], tolerance: float) -> Fault | None:
    """The first row (n, k) with an entry below 0, or a sum further than the tolerance from 1; else None."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums = probs.sum(axis=1)
        good = (np.abs(sums - 1.0) <= tolerance) & (probs.min(axis=1) >= 0.0)
    if good.all():
        return None
    row = int(good.argmin())
    entries = probs[row]
    reasons: tuple[tuple[Reason, NDArray[np.bool_]], ...] = (
        ("nan", np.isnan(entries)),
        ("negative", entries < 0.0),
        ("+inf", entries == math.inf),
    )
    for reason, where in reasons:
        if where.any():
            column = int(where.argmax())
            return Fault(row, column, float(entries[column]), reason)
    return Fault(row, None, float(sums[row]), "sum")


def sum_tolerance(eps: float) -> float:
    """How far from 1 a row of probabilities may sum, from the spacing of its dtype at 1."""
    return max(1e-6, 4 * eps)


def precision(probs: NDArray[np.float64]) -> float:
    """Spacing at 1 of the narrowest of bfloat16, float16, float32, float64 that holds every value exactly.

    So the tolerance of sums follows the digits that are there, not the dtype they are stored in.
    """
    mantissas, _ = np.frexp(probs)
    for bits in (8, 11, 24):  # significant bits of bfloat16, float16, float32
        scaled = np.ldexp(mantissas, bits)
        if np.array_equal(scaled, np.trunc(scaled)):
            return 2.0 ** (1 - bits)
    return 2.0**-52


def is_tensor(values: object) -> bool:
    """Whether it is a PyTorch tensor; without PyTorch loaded nothing can be."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def as_array(values: Array, name: str) -> NDArray[Any]:
    """A NumPy array of real numbers, not copied where it is one already; bfloat16 tensors as float32."""
    if isinstance(values, np.ma.MaskedArray):
        raise DtypeError(f"{name} is a masked array, whose mask would be lost: pass the rows that count")
    kind = str(values.dtype) if is_tensor(values) else ""
    try:
        array = np.asarray(_plain(values) if kind else values)
    except (TypeError, ValueError) as error:
        if kind:
            raise DtypeError(f"{name} is a {values.layout} tensor of {kind}: {_DTYPES}") from None
        raise ShapeError(f"{name} is no array of numbers: {error}") from None
    if array.dtype.kind in "biu" or is_float(array.dtype):
        return array
    raise DtypeError(f"{name} has dtype {array.dtype}: {_DTYPES}")


def as_constant(values: Array, name: str) -> NDArray[Any]:
    """`as_array` of an argument that no gradient flows to."""
    if is_tensor(values) and values.requires_grad:
        raise OptionError(f"{name} requires a gradient and would get none here: pass {name}.detach()")
    return as_array(values, name)


class Rows(NamedTuple):
    """Rows (n, k) of what was passed as (n, k), (k,), or with its axes the other way round."""

    values: Any
    """A NumPy array, or a tensor of floats."""
    view: NDArray[Any]
    """The same as a NumPy array."""
    single: bool = False
    transposed: bool = False

    def like(self, array: Any) -> Any:
        """View an array or tensor that lies as what was passed as rows (n, k)."""
        return array.reshape(1, -1) if self.single else array.T if self.transposed else array


def as_rows(values: Array, name: str) -> Rows:
    """Rows of floats for a tensor, of any dtype for an array."""
    view = as_array(values, name)
    if view.ndim not in (1, 2):
        raise ShapeError(f"{name} has shape {view.shape}: pass (n, k), or (k,) for one example")
    if view.shape[-1] == 0:
        raise ShapeError(f"{name} has shape {view.shape}: at least one class is needed")
    single = view.ndim == 1
    if not is_tensor(values):
        values = view
    elif not values.is_floating_point():
        values = values.double()
    return Rows(values.reshape(1, -1), view.reshape(1, -1), single) if single else Rows(values, view)


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of the four floating dtypes that go in and come out."""
    return (dtype.kind == "f" and dtype.itemsize <= 8) or dtype.name == "bfloat16"


def result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What a softmax or gradient comes back in: the dtype of the logits, float64 for integers."""
    return dtype.newbyteorder("=") if is_float(dtype) else np.dtype(np.float64)


def loss_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What a loss comes back in: float32 for 16- and 32-bit floats, else float64."""
    return np.dtype(np.float32 if is_float(dtype) and dtype.itemsize <= 4 else np.float64)


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cuts rows (n, k) into blocks that fit the cache."""
    rows = max(1, ENTRIES_PER_BLOCK // shape[1])
    return (slice(start, min(start + rows, shape[0])) for start in range(0, shape[0], rows))


def widened(rows: NDArray[Any]) -> NDArray[np.float64]:
    """C-contiguous, aligned float64, as `reference` takes it: unaligned memory would be summed otherwise."""
    return np.require(rows, np.float64, ["C", "A"])


def floats(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself where it is of floats; integers and booleans as float64."""
    return array if is_float(array.dtype) else array.astype(np.float64)


def refuse_logits(rows: Rows, name: str, row: int) -> NoReturn:
    """Says what is wrong with a row that has no softmax."""
    fault = logits_fault(widened(rows.view[row : row + 1]))
    assert fault is not None, "only a row without a softmax is refused"
    place = _place(name, row, fault.column, rows.single)
    if fault.reason == "no finite logit":
        raise LogitError(f"{place} has no finite logit: every class is ruled out; leave the row out")
    raise LogitError(
        f"{place} is {fault.reason}: logits are finite, or -inf for a class that is ruled out;"
        " look for what made it in the model"
    )


def check_probs(rows: Rows, name: str) -> None:
    """Refuses rows that are no distributions; sums get the tolerance of the digits that are there."""
    probs = rows.view
    fault = _first_probs_fault(probs, sum_tolerance(_spacing(probs.dtype)))
    if fault is not None and fault.reason == "sum":
        finest = min(precision(widened(probs[block])) for block in blocks(probs.shape))
        fault = _first_probs_fault(probs, sum_tolerance(finest))
    if fault is None:
        return
    place = _place(name, fault.row, fault.column, rows.single)
    if fault.reason == "sum":
        mend = "crossent never renormalises; divide by the sum"
        if name == "q":
            mend = f"not softmax? {mend}, or pass logits to softmax_cross_entropy"
        raise ProbabilityError(f"{place} sums to {fault.value:.9g}, not 1: {mend}")
    mend = "if these are logits, pass them to softmax_cross_entropy" if name == "q" else "mend the labels"
    raise ProbabilityError(f"{place} is {fault.value:.9g}, but probabilities are >= 0 and sum to 1: {mend}")


def as_target(labels: NDArray[Any], name: str, rows: Rows, ignore_index: int | None = None) -> NDArray[Any]:
    """Labels for the rows, int64 (n,), still for `check_labels` to see, or checked distributions (n, k)."""
    n, classes = rows.view.shape
    if labels.shape == ((classes,) if rows.single else (n, classes)):
        if ignore_index is not None:
            raise OptionError(f"ignore_index goes with integer labels, and {name} are distributions")
        target = Rows(labels, labels.reshape(n, classes), rows.single)
        check_probs(target, name)
        return target.view
    if labels.shape != (() if rows.single else (n,)):
        expected = (
            f"one integer or shape ({classes},)" if rows.single else f"shape ({n},) or ({n}, {classes})"
        )
        raise ShapeError(f"{name} has shape {labels.shape}: {n} x {classes} predictions take {expected}")
    if labels.dtype.kind not in "iu":
        raise DtypeError(
            f"{name} has dtype {labels.dtype}: class labels are integers, distributions have k columns"
        )
    labels = labels.reshape(n)
    if labels.dtype == np.uint64:  # which int64 does not hold
        labels = check_labels(labels, name, rows, ignore_index)
    return np.ascontiguousarray(labels, np.int64)


def as_class_weights(values: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Checked float64 weights (k,), one for each class."""
    if values.shape != (classes,):
        raise ShapeError(f"class_weights has shape {values.shape}: one for each of {classes} classes")
    weights = widened(values)
    bad = ~(np.isfinite(weights) & (weights >= 0.0))
    if bad.any():
        at = int(bad.argmax())
        raise OptionError(f"class_weights[{at}] is {weights[at]:.9g}: weights are finite and >= 0")
    return weights


def check_out(out: Any, rows: Rows, *others: Array) -> None:
    """Refuses what cannot take a result of the shape and dtype of the rows, or overlaps an argument."""
    if not isinstance(out, np.ndarray):
        raise DtypeError(f"out is a {type(out).__name__}: for NumPy logits it must be a NumPy array")
    dtype = result_dtype(rows.view.dtype)
    if out.ndim != (1 if rows.single else 2) or rows.like(out).shape != rows.view.shape or out.dtype != dtype:
        shape = rows.view.shape[1:] if rows.single else rows.like(rows.view).shape
        raise ShapeError(f"out is {out.shape} {out.dtype}, but the result {shape} {dtype}")
    if not out.flags.writeable:
        raise OptionError("out is read-only")
    into = rows.like(out)
    itself = into.__array_interface__["data"] == rows.view.__array_interface__["data"] and (
        into.strides == rows.view.strides and into.dtype == rows.view.dtype
    )
    needed = [array for array in others if isinstance(array, np.ndarray)]
    if any(np.shares_memory(into, array) for array in ([] if itself else [rows.view]) + needed):
        raise OptionError("out overlaps an argument: it may be the logits themselves, or memory of its own")


def check_labels(
    labels: NDArray[Any], name: str, rows: Rows, ignore_index: int | None = None, *, first: int = 0
) -> NDArray[Any]:
    """The labels, of the rows from `first` on, where each is a class or the one to ignore."""
    classes = rows.view.shape[1]
    if labels.ndim == 1 and labels.view(np.uint64).max(initial=0) >= classes:  # negative ones are huge
        bad = (labels < 0) | (labels >= classes)
        if ignore_index is not None:
            bad &= labels != ignore_index
        if bad.any():
            row = int(bad.argmax())
            place = _place(name, first + row, None, rows.single)
            raise LabelError(
                f"{place} is {labels[row]}: with {classes} classes labels are 0 to {classes - 1}"
            )
    return labels


def _plain(tensor: Any) -> Any:
    plain = tensor.detach().cpu().resolve_neg()
    return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()


def _first_probs_fault(probs: NDArray[Any], tolerance: float) -> Fault | None:
    for block in blocks(probs.shape):
        fault = probs_fault(widened(probs[block]), tolerance)
        if fault is not None:
            return replace(fault, row=fault.row + block.start)
    return None


def _spacing(dtype: np.dtype[Any]) -> float:
    if dtype.name == "bfloat16":
        return 2.0**-7
    return float(np.finfo(dtype).eps) if dtype.kind == "f" else 2.0**-52


def _place(name: str, row: int, column: int | None, single: bool) -> str:
    """How an entry is written: q[3, 1], q[3], or q[1] and q where there is one row alone."""
    indices = ([] if single else [row]) + ([] if column is None else [column])
    return f"{name}[{', '.join(map(str, indices))}]" if indices else name
