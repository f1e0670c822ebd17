"""The measures of all models, the paired differences, and the parts of the gap, as dots and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from crossent.comparison import Comparison
from crossent.differences import PARTS
from crossent.report.cells import BASELINE
from crossent.report.charts.svg import (
    FAINT,
    GRID,
    INK,
    MUTED,
    WIDTH,
    Drawer,
    Legible,
    by_model,
    name_axis,
    rows,
)
from crossent.results import Pair
from crossent.wording import NAMES, Measure, number, signed

_ROW = 26
_PARTS_WIDTH = WIDTH - 90
_DIGIT = 9  # of a number beside a bar, with what parts them
_FAR = 0.5  # ranges of the models by which the baseline may lie outside before it is only told
_PART_LABELS = ("both right", "only {a} wrong", "only {b} wrong", "both wrong")


def drawn_pairs(comparison: Comparison) -> list[Pair]:
    """The pairs that are drawn: each model against the first."""
    first = next(iter(comparison.models))
    return [pair for pair in comparison.pairs if pair.a == first]


def measure_chart(comparison: Comparison, measure: Measure, drawer: Drawer, places: int) -> str:
    """One measure of every model, with its interval, beside the baseline."""
    names = Legible.of(list(comparison.models)).names
    found = [model.by(measure) for model in comparison.models.values()]
    data = [
        {
            "model": name,
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "shown": number(one.value, places),
        }
        for name, one in zip(names, found, strict=True)
    ]
    known = [one for one in data if math.isfinite(float(one["value"] or 0))]
    floor = float(getattr(comparison.baseline, measure))
    ends = [
        float(value)
        for one in known
        for value in (one["low"], one["high"], one["value"])
        if value is not None
    ]
    domain, near = _domain(ends, floor)
    y = alt.Y("model:N", sort=None, title=None, scale=alt.Scale(domain=list(names)), axis=name_axis(names))
    x = alt.X("value:Q", title=None, scale=alt.Scale(domain=domain, nice=False, zero=False))
    base = alt.Chart(rows(known))
    layers: list[Any] = []
    if near:
        rule = alt.Chart(rows([{"value": floor, "said": BASELINE}]))
        layers.append(rule.mark_rule(color=FAINT, strokeDash=[3, 3]).encode(x="value:Q"))
        right = floor > (domain[0] + domain[1]) / 2
        layers.append(
            rule.mark_text(
                color=MUTED,
                fontSize=12,
                align="right" if right else "left",
                dx=-4 if right else 4,
                dy=-7,
                y=0,
            ).encode(x="value:Q", text="said:N")
        )
    layers += _dots(base, x, y, names, range(len(names)))
    endless = [one | {"value": domain[1], "said": "inf"} for one in data if one not in known]
    if endless:
        layers.append(
            alt.Chart(rows(endless)).mark_text(align="right", color=INK).encode(x=x, y=y, text="said:N")
        )
    chart = alt.layer(*layers).properties(width=WIDTH - 60, height=_ROW * len(names) + 6)
    said = [f"{one['model']} {one['shown']}" for one in data]
    outside = "" if near else f"; {BASELINE}, {number(floor, places)}, lies outside"
    return drawer.svg(chart, NAMES[measure], f"{', '.join(said)}{outside}.")


def _domain(ends: Sequence[float], floor: float) -> tuple[list[float], bool]:
    low, high = (min(ends), max(ends)) if ends else (0.0, floor)
    span = (high - low) or max(abs(high), 1e-9) * 0.2
    near = low - _FAR * span <= floor <= high + _FAR * span
    if near:
        low, high = min(low, floor), max(high, floor)
        span = (high - low) or span
    return [max(0.0, low - 0.06 * span), high + 0.06 * span], near


def _dots(base: Any, x: Any, y: Any, names: Sequence[str], places: Sequence[int]) -> list[Any]:
    """Whiskers where there are intervals, and a mark in colour and shape."""
    told = by_model(names, places, "color")
    bounded = base.transform_filter("isValid(datum.low) && isValid(datum.high)")
    whiskers = bounded.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=told)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=x, y=y, color=told, shape=by_model(names, places, "shape")
    )
    return [whiskers, points]


def difference_chart(comparison: Comparison, measure: Measure, drawer: Drawer) -> str:
    """The paired differences in one measure, each against the first model, around 0."""
    pairs = drawn_pairs(comparison)
    order = list(comparison.models)
    names = Legible.of([pair.b for pair in pairs]).names
    data = []
    for pair, name in zip(pairs, names, strict=True):
        found = pair.by(measure)
        if found.difference is not None and math.isfinite(found.difference):
            data.append({"model": name, "value": found.difference, "low": found.low, "high": found.high})
    ends = [abs(_float(v)) for one in data for v in (one["value"], one["low"], one["high"]) if v is not None]
    reach = max(ends, default=0.0) * 1.08 or 1.0
    title = f"{names[0]} − {_first(comparison)}" if len(pairs) == 1 else f"minus {_first(comparison)}"
    shown = name_axis(names) if len(pairs) > 1 else None
    y = alt.Y("model:N", sort=None, title=None, scale=alt.Scale(domain=list(names)), axis=shown)
    x = alt.X("value:Q", title=title, scale=alt.Scale(domain=[-reach, reach], nice=False))
    base = alt.Chart(rows(data))
    zero = alt.Chart(rows([{"value": 0}])).mark_rule(color=MUTED).encode(x="value:Q")
    layers = _dots(base, x, y, names, [order.index(pair.b) for pair in pairs])
    wide = WIDTH - 60 if len(pairs) > 1 else WIDTH - 20
    chart = alt.layer(zero, *layers).properties(width=wide, height=_ROW * len(names) + 6)
    said = [f"{one['model']} {signed(_float(one['value']), 4)}" for one in data]
    return drawer.svg(
        chart, title, f"Differences in {NAMES[measure]}: {', '.join(said) or 'none is finite'}."
    )


def _float(value: Any) -> float:
    return float(value)


def _first(comparison: Comparison) -> str:
    return Legible.of(list(comparison.models)).names[0]


def parts_chart(
    parts: Mapping[str, float], names: tuple[str, str], drawer: Drawer, places: int, *, title: str
) -> str:
    """The four parts of a pair's gap, which add up to it, by the names of `PARTS`."""
    a, b = Legible.of(names, 12).names
    labels = [label.format(a=a, b=b) for label in _PART_LABELS]
    data: list[dict[str, Any]] = [
        {"part": label, "value": parts[name]} for label, name in zip(labels, PARTS, strict=True)
    ]
    for one in data:
        one["said"] = signed(_float(one["value"]), places)
        one["end"] = max(0.0, _float(one["value"]))
    values = [_float(one["value"]) for one in data]
    low, high = min(0.0, *values), max(0.0, *values)
    room = max(len(one["said"]) for one in data) * _DIGIT / _PARTS_WIDTH  # for the numbers, right of the bars
    domain = [low, high + ((high - low) or 1.0) * room / (1 - room)]
    y = alt.Y("part:N", sort=None, title=None, axis=name_axis(labels))
    x = alt.X(
        "value:Q",
        title="nats",
        scale=alt.Scale(domain=domain, nice=False),
        axis=alt.Axis(tickCount=3),
    )
    base = alt.Chart(rows(data))
    bars = base.mark_bar(color=MUTED, height=14).encode(x=x, y=y)
    told = base.mark_text(align="left", dx=4, color=INK).encode(x="end:Q", y=y, text="said:N")
    zero = alt.Chart(rows([{"value": 0}])).mark_rule(color=GRID).encode(x="value:Q")
    chart = alt.layer(zero, bars, told).properties(width=_PARTS_WIDTH, height=_ROW * 4)
    said = ", ".join(f"{one['part']} {one['said']}" for one in data)
    return drawer.svg(chart, title, f"{said}.")
