"""What the cells and lines of a report say, whatever the format that lays them out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossent.comparison import Comparison
from crossent.description import half_widths, pair_decimals, zero_probability
from crossent.differences import PARTS
from crossent.results import Model, Pair
from crossent.statistics import FEWEST, Difference, Estimate
from crossent.verdict import FEW_DECIDE, THESE_RUNS, detectable, few, interval, tested
from crossent.wording import (
    MEASURES,
    NAMES,
    Measure,
    count,
    decimals,
    number,
    quantity,
    shortened,
    signed,
    two_digits,
)

BASELINE = "always the same"
_NAME_WIDTH = 40
_NAMED_CLASSES = 60  # characters up to which the classes are named
WHERE = dict(
    zip(PARTS, ("both are right", "only {a} is wrong", "only {b} is wrong", "both are wrong"), strict=True)
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a model, or the baseline."""

    name: str
    wrong: str
    squared_error: str
    cross_entropy: str
    typical: str


def header(comparison: Comparison) -> str:
    """``3 examples · dog, cat · paired by id · probabilities · nats``."""
    classes = ", ".join(comparison.classes)
    if comparison.classes == tuple(map(str, range(len(comparison.classes)))) or len(classes) > _NAMED_CLASSES:
        classes = f"{len(comparison.classes):,} classes"
    signature = comparison.signature
    kinds = {"logits": "logits", "probs": "probabilities"}
    kind = " and ".join(kinds[kind] for kind in signature.kind.split(","))
    examples = count(comparison.example_count, "example")
    if comparison.sample.noun == "cluster":
        examples = f"{examples} in {comparison.sample}"
    return " · ".join([examples, classes, f"paired by {signature.paired_by}", kind, "nats"])


def short(name: str) -> str:
    """A name, cut to what a table can hold."""
    return shortened(name, _NAME_WIDTH)


def measure_rows(comparison: Comparison) -> list[Row]:
    """One row per model and the baseline; the numbers of a column have the same decimals."""
    models, base = list(comparison.models.values()), comparison.baseline
    wrong = [*(model.wrong for model in models), base.wrong]
    most = max(len(quantity(mistakes)) for mistakes in wrong)
    intervals = comparison.sample.units >= FEWEST
    errors, squared, cross = (
        _estimates([model.by(measure) for model in models], float(getattr(base, measure)), intervals)
        for measure in MEASURES
    )
    typical = [*(model.typical_probability for model in models), base.typical_probability]
    places = decimals(typical)
    return [
        Row(
            name,
            f"{quantity(wrong[place]):>{most}} of {comparison.example_count:,}   {errors[place]}",
            squared[place],
            cross[place],
            number(typical[place], places),
        )
        for place, name in enumerate([*(short(model.name) for model in models), BASELINE])
    ]


def _estimates(found: list[Estimate], baseline: float, intervals: bool) -> list[str]:
    """Value and interval of each model, then the baseline's value; a star marks what few examples decide."""
    places = decimals([*(one.value for one in found), baseline], half_widths(found) if intervals else ())
    values = [*(number(one.value, places) for one in found), number(baseline, places)]
    ranges = [_range(one, places) if intervals else "" for one in found] + [""]
    value, width = max(map(len, values)), max(map(len, ranges))
    return [f"{text:>{value}}{shown:<{width}}" for text, shown in zip(values, ranges, strict=True)]


def _range(found: Estimate, places: int) -> str:
    if found.low is None or found.high is None:
        return ""
    star = "*" if found.few_decide else ""
    return f" [{number(found.low, places)}, {number(found.high, places)}]{star}"


def notes(comparison: Comparison) -> list[str]:
    """What must be known to read the table: infinite losses, clipping, soft labels, marked intervals."""
    lines = [_seeds_note(model) for model in comparison.models.values()]
    lines += [_zero_note(model, comparison) for model in comparison.models.values()]
    if (clip := comparison.options.clip) is not None:
        lines.append(
            f"a label's probability below {clip!r} costs as much as {clip!r}: {-math.log(clip):.4g} nats"
        )
    if comparison.label_entropy:
        lines.append(
            f"the labels are distributions: {number(comparison.label_entropy, 4)} of each cross-entropy "
            "is their own entropy, which no model can remove"
        )
    intervals = comparison.sample.units >= FEWEST
    if intervals and any(
        model.by(measure).few_decide for model in comparison.models.values() for measure in MEASURES
    ):
        lines.append(f"* {FEW_DECIDE}")
    return [line for line in lines if line]


def _seeds_note(model: Model) -> str:
    """A model of several seeds: how much its figures differ between them."""
    if model.seeds is None:
        return ""
    spreads = [(NAMES[measure], model.seeds.by(measure).deviation) for measure in MEASURES]
    said = [f"{name} {two_digits(deviation)}" for name, deviation in spreads if deviation is not None]
    between = f"; standard deviation between them: {', '.join(said)}" if said else ""
    return f"{short(model.name)}: mean of {count(len(model.seeds.runs), 'seed')}{between}"


def _zero_note(model: Model, comparison: Comparison) -> str:
    if not model.zero_probability_examples:
        return ""
    zeros = count(model.zero_probability_examples, "example")
    what = zero_probability(soft=comparison.label_entropy is not None)
    note = f"{short(model.name)} gave {what} on {zeros}"
    if comparison.options.clip is not None:
        return note
    finite = model.finite
    if finite is None:  # clipped, or on examples of weight 0
        return note
    if not finite.examples:
        return f"{note}: cross-entropy inf"
    found = finite.cross_entropy
    places = decimals([found.value], half_widths([found]))
    without = "it" if model.zero_probability_examples == 1 else "them"
    rest = f"{number(found.value, places)}{_range(found, places)}"
    return f"{note}: cross-entropy inf; without {without} {rest}"


