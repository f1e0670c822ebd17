"""A comparison as plain text: the table, the verdict, what the gap is made of, the signature.

Plain characters only: the same text goes to a terminal, a file and a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crossent.comparison import Comparison
from crossent.report.cells import (
    after_temperature,
    difference_lines,
    half_of_gap,
    header,
    measure_rows,
    notes,
    parts,
    slice_rows,
)
from crossent.wording import number, shortened, visible

_GAP = 4
_WRONG_WIDTH = 16
_TYPICAL_INDENT = 7
_MOST_SHOWN_CLASSES = 10


def as_text(comparison: Comparison, *, show: bool = False) -> str:
    """The comparison as it is printed; ``show`` adds every example, where there are at most 20."""
    blocks = [[header(comparison)], _table(comparison) + notes(comparison)]
    if show and comparison.shown:
        blocks.append(_examples(comparison))
    blocks += [_verdict(comparison), aligned(slice_rows(comparison)), [str(comparison.signature)]]
    return "\n\n".join("\n".join(map(visible, block)) for block in blocks if block)


def _table(comparison: Comparison) -> list[str]:
    rows = measure_rows(comparison)
    names = [""] + [row.name for row in rows]
    columns = [
        _column("wrong", [row.wrong for row in rows], width=_WRONG_WIDTH, indent=0),
        _column("squared error", [row.squared_error for row in rows]),
        _column("cross-entropy", [row.cross_entropy for row in rows]),
        _column("typical q of the label", [row.typical for row in rows], indent=_TYPICAL_INDENT),
    ]
    named = max(map(len, names)) + _GAP
    return [
        (name.ljust(named) + (" " * _GAP).join(cells)).rstrip()
        for name, *cells in zip(names, *columns, strict=True)
    ]


def _column(title: str, cells: Sequence[str], *, width: int = 0, indent: int | None = None) -> list[str]:
    """The title centred over its cells; cells stand in the middle of a wider title, or at ``indent``."""
    cell = max(map(len, cells))
    width = max(width, len(title), cell)
    start = (width - cell + 1) // 2 if indent is None else min(indent, width - cell)
    lines = [" " * ((width - len(title)) // 2) + title]
    lines += [" " * start + text.rjust(cell) for text in cells]
    return [line.ljust(width) for line in lines]


def _verdict(comparison: Comparison) -> list[str]:
    """Two models: what these examples show, and the differences or, without any, the second sentence."""
    differences = difference_lines(comparison)
    if len(comparison.pairs) != 1:
        return [comparison.verdict, *differences]
    (pair,) = comparison.pairs
    lines = [pair.description]
    if comparison.options.measure != "squared_error":  # the sentence above speaks of the cross-entropy
        gap = (cell(pair, comparison) for cell in (parts, half_of_gap, after_temperature))
        lines += [f"  {line}" for line in gap if line]
    return lines + (differences or [pair.beyond])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _examples(comparison: Comparison) -> list[str]:
    """Every example with its label, each model's q and losses."""
    few = len(comparison.classes) <= _MOST_SHOWN_CLASSES
    order = f" ({', '.join(comparison.classes)})" if few else ""
    titles = ["example", f"label p{order}" if few else "label"]
    for name in comparison.models:
        titles += [f"{name} q" if few else f"{name} q of the label", "squared error", "cross-entropy"]
    rows = [titles]
    for example in comparison.shown:
        label = [1.0 if place == example.label else 0.0 for place in range(len(comparison.classes))]
        p = _numbers(example.label_probs or label) if few else comparison.classes[example.label]
        row = [shortened(example.id, 40) if example.id is not None else f"row {example.row + 1}", p]
        for output in example.outputs:
            q = _numbers(output.probs or ()) if few else f"{output.of_label:.3g}"
            row += [q, number(output.squared_error, 4), number(output.cross_entropy, 4)]
        rows.append(row)
    return aligned(rows)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.3g}" for value in values)
