"""The sums of rows of probabilities, as far as the check of nearly every block needs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels import group
from crossent.kernels.columns import BLOCK, FEW, fetch_later
from crossent.kernels.compiled import kernel, loop
from crossent.kernels.rows import sum_of


@loop
def _add(q: Any, sums: Any) -> Any:
    """Adds a class to the sums of some examples; whether no entry is negative or nan."""
    bad = 0
    for i in range(q.shape[0]):
        sums[i] += q[i]
        bad += 0 if q[i] >= 0.0 else 1
    return bad == 0


@loop
def _few_classes(q: Any) -> Any:
    furthest, valid, sums, by_class = 0.0, True, np.empty(BLOCK), q.T
    for start in range(0, q.shape[0], BLOCK):
        stop = min(start + BLOCK, q.shape[0])
        group.fill(sums, 0.0)
        for j in range(q.shape[1]):
            fetch_later(q, start, j)
            valid &= _add(by_class[j, start:stop], sums)
        for i in range(stop - start):
            furthest = max(furthest, abs(sums[i] - 1.0))
    return furthest, valid


@loop
def _many_classes(q: Any) -> Any:
    furthest, valid = 0.0, True
    for i in range(q.shape[0]):
        for j in range(q.shape[1]):
            valid &= q[i, j] >= 0.0
        furthest = max(furthest, abs(sum_of(q[i]) - 1.0))
    return furthest, valid


@kernel
def furthest_from_one(q: Any) -> Any:
    """The largest |sum - 1| of the rows of q (n, k); nan where an entry is negative or nan.

    Few classes may lie in any layout, and have the same sums in each.
    """
    furthest, valid = _few_classes(q) if q.shape[1] <= FEW else _many_classes(q)
    return furthest if valid else float("nan")
