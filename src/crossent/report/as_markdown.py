"""A comparison as Markdown: what a pull request's comment wants."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
from crossent.wording import visible

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")


def as_markdown(comparison: Comparison) -> str:
    """The verdict first, then the table, the differences, the warnings and the signature."""
    blocks = [f"**{_escaped(comparison.verdict)}**", _escaped(header(comparison)), _table(comparison)]
    blocks += [f"- {_escaped(note)}" for note in notes(comparison)]
    lines = difference_lines(comparison)
    if len(comparison.pairs) == 1:
        gap = (cell(comparison.pairs[0], comparison) for cell in (parts, half_of_gap, after_temperature))
        lines += [f"cross-entropy: {line}" for line in gap if line]
    blocks.append("\n".join(f"- {_escaped(' '.join(line.split()))}" for line in lines if line))
    blocks.append(_lined(slice_rows(comparison)))
    blocks += [f"> {_escaped(warning)}" for warning in comparison.warnings]
    blocks.append(f"`{str(comparison.signature).replace('`', '')}`")
    return "\n\n".join(block for block in blocks if block)


def _table(comparison: Comparison) -> str:
    rows = [["", "wrong", "squared error", "cross-entropy", "typical q of the label"]]
    for row in measure_rows(comparison):
        rows.append([row.name, row.wrong, row.squared_error, row.cross_entropy, row.typical])
    return _lined(rows)


def _lined(rows: Sequence[Sequence[str]]) -> str:
    """A table from its header and its rows; nothing where there are none."""
    lines = [f"| {' | '.join(_escaped(' '.join(cell.split())) for cell in row)} |" for row in rows]
    return "\n".join([*lines[:1], f"|{'---|' * len(rows[0])}", *lines[1:]]) if rows else ""


def _escaped(text: str) -> str:
    """The text as text: names may hold anything, also Markdown and HTML."""
    return _SPECIAL.sub(r"\\\1", visible(text))
