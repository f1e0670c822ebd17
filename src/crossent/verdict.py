"""The outcome of each pair and of the whole, and the sentences that say it.

The first sentence describes these examples and names a direction; the second says what holds beyond
them, by the leading measure. No estimates are made here and nothing is laid out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from crossent.options import CompareOptions
from crossent.results import Baseline, Model, Outcome, Pair, half_of_gap
from crossent.statistics import FEWEST, Difference, Estimate
from crossent.tally import Measures, Totals
from crossent.wording import (
    MEASURES,
    NAMES,
    Measure,
    count,
    decimals,
    listing,
    number,
    p_value,
    shortened,
    signed,
    two_digits,
)

FEW_DECIDE = "few examples decide this: likely too short"
_NAMED = 3  # examples named in a sentence
_ID_WIDTH = 40


def judged(
    pair: Pair, totals: Totals, place: int, models: Mapping[str, Model], options: CompareOptions
) -> Pair:
    """The pair with its outcome, half of its gap, and its verdict."""
    outcome = _outcome(pair, totals.whole.pairs[place], options)
    worse = _worse(pair.by(options.measure).difference, pair) if outcome == "worse" else None
    half = None if outcome == "undecided" or pair.finite is not None else half_of_gap(totals, place)
    pair = replace(pair, outcome=outcome, worse=worse, half_of_gap=half)
    sample = sample_of(totals)
    said = (*description(pair, models, totals.examples, options.measure), beyond(pair, sample, options))
    return replace(pair, verdict=" ".join(said))


def _outcome(pair: Pair, series: Measures, options: CompareOptions) -> Outcome:
    if options.measure == "cross_entropy" and pair.finite is not None:
        return "undecided"
    if _never_differs(pair, series, options.measure):
        return "equal"
    found, margin = pair.by(options.measure), options.margin
    if margin is not None and _inside(found, margin):
        return "equal"
    if found.p_holm is None or found.difference is None or found.p_holm > 1 - options.confidence:
        return "undecided"
    return "worse" if margin is None or abs(found.difference) > margin else "undecided"


def _never_differs(pair: Pair, series: Measures, measure: Measure) -> bool:
    if measure == "classification_error":
        return pair.only_a_wrong == pair.only_b_wrong == 0
    return (series.squared_error if measure == "squared_error" else series.cross_entropy).all_zero


def _inside(found: Difference, margin: float) -> bool:
    return found.low is not None and found.high is not None and -margin <= found.low and found.high <= margin


def _worse(difference: float | None, pair: Pair) -> str | None:
    """The model that loses more by a difference b - a; None for a tie or an unknown one."""
    if difference is None or math.isnan(difference) or difference == 0:
        return None
    return pair.b if difference > 0 else pair.a


def description(pair: Pair, models: Mapping[str, Model], examples: int, measure: Measure) -> list[str]:
    """What these examples show: mistakes, who is more wrong and where, and anything that contradicts it."""
    shown: Measure = "cross_entropy" if measure == "classification_error" else measure
    exact = getattr(pair, shown).difference
    finite = pair.by(shown)
    worse = _worse(exact if exact is not None else finite.difference, pair)
    sentences = [_mistakes(pair, models, worse) + _amounts(pair, models, examples, shown, worse)]
    if pair.finite is not None:
        sentences.append(_zeros(pair))
    if contradiction := _contradiction(pair):
        sentences.append(contradiction)
    return sentences


def _mistakes(pair: Pair, models: Mapping[str, Model], worse: str | None) -> str:
    wrong = {name: models[name].wrong for name in (pair.a, pair.b)}
    if worse is None:
        if wrong[pair.a] == wrong[pair.b]:
            return "Same number of mistakes, and equally wrong"
        less, more = sorted(wrong, key=lambda name: wrong[name])
        against = f"({wrong[more]:,} against {wrong[less]:,})"
        return f"{more} makes more mistakes {against}, but both are equally wrong"
    other = pair.a if worse == pair.b else pair.b
    against = f"({wrong[worse]:,} against {wrong[other]:,})"
    if wrong[worse] > wrong[other]:
        return f"{worse} makes more mistakes {against} and is more wrong"
    if wrong[worse] < wrong[other]:
        return f"{worse} makes fewer mistakes {against}, but is more wrong"
    return f"Same number of mistakes, but {worse} is more wrong"


def _amounts(
    pair: Pair, models: Mapping[str, Model], examples: int, measure: Measure, worse: str | None
) -> str:
    name, found = NAMES[measure], pair.by(measure)
    a, b = models[pair.a].by(measure).value, models[pair.b].by(measure).value
    places = pair_decimals(pair, models, measure)
    if worse is None:
        return f": {name} {number(a, places)} for both."
    more, less = (b, a) if worse == pair.b else (a, b)
    where = _where(pair, examples, worse) if measure == "cross_entropy" else ""
    if math.isinf(more):
        return f": {where}{name} {number(more, places)} against {number(less, places)}."
    gap = abs(found.difference or 0)
    return f": {where}{name} {number(more, places)} against {number(less, places)} ({signed(gap, places)})."


def _where(pair: Pair, examples: int, worse: str) -> str:
    on, elsewhere, other = pair.a_more_wrong, pair.b_more_wrong, pair.b
    if worse == pair.b:
        on, elsewhere, other = elsewhere, on, pair.a
    against = f" ({other} on {elsewhere:,})" if elsewhere else ""
    return f"on {on:,} of {count(examples, 'example')}{against}, "


def _zeros(pair: Pair) -> str:
    finite = pair.finite
    assert finite is not None
    said = [
        f"{name} gave the right class probability 0 on {count(zeros, 'example')} where {other} did not"
        for name, other, zeros in ((pair.a, pair.b, finite.only_a_zero), (pair.b, pair.a, finite.only_b_zero))
        if zeros
    ]
    if finite.both_zero:
        said.append(f"both gave the right class probability 0 on {count(finite.both_zero, 'example')}")
    sentence = _capital(listing(said))
    difference = finite.cross_entropy.difference
    if difference is None:
        return f"{sentence}."
    places = decimals([difference], half_widths([finite.cross_entropy]))
    rest = f"over the other {finite.examples:,}" if finite.examples > 1 else "on the only other one"
    return f"{sentence}; {rest}, {pair.b} − {pair.a} is {signed(difference, places)}."


def _contradiction(pair: Pair) -> str:
    """Which measure favours whom, where they do not agree, and the examples that make the difference."""
    favoured: dict[str, list[str]] = {}
    for measure in MEASURES:
        exact = getattr(pair, measure).difference
        worse = _worse(exact if exact is not None else pair.by(measure).difference, pair)
        if worse is not None:
            favoured.setdefault(pair.a if worse == pair.b else pair.b, []).append(NAMES[measure])
    if len(favoured) < 2:
        return ""
    sides = [
        f"{listing(names)} {'favours' if len(names) == 1 else 'favour'} {better}"
        for better, names in favoured.items()
    ]
    worst = pair.b_worse if (pair.cross_entropy.difference or 0) > 0 else pair.a_worse
    named = ", ".join(
        f"'{shortened(example.id, _ID_WIDTH)}'" if example.id is not None else f"row {example.row + 1}"
        for example in worst[:_NAMED]
    )
    most = f"; in cross-entropy they differ most on {named}" if named else ""
    return f"The measures disagree: {', '.join(sides)}{most}."


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


def beyond(pair: Pair, sample: Sample, options: CompareOptions) -> str:
    """The second sentence: what holds beyond these examples, by the leading measure."""
    if identical(pair, options.measure):
        return "Equal: every example costs both the same."
    if sample.units < FEWEST:
        return f"Undecided beyond {sample.these}: bring at least {FEWEST} to say something about others."
    found = pair.by(options.measure)
    places = decimals([found.difference], half_widths([found]))
    if found.low is None:
        return f"Undecided beyond {sample.these}: without spread there is no interval."
    shown = f"{pair.b} − {pair.a} {interval(found, places)}, {tested(found)}{few(found)}"
    if pair.outcome == "worse":
        return f"{pair.worse} is worse beyond {sample.these} too: {shown}."
    if pair.outcome == "equal":
        return f"Equal within the margin of {options.margin:g}: {shown}."
    over = _over(pair, options.measure)
    return f"Undecided beyond {sample.these}{over}: {shown}; {detectable(pair, sample, options)}."


def identical(pair: Pair, measure: Measure) -> bool:
    """Whether the outcome 'equal' came without any margin: no example differs by the leading measure."""
    if measure == "classification_error":
        return pair.only_a_wrong == pair.only_b_wrong == 0
    return pair.outcome == "equal" and pair.by(measure).low is None


def _over(pair: Pair, measure: Measure) -> str:
    """An infinite difference has no interval; the one given leaves its examples out."""
    if measure != "cross_entropy" or pair.finite is None:
        return ""
    return f", where an infinite difference has no interval; over the other {pair.finite.examples:,}"


def detectable(pair: Pair, sample: Sample, options: CompareOptions) -> str:
    """What an undecided comparison could have shown, or the margin it may lie within."""
    found = pair.by(options.measure)
    if options.margin is not None and found.p_holm is not None and found.p_holm <= 1 - options.confidence:
        return f"different, but perhaps by no more than the margin of {options.margin:g}"
    return f"{sample} could have shown {two_digits(found.detectable or 0)}"


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


def pair_decimals(pair: Pair, models: Mapping[str, Model], measure: Measure) -> int:
    """Decimals for a pair's sentence: the two values and their difference alike."""
    values = [models[name].by(measure).value for name in (pair.a, pair.b)]
    return decimals([*values, pair.by(measure).difference], half_widths([pair.by(measure)]))


