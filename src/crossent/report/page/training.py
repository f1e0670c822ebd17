"""Learning curves of the models whose source is a training run with metrics."""

from __future__ import annotations

from crossent.comparison import Comparison
from crossent.report.cells import short
from crossent.report.charts import training as charts
from crossent.report.charts.svg import Drawer
from crossent.report.metrics import Metrics, metrics_of
from crossent.report.page.tables import Cell, Figure, Section, Table, columns

_COLUMNS = (
    ("train_loss", "training loss"),
    ("validation_cross_entropy", "validation cross-entropy"),
    ("train_accuracy", "training accuracy"),
    ("validation_classification_error", "validation error"),
    ("seconds", "seconds"),
)


def training(comparison: Comparison, drawer: Drawer) -> Section | None:
    """Losses and errors of each run, epoch by epoch."""
    figures: list[Figure] = []
    for place, source in enumerate(comparison.sources):
        found = metrics_of(source.origin)
        if found is not None:
            figures += _figures(place, short(source.name), found, drawer)
    if not figures:
        return None
    words = (
        "Dashed: on the training examples. Solid: on the validation examples, with its lowest value marked."
    )
    return Section("training", "Training", (words,), figures=tuple(figures))


def _figures(place: int, name: str, found: Metrics, drawer: Drawer) -> list[Figure]:
    accuracy = found.of("train_accuracy")
    error = tuple(None if value is None else 1 - value for value in accuracy)
    curves = (
        ("Loss", found.of("train_loss"), found.of("validation_cross_entropy"), "nats"),
        ("Error", error, found.of("validation_classification_error"), "share wrong"),
    )
    figures: list[Figure] = []
    for title, trained, validated, axis in curves:
        if all(value is None for value in (*trained, *validated)):
            continue
        whole = f"{title} of {name}, by epoch"
        svg = charts.curves(found.epochs, trained, validated, place, drawer, title=whole, axis=axis)
        figures.append(Figure(whole, "", svg, _table(name, found) if not figures else None))
    return figures


def _table(name: str, found: Metrics) -> Table:
    known = [(column, title) for column, title in _COLUMNS if any(v is not None for v in found.of(column))]
    rows = tuple(
        (
            Cell(f"{epoch:g}", epoch),
            *(_cell(found.of(column)[line]) for column, _ in known),
        )
        for line, epoch in enumerate(found.epochs)
    )
    head = ("epoch", *(title for _, title in known))
    return Table(f"Training of {name}", head, rows, numeric=columns(*range(1, len(head))))


def _cell(value: float | None) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:.4g}", value)
