"""What qualifies the verdict, the table of the measures, the paired differences and the parts of the gap."""

from __future__ import annotations

from collections.abc import Sequence

from crossent.comparison import Comparison
from crossent.description import half_widths, pair_decimals
from crossent.differences import PARTS
from crossent.report.cells import (
    BASELINE,
    WHERE,
    after_temperature,
    half_of_gap,
    measure_rows,
    notes,
    short,
)
from crossent.report.charts import models as charts
from crossent.report.charts.svg import Drawer
from crossent.report.page.tables import Cell, Figure, Section, Table, columns
from crossent.results import Pair
from crossent.statistics import FEWEST, Difference
from crossent.verdict import THESE_RUNS, detectable, few, interval, tested
from crossent.wording import MEASURES, NAMES, Measure, count, decimals, signed


def qualified(comparison: Comparison) -> Section | None:
    """What must be known before the numbers are believed."""
    points = list(notes(comparison))
    if comparison.sample.units < FEWEST:
        points.append(
            f"{comparison.sample} {'is' if comparison.sample.units == 1 else 'are'} fewer than {FEWEST}: "
            "no intervals but those of the mistakes, and no tests"
        )
    if any(pair.seeds is not None and not pair.seeds.about_recipes for pair in comparison.pairs):
        points.append(THESE_RUNS)
    points += comparison.warnings
    return Section("before", "Before you believe it", points=tuple(points)) if points else None


def measures(comparison: Comparison, drawer: Drawer) -> Section:
    """The table of all models, and each measure as dots and whiskers."""
    models = list(comparison.models.values())
    table = measure_table(comparison)
    figures = []
    for measure in MEASURES:
        found = [model.by(measure) for model in models]
        places = decimals([one.value for one in found], half_widths(found))
        svg = charts.measure_chart(comparison, measure, drawer, places)
        figures.append(Figure(NAMES[measure].capitalize(), "", svg))
    paragraphs: tuple[str, ...] = (
        "Squared error is the sum over the classes of (p − q)², between 0 and 2; cross-entropy is in nats. "
        f"'{BASELINE}' is no model: it gives every example the frequencies of the classes.",
    )
    confidence = f"{100 * comparison.options.confidence:g} %"
    if comparison.sample.units >= FEWEST:
        methods = sorted({model.by(measure).method for model in models for measure in MEASURES})
        names = {"wilson": "Wilson's", "t": "Student's t"}
        kinds = " and ".join(names[method] for method in reversed(methods) if method in names)
        paragraphs += (f"Whiskers and brackets are {kinds} intervals at {confidence}.",)
    return Section("measures", "The measures", paragraphs, tables=(table,), figures=tuple(figures))


def measure_table(comparison: Comparison) -> Table:
    """The table as it is printed in every format, with the numbers behind it."""
    head = (
        "model",
        "wrong",
        "classification error",
        "squared error",
        "cross-entropy",
        "typical q of the label",
    )
    models, base = list(comparison.models.values()), comparison.baseline
    rows = []
    for place, row in enumerate(measure_rows(comparison)):
        wrong, _, error = row.wrong.strip().partition("   ")
        of = models[place] if place < len(models) else base
        values = [getattr(of, measure) for measure in MEASURES]
        numbers = [value if isinstance(value, float) else value.value for value in values]
        texts = [error, row.squared_error, row.cross_entropy]
        cells = [Cell(row.name, model=place if place < len(models) else None), Cell(wrong, of.wrong)]
        cells += [_split(text, value) for text, value in zip(texts, numbers, strict=True)]
        rows.append((*cells, Cell(row.typical, of.typical_probability)))
    return Table(
        "Each model's mean over the examples, and its interval; smaller is better",
        head,
        tuple(rows),
        numeric=columns(1, 2, 3, 4, 5),
        faint=frozenset({len(rows) - 1}),
    )


def _split(text: str, value: float | None) -> Cell:
    shown, bracket, rest = text.strip().partition(" [")
    return Cell(shown, value, f"[{rest.strip()}" if bracket else "")


