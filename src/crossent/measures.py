"""The three measures of each example of a block, for one model.

From checked blocks only; sums and estimates are made elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent import reference
from crossent.kernels import blocks
from crossent.predictions import Kind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNIT = 2.0**-52


@dataclass(frozen=True)
class ExampleLosses:
    """One model's losses on the rows of a block, known to 4 units in the last place and ``resolution``.

    ``predicted`` is the first largest output, ``top`` its probability, ``tied`` tells where it was not
    alone, ``zero`` where the label had probability 0, also if that was clipped. Where a model is several
    seeds, ``wrong`` is the share of them that are wrong; half of them make an example wrong.
    """

    predicted: Ints
    top: Floats
    tied: NDArray[np.bool_]
    wrong: NDArray[np.bool_] | Floats
    zero: NDArray[np.bool_]
    squared_error: Floats
    cross_entropy: Floats
    resolution: float

    def minus(self, other: ExampleLosses) -> Differences:
        """What this model, b, costs more than the other one, a; what only rounding tells apart is 0."""
        resolution = self.resolution + other.resolution
        return Differences(
            (other.wrong >= 0.5) + 2 * (self.wrong >= 0.5),
            self.wrong.astype(np.float64) - other.wrong,
            _known_difference(self.squared_error, other.squared_error, resolution),
            _known_difference(self.cross_entropy, other.cross_entropy, resolution),
            np.isinf(other.cross_entropy),
            np.isinf(self.cross_entropy),
        )


def _known_difference(b: Floats, a: Floats, resolution: float) -> Floats:
    with np.errstate(invalid="ignore"):  # infinite in both: nan, which nothing counts as a difference
        difference = b - a
        unknown = np.abs(difference) <= 8 * _UNIT * np.maximum(a, b) + resolution
    return np.where(unknown & np.isfinite(difference), 0.0, difference)


@dataclass(frozen=True)
class Differences:
    """Two models' losses on the same rows, b - a; ``cross_entropy`` is nan where both are infinite.

    ``part`` is 0 where both are right, 1 where only a, 2 where only b, 3 where both are wrong.
    """

    part: Ints
    wrong: Floats
    squared_error: Floats
    cross_entropy: Floats
    a_infinite: NDArray[np.bool_]
    b_infinite: NDArray[np.bool_]


def example_losses(
    outputs: Floats, labels: Ints | Floats, *, kind: Kind, clip: float | None
) -> ExampleLosses:
    """The measures of each row, from logits or probabilities (n, k) and labels (n,) or (n, k).

    A probability below ``clip`` costs the cross-entropy of ``clip``; None clips nothing.
    """
    found = blocks.measures_of(outputs, labels, logits=kind == "logits")
    cross_entropy = found.cross_entropy
    zero = np.isinf(cross_entropy)
    if clip is not None:
        cross_entropy = _clipped(cross_entropy, outputs, labels, kind, clip)
    wrong = found.predicted != label_of(labels)
    # a stored probability is rounded itself, so a loss near 0 is known to that much only
    resolution = 4 * _UNIT if kind == "probs" else 0.0
    return ExampleLosses(
        found.predicted, found.top, found.tied, wrong, zero, found.squared_error, cross_entropy, resolution
    )


def _clipped(
    cross_entropy: Floats, outputs: Floats, labels: Ints | Floats, kind: Kind, clip: float
) -> Floats:
    if labels.ndim == 1:
        return np.minimum(cross_entropy, -math.log(clip))
    return reference.cross_entropy(labels, np.maximum(probs_of(outputs, kind), clip))


def label_of(labels: Ints | Floats) -> Ints:
    """The label of each row: the class itself, or the first largest p."""
    return (np.argmax(labels, axis=1) if labels.ndim == 2 else labels).astype(np.int64, copy=False)


def probs_of(outputs: Floats, kind: Kind) -> Floats:
    """Probabilities from outputs (n, k) of either kind."""
    if kind == "probs":
        return outputs
    probs = np.empty(outputs.shape)
    blocks.softmax(outputs, probs, workers=1)
    return probs


def top_probability(outputs: Floats, kind: Kind) -> Floats:
    """The probability of each row's most probable class, from logits or probabilities (n, k)."""
    return np.asarray(probs_of(outputs, kind).max(axis=1))
