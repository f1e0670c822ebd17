"""A block's sums. A tally is the set of its blocks; merging is union.

A block's sums depend on its rows alone, and floating-point sums stay apart by block until `finish` adds
them exactly, so neither order, nor threads, nor workers can change a bit. Counts are integers and are
added at once. Estimates are made elsewhere, from `Totals`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from crossent import lint, reference
from crossent.counts import PARTS, LabelCounts, ModelCounts, PairCounts
from crossent.extremes import Example, Output
from crossent.measures import ExampleLosses, example_losses, finite, label_of, probs_of
from crossent.moments import Moments, combine, moments
from crossent.predictions import Block, ModelSource, rows_per_block

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHOWN = 20
"""Up to this many examples are kept whole, to be printed."""


@dataclass(frozen=True)
class Rule:
    """What a block's sums depend on beside its rows: ``top`` examples are kept per pair and direction."""

    models: tuple[ModelSource, ...]
    classes: int
    clip: float | None
    top: int

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple(combinations(range(len(self.models)), 2))


@dataclass(frozen=True)
class BlockFloats:
    """One block's floating-point sums, kept apart until they are added exactly.

    Attributes
    ----------
    series : one row of `moments.moments` per series: squared error and finite cross-entropy of each
        model, then their differences b - a for each pair, then the labels' entropy and sum of squares.
    gap : (pairs, 4) sums of the finite cross-entropy differences by part.
    ids, labels : digests.
    """

    series: Floats
    gap: Floats
    ids: bytes
    labels: bytes


@dataclass(frozen=True)
class ModelTotals:
    """One model over all blocks; the cross-entropy's moments are over the rows where it is finite."""

    counts: ModelCounts
    squared_error: Moments
    cross_entropy: Moments


@dataclass(frozen=True)
class PairTotals:
    """Two models over all blocks: moments of b - a, the cross-entropy's over the rows finite in both.

    ``gap`` holds the sums of those finite differences by part (`counts.PARTS`).
    """

    counts: PairCounts
    squared_error: Moments
    cross_entropy: Moments
    gap: tuple[float, ...]


@dataclass(frozen=True)
class Totals:
    """Everything that estimates are made from."""

    rule: Rule
    examples: int
    labels: LabelCounts
    label_entropy: Moments
    label_squares: Moments
    models: tuple[ModelTotals, ...]
    pairs: tuple[PairTotals, ...]
    facts: lint.Facts
    shown: tuple[Example, ...]
    ids_digest: str
    labels_digest: str


@dataclass
class Tally:
    """Sums of a set of blocks: `tally_block` makes one of a block, `merge` takes in another."""

    rule: Rule
    blocks: dict[int, BlockFloats]
    labels: LabelCounts
    models: list[ModelCounts]
    pairs: list[PairCounts]
    facts: lint.Facts
    shown: tuple[Example, ...]

    def merge(self, other: Tally) -> None:
        """Take in the blocks of another tally, which shares none with this one."""
        assert self.blocks.keys().isdisjoint(other.blocks), "a block was tallied twice"
        self.blocks.update(other.blocks)
        self.labels = self.labels.plus(other.labels)
        self.models = [ours.plus(theirs) for ours, theirs in zip(self.models, other.models, strict=True)]
        self.pairs = [ours.plus(theirs) for ours, theirs in zip(self.pairs, other.pairs, strict=True)]
        self.facts = self.facts.plus(other.facts)
        self.shown = self.shown or other.shown

    def finish(self) -> Totals:
        """Add over the blocks, exactly."""
        blocks = [self.blocks[index] for index in sorted(self.blocks)]
        series = [combine(parts) for parts in np.stack([block.series for block in blocks], axis=1)]
        gaps = np.stack([block.gap for block in blocks])
        models, pairs = len(self.models), len(self.pairs)
        first_pair, first_label = 2 * models, 2 * (models + pairs)
        return Totals(
            self.rule,
            int(self.labels.examples.sum()),
            self.labels,
            series[first_label],
            series[first_label + 1],
            tuple(
                ModelTotals(replace(counts, confusion=counts.confusion.compact()), *series[2 * i : 2 * i + 2])
                for i, counts in enumerate(self.models)
            ),
            tuple(
                PairTotals(
                    counts,
                    series[first_pair + 2 * place],
                    series[first_pair + 2 * place + 1],
                    tuple(math.fsum(gaps[:, place, part]) for part in range(len(PARTS))),
                )
                for place, counts in enumerate(self.pairs)
            ),
            self.facts,
            self.shown,
            _joined([block.ids for block in blocks]),
            _joined([block.labels for block in blocks]),
        )


