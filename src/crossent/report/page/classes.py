"""Results by true class, by the values of a column, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crossent.comparison import Comparison
from crossent.description import half_widths
from crossent.estimates import Slice
from crossent.report.cells import short
from crossent.report.charts import classes as charts
from crossent.report.charts.svg import Drawer
from crossent.report.page.tables import Cell, Figure, Section, Table, columns
from crossent.statistics import FEWEST
from crossent.verdict import interval
from crossent.wording import NAMES, Measure, count, decimals, number, quantity, shortened

_DRAWN = 20
_LISTED = 50
_SHOWN_MEASURES: tuple[Measure, ...] = ("cross_entropy", "classification_error")
_GRID = 12
"""Up to so many classes confusion is a grid."""


def by_class(comparison: Comparison, drawer: Drawer) -> Section | None:
    """By true class; of too many classes only the counts of mistakes are known."""
    slices = [one for one in comparison.slices if one.of == "class"]
    if not slices:
        return _by_counts(comparison, drawer)
    return Section(
        "classes",
        "By class",
        (f"The examples of each true class apart; grey where there are fewer than {FEWEST}.",),
        figures=tuple(_figure(slices, comparison, measure, "class", drawer) for measure in _SHOWN_MEASURES),
        legend=_marked(comparison),
    )


def by_value(comparison: Comparison, drawer: Drawer) -> Section | None:
    """By the values of the column that was asked for."""
    slices = [one for one in comparison.slices if one.of == "column"]
    column = comparison.signature.by
    if not slices or column is None:
        return None
    return Section(
        "slices",
        f"By {short(column)}",
        (
            "The examples of each value apart; p-values of slices are not adjusted for their number, "
            "so of twenty one is expected to look remarkable.",
        ),
        figures=tuple(_figure(slices, comparison, measure, column, drawer) for measure in _SHOWN_MEASURES),
        legend=_marked(comparison),
    )


def _marked(comparison: Comparison) -> bool:
    return len(comparison.models) == charts.MARKED


def _shading(comparison: Comparison, more: str) -> str:
    return f" The stronger a cell, the more {more}." if len(comparison.models) > charts.MARKED else ""


def _figure(
    slices: Sequence[Slice], comparison: Comparison, measure: Measure, of: str, drawer: Drawer
) -> Figure:
    models = list(comparison.models)
    ranked = sorted(slices, key=lambda one: -_spread([getattr(m, measure).value for m in one.models]))
    drawn = ranked[:_DRAWN]
    title = f"{NAMES[measure].capitalize()} by {short(of)}"
    svg = charts.by_row(
        [one.value for one in drawn],
        [[getattr(losses, measure).value for losses in one.models] for one in drawn],
        models,
        drawer,
        title=title,
        axis=NAMES[measure],
    )
    pair = comparison.pairs[0] if len(comparison.pairs) == 1 else None
    rows = []
    for one in slices:
        means = [getattr(losses, measure).value for losses in one.models]
        found = getattr(one.pairs[0], measure) if pair else None
        places = decimals(means, half_widths([] if found is None else [found]))
        cells = [Cell(short(one.value)), Cell(f"{one.examples:,}", one.examples)]
        cells += [Cell(number(mean, places), mean) for mean in means]
        if found is not None:
            text, bracket, rest = interval(found, places).partition(" [")
            cells.append(Cell(text, found.difference, f"[{rest}" if bracket else ""))
        rows.append(tuple(cells))
    head = [of, "examples", *(short(name) for name in models)]
    if pair:
        head.append(f"{short(pair.b)} − {short(pair.a)}")
    table = Table(
        f"{title}, all {count(len(slices), 'row')}",
        tuple(head),
        tuple(rows),
        numeric=columns(*range(1, len(head))),
        faint=frozenset(place for place, one in enumerate(slices) if one.examples < FEWEST),
    )
    left_out = len(slices) - len(drawn)
    order = "Largest spread between the models first" if len(models) > 1 else "In their order"
    more = f"; {left_out:,} more are in the table" if left_out else ""
    return Figure(title, f"{order}{more}.{_shading(comparison, 'wrong')}", svg, table)


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values) if max(values) < float("inf") else float("inf")


def _by_counts(comparison: Comparison, drawer: Drawer) -> Section:
    """Of many classes: the share of wrong examples by class, which the counts of confusions tell."""
    models, classes = list(comparison.models.values()), comparison.classes
    examples: dict[int, float] = {}
    wrong = [dict[int, float]() for _ in models]  # of several seeds their mean
    for place, (model, source) in enumerate(zip(models, comparison.sources, strict=True)):
        for (label, predicted), counted in model.confusion.items():
            times = counted / source.runs
            if place == 0:
                examples[label] = examples.get(label, 0) + times
            if label != predicted:
                wrong[place][label] = wrong[place].get(label, 0) + times

    def mistakes(label: int) -> list[float]:
        return [one.get(label, 0) for one in wrong]

    # by counts, not shares: a class of two examples is all right or all wrong by chance
    ranked = sorted(examples, key=lambda label: (-_spread(mistakes(label)), -max(mistakes(label)), label))
    listed = ranked[:_LISTED]
    rows = tuple(
        (
            Cell(short(classes[label])),
            Cell(quantity(examples[label]), examples[label]),
            *(Cell(quantity(times), times) for times in mistakes(label)),
        )
        for label in listed
    )
    left_out = len(ranked) - len(listed)
    table = Table(
        "Wrong examples by class, where the models differ most",
        ("class", "examples", *(f"{short(model.name)} wrong" for model in models)),
        rows,
        numeric=columns(*range(1, 2 + len(models))),
        faint=frozenset(place for place, label in enumerate(listed) if examples[label] < FEWEST),
        more=f"and {left_out:,} more classes" if left_out else "",
    )
    drawn = ranked[:_DRAWN]
    title = "Mistakes by class"
    svg = charts.by_row(
        [classes[label] for label in drawn],
        [mistakes(label) for label in drawn],
        [model.name for model in models],
        drawer,
        title=title,
        axis="wrong examples",
    )
    said = f"The {len(drawn)} of {len(ranked):,} classes whose mistakes differ most between the models."
    return Section(
        "classes",
        "By class",
        (f"Of so many classes only the mistakes are counted; grey: fewer than {FEWEST} examples.",),
        figures=(Figure(title, f"{said}{_shading(comparison, 'mistakes')}", svg, table),),
        legend=_marked(comparison),
    )


def confusion(comparison: Comparison, drawer: Drawer) -> Section | None:
    """Which class is taken for which: a grid per model, or the most confused pairs of many classes."""
    models, classes = list(comparison.models.values()), comparison.classes
    if len(classes) <= _GRID:
        figures = tuple(
            Figure(
                short(model.name),
                _off_diagonal(model.confusion),
                charts.grid(model.confusion, classes, drawer, title=f"Confusion of {short(model.name)}"),
                _grid_table(model.confusion, classes, short(model.name)),
            )
            for model in models
        )
        words = (
            "Rows are labels, columns predictions; a mistake is the stronger the larger its share of the row."
        )
        return Section("confusion", "Taken for another", (words,), figures=figures)
    times: dict[tuple[int, int], list[int]] = {}
    for place, model in enumerate(models):
        for cell, found in model.confusion.items():
            if cell[0] != cell[1]:
                times.setdefault(cell, [0] * len(models))[place] = found
    if not times:
        return None
    ranked = sorted(times, key=lambda cell: (-max(times[cell]), -sum(times[cell]), cell))
    names = [f"{shortened(classes[i], 14)} → {shortened(classes[j], 14)}" for i, j in ranked[:_LISTED]]
    table = Table(
        "How often a label is taken for another class",
        ("label → predicted", *(short(model.name) for model in models)),
        tuple(
            (Cell(name), *(Cell(f"{found:,}", found) for found in times[cell]))
            for name, cell in zip(names, ranked, strict=False)
        ),
        numeric=columns(*range(1, 1 + len(models))),
        more=f"and {len(ranked) - _LISTED:,} more pairs" if len(ranked) > _LISTED else "",
    )
    title = "Most confused pairs"
    svg = charts.by_row(
        names[:_DRAWN],
        [list(times[cell]) for cell in ranked[:_DRAWN]],
        [model.name for model in models],
        drawer,
        title=title,
        axis="examples",
        width=30,
    )
    drawn = min(_DRAWN, len(ranked))
    words = f"The {drawn} most frequent of {count(len(ranked), 'pair')}, label → prediction."
    return Section(
        "confusion",
        "Taken for another",
        figures=(Figure(title, f"{words}{_shading(comparison, 'mistakes')}", svg, table),),
        legend=_marked(comparison),
    )


def _off_diagonal(counts: Mapping[tuple[int, int], int]) -> str:
    wrong = sum(times for (label, predicted), times in counts.items() if label != predicted)
    return f"{wrong:,} of {count(sum(counts.values()), 'prediction')} are off the diagonal."


def _grid_table(counts: Mapping[tuple[int, int], int], classes: Sequence[str], name: str) -> Table:
    rows = tuple(
        (
            Cell(short(label)),
            *(Cell(f"{counts.get((i, j), 0):,}", counts.get((i, j), 0)) for j in range(len(classes))),
        )
        for i, label in enumerate(classes)
    )
    return Table(
        f"Labels by row, predictions of {name} by column",
        ("label", *(short(one) for one in classes)),
        rows,
        numeric=columns(*range(1, 1 + len(classes))),
    )
