"""Figures by class, slice or confused pair: rows of marks or of numbers; confusion as a grid of counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from crossent.report.charts.svg import (
    GRID,
    INK,
    PAPER,
    WIDTH,
    Drawer,
    Legible,
    by_model,
    name_axis,
    room,
    rows,
)

MARKED = 2
"""Up to so many models have marks; of more there are numbers."""

_ROW = 21
_STRONGEST = 0.42  # opacity at which numbers in ink are still legible, light and dark
_WIDEST, _LETTER = 335, 8.0  # of labels and numbers together, and of one letter
_SMALL = 0.1  # a share of mistakes below this is never the strongest
_NUMBERED = 10  # models up to which a row of numbers is wide enough for them
_ABOVE: dict[str, Any] = {"orient": "top", "labelAngle": -60, "grid": False}


def by_row(
    labels: Sequence[str],
    values: Sequence[Sequence[float]],
    models: Sequence[str],
    drawer: Drawer,
    *,
    title: str,
    axis: str,
    width: int = 18,
) -> str:
    """A row for each label, with marks or numbers of the models; ``values`` are by label, then by model."""
    draw = _marks if len(models) <= MARKED else _numbers
    chart = draw(labels, values, Legible.of(models, 14).names, axis, width)
    said = f"{axis} for {len(labels)} rows and {len(models)} models; its table has the numbers."
    return drawer.svg(chart, title, said)


def _marks(
    labels: Sequence[str], values: Sequence[Sequence[float]], names: Sequence[str], axis: str, width: int
) -> Any:
    """A mark for each model, and a line between them."""
    shown = Legible.of(labels, width).names
    data = [one for one in _rows(shown, values, names) if math.isfinite(one["value"])]
    whole: dict[str, Any] = {}
    if all(float(one["value"]).is_integer() for one in data):
        whole = {"tickMinStep": 1, "format": ",d"}
    scale = alt.Scale(domain=list(shown), padding=0.4)
    y = alt.Y("row:N", sort=None, title=None, scale=scale, axis=name_axis(shown, labelPadding=10))
    scale = alt.Scale(zero=False, nice=True)
    x = alt.X("value:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=4, **whole))
    beside = alt.YOffset("model:N", scale=alt.Scale(domain=list(names)))  # both are seen where they are equal
    told = {channel: by_model(names, range(len(names)), channel) for channel in ("color", "shape")}
    base = alt.Chart(rows(data))
    lines = base.mark_rule(color=GRID, strokeWidth=2).encode(x="min(value):Q", x2="max(value):Q", y=y)
    points = base.mark_point(filled=True, size=55, opacity=1, stroke=PAPER, strokeWidth=0.7).encode(
        x=x, y=y, yOffset=beside, **told
    )
    return alt.layer(lines, points).properties(
        width=WIDTH - 6 * max(map(len, shown)), height=_ROW * len(shown)
    )


def _numbers(
    labels: Sequence[str], values: Sequence[Sequence[float]], names: Sequence[str], axis: str, width: int
) -> Any:
    """A cell for each model; what is wider than a telephone loses parts of its labels, not of its numbers."""
    finite = [value for of_label in values for value in of_label if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    form = ",.0f" if all(float(value).is_integer() for value in finite) else ".2f" if high < 10 else ".1f"
    numbered = len(names) <= _NUMBERED
    longest = max((len(format(value, form)) for value in finite), default=0) if numbered else 0
    side = max(19.0, 5.0 + 6.0 * longest, min(40.0, (WIDTH - 130) / len(names)))
    shown = Legible.of(labels, max(10, min(width, int((_WIDEST - side * len(names)) / _LETTER)))).names
    cells = [
        one
        | {
            "share": min(1.0, (one["value"] - low) / ((high - low) or 1.0)),
            "said": format(one["value"], form) if numbered else "",
        }
        for one in _rows(shown, values, names)
    ]
    scale = alt.Scale(domain=list(names))
    x = alt.X("model:N", sort=None, title=axis, scale=scale, axis=name_axis((), **_ABOVE))
    y = alt.Y("row:N", sort=None, title=None, scale=alt.Scale(domain=list(shown)), axis=name_axis(shown))
    return _shaded(cells, x, y, 1.0, 10).properties(width=side * len(names), height=_ROW * len(shown))


def _rows(
    labels: Sequence[str], values: Sequence[Sequence[float]], names: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {"row": label, "model": name, "value": value}
        for label, of_label in zip(labels, values, strict=True)
        for name, value in zip(names, of_label, strict=True)
    ]


def grid(counts: Mapping[tuple[int, int], int], classes: Sequence[str], drawer: Drawer, *, title: str) -> str:
    """Counts by label, row, and prediction, column; mistakes are the stronger the larger a share they are."""
    names = Legible.of(classes, 12).names
    data: list[dict[str, Any]] = []
    for i, label in enumerate(names):
        found = [counts.get((i, j), 0) for j in range(len(names))]
        data += [
            {
                "label": label,
                "predicted": predicted,
                "said": f"{found[j]:,}" if found[j] else "",
                "share": 0.0 if i == j or not found[j] else found[j] / sum(found),
            }
            for j, predicted in enumerate(names)
        ]
    most = max(_SMALL, *(one["share"] for one in data))
    side = max(19.0, min(40.0, (WIDTH - 80) / len(names)))
    scale = alt.Scale(domain=list(names))
    above = _ABOVE | ({"labelAngle": 0} if room(names) < side else {})
    x = alt.X("predicted:N", sort=None, title="predicted", scale=scale, axis=name_axis((), **above))
    y = alt.Y("label:N", sort=None, title="label", scale=scale, axis=name_axis(names))
    chart = _shaded(data, x, y, most, 10 if side < 30 else 12)
    mistakes = sum(times for (i, j), times in counts.items() if i != j)
    return drawer.svg(
        chart.properties(width=side * len(names), height=side * len(names)),
        title,
        f"{mistakes:,} mistakes by label and prediction; its table has every count.",
        scale=1.4,
    )


def _shaded(data: Sequence[Mapping[str, Any]], x: Any, y: Any, most: float, size: int) -> Any:
    """Cells that say what they hold, the stronger the larger their share of ``most``."""
    base = alt.Chart(rows(data))
    scale = alt.Scale(domain=[0, most], range=[0, _STRONGEST])
    filled = base.mark_rect(color=INK, stroke=GRID, strokeWidth=1).encode(
        x=x, y=y, fillOpacity=alt.FillOpacity("share:Q", scale=scale, legend=None)
    )
    return alt.layer(filled, base.mark_text(fontSize=size, color=INK).encode(x=x, y=y, text="said:N"))
