"""Whether the models' probabilities mean what they say, and what one temperature each would mend."""

from __future__ import annotations

from itertools import zip_longest

from crossent.calibration import ReliabilityBin
from crossent.comparison import Comparison
from crossent.report.cells import short
from crossent.report.charts import calibration as charts
from crossent.report.charts.svg import Drawer
from crossent.report.page.tables import Cell, Figure, Section, Table, columns
from crossent.results import Model
from crossent.wording import number

_NONE = Cell("–")


def calibration(comparison: Comparison, drawer: Drawer) -> Section:
    """Reliability of every model, and a table of errors and temperatures."""
    models = list(comparison.models.values())
    table = Table(
        "Expected calibration error and temperature; what is after it was fitted to other examples",
        (
            "model",
            "calibration error",
            "temperature",
            "calibration error after",
            "cross-entropy before",
            "cross-entropy after",
        ),
        tuple(_row(place, model) for place, model in enumerate(models)),
        numeric=columns(1, 2, 3, 4, 5),
    )
    notes = tuple(
        f"{short(model.name)} has no temperature: {model.temperature.reason}"
        for model in models
        if model.temperature.reason
    )
    words = (
        "On the diagonal, predictions given probability 0.8 are right 8 times in 10. Whiskers are Wilson's "
        "intervals; bars below count the examples of each bin, on a square-root scale. "
        "Hollow circles: after the temperature. Calibration error is biased upward and has no interval."
    )
    figures = tuple(_figure(place, model, drawer) for place, model in enumerate(models))
    return Section("calibration", "Calibration", (words,), tables=(table,), figures=figures, notes=notes)


def _row(place: int, model: Model) -> tuple[Cell, ...]:
    fitted = model.temperature
    error, after = model.calibration_error.value, fitted.calibration_error
    return (
        Cell(short(model.name), model=place),
        Cell(number(error, 4), error),
        _NONE if fitted.value is None else Cell(number(fitted.value, 3), fitted.value),
        _NONE if after is None else Cell(number(after.value, 4), after.value),
        Cell(number(fitted.cross_entropy_before, 4), fitted.cross_entropy_before),
        _NONE
        if fitted.cross_entropy is None
        else Cell(number(fitted.cross_entropy, 4), fitted.cross_entropy),
    )


def _figure(place: int, model: Model, drawer: Drawer) -> Figure:
    name, after = short(model.name), model.temperature.bins
    svg = charts.reliability(model.reliability, after, place, drawer, title=f"Reliability of {name}")
    head: tuple[str, ...] = ("probability", "examples", "mean", "share right")
    rows = []
    for before, then in zip_longest(model.reliability, after or ()):
        if not before.examples and not (then is not None and then.examples):
            continue
        span = f"{before.low:.3f}\u00a0to\u00a0{before.high:.3f}"
        rows.append((Cell(span), *_cells(before), *(() if then is None else _cells(then))))
    if after is not None:
        head += ("after: examples", "mean", "share right")
    table = Table(f"Reliability of {name}, by bins", head, tuple(rows), numeric=columns(*range(1, len(head))))
    value = model.temperature.value
    said = "" if value is None else f"Temperature {number(value, 3)}: {_sure(value)}."
    return Figure(name, said, svg, table)


def _sure(temperature: float) -> str:
    if f"{temperature:.2f}" == "1.00":
        return "as sure as it should be"
    return "more sure than it should be" if temperature > 1 else "less sure than it could be"


def _cells(one: ReliabilityBin) -> tuple[Cell, ...]:
    if one.confidence is None or one.accuracy is None:
        return (Cell("0", 0), _NONE, _NONE)
    found = one.accuracy
    aside = "" if found.low is None else f"[{number(found.low, 3)}, {number(found.high, 3)}]"
    return (
        Cell(f"{one.examples:,}", one.examples),
        Cell(number(one.confidence, 3), one.confidence),
        Cell(number(found.value, 3), found.value, aside),
    )
