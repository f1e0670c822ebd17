"""Rows that belong together, such as several photographs of one animal, as sums by cluster.

A cluster's rows lie in any blocks: a block's `ClusterSums` depend on its rows alone, and `combine_clusters`
adds them up in the order of the blocks. No intervals here: `statistics` takes what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.moments import Location, WeightedMoments, as_equal_units, combine_locations, locate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ClusterSums:
    """One block's sums by cluster, for several series of values on the same rows.

    Attributes
    ----------
    keys : the block's clusters, each once, as Arrow text.
    located : (series, 8) `moments.Located.row` of each series; w and d below are in its scale.
    masks : (series,) which of the K sets of rows a series is about: most leave out none.
    rows : (K, clusters) rows with a weight above 0.
    weights : (K, clusters) Σw.
    sums : (series, clusters) Σwd, d the deviation from the series' centre in this block.
    """

    keys: Any
    located: Floats
    masks: Ints
    rows: Ints
    weights: Floats
    sums: Floats

    @classmethod
    def of(cls, keys: Any, weights: Floats | None, series: Floats) -> ClusterSums:
        """The sums of one block.

        Parameters
        ----------
        keys : Arrow array of n strings or integers
            The cluster of each row; 7 and '7' are the same cluster.
        weights : array of shape (n,), float64, or None
            Finite, >= 0; None gives every row the same. Not modified.
        series : array of shape (S, n), float64
            Values that are not finite leave their row out of that series. Not modified.
        """
        encoded = keys.cast(pa.large_string()).dictionary_encode()
        codes = encoded.indices.to_numpy().astype(np.int64)
        clusters = len(encoded.dictionary)
        given = np.ones(len(codes)) if weights is None else weights
        places: dict[bytes, int] = {}
        rows, totals, masks = [], [], []
        located, sums = np.empty((len(series), 8)), np.empty((len(series), clusters))
        for place, values in enumerate(series):
            kept = np.isfinite(values) & (given > 0)
            whole = bool(kept.all())
            own_codes, own_values = (codes, values) if whole else (codes[kept], values[kept])
            found = locate(own_values, given if whole else given[kept])
            located[place] = found.row
            sums[place] = np.bincount(own_codes, found.weights * found.deviations, clusters)
            mask = kept.tobytes()
            if mask not in places:
                places[mask] = len(places)
                rows.append(np.bincount(own_codes, minlength=clusters))
                totals.append(np.bincount(own_codes, found.weights, clusters))
            masks.append(places[mask])
        shape = (len(places), clusters)
        return cls(
            encoded.dictionary,
            located,
            np.array(masks, np.int64),
            np.array(rows, np.int64).reshape(shape),
            np.array(totals, np.float64).reshape(shape),
            sums,
        )


@dataclass(frozen=True)
class _Whole:
    """The rows and the shares of the whole weight of every cluster, for one set of rows."""

    rows: Ints
    shares: Floats


def combine_clusters(blocks: Sequence[ClusterSums]) -> list[WeightedMoments]:
    """All blocks' sums, given in the order of the blocks, as the moments of each series by cluster.

    A series' units are the clusters in which it has a row with a weight above 0.
    """
    encoded = pa.concat_arrays([block.keys for block in blocks]).dictionary_encode()
    ends = np.cumsum([len(block.keys) for block in blocks])
    codes = np.split(encoded.indices.to_numpy().astype(np.int64), ends[:-1])
    masks = np.stack([block.masks for block in blocks], axis=1)
    located = np.stack([block.located for block in blocks], axis=1)
    wholes: dict[bytes, _Whole] = {}
    found = []
    for place, rows in enumerate(located):
        where, mask = combine_locations(rows), masks[place].tobytes()
        if mask not in wholes:
            wholes[mask] = _whole(blocks, codes, len(encoded.dictionary), masks[place], where.shares)
        found.append(_combined(blocks, codes, place, where, wholes[mask]))
    return found


def _whole(
    blocks: Sequence[ClusterSums], codes: list[Ints], clusters: int, masks: Ints, shares: Floats
) -> _Whole:
    whole = _Whole(np.zeros(clusters, np.int64), np.zeros(clusters))
    for block, code, mask, share in zip(blocks, codes, masks, shares, strict=True):
        whole.rows[code] += block.rows[mask]
        whole.shares[code] += share * block.weights[mask]
    return whole


def _combined(
    blocks: Sequence[ClusterSums], codes: list[Ints], place: int, where: Location, whole: _Whole
) -> WeightedMoments:
    u = np.zeros(len(whole.rows))
    reach = 0.0
    units = int(np.count_nonzero(whole.rows))
    alike = as_equal_units(float((whole.shares * whole.shares).sum()))
    still = WeightedMoments(where.count, units, where.mean, 0.0, 0.0, where.low, where.high, alike)
    if not where.low < where.high:
        return still
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for block, code, share, offset in zip(blocks, codes, where.shares, where.offsets, strict=True):
            if share == 0:
                continue
            *_, centre, _, low, high = block.located[place]
            u[code] += share * (block.sums[place] + offset * block.weights[block.masks[place]])
            reach = max(reach, max(high - centre, centre - low) + abs(offset))
        # what rounding alone makes of clusters that all have the same mean: each of a cluster's n rows is
        # rounded at most twice on its way into the cluster's sum, the offset of their block some 60 times
        noise = (2 * whole.rows + 64) * 2.0**-53 * whole.shares * reach
        if (np.abs(u) <= noise).all():
            return still
        squares = u * u
        return replace(still, squares=float(squares.sum()), cubes=float((squares * u).sum()))
