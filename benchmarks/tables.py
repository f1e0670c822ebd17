"""Measurements as text, as records for JSON, and as a picture: no figure is made in here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from benchmarks.exactness import Check
from benchmarks.targets import EAGER, Row, Target, copying, fastest, title


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns as wide as they must be, two blanks apart; so many of them flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "\n".join(lines)


def figure(value: float | None, digits: int = 3) -> str:
    """To so many significant digits; a dash where there is none."""
    if value is None:
        return "–"
    if value == 0 or 0.01 <= abs(value) < 100_000:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else digits - 1
        return f"{value:.{decimals}f}"
    return f"{value:.1e}"


def of_rows(rows: Sequence[Row]) -> str:
    """Times, ratios and errors; the rows of a shape stand together."""
    head = ["shape", "contender", "ms", "quartiles", "rounds", "copies", "× eager", "× peer", "ulp", "halves"]
    lines = [head]
    for _, group in groupby(rows, key=lambda row: row.shape):
        of_shape = list(group)
        copy, best = copying(of_shape), fastest(of_shape)
        eager = next((row.time.median for row in of_shape if row.contender == EAGER), None)
        for row in of_shape:
            time = row.time
            lines.append(
                [
                    title(row.shape),
                    row.contender,
                    figure(time.median * 1e3),
                    f"{figure(time.low * 1e3)}–{figure(time.high * 1e3)}",
                    str(time.rounds),
                    figure(None if copy is None else time.median / copy),
                    figure(None if eager is None else eager / time.median),
                    figure(None if best is None else best.time.median / time.median),
                    figure(row.errors.loss),
                    figure(row.errors.matrix),
                ]
            )
    return aligned(lines, left=2)


def of_targets(targets: Sequence[Target]) -> str:
    """Each with its limit and whether it is met."""
    lines = [["target", "", "figure", "limit", "", "compared"]]
    for target in targets:
        sign = (">" if target.least else "<") if target.strictly else ("≥" if target.least else "≤")
        met = "met" if target.met else "MISSED"
        limit = f"{sign} {figure(target.limit)}"
        lines.append([target.where, target.words, figure(target.figure), limit, met, target.beside])
    return aligned(lines, left=2)


def of_checks(checks: Sequence[Check]) -> str:
    """Promises on exactness; what is kept everywhere is one line a case."""
    lines = [["case", "promise", "error", "bound", ""]]
    lines += [
        [
            check.case,
            check.promise,
            figure(check.error),
            figure(check.bound),
            "ok" if check.kept else "BROKEN",
        ]
        for check in checks
    ]
    return aligned(lines, left=2)


def record(thing: Row | Target | Check) -> dict[str, Any]:
    """Its fields, and what follows from them."""
    fields = asdict(thing)  # a named tuple stays one, which JSON would make a list of
    match thing:
        case Row():
            return fields | {"errors": thing.errors._asdict()}
        case Target():
            return fields | {"met": thing.met}
        case Check():
            return fields | {"kept": thing.kept}


def draw(sections: Iterable[tuple[str, Sequence[Row]]], path: str) -> None:
    """Median times with their quartiles, in copies, to an .svg, .png or .html file."""
    import altair as alt

    values = []
    for name, rows in sections:
        for shape, group in groupby(rows, key=lambda row: row.shape):
            of_shape = list(group)
            scale = copying(of_shape) or 1e-3
            values += [
                {
                    "section": name,
                    "shape": title(shape),
                    "contender": row.contender,
                    "ours": "crossent" if row.ours else "peers",
                    "time": row.time.median / scale,
                    "low": row.time.low / scale,
                    "high": row.time.high / scale,
                }
                for row in of_shape
                if row.library != "copy"
            ]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        y=alt.Y("contender:N", title=None),
        color=alt.Color("ours:N", title=None),
        shape=alt.Shape("ours:N", title=None),
    )
    time = "time, in copies of the logits"
    points = base.mark_point(filled=True, size=60).encode(x=alt.X("time:Q", title=time).scale(type="log"))
    quartiles = base.mark_rule().encode(x=alt.X("low:Q", title=time), x2="high:Q")
    chart = (
        alt.layer(quartiles, points)
        .properties(width=260)
        .facet(
            row=alt.Row("section:N", title=None),
            column=alt.Column("shape:N", title=None, sort=None),
        )
    )
    chart.resolve_scale(y="independent", x="independent").save(path)