def half_widths(found: Sequence[Estimate | Difference]) -> list[float]:
    """Of those intervals that there are: they decide how many decimals are worth printing."""
    return [(one.high - one.low) / 2 for one in found if one.low is not None and one.high is not None]


def _capital(sentence: str) -> str:
    """A sentence's first letter; a name keeps its own spelling."""
    return f"B{sentence[1:]}" if sentence.startswith("both gave") else sentence


def whole(
    models: Sequence[Model], pairs: Sequence[Pair], baseline: Baseline, options: CompareOptions
) -> tuple[Outcome | None, str]:
    """The outcome of the whole comparison and its verdict.

    Two models: their pair's. Several: 'worse' where each of the others is worse than the best one,
    'equal' where all pairs are, else 'undecided'. One: no outcome, it is set beside the baseline.
    """
    if not pairs:
        return None, _beside_baseline(models[0], baseline, options.measure)
    if len(pairs) == 1:
        return pairs[0].outcome, pairs[0].verdict
    return _of_several(models, pairs, options.measure)


def _of_several(models: Sequence[Model], pairs: Sequence[Pair], measure: Measure) -> tuple[Outcome, str]:
    ranked = sorted(models, key=lambda model: model.by(measure).value)
    places = decimals([model.by(measure).value for model in ranked])
    order = [f"{model.name} ({number(model.by(measure).value, places)})" for model in ranked]
    first = f"By {NAMES[measure]}, from the least to the most wrong: {', '.join(order)}."
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
    return "undecided" if equal or undecided else "worse", " ".join([first, *said])


def _beside_baseline(model: Model, baseline: Baseline, measure: Measure) -> str:
    value, floor = model.by(measure).value, float(getattr(baseline, measure))
    places = decimals([value, floor])
    than = "less wrong than" if value < floor else "more wrong than" if value > floor else "as wrong as"
    return (
        f"{model.name} is {than} always giving the class frequencies: "
        f"{NAMES[measure]} {number(value, places)} against {number(floor, places)}."
    )
