"""What a comparison says of each model and each pair, as frozen records made from `Totals`.

No reading, no sentences: `verdict` puts the outcome into words, `report` shows the records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossent.counts import PARTS
from crossent.extremes import LARGEST, Example
from crossent.options import CompareOptions
from crossent.statistics import (
    Difference,
    Estimate,
    error_difference,
    holm,
    student,
    student_difference,
    wilson,
)
from crossent.tally import ModelTotals, PairTotals, Totals
from crossent.wording import MEASURES, Measure

Outcome = Literal["worse", "equal", "undecided"]
MORE_THAN_KEPT = f"more than {LARGEST:,}"


@dataclass(frozen=True)
class FiniteLoss:
    """A model's cross-entropy over the examples where it is finite."""

    examples: int
    left_out: int
    cross_entropy: Estimate
    typical_probability: float


@dataclass(frozen=True)
class Model:
    """One model: its three measures, and what they rest on.

    ``typical_probability`` is exp(-mean cross-entropy); ``finite`` is there where that mean is infinite.
    ``confusion`` maps (label, predicted) class indices to counts, zeros left out.
    """

    name: str
    kind: str
    wrong: int
    classification_error: Estimate
    squared_error: Estimate
    cross_entropy: Estimate
    typical_probability: float
    zero_probability_examples: int
    tied_examples: int
    finite: FiniteLoss | None
    confusion: Mapping[tuple[int, int], int]

    def by(self, measure: Measure) -> Estimate:
        """The estimate of one measure."""
        found: Estimate = getattr(self, measure)
        return found


@dataclass(frozen=True)
class Part:
    """One part of the gap: its examples, and what they contribute to the mean difference."""

    examples: int
    contribution: float | None


@dataclass(frozen=True)
class FiniteDifference:
    """A pair's cross-entropy difference over the examples where both are finite.

    The others are those where only a, only b, or both gave the right class probability 0.
    """

    examples: int
    only_a_zero: int
    only_b_zero: int
    both_zero: int
    cross_entropy: Difference
    gap: Mapping[str, Part]


@dataclass(frozen=True)
class Pair:
    """Two models on the same examples; differences are b - a.

    ``worse`` names the model that the outcome 'worse' speaks of. ``half_of_gap`` is the smallest number
    of examples that make half of the gap, or the words 'more than 65,536'.
    """

    a: str
    b: str
    only_a_wrong: int
    only_b_wrong: int
    a_more_wrong: int
    b_more_wrong: int
    about_equal: int
    classification_error: Difference
    squared_error: Difference
    cross_entropy: Difference
    gap: Mapping[str, Part]
    half_of_gap: int | str | None
    finite: FiniteDifference | None
    outcome: Outcome
    worse: str | None
    verdict: str
    a_worse: tuple[Example, ...]
    b_worse: tuple[Example, ...]

    def by(self, measure: Measure) -> Difference:
        """The difference by one measure; where the cross-entropy's is infinite, that of `finite`."""
        if measure == "cross_entropy" and self.finite is not None:
            return self.finite.cross_entropy
        found: Difference = getattr(self, measure)
        return found


@dataclass(frozen=True)
class Baseline:
    """'Always the same': the class frequencies of these labels, given to every example."""

    classification_error: float
    squared_error: float
    cross_entropy: float

    @property
    def typical_probability(self) -> float:
        return math.exp(-self.cross_entropy)


def model_of(totals: Totals, index: int, confidence: float) -> Model:
    """The record of one model."""
    sums, source = totals.models[index], totals.rule.models[index]
    wrong, examples = sums.counts.wrong, totals.examples
    squared_error = student(sums.squared_error, confidence, range=(0.0, 2.0))
    cross_entropy = student(sums.cross_entropy, confidence, range=(0.0, math.inf))
    left_out = examples - sums.cross_entropy.count
    finite = None
    if left_out:
        finite = FiniteLoss(sums.cross_entropy.count, left_out, cross_entropy, math.exp(-cross_entropy.value))
        cross_entropy = Estimate(math.inf, None, None, "t", few_decide=False)
    return Model(
        source.name,
        source.kind,
        wrong,
        wilson(wrong, examples, confidence),
        squared_error,
        cross_entropy,
        math.exp(-cross_entropy.value),
        sums.counts.zero,
        sums.counts.tied,
        finite,
        _confusion(sums, totals.rule.classes),
    )


