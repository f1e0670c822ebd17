"""How the cross-entropy of rows changes with their temperature; `crossent.calibration` says what for."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels.compiled import kernel, loop, sum_loop
from crossent.kernels.scalar import exponential, frame_of

_DEEPEST = -40_000.0
"""A gap this deep has weight exp(-1000) = 0 at every temperature that is ever tried."""
_PIECE = 2048
"""Entries that are weighed at once stay in the first-level cache, unless a row is longer."""


@loop
def _weigh(gaps: Any, inverse: Any, out: Any) -> Any:
    base, floor, power = frame_of(0.0)  # the largest gap of a row is 0
    for i in range(out.shape[0]):
        out[i] = exponential(max(gaps[i], _DEEPEST) * inverse, base, floor, power)


@sum_loop
def _sums_of(gaps: Any, weights: Any) -> Any:
    total = first = second = 0.0
    for j in range(gaps.shape[0]):
        gap, weight = max(gaps[j], _DEEPEST), weights[j]
        total += weight
        first += weight * gap
        second += weight * gap * gap
    return total, first, second


@kernel
def slopes(gaps: Any, mass: Any, label_gaps: Any, inverse: Any) -> Any:
    """Sums of the first and second derivative of each row's cross-entropy by 1/T, of which `inverse` is one.

    Gaps (n, k) are what logits lack of the largest of their row; `mass` (n,) is the sum of a row's labels and
    `label_gaps` (n,) that of labels times gaps, both times the row's weight.
    """
    n, k = gaps.shape
    step = max(1, _PIECE // k)
    weights = np.empty(step * k)
    slope = curvature = 0.0
    for start in range(0, n, step):
        piece = gaps[start : start + step]
        _weigh(piece.reshape(-1), inverse, weights[: piece.size])
        slope_here = curvature_here = 0.0
        for i in range(piece.shape[0]):
            total, first, second = _sums_of(piece[i], weights[i * k : (i + 1) * k])
            mean = first / total
            slope_here += mass[start + i] * mean - label_gaps[start + i]
            curvature_here += mass[start + i] * (second / total - mean * mean)
        slope += slope_here  # piece by piece, so that rounding stays small
        curvature += curvature_here
    return slope, curvature
