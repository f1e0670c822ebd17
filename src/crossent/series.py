"""Several series of values on the same rows as one block's sums, however the rows count.

Plain rows, rows with weights, or clusters of rows: which one it is, is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.clusters import ClusterSums, combine_clusters
from crossent.moments import Series, combine, combine_weighted, grouped_moments, weighted_moments

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PLAIN = 6
"""Columns of `moments.moments`; those of `moments.weighted_moments` are more."""


@dataclass(frozen=True)
class SeriesSums:
    """One block's sums of S series; either ``rows`` or ``clusters`` is there.

    Attributes
    ----------
    rows : (S, 6) rows of `moments.moments`, or (S, 15) of `moments.weighted_moments`.
    clusters : sums by cluster.
    """

    rows: Floats | None
    clusters: ClusterSums | None

    @classmethod
    def of(cls, series: Floats, weights: Floats | None, clusters: Any | None) -> SeriesSums:
        """The sums of ``series``, an (S, n) array; a value that is not finite leaves its row out there."""
        if clusters is not None:
            return cls(None, ClusterSums.of(clusters, weights, series))
        if weights is None:
            n = series.shape[1]
            return cls(grouped_moments(series, np.arange(n), np.array([0, n]))[0], None)
        kept = np.isfinite(series)
        rows = [
            weighted_moments(values[finite], weights[finite])
            for values, finite in zip(series, kept, strict=True)
        ]
        return cls(np.array(rows), None)

    @classmethod
    def by_group(
        cls, series: Floats, weights: Floats | None, clusters: Any | None, order: Ints, starts: Ints
    ) -> list[SeriesSums]:
        """The sums of each group of rows; ``order`` and ``starts`` as of `moments.grouped_moments`."""
        if weights is None and clusters is None:
            return [cls(rows, None) for rows in grouped_moments(series, order, starts)]
        return [
            cls.of(
                series[:, rows],
                None if weights is None else weights[rows],
                None if clusters is None else clusters.take(rows),
            )
            for rows in np.split(order, starts[1:-1])
        ]


def combined(blocks: Sequence[SeriesSums]) -> list[Series]:
    """The series over all blocks, which come in order."""
    if clusters := [block.clusters for block in blocks if block.clusters is not None]:
        return list(combine_clusters(clusters))
    stacked = np.stack([block.rows for block in blocks if block.rows is not None], axis=1)
    finish = combine if stacked.shape[2] == _PLAIN else combine_weighted
    return [finish(parts) for parts in stacked]
