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
from crossent.moments import Series, combine, combine_weighted, moments, weighted_moments

Floats = NDArray[np.float64]


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
        kept = np.isfinite(series)
        if weights is None:
            rows = [moments(values[finite]) for values, finite in zip(series, kept, strict=True)]
        else:
            rows = [
                weighted_moments(values[finite], weights[finite])
                for values, finite in zip(series, kept, strict=True)
            ]
        return cls(np.array(rows), None)


def combined(blocks: Sequence[SeriesSums]) -> list[Series]:
    """The series over all blocks, which come in order."""
    if clusters := [block.clusters for block in blocks if block.clusters is not None]:
        return list(combine_clusters(clusters))
    stacked = np.stack([block.rows for block in blocks if block.rows is not None], axis=1)
    finish = combine if stacked.shape[2] == len(moments(np.empty(0))) else combine_weighted
    return [finish(parts) for parts in stacked]