def parts(pair: Pair, comparison: Comparison) -> str:
    """The parts of a pair's gap, as what the worse model costs more: '+0.22 where both are right ...'."""
    over = pair.finite or pair
    gap = over.cross_entropy.difference
    if not gap:
        return ""
    worse = 1 if gap > 0 else -1
    places = pair_decimals(pair, comparison.models, "cross_entropy")
    said = [
        f"{signed(worse * (part.contribution or 0), places)} where {WHERE[name].format(a=pair.a, b=pair.b)} "
        f"({count(part.examples, 'example')})"
        for name, part in over.gap.items()
        if part.examples
    ]
    return " · ".join(said)


def half_of_gap(pair: Pair, comparison: Comparison) -> str:
    """``half of it on 61 of 400 examples``."""
    if pair.half_of_gap is None:
        return ""
    half = pair.half_of_gap if isinstance(pair.half_of_gap, str) else f"{pair.half_of_gap:,}"
    return f"half of it on {half} of {count(comparison.example_count, 'example')}"


def after_temperature(pair: Pair, comparison: Comparison) -> str:
    """What one temperature each would make of the gap, on the examples they were fitted to."""
    gap = pair.temperature
    if gap is None or not gap.before:
        return ""
    worse = 1 if gap.before > 0 else -1
    fitted = [comparison.models[name].temperature.value for name in (pair.a, pair.b)]
    places = decimals([gap.before], half_widths([pair.by("cross_entropy")]))
    by = " and ".join(f"{value:.2f}" for value in fitted if value is not None)
    return (
        f"one temperature each ({by}) would make it "
        f"{signed(worse * gap.after, places)} instead of {signed(worse * gap.before, places)}"
    )


def slice_rows(comparison: Comparison) -> list[list[str]]:
    """A header and the cross-entropies by the values of a column, and for two models their difference."""
    slices = [one for one in comparison.slices if one.of == "column"]
    if not slices:
        return []
    rows = [[comparison.signature.by or "", "examples", *(short(name) for name in comparison.models)]]
    if len(comparison.pairs) == 1:
        rows[0].append(f"{short(comparison.pairs[0].b)} − {short(comparison.pairs[0].a)}")
    for one in slices:
        means = [losses.cross_entropy.value for losses in one.models]
        found = one.pairs[0].cross_entropy if len(one.pairs) == 1 else None
        places = decimals(means, half_widths([] if found is None else [found]))
        row = [short(one.value), f"{one.examples:,}", *(number(mean, places) for mean in means)]
        rows.append(row if found is None else [*row, interval(found, places)])
    return rows


def difference_lines(comparison: Comparison) -> list[str]:
    """Each pair's differences with interval and test, the leading measure's with its outcome.

    Of two models all measures, of several the leading one; none under 20 examples.
    """
    if comparison.sample.units < FEWEST:
        return []
    measures = MEASURES if len(comparison.pairs) == 1 else (comparison.options.measure,)
    lines = [line for pair in comparison.pairs for line in _lines_of(pair, measures, comparison)]
    subject = max((len(line[0]) for line in lines), default=0)
    name = max((len(line[1]) for line in lines), default=0)
    said = [f"{of:<{subject}}   {measure:<{name}} {difference}" for of, measure, difference in lines]
    if any(pair.seeds is not None and not pair.seeds.about_recipes for pair in comparison.pairs):
        said.append(THESE_RUNS)
    return said


def _lines_of(
    pair: Pair, measures: Sequence[Measure], comparison: Comparison
) -> Iterator[tuple[str, str, str]]:
    """Whose difference, by which measure, and what it is; over the examples, then over several seeds."""
    for measure in measures:
        said = f"{_difference(pair, measure)}{_outcome(pair, measure, comparison)}"
        yield f"{short(pair.b)} − {short(pair.a)}", NAMES[measure], said
    if pair.seeds is not None and pair.seeds.about_recipes:
        for measure in measures:
            yield f"over {pair.seeds}", NAMES[measure], _difference_over_seeds(pair.seeds.by(measure))


def _difference_over_seeds(found: Difference) -> str:
    places = decimals([found.difference], half_widths([found]))
    return f"{interval(found, places)} {tested(found)}"


def _difference(pair: Pair, measure: Measure) -> str:
    found = pair.by(measure)
    places = decimals([found.difference], half_widths([found]))
    text = f"{interval(found, places)} {tested(found)}{few(found)}"
    if measure != "cross_entropy" or pair.finite is None:
        return text
    exact = pair.cross_entropy.difference
    infinite = "inf in both" if exact is None else signed(exact, places)
    if not pair.finite.examples:
        return infinite
    return f"{infinite}, over the other {pair.finite.examples:,} {text}"


def _outcome(pair: Pair, measure: Measure, comparison: Comparison) -> str:
    if measure != comparison.options.measure:
        return ""
    if pair.outcome == "worse":
        return f" · {pair.worse} is worse"
    if pair.outcome == "equal":
        margin = comparison.options.margin
        return " · equal" if pair.identical else f" · equal within {margin!r}"
    return f" · undecided: {detectable(pair, comparison.sample, comparison.options)}"
