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
from crossent.predictions import Kind, Outputs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_UNIT = 2.0**-52


@dataclass(frozen=True)
class ExampleLosses:
    """One model's losses on the rows of a block, known to 4 units in the last place and ``resolution``.

    ``predicted`` is the first largest output, ``top`` its probability, ``tied`` tells where it was not
    alone, ``zero`` where the label had probability 0, also if that was clipped. The ``series`` (3, n) are
    wrong, squared error and cross-entropy.
    """

    predicted: Ints
    top: Floats
    tied: NDArray[np.bool_]
    zero: NDArray[np.bool_]
    series: Floats
    resolution: float

    @property
    def wrong(self) -> Floats:
        """1 where the prediction is wrong; where a model is several seeds, the share that are."""
        wrong: Floats = self.series[0]
        return wrong

    @property
    def squared_error(self) -> Floats:
        squared_error: Floats = self.series[1]
        return squared_error

    @property
    def cross_entropy(self) -> Floats:
        cross_entropy: Floats = self.series[2]
        return cross_entropy


def example_losses(
    outputs: Outputs, labels: Ints | Floats, *, kind: Kind, clip: float | None, into: Floats | None = None
) -> ExampleLosses:
    """The measures of each row, from logits or probabilities (n, k) and labels (n,) or (n, k).

    A probability below ``clip`` costs the cross-entropy of ``clip``; None clips nothing. ``into`` is where
    the series (3, n) go.
    """
    series = np.empty((3, len(outputs))) if into is None else into
    found = blocks.measures_of(outputs, labels, series, logits=kind == "logits")
    zero = np.isinf(series[2])
    if clip is not None:
        series[2] = _clipped(series[2], outputs, labels, kind, clip)
    # a stored probability is rounded itself, so a loss near 0 is known to that much only
    resolution = 4 * _UNIT if kind == "probs" else 0.0
    return ExampleLosses(found.predicted, found.top, found.tied, zero, series, resolution)


def _clipped(
    cross_entropy: Floats, outputs: Outputs, labels: Ints | Floats, kind: Kind, clip: float
) -> Floats:
    if labels.ndim == 1:
        return np.minimum(cross_entropy, -math.log(clip))
    return reference.cross_entropy(labels, np.maximum(probs_of(outputs, kind), clip))


def label_of(labels: Ints | Floats) -> Ints:
    """The label of each row: the class itself, or the first largest p."""
    return (np.argmax(labels, axis=1) if labels.ndim == 2 else labels).astype(np.int64, copy=False)


def probs_of(outputs: Outputs, kind: Kind) -> Floats:
    """Probabilities from outputs (n, k) of either kind."""
    given = outputs.astype(np.float64, copy=False)
    if kind == "probs":
        return given
    probs = np.empty(given.shape)
    blocks.softmax(given, probs, workers=1)
    return probs
