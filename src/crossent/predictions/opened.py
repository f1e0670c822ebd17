"""`open_sources`: from sources to aligned, checked blocks.

Puts the other rooms together: opens tables, settles classes and kinds, pairs rows, checks outputs and labels.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.agreement import Agreement
from crossent.predictions.align import by_id, by_position
from crossent.predictions.beside import agreed, beside_columns, refuse_absent
from crossent.predictions.block import Block, ModelSource, Predictions, rows_per_block
from crossent.predictions.classes import check_declared, settled_classes
from crossent.predictions.columns import (
    Columns,
    LabelColumns,
    OutputColumns,
    PlainMatrix,
    id_column,
    label_columns,
    output_columns,
)
from crossent.predictions.images import ImageColumn, image_column_of
from crossent.predictions.labels import LabelReader, label_reader, order_of
from crossent.predictions.parts import place_in
from crossent.predictions.reader import OutputReader, Reader, Rows
from crossent.predictions.sources import (
    Named,
    Source,
    check_standard_input,
    named_sources,
    open_labels,
    open_named,
    runs_of,
    split_labels,
)
from crossent.predictions.table import Table, listed
from crossent.predictions.values import as_matrix
from crossent.wording import InputFormat

_UNDECLARED = Columns()


@dataclass(frozen=True)
class AlignedSources:
    """Models, and perhaps a source of labels alone, ready to be read; implements `Predictions`."""

    models: tuple[ModelSource, ...]
    classes: tuple[str, ...]
    paired_by: Literal["id", "position"]
    rows: int | None
    readers: tuple[Reader, ...] = field(repr=False)
    columns: Columns
    renormalize: bool
    memory: int

    @property
    def images(self) -> ImageColumn | None:
        """The column of images, where a source has one."""
        return image_column_of(self.readers, self.paired_by)

    def blocks(self) -> Iterator[Block]:
        """Blocks in order; each call reads the sources again."""
        with closing(self.pending()) as pending:
            for block in pending:
                yield block()

    def pending(self) -> Generator[Callable[[], Block]]:
        """What makes each block of rows that were read, in order: checked where it is called."""
        size = rows_per_block(len(self.classes))
        agreement = Agreement([reader for reader in self.readers if reader.labels])
        aligned = (
            by_id(self.readers, size, self.memory)
            if self.paired_by == "id"
            else by_position(self.readers, size)
        )
        index = 0
        with closing(aligned):
            for index, parts in enumerate(aligned, 1):
                agreement.add(parts)
                if agreement.broken:  # the rest is read only to count
                    continue
                yield partial(self.block, index - 1, parts)
        agreement.finish()
        if not index:
            raise PredictionsError(f"{self.readers[0].table.origin} has no rows: nothing can be compared")

    def block(self, index: int, parts: Sequence[Rows]) -> Block:
        outputs, deviations = [], []
        for reader, part in zip(self.readers, parts, strict=True):
            if reader.outputs is not None and part.outputs is not None:
                values, deviation = reader.outputs.finished(
                    part.outputs, part.place, text=reader.table.text, renormalize=self.renormalize
                )
                outputs.append(values)
                deviations.append(deviation)
        labels = next(part.labels for part in parts if part.labels is not None)
        beside = agreed([(part.beside, part.place) for part in parts], self.columns)
        return Block(index, parts[0].ids, labels, tuple(outputs), tuple(deviations), **vars(beside))


def open_sources(
    sources: Mapping[str, Source] | Sequence[Source],
    /,
    *,
    labels: Source | None = None,
    columns: Columns = _UNDECLARED,
    renormalize: bool = False,
    memory: int = 500_000_000,
    input_format: InputFormat | None = None,
    filesystem: Any | None = None,
) -> Predictions:
    """Open predictions of one or several models over the same examples.

    Parameters
    ----------
    sources : mapping of model names to sources, or a sequence of them; a text is a path, NAME=FILE, or
        FILE.npz:ARRAY; ``-`` is standard input.
    labels : a source of labels alone: a file, class names, indices, or distributions (n, k).
    columns : what is declared about all sources.
    renormalize : divide rows of probabilities by their sum, whatever it is.
    memory : bytes that sources with ids in another order may take; beyond it they are joined on disk.
    input_format : format of standard input, where it is one of the sources.
    filesystem : PyArrow file system that the paths lie on; None: this machine's.

    Returns
    -------
    Predictions
        Nothing is read yet but headers, and label columns that could be names or indices.

    Raises
    ------
    PredictionsError
        If a source cannot be read, or the sources do not fit each other.
    """
    named = named_sources(sources, filesystem)
    if not named:
        raise PredictionsError("no predictions: name at least one file")
    check_declared(columns)
    check_standard_input([*(source for _, source in named), split_labels(labels, filesystem)], input_format)
    runs = [(name, source, runs_of(source)) for name, source in named]
    files = [(name, file) for name, _, its in runs for file in its.values()]
    tables = [open_named(name, file, input_format) for name, file in files]
    outputs = [_outputs(table, columns, file) for table, (_, file) in zip(tables, files, strict=True)]
    classes = settled_classes(tables, outputs, columns)
    opened = iter(zip(tables, outputs, strict=True))
    models = tuple(_model(name, source, its, list(islice(opened, len(its)))) for name, source, its in runs)
    readers = [
        model_reader(table, columns, found, classes) for table, found in zip(tables, outputs, strict=True)
    ]
    if labels is not None:
        by_name = columns.classes is None and any(found.bare for found in outputs)
        table, array = open_labels(labels, input_format, filesystem)
        readers.append(_labels_reader(table, array, columns, classes, by_name=by_name))
    if not any(reader.labels for reader in readers):
        raise PredictionsError(_no_labels(tables[0], columns))
    refuse_absent([reader.beside for reader in readers], tables, columns)
    paired_by = _pairing(readers, columns)
    length = readers[0].length
    return AlignedSources(models, classes, paired_by, length, tuple(readers), columns, renormalize, memory)


def _model(
    name: str, source: Named, runs: Mapping[str, Named], opened: Sequence[tuple[Table, OutputColumns]]
) -> ModelSource:
    """What is known of one model from its only run, or from the runs of several seeds."""
    first, found = opened[0]
    for table, other in opened:
        if other.kind != found.kind:
            raise PredictionsError(
                f"{first.origin} holds {found.kind} and {table.origin} {other.kind}: "
                "the seeds of one model must hold the same"
            )
    origin = "array" if not source.is_read else str(source.stored) if len(runs) > 1 else first.origin
    seeds = tuple(run for run in runs if run)
    return ModelSource(name, found.kind, origin, any(other.binary for _, other in opened), seeds)


def _no_labels(table: Table, columns: Columns) -> str:
    names = listed([column.name for column in table.columns if column.name])
    wanted = f"'{columns.label}'" if columns.label else "'label'"
    has = f"{table.origin} has no {table.noun} {wanted} ({names})" if names else f"{table.origin} has none"
    mend = "name it with --label, or give" if names else "give"
    return f"no labels: {has}; {mend} them in a file of their own with --labels"


def _outputs(table: Table, columns: Columns, source: Named) -> OutputColumns:
    try:
        return output_columns(table, columns, array=source.array)
    except PlainMatrix as plain:
        raise PredictionsError(_kind_help(plain)) from None


def _kind_help(plain: PlainMatrix) -> str:
    table, column = plain.table, plain.column
    said = f"{table.origin} does not say whether it holds logits or probabilities"
    if column.form != "matrix" or not column.width:
        return (
            f"{table.origin} is {column.type}, not a matrix with one row per example and one column per class"
        )
    for batch in table.batches(texts=[], numbers=[column.name], rows=rows_per_block(column.width)):
        place = place_in(table, range(len(batch[column.name])))
        first = as_matrix(batch, [column.name], column.width, column.dtype, place).astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            sums = first.sum(axis=1)
        if np.all(np.abs(sums - 1) <= 1e-2) and first.min() >= 0:
            return f"{said}: all rows sum to 1; if these are probabilities, add --kind probs"
        if first.min() < 0 or first.max() > 1:
            return f"{said}: it has entries below 0 or above 1; if these are logits, add --kind logits"
        break
    return f"{said}: add --kind logits or --kind probs"


def model_reader(table: Table, columns: Columns, found: OutputColumns, classes: tuple[str, ...]) -> Reader:
    """How to read one model's source."""
    order = None
    if found.binary:
        _check_binary(table, found, classes)
    elif found.classes is not None:
        order = order_of(found.classes, classes, table, "")
        if table.classes is not None:
            order_of(table.classes, classes, table, "")
        order = None if np.array_equal(order, np.arange(len(classes))) else order
    dtypes = {column.name: column.dtype for column in table.columns}
    outputs = OutputReader(found, classes, order, np.result_type(*{dtypes[name] for name in found.columns}))
    labels = label_columns(table, columns)
    reader = None
    if labels is not None:
        by_name = found.bare and columns.classes is None
        counted = table.classes or classes
        reader = label_reader(table, labels, classes, counted, columns, by_name=by_name)
        _refuse_two_orders(table, reader, order, columns)
    return Reader(table, id_column(table, columns), reader, outputs, beside_columns(table, columns))


