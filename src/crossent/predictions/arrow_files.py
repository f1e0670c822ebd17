"""Arrow files, also called Feather, and Arrow streams: mapped into memory, read one record batch at a time.

What the columns mean is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import classes_in, described, first_line, recut
from crossent.predictions.table import Batch, Column, refuse_repeated

_FILE_MAGIC, _OLD_FEATHER = b"ARROW1", b"FEA1"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_ERRORS = (pa.ArrowException, OSError, ValueError)  # the last: names of columns that are not UTF-8


@dataclass(frozen=True)
class ArrowFileTable:
    """An Arrow file whose schema was read; ``rows`` is None for a stream, which has no footer."""

    origin: str
    path: Path
    stream: bool
    columns: tuple[Column, ...]
    classes: tuple[str, ...] | None
    rows: int | None
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
        fields = [i for i, column in enumerate(self.columns) if column.name in wanted]
        try:
            for whole in _record_batches(self.path, self.stream, fields):
                whole.validate(full=True)  # Arrow believes whatever offsets a file claims
                batch = whole.select(wanted)
                for start in range(0, batch.num_rows, rows):
                    yield batch.slice(start, rows)
        except _ERRORS as error:
            raise PredictionsError(
                f"{self.origin} is damaged, or changed while read ({first_line(error)}): write it again"
            ) from error


def open_arrow(path: Path, origin: str) -> ArrowFileTable:
    """The table in an Arrow file or stream; only its schema is read, and how many rows each batch has."""
    with path.open("rb") as file:
        start = file.read(len(_FILE_MAGIC))
        file.seek(max(0, path.stat().st_size - len(_END_OF_STREAM)))
        end = file.read()
    if start.startswith(_OLD_FEATHER):
        raise PredictionsError(f"{origin} is Feather of version 1: write it again with version=2")
    stream = start != _FILE_MAGIC
    called = "stream" if stream else "file"
    try:
        with _mapped(path) as data:
            schema = (pa.ipc.open_stream if stream else pa.ipc.open_file)(data).schema
        columns = tuple(described(field) for field in schema)
        rows = None if stream else _count(path, columns)
    except _ERRORS as error:
        raise PredictionsError(
            f"{origin} is no complete Arrow {called} ({first_line(error)}): write it again"
        ) from error
    if stream and end != _END_OF_STREAM:
        raise PredictionsError(f"{origin} is an Arrow stream without its end: it is cut off, write it again")
    refuse_repeated(schema.names, origin)
    return ArrowFileTable(origin, path, stream, columns, classes_in(schema.metadata, origin), rows)


def _count(path: Path, columns: Sequence[Column]) -> int:
    """Rows of all batches; a narrow column is looked at, which may have to be decompressed."""
    narrow = next((i for i, column in enumerate(columns) if column.form != "matrix"), 0)
    return sum(batch.num_rows for batch in _record_batches(path, False, [narrow] if columns else []))


def _record_batches(path: Path, stream: bool, fields: list[int]) -> Iterator[pa.RecordBatch]:
    options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
    with _mapped(path) as data:
        if stream:
            yield from pa.ipc.open_stream(data, options=options)
            return
        reader = pa.ipc.open_file(data, options=options)
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)


@contextmanager
def _mapped(path: Path) -> Iterator[pa.MemoryMappedFile]:
    with pa.memory_map(str(path)) as data:
        yield data
