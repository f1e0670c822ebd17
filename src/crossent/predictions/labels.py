"""A source's label column as class indices, or its soft labels as distributions, in the order of the classes.

Which reading of text holds, names or indices, is settled once over the whole column before any label is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import text_array
from crossent.predictions.block import rows_per_block
from crossent.predictions.check import checked_probs
from crossent.predictions.columns import Columns, LabelColumns
from crossent.predictions.parts import place_in
from crossent.predictions.table import Batch, Table, listed
from crossent.predictions.values import Place, as_matrix, as_texts, as_vector, from_arrow

Labels = NDArray[np.int64] | NDArray[np.float64]
_INDEX = re.compile(r"0|[1-9]\d*")


@dataclass(frozen=True)
class LabelReader:
    """How to read one source's labels.

    Attributes
    ----------
    columns : the one column, or one per class.
    classes : of the comparison, in order.
    counted : the classes in the order that this source's indices count.
    reading : 'name' or 'index'; 'soft' for distributions.
    order : where in a row of soft labels each class stands.
    """

    table: Table
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    counted: tuple[str, ...]
    reading: Literal["name", "index", "soft"]
    typed: bool
    order: NDArray[np.int64] | None = None

    @property
    def unnamed(self) -> bool:
        """Whether the classes have no names but their indices."""
        return self.classes == tuple(map(str, range(len(self.classes))))

    @property
    def texts(self) -> tuple[str, ...]:
        return () if self.reading == "soft" else self.columns

    @property
    def numbers(self) -> tuple[str, ...]:
        return self.columns if self.reading == "soft" else ()

    def decode(self, batch: Batch, place: Place) -> Labels:
        """The labels of a batch: int64 (n,), or float64 (n, k)."""
        if self.reading == "soft":
            return self._soft(batch, place)
        column = self.columns[0]
        if self.typed and self.reading == "index":
            return self._typed(as_vector(batch[column], column, place), place)
        texts = as_texts(batch[column], column, place, trim=self.table.text)
        found = pc.index_in(texts, value_set=self._words)
        if found.null_count:
            row = pc.index(found.is_null(), True).as_py()
            raise PredictionsError(f"{place.at(row, column)}: {self._unknown(texts[row].as_py())}")
        return self._placed(from_arrow(found).astype(np.int64))

    def _soft(self, batch: Batch, place: Place) -> NDArray[np.float64]:
        matrix = as_matrix(batch, self.columns, len(self.classes), np.dtype(np.float64), place)
        soft = np.ascontiguousarray(matrix if self.order is None else matrix[:, self.order], dtype=np.float64)

        def at(row: int, column: int | None) -> str:
            return place.at(row, self._column_name(column))

        checked, _ = checked_probs(soft, at, text=self.table.text, what="soft labels")
        return checked.astype(np.float64, copy=False)

    def _column_name(self, column: int | None) -> str:
        if column is None:
            return ""
        if len(self.columns) > 1:
            return f"label_{self.classes[column]}"
        return f"{self.columns[0]}, class {self.classes[column]}"

    def _typed(self, values: NDArray[Any], place: Place) -> NDArray[np.int64]:
        with np.errstate(invalid="ignore"):
            bad = ~((values >= 0) & (values < len(self.classes)))
            if values.dtype.kind == "f":
                bad |= values != np.floor(values)
        if bad.any():
            row = int(bad.argmax())
            raise PredictionsError(f"{place.at(row, self.columns[0])}: {self._unknown(str(values[row]))}")
        return self._placed(values.astype(np.int64))

    def _placed(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.reading == "name" or self.counted == self.classes:
            return indices
        return self._places[indices]

    @cached_property
    def _words(self) -> pa.StringArray:
        """The texts that are labels, in order."""
        return text_array(
            self.classes if self.reading == "name" else list(map(str, range(len(self.counted))))
        )

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Where each class that this source's indices count stands among the classes."""
        place = {name: i for i, name in enumerate(self.classes)}
        return np.array([place[name] for name in self.counted], np.int64)

    def _unknown(self, value: str) -> str:
        last = len(self.classes) - 1
        if not value:
            return "empty; every row needs a label"
        if value == "nan":
            return "nan; every row needs a label"
        if self.reading == "name":
            classes = listed(self.classes)
            mend = "name the classes, in order, with --classes" if self.unnamed else "mend it, or --classes"
            return f"'{value[:60]}' is not one of the classes {classes}; {mend}"
        if re.fullmatch(r"[+-]?\d*\.\d*", value):
            return f"{value} is a fraction; labels are names, or whole numbers 0..{last}"
        mend = "leave the row out" if value.startswith("-") else "if these are names, add --label-is name"
        return f"{value[:60]} is no index of {len(self.classes)} classes, 0..{last}; {mend}"


