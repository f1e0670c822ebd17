"""Predictions files, written as Parquet, complete or not at all, and checked as the reader checks them.

Reading is no concern of this room, but what it writes must open again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crossent.errors import OptionError, PredictionsError
from crossent.files import written
from crossent.predictions.block import Kind, rows_per_block
from crossent.predictions.classes import settled_classes
from crossent.predictions.columns import Columns, output_columns
from crossent.predictions.join import refuse_repeated_ids
from crossent.predictions.labels import Labels
from crossent.predictions.memory import memory_table
from crossent.predictions.opened import model_reader
from crossent.predictions.unique import Uniqueness


def save_predictions(
    path: str | os.PathLike[str],
    /,
    *,
    labels: Any,
    logits: Any = None,
    probs: Any = None,
    classes: Sequence[str],
    ids: Any = None,
) -> None:
    """Write one model's predictions to a file that `crossent compare` reads.

    Parameters
    ----------
    path : ending in `.parquet`; an existing file is replaced at once or not at all.
    labels : array (n,) of class names or indices, or (n, k) of distributions.
    logits, probs : array or tensor (n, k); one of the two. Float16, float32 and float64 are kept.
    classes : the k names, in the order of the columns.
    ids : n texts or integers, all different; by them other predictions are paired.

    Raises
    ------
    PredictionsError
        If the values are not what a predictions file may hold, or the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pyarrow.parquet
    >>> path = pathlib.Path(tempfile.mkdtemp(), "nn1.parquet")
    >>> save_predictions(path, labels=["dog", "cat"], probs=[[0.9, 0.1], [0.1, 0.9]], classes=["dog", "cat"])
    >>> pyarrow.parquet.read_table(path).to_pydict()
    {'label': ['dog', 'cat'], 'probs': [[0.9, 0.1], [0.1, 0.9]]}
    """
    with open_predictions(path, classes=classes) as out:
        out.add(labels=labels, logits=logits, probs=probs, ids=ids)


@contextmanager
def open_predictions(
    path: str | os.PathLike[str], /, *, classes: Sequence[str]
) -> Iterator[PredictionsWriter]:
    """Write one model's predictions in pieces: a context manager with `PredictionsWriter.add`.

    The file appears, complete, when the ``with`` block ends; after an exception there is none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "nn1.parquet")
    >>> with open_predictions(path, classes=["dog", "cat"]) as out:
    ...     for labels, logits in [([0, 1], [[2.0, 0.0], [0.0, 2.0]]), ([0], [[0.0, 0.4]])]:
    ...         out.add(labels=labels, logits=logits)
    """
    path = Path(path)
    classes = _checked_classes(classes, path)
    if path.suffix.lower() != ".parquet":
        raise PredictionsError(
            f"{path}: predictions are written as Parquet; name the file {path.stem}.parquet"
        )
    try:
        with written(path) as file:
            writer = PredictionsWriter(path, file, classes)
            try:
                yield writer
                writer.finish()
            finally:
                writer.close()
    except OSError as error:
        if error.filename != str(path):  # the caller's own
            raise
        raise PredictionsError(
            f"{path} cannot be written ({error.strerror}): choose another place"
        ) from error


class PredictionsWriter:
    """Takes predictions piece by piece; made by `open_predictions`."""

    def __init__(self, path: Path, file: IO[bytes], classes: tuple[str, ...]) -> None:
        self._path, self._file, self._classes = path, file, classes
        self._sink: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._waiting: list[pa.Table] = []
        self._unique = Uniqueness()
        self._ids: list[pa.StringArray] = []
        self._rows = 0

    def add(self, *, labels: Any, logits: Any = None, probs: Any = None, ids: Any = None) -> None:
        """The next rows; arguments as those of `save_predictions`."""
        if (logits is None) == (probs is None):
            raise OptionError("give logits=... or probs=..., one of the two")
        kind: Kind = "probs" if logits is None else "logits"
        given = {kind: probs if logits is None else logits, "label": labels, "id": ids}
        table = memory_table(
            {name: values for name, values in given.items() if values is not None}, str(self._path)
        )
        declared = Columns(kind=kind, classes=self._classes)
        found = output_columns(table, declared)
        settled_classes([table], [found], declared)
        reader = model_reader(table, declared, found, self._classes)
        if reader.labels is None or reader.outputs is None:
            raise PredictionsError(f"{self._path}: labels are missing; give one for every row")
        for rows in reader.rows(rows_per_block(len(self._classes)), start=self._rows):
            assert rows.labels is not None  # both are in the reader
            assert rows.outputs is not None
            reader.outputs.finished(rows.outputs, rows.place, text=False, renormalize=False)
            self._take(rows.labels, rows.outputs, kind, rows.ids)

    def _take(self, labels: Labels, outputs: NDArray[Any], kind: Kind, ids: pa.StringArray | None) -> None:
        schema = _schema(labels, outputs, kind, ids, self._classes)
        if self._sink is None or self._schema is None:
            self._schema = schema
            self._sink = pq.ParquetWriter(self._file, schema)
        if schema != self._schema:
            raise PredictionsError(
                f"{self._path}, after row {self._rows}: these rows come as {_words(schema)}, the first ones"
                f" as {_words(self._schema)}; give all alike"
            )
        if ids is not None:
            self._unique.add(ids)
            self._ids.append(ids)
        self._waiting.append(_as_table(labels, outputs, ids, schema, self._classes))
        self._rows += len(outputs)
        if sum(table.num_rows for table in self._waiting) >= rows_per_block(len(self._classes)):
            self._write()

    def _write(self) -> None:
        if self._sink is not None and self._waiting:
            self._sink.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()

    def finish(self) -> None:
        """Write what is waiting, and look whether any id came twice."""
        if not self._rows:
            raise PredictionsError(f"{self._path}: no rows were added, so nothing is written")
        self._write()
        refuse_repeated_ids(str(self._path), self._unique, lambda: iter(self._ids))

    def close(self) -> None:
        """Let go of the file; what was not finished is not kept."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None


def _schema(
    labels: Labels, outputs: NDArray[Any], kind: Kind, ids: pa.StringArray | None, classes: tuple[str, ...]
) -> pa.Schema:
    label = pa.string() if labels.ndim == 1 else pa.list_(pa.float64(), len(classes))
    fields = [("id", pa.string())] if ids is not None else []
    fields += [("label", label), (kind, pa.list_(pa.from_numpy_dtype(outputs.dtype), len(classes)))]
    return pa.schema(fields, metadata={"classes": json.dumps(list(classes), ensure_ascii=False)})


def _as_table(
    labels: Labels,
    outputs: NDArray[Any],
    ids: pa.StringArray | None,
    schema: pa.Schema,
    classes: tuple[str, ...],
) -> pa.Table:
    names = pa.array(classes, pa.string()).take(pa.array(labels)) if labels.ndim == 1 else _lists(labels)
    columns = [names, _lists(outputs)]
    return pa.Table.from_arrays(columns if ids is None else [ids, *columns], schema=schema)


def _lists(matrix: NDArray[Any]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _words(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def _checked_classes(classes: Sequence[str], path: Path) -> tuple[str, ...]:
    names = tuple(classes)
    if isinstance(classes, str) or not all(isinstance(name, str) for name in names):
        raise PredictionsError(f"{path}: classes must be a list of names, such as ['dog', 'cat']")
    if len(set(names)) != len(names) or "" in names or len(names) < 2:
        raise PredictionsError(
            f"{path}: classes must name each class once, and two or more; they are {list(names)}"
        )
    return names
