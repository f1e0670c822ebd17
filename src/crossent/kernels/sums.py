"""The sums of rows of probabilities, as far as the check of nearly every block needs them."""

from __future__ import annotations

from typing import Any

from crossent.kernels.compiled import kernel
from crossent.kernels.rows import sum_of


@kernel
def furthest_from_one(q: Any) -> Any:
    """The largest |sum - 1| of the rows of q (n, k); nan where an entry is negative or nan."""
    furthest, valid = 0.0, True
    for i in range(q.shape[0]):
        for j in range(q.shape[1]):
            valid &= q[i, j] >= 0.0
        furthest = max(furthest, abs(sum_of(q[i]) - 1.0))
    return furthest if valid else float("nan")
