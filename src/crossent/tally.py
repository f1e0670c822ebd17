"""A block's sums. A tally is the set of its blocks; merging is union.

A block's sums depend on its rows alone, and floating-point sums stay apart by block until `finish` adds
them exactly, so neither order, nor threads, nor workers can change a bit. Counts are integers and are
added at once. Estimates are made elsewhere, from `Totals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from crossent import lint, reference
from crossent.counts import Least, ModelCounts, PairCounts
from crossent.differences import PARTS, Differences
from crossent.digests import ids_digest, joined, labels_digest
from crossent.errors import PredictionsError
from crossent.extremes import Example, Output, likely_classes
from crossent.measures import ExampleLosses, example_losses, label_of, probs_of
from crossent.predictions import Block, by_model, rows_per_block
from crossent.reliability import Reliability
from crossent.rule import MeasureSeries, Rule
from crossent.sample import EVERY_HASH, Sample, SampledRows
from crossent.seeds import averaged, in_one
from crossent.series import SeriesSums, combined
from crossent.slices import MOST_CLASSES, SliceSums, combined_slices, slice_sums, slices_by_value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FEW_CLASSES = 32
"""Up to this many classes their sums are added in less time than the rows once more."""

SHOWN = 20
"""Up to this many examples are kept whole, to be printed."""


@dataclass(frozen=True)
class LabelFloats:
    """What soft labels and weights make of the labels: sums over the rows, by class (k,).

    Attributes
    ----------
    mass : Σ w p.
    chosen : Σ w of the rows with that label.
    """

    mass: Floats
    chosen: Floats


@dataclass(frozen=True)
class BlockFloats:
    """One block's floating-point sums, kept apart until they are added exactly.

    Attributes
    ----------
    series : the block's series, in the order that `Rule.apart` knows; None where those of its classes,
        which together have all of its rows, say it too.
    by_class, by_value : the same of each slice.
    weight : Σ w; the number of rows without weights.
    labels : None for hard labels without weights, where counts say it all.
    gap : (pairs, 4) Σ w d of the finite cross-entropy differences d by part.
    gap_weight : (pairs,) Σ w of their rows.
    bins : (models, 4, bins) `reliability.Reliability.sums`.
    ids_digest, labels_digest : digests.
    """

    series: SeriesSums | None
    by_class: SliceSums
    by_value: SliceSums
    weight: float
    labels: LabelFloats | None
    gap: Floats
    gap_weight: Floats
    bins: Floats
    ids_digest: bytes
    labels_digest: bytes

    @property
    def whole(self) -> tuple[SeriesSums, ...]:
        """The sums of all rows, in one piece or in several."""
        return tuple(self.by_class.values()) if self.series is None else (self.series,)


@dataclass(frozen=True)
class Totals:
    """Everything that estimates are made from; sums are weighted where there are weights, counts never.

    Attributes
    ----------
    whole, by_class, by_value : the series of all rows, and of each slice.
    label_counts, frequencies : rows by label; the share of each class among the labels.
    always_right, always_wrong : the share of rows whose label, argmax p, is the most frequent class; the
        number of the others.
    gaps, gap_weights : (pairs, 4) contributions to the mean difference, their sum over ``weight``;
        the share of the weight that lies on rows finite in both.
    """

    rule: Rule
    examples: int
    weighted: bool
    clustered: bool
    whole: MeasureSeries
    by_class: dict[str, MeasureSeries]
    by_value: dict[str, MeasureSeries]
    frequencies: Floats
    always_right: float
    always_wrong: int
    soft: bool
    models: tuple[ModelCounts, ...]
    pairs: tuple[PairCounts, ...]
    reliability: tuple[Reliability, ...]
    gaps: Floats
    gap_weights: Floats
    weight: float
    sample: SampledRows
    facts: lint.Facts
    shown: tuple[Example, ...]
    ids_digest: str
    labels_digest: str


@dataclass(frozen=True)
class Bar:
    """What a row must reach to be kept any more, from the blocks added up so far.

    A block that knows it keeps fewer rows, which merging would throw away; no bit of the outcome
    depends on it.

    Attributes
    ----------
    cut : largest hash that can still be sampled.
    least : (pairs,) what a difference must reach to be listed, and exceed to be among the largest sizes.
    """

    cut: int
    least: tuple[Least, ...]


@dataclass
class Tally:
    """Sums of a set of blocks: `tally_block` makes one of a block, `merge` takes in another."""

    rule: Rule
    blocks: dict[int, BlockFloats]
    labels: Ints
    models: list[ModelCounts]
    pairs: list[PairCounts]
    sample: Sample
    facts: lint.Facts
    shown: tuple[Example, ...]
    weighted: bool
    clustered: bool
    soft: bool

    def merge(self, other: Tally) -> None:
        """Take in the blocks of another tally, which shares none with this one."""
        assert self.blocks.keys().isdisjoint(other.blocks), "a block was tallied twice"
        self.blocks.update(other.blocks)
        self.labels = self.labels + other.labels
        self.models = [ours.plus(theirs) for ours, theirs in zip(self.models, other.models, strict=True)]
        self.pairs = [ours.plus(theirs) for ours, theirs in zip(self.pairs, other.pairs, strict=True)]
        self.sample = self.sample.plus(other.sample)
        self.facts = self.facts.plus(other.facts)
        self.shown = self.shown or other.shown

    @property
    def bar(self) -> Bar:
        return Bar(self.sample.cut, tuple(pair.least for pair in self.pairs))

    def finish(self) -> Totals:
        """Add over the blocks, exactly."""
        blocks = [self.blocks[index] for index in sorted(self.blocks)]
        weight = math.fsum(block.weight for block in blocks)
        if weight == 0:
            raise PredictionsError(
                "all weights are 0, so no example counts: mend the column given by --weight"
            )
        mass, chosen = self._label_sums(blocks)
        always = int(np.argmax(mass))
        return Totals(
            rule=self.rule,
            examples=int(self.labels.sum()),
            weighted=self.weighted,
            clustered=self.clustered,
            whole=MeasureSeries.of(combined([one for block in blocks for one in block.whole]), self.rule),
            by_class=_by_slice([block.by_class for block in blocks], self.rule),
            by_value=_by_slice([block.by_value for block in blocks], self.rule),
            frequencies=mass / weight,
            always_right=float(chosen[always]) / weight,
            always_wrong=int(self.labels.sum() - self.labels[always]),
            soft=self.soft,
            models=tuple(replace(one, confusion=one.confusion.compact()) for one in self.models),
            pairs=tuple(self.pairs),
            reliability=tuple(
                Reliability.joined(one.bins, np.stack([block.bins[i] for block in blocks]))
                for i, one in enumerate(self.models)
            ),
            gaps=_added([block.gap for block in blocks]),
            gap_weights=_added([block.gap_weight for block in blocks]),
            weight=weight,
            sample=self.sample.drawn(),
            facts=self.facts,
            shown=self.shown,
            ids_digest=joined([block.ids_digest for block in blocks]),
            labels_digest=joined([block.labels_digest for block in blocks]),
        )

    def _label_sums(self, blocks: Sequence[BlockFloats]) -> tuple[Floats, Floats]:
        given = [block.labels for block in blocks if block.labels is not None]
        if not given:
            counts = self.labels.astype(np.float64)
            return counts, counts
        return _added([labels.mass for labels in given]), _added([labels.chosen for labels in given])


def tally_block(block: Block, rule: Rule, bar: Bar | None = None) -> Tally:
    """The sums of one block, from its rows alone; rows below the bar are not kept whole."""
    bar = bar or Bar(EVERY_HASH, (Least(),) * len(rule.pairs))
    label, weights = label_of(block.labels), block.weights
    series = np.empty((rule.series, len(label)))
    of_models, of_pairs, of_runs = rule.apart(series)
    outputs = list(by_model(block.outputs, rule.models))
    runs = [
        tuple(
            example_losses(q, block.labels, kind=model.kind, clip=rule.clip, into=place)
            for q, place in zip(its, places or [own], strict=True)
        )
        for its, model, own, places in zip(outputs, rule.models, of_models, of_runs, strict=True)
    ]
    losses = [
        averaged(its, own) if model.seeds else its[0]
        for its, model, own in zip(runs, rule.models, of_models, strict=True)
    ]
    _fill_label_series(block.labels, series[-2:])
    alone = tuple(q for its, model in zip(outputs, rule.models, strict=True) if not model.seeds for q in its)
    describe = cache(partial(_example, block, rule, losses))  # of many pairs, several name the same rows
    pairs, gap, gap_weight = [], np.zeros((len(rule.pairs), len(PARTS))), np.zeros(len(rule.pairs))
    for place, (a, b) in enumerate(rule.pairs):
        differences = Differences.of(losses[a], losses[b], weights, of_pairs[place])
        gap[place], gap_weight[place] = differences.gap, differences.gap_weight
        pairs.append(PairCounts.of(differences, weights, describe, rule.top, bar.least[place]))
    reliability = [
        Reliability.of(
            in_one([run.top for run in one]),
            in_one([run.wrong == 0 for run in one]),
            None if weights is None else np.tile(weights, len(one)),
        )
        for one in runs
    ]
    by_class = {}
    if len(rule.classes) <= MOST_CLASSES:
        by_class = slice_sums(rule.classes, label, series, weights, block.clusters)
    told = weights is None and block.clusters is None and len(rule.classes) <= _FEW_CLASSES
    floats = BlockFloats(
        None if told else SeriesSums.of(series, weights, block.clusters),
        by_class,
        {} if block.slices is None else slices_by_value(block.slices, series, weights, block.clusters),
        float(len(label) if weights is None else weights.sum()),
        _label_floats(block, label, len(rule.classes)),
        gap,
        gap_weight,
        np.stack([one.sums for one in reliability]),
        ids_digest(block),
        labels_digest(block),
    )
    whole = block.index == 0 and len(label) <= SHOWN
    return Tally(
        rule,
        {block.index: floats},
        np.bincount(label, minlength=len(rule.classes)),
        [
            ModelCounts.of(one, each, label, len(rule.classes), bins.counts)
            for one, each, bins in zip(losses, runs, reliability, strict=True)
        ],
        pairs,
        Sample.of(
            replace(block, outputs=alone), len(rule.classes), [one.cross_entropy for one in losses], bar.cut
        ),
        lint.look(block, rule.models),
        tuple(_example(block, rule, losses, row, whole=True) for row in range(len(label))) if whole else (),
        weights is not None,
        block.clusters is not None,
        block.labels.ndim == 2,
    )


def _by_slice(blocks: Sequence[SliceSums], rule: Rule) -> dict[str, MeasureSeries]:
    return {name: MeasureSeries.of(series, rule) for name, series in combined_slices(blocks).items()}


def _added(blocks: Sequence[Floats]) -> Floats:
    """The exact sum of arrays of one shape, entry by entry."""
    stacked = np.stack(blocks)
    flat = stacked.reshape(len(blocks), -1)
    return np.array([math.fsum(column) for column in flat.T]).reshape(stacked.shape[1:])


def _fill_label_series(labels: Ints | Floats, into: Floats) -> None:
    """The entropy and the sum of squares of each row's label (2, n)."""
    if labels.ndim == 1:
        into[0], into[1] = 0.0, 1.0
    else:
        p = labels.astype(np.float64, copy=False)
        into[0], into[1] = reference.entropy(p), (p * p).sum(axis=1)


