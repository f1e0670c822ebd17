"""Parquet files: read row group by row group, page by page, only the columns that are wanted.

What the columns mean is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import classes_in, described, first_line, recut
from crossent.predictions.table import Batch, Column, refuse_repeated

_PIECES = 8  # a block is read in pieces, on one thread: faster with more, and twice the memory
_BUFFER = 1 << 18  # pages are read as they are needed, not a whole row group at once
_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)  # the last: names of columns that are not UTF-8


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file whose footer was read."""

    origin: str
    path: Path
    columns: tuple[Column, ...]
    classes: tuple[str, ...] | None
    rows: int
    text: bool = False
    plural: bool = False
    noun: Literal["column", "array"] = "column"

    def length(self, names: Sequence[str]) -> int | None:
        return self.rows

    def batches(self, *, texts: Sequence[str], numbers: Sequence[str], rows: int) -> Iterator[Batch]:
        wanted = list(dict.fromkeys([*texts, *numbers]))
        return recut(self.pieces(wanted, rows), rows)

    def pieces(self, wanted: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        """These columns, at most ``rows`` rows at a time."""
        try:
            with _file(self.path) as file:
                for piece in file.iter_batches(
                    batch_size=max(1, rows // _PIECES), columns=wanted, use_threads=False
                ):
                    for column in piece.columns:
                        if not pa.types.is_primitive(column.type):
                            column.validate(full=True)  # Arrow believes that all text is UTF-8
                    yield piece.select(wanted)
                    pa.default_memory_pool().release_unused()
        except _ERRORS as error:
            raise PredictionsError(
                f"{self.origin} is damaged, or changed while read ({first_line(error)}): write it again"
            ) from error


def open_parquet(path: Path, origin: str) -> ParquetTable:
    """The table in a Parquet file; only its footer is read."""
    try:
        with _file(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except _ERRORS as error:
        raise PredictionsError(
            f"{origin} is no complete Parquet file ({first_line(error)}): write it again"
        ) from error
    refuse_repeated(schema.names, origin)
    return ParquetTable(
        origin, path, tuple(described(field) for field in schema), classes_in(schema.metadata, origin), rows
    )


def _file(path: Path) -> pq.ParquetFile:
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
