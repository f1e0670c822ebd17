"""A batch's raw columns as ids, label values and matrices, whatever library they come from.

Refuses what has no value: nulls, lists of different lengths, the wrong type, each with its row and column.
What the values mean, and whether they make sense, is decided in `labels` and `check`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import is_list, plain_type

_MOST_TEXT = 2**28
_LONGEST_TEXT = 2**15


@dataclass(frozen=True)
class Place:
    """Where a batch stands: its source, and for each of its rows the row there, from 0.

    A source of several files has ``starts``: the first row of each, and what it is called.
    """

    origin: str
    rows: range | NDArray[np.int64]
    noun: str = "column"
    starts: tuple[tuple[int, str], ...] = ()

    def at(self, row: int, column: str = "") -> str:
        """``nn2.csv, row 3, column prob_dog``."""
        named = f", {self.noun} {column}" if column else ""
        origin, number = self.origin, int(self.rows[row])
        if self.starts:
            first, origin = self.starts[bisect_right(self.starts, number, key=itemgetter(0)) - 1]
            number -= first
        return f"{origin}, row {number + 1}{named}"


def as_ids(values: Any, column: str, place: Place, *, trim: bool) -> pa.StringArray:
    """Ids as text, one Arrow array."""
    return as_names(values, column, place, trim=trim, needs="an id")


def as_names(values: Any, column: str, place: Place, *, trim: bool, needs: str) -> pa.StringArray:
    """What names a row or its group, as text, one Arrow array; ``needs`` says what an empty one lacks."""
    texts = as_texts(values, column, place, trim=trim)
    lengths = pc.binary_length(texts)
    if len(texts) and pc.min(lengths).as_py() == 0:
        raise PredictionsError(
            f"{place.at(pc.index(lengths, 0).as_py(), column)}: empty; every row needs {needs}"
        )
    return texts


def as_texts(values: Any, column: str, place: Place, *, trim: bool) -> pa.StringArray:
    """Text or integers as text, one Arrow array; ``trim`` takes blanks off both ends."""
    texts = _plain(values, column, place)
    if not pa.types.is_string(texts.type):
        texts = texts.cast(pa.string())
    return pc.utf8_trim_whitespace(texts) if trim else texts


def as_vector(values: Any, column: str, place: Place) -> NDArray[Any]:
    """Numbers as a NumPy array (n,) of the dtype they are stored in."""
    if isinstance(values, np.ndarray):
        return values
    return from_arrow(_plain(values, column, place))


@np.errstate(invalid="ignore")  # a signalling nan is found by `check`
def as_matrix(
    batch: dict[str, Any],
    columns: Sequence[str],
    width: int,
    dtype: np.dtype[Any],
    place: Place,
    layout: Literal["C", "F"] = "C",
) -> NDArray[Any]:
    """One list or array column as a matrix (n, width) that is C-contiguous, or columns of numbers as
    one of the ``layout`` given."""
    if len(columns) == 1 and (matrix := _whole(batch[columns[0]], columns[0], width, place)) is not None:
        return np.ascontiguousarray(matrix)
    out = np.empty((len(batch[columns[0]]), len(columns)), dtype, layout)
    for j, column in enumerate(columns):
        values = batch[column]
        if isinstance(values, np.ndarray):
            out[:, j] = values
            continue
        start = 0
        for chunk in _numbers(values, column, place).chunks:
            out[start : start + len(chunk), j] = from_arrow(chunk)
            start += len(chunk)
    return out


def from_arrow(numbers: pa.Array) -> NDArray[Any]:
    """An Arrow array without nulls as a NumPy array, not copied; its own `to_numpy` would import pandas."""
    return np.from_dlpack(numbers)


def list_width(values: Any, column: str, place: Place) -> int:
    """Entries of the first row of a list column."""
    first = _decoded(values)[0]
    if not first.is_valid:
        raise PredictionsError(f"{place.at(0, column)}: null; every row needs its values")
    return len(first)


def _whole(values: Any, column: str, width: int, place: Place) -> NDArray[Any] | None:
    """A matrix column as a matrix; None for a column of single numbers."""
    if isinstance(values, np.ndarray):
        return values if values.ndim == 2 else None
    values = _decoded(values)
    if not is_list(values.type):
        return None
    _refuse_null(values, column, place)
    pieces, start = [], 0
    for chunk in values.chunks:
        if not pa.types.is_fixed_size_list(chunk.type):
            lengths = from_arrow(pc.list_value_length(chunk))
            if (wrong := lengths != width).any():
                row = int(wrong.argmax())
                raise PredictionsError(
                    f"{place.at(start + row, column)}: {lengths[row]} values, not {width};"
                    " every row needs one value per class"
                )
        flat = chunk.flatten()
        if flat.null_count:
            row = start + pc.index(flat.is_null(), True).as_py() // width
            raise PredictionsError(
                f"{place.at(row, column)}: a null among the values; every class needs a number"
            )
        pieces.append(from_arrow(flat).reshape(len(chunk), width))
        start += len(chunk)
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _numbers(values: pa.ChunkedArray, column: str, place: Place) -> pa.ChunkedArray:
    _refuse_null(values, column, place)
    values = _decoded(values)
    return values.cast(pa.float64()) if pa.types.is_decimal(values.type) else values


def _plain(values: Any, column: str, place: Place) -> pa.Array:
    if isinstance(values, np.ndarray):
        return _from_numpy(values, column, place)
    _refuse_null(values, column, place)
    _refuse_long(values, column, place)
    values = _decoded(values)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _from_numpy(values: NDArray[Any], column: str, place: Place) -> pa.Array:
    if values.dtype.kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise PredictionsError(
                f"{place.origin}, {place.noun} {column} is not UTF-8: save it as text"
            ) from error
    return pa.array(values.astype(values.dtype.newbyteorder("="), copy=False))


def _decoded(values: Any) -> Any:
    """Without dictionaries and extension types."""
    kind = plain_type(values.type)
    if isinstance(values.type, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in values.chunks]
        values = pa.chunked_array(chunks, values.type.storage_type)
    return values.cast(kind) if values.type != kind else values


def _refuse_long(values: Any, column: str, place: Place) -> None:
    """A dictionary gives one text to any number of rows: to very many a very long one fills any memory."""
    for chunk in getattr(values, "chunks", [values]) if pa.types.is_dictionary(values.type) else ():
        texts = chunk.dictionary
        if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
            longest = pc.max(pc.binary_length(texts)).as_py() or 0
            if longest * len(chunk) > _MOST_TEXT and longest > _LONGEST_TEXT:
                raise PredictionsError(
                    f"{place.origin}, {place.noun} {column}: a text of {longest:,} bytes for any number of"
                    f" rows, and {_LONGEST_TEXT:,} are the most; shorten it"
                )


def _refuse_null(values: Any, column: str, place: Place) -> None:
    if values.null_count:
        row = pc.index(values.is_null(), True).as_py()
        raise PredictionsError(f"{place.at(row, column)}: null; every row needs a value")
