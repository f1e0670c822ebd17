"""What the cells and lines of a report say, whatever the format that lays them out."""

from __future__ import annotations

from dataclasses import dataclass

from crossent.comparison import Comparison
from crossent.counts import PARTS
from crossent.results import Model, Pair
from crossent.statistics import FEWEST, Estimate
from crossent.verdict import FEW_DECIDE, detectable, few, half_widths, interval, pair_decimals, tested
from crossent.wording import MEASURES, NAMES, count, decimals, number, shortened, signed

BASELINE = "always the same"
_NAME_WIDTH = 40
_NAMED_CLASSES = 60  # characters up to which the classes are named
_WHERE = dict(
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
    return " · ".join(
        [count(comparison.examples, "example"), classes, f"paired by {signature.paired_by}", kind, "nats"]
    )


def measure_rows(comparison: Comparison) -> list[Row]:
    """One row per model and the baseline; the numbers of a column have the same decimals."""
    models, base = list(comparison.models.values()), comparison.baseline
    intervals = comparison.examples >= FEWEST
    errors = _estimates([model.classification_error for model in models], base.classification_error, intervals)
    squared = _estimates([model.squared_error for model in models], base.squared_error, intervals)
    cross = _estimates([model.cross_entropy for model in models], base.cross_entropy, intervals)
    typical = [*(model.typical_probability for model in models), base.typical_probability]
    places = decimals(typical)
    wrong = [*(model.wrong for model in models), round(base.classification_error * comparison.examples)]
    most = max(len(f"{mistakes:,}") for mistakes in wrong)
    counts = [f"{mistakes:>{most},} of {comparison.examples:,}" for mistakes in wrong]
    return [
        Row(name, f"{mistakes}   {error}", *rest)
        for name, mistakes, error, *rest in zip(
            [*(shortened(model.name, _NAME_WIDTH) for model in models), BASELINE],
            counts,
            errors,
            squared,
            cross,
            [number(value, places) for value in typical],
            strict=True,
        )
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
    lines = [_zero_note(model, comparison) for model in comparison.models.values()]
    if comparison.label_entropy is not None:
        lines.append(
            f"the labels are distributions: {number(comparison.label_entropy, 4)} of each cross-entropy "
            "is their own entropy, which no model can remove"
        )
    if any(model.squared_error.few_decide or model.cross_entropy.few_decide for model in comparison.models.values()):
        lines.append(f"* {FEW_DECIDE}")
    return [line for line in lines if line]


def _zero_note(model: Model, comparison: Comparison) -> str:
    if not model.zero_probability_examples:
        return ""
    zeros = count(model.zero_probability_examples, "example")
    note = f"{shortened(model.name, _NAME_WIDTH)}: probability 0 for the right class on {zeros}"
    if comparison.options.clip is not None:
        return f"{note}, counted as {comparison.options.clip!r}"
    finite = model.finite
    if finite is None or not finite.examples:
        return f"{note}: cross-entropy inf"
    found = finite.cross_entropy
    places = decimals([found.value], half_widths([found]))
    without = "it" if model.zero_probability_examples == 1 else "them"
    return f"{note}: cross-entropy inf; without {without} {number(found.value, places)}{_range(found, places)}"


def parts(pair: Pair, comparison: Comparison) -> str:
    """The parts of a pair's gap, as what the worse model costs more: '+0.22 where both are right ...'."""
    over = pair.finite or pair
    gap = over.cross_entropy.difference
    if not gap:
        return ""
    worse = 1 if gap > 0 else -1
    places = pair_decimals(pair, comparison.models, "cross_entropy")
    said = [
        f"{signed(worse * (part.contribution or 0), places)} where {_WHERE[name].format(a=pair.a, b=pair.b)} "
        f"({count(part.examples, 'example')})"
        for name, part in over.gap.items()
        if part.examples
    ]
    return " · ".join(said)


def pair_lines(pair: Pair, comparison: Comparison) -> list[str]:
    """One line per measure with interval and test, the leading one with its outcome; none under 20 examples."""
    if comparison.examples < FEWEST:
        return []
    subject = f"{pair.b} − {pair.a}"
    width = max(map(len, NAMES.values()))
    return [
        f"{subject}   {NAMES[measure]:<{width}} {_difference(pair, measure)}{_outcome(pair, measure, comparison)}"
        for measure in MEASURES
    ]


def _difference(pair: Pair, measure: Measure) -> str:
    found = pair.by(measure)
    places = decimals([found.difference], half_widths([found]))
    text = f"{interval(found, places)} {tested(found)}{few(found)}"
    if measure != "cross_entropy" or pair.finite is None:
        return text
    return f"{signed(pair.cross_entropy.difference, places)}, over the other {pair.finite.examples:,} {text}"


def _outcome(pair: Pair, measure: Measure, comparison: Comparison) -> str:
    if measure != comparison.options.measure:
        return ""
    if pair.outcome == "worse":
        return f" · {pair.worse} is worse"
    if pair.outcome == "equal":
        margin = comparison.options.margin
        return " · equal" if pair.by(measure).difference == 0 else f" · equal within {margin:g}"
    return f" · undecided: {detectable(pair, comparison.examples, comparison.options)}"
