"""Ranges of blocks, each read by itself, wherever the machine is that reads it.

What only the whole can tell is put together here from what each range tells: whether all ids are different,
and how many labels disagree. Who reads which range is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from crossent.errors import OptionError, PredictionsError
from crossent.predictions.agreement import Agreement
from crossent.predictions.block import Block, Predictions, rows_per_block
from crossent.predictions.join import refuse_repeated_ids
from crossent.predictions.opened import AlignedSources
from crossent.predictions.reader import Reader, Rows
from crossent.predictions.unique import Run, Uniqueness
from crossent.wording import quoted

_LOCAL = "or leave --engine ray out"


@dataclass(frozen=True)
class Told:
    """What a shard tells beside its blocks: its ids' order, and the labels that disagree."""

    ids: Run | None
    labels: tuple[list[int], list[list[str]]]


@dataclass
class Shard:
    """One range of blocks."""

    sources: AlignedSources
    blocks: range
    rows: int
    _ids: Run | None = None
    _labels: tuple[list[int], list[list[str]]] = ([], [])

    def read(self) -> Iterator[Block]:
        """Its blocks in order; none after one in which labels disagree, which is read only to count."""
        readers = self.sources.readers
        size = rows_per_block(len(self.sources.classes))
        span = range(self.blocks.start * size, min(self.blocks.stop * size, self.rows))
        agreement = Agreement([reader for reader in readers if reader.labels])
        streams = [reader.rows(size, span=span, wide=True) for reader in readers]
        for index, parts in zip(self.blocks, zip(*streams, strict=True), strict=True):
            if parts[0].ids is not None:
                _refuse_other_ids(readers, parts)
                run = Run.of(parts[0].ids).alone()
                self._ids = run if self._ids is None else self._ids.then(run)
            agreement.add(parts)
            if not agreement.broken:
                yield self.sources.block(index, parts)
        self._labels = agreement.found

    def told(self) -> Told:
        """Once it was read."""
        return Told(self._ids, self._labels)


@dataclass(frozen=True)
class Shards:
    """Sources whose blocks can be read in any ranges; ``told`` is what those that were read have told."""

    sources: AlignedSources
    rows: int
    told: dict[int, Told] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        return math.ceil(self.rows / rows_per_block(len(self.sources.classes)))

    def shard(self, blocks: range) -> Shard:
        return Shard(self.sources, blocks, self.rows)

    def take(self, place: int, told: Told) -> None:
        """What the shard that stands at ``place`` among all told."""
        self.told[place] = told

    def finish(self) -> None:
        """Once all were read: raises where labels disagree, or an id came twice."""
        agreement = Agreement([reader for reader in self.sources.readers if reader.labels])
        ids: Run | None = None
        for place in sorted(self.told):
            told = self.told[place]
            agreement.take(told.labels)
            if told.ids is not None:
                ids = told.ids if ids is None else ids.then(told.ids)
        agreement.finish()
        if ids is not None and not ids.is_unique:
            first, unique = self.sources.readers[0], Uniqueness()
            for piece in first.ids():
                unique.add(piece)
            refuse_repeated_ids(first.table.origin, unique, first.ids)


def shards_of(predictions: Predictions) -> Shards:
    """The same sources, to be read in ranges.

    Raises
    ------
    PredictionsError
        If a source can only be read from its beginning, or they differ in length.
    """
    if not isinstance(predictions, AlignedSources):
        raise OptionError("the engine ray reads files, not this source")
    readers = predictions.readers
    for reader in readers:
        if not reader.table.ranged:
            raise PredictionsError(
                f"{reader.table.origin} can only be read from its beginning, and a cluster's workers read"
                f" from anywhere: write it as Parquet, {_LOCAL}"
            )
    first, *others = readers
    rows = first.length or 0
    for reader in others:
        if reader.length != rows:
            raise PredictionsError(
                f"{first.table.origin} has {rows:,} rows, {reader.table.origin} has {reader.length or 0:,}:"
                f" on a cluster all sources need the same rows in the same order; make them so, {_LOCAL}"
            )
    if not rows:
        raise PredictionsError(f"{first.table.origin} has no rows: nothing can be compared")
    return Shards(predictions, rows)


def _refuse_other_ids(readers: tuple[Reader, ...], parts: tuple[Rows, ...]) -> None:
    """Sources must have equal ids in equal order: to join them, each worker would have to read all."""
    first = parts[0]
    for reader, part in zip(readers[1:], parts[1:], strict=True):
        assert first.ids is not None
        assert part.ids is not None
        if not first.ids.equals(part.ids):
            pairs = zip(first.ids.to_pylist(), part.ids.to_pylist(), strict=True)
            row, (a, b) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
            raise PredictionsError(
                f"{first.place.at(row, readers[0].id or '')}: {quoted(a)}, but {quoted(b)} in"
                f" {part.place.at(row, reader.id or '')}; on a cluster ids must stand in equal order in all"
                f" sources: sort them alike, {_LOCAL}, which joins them"
            )
