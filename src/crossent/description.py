"""The first sentence of a pair's verdict: what these examples show, and what in them contradicts it.

It always names a direction. What holds beyond the examples is said by `verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from crossent.results import Model, Pair
from crossent.statistics import Difference, Estimate
from crossent.wording import (
    MEASURES,
    NAMES,
    Measure,
    count,
    decimals,
    listing,
    number,
    quantity,
    shortened,
    signed,
)

_NAMED = 3  # examples named in a sentence
_ID_WIDTH = 40


def description(
    pair: Pair, models: Mapping[str, Model], examples: int, measure: Measure, *, soft: bool
) -> str:
    """What these examples show: mistakes, who is more wrong and where, and anything that contradicts it."""
    shown: Measure = "cross_entropy" if measure == "classification_error" else measure
    exact: Difference = getattr(pair, shown)
    known = exact.difference is not None
    worse = worse_model(exact.difference if known else pair.by(shown).difference, pair)
    amounts = _amounts(pair, models, examples, shown, worse) if known else _infinite_amounts(pair, worse)
    sentences = [_mistakes(pair, models, worse) + amounts]
    if pair.finite is not None:
        sentences.append(_zeros(pair, soft=soft))
    if contradiction := _contradiction(pair, models):
        sentences.append(contradiction)
    return " ".join(sentences)


def _mistakes(pair: Pair, models: Mapping[str, Model], worse: str | None) -> str:
    wrong = {name: models[name].wrong for name in (pair.a, pair.b)}
    if worse is None:
        if wrong[pair.a] == wrong[pair.b]:
            return "Same number of mistakes, and equally wrong"
        less, more = sorted(wrong, key=lambda name: wrong[name])
        against = f"({quantity(wrong[more])} against {quantity(wrong[less])})"
        return f"{more} makes more mistakes {against}, but both are equally wrong"
    other = pair.a if worse == pair.b else pair.b
    against = f"({quantity(wrong[worse])} against {quantity(wrong[other])})"
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
    against = f": {where}{name} {number(more, places)} against {number(less, places)}"
    return f"{against}." if math.isinf(more) else f"{against} ({signed(abs(found.difference or 0), places)})."


def _infinite_amounts(pair: Pair, worse: str | None) -> str:
    """Both cross-entropies are infinite, so the rows where neither is must tell the direction."""
    found = pair.by("cross_entropy")
    if worse is None or found.difference is None:
        return ": cross-entropy inf for both."
    rest = 0 if pair.finite is None else pair.finite.examples
    gap = signed(abs(found.difference), decimals([found.difference], half_widths([found])))
    return f", as far as that can be told: cross-entropy inf for both, {gap} over the other {rest:,}."


def _where(pair: Pair, examples: int, worse: str) -> str:
    on, elsewhere, other = pair.a_more_wrong, pair.b_more_wrong, pair.b
    if worse == pair.b:
        on, elsewhere, other = elsewhere, on, pair.a
    if not on:
        return ""
    against = f" ({other} on {elsewhere:,})" if elsewhere else ""
    return f"on {on:,} of {count(examples, 'example')}{against}, "


def _zeros(pair: Pair, *, soft: bool) -> str:
    finite = pair.finite
    assert finite is not None
    what = zero_probability(soft=soft)
    said = [
        f"{name} gave {what} on {count(zeros, 'example')} where {other} did not"
        for name, other, zeros in ((pair.a, pair.b, finite.only_a_zero), (pair.b, pair.a, finite.only_b_zero))
        if zeros
    ]
    if finite.both_zero:
        said.append(f"both gave {what} on {count(finite.both_zero, 'example')}")
    sentence = listing(said) if len(said) > 1 or not finite.both_zero else f"Both{said[0][4:]}"
    difference = finite.cross_entropy.difference
    if difference is None:
        return f"{sentence}."
    places = decimals([difference], half_widths([finite.cross_entropy]))
    rest = f"over the other {finite.examples:,}" if finite.examples > 1 else "on the only other one"
    return f"{sentence}; {rest}, {pair.b} − {pair.a} is {signed(difference, places)}."


def zero_probability(*, soft: bool) -> str:
    """What an infinite cross-entropy comes from."""
    return "a class of the label probability 0" if soft else "the right class probability 0"


def _contradiction(pair: Pair, models: Mapping[str, Model]) -> str:
    """Which measure favours whom, where they do not agree, and the examples that make the difference."""
    favoured: dict[str, list[str]] = {}
    for measure in MEASURES:
        worse = worse_model(getattr(pair, measure).difference, pair)
        if worse is not None:
            favoured.setdefault(pair.a if worse == pair.b else pair.b, []).append(NAMES[measure])
    if len(favoured) < 2:
        return ""
    sides = [
        f"{listing(names)} {'favours' if len(names) == 1 else 'favour'} {better}"
        for better, names in favoured.items()
    ]
    first, second = (list(models).index(name) for name in (pair.a, pair.b))
    worst = sorted(
        pair.a_worse + pair.b_worse,
        key=lambda one: -abs(one.outputs[second].cross_entropy - one.outputs[first].cross_entropy),
    )
    named = ", ".join(
        f"'{shortened(example.id, _ID_WIDTH)}'" if example.id is not None else f"row {example.row + 1}"
        for example in worst[:_NAMED]
    )
    most = f"; in cross-entropy they differ most on {named}" if named else ""
    return f"The measures disagree: {', '.join(sides)}{most}."


def worse_model(difference: float | None, pair: Pair) -> str | None:
    """The model that loses more by a difference b - a; None for a tie or an unknown one."""
    if difference is None or math.isnan(difference) or difference == 0:
        return None
    return pair.b if difference > 0 else pair.a


def pair_decimals(pair: Pair, models: Mapping[str, Model], measure: Measure) -> int:
    """Decimals for a pair's sentence: the two values and their difference alike."""
    found = pair.by(measure)
    values = [models[name].by(measure).value for name in (pair.a, pair.b)]
    # enough of them, too, for the difference itself not to look like 0
    return max(decimals([*values, found.difference], half_widths([found])), decimals([found.difference]) - 1)


def half_widths(found: Sequence[Estimate | Difference]) -> list[float]:
    """Of those intervals that there are: they decide how many decimals are worth printing."""
    return [(one.high - one.low) / 2 for one in found if one.low is not None and one.high is not None]
