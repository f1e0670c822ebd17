"""What a comparison says of each model and each pair, as frozen records made from `Totals`.

No reading, no sentences: `verdict` puts the outcome into words, `report` shows the records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossent.calibration import (
    ReliabilityBin,
    Temperature,
    TemperatureGap,
    calibration_error,
    reliability_bins,
    temperature_gap,
    temperature_of,
)
from crossent.counts import ModelCounts
from crossent.differences import PARTS
from crossent.estimates import FiniteLoss, Losses, Slice, SliceOf, differences_of, losses_of
from crossent.extremes import LARGEST, Example
from crossent.options import CompareOptions
from crossent.recipes import SeedDifferences, Seeds, seed_differences
from crossent.rule import MeasureSeries
from crossent.statistics import Difference, Estimate, holm
from crossent.tally import Totals
from crossent.wording import MEASURES, Measure

Outcome = Literal["worse", "equal", "undecided"]
MORE_THAN_KEPT = f"more than {LARGEST:,}"
_HALF_SLACK = 2.0**-40
"""What the rounding of the gap may cost: contributions that make just half of it count as half."""


@dataclass(frozen=True)
class Model:
    """One model: its three measures, and what they rest on.

    ``typical_probability`` is exp(-mean cross-entropy); ``finite`` is there where that mean is infinite.
    ``reliability`` is of the top class; ``confusion`` maps (label, predicted) class indices to counts,
    zeros left out. A model of several seeds has ``seeds``; its ``wrong`` is their mean, and reliability and
    confusion are of all their predictions.
    """

    name: str
    kind: str
    wrong: float
    classification_error: Estimate
    squared_error: Estimate
    cross_entropy: Estimate
    typical_probability: float
    zero_probability_examples: int
    tied_examples: int
    finite: FiniteLoss | None
    calibration_error: Estimate
    reliability: tuple[ReliabilityBin, ...]
    temperature: Temperature
    confusion: Mapping[tuple[int, int], int]
    seeds: Seeds | None

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

    ``worse`` names the model that the outcome 'worse' speaks of; ``identical``: no example that counts
    differs by the leading measure. ``half_of_gap`` is the smallest number of examples that make half of
    the gap, or the words 'more than 65,536'. ``temperature`` is what one temperature each would remove of
    the gap; ``seeds`` what several seeds say of the difference. The verdict is ``description``, of these
    examples, and ``beyond``.
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
    temperature: TemperatureGap | None
    seeds: SeedDifferences | None
    outcome: Outcome
    worse: str | None
    identical: bool
    verdict: str
    description: str
    beyond: str
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

    wrong: int
    classification_error: float
    squared_error: float
    cross_entropy: float

    @property
    def typical_probability(self) -> float:
        return math.exp(-self.cross_entropy)


def model_of(totals: Totals, index: int, confidence: float) -> Model:
    """The record of one model."""
    source, counts = totals.rule.models[index], totals.models[index]
    losses = losses_of(totals.whole.models[index], confidence, seeds=bool(source.seeds))
    reliability = totals.reliability[index]
    return Model(
        source.name,
        source.kind,
        counts.wrong / source.runs if source.seeds else counts.wrong,
        losses.classification_error,
        losses.squared_error,
        losses.cross_entropy,
        math.exp(-losses.cross_entropy.value),
        counts.zero,
        counts.tied,
        losses.finite,
        calibration_error(reliability),
        reliability_bins(reliability, confidence),
        _temperature(totals, index, losses, confidence),
        _confusion(counts, len(totals.rule.classes)),
        _seeds(totals, index, confidence),
    )


def _temperature(totals: Totals, index: int, losses: Losses, confidence: float) -> Temperature:
    models = totals.rule.models
    if models[index].seeds:
        before = calibration_error(totals.reliability[index])
        reason = f"each of the {models[index].runs} seeds has a temperature of its own"
        return Temperature(None, reason, totals.examples, losses.cross_entropy.value, before)
    place = sum(not model.seeds for model in models[:index])  # the sample holds no outputs of several seeds
    return temperature_of(totals.sample, place, kind=models[index].kind, confidence=confidence)


def _seeds(totals: Totals, index: int, confidence: float) -> Seeds | None:
    source = totals.rule.models[index]
    if not source.seeds:
        return None
    losses = [losses_of(run, confidence) for run in totals.whole.runs[index]]
    means = {measure: [getattr(one, measure).value for one in losses] for measure in MEASURES}
    return Seeds.of(source.seeds, means)


def _confusion(counts: ModelCounts, classes: int) -> Mapping[tuple[int, int], int]:
    (cells,), (times,) = counts.confusion.cells, counts.confusion.counts
    labels, predicted = np.divmod(cells, classes)
    return dict(zip(zip(labels.tolist(), predicted.tolist(), strict=True), times.tolist(), strict=True))


def baseline_of(totals: Totals) -> Baseline:
    """The record of 'always the same'."""
    given = totals.frequencies[totals.frequencies > 0]
    return Baseline(
        totals.always_wrong,
        1 - totals.always_right if totals.weighted else totals.always_wrong / totals.examples,
        totals.whole.label_squares.mean - float((totals.frequencies**2).sum()),
        float(-(given * np.log(given)).sum()) + 0.0,
    )


def slices_of(totals: Totals, confidence: float) -> tuple[Slice, ...]:
    """The records of the true classes, in their order, then of the values of the column, in theirs."""
    by_class = [(name, totals.by_class[name]) for name in totals.rule.classes if name in totals.by_class]
    both: list[tuple[SliceOf, str, MeasureSeries]] = [("class", *one) for one in by_class]
    both += [("column", *one) for one in totals.by_value.items()]
    # a slice whose rows all have weight 0 has nothing to say
    return tuple(_slice(*one, totals, confidence) for one in both if one[2].label_entropy.count)


def _slice(of: SliceOf, value: str, series: MeasureSeries, totals: Totals, confidence: float) -> Slice:
    models = totals.rule.models
    return Slice(
        of,
        value,
        series.label_entropy.count,
        tuple(
            losses_of(one, confidence, seeds=bool(model.seeds))
            for one, model in zip(series.models, models, strict=True)
        ),
        tuple(
            differences_of(one, series.models[a], confidence, seeds=bool(models[a].seeds or models[b].seeds))
            for one, (a, b) in zip(series.pairs, totals.rule.pairs, strict=True)
        ),
    )


def pairs_of(totals: Totals, models: Sequence[Model], options: CompareOptions) -> tuple[Pair, ...]:
    """The records of all pairs, p-values adjusted over the pairs; outcome and verdict still to be said."""
    pairs = [_pair(totals, place, models, options.confidence) for place in range(len(totals.pairs))]
    for measure in MEASURES:
        adjusted = holm([pair.by(measure).p_value for pair in pairs])
        pairs = [_with_holm(pair, measure, p) for pair, p in zip(pairs, adjusted, strict=True)]
        over_seeds = [pair.seeds.by(measure).p_value if pair.seeds else None for pair in pairs]
        pairs = [
            _with_holm_over_seeds(pair, measure, p) for pair, p in zip(pairs, holm(over_seeds), strict=True)
        ]
    return tuple(pairs)


def _with_holm(pair: Pair, measure: Measure, p_holm: float | None) -> Pair:
    if measure == "cross_entropy" and pair.finite is not None:
        finite = replace(pair.finite, cross_entropy=replace(pair.finite.cross_entropy, p_holm=p_holm))
        return replace(pair, finite=finite)
    return replace(pair, **{measure: replace(getattr(pair, measure), p_holm=p_holm)})


def _with_holm_over_seeds(pair: Pair, measure: Measure, p_holm: float | None) -> Pair:
    if pair.seeds is None:
        return pair
    return replace(pair, seeds=pair.seeds.with_holm(measure, p_holm))


def _runs(model: Model) -> Seeds:
    """The runs of a model; of one that is no set of seeds, itself."""
    if model.seeds is not None:
        return model.seeds
    return Seeds.of((model.name,), {measure: [model.by(measure).value] for measure in MEASURES})


def _pair(totals: Totals, place: int, models: Sequence[Model], confidence: float) -> Pair:
    first, second = totals.rule.pairs[place]
    a, b, counts, examples = models[first], models[second], totals.pairs[place], totals.examples
    several = a.seeds is not None or b.seeds is not None
    found = differences_of(totals.whole.pairs[place], totals.whole.models[first], confidence, seeds=several)
    a_more, b_more = counts.more_wrong.tolist()
    cross_entropy, finite = found.cross_entropy, None
    if counts.infinite.any():
        zero = counts.infinite.sum(axis=0)
        only_a_zero, only_b_zero, both_zero = zero.tolist()
        rest = examples - int(zero.sum())
        gap = _gap(totals, place, finite_only=True)
        finite = FiniteDifference(rest, only_a_zero, only_b_zero, both_zero, cross_entropy, gap)
        infinite = _infinite_difference(zero)
        cross_entropy = Difference(infinite, None, None, "t", None, None, few_decide=False, detectable=None)
    return Pair(
        a=a.name,
        b=b.name,
        only_a_wrong=int(counts.parts[1]),
        only_b_wrong=int(counts.parts[2]),
        a_more_wrong=a_more,
        b_more_wrong=b_more,
        about_equal=examples - a_more - b_more,
        classification_error=found.classification_error,
        squared_error=found.squared_error,
        cross_entropy=cross_entropy,
        gap=_gap(totals, place, finite_only=False),
        half_of_gap=None,
        finite=finite,
        temperature=temperature_gap(a.temperature, b.temperature),
        seeds=seed_differences(_runs(a), _runs(b), confidence) if several else None,
        outcome="undecided",
        worse=None,
        identical=False,
        verdict="",
        description="",
        beyond="",
        a_worse=counts.a_worse.examples,
        b_worse=counts.b_worse.examples,
    )


def _gap(totals: Totals, place: int, *, finite_only: bool) -> Mapping[str, Part]:
    """The four parts, which add up to the mean difference, over all rows or those finite in both."""
    counts = totals.pairs[place]
    weight = totals.gap_weights[place] if finite_only else totals.weight
    gap = {}
    for which, name in enumerate(PARTS):
        infinite, examples = counts.infinite[which], int(counts.parts[which])
        if infinite.any() and not finite_only:
            contribution = _infinite_difference(infinite)
        else:
            contribution = float(totals.gaps[place, which] / weight) if weight else None
        gap[name] = Part(examples - int(infinite.sum()) if finite_only else examples, contribution)
    return gap


def _infinite_difference(rows: NDArray[np.int64]) -> float | None:
    """b - a of means, from the numbers of rows where only a, only b, both are infinite."""
    only_a, only_b, both = rows.tolist()
    if both or (only_a and only_b):
        return None
    return math.inf if only_b else -math.inf


def half_of_gap(totals: Totals, place: int) -> int | str | None:
    """The smallest number of examples, by contribution in the gap's direction, that make half of it."""
    gap = math.fsum(totals.gaps[place])
    if gap == 0:
        return None
    sizes = totals.pairs[place].b_sizes if gap > 0 else totals.pairs[place].a_sizes
    found = sizes.fewest_reaching(abs(gap) / 2 * (1 - _HALF_SLACK))
    return MORE_THAN_KEPT if found is None else found
