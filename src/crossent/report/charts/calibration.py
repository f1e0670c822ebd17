"""Reliability of a model's top class with counts and bands, before and after a temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from crossent.calibration import ReliabilityBin
from crossent.report.charts.svg import FAINT, GRID, INK, MUTED, Drawer, colour, rows, shape

_SIDE = 225
_TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability(
    before: Sequence[ReliabilityBin],
    after: Sequence[ReliabilityBin] | None,
    model: int,
    drawer: Drawer,
    *,
    title: str,
) -> str:
    """The share of right predictions over what the model said of them, and how many there are of each."""
    x = alt.X(
        "said:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=_TICKS, tickCount=len(_TICKS), labels=False, ticks=False, grid=False),
    )
    y = alt.Y(
        "right:Q",
        title="share that is right",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=_TICKS, tickCount=len(_TICKS), format="~g", labelOverlap=False),
    )
    diagonal = alt.Chart(rows([{"said": 0, "right": 0}, {"said": 1, "right": 1}]))
    layers: list[Any] = [diagonal.mark_line(color=FAINT, strokeWidth=1).encode(x=x, y=y)]
    base = alt.Chart(rows(_data(before)))
    layers.append(base.mark_rule(color=colour(model), strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q"))
    if after is not None:
        changed = alt.Chart(rows(_data(after)))
        layers.append(changed.mark_line(color=MUTED, strokeWidth=1, strokeDash=[3, 2]).encode(x=x, y=y))
        layers.append(
            changed.mark_point(filled=False, color=INK, size=30, opacity=1, strokeWidth=1.2).encode(x=x, y=y)
        )
    layers.append(base.mark_line(color=colour(model), strokeWidth=1.5).encode(x=x, y=y))
    layers.append(
        base.mark_point(filled=True, shape=shape(model), color=colour(model), size=45, opacity=1).encode(
            x=x, y=y
        )
    )
    most = max(one.examples for one in before)
    bars = (
        alt.Chart(
            rows([{"low": one.low, "high": one.high, "n": one.examples} for one in before if one.examples])
        )
        .mark_bar(color=colour(model), opacity=0.55, stroke=GRID, strokeWidth=0.5)
        .encode(
            x=alt.X(
                "low:Q",
                title="probability of the prediction",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(
                    values=_TICKS, tickCount=len(_TICKS), format="~g", grid=False, labelOverlap=False
                ),
            ),
            x2="high:Q",
            y=alt.Y(
                "n:Q",
                title="examples",
                scale=alt.Scale(type="sqrt"),
                axis=alt.Axis(values=[0, most], format=",d", grid=False),
            ),
            y2=alt.value(48),
        )
        .properties(width=_SIDE, height=48)
    )
    chart = alt.vconcat(alt.layer(*layers).properties(width=_SIDE, height=_SIDE), bars, spacing=8)
    said = ", ".join(
        f"{one.confidence:.2f} said, {one.accuracy.value:.2f} right"
        for one in before
        if one.confidence is not None and one.accuracy is not None
    )
    return drawer.svg(chart, title, f"{said}.", scale=1.4)


def _data(bins: Sequence[ReliabilityBin]) -> list[dict[str, Any]]:
    return [
        {
            "said": one.confidence,
            "right": one.accuracy.value,
            "low": one.accuracy.low,
            "high": one.accuracy.high,
        }
        for one in bins
        if one.confidence is not None and one.accuracy is not None
    ]
