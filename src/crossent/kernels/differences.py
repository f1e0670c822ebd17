"""What one model costs more than another, example by example, and how often which of them is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels.compiled import kernel, loop

_UNIT = 2.0**-52
_SHORT = 256
"""Sums are taken of pieces so short that rounding stays small, and of those."""


@loop
def _known(b: Any, a: Any, resolution: Any) -> Any:
    """b - a, but 0 where only rounding tells them apart; nan where both are infinite."""
    difference = b - a
    size = abs(difference)
    return 0.0 if size <= 8 * _UNIT * max(a, b) + resolution and size < np.inf else difference


@kernel
def of_pair(
    a: Any,
    b: Any,
    weights: Any,
    resolution: Any,
    threshold: Any,
    differences: Any,
    parts: Any,
    infinite: Any,
    more_wrong: Any,
    gap: Any,
) -> Any:
    """Of two models' shares wrong, squared errors and cross-entropies (3, n): `differences` b - a (3, n).

    Counted by part, 0 where both are right, 1 where only a is wrong, 2 only b, 3 both: examples, into `parts`
    (4,); those with weight where only a, only b, both cost infinitely much, into `infinite` (4, 3). Into
    `more_wrong` (2,) those on which a, b costs more by over the threshold. Into `gap` (5,) the weighted
    differences of cross-entropies that are finite, by part, and the weight of their examples. Without weights
    each is 1.
    """
    here, last, found = np.zeros(gap.shape[0]), gap.shape[0] - 1, np.zeros(_SHORT, np.int64)
    for start in range(0, a.shape[1], _SHORT):
        here[:] = 0.0
        stop = min(start + _SHORT, a.shape[1])
        # one measure after the other: all nine rows at once would take each other's place in a cache
        for i in range(start, stop):
            found[i - start] = (1 if a[0, i] >= 0.5 else 0) + (2 if b[0, i] >= 0.5 else 0)
            differences[0, i] = b[0, i] - a[0, i]
        for i in range(start, stop):
            differences[1, i] = _known(b[1, i], a[1, i], resolution)
        for i in range(start, stop):
            differences[2, i] = _known(b[2, i], a[2, i], resolution)
        for i in range(start, stop):
            w = weights[i] if weights.shape[0] > 0 else 1.0
            part, d = found[i - start], differences[2, i]
            parts[part] += 1
            more_wrong[0] += d < -threshold
            more_wrong[1] += d > threshold
            if abs(d) < np.inf:
                here[part] += w * d
                here[last] += w
            elif w > 0:
                only_a, only_b = b[2, i] < np.inf, a[2, i] < np.inf
                infinite[part, 0 if only_a else 1 if only_b else 2] += 1
        for j in range(gap.shape[0]):
            gap[j] += here[j]
