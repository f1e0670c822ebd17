"""What rows carry beside labels and outputs: weights, and the columns that group and sort the examples.

Where several sources carry a column, it must be the same in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.columns import Columns
from crossent.predictions.table import Batch, Table, listed
from crossent.predictions.values import Place, as_names, as_texts, as_vector
from crossent.wording import quoted


@dataclass(frozen=True)
class Beside:
    """Weights (n,) float64, clusters and slices as Arrow text; None where the source has no such column."""

    weights: NDArray[np.float64] | None = None
    clusters: Any | None = None
    slices: Any | None = None

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in vars(self).values() if column is not None)

    def take(self, rows: NDArray[np.int64]) -> Beside:
        """These rows, in this order."""
        columns = (self.clusters, self.slices)
        texts = (None if column is None else column.take(rows).cast(pa.string()) for column in columns)
        return Beside(None if self.weights is None else self.weights[rows], *texts)

    @classmethod
    def concatenated(cls, parts: Sequence[Beside]) -> Beside:
        """The rows of all parts, which have the same columns."""
        weights = [part.weights for part in parts if part.weights is not None]
        texts = []
        for name in ("clusters", "slices"):
            pieces = [getattr(part, name) for part in parts if getattr(part, name) is not None]
            texts.append(pa.chunked_array(pieces, pa.string()).combine_chunks() if pieces else None)
        return cls(np.concatenate(weights) if weights else None, *texts)


@dataclass(frozen=True)
class BesideColumns:
    """The columns of one source with weights, clusters and slices, as far as it has them."""

    weight: str | None
    cluster: str | None
    by: str | None

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in (self.cluster, self.by) if name is not None))

    @property
    def numbers(self) -> tuple[str, ...]:
        return () if self.weight is None else (self.weight,)

    def decode(self, batch: Batch, place: Place, *, trim: bool) -> Beside:
        """The columns of a batch, checked."""
        weights = None
        if self.weight is not None:
            weights = _checked_weights(as_vector(batch[self.weight], self.weight, place), self.weight, place)
        clusters = slices = None
        if self.cluster is not None:
            # rows without a cluster are not one that belongs together
            clusters = as_names(batch[self.cluster], self.cluster, place, trim=trim, needs="a cluster")
        if self.by is not None:
            slices = as_texts(batch[self.by], self.by, place, trim=trim)
        return Beside(weights, clusters, slices)


def _checked_weights(values: NDArray[Any], column: str, place: Place) -> NDArray[np.float64]:
    weights = values.astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise PredictionsError(
            f"{place.at(row, column)}: {weights[row]:g} is no weight; weights are finite and 0 or more"
        )
    return weights


def beside_columns(table: Table, declared: Columns) -> BesideColumns:
    """Which of the declared columns a source has."""
    names = {column.name for column in table.columns}
    found = {role: name if name in names else None for role, name in _declared(declared).items()}
    return BesideColumns(**found)


def _declared(declared: Columns) -> Mapping[str, str | None]:
    return {role.name: getattr(declared, role.name) for role in fields(BesideColumns)}


def refuse_absent(found: Sequence[BesideColumns], tables: Sequence[Table], declared: Columns) -> None:
    """An error where a declared column is in none of the sources."""
    for role, name in _declared(declared).items():
        if name is not None and not any(getattr(columns, role) for columns in found):
            table = tables[0]
            has = listed([column.name for column in table.columns if column.name])
            raise PredictionsError(
                f"{table.origin} has no {table.noun} '{name}' ({has}): name the one meant, --{role} NAME"
            )


def agreed(parts: Sequence[tuple[Beside, Place]], columns: Columns) -> Beside:
    """The columns of aligned rows; an error where two sources differ."""
    chosen: dict[str, Any] = {}
    for field, role in (("weights", "weight"), ("clusters", "cluster"), ("slices", "by")):
        given = [(getattr(part, field), place) for part, place in parts if getattr(part, field) is not None]
        if not given:
            continue
        first, where = given[0]
        for other, place in given[1:]:
            _refuse_different(first, where, other, place, str(getattr(columns, role)))
        chosen[field] = first
    return Beside(**chosen)


def _refuse_different(first: Any, where: Place, other: Any, place: Place, column: str) -> None:
    if isinstance(first, np.ndarray):
        differ = np.flatnonzero(first != other)
    elif first.equals(other):
        return
    else:
        pairs = zip(first.to_pylist(), other.to_pylist(), strict=True)
        differ = np.flatnonzero([a != b for a, b in pairs])
    if len(differ):
        row = int(differ[0])
        raise PredictionsError(
            f"{where.at(row, column)}: {_shown(first[row])}, but {_shown(other[row])} in {place.at(row)};"
            " what describes an example must be the same in all sources"
        )


def _shown(value: Any) -> str:
    return quoted(value.as_py()) if isinstance(value, pa.Scalar) else f"{value:g}"
