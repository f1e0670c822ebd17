"""The rows of several sources side by side: by position, or by id in the first source's order.

Sources in equal order stream. A source in another order is joined: read once into memory, as stored, in the order
that the first source's ids give. Values are not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.reader import Reader, Rows
from crossent.predictions.unique import Uniqueness
from crossent.predictions.values import Place

_ID_ROWS = 65_536


def by_position(readers: Sequence[Reader], rows: int) -> Iterator[tuple[Rows, ...]]:
    """Row by row; all sources must have the same number of rows."""
    _refuse_unequal(readers, [reader.length for reader in readers])
    streams = [reader.rows(rows) for reader in readers]
    done = 0
    while True:
        parts = [next(stream, None) for stream in streams]
        sizes = [0 if part is None else len(part.place.rows) for part in parts]
        if len(set(sizes)) > 1:
            rest = [sum(len(part.place.rows) for part in stream) for stream in streams]
            _refuse_unequal(readers, [done + a + b for a, b in zip(sizes, rest, strict=True)])
        present = tuple(part for part in parts if part is not None)
        if not present:
            return
        yield present
        done += sizes[0]


def _refuse_unequal(readers: Sequence[Reader], lengths: Sequence[int | None]) -> None:
    for reader, length in zip(readers, lengths, strict=True):
        if None not in (length, lengths[0]) and length != lengths[0]:
            raise PredictionsError(
                f"{readers[0].table.origin} has {lengths[0]:,} rows, {reader.table.origin} has {length:,}: without ids"
                " rows are paired by their position; leave out what is missing, or add a column 'id' to all"
            )


def by_id(readers: Sequence[Reader], rows: int, memory: int) -> Iterator[tuple[Rows, ...]]:
    """Id by id, in the first source's order; ``memory`` bounds what sources in another order may take."""
    first = readers[0]
    streams: list[Iterator[Rows]] = [reader.rows(rows) for reader in readers]
    joined = [False] * len(readers)
    unique = Uniqueness()
    done = 0
    while True:
        lead = next(streams[0], None)
        parts = [lead]
        for j in range(1, len(readers)):
            part = next(streams[j], None)
            if not joined[j] and not _same_ids(lead, part):
                whole = _joined(first, readers[j], memory)
                memory -= whole.nbytes
                streams[j], joined[j] = whole.rows(done, rows), True
                part = next(streams[j], None)
            parts.append(part)
        present = tuple(part for part in parts if part is not None)
        if not present:
            break
        unique.add(present[0].ids)
        yield present
        done += len(present[0].place.rows)
    _refuse_repeated(first, unique)


def _same_ids(a: Rows | None, b: Rows | None) -> bool:
    return a is b if a is None or b is None else bool(a.ids.equals(b.ids))  # type: ignore[union-attr]


def _refuse_repeated(reader: Reader, unique: Uniqueness) -> None:
    found = unique.repeated(lambda: (rows.ids for rows in reader.only_ids().rows(_ID_ROWS)))
    if found is not None:
        name, first, second = found
        raise PredictionsError(
            f"{reader.table.origin}: id '{name}' stands in row {first + 1:,} and in row {second + 1:,};"
            " every example needs an id of its own"
        )


@dataclass(frozen=True)
class _Whole:
    """A source in memory, in another source's order; ``places`` are its own row numbers."""

    reader: Reader
    ids: pa.ChunkedArray
    places: NDArray[np.int64]
    columns: Rows

    @property
    def nbytes(self) -> int:
        arrays = (self.columns.labels, self.columns.outputs)
        return int(self.ids.nbytes) + self.places.nbytes + sum(a.nbytes for a in arrays if a is not None)

    def rows(self, start: int, count: int) -> Iterator[Rows]:
        for low in range(start, len(self.places), count):
            part = slice(low, low + count)
            yield Rows(
                Place(self.columns.place.origin, self.places[part], self.columns.place.noun),
                None,
                None if self.columns.labels is None else self.columns.labels[part],
                None if self.columns.outputs is None else self.columns.outputs[part],
            )


def _joined(first: Reader, other: Reader, memory: int) -> _Whole:
    ...
