"""Figures by class, slice or confused pair as rows of marks, and confusion as a grid of counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import altair as alt

from crossent.report.charts.svg import GRID, INK, PAPER, WIDTH, Drawer, Legible, by_model, rows

_ROW, _MARK = 21, 6
_TOGETHER = 2  # models whose marks may share a line
_DARKEST = 0.1  # a share of mistakes below this is never the darkest


def dots(
    labels: Sequence[str],
    values: Sequence[Sequence[float | None]],
    models: Sequence[str],
    drawer: Drawer,
    *,
    title: str,
    axis: str,
    width: int = 18,
) -> str:
    """A row for each label with a mark for each model; ``values`` are by label, then by model."""
    names, shown = Legible.of(models).names, Legible.of(labels, width).names
    data = [
        {"row": label, "model": name, "value": value}
        for label, of_label in zip(shown, values, strict=True)
        for name, value in zip(names, of_label, strict=True)
        if value is not None and math.isfinite(value)
    ]
    y = alt.Y(
        "row:N",
        sort=None,
        title=None,
        scale=alt.Scale(domain=list(shown), padding=0.4),
        axis=alt.Axis(ticks=False, labelPadding=10),
    )
    x = alt.X("value:Q", title=axis, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=4))
    base = alt.Chart(rows(data))
    beside = alt.YOffset("model:N", scale=alt.Scale(domain=list(names)))
    apart = {"yOffset": beside} if len(names) > _TOGETHER else {}
    lines = base.mark_rule(color=GRID, strokeWidth=2).encode(x="min(value):Q", x2="max(value):Q", y=y)
    points = base.mark_point(
        filled=True, size=60 if len(names) <= _TOGETHER else 40, opacity=1, stroke=PAPER, strokeWidth=0.7
    ).encode(x=x, y=y, color=by_model(names, "colour"), shape=by_model(names, "shape"), **apart)
    chart = alt.layer(lines, points).properties(
        width=WIDTH - 6 * min(width, max(map(len, shown))), height=max(_ROW, _MARK * len(names)) * len(shown)
    )
    return drawer.svg(
        chart, title, f"{axis} for {len(labels)} rows and {len(models)} models; its table has the numbers."
    )


def grid(counts: Mapping[tuple[int, int], int], classes: Sequence[str], drawer: Drawer, *, title: str) -> str:
    """Counts by label, row, and prediction, column; mistakes are the darker the larger a share they are."""
    names = Legible.of(classes, 12).names
    totals = [sum(counts.get((i, j), 0) for j in range(len(names))) for i in range(len(names))]
    shares = {(i, j): 0.0 if i == j else times / totals[i] for (i, j), times in sorted(counts.items())}
    data = [
        {"label": names[i], "predicted": names[j], "count": counts[i, j], "share": share}
        for (i, j), share in shares.items()
    ]
    most = max(shares.values(), default=0.0) or 1.0
    side = max(19.0, min(40.0, (WIDTH - 80) / len(names)))
    x = alt.X(
        "predicted:N",
        sort=None,
        title="predicted",
        scale=alt.Scale(domain=list(names)),
        axis=alt.Axis(orient="top", labelAngle=-60 if len(names) > 3 else 0, ticks=False, grid=False),
    )
    y = alt.Y(
        "label:N", sort=None, title="label", scale=alt.Scale(domain=list(names)), axis=alt.Axis(ticks=False)
    )
    base = alt.Chart(rows(data))
    cells = base.mark_rect(color=INK, stroke=GRID, strokeWidth=1).encode(
        x=x,
        y=y,
        fillOpacity=alt.FillOpacity(
            "share:Q", scale=alt.Scale(domain=[0, max(most, _DARKEST)], range=[0, 0.85]), legend=None
        ),
    )
    size = 10 if side < 30 else 12
    counted = alt.Text("count:Q", format=",d")
    dark = (
        base.transform_filter(f"datum.share > {0.6 * max(most, _DARKEST)}")
        .mark_text(fontSize=size, color=PAPER)
        .encode(x=x, y=y, text=counted)
    )
    light = (
        base.transform_filter(f"datum.share <= {0.6 * max(most, _DARKEST)}")
        .mark_text(fontSize=size, color=INK)
        .encode(x=x, y=y, text=counted)
    )
    chart = alt.layer(cells, light, dark).properties(width=side * len(names), height=side * len(names))
    mistakes = sum(times for (i, j), times in counts.items() if i != j)
    return drawer.svg(
        chart, title, f"{mistakes:,} mistakes by label and prediction; its table has every count.", scale=1.4
    )
