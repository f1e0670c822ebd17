"""Learning curves: what training and validation cost, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from crossent.report.charts.svg import INK, MUTED, WIDTH, Drawer, colour, rows, shape


def curves(
    epochs: Sequence[float],
    training: Sequence[float | None],
    validation: Sequence[float | None],
    model: int,
    drawer: Drawer,
    *,
    title: str,
    axis: str,
) -> str:
    """Two lines over the epochs: training dashed, validation solid with its lowest value marked."""
    data: list[dict[str, Any]] = [
        {"epoch": epoch, "of": of, "value": value}
        for of, values in (("training", training), ("validation", validation))
        for epoch, value in zip(epochs, values, strict=True)
        if value is not None
    ]
    x = alt.X("epoch:Q", title="epoch", scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickMinStep=1))
    y = alt.Y("value:Q", title=axis)
    base = alt.Chart(rows(data))
    dashed = base.transform_filter("datum.of == 'training'").mark_line(color=MUTED, strokeDash=[4, 3])
    solid = base.transform_filter("datum.of == 'validation'").mark_line(color=colour(model), strokeWidth=2)
    layers = [dashed.encode(x=x, y=y), solid.encode(x=x, y=y)]
    validated = [one for one in data if one["of"] == "validation"]
    said = "no validation"
    if validated:
        best = min(validated, key=lambda one: float(one["value"]))
        mark = alt.Chart(rows([best | {"said": f"{float(best['value']):.4g}"}]))
        point = mark.mark_point(filled=True, shape=shape(model), color=colour(model), size=70, opacity=1)
        layers += [point.encode(x=x, y=y), mark.mark_text(color=INK, dy=14).encode(x=x, y=y, text="said:N")]
        said = f"validation is lowest, {float(best['value']):.4g}, at epoch {best['epoch']:g}"
    chart = alt.layer(*layers).properties(width=WIDTH - 60, height=160)
    return drawer.svg(chart, title, f"{said}.")