def differences(comparison: Comparison, drawer: Drawer) -> Section | None:
    """Every pair's differences with interval and test, and what the gap in cross-entropy is made of."""
    if not comparison.pairs:
        return None
    drawn = charts.drawn_pairs(comparison)
    every = [(pair, measure) for pair in comparison.pairs for measure in MEASURES]
    caption = "The later model's mean minus the earlier one's: above 0 the later one is worse"
    folded: tuple[Table, ...] = ()
    if len(comparison.pairs) == 1:
        tables = (_differences(every, comparison, caption),)
    else:
        leading = [(pair, comparison.options.measure) for pair in drawn]
        tables = (_differences(leading, comparison, f"{caption}; each model against the first"),)
        whole = f"All {len(comparison.pairs)} pairs by all measures; p-values are adjusted within a measure"
        folded = (_differences(every, comparison, whole),)
    figures = [
        Figure(NAMES[measure].capitalize(), "", charts.difference_chart(comparison, measure, drawer))
        for measure in MEASURES
        if any(pair.by(measure).difference is not None for pair in comparison.pairs)
    ]
    figures += [_parts(pair, comparison, drawer, wide=len(drawn) == 1) for pair in drawn]
    return Section("difference", "The difference", tables=tables, folded=folded, figures=tuple(figures))


def _differences(lines: Sequence[tuple[Pair, Measure]], comparison: Comparison, caption: str) -> Table:
    head = ("pair", "measure", "difference", "test", "outcome")
    rows = [_difference(pair, measure, comparison) for pair, measure in lines]
    rows += [
        _difference_over_seeds(pair, pair.seeds.by(measure), measure, comparison)
        for pair, measure in lines
        if pair.seeds is not None and pair.seeds.about_recipes
    ]
    return Table(caption, head, tuple(rows), numeric=columns(2))


def _difference_over_seeds(
    pair: Pair, found: Difference, measure: Measure, comparison: Comparison
) -> tuple[Cell, ...]:
    places = decimals([found.difference], half_widths([found]))
    return (
        Cell(f"over {pair.seeds}", model=list(comparison.models).index(pair.b)),
        Cell(NAMES[measure]),
        _split(interval(found, places), found.difference),
        Cell("–") if found.p_value is None else Cell(tested(found), found.p_value),
        Cell(""),
    )


def _difference(pair: Pair, measure: Measure, comparison: Comparison) -> tuple[Cell, ...]:
    found, exact = pair.by(measure), getattr(pair, measure).difference
    places = decimals([found.difference], half_widths([found]))
    cell = _split(interval(found, places), found.difference)
    if measure == "cross_entropy" and pair.finite is not None:
        infinite = "inf in both" if exact is None else signed(exact, places)
        cell = Cell(infinite, exact, f"over the other {pair.finite.examples:,} {interval(found, places)}")
    test = Cell("–") if found.p_value is None else Cell(f"{tested(found)}{few(found)}", found.p_value)
    return (
        Cell(f"{short(pair.b)} − {short(pair.a)}", model=list(comparison.models).index(pair.b)),
        Cell(NAMES[measure]),
        cell,
        test,
        Cell(_outcome(pair, measure, comparison)),
    )


def _outcome(pair: Pair, measure: Measure, comparison: Comparison) -> str:
    if measure != comparison.options.measure:
        return ""
    if pair.outcome == "worse":
        return f"{short(pair.worse or '')} is worse"
    if pair.outcome == "undecided" and comparison.sample.units >= FEWEST:
        return f"undecided: {detectable(pair, comparison.sample, comparison.options)}"
    return pair.outcome


def _parts(pair: Pair, comparison: Comparison, drawer: Drawer, *, wide: bool) -> Figure:
    """The parts as what the worse model costs more, which is how the sentences of every format count."""
    over = pair.finite or pair
    gap = over.cross_entropy.difference or 0.0
    worse, other = (pair.b, pair.a) if gap >= 0 else (pair.a, pair.b)
    sign = 1 if gap >= 0 else -1
    places = pair_decimals(pair, comparison.models, "cross_entropy")
    values = {name: sign * (over.gap[name].contribution or 0.0) for name in PARTS}
    rows = tuple(
        (
            Cell(WHERE[name].format(a=short(pair.a), b=short(pair.b))),
            Cell(f"{over.gap[name].examples:,}", over.gap[name].examples),
            Cell(signed(values[name], places), values[name]),
        )
        for name in PARTS
    )
    against = f"{short(worse)} against {short(other)}"
    table = Table(
        f"What {short(worse)} costs more than {short(other)}, in nats",
        ("where", "examples", "contribution"),
        rows,
        numeric=columns(1, 2),
    )
    said = [line for line in (half_of_gap(pair, comparison), after_temperature(pair, comparison)) if line]
    left_out = f", over the {count(pair.finite.examples, 'example')} finite in both" if pair.finite else ""
    first = f"The four parts add up to {signed(abs(gap), places)} nats{left_out}"
    return Figure(
        f"The parts of the gap, {against}",
        "; ".join([first, *said]) + ".",
        charts.parts_chart(values, (pair.a, pair.b), drawer, places, title=f"Parts of the gap, {against}"),
        table,
        wide,
    )