def label_reader(
    table: Table,
    found: LabelColumns,
    classes: tuple[str, ...],
    counted: tuple[str, ...],
    declared: Columns,
    *,
    by_name: bool,
) -> LabelReader:
    """How to read these label columns.

    ``by_name``: outputs stand in columns named after the classes alone, which takes labels that name them.
    """
    if found.classes is not None:
        return LabelReader(
            table,
            found.columns,
            classes,
            counted,
            "soft",
            True,
            order_of(found.classes, classes, table, "label_"),
        )
    column = next(column for column in table.columns if column.name == found.columns[0])
    if column.form == "matrix":
        if column.width not in (None, len(classes)):
            raise PredictionsError(
                f"{table.origin}: labels have {column.width} entries per row, but there are"
                f" {len(classes)} classes ({listed(classes)}); give one entry per class"
            )
        own = None if counted == classes else order_of(counted, classes, table, "")
        return LabelReader(table, found.columns, classes, counted, "soft", True, own)
    if column.form == "other":
        place = f"{table.origin}: {table.noun} {column.name}" if column.name else table.origin
        raise PredictionsError(f"{place} is {column.type}; labels are names, or whole numbers from 0")
    reading = declared.label_is or ("name" if by_name or column.form == "text" else "index")
    if column.form == "untyped" and declared.label_is is None and not by_name:
        reading = _settled(table, column.name, classes, counted)
    return LabelReader(table, found.columns, classes, counted, reading, column.form in ("integer", "real"))


def order_of(found: Sequence[str], classes: Sequence[str], table: Table, prefix: str) -> NDArray[np.int64]:
    """Where in ``found`` each class stands; the two must be the same set."""
    places = {name: place for place, name in enumerate(found)}
    missing = [name for name in classes if name not in places]
    known = set(classes)
    extra = [name for name in found if name not in known]
    if missing or extra:
        lacks = [f"lacks {listed([prefix + name for name in missing])}"] if missing else []
        has = [f"has {listed([prefix + name for name in extra])}"] if extra else []
        raise PredictionsError(
            f"{table.origin} has other classes than {listed(classes)}: it {' and '.join(lacks + has)};"
            " all sources need the same ones"
        )
    return np.array([places[name] for name in classes], np.int64)


def _settled(
    table: Table, column: str, classes: tuple[str, ...], counted: tuple[str, ...]
) -> Literal["name", "index"]:
    """Names or indices: what every value of the column fits; an error where both do and differ."""
    names, last = set(classes), len(classes) - 1
    differ = {name for place, name in enumerate(counted) if _INDEX.fullmatch(name) and int(name) != place}

    def is_index(value: str) -> bool:
        return bool(_INDEX.fullmatch(value)) and int(value) <= last

    first: Literal["name", "index"] | None = None
    fit_names = fit_indices = True
    example = None
    for values in _distinct(table, column, rows_per_block(1)):
        if first is None:
            first = "name" if values[0] in names or not is_index(values[0]) else "index"
        fit_names = fit_names and names.issuperset(values)
        fit_indices = fit_indices and all(map(is_index, values))
        example = example or next((value for value in values if value in differ), None)
        if not differ or not (fit_names and fit_indices):
            break
    if fit_names and fit_indices and example is not None:
        raise PredictionsError(
            f"{table.origin}, column {column}: '{example}' could be a class's name or another one's index,"
            " and so could every label; say which: --label-is name or --label-is index"
        )
    return "name" if fit_names else "index" if fit_indices else first or "name"


def _distinct(table: Table, column: str, rows: int) -> Iterator[list[str]]:
    start = 0
    for batch in table.batches(texts=[column], numbers=[], rows=rows):
        count = len(batch[column])
        texts = as_texts(batch[column], column, place_in(table, range(start, start + count)), trim=table.text)
        yield pc.unique(texts).to_pylist()
        start += count
