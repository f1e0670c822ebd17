"""The arrays that all contenders of a benchmark get: logits, labels, and memory for results.

Rows are hard as those of ``tests/cases.py`` are: some confident and right, some and wrong. The same values
are a NumPy array and, without a copy, a PyTorch tensor.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPES = ((2_000_000, 2), (1_000_000, 10), (200_000, 100), (50_000, 1_000), (2_048, 32_000), (512, 128_256))
SMOKE_SHAPES = ((64, 2), (8, 1_000))
CHECKED = 2**21
"""Entries, at least one row: so many are compared with float64."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Logits (n, k), labels (n,), and what else a call may need, made once."""

    logits: NDArray[Any]
    labels: NDArray[np.int64]
    threads: int

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return int(self.logits.shape[1])

    @property
    def scale(self) -> float | None:
        """What gradients are multiplied by: 1/n for the mean, None for the sum.

        16-bit gradients are of the sum: those of the mean over a million examples would all be 0 in float16.
        """
        return 1.0 / self.n if self.logits.dtype.itemsize >= 4 else None

    @property
    def reduction(self) -> str:
        return "sum" if self.scale is None else "mean"

    @functools.cached_property
    def out(self) -> NDArray[Any]:
        """Memory for a result, in use already."""
        return self.logits.copy()

    @functools.cached_property
    def tensor(self) -> Any:
        return as_tensor(self.logits)

    @functools.cached_property
    def label_tensor(self) -> Any:
        return as_tensor(self.labels)

    @functools.cached_property
    def rows(self) -> NDArray[np.intp]:
        """Which rows are compared with float64: evenly spread ones, all where there are few."""
        count = max(1, min(self.n, CHECKED // self.classes))
        return np.linspace(0, self.n - 1, count).astype(np.intp)

    @functools.cached_property
    def one_hot(self) -> NDArray[Any]:
        """The labels as distributions, for formulas that take nothing else."""
        p = np.zeros_like(self.logits)
        p[np.arange(self.n), self.labels] = 1
        return p


def problem(shape: tuple[int, int], dtype: str, threads: int) -> Problem:
    """Normal logits with a standard deviation of 3, every third row right by about 35, every fifth wrong."""
    n, k = shape
    generator = np.random.default_rng([n, k])
    logits = generator.standard_normal(shape, np.float32)
    logits *= 3
    labels = generator.integers(0, k, n)
    rows = np.arange(n)
    logits[rows[::3], labels[::3]] += 35
    logits[rows[1::5], labels[1::5]] -= 35
    return Problem(logits.astype(dtype_of(dtype), copy=False), labels, threads)


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype, that of ``ml_dtypes`` for bfloat16."""
    if name == "bfloat16":
        name = importlib.import_module("ml_dtypes").bfloat16
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype


def as_tensor(array: NDArray[Any]) -> Any:
    """A PyTorch tensor on the same memory."""
    torch = importlib.import_module("torch")
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def as_numpy(tensor: Any) -> NDArray[Any]:
    """A NumPy array on the memory of a PyTorch tensor, in the same dtype."""
    torch = importlib.import_module("torch")
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        bits: NDArray[Any] = tensor.contiguous().view(torch.int16).numpy()
        return bits.view(dtype_of("bfloat16"))
    array: NDArray[Any] = tensor.numpy()
    return array