def tally_block(block: Block, rule: Rule) -> Tally:
    """The sums of one block, from its rows alone."""
    losses = [
        example_losses(q, block.labels, kind=model.kind, clip=rule.clip)
        for q, model in zip(block.outputs, rule.models, strict=True)
    ]
    label = label_of(block.labels)
    series = [moments(values) for one in losses for values in (one.squared_error, finite(one.cross_entropy))]
    pairs, gap = [], np.zeros((len(rule.pairs), len(PARTS)))
    for place, (a, b) in enumerate(rule.pairs):
        differences = losses[b].minus(losses[a])
        pair = PairCounts.of(differences, lambda row: _example(block, rule, losses, row), rule.top)
        gap[place] = [finite(differences.cross_entropy[differences.part == part]).sum() for part in range(4)]
        series += [moments(differences.squared_error), moments(finite(differences.cross_entropy))]
        pairs.append(pair)
    series += [moments(values) for values in _label_series(block.labels)]
    whole = block.index == 0 and len(label) <= SHOWN
    return Tally(
        rule,
        {block.index: BlockFloats(np.array(series), gap, _ids_digest(block), _labels_digest(block))},
        LabelCounts.of(label, block.labels, rule.classes),
        [ModelCounts.of(one, label, rule.classes) for one in losses],
        pairs,
        lint.look(block, rule.models),
        tuple(_example(block, rule, losses, row, whole=True) for row in range(len(label))) if whole else (),
    )


def _label_series(labels: Ints | Floats) -> tuple[Floats, Floats]:
    """The entropy and the sum of squares of each row's label."""
    if labels.ndim == 1:
        return np.zeros(len(labels)), np.ones(len(labels))
    p = labels.astype(np.float64, copy=False)
    return reference.entropy(p), (p * p).sum(axis=1)


def _example(
    block: Block, rule: Rule, losses: list[ExampleLosses], row: int, *, whole: bool = False
) -> Example:
    p = block.labels[row]
    label = int(np.argmax(p)) if p.ndim else int(p)
    outputs = []
    for q, model, one in zip(block.outputs, rule.models, losses, strict=True):
        probs = probs_of(q[row : row + 1], model.kind)[0]
        outputs.append(
            Output(
                int(one.predicted[row]),
                float(probs[label]),
                float(one.cross_entropy[row]),
                float(one.squared_error[row]),
                tuple(probs.tolist()) if whole else None,
            )
        )
    given = tuple(p.tolist()) if whole and p.ndim else None
    return Example(
        block.index * rows_per_block(rule.classes) + row,
        None if block.ids is None else block.ids[row].as_py(),
        label,
        tuple(outputs),
        given,
    )


def _ids_digest(block: Block) -> bytes:
    """Of the ids as text, whatever type or format they were stored in; empty where there are none."""
    if block.ids is None:
        return b""
    _, offsets, text = block.ids.buffers()
    wide = np.int64 if str(block.ids.type).startswith("large") else np.int32
    ends = np.frombuffer(offsets, wide)[block.ids.offset : block.ids.offset + len(block.ids) + 1]
    digest = blake2b(np.diff(ends).astype("<i4").tobytes(), digest_size=16)
    digest.update(b"" if text is None else memoryview(text)[ends[0] : ends[-1]])
    return digest.digest()


def _labels_digest(block: Block) -> bytes:
    stored = block.labels.astype("<i4" if block.labels.ndim == 1 else "<f8")
    return blake2b(stored.tobytes(), digest_size=16).digest()


def _joined(digests: list[bytes]) -> str:
    return blake2b(b"".join(digests), digest_size=16).hexdigest() if any(digests) else ""
