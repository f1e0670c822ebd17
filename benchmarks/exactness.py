"""How exact: contenders against float64, and crossent against its bounds on every case of the tests.

The truth is `crossent.reference` on the same values in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import crossent
from benchmarks.contenders import Contender, Function
from benchmarks.problems import Problem
from crossent import reference
from tests import cases

Floats = NDArray[np.float64]

_BITS = {"float16": (10, -14), "bfloat16": (7, -126), "float32": (23, -126), "float64": (52, -1022)}
"""Bits after the leading one, and the least exponent with all of them."""

LOSS_BOUND = 4.0
"""Ulp."""
SUM_BOUND = 1e-6
"""Of a gradient's row, in its largest entry."""
MATRICES = ((1, 1), (7, 2), (23, 37), (64, 10), (5, 1_000), (3, 33_000))
WIDE = ("spread", "equal", "right by 30")


def ulps(got: NDArray[Any], exact: Floats) -> float:
    """The largest error in spacings of the dtype of `got` at the exact value; the same inf is exact."""
    bits, least = _BITS[got.dtype.name]
    _, exponent = np.frexp(np.where(np.isfinite(exact), exact, 1.0))
    exponent = np.where(exact == 0.0, least, exponent - 1)
    spacing = np.ldexp(1.0, np.maximum(exponent, least) - bits)
    with np.errstate(invalid="ignore"):
        return _largest(np.abs(got.astype(np.float64) - exact) / spacing, got, exact)


def relative(got: NDArray[Any], exact: Floats, bound: Floats | float = 1.0) -> float:
    """The largest relative error in half the dtype's spacing at 1, as a multiple of a bound.

    Of float32 in units of 2**-24. Where the exact value is too small for all digits, the spacing of such
    numbers is let pass, and below the least normal number of the arithmetic all of it: that is flushed to 0.
    """
    bits, least = _BITS[got.dtype.name]
    flushed = 2.0**-1022 if got.dtype == np.float64 else 2.0**-126
    size = np.abs(exact)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs(got.astype(np.float64) - exact)
        off = np.where(size < 2.0**least, np.maximum(off - max(flushed, 2.0 ** (least - bits)), 0.0), off)
        errors = np.where(off == 0.0, 0.0, off / size) * 2.0 ** (bits + 1) / bound
    return _largest(errors, got, exact)


def _largest(errors: Floats, got: NDArray[Any], exact: Floats) -> float:
    errors = np.where(got.astype(np.float64) == exact, 0.0, errors)
    return float(np.where(np.isnan(errors), np.inf, errors).max(initial=0.0))


class Exact(NamedTuple):
    """In float64, of the rows of a problem that are compared; None where the function has none."""

    losses: Floats | None
    matrix: Floats | None


def exact(function: Function, problem: Problem) -> Exact:
    """What every contender should give; gradients are those of the sum."""
    logits, labels = problem.logits[problem.rows].astype(np.float64), problem.labels[problem.rows]
    match function:
        case "gradient":
            return Exact(
                reference.softmax_cross_entropy(logits, labels),
                reference.softmax_cross_entropy_grad(logits, labels),
            )
        case "squared_error":
            return Exact(
                reference.softmax_squared_error(logits, labels),
                reference.softmax_squared_error_grad(logits, labels),
            )
        case "loss":
            return Exact(reference.softmax_cross_entropy(logits, labels), None)
        case "logsumexp":
            return Exact(reference.logsumexp(logits), None)
        case "softmax":
            return Exact(None, reference.softmax(logits))
        case "log_softmax":
            return Exact(None, reference.log_softmax(logits))


class Errors(NamedTuple):
    """Largest errors: of the losses in ulp, of the matrix in half spacings at 1; None where there is none."""

    loss: float | None
    matrix: float | None


def errors(contender: Contender, problem: Problem, truth: Exact) -> Errors:
    """Of one contender, by one call of its own."""
    loss = matrix = None
    if truth.losses is not None and contender.losses is not None:
        loss = ulps(contender.losses()[problem.rows], truth.losses)
    if truth.matrix is not None and contender.matrix is not None:
        is_gradient = truth.losses is not None
        scale = (problem.scale or 1.0) if is_gradient and not contender.of_sum else 1.0
        matrix = relative(contender.matrix(contender.run())[problem.rows], truth.matrix * scale)
    return Errors(loss, matrix)


@dataclass(frozen=True)
class Check:
    """One promise on one case: the error, the bound, in the same unit."""

    case: str
    promise: str
    error: float
    bound: float

    @property
    def kept(self) -> bool:
        return self.error <= self.bound


