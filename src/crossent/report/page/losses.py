"""The losses of each model against those of the first, example by example."""

from __future__ import annotations

from crossent.comparison import Comparison
from crossent.differences import MORE_WRONG
from crossent.report.cells import half_of_gap, short
from crossent.report.charts import losses as charts
from crossent.report.charts.models import drawn_pairs
from crossent.report.charts.svg import Drawer
from crossent.report.page.tables import Cell, Figure, Section, Table, columns
from crossent.results import Pair
from crossent.wording import count


def losses(comparison: Comparison, drawer: Drawer) -> Section | None:
    """One figure per model after the first."""
    if not comparison.pairs:
        return None
    drawn = comparison.drawn
    figures = tuple(_figure(pair, comparison, drawer) for pair in drawn_pairs(comparison))
    words = [
        "Every example by its two cross-entropies, on logarithmic axes; below 0.0001 they are drawn there, "
        "infinite ones at the other end. "
        f"In the grey band the two differ by no more than {MORE_WRONG:g} nat."
    ]
    if len(drawn.rows) > charts.FEW:
        words.append("The stronger a square, the more examples lie in it.")
    if len(drawn.rows) < comparison.example_count:
        words.append(
            f"Drawn are {len(drawn.rows):,} of {comparison.example_count:,}, chosen by the hash of their ids."
        )
    return Section("losses", "Example by example", (" ".join(words),), figures=figures)


def _figure(pair: Pair, comparison: Comparison, drawer: Drawer) -> Figure:
    order = list(comparison.models)
    place = comparison.pairs.index(pair)
    a, b = order.index(pair.a), order.index(pair.b)
    drawn = comparison.drawn
    half_from = drawn.half_from[place]
    svg = charts.plane(
        drawn.cross_entropy[a], drawn.cross_entropy[b], (pair.a, pair.b), (a, b), half_from, drawer
    )
    if half_from is not None:
        worse = pair.b if half_from > 0 else pair.a
        said = (
            f"{half_of_gap(pair, comparison).capitalize()}: those beyond the dashed line, where "
            f"{short(worse)} costs at least {abs(half_from):.3g} nats more."
        )
    elif pair.half_of_gap is not None:
        said = f"{half_of_gap(pair, comparison).capitalize()}; no single line parts them from the others."
    else:
        said = (
            "No examples are marked: which make half of a gap is asked only where it is decided and finite."
        )
    rows = tuple(
        (Cell(name), Cell(f"{times:,}", times))
        for name, times in (
            (f"{short(pair.a)} costs over {MORE_WRONG:g} nat more", pair.a_more_wrong),
            (f"{short(pair.b)} costs over {MORE_WRONG:g} nat more", pair.b_more_wrong),
            ("about equal", pair.about_equal),
        )
    )
    table = Table(
        f"Who costs more, of {count(comparison.example_count, 'example')}",
        ("", "examples"),
        rows,
        numeric=columns(1),
    )
    return Figure(f"{short(pair.b)} against {short(pair.a)}", said, svg, table)