def _confusion(sums: ModelTotals, classes: int) -> Mapping[tuple[int, int], int]:
    (cells,), (counts,) = sums.counts.confusion.cells, sums.counts.confusion.counts
    labels, predicted = np.divmod(cells, classes)
    return dict(zip(zip(labels.tolist(), predicted.tolist(), strict=True), counts.tolist(), strict=True))


def baseline_of(totals: Totals) -> Baseline:
    """The record of 'always the same'."""
    frequencies = totals.labels.frequencies()
    given = frequencies[frequencies > 0]
    right = int(totals.labels.examples[int(np.argmax(frequencies))])
    return Baseline(
        (totals.examples - right) / totals.examples,
        totals.label_squares.mean - float((frequencies**2).sum()),
        float(-(given * np.log(given)).sum()) + 0.0,
    )


def pairs_of(totals: Totals, options: CompareOptions) -> tuple[Pair, ...]:
    """The records of all pairs, p-values adjusted over the pairs; outcome and verdict still to be said."""
    pairs = [_pair(totals, place, options.confidence) for place in range(len(totals.pairs))]
    for measure in MEASURES:
        adjusted = holm([pair.by(measure).p_value for pair in pairs])
        pairs = [_with_holm(pair, measure, p) for pair, p in zip(pairs, adjusted, strict=True)]
    return tuple(pairs)


def _with_holm(pair: Pair, measure: Measure, p_holm: float | None) -> Pair:
    if measure == "cross_entropy" and pair.finite is not None:
        finite = replace(pair.finite, cross_entropy=replace(pair.finite.cross_entropy, p_holm=p_holm))
        return replace(pair, finite=finite)
    return replace(pair, **{measure: replace(getattr(pair, measure), p_holm=p_holm)})


def _pair(totals: Totals, place: int, confidence: float) -> Pair:
    sums, examples = totals.pairs[place], totals.examples
    a, b = (totals.rule.models[index].name for index in totals.rule.pairs[place])
    counts = sums.counts
    _, only_a, only_b, both = counts.parts.tolist()
    a_more, b_more = counts.more_wrong.tolist()
    cross_entropy = student_difference(sums.cross_entropy, confidence)
    finite = None
    if counts.infinite.any():
        zero = counts.infinite.sum(axis=0)
        rest = examples - int(zero.sum())
        only_a_zero, only_b_zero, both_zero = zero.tolist()
        gap = _gap(sums, rest, finite_only=True)
        finite = FiniteDifference(rest, only_a_zero, only_b_zero, both_zero, cross_entropy, gap)
        infinite = _infinite_difference(zero)
        cross_entropy = Difference(infinite, None, None, "t", None, None, few_decide=False, detectable=None)
    return Pair(
        a,
        b,
        only_a,
        only_b,
        a_more,
        b_more,
        examples - a_more - b_more,
        error_difference(only_a, only_b, both, examples, confidence),
        student_difference(sums.squared_error, confidence),
        cross_entropy,
        _gap(sums, examples, finite_only=False),
        None,
        finite,
        "undecided",
        None,
        "",
        counts.a_worse.examples,
        counts.b_worse.examples,
    )


def _gap(sums: PairTotals, examples: int, *, finite_only: bool) -> Mapping[str, Part]:
    """The four parts, which add up to the mean difference over ``examples``."""
    gap = {}
    for which, name in enumerate(PARTS):
        infinite = sums.counts.infinite[which]
        count = int(sums.counts.parts[which])
        if finite_only:
            count -= int(infinite.sum())
        if infinite.any() and not finite_only:
            contribution = _infinite_difference(infinite)
        else:
            contribution = sums.gap[which] / examples if examples else None
        gap[name] = Part(count, contribution)
    return gap


def _infinite_difference(rows: NDArray[np.int64]) -> float | None:
    """b - a of means, from the numbers of rows where only a, only b, both are infinite."""
    only_a, only_b, both = rows.tolist()
    if both or (only_a and only_b):
        return None
    return math.inf if only_b else -math.inf


def half_of_gap(sums: PairTotals) -> int | str | None:
    """The smallest number of examples, by contribution in the gap's direction, that make half of it."""
    gap = math.fsum(sums.gap)
    if gap == 0:
        return None
    sizes = sums.counts.b_sizes if gap > 0 else sums.counts.a_sizes
    found = sizes.fewest_reaching(abs(gap) / 2)
    return MORE_THAN_KEPT if found is None else found
