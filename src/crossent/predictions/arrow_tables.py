"""Arrow's types in this project's words, and streams of record batches cut to a given number of rows.

For every source whose data are Arrow's: Parquet files, tables and frames in memory. No files are opened here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from crossent.errors import PredictionsError
from crossent.predictions.table import Batch, Column


def described(field: pa.Field) -> Column:
    """The column that an Arrow field stands for."""
    kind, words = plain_type(field.type), str(field.type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return Column(field.name, "text", words)
    if pa.types.is_integer(kind):
        return Column(field.name, "integer", words)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Column(field.name, "real", words, 1, _dtype(kind))
    if is_list(kind) and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        width = kind.list_size if pa.types.is_fixed_size_list(kind) else None
        return Column(field.name, "matrix", words, width, _dtype(kind.value_type))
    return Column(field.name, "other", words, None)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type below a dictionary or an extension."""
    while pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType):
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind.storage_type
    return kind


def is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    return np.dtype(f"f{kind.bit_width // 8}") if pa.types.is_floating(kind) else np.dtype(np.float64)


def classes_in(metadata: dict[bytes, bytes] | None, origin: str) -> tuple[str, ...] | None:
    """The class names in a schema's metadata: a JSON list under ``classes``."""
    if not metadata or b"classes" not in metadata:
        return None
    try:
        names = json.loads(metadata[b"classes"])
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PredictionsError(
            f"{origin}: its metadata 'classes' is no list of names; write it as JSON, such as"
            ' ["dog", "cat"]'
        )
    return tuple(names)


def text_array(texts: Sequence[str]) -> pa.StringArray:
    """Texts as an Arrow array; `pa.array` would import pandas wherever it is installed."""
    data = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(offsets), pa.py_buffer(b"".join(data)))


def recut(pieces: Iterable[pa.RecordBatch], rows: int) -> Iterator[Batch]:
    """The same rows, ``rows`` at a time."""
    waiting: list[pa.RecordBatch] = []
    held = 0
    for piece in pieces:
        waiting.append(piece)
        held += piece.num_rows
        while held >= rows:
            table = pa.Table.from_batches(waiting)
            yield _columns(table.slice(0, rows))
            waiting = table.slice(rows).to_batches()
            held -= rows
    if held:
        yield _columns(pa.Table.from_batches(waiting))


def _columns(table: pa.Table) -> Batch:
    return dict(zip(table.column_names, table.columns, strict=True))


@dataclass(frozen=True)
class ArrowTable:
    """An Arrow table in memory."""

    origin: str
    data: pa.Table
    classes: tuple[str, ...] | None
    text: bool = False
    plural: bool = False
    ranged: bool = True
    noun: Literal["column", "array"] = "column"

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(described(field) for field in self.data.schema)

    def length(self, names: Sequence[str]) -> int | None:
        return int(self.data.num_rows)

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        chosen = self.data.select(list(dict.fromkeys([*texts, *numbers])))
        if span is not None:
            chosen = chosen.slice(span.start, len(span))
        return recut(chosen.to_batches(max_chunksize=rows), rows)
