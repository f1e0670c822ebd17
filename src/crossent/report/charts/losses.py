"""The losses of one model against those of another: points, or a density where there are many."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from crossent.differences import MORE_WRONG
from crossent.report.charts.svg import FAINT, INK, MUTED, PAPER, Drawer, Legible, colour, rows, shape

Floats = NDArray[np.float64]

FEW = 400
"""Up to this many examples each is a point of its own."""

MARKED = 300
"""As many of the marked examples are drawn one by one."""

_LOWEST, _HIGHEST_LOW = -4, -2  # powers of ten at which the axes may begin
_BINS = 36
_SIDE = 235
_TICKS = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0)


def plane(
    a: Floats,
    b: Floats,
    names: tuple[str, str],
    places: tuple[int, int],
    half_from: float | None,
    drawer: Drawer,
) -> str:
    """Cross-entropies of b over those of a, both on logarithmic axes; above the diagonal b costs more.

    ``half_from`` is the difference from which on the fewest examples make half of the gap.
    """
    low, high = _range(a, b)
    x, y = (np.clip(values, low, high) for values in (a, b))
    shown = Legible.of(names).names
    across, up = _axes(shown, low, high)
    marked = _marked(a, b, half_from)
    dense = len(a) > FEW
    layers: list[Any] = [_band(across, up, low, high), _band_name(across, up, low)]
    if dense:
        layers.append(_density(x, y, low, high))
    else:
        points = alt.Chart(rows(_points(x[~marked], y[~marked])))
        hollow = points.mark_point(filled=False, color=MUTED, size=22, opacity=0.75, strokeWidth=1)
        layers.append(hollow.encode(x=across, y=up))
    layers.append(_line(0.0, low, high, across, up).mark_line(color=MUTED, strokeWidth=1))
    if half_from is not None:
        worse = places[1] if half_from > 0 else places[0]
        line = _line(half_from, low, high, across, up)
        layers.append(line.mark_line(color=colour(worse), strokeDash=[5, 3], strokeWidth=1.5))
        chosen = np.flatnonzero(marked)[:MARKED]
        layers.append(
            alt.Chart(rows(_points(x[chosen], y[chosen])))
            .mark_point(
                filled=not dense, shape=shape(worse), color=colour(worse), size=26, opacity=0.9, strokeWidth=1
            )
            .encode(x=across, y=up)
        )
    chart = alt.layer(*layers).properties(width=_SIDE, height=_SIDE)
    title = f"Losses of {shown[1]} against those of {shown[0]}"
    return drawer.svg(chart, title, _in_words(a, b, shown, int(marked.sum())), scale=1.4)


def _range(a: Floats, b: Floats) -> tuple[float, float]:
    """Where the axes begin, at a power of ten, and end."""
    finite = np.concatenate([a[np.isfinite(a)], b[np.isfinite(b)]])
    least = max(float(finite.min(initial=1.0)), 10.0**_LOWEST)
    low = 10.0 ** min(_HIGHEST_LOW, math.floor(math.log10(least)))
    return low, max(1.0, float(finite.max(initial=1.0))) * 1.3


def _axes(names: tuple[str, ...], low: float, high: float) -> tuple[Any, Any]:
    shown = [tick for tick in _TICKS if low <= tick <= high]
    ticks = alt.Axis(values=shown, tickCount=len(_TICKS), format="~g", grid=False)
    across = alt.X("x:Q", title=f"cross-entropy of {names[0]}", scale=_scale(low, high), axis=ticks)
    return across, alt.Y("y:Q", title=f"cross-entropy of {names[1]}", scale=_scale(low, high), axis=ticks)


def _scale(low: float, high: float) -> Any:
    return alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)


def _difference(a: Floats, b: Floats) -> Floats:
    with np.errstate(invalid="ignore"):  # infinite in both
        return b - a


def _marked(a: Floats, b: Floats, half_from: float | None) -> NDArray[np.bool_]:
    """The fewest examples that make half of the gap."""
    if half_from is None:
        return np.zeros(len(a), bool)
    difference = _difference(a, b)
    return difference >= half_from if half_from > 0 else difference <= half_from


def _in_words(a: Floats, b: Floats, names: tuple[str, ...], marked: int) -> str:
    difference = _difference(a, b)
    above, below = (int(np.count_nonzero(sign * difference > MORE_WRONG)) for sign in (1, -1))
    half = f"; {marked:,} examples beyond the dashed line make half of the gap" if marked else ""
    return (
        f"Of {len(a):,} examples {names[1]} costs over {MORE_WRONG:g} nat more on {above:,}, "
        f"{names[0]} on {below:,}{half}."
    )


def _band_name(across: Any, up: Any, low: float) -> Any:
    where = alt.Chart(rows([{"x": MORE_WRONG * 0.8, "y": low * 1.25, "said": "about equal"}]))
    text = where.mark_text(color=MUTED, fontSize=11, align="right", baseline="bottom")
    return text.encode(x=across, y=up, text="said:N")


def _points(x: Floats, y: Floats) -> list[dict[str, float]]:
    return [{"x": float(f"{p:.4g}"), "y": float(f"{q:.4g}")} for p, q in zip(x, y, strict=True)]


def _line(difference: float, low: float, high: float, across: Any, up: Any) -> Any:
    """Where b costs ``difference`` more than a."""
    start = np.geomspace(low, high, 60)
    x, y = (start, start + difference) if difference >= 0 else (start - difference, start)
    inside = (x <= high) & (y <= high)
    return alt.Chart(rows(_points(x[inside], y[inside]))).encode(x=across, y=up)


def _band(across: Any, up: Any, low: float, high: float) -> Any:
    """Where the two differ by no more than what counts as about equal."""
    x = np.geomspace(low, high, 60)
    data = [
        {
            "x": float(f"{p:.4g}"),
            "y": float(f"{max(low, p - MORE_WRONG):.4g}"),
            "y2": float(f"{min(high, p + MORE_WRONG):.4g}"),
        }
        for p in x
    ]
    return alt.Chart(rows(data)).mark_area(color=FAINT, opacity=0.22).encode(x=across, y=up, y2="y2:Q")


def _density(x: Floats, y: Floats, low: float, high: float) -> Any:
    """Squares the stronger the more examples they hold, on a logarithmic scale."""
    edges = np.geomspace(low, high, _BINS + 1)
    places = [np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _BINS - 1) for values in (x, y)]
    counts = np.bincount(places[0] * _BINS + places[1], minlength=_BINS * _BINS)
    data = []
    for cell in np.flatnonzero(counts).tolist():
        i, j = divmod(cell, _BINS)
        data.append(
            {
                "x": float(f"{edges[i]:.4g}"),
                "x2": float(f"{edges[i + 1]:.4g}"),
                "y": float(f"{edges[j]:.4g}"),
                "y2": float(f"{edges[j + 1]:.4g}"),
                "n": int(counts[cell]),
            }
        )
    most = math.log10(int(counts.max()) + 1)
    return (
        alt.Chart(rows(data))
        .transform_calculate(depth=f"log(datum.n + 1) / LN10 / {most:.6g}")
        .mark_rect(color=INK, stroke=PAPER, strokeWidth=0.5)  # or seams show in print
        .encode(
            x=alt.X("x:Q", scale=_scale(low, high)),
            x2="x2:Q",
            y=alt.Y("y:Q", scale=_scale(low, high)),
            y2="y2:Q",
            fillOpacity=alt.FillOpacity(
                "depth:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 0.9]), legend=None
            ),
        )
    )
