"""A sample of whole examples that depends on their ids alone: those with the lowest hashes.

Neither blocks, nor their order, nor the order of the rows, nor the format of the file decides who is in
it. Rows without ids are known by their number. What the sample is good for is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.predictions import Block, Outputs, rows_per_block

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

MOST_ROWS = 100_000
MOST_VALUES = 2**24
"""Outputs kept per model: 64 MB as float32. From 168 classes on this, not `MOST_ROWS`, is the limit."""

_MOST_PARTS = 64
EVERY_HASH = 2**64 - 1
"""No cut: that of a sample which takes every row yet."""
_STEP = 4_096
_WORD = 8
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MASKS = np.array([2 ** (8 * kept) - 1 for kept in range(_WORD + 1)], np.uint64)


def most_rows(classes: int) -> int:
    """Rows of a full sample."""
    return min(MOST_ROWS, max(1, MOST_VALUES // classes))


@dataclass(frozen=True)
class SampledRows:
    """Examples kept whole: hash, row from 0, label or label distribution, outputs, weight, losses.

    Outputs are float32 where that loses nothing; weights are above 0, or None where there are none; losses
    are each model's cross-entropies.
    """

    hashes: Hashes
    rows: Ints
    labels: Ints | Floats
    outputs: tuple[Outputs, ...]
    weights: Floats | None = None
    losses: tuple[Floats, ...] = ()

    def __len__(self) -> int:
        return len(self.hashes)

    def up_to(self, cut: int) -> SampledRows:
        """The rows whose hash is at most ``cut``."""
        within = self.hashes <= np.uint64(cut)
        return self if within.all() else self.taken(np.flatnonzero(within))

    def taken(self, rows: NDArray[np.intp]) -> SampledRows:
        """Some of the rows, by place."""
        return SampledRows(
            self.hashes[rows],
            self.rows[rows],
            self.labels[rows],
            tuple(rows_of(q, rows) for q in self.outputs),
            None if self.weights is None else self.weights[rows],
            tuple(values[rows] for values in self.losses),
        )


@dataclass(frozen=True)
class Sample:
    """The ``most`` rows with the lowest hashes so far, and a few more until the next clearing.

    No row whose hash is above ``cut`` can belong to it any more.
    """

    most: int
    parts: tuple[SampledRows, ...]
    cut: int = EVERY_HASH

    @classmethod
    def of(cls, block: Block, classes: int, losses: Sequence[Floats] = (), cut: int = EVERY_HASH) -> Sample:
        """All rows of a block that count, with losses, as far as they can belong to the sample."""
        first = block.index * rows_per_block(classes)
        rows = np.arange(first, first + len(block.labels))
        hashes = row_hashes(rows) if block.ids is None else id_hashes(block.ids)
        part = SampledRows(hashes, rows, block.labels, block.outputs, block.weights, tuple(losses)).up_to(cut)
        if part.weights is not None and not part.weights.all():
            part = part.taken(np.flatnonzero(part.weights))
        part = replace(
            part,
            outputs=tuple(_narrowed(q) for q in part.outputs),
            # what is a view would keep all of the block's series
            losses=tuple(values if values.base is None else values.copy() for values in part.losses),
        )
        return cls(most_rows(classes), (part,), cut)._cleared()

    def plus(self, other: Sample) -> Sample:
        cut = min(self.cut, other.cut)
        kept = [part for part in self._up_to(cut) + other._up_to(cut) if len(part)]
        return Sample(self.most, tuple(kept), cut)._cleared()

    def _up_to(self, cut: int) -> tuple[SampledRows, ...]:
        """The rows that can belong to a sample with this cut."""
        return self.parts if cut == self.cut else tuple(part.up_to(cut) for part in self.parts)

    def _cleared(self) -> Sample:
        """The same sample without rows that cannot belong to it, once they are many."""
        parts, cut = self.parts, self.cut
        if sum(map(len, parts)) > self.most + self.most // 4:
            hashes = np.concatenate([part.hashes for part in parts])
            cut = int(np.partition(hashes, self.most - 1)[self.most - 1])
            parts = self._up_to(cut)
        kept = Sample(self.most, parts, cut)
        return kept if len(parts) <= _MOST_PARTS else Sample(self.most, (kept._joined(),), cut)

    def _joined(self) -> SampledRows:
        """All parts as one."""
        outputs = zip(*(part.outputs for part in self.parts), strict=True)
        weights = [part.weights for part in self.parts if part.weights is not None]
        losses = zip(*(part.losses for part in self.parts), strict=True)
        return SampledRows(
            np.concatenate([part.hashes for part in self.parts]),
            np.concatenate([part.rows for part in self.parts]),
            np.concatenate([part.labels for part in self.parts]),
            tuple(np.concatenate(model) for model in outputs),
            np.concatenate(weights) if weights else None,
            tuple(np.concatenate(model) for model in losses),
        )

    def drawn(self) -> SampledRows:
        """The sample, ordered by hash: so that with ids the order of the rows does not matter either."""
        rows = self._joined()
        return rows.taken(np.lexsort((rows.rows, rows.hashes))[: self.most])


def rows_of(outputs: Outputs, rows: NDArray[np.intp]) -> Outputs:
    """Some rows, by place, in the layout that all have."""
    return outputs.T.take(rows, axis=1).T if outputs.T.flags.c_contiguous else outputs.take(rows, axis=0)


def _narrowed(outputs: Outputs) -> Outputs:
    """As float32, if every value survives it."""
    if outputs.dtype == np.float32:
        return outputs
    for rows in (outputs[:8], outputs):  # the first rows settle it for nearly every block
        with np.errstate(over="ignore"):
            narrow = rows.astype(np.float32)
        if not np.array_equal(narrow, rows):
            return outputs
    return narrow


def row_hashes(rows: Ints) -> Hashes:
    """64 bits of each row number."""
    return _mixed((rows.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def id_hashes(ids: Any) -> Hashes:
    """64 bits of each id, from its UTF-8 text alone, for an Arrow array of strings without nulls."""
    _, offsets, text = ids.buffers()
    wide = np.int64 if str(ids.type).startswith("large") else np.int32
    ends = np.frombuffer(offsets, wide)[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    stored = np.frombuffer(b"" if text is None else text, np.uint8)[ends[0] : ends[-1]]
    padded = np.concatenate([stored, np.zeros(_WORD, np.uint8)])  # the last word may be read whole
    ends -= ends[0]
    hashes = np.empty(len(ids), np.uint64)
    for start in range(0, len(ids), _STEP):  # temporaries stay in the cache
        hashes[start : start + _STEP] = _text_hashes(padded, ends[start : start + _STEP + 1])
    return hashes


def _text_hashes(text: NDArray[np.uint8], ends: Ints) -> Hashes:
    """Sums of the mixed 8-byte words of each text, where a word counts with its place; then mixed."""
    lengths = np.diff(ends)
    counts = np.maximum(1, (lengths + _WORD - 1) // _WORD)
    first = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(owner)) - first[owner]
    at_every_byte = np.ndarray(len(text) - _WORD + 1, "<u8", text.data, strides=(1,))
    words = at_every_byte[ends[owner] + _WORD * place].astype(np.uint64, copy=False)
    words &= _MASKS[np.minimum(lengths[owner] - _WORD * place, _WORD)]
    words += (place + 1).astype(np.uint64) * _GOLDEN
    return _mixed(np.add.reduceat(_mixed(words), first) + lengths.astype(np.uint64))


def _mixed(bits: Hashes) -> Hashes:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195), in place."""
    bits ^= bits >> np.uint64(30)
    bits *= np.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> np.uint64(27)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return bits
