"""Parquet files: read row group by row group, page by page, only the columns that are wanted.

What the columns mean is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import classes_in, described, recut
from crossent.predictions.bombs import refuse_parquet_bombs
from crossent.predictions.stored import Stored, first_line
from crossent.predictions.table import Batch, Column, refuse_repeated, within

_PIECES = 4  # a block is read in pieces, on one thread: faster with more, and twice the memory
_BUFFER = 1 << 18  # pages are read as they are needed, not a whole row group at once
_AT_ONCE = 1 << 26  # bytes of row groups that are asked of a remote file system at once
_ERRORS = (
    pa.ArrowException,
    OSError,
    UnicodeDecodeError,  # names of columns
    IndexError,  # a footer with fewer row groups than the one that was opened
)


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file whose footer was read; ``groups`` are the rows of its row groups."""

    origin: str
    stored: Stored
    columns: tuple[Column, ...]
    classes: tuple[str, ...] | None
    groups: tuple[int, ...]
    text: bool = False
    plural: bool = False
    ranged: bool = True
    noun: Literal["column", "array"] = "column"

    @property
    def rows(self) -> int:
        return sum(self.groups)

    def length(self, names: Sequence[str]) -> int | None:
        return self.rows

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        wanted = list(dict.fromkeys([*texts, *numbers]))
        return recut(self.pieces(wanted, rows, span), rows)

    def pieces(self, wanted: list[str], rows: int, span: range | None) -> Iterator[pa.RecordBatch]:
        """These columns, at most ``rows`` rows at a time."""
        with self.stored.reading(self.origin, _ERRORS), _file(self.stored) as file:
            refuse_parquet_bombs(self.stored, wanted, self.origin)
            for groups, part in self._runs(file.metadata, span):
                pieces = file.iter_batches(
                    batch_size=max(1, rows // _PIECES), row_groups=groups, columns=wanted, use_threads=False
                )
                for piece in within(pieces, part):
                    for column in piece.columns:
                        if not pa.types.is_primitive(column.type):
                            column.validate(full=True)  # Arrow believes that all text is UTF-8
                    yield piece.select(wanted)

    def _runs(self, footer: pq.FileMetaData, span: range | None) -> Iterator[tuple[list[int], range]]:
        """Row groups that are read at once, and which of their rows are wanted."""
        wanted = range(self.rows) if span is None else span
        run: list[int] = []
        start = end = size = 0
        for group, rows in enumerate(self.groups):
            if end + rows > wanted.start and end < wanted.stop:
                if run and size + footer.row_group(group).total_byte_size > _AT_ONCE:
                    yield run, range(max(wanted.start - start, 0), min(wanted.stop, end) - start)
                    run = []
                if not run:
                    start, size = end, 0
                run.append(group)
                size += footer.row_group(group).total_byte_size
            end += rows
        if run:
            yield run, range(max(wanted.start - start, 0), min(wanted.stop, end) - start)


def open_parquet(stored: Stored, origin: str) -> ParquetTable:
    """The table in a Parquet file; only its footer is read."""
    try:
        with _file(stored) as file:
            schema, footer = file.schema_arrow, file.metadata
            groups = tuple(footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    except _ERRORS as error:
        raise PredictionsError(
            f"{origin} is no complete Parquet file ({first_line(error)}): write it again"
        ) from error
    refuse_repeated(schema.names, origin)
    columns = tuple(described(field) for field in schema)
    return ParquetTable(origin, stored, columns, classes_in(schema.metadata, origin), groups)


def _file(stored: Stored) -> pq.ParquetFile:
    """Read page by page from a disk; elsewhere every request takes its time, so whole row groups."""
    return pq.ParquetFile(
        stored.opened(), pre_buffer=stored.system is not None, buffer_size=_BUFFER if stored.local else 0
    )
