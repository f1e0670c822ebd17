"""Ids of two sources matched on disk, one partition of their hashes at a time, and arrays that lie on disk.

For what exceeds the memory that joining may take; `join` decides, and says what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.predictions.beside import Beside
from crossent.predictions.reader import Reader
from crossent.predictions.unique import hashes
from crossent.predictions.values import from_arrow
from crossent.wording import shortened

MATCHED_BYTES = 48  # per id: Arrow's hash table, and the rows on both sides
_MOST_PARTITIONS = 256
_SHOWN = 3
_ZEROS = bytes(1 << 20)

Repeated = tuple[str, int, int]
"""An id, and the two rows that have it, from 0."""


@dataclass
class Lacking:
    """Ids that one source has and the other lacks: how many, and the first three in order."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The first ids, as messages show them."""
        return [shortened(name, 60) for _, name in self.first]

    def add(self, rows: NDArray[np.int64], ids: pa.Array) -> None:
        """More of them, in any order of partitions."""
        self.count += len(ids)
        shown = zip(rows[:_SHOWN].tolist(), ids[:_SHOWN].to_pylist(), strict=True)
        self.first = sorted([*self.first, *shown])[:_SHOWN]


@dataclass(frozen=True)
class Matched:
    """Where each of the first source's ids stands in the other; ``places`` holds where nothing is wrong."""

    places: NDArray[np.int64]
    repeated: tuple[Repeated | None, Repeated | None]
    missing: Lacking
    extra: Lacking


class Scratch:
    """Arrays in files of a temporary folder, whose space is taken before they are mapped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def file(self) -> Path:
        """A file that is not there yet."""
        self._count += 1
        return self._folder / str(self._count)

    def array(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Zeros on disk; written, since a mapping of a hole on a full disk ends the process."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not size:
            return np.empty(shape, dtype)
        path = self.file()
        with path.open("wb") as file:
            for start in range(0, size, len(_ZEROS)):
                file.write(_ZEROS[: size - start])
        return np.memmap(path, dtype, "r+", shape=shape)

    def texts(self, pieces: Iterator[pa.StringArray], rows: int) -> pa.LargeStringArray:
        """All pieces as one array, mapped."""
        offsets = self.array((rows + 1,), np.int64)
        path, end, row = self.file(), 0, 0
        with path.open("wb") as file:
            for piece in pieces:
                texts = piece.cast(pa.large_string())
                own = np.frombuffer(texts.buffers()[1], np.int64)[
                    texts.offset : texts.offset + len(texts) + 1
                ]
                if own[-1] > own[0]:
                    file.write(texts.buffers()[2].slice(own[0], own[-1] - own[0]))
                offsets[row : row + len(own)] = own - own[0] + end
                row, end = row + len(texts), end + int(own[-1] - own[0])
        data = np.memmap(path, np.uint8, "r") if end else np.empty(0, np.uint8)
        return pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(data))

    def beside(self, reader: Reader, rows: int, count: int) -> Beside:
        """The columns beside labels and outputs, mapped; each is read in a pass of its own."""
        columns = reader.beside
        alone = Reader(reader.table, None, None, None, columns)
        weights = None
        if columns.weight is not None:
            weights, start = self.array((rows,), np.float64), 0
            for part in alone.rows(count):
                weights[start : start + len(part.place.rows)] = part.beside.weights
                start += len(part.place.rows)
        clusters = (
            self.texts((p.beside.clusters for p in alone.rows(count)), rows) if columns.cluster else None
        )
        slices = self.texts((p.beside.slices for p in alone.rows(count)), rows) if columns.by else None
        return Beside(weights, clusters, slices)


def matched(first: Reader, other: Reader, memory: int, scratch: Scratch) -> Matched:
    """The ids of both, partition by partition, of which each takes about half of ``memory``."""
    rows, needed = 0, 0
    for reader in (other, first):
        rows = 0
        for ids in reader.ids():
            rows += len(ids)
            needed += ids.nbytes + len(ids) * MATCHED_BYTES
    count = min(_MOST_PARTITIONS, math.ceil(2 * needed / memory))
    sides = [_Partitions(reader, count, scratch) for reader in (first, other)]
    places = scratch.array((rows,), np.int64)
    repeated: list[Repeated | None] = [None, None]
    missing, extra = Lacking(), Lacking()
    for part in range(count):
        (rows_a, a), (rows_b, b) = (side.read(part) for side in sides)
        for side, (own, ids) in enumerate(((rows_a, a), (rows_b, b))):
            repeated[side] = _earlier(repeated[side], _first_repeated(own, ids))
        found = pc.index_in(a, value_set=b)
        absent = found.is_null()
        missing.add(rows_a[_flags(absent)], a.filter(absent))
        other_absent = pc.index_in(b, value_set=a).is_null()
        extra.add(rows_b[_flags(other_absent)], b.filter(other_absent))
        places[rows_a[~_flags(absent)]] = rows_b[from_arrow(found.drop_null())]
    return Matched(places, (repeated[0], repeated[1]), missing, extra)


class _Partitions:
    """A source's ids with their rows in one file, from which each partition can be read."""

    def __init__(self, reader: Reader, count: int, scratch: Scratch) -> None:
        self._path = scratch.file()
        self._starts: list[list[int]] = [[] for _ in range(count)]
        row = 0
        with self._path.open("wb") as file:
            for ids in reader.ids():
                parts = hashes(ids) % count
                for part in np.unique(parts).tolist():
                    chosen = np.flatnonzero(parts == part)
                    batch = pa.record_batch({"row": pa.array(chosen + row), "id": ids.take(pa.array(chosen))})
                    self._starts[part].append(file.tell())
                    with pa.ipc.new_stream(file, batch.schema) as out:
                        out.write_batch(batch)
                row += len(ids)

    def read(self, part: int) -> tuple[NDArray[np.int64], pa.StringArray]:
        """Rows and ids of a partition, in order."""
        rows, ids = [np.empty(0, np.int64)], [pa.array([], pa.string())]
        with self._path.open("rb") as file:
            for start in self._starts[part]:
                file.seek(start)
                batch = pa.ipc.open_stream(file).read_next_batch()
                rows.append(from_arrow(batch.column("row")))
                ids.append(batch.column("id"))
        return np.concatenate(rows), pa.concat_arrays(ids)


def _first_repeated(rows: NDArray[np.int64], ids: pa.StringArray) -> Repeated | None:
    if len(pc.unique(ids)) == len(ids):
        return None
    seen: dict[str, int] = {}
    for row, name in zip(rows.tolist(), ids.to_pylist(), strict=True):
        if name in seen:
            return name, seen[name], row
        seen[name] = row
    return None


def _earlier(a: Repeated | None, b: Repeated | None) -> Repeated | None:
    if a is None or b is None:
        return a or b
    return min(a, b, key=lambda repeated: repeated[2])


def _flags(booleans: pa.BooleanArray) -> NDArray[np.bool_]:
    return from_arrow(booleans.cast(pa.uint8())).astype(np.bool_)
