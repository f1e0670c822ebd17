"""Sums of some of a block's rows: those of one true class, or of one value of a column.

Each slice is a `SeriesSums` of its own, so that whatever holds for the whole holds for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.moments import Series
from crossent.series import SeriesSums, combined

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_CLASSES = 200
"""With more classes than this there are no results by class."""

MOST_VALUES = 1_000

SliceSums = dict[str, SeriesSums]


def slice_sums(
    names: Sequence[str], codes: Ints, series: Floats, weights: Floats | None, clusters: Any | None
) -> SliceSums:
    """The sums of each slice that has rows; ``codes`` (n,) are places in ``names``."""
    # codes of a block fit into 16 bits, which are sorted by counting
    order = np.argsort(codes.astype(np.uint16), kind="stable")
    counts = np.bincount(codes)
    (found,) = np.nonzero(counts)
    starts = np.append(0, np.cumsum(counts[found]))
    groups = SeriesSums.by_group(series, weights, clusters, order, starts)
    return {names[code]: sums for code, sums in zip(found.tolist(), groups, strict=True)}


def slices_by_value(values: Any, series: Floats, weights: Floats | None, clusters: Any | None) -> SliceSums:
    """The sums by the values of a column, an Arrow string array."""
    encoded = values.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    return slice_sums(names, encoded.indices.to_numpy().astype(np.int64), series, weights, clusters)


def combined_slices(blocks: Sequence[SliceSums]) -> dict[str, list[Series]]:
    """Each slice's series over all blocks, which come in order; slices in the order of their names."""
    parts: dict[str, list[SeriesSums]] = {}
    for block in blocks:
        for name, sums in block.items():
            parts.setdefault(name, []).append(sums)
    if len(parts) > MOST_VALUES:
        raise PredictionsError(
            f"--by: the column has {len(parts):,} different values, more than {MOST_VALUES:,}: "
            "name one that sorts the examples into groups"
        )
    return {name: combined(parts[name]) for name in sorted(parts)}
