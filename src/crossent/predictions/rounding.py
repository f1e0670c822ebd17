"""How many decimals values were printed with, told from the values themselves.

No policy: what follows from it is said in `check` and in the lint room.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_DECIMALS = 12
_FLOAT32_UNIT = 2.0**-24


def decimals(values: NDArray[np.floating[Any]], most: int = MOST_DECIMALS) -> int | None:
    """The fewest decimals, up to ``most``, that print every value to float32's precision; None if none do.

    To float32's, so that a rounded value is known in whatever it was stored. -inf fits any grid; NaN
    and +inf fit none.
    """
    values = values.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        for digits in range(most + 1):
            scale = 10.0**digits
            near = np.abs(np.rint(values * scale) / scale - values) <= np.abs(values) * _FLOAT32_UNIT
            off = ~(near | (values == -np.inf)) | (values == np.inf)
            if not off.any():
                return digits
            values = values[off]
    return None
