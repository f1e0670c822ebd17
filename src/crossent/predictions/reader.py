"""One source with the meaning of its columns: rows as ids, labels, and outputs in the order of the classes.

Outputs stay as they are stored until `finished`, so that joining by id holds no more than the file does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.kernels.blocks import few, ordered
from crossent.predictions.beside import Beside, BesideColumns
from crossent.predictions.block import Outputs
from crossent.predictions.check import checked_logits, checked_probs, refuse_outside
from crossent.predictions.columns import OutputColumns
from crossent.predictions.labels import LabelReader, Labels
from crossent.predictions.parts import place_in
from crossent.predictions.table import Table
from crossent.predictions.values import Place, as_ids, as_matrix

_ID_ROWS = 65_536
_NOTHING = Beside()
NO_COLUMNS = BesideColumns(None, None, None)


@dataclass(frozen=True)
class Rows:
    """Some rows of one source; what it does not have, or was not asked for, is None."""

    place: Place
    ids: Any | None = None
    labels: Labels | None = None
    outputs: NDArray[Any] | None = None
    beside: Beside = _NOTHING


@dataclass(frozen=True)
class OutputReader:
    """How to read one model's outputs.

    Attributes
    ----------
    found : the columns.
    classes : of the comparison, in order.
    order : where each class stands in the found columns, or in the matrix; None: in the same order.
    dtype : as stored.
    """

    found: OutputColumns
    classes: tuple[str, ...]
    order: NDArray[np.int64] | None
    dtype: np.dtype[Any]

    @property
    def columns(self) -> tuple[str, ...]:
        if self.order is None or not self.found.per_class:
            return self.found.columns
        return tuple(self.found.columns[i] for i in self.order)

    @property
    def width(self) -> int:
        return 1 if self.found.binary else len(self.classes)

    def stored(self, batch: dict[str, Any], place: Place, *, wide: bool) -> NDArray[Any]:
        """The outputs as stored, in the order of the classes; one column where the source is binary.

        ``wide``: single columns are put together as they are computed in; few of them stay columns.
        """
        columns = wide and few(self.width)
        dtype = self.dtype if not wide or (columns and self.dtype == np.float32) else np.dtype(np.float64)
        layout: Literal["C", "F"] = "F" if columns else "C"
        matrix = as_matrix(batch, self.columns, self.width, dtype, place, layout)
        if self.order is None or self.found.per_class:
            return matrix
        return np.ascontiguousarray(matrix[:, self.order])

    def finished(
        self, stored: NDArray[Any], place: Place, *, text: bool, renormalize: bool
    ) -> tuple[Outputs, float]:
        """Checked outputs (n, k), and the largest |sum - 1| of probabilities."""
        values = ordered(stored)

        def at(row: int, column: int | None) -> str:
            return place.at(row, "" if column is None else self._column_name(column))

        if self.found.binary:
            if self.found.kind == "probs":
                refuse_outside(values, at)
            values = self._both(values)
        if self.found.kind == "logits":
            return checked_logits(values, at), 0.0
        return checked_probs(values, at, text=text, renormalize=renormalize)

    def _both(self, single: Outputs) -> NDArray[np.float64]:
        """The other class follows: 1 - q, or logit 0."""
        both = np.zeros((len(single), 2), order="F")
        given = self.classes.index((self.found.classes or self.classes)[0])
        both[:, given] = single[:, 0]
        if self.found.kind == "probs":
            both[:, 1 - given] = 1.0 - both[:, given]
        return both

    def _column_name(self, column: int) -> str:
        if self.found.per_class:
            return self.columns[0 if self.found.binary else column]
        if self.found.columns[0] == "":
            return str(column if self.order is None else self.order[column])
        return f"{self.found.columns[0]}, class {self.classes[column]}"


@dataclass(frozen=True)
class Reader:
    """One opened source and what its columns mean."""

    table: Table
    id: str | None
    labels: LabelReader | None
    outputs: OutputReader | None
    beside: BesideColumns = NO_COLUMNS

    @property
    def length(self) -> int | None:
        """Rows, where they are known without reading them."""
        names = [*((self.id,) if self.id else ()), *(self.labels.columns if self.labels else ())]
        return self.table.length([*names, *(self.outputs.columns if self.outputs else ())])

    def rows(
        self, count: int, *, start: int = 0, span: range | None = None, wide: bool = False
    ) -> Iterator[Rows]:
        """All rows, or those of ``span``, ``count`` at a time, the last piece shorter.

        Messages count from ``start``, or from that of the span. ``wide``: the rows are used and not kept.
        """
        if span is not None:
            start = span.start
        texts = [
            *((self.id,) if self.id else ()),
            *(self.labels.texts if self.labels else ()),
            *self.beside.texts,
        ]
        numbers = [
            *self.beside.numbers,
            *(self.labels.numbers if self.labels else ()),
            *(self.outputs.columns if self.outputs else ()),
        ]
        for batch in self.table.batches(texts=texts, numbers=numbers, rows=count, span=span):
            size = len(batch[(texts or numbers)[0]])
            place = place_in(self.table, range(start, start + size))
            yield Rows(
                place,
                None if self.id is None else as_ids(batch[self.id], self.id, place, trim=self.table.text),
                None if self.labels is None else self.labels.decode(batch, place),
                None if self.outputs is None else self.outputs.stored(batch, place, wide=wide),
                self.beside.decode(batch, place, trim=self.table.text),
            )
            start += size

    def ids(self) -> Iterator[pa.StringArray]:
        """The ids alone, in pieces."""
        for rows in Reader(self.table, self.id, None, None).rows(_ID_ROWS):
            yield rows.ids