def _check_binary(table: Table, found: OutputColumns, classes: tuple[str, ...]) -> None:
    if len(classes) != 2 or found.classes is None or found.classes[0] not in classes:
        raise PredictionsError(
            f"{table.origin} has one class alone, {table.noun} {found.columns[0]}: it must be one of two, not"
            f" of {listed(classes)}"
        )


def _refuse_two_orders(
    table: Table, reader: LabelReader, order: NDArray[np.int64] | None, columns: Columns
) -> None:
    if reader.reading == "index" and order is not None and columns.classes is None and table.classes is None:
        raise PredictionsError(
            f"{table.origin}: its labels are indices, and its columns stand in another order than the first"
            f" source's ({listed(reader.classes)}), so an index could mean two classes: give the order that"
            " the labels count with --classes"
        )


def _labels_reader(
    table: Table,
    array: str | None,
    columns: Columns,
    classes: tuple[str, ...],
    *,
    by_name: bool,
) -> Reader:
    bare = len(table.columns) == 1 and table.columns[0].name == ""
    found = LabelColumns((array or "",)) if bare or array else label_columns(table, columns, alone=True)
    if found is None or not {column.name for column in table.columns} >= set(found.columns):
        raise PredictionsError(f"{table.origin}: no such array")
    if table.classes is not None:
        order_of(table.classes, classes, table, "")
    reader = label_reader(table, found, classes, table.classes or classes, columns, by_name=by_name)
    return Reader(table, id_column(table, columns), reader, None, beside_columns(table, columns))


def _pairing(readers: Sequence[Reader], columns: Columns) -> Literal["id", "position"]:
    given = [reader.id is not None for reader in readers]
    if all(given):
        return "id"
    if any(given):
        has, lacks = readers[given.index(True)], readers[given.index(False)]
        raise PredictionsError(
            f"{has.table.origin} has ids ({has.id}), {lacks.table.origin} has none: give them in all sources,"
            " or in none"
        )
    if columns.id is not None:
        table = readers[0].table
        raise PredictionsError(
            f"{table.origin} has no {table.noun} '{columns.id}' ({listed([c.name for c in table.columns])}):"
            " name the one with the ids, --id NAME"
        )
    return "position"
