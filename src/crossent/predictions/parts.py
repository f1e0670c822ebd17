"""Several Parquet or Arrow files with the same columns as one table, one after the other.

Messages name the file and the row in it. Which files belong together is decided in `folders`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.arrow_files import ArrowFileTable
from crossent.predictions.arrow_tables import recut
from crossent.predictions.parquet import ParquetTable
from crossent.predictions.table import Batch, Column, Table
from crossent.predictions.values import Place

PartTable = ParquetTable | ArrowFileTable


@dataclass(frozen=True)
class PartsTable:
    """Files whose schemas were read and found alike."""

    origin: str
    tables: tuple[PartTable, ...]
    text: bool = False
    plural: bool = False
    ranged: bool = True
    noun: Literal["column", "array"] = "column"

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.tables[0].columns

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.tables[0].classes

    @cached_property
    def starts(self) -> tuple[tuple[int, str], ...]:
        """The first row of each file among all rows, and the file."""
        ends = accumulate(table.rows or 0 for table in self.tables)
        return tuple(zip([0, *ends], [table.origin for table in self.tables], strict=False))

    def length(self, names: Sequence[str]) -> int | None:
        return sum(table.rows or 0 for table in self.tables)

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        wanted = list(dict.fromkeys([*texts, *numbers]))
        return recut(self._pieces(wanted, rows, span), rows)

    def _pieces(self, wanted: list[str], rows: int, span: range | None) -> Iterator[pa.RecordBatch]:
        end = 0
        for table in self.tables:
            start, end = end, end + (table.rows or 0)
            part = None if span is None else range(max(span.start - start, 0), min(span.stop, end) - start)
            if part is not None and not part:
                continue
            for piece in table.pieces(wanted, rows, part):
                # without what schemas may differ in: metadata, and whether nulls were possible
                yield pa.RecordBatch.from_arrays(piece.columns, names=wanted)


def joined(tables: Sequence[Table], origin: str) -> PartsTable:
    """The files as one table.

    Raises
    ------
    PredictionsError
        If one has other columns, types or classes than the first, or does not tell its number of rows.
    """
    parts = []
    for table in tables:
        if not isinstance(table, PartTable):
            raise PredictionsError(
                f"{table.origin}: only Parquet and Arrow files are read as parts of one source"
            )
        if table.rows is None:
            raise PredictionsError(
                f"{table.origin} is an Arrow stream, which does not tell its length:"
                " write it as an Arrow file"
            )
        parts.append(table)
        _refuse_unlike(parts[0], table)
    return PartsTable(origin, tuple(parts))


def _refuse_unlike(first: PartTable, other: PartTable) -> None:
    given, expected = ({column.name: column for column in table.columns} for table in (other, first))
    for name in {**expected, **given}:
        if name not in given or name not in expected:
            has, lacks = (first, other) if name in expected else (other, first)
            raise PredictionsError(
                f"{lacks.origin} has no column '{name}', which {has.origin} has:"
                " the parts of one source must have the same columns"
            )
        if given[name] != expected[name]:
            raise PredictionsError(
                f"{other.origin}, column {name}: {given[name].type}, but {expected[name].type} in"
                f" {first.origin}; write the parts of one source alike"
            )
    if other.classes != first.classes:
        raise PredictionsError(
            f"{other.origin} names other classes in its metadata than {first.origin}: write them alike"
        )


def place_in(table: Table, rows: range | NDArray[np.int64]) -> Place:
    """Where rows of a table stand, as messages name it."""
    starts = table.starts if isinstance(table, PartsTable) else ()
    return Place(table.origin, rows, table.noun, starts)
