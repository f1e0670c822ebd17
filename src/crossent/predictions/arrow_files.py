"""Arrow files, also called Feather, and Arrow streams: read one record batch at a time.

What the columns mean is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import classes_in, described, recut
from crossent.predictions.bombs import refuse_arrow_bombs
from crossent.predictions.stored import Stored, first_line
from crossent.predictions.table import Batch, Column, refuse_repeated, within

_FILE_MAGIC, _OLD_FEATHER = b"ARROW1", b"FEA1"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_ERRORS = (pa.ArrowException, OSError, ValueError)  # the last: names of columns that are not UTF-8


@dataclass(frozen=True)
class ArrowFileTable:
    """An Arrow file whose schema was read, and how many rows each record batch has.

    Attributes
    ----------
    groups : rows of each record batch; None for a stream, which has no footer that tells where they are.
    """

    origin: str
    stored: Stored
    columns: tuple[Column, ...]
    classes: tuple[str, ...] | None
    groups: tuple[int, ...] | None
    text: bool = False
    plural: bool = False
    noun: Literal["column", "array"] = "column"

    @property
    def rows(self) -> int | None:
        return None if self.groups is None else sum(self.groups)

    @property
    def ranged(self) -> bool:
        return self.groups is not None

    def length(self, names: Sequence[str]) -> int | None:
        return self.rows

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        wanted = list(dict.fromkeys([*texts, *numbers]))
        return recut(self.pieces(wanted, rows, span), rows)

    def pieces(self, wanted: list[str], rows: int, span: range | None) -> Iterator[pa.RecordBatch]:
        """These columns, at most ``rows`` rows at a time."""
        fields = [i for i, column in enumerate(self.columns) if column.name in wanted]
        skipped, first = self._skipped(span)
        part = None if span is None else range(span.start - first, span.stop - first)
        with self.stored.reading(self.origin, _ERRORS):
            for whole in within(_record_batches(self.stored, self.groups is None, fields, skipped), part):
                whole.validate(full=True)  # Arrow believes whatever offsets a file claims
                batch = whole.select(wanted)
                for start in range(0, batch.num_rows, rows):
                    yield batch.slice(start, rows)

    def _skipped(self, span: range | None) -> tuple[int, int]:
        """How many record batches end before the rows wanted, and how many rows those have."""
        batches = rows = 0
        if span is not None and self.groups is not None:
            while batches < len(self.groups) and rows + self.groups[batches] <= span.start:
                rows += self.groups[batches]
                batches += 1
        return batches, rows


def open_arrow(stored: Stored, origin: str) -> ArrowFileTable:
    """The table in an Arrow file or stream; only its schema is read, and how many rows each batch has."""
    try:
        with stored.opened() as file:
            start = file.read(len(_FILE_MAGIC))
            file.seek(max(0, file.size() - len(_END_OF_STREAM)))
            end = file.read()
    except OSError as error:
        raise PredictionsError(f"{origin} cannot be read ({first_line(error)}): check the path") from error
    if start.startswith(_OLD_FEATHER):
        raise PredictionsError(f"{origin} is Feather of version 1: write it again with version=2")
    refuse_arrow_bombs(stored, origin)
    stream = start != _FILE_MAGIC
    called = "stream" if stream else "file"
    try:
        with stored.opened() as data:
            schema = (pa.ipc.open_stream if stream else pa.ipc.open_file)(data).schema
        columns = tuple(described(field) for field in schema)
        groups = None if stream else _counts(stored, columns)
    except _ERRORS as error:
        raise PredictionsError(
            f"{origin} is no complete Arrow {called} ({first_line(error)}): write it again"
        ) from error
    if stream and end != _END_OF_STREAM:
        raise PredictionsError(f"{origin} is an Arrow stream without its end: it is cut off, write it again")
    refuse_repeated(schema.names, origin)
    return ArrowFileTable(origin, stored, columns, classes_in(schema.metadata, origin), groups)


def _counts(stored: Stored, columns: Sequence[Column]) -> tuple[int, ...]:
    """Rows of each batch; a narrow column is looked at, which may have to be decompressed."""
    narrow = next((i for i, column in enumerate(columns) if column.form != "matrix"), 0)
    fields = [narrow] if columns else []
    return tuple(batch.num_rows for batch in _record_batches(stored, False, fields))


def _record_batches(
    stored: Stored, stream: bool, fields: list[int], skipped: int = 0
) -> Iterator[pa.RecordBatch]:
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    with stored.opened() as data:
        if stream:
            yield from pa.ipc.open_stream(data, options=options)
            return
        reader = pa.ipc.open_file(data, options=options)
        for i in range(skipped, reader.num_record_batches):
            yield reader.get_batch(i)
