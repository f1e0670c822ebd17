"""A source whose ids stand in another order: read once, as stored, in the first source's order.

Into memory as far as that may be taken, else into a temporary folder.
Also what ids alone can tell: which are missing, which came twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.beside import Beside
from crossent.predictions.labels import Labels
from crossent.predictions.partitions import MATCHED_BYTES, Lacking, Scratch, matched
from crossent.predictions.parts import place_in
from crossent.predictions.reader import NO_COLUMNS, Reader, Rows
from crossent.predictions.unique import Uniqueness
from crossent.predictions.values import from_arrow
from crossent.wording import quoted

_ROWS = 65_536


@dataclass(frozen=True)
class Joined:
    """A source in another source's order; ``places`` are its own row numbers.

    Its columns beside labels and outputs stay in its own order.
    """

    reader: Reader
    places: NDArray[np.int64]
    labels: Labels | None
    outputs: NDArray[Any] | None
    beside: Beside
    on_disk: bool = False

    @property
    def nbytes(self) -> int:
        """Of memory."""
        if self.on_disk:
            return 0
        arrays = (self.places, self.labels, self.outputs, self.beside)
        return sum(array.nbytes for array in arrays if array is not None)

    def rows(self, start: int, count: int) -> Iterator[Rows]:
        """Rows from ``start`` on, ``count`` at a time, without their ids."""
        table = self.reader.table
        for low in range(start, len(self.places), count):
            part = slice(low, low + count)
            yield Rows(
                place_in(table, self.places[part]),
                None,
                _in_memory(self.labels, part),
                _in_memory(self.outputs, part),
                self.beside.take(np.asarray(self.places[part])),
            )


def joined(first: Reader, other: Reader, memory: int, folders: ExitStack) -> Joined:
    """The other source in the first one's order; the two must have the same ids, each once."""
    places = _places(first, other, memory)
    if places is not None:
        return _in_order(other, places)
    try:
        folder = folders.enter_context(TemporaryDirectory(prefix="crossent-", ignore_cleanup_errors=True))
        scratch = Scratch(Path(folder))
        found = matched(first, other, max(1, memory), scratch)
        for reader, repeated in zip((first, other), found.repeated, strict=True):
            _refuse_repeated(reader.table.origin, repeated)
        if found.missing.count or found.extra.count:
            _refuse_different(first, other, found.missing, found.extra)
        return _in_order(other, found.places, scratch)
    except OSError as error:
        raise PredictionsError(
            f"{other.table.origin} has its ids in another order than {first.table.origin}, and joining them"
            f" on disk failed in {gettempdir()} ({error.strerror}): sort both alike, raise --memory, or set"
            " TMPDIR to a larger folder"
        ) from error


def _places(first: Reader, other: Reader, memory: int) -> NDArray[np.int64] | None:
    """Where each of the first source's ids stands in the other; None where joining takes more memory."""
    a, b = (_ids(reader, memory) for reader in (first, other))
    if a is None or b is None:
        return None
    columns = other.outputs.width * other.outputs.dtype.itemsize if other.outputs else 0
    labels = 8 * len(other.labels.classes) if other.labels and other.labels.reading == "soft" else 8
    if a.nbytes + b.nbytes + len(a) * (MATCHED_BYTES + columns + labels) > memory:
        return None
    found = pc.index_in(a, value_set=b)
    if found.null_count or len(a) != len(b):
        extra = pc.index_in(b, value_set=a)
        lacking = (Lacking(), Lacking())
        for side, (own, there) in enumerate(((a, found), (b, extra))):
            absent = own.filter(there.is_null()).combine_chunks()
            lacking[side].add(np.arange(len(absent)), absent)
        _refuse_different(first, other, *lacking)
    return from_arrow(found.combine_chunks()).astype(np.int64)


def _in_order(reader: Reader, places: NDArray[np.int64], scratch: Scratch | None = None) -> Joined:
    """The source's rows where ``places`` wants them, in memory or in ``scratch``."""
    empty = np.empty if scratch is None else scratch.array
    wanted = replace(reader, id=None, beside=reader.beside if scratch is None else NO_COLUMNS)
    count = _ROWS if reader.outputs is None else max(1, 2**20 // reader.outputs.width)
    target = empty(places.shape, np.int64)
    for start in range(0, len(places), _ROWS):
        part = places[start : start + _ROWS]
        target[part] = np.arange(start, start + len(part))
    labels: Labels | None = None
    outputs: NDArray[Any] | None = None
    beside: list[Beside] = []
    start = 0
    for rows in wanted.rows(count):
        into = target[start : start + len(rows.place.rows)]
        if rows.labels is not None:
            if labels is None:
                labels = empty((len(places), *rows.labels.shape[1:]), rows.labels.dtype)
            labels[into] = rows.labels
        if rows.outputs is not None:
            if outputs is None:
                outputs = empty((len(places), rows.outputs.shape[1]), rows.outputs.dtype)
            outputs[into] = rows.outputs
        beside.append(rows.beside)
        start += len(into)
    if scratch is None:
        return Joined(reader, places, labels, outputs, Beside.concatenated(beside))
    kept = scratch.beside(reader, len(places), count)
    return Joined(reader, places, labels, outputs, kept, on_disk=True)


def _in_memory(values: NDArray[Any] | None, part: slice) -> NDArray[Any] | None:
    """Some rows, which must outlive the file that they are mapped from."""
    if values is None:
        return None
    return np.array(values[part]) if isinstance(values, np.memmap) else values[part]


def refuse_repeated_ids(
    origin: str, unique: Uniqueness, again: Callable[[], Iterator[pa.StringArray]]
) -> None:
    """An error where an id came twice; ``unique`` has seen all ids, and ``again`` gives them once more."""
    _refuse_repeated(origin, unique.repeated(again))


def _refuse_repeated(origin: str, repeated: tuple[str, int, int] | None) -> None:
    if repeated is not None:
        name, first, second = repeated
        raise PredictionsError(
            f"{origin}: id {quoted(name)} stands in row {first + 1} and in row {second + 1};"
            " every example needs an id of its own"
        )


def _ids(reader: Reader, memory: int) -> pa.ChunkedArray | None:
    """All ids, proved different; None where they take more memory."""
    unique, pieces, held = Uniqueness(), [], 0
    for piece in reader.ids():
        unique.add(piece)
        pieces.append(piece)
        held += piece.nbytes
        if held > memory:
            return None
    refuse_repeated_ids(reader.table.origin, unique, reader.ids)
    return pa.chunked_array(pieces, pa.string())


def _refuse_different(first: Reader, other: Reader, missing: Lacking, extra: Lacking) -> None:
    said = [
        f"{words} {lacking.count:,} of {owner}'s ids"
        f" ({', '.join(lacking.names)}{', ...' if lacking.count > 3 else ''})"
        for words, lacking, owner in (
            (f"{other.table.origin} lacks", missing, first.table.origin),
            (f"{first.table.origin} lacks", extra, other.table.origin),
        )
        if lacking.count
    ]
    raise PredictionsError(
        f"{' and '.join(said)}: compare the same examples, and leave out the others in both"
    )
