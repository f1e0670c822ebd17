"""A source whose ids stand in another order: read once into memory, as stored, in the first source's order.

Also what ids alone can tell: which are missing, which came twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.beside import Beside
from crossent.predictions.labels import Labels
from crossent.predictions.reader import Reader, Rows
from crossent.predictions.unique import Uniqueness
from crossent.predictions.values import Place, from_arrow

_ROWS = 65_536
_INDEX_BYTES = 32  # of Arrow's hash table, per id


@dataclass(frozen=True)
class Joined:
    """A source in memory, in another source's order; ``places`` are its own row numbers."""

    reader: Reader
    places: NDArray[np.int64]
    labels: Labels | None
    outputs: NDArray[Any] | None
    beside: Beside

    @property
    def nbytes(self) -> int:
        arrays = (self.places, self.labels, self.outputs, self.beside)
        return sum(array.nbytes for array in arrays if array is not None)

    def rows(self, start: int, count: int) -> Iterator[Rows]:
        """Rows from ``start`` on, ``count`` at a time, without their ids."""
        table = self.reader.table
        for low in range(start, len(self.places), count):
            part = slice(low, low + count)
            yield Rows(
                Place(table.origin, self.places[part], table.noun),
                None,
                None if self.labels is None else self.labels[part],
                None if self.outputs is None else self.outputs[part],
                self.beside.take(self.places[part]),
            )


def joined(first: Reader, other: Reader, memory: int) -> Joined:
    """The other source in the first one's order; the two must have the same ids, each once."""
    ids = [_ids(reader, first, other, memory) for reader in (first, other)]
    found = pc.index_in(ids[0], value_set=ids[1])
    if found.null_count or len(ids[0]) != len(ids[1]):
        _refuse_different(first, other, ids[0].filter(found.is_null()), ids[1], ids[0])
    columns = other.outputs.width * other.outputs.dtype.itemsize if other.outputs else 0
    labels = 8 * len(other.labels.classes) if other.labels and other.labels.reading == "soft" else 8
    _refuse_large(
        first,
        other,
        sum(column.nbytes for column in ids) + len(found) * (_INDEX_BYTES + 16 + columns + labels),
        memory,
    )
    places = from_arrow(found.combine_chunks()).astype(np.int64)
    del ids, found
    return _in_order(other, places)


def _in_order(reader: Reader, places: NDArray[np.int64]) -> Joined:
    target = np.empty_like(places)
    target[places] = np.arange(len(places))
    labels: Labels | None = None
    outputs: NDArray[Any] | None = None
    beside: list[Beside] = []
    start = 0
    for rows in replace(reader, id=None).rows(
        _ROWS if reader.outputs is None else max(1, 2**20 // reader.outputs.width)
    ):
        into = target[start : start + len(rows.place.rows)]
        if rows.labels is not None:
            labels = (
                np.empty((len(places), *rows.labels.shape[1:]), rows.labels.dtype)
                if labels is None
                else labels
            )
            labels[into] = rows.labels
        if rows.outputs is not None:
            outputs = (
                np.empty((len(places), rows.outputs.shape[1]), rows.outputs.dtype)
                if outputs is None
                else outputs
            )
            outputs[into] = rows.outputs
        beside.append(rows.beside)
        start += len(into)
    return Joined(reader, places, labels, outputs, Beside.concatenated(beside))


def refuse_repeated_ids(
    origin: str, unique: Uniqueness, again: Callable[[], Iterator[pa.StringArray]]
) -> None:
    """An error where an id came twice; ``unique`` has seen all ids, and ``again`` gives them once more."""
    found = unique.repeated(again)
    if found is not None:
        name, first, second = found
        raise PredictionsError(
            f"{origin}: id '{name}' stands in row {first + 1} and in row {second + 1};"
            " every example needs an id of its own"
        )


def _ids(reader: Reader, first: Reader, other: Reader, memory: int) -> pa.ChunkedArray:
    unique, pieces, held = Uniqueness(), [], 0
    for piece in reader.ids():
        unique.add(piece)
        pieces.append(piece)
        held += piece.nbytes
        _refuse_large(first, other, held, memory)
    refuse_repeated_ids(reader.table.origin, unique, reader.ids)
    return pa.chunked_array(pieces, pa.string())


def _refuse_large(first: Reader, other: Reader, needed: int, memory: int) -> None:
    if needed > memory:
        raise PredictionsError(
            f"{other.table.origin} has its ids in another order than {first.table.origin}, and joining them"
            f" takes {_size(needed)} or more, with {_size(memory)} left: sort both alike, or raise --memory"
        )


def _refuse_different(
    first: Reader,
    other: Reader,
    missing: pa.ChunkedArray,
    other_ids: pa.ChunkedArray,
    first_ids: pa.ChunkedArray,
) -> None:
    extra = other_ids.filter(pc.index_in(other_ids, value_set=first_ids).is_null())
    said = [
        f"{words} {len(ids):,} of {owner}'s ids"
        f" ({', '.join(ids[:3].to_pylist())}{', ...' if len(ids) > 3 else ''})"
        for words, ids, owner in (
            (f"{other.table.origin} lacks", missing, first.table.origin),
            (f"{first.table.origin} lacks", extra, other.table.origin),
        )
        if len(ids)
    ]
    raise PredictionsError(
        f"{' and '.join(said)}: compare the same examples, and leave out the others in both"
    )


def _size(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size} bytes"
