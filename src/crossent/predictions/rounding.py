"""How many decimals values were printed with, told from the values themselves.

No policy: what follows from it is said in `check` and in the lint room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_DECIMALS = 12


def decimals(values: NDArray[np.float64]) -> int | None:
    """The fewest decimals, up to 12, that print every value exactly; None where none do.

    -inf fits any grid; NaN and +inf fit none.
    """
    with np.errstate(over="ignore"):
        for digits in range(MOST_DECIMALS + 1):  # m / 10^d, correctly rounded, is what reading 'm e-d' gives
            scale = 10.0**digits
            off = ~((np.rint(values * scale) / scale == values) | (values == -np.inf))
            if not off.any():
                return digits
            values = values[off]
    return None
