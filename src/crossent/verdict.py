"""The outcome of each pair and of the whole, and the sentences that say it.

The first sentence, by `description`, is about these examples; the second says what holds beyond them, by
the leading measure. No estimates are made here and nothing is laid out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from crossent.description import description, half_widths, worse_model
from crossent.moments import Series
from crossent.options import CompareOptions
from crossent.recipes import FEWEST as FEWEST_SEEDS
from crossent.results import Baseline, Model, Outcome, Pair, half_of_gap
from crossent.rule import Measures
from crossent.statistics import FEWEST, Difference
from crossent.tally import Totals
from crossent.wording import NAMES, Measure, count, decimals, listing, number, p_value, signed, two_digits

FEW_DECIDE = "few examples decide this: likely too short"
THESE_RUNS = (
    f"This is about these runs, not about the recipe: that takes at least {FEWEST_SEEDS} seeds of both."
)


def judged(
    pair: Pair, totals: Totals, place: int, models: Mapping[str, Model], options: CompareOptions
) -> Pair:
    """The pair with its outcome, half of its gap, and its verdict."""
    outcome = _outcome(pair, totals.whole.pairs[place], options)
    worse = worse_model(pair.by(options.measure).difference, pair) if outcome == "worse" else None
    half = None if outcome == "undecided" or pair.finite is not None else half_of_gap(totals, place)
    same = _never_differs(totals.whole.pairs[place], options.measure)
    identical = outcome == "equal" and same
    pair = replace(pair, outcome=outcome, worse=worse, identical=identical, half_of_gap=half)
    first = description(pair, models, totals.examples, options.measure, soft=totals.soft)
    second = _beyond(pair, sample_of(totals), options)
    return replace(pair, description=first, beyond=second, verdict=f"{first} {second}")


def _outcome(pair: Pair, series: Measures, options: CompareOptions) -> Outcome:
    if options.measure == "cross_entropy" and pair.finite is not None:
        return "undecided"
    if _never_differs(series, options.measure):
        return "equal"
    judged = [_judged(found, options) for found in _grounds(pair, options.measure)]
    return judged[0] if all(one == judged[0] for one in judged) else "undecided"


def _grounds(pair: Pair, measure: Measure) -> list[Difference]:
    """What the outcome rests on: the examples, and the seeds where a recipe is judged."""
    if pair.seeds is not None and pair.seeds.about_recipes:
        return [pair.by(measure), pair.seeds.by(measure)]
    return [pair.by(measure)]


def _judged(found: Difference, options: CompareOptions) -> Outcome:
    margin = options.margin
    if margin is not None and _inside(found, margin):
        return "equal"
    if found.p_holm is None or found.difference is None or found.p_holm > 1 - options.confidence:
        return "undecided"
    return "worse" if margin is None or abs(found.difference) > margin else "undecided"


def _never_differs(series: Measures, measure: Measure) -> bool:
    found: Series = getattr(series, measure)
    return found.all_zero


def _inside(found: Difference, margin: float) -> bool:
    return found.low is not None and found.high is not None and -margin <= found.low and found.high <= margin


@dataclass(frozen=True)
class Sample:
    """What the verdict rests on: so many examples, or clusters of them."""

    units: int
    noun: Literal["example", "cluster"]

    def __str__(self) -> str:
        return count(self.units, self.noun)

    @property
    def these(self) -> str:
        """``these 3 examples``."""
        return f"this {self.noun}" if self.units == 1 else f"these {self}"


def sample_of(totals: Totals) -> Sample:
    """The sample that a tally is."""
    return Sample(totals.whole.label_entropy.units, "cluster" if totals.clustered else "example")


def _beyond(pair: Pair, sample: Sample, options: CompareOptions) -> str:
    """The second sentence: what holds beyond these examples, by the leading measure."""
    if pair.identical and options.measure == "classification_error":
        return "Equal by classification error: both are wrong on the same examples."
    if pair.identical:
        alike = options.measure == "cross_entropy" and pair.by("squared_error").difference == 0
        by = "" if alike else f" by {NAMES[options.measure]}"
        return f"Equal{by}: every example costs both the same."
    if sample.units < FEWEST:
        return f"Undecided beyond {sample.these}: bring at least {FEWEST} to say something about others."
    return f"{_beyond_examples(pair, sample, options)}{_beyond_seeds(pair, options.measure)}"


def _beyond_examples(pair: Pair, sample: Sample, options: CompareOptions) -> str:
    found = pair.by(options.measure)
    places = decimals([found.difference], half_widths([found]))
    if found.low is None:
        return f"Undecided beyond {sample.these}: {detectable(pair, sample, options)}."
    shown = f"{pair.b} − {pair.a} {interval(found, places)}, {tested(found)}{few(found)}"
    if _held_back_by_seeds(pair, options):
        return (
            f"Undecided beyond these seeds: {shown} over {sample}, but {detectable(pair, sample, options)}."
        )
    if pair.outcome == "worse":
        return f"{pair.worse} is worse beyond {sample.these} too: {shown}."
    if pair.outcome == "equal":
        return f"Equal within the margin of {options.margin!r}: {shown}."
    over = _over(pair, options.measure)
    return f"Undecided beyond {sample.these}{over}: {shown}; {detectable(pair, sample, options)}."


def _beyond_seeds(pair: Pair, measure: Measure) -> str:
    """What the runs of several seeds add; nothing where neither model has several."""
    if pair.seeds is None:
        return ""
    if not pair.seeds.about_recipes:
        return f" {THESE_RUNS}"
    found = pair.seeds.by(measure)
    if found.low is None:
        return ""
    places = decimals([found.difference], half_widths([found]))
    return f" Over {pair.seeds}: {interval(found, places)}, {tested(found)}."


def _over(pair: Pair, measure: Measure) -> str:
    """An infinite difference has no interval; the one given leaves its examples out."""
    if measure != "cross_entropy" or pair.finite is None:
        return ""
    return f", where an infinite difference has no interval; over the other {pair.finite.examples:,}"


def detectable(pair: Pair, sample: Sample, options: CompareOptions) -> str:
    """What an undecided comparison could have shown, or the margin it may lie within."""
    found, shown_by = pair.by(options.measure), str(sample)
    if pair.seeds is not None and _held_back_by_seeds(pair, options):
        found, shown_by = pair.seeds.by(options.measure), f"{pair.seeds}"
        if found.detectable is None:
            return "these seeds do not tell how much others would differ"
    if options.margin is not None and found.p_holm is not None and found.p_holm <= 1 - options.confidence:
        return f"different, but perhaps by no more than the margin of {options.margin!r}"
    if found.detectable is None:
        infinite = options.measure == "cross_entropy" and pair.finite is not None
        return "an infinite difference has no interval" if infinite else "without spread there is no interval"
    return f"{shown_by} could have shown {two_digits(found.detectable)}"


def _held_back_by_seeds(pair: Pair, options: CompareOptions) -> bool:
    """Whether the examples would decide, and the seeds do not."""
    grounds = [_judged(found, options) for found in _grounds(pair, options.measure)]
    return pair.outcome == "undecided" and grounds[0] != "undecided"


def interval(found: Difference, places: int) -> str:
    """``+0.0112 [−0.0035, +0.0259]``."""
    text = signed(found.difference, places)
    if found.low is None or found.high is None:
        return text
    return f"{text} [{signed(found.low, places)}, {signed(found.high, places)}]"


def tested(found: Difference) -> str:
    """``p 0.14``, with the Holm-adjusted one where several pairs made it differ."""
    if found.p_holm is None or found.p_holm == found.p_value:
        return p_value(found.p_value)
    return f"{p_value(found.p_value)}, Holm {p_value(found.p_holm)}"


def few(found: Difference) -> str:
    """The mark of an interval that few examples decide."""
    return f" ({FEW_DECIDE})" if found.few_decide else ""


def whole(
    models: Sequence[Model], pairs: Sequence[Pair], baseline: Baseline, options: CompareOptions
) -> tuple[Outcome | None, str]:
    """The outcome of the whole comparison and its verdict.

    Two models: their pair's. Several: 'worse' where the others are worse than the best one, or equal to it,
    but not all; 'equal' where all pairs are; else 'undecided'. One: none, it is set beside the baseline.
    """
    if not pairs:
        return None, _beside_baseline(models[0], baseline, options.measure)
    if len(pairs) == 1:
        return pairs[0].outcome, pairs[0].verdict
    return _of_several(models, pairs, options.measure)


def _of_several(models: Sequence[Model], pairs: Sequence[Pair], measure: Measure) -> tuple[Outcome, str]:
    ranked = sorted(models, key=lambda model: model.by(measure).value)
    places = decimals([model.by(measure).value for model in ranked])
    order = [
        f"{model.name} ({number(model.by(measure).value, places)})"
        for model in ranked
        if math.isfinite(model.by(measure).value)
    ]
    first = f"By {NAMES[measure]}, from the least to the most wrong: {', '.join(order)}." if order else ""
    if infinite := [model for model in models if model.finite is not None]:
        zeros = [
            f"{model.name} on {count(model.finite.left_out, 'example')}" for model in infinite if model.finite
        ]
        first = f"{first} Infinite, by probability 0 for what the label says: {listing(zeros)}.".strip()
    if all(pair.outcome == "equal" for pair in pairs):
        return "equal", f"{first} All are equal."
    best = ranked[0].name
    others: dict[Outcome, list[str]] = {"worse": [], "equal": [], "undecided": []}
    for pair in pairs:
        if best in (pair.a, pair.b):
            others[pair.outcome].append(pair.b if pair.a == best else pair.a)
    worse, equal, undecided = others["worse"], others["equal"], others["undecided"]
    said = []
    if worse:
        said.append(f"Worse than {best} beyond these examples too: {listing(worse)}.")
    if equal:
        said.append(f"Equal to {best}: {listing(equal)}.")
    if undecided:
        said.append(f"Undecided against {best}: {listing(undecided)}.")
    return "undecided" if undecided or not worse else "worse", " ".join([first, *said])


def _beside_baseline(model: Model, baseline: Baseline, measure: Measure) -> str:
    value, floor = model.by(measure).value, float(getattr(baseline, measure))
    places = decimals([value, floor])
    than = "less wrong than" if value < floor else "more wrong than"
    if math.isclose(value, floor, rel_tol=1e-12):  # the same figures, added up in another order
        than = "as wrong as"
    return (
        f"{model.name} is {than} always giving the class frequencies: "
        f"{NAMES[measure]} {number(value, places)} against {number(floor, places)}."
    )
