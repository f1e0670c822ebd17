"""Series of per-example values that are hard to add up, and their moments in exact arithmetic."""

import math
from fractions import Fraction

import numpy as np

from crossent.moments import combine, moments

UNIT = 2.0**-53


def series(values):
    return combine(moments(np.asarray(values, dtype=np.float64))[None])


def rare_large(count, large):
    """Next to no loss everywhere, but for the `large` last."""
    return np.concatenate([np.full(count - large, 1e-9), np.linspace(3, 20, large)])


generator = np.random.default_rng(7)
HARD = {
    "one value": np.array([0.3]),
    "two values": np.array([0.3, 0.1]),
    "equal, not representable": np.full(1000, 0.1),
    "far off, tiny spread": 1e9 + generator.uniform(0, 1e-3, 3001),
    "far off, one other": np.concatenate([np.full(2000, 1e6), [1e6 + 2**-20]]),
    "rare large losses": rare_large(70_000, 7),
    "log-normal over 20 orders": generator.lognormal(0, 6, 5000),
    "cancelling differences": np.concatenate([generator.normal(0, 1e6, 501), generator.normal(0, 1e-6, 500)]),
    "confident": generator.lognormal(-150, 3, 400),
    "zeros and ones": np.repeat([0.0, 1.0], [4990, 10]),
}


def exact_moments(values):
    exact = [
        (Fraction(float(v)), int(times))
        for v, times in zip(*np.unique(values, return_counts=True), strict=True)
    ]
    mean = sum(v * times for v, times in exact) / len(values)
    return mean, *(sum((v - mean) ** power * times for v, times in exact) for power in (2, 3))


def allowed(values, cuts):
    """How far mean, m2 and m3 may be off, from the roundings that are made.

    A block's sums make at most 16 + log2(n) roundings each (NumPy adds 128 at a time in 8 lanes, then
    pairs) and 4 for every term; block means and the whole mean are each off by at most 2 roundings, so
    the offset between them by `slack`, which enters m2 and m3 through the terms it multiplies.
    """
    roundings = (20 + math.log2(len(values))) * UNIT
    slack = 4 * UNIT * float(np.abs(values).max())
    mean = float(values.mean())
    deviations = np.abs(values - mean)
    squares, cubes = float((deviations**2).sum()), float((deviations**3).sum())
    blocks = [block for block in np.split(values, cuts) if len(block)]
    between = sum(len(block) * abs(float(block.mean()) - mean) for block in blocks) + len(values) * slack
    return (
        slack,
        roundings * squares + 2 * slack * between,
        roundings * cubes + 6 * slack * (squares + slack * between),
    )


def exact_weighted(values, weights, clusters=None):
    """θ = Σwl / Σw and each unit's U = Σ w (l − θ) / Σw, as fractions; the rows are the units by default."""
    pairs = [(Fraction(float(v)), Fraction(float(w))) for v, w in zip(values, weights, strict=True)]
    whole = sum(w for _, w in pairs)
    mean = sum(v * w for v, w in pairs) / whole
    units = {}
    for row, (v, w) in enumerate(pairs):
        if w:
            unit = row if clusters is None else clusters[row]
            units[unit] = units.get(unit, 0) + w * (v - mean) / whole
    return mean, list(units.values())
