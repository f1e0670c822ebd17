"""What charts are drawn from beside the estimates: the losses of the sampled examples.

In constant memory, and whoever the sample holds is decided by the ids alone. Nothing is drawn here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.results import Pair
from crossent.tally import Totals

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Each model's cross-entropies on the sampled examples, which are all of them up to 100,000.

    Attributes
    ----------
    rows : (n,) their rows from 0, in order.
    cross_entropy : one array (n,) per model.
    half_from : for each pair the difference b − a from which on, away from 0, an example belongs to the
        fewest that make half of the gap; None where nobody knows them, or rows have weights.
    """

    rows: Ints
    cross_entropy: tuple[Floats, ...]
    half_from: tuple[float | None, ...]


def drawn_from(totals: Totals, pairs: tuple[Pair, ...]) -> Drawn:
    """What a finished tally gives to draw."""
    order = np.argsort(totals.sample.rows)
    return Drawn(
        totals.sample.rows[order],
        tuple(losses[order] for losses in totals.sample.losses),
        tuple(_half_from(totals, place, pair) for place, pair in enumerate(pairs)),
    )


def _half_from(totals: Totals, place: int, pair: Pair) -> float | None:
    if not isinstance(pair.half_of_gap, int) or totals.weighted:
        return None
    counts, gap = totals.pairs[place], math.fsum(totals.gaps[place])
    sizes = np.concatenate((counts.b_sizes if gap > 0 else counts.a_sizes).parts)
    return math.copysign(float(np.partition(sizes, -pair.half_of_gap)[-pair.half_of_gap]), gap)