def every_case(smoke: bool = False) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.int64]]]:
    """The named rows, the random matrices and the rows of 256,000 classes of the tests."""
    for name in cases.ROWS:
        yield name, *cases.row(name)
    for n, k in MATRICES[:3] if smoke else MATRICES:
        yield f"random, {n} × {k:,}", *cases.matrix(n, k)
    for name in () if smoke else WIDE:
        yield f"256,000 classes, {name}", *cases.wide(name)


def checks(smoke: bool = False) -> list[Check]:
    """DESIGN's promises on exactness, on every case in every dtype."""
    found: list[Check] = []
    for name, logits, labels in every_case(smoke):
        for dtype in cases.DTYPES:
            with np.errstate(over="ignore"):  # float16 ends at 65,504: every case stays below
                narrow = logits.astype(dtype)
            found += _of_case(f"{name}, {dtype.name}", narrow, labels)
    return found + list(_same_bits())


def _of_case(case: str, logits: NDArray[Any], labels: NDArray[np.int64]) -> Iterator[Check]:
    wide = logits.astype(np.float64)
    bits = _BITS[logits.dtype.name][0]
    # (4 + |x - max|) 2^-24, computed in at least float32, and rounded once more for 16 bits; float64 sums
    # have no wider type
    gaps = wide.max(axis=1, keepdims=True) - wide
    bound = (16.0 if bits == 52 else 4.0) + np.where(np.isfinite(gaps), gaps, 0.0)
    if bits < 23:
        bound = 1.0 + bound * 2.0 ** (bits - 23)
    yield Check(
        case, "softmax, of its bound", relative(crossent.softmax(logits), reference.softmax(wide), bound), 1.0
    )
    loss, gradient = crossent.softmax_cross_entropy_and_grad(logits, labels)
    alone = crossent.softmax_cross_entropy(logits, labels)
    truth = reference.softmax_cross_entropy(wide, labels)
    yield Check(case, "loss, ulp", max(ulps(loss, truth), ulps(alone, truth)), LOSS_BOUND)
    if bits >= 23:  # the sum of 16-bit entries is off by their own rounding
        yield Check(case, "gradient's row sum, of its largest entry", _row_sum(gradient), SUM_BOUND)


def _row_sum(gradient: NDArray[Any]) -> float:
    """The sum of each row in its largest entry; added exactly."""
    rows = gradient.astype(np.float64)
    largest = np.abs(rows).max(axis=1)
    sums = np.array([abs(math.fsum(row)) for row in rows])
    return float(np.divide(sums, largest, out=np.zeros(len(rows)), where=largest > 0).max(initial=0.0))


def _calls() -> dict[str, Callable[[NDArray[Any], NDArray[np.int64]], tuple[NDArray[Any], ...]]]:
    return {
        "softmax": lambda x, y: (crossent.softmax(x),),
        "log_softmax": lambda x, y: (crossent.log_softmax(x),),
        "logsumexp": lambda x, y: (crossent.logsumexp(x),),
        "cross-entropy": lambda x, y: crossent.softmax_cross_entropy_and_grad(x, y),
        "squared error": lambda x, y: crossent.softmax_squared_error_and_grad(x, y),
    }


def _same_bits() -> Iterator[Check]:
    """Threads, place in the block and layout: how many results differ in any bit."""
    for function, call in _calls().items():
        threads = place = layout = 0
        for dtype in cases.DTYPES:
            for n, k in ((1_000, 2), (600, 10), (300, 200), (40, 9_000)):
                logits, labels = cases.matrix(n, k)
                logits = logits.astype(dtype)
                with crossent.threads(1):
                    one = call(logits, labels)
                with crossent.threads(2):
                    two = call(logits, labels)
                threads += _differ(one, two)
                for row in (0, n // 3, n - 1):
                    alone = call(logits[row : row + 1], labels[row : row + 1])
                    place += _differ(alone, tuple(part[row : row + 1] for part in one))
                if n * k < 50_000:
                    layout += sum(
                        _differ(one, call(cases.laid_out(logits, name), labels)) for name in cases.LAYOUTS
                    )
        yield Check(f"{function}, every dtype", "results that 1 and 2 threads give differently", threads, 0)
        yield Check(f"{function}, every dtype", "rows that are another alone", place, 0)
        yield Check(f"{function}, every dtype", "results that a layout changes", layout, 0)


def _differ(a: tuple[NDArray[Any], ...], b: tuple[NDArray[Any], ...]) -> bool:
    return any(x.tobytes() != y.tobytes() for x, y in zip(a, b, strict=True))