def _label_floats(block: Block, label: Ints, classes: int) -> LabelFloats | None:
    if block.labels.ndim == 1 and block.weights is None:
        return None
    weights = np.ones(len(label)) if block.weights is None else block.weights
    chosen = np.bincount(label, weights, minlength=classes).astype(np.float64, copy=False)
    if block.labels.ndim == 1:
        return LabelFloats(chosen, chosen)
    return LabelFloats((weights[:, None] * block.labels).sum(axis=0), chosen)


def _example(
    block: Block, rule: Rule, losses: list[ExampleLosses], row: int, *, whole: bool = False
) -> Example:
    p = block.labels[row]
    label = int(np.argmax(p)) if p.ndim else int(p)
    said = [
        np.mean([probs_of(q[row : row + 1], model.kind)[0] for q in runs], axis=0)
        for runs, model in zip(by_model(block.outputs, rule.models), rule.models, strict=True)
    ]
    likely = likely_classes(said, label)
    outputs = tuple(
        Output(
            int(one.predicted[row]),
            float(probs[label]),
            float(one.cross_entropy[row]),
            float(one.squared_error[row]),
            tuple(probs.tolist()) if whole else None,
            tuple(probs[list(likely)].tolist()),
        )
        for probs, one in zip(said, losses, strict=True)
    )
    given = tuple(p.tolist()) if whole and p.ndim else None
    first = block.index * rows_per_block(len(rule.classes))
    name = None if block.ids is None else block.ids[row].as_py()
    return Example(first + row, name, label, outputs, given, likely)
