"""Sources in memory: arrays, tensors, Arrow tables, frames, mappings of names to columns, lists.

Nothing is copied that need not be. What the columns mean is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from crossent.arrays import is_tensor
from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import ArrowTable, classes_in, described
from crossent.predictions.table import Batch, Column, Table, refuse_repeated


@dataclass(frozen=True)
class ArrayTable:
    """Columns that lie in memory, or are mapped into it, whole."""

    origin: str
    values: Mapping[str, Any]
    classes: tuple[str, ...] | None = None
    plural: bool = True
    text: bool = False
    ranged: bool = True
    noun: Literal["column", "array"] = "column"

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(described_array(name, values) for name, values in self.values.items())

    def length(self, names: Sequence[str]) -> int | None:
        return same_length({name: len(self.values[name]) for name in names}, self)

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        names = list(dict.fromkeys([*texts, *numbers]))
        wanted = range(self.length(names) or 0) if span is None else span
        for start in range(wanted.start, wanted.stop, rows):
            end = min(start + rows, wanted.stop)
            yield {name: self.values[name][start:end] for name in names}


def same_length(lengths: Mapping[str, int], table: Table) -> int:
    """The one length of these columns."""
    (first, rows), *others = lengths.items()
    for name, length in others:
        if length != rows:
            raise PredictionsError(
                f"{table.origin}: {table.noun} {name} has {length:,} rows, {table.noun} {first} has {rows:,};"
                " they must have one row per example"
            )
    return rows


def described_array(name: str, values: Any) -> Column:
    """The column that an array stands for."""
    if not isinstance(values, np.ndarray):
        return described(pa.field(name, values.type))
    words = f"{values.dtype} {values.shape}"
    numbers = values.dtype.kind in "fiu"
    dtype = values.dtype.newbyteorder("=") if values.dtype.kind == "f" else np.dtype(np.float64)
    if values.ndim == 2 and numbers:
        return Column(name, "matrix", words, values.shape[1], dtype)
    if values.ndim == 1 and numbers:
        return Column(name, "real" if values.dtype.kind == "f" else "integer", words, 1, dtype)
    if values.ndim == 1 and values.dtype.kind in "US":
        return Column(name, "text", words)
    return Column(name, "other", words, None)


def memory_table(source: Any, origin: str) -> Table:
    """The table that an object in memory stands for."""
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pa.RecordBatchReader) or (_streams(source) and hasattr(source, "columns")):
        try:
            data = pa.table(source)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise PredictionsError(
                f"{origin} is no table for Arrow ({str(error).splitlines()[0][:200]})"
            ) from error
        refuse_repeated(data.column_names, origin)
        return ArrowTable(origin, data, classes_in(data.schema.metadata, origin))
    if isinstance(source, Mapping):
        return _mapping(source, origin)
    if hasattr(source, "columns"):
        raise PredictionsError(f"{origin} is a frame without an Arrow stream: pass frame.to_dict('list')")
    return ArrayTable(origin, {"": as_values(source, origin)}, plural=False, noun="array")


def as_values(source: Any, origin: str) -> Any:
    """One column: a NumPy array, or an Arrow chunked array."""
    if isinstance(source, pa.Array):
        return pa.chunked_array([source])
    if _streams(source):
        return pa.chunked_array(source)
    if is_tensor(source):
        tensor = source.detach().cpu()
        return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    if isinstance(source, np.ma.MaskedArray):
        raise PredictionsError(
            f"{origin} is a masked array, whose mask would be lost: pass the rows that count"
        )
    if isinstance(source, str | bytes | int | float) or source is None:
        raise PredictionsError(f"{origin} is {source!r}, not an array")
    if isinstance(source, list | tuple) and any(isinstance(value, str) for value in source):
        return _objects(source, origin)
    try:
        array = np.asarray(source)
    except ValueError as error:
        raise PredictionsError(
            f"{origin}: its rows have different lengths; every row needs one value per class"
        ) from error
    if array.dtype.kind == "O" and array.ndim == 1:
        return _objects(array.tolist(), origin)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return array


def _objects(values: Sequence[Any], origin: str) -> pa.ChunkedArray:
    try:
        return pa.chunked_array([pa.array(values)])
    except (pa.ArrowException, OverflowError) as error:
        raise PredictionsError(
            f"{origin} mixes values of different types: make them all text, or all integers"
        ) from error


def _mapping(source: Mapping[Any, Any], origin: str) -> ArrayTable:
    if not source or not all(isinstance(name, str) for name in source):
        raise PredictionsError(
            f"{origin}: a mapping of column names to values is needed, such as {{'probs': ...}}"
        )
    values = {name: _column(name, column, f"{origin}, column {name}") for name, column in source.items()}
    classes = values.pop("classes", None)
    for name, column in values.items():
        if isinstance(column, np.ndarray) and column.ndim == 0:
            raise PredictionsError(f"{origin}, column {name} is a single value, not one per row")
    return ArrayTable(origin, values, None if classes is None else class_list(classes, origin))


def _column(name: str, column: Any, origin: str) -> Any:
    images = name in ("image", "images") and isinstance(column, list | tuple)
    if images and not any(isinstance(image, np.ndarray) for image in column[:1]):
        return _objects(column, origin)  # NumPy would drop zeros at the end of bytes
    return as_values(column, origin)


def class_list(values: Any, origin: str) -> tuple[str, ...]:
    """The names in an array ``classes``."""
    names = values.tolist() if isinstance(values, np.ndarray) else values.to_pylist()
    if not isinstance(names, list) or not all(isinstance(name, str | int | bytes) for name in names):
        raise PredictionsError(f"{origin}: 'classes' must be a list of names, one per class")
    return tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names)


def _streams(source: Any) -> bool:
    return hasattr(source, "__arrow_c_stream__")
