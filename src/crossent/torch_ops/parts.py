"""Classes on the second axis of (N, C, D), as images have them: dealt out as rows (n, C).

Where the strides allow it rows are views; elsewhere a bounded number of them is copied at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

LOSSES_AT_ONCE = 2**19
ENTRIES_AT_ONCE = 2**19


def cut(*matrices: NDArray[Any]) -> Iterator[slice]:
    """Parts of the first axis that are few enough rows, and as many as can be seen without a copy."""
    n, classes, depth = matrices[0].shape
    size = max(1, LOSSES_AT_ONCE // max(1, depth))
    if n > 1 and depth > 1 and any(array.strides[0] != depth * array.strides[2] for array in matrices):
        size = max(1, ENTRIES_AT_ONCE // (classes * depth))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def rows(block: NDArray[Any]) -> NDArray[Any]:
    """(m, C, D) as (m D, C)."""
    return block.transpose(0, 2, 1).reshape(-1, block.shape[1])


def put_back(values: NDArray[Any], block: NDArray[Any]) -> None:
    """Rows (m D, C) into (m, C, D), for where `rows` had to copy."""
    m, classes, depth = block.shape
    block.transpose(0, 2, 1)[...] = values.reshape(m, depth, classes)
