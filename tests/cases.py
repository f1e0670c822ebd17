"""Named rows and layouts that are hard on purpose, shared by the tests and the benchmarks.

Random normal logits hide cancellation; `tests/test_reference.py` proves that these do not. All arrays
are read-only. Nothing here needs pytest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np
from ml_dtypes import bfloat16
from numpy.typing import NDArray

A = TypeVar("A", bound=NDArray[Any])

INF = float("inf")

ROWS: dict[str, tuple[tuple[float, ...], int]] = {
    "one class": ((3.7,), 0),
    "two classes, right": ((2.1, -0.3), 0),
    "two classes, wrong": ((2.1, -0.3), 1),
    "all equal": ((0.1, 0.1, 0.1, 0.1, 0.1), 2),
    "tie at the top": ((1.7, 5.3, 5.3, -2.0, 5.3), 2),
    "zeros of both signs": ((0.0, -0.0, 0.0), 1),
    "up to 1e4, right": ((1e4, -1e4, 9999.25, 0.0), 0),
    "up to 1e4, wrong": ((1e4, -1e4, 9999.25, 0.0), 1),
    "all far below 0": ((-9999.5, -1e4, -9998.125), 2),
    "ruled out": ((0.3, -INF, 1.9, -INF), 2),
    "all but one ruled out": ((-INF, -41.3, -INF), 1),
    "label ruled out": ((0.3, -INF, 1.9), 1),
    "right by 17": ((17.3, 0.1, -0.2, 0.3), 0),
    "right by 40": ((0.1, -0.2, 40.3, 0.3), 2),
    "right by 500": ((0.1, 500.3, -0.2, 1 / 3), 1),
    "wrong by 17": ((17.3, 0.1, -0.2, 0.3), 2),
    "wrong by 40": ((0.1, -0.2, 40.3, 0.3), 1),
    "wrong by 500": ((0.1, 500.3, -0.2, 1 / 3), 3),
    "others subnormal": ((730.0, 0.4, -1.2, 5.0), 0),
    "label underflows": ((800.0, 0.4, -1.2, 799.0), 1),
    "slightly apart": ((1.0, 1.0 + 2**-40, 1.0 - 2**-41), 1),
}
"""Logits and the label, one row each."""

CONFIDENT = ("right by 17", "right by 40", "right by 500")
"""Where log-sum-exp minus the label's logit cancels."""

DTYPES = (np.dtype(np.float16), np.dtype(bfloat16), np.dtype(np.float32), np.dtype(np.float64))

LAYOUTS: dict[str, Callable[[NDArray[np.generic]], NDArray[np.generic]]] = {
    "contiguous": lambda x: x.copy(),
    "Fortran": lambda x: x.copy(order="F"),
    "every second column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "every second row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "columns backwards": lambda x: x[:, ::-1].copy()[:, ::-1],
    "rows backwards": lambda x: x[::-1].copy()[::-1],
    "inside a larger one": lambda x: np.pad(x, 1)[1:-1, 1:-1],
    "unaligned": lambda x: _unaligned(x),
}
"""The same matrix, laid out differently in memory."""


def row(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A named row as logits (1, k) and labels (1,)."""
    logits, label = ROWS[name]
    return _read_only(np.array([logits])), _read_only(np.array([label]))


@cache
def matrix(n: int, k: int, *, spread: float = 3.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Random logits (n, k) and labels; every third row is confident and right, every fifth and wrong."""
    generator = np.random.default_rng(n * 1_000_003 + k)
    logits = generator.normal(0.0, spread, (n, k))
    labels = generator.integers(0, k, n)
    rows = np.arange(n)
    logits[rows[::3], labels[::3]] += 35.0
    logits[rows[1::5], labels[1::5]] -= 35.0
    return _read_only(logits), _read_only(labels)


@cache
def wide(name: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """One row of 256,000 classes: 'spread', 'equal' or 'right by 30'; multiples of 1/10, rounded."""
    k = 256_000
    logits = np.full((1, k), 0.1) if name == "equal" else np.round(matrix(1, k)[0], 1)
    if name == "right by 30":
        logits[0, 7] = logits.max() + 30.0
    return _read_only(logits), _read_only(np.array([7]))


@cache
def distributions(n: int, k: int) -> NDArray[np.float64]:
    """Label distributions (n, k): one-hot, even, and with zeros, in turn; each row sums to 1 in float64."""
    generator = np.random.default_rng(n * 1_000_003 + k + 1)
    p = generator.dirichlet(np.full(k, 0.7), n)
    p[generator.random((n, k)) < 0.3] = 0.0
    p[::4] = 0.0
    p[np.arange(n)[::4], generator.integers(0, k, n)[::4]] = 1.0
    p[1::4] = 1.0 / k
    empty = p.sum(axis=1) == 0.0
    p[empty, 0] = 1.0
    return _read_only(p / p.sum(axis=1, keepdims=True))


def laid_out(array: NDArray[np.generic], layout: str) -> NDArray[np.generic]:
    """The same values, read-only, in a named layout."""
    return _read_only(LAYOUTS[layout](array))


def _unaligned(x: NDArray[np.generic]) -> NDArray[np.generic]:
    memory = np.empty(x.nbytes + 1, np.uint8)[1:]
    array = np.frombuffer(memory, x.dtype).reshape(x.shape)
    array[...] = x
    return array


def _read_only(array: A) -> A:
    array.setflags(write=False)
    return array
