"""What a format delivers: a table of named columns, read some rows at a time, before any of it has a meaning.

Each format is one room that builds a `Table`; what its columns mean is decided in `columns`, and how
their values become numbers in `values`. No format's own knowledge in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from crossent.errors import PredictionsError

Form = Literal["text", "integer", "real", "matrix", "untyped", "other"]
_FLOAT64: np.dtype[Any] = np.dtype(np.float64)
Batch = dict[str, Any]
"""Some rows of some columns: each a NumPy array, or an Arrow chunked array."""


@dataclass(frozen=True)
class Column:
    """One column as its file describes it.

    Attributes
    ----------
    name : as in the file; '' for a bare array.
    form : what its values are; 'untyped' in a text file, where the reader says what it wants.
    type : the same in the format's own words, for messages.
    width : entries per row: 1 unless `form` is 'matrix'; None where only the rows tell.
    dtype : holds the numbers as they are stored, without loss.
    """

    name: str
    form: Form
    type: str
    width: int | None = 1
    dtype: np.dtype[Any] = _FLOAT64


class Table(Protocol):
    """An opened source."""

    @property
    def origin(self) -> str:
        """How messages name the source."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns, in the file's order."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The source's own list of class names, in the order that its indices count."""

    @property
    def text(self) -> bool:
        """Whether numbers were printed as decimal text."""

    @property
    def plural(self) -> bool:
        """Whether `ids` and `labels` are taken for `id` and `label`."""

    @property
    def noun(self) -> Literal["column", "array"]:
        """What messages call one of `columns`."""

    def length(self, names: Sequence[str]) -> int | None:
        """Rows of these columns where it is known without reading them."""

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        """These columns from the first row, ``rows`` at a time, the last batch shorter; may be repeated.

        ``span`` are the rows wanted, where the table is ``ranged``.
        """

    @property
    def ranged(self) -> bool:
        """Whether rows can be read without those before them."""


def within(pieces: Iterable[Any], span: range | None) -> Iterator[Any]:
    """Of consecutive pieces, each with `slice` and a length, what lies in ``span``."""
    end = 0
    for piece in pieces:
        start, end = end, end + len(piece)
        if span is None or (start >= span.start and end <= span.stop):
            yield piece
        elif end > span.start and start < span.stop:
            low = max(span.start - start, 0)
            yield piece.slice(low, min(span.stop, end) - start - low)
        if span is not None and end >= span.stop:
            return


def listed(names: Sequence[str]) -> str:
    """Names as messages list them: not too many, none too long."""
    shown = ", ".join(name if len(name) <= 40 else f"{name[:39]}…" for name in names[:6])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 6 else shown


def refuse_repeated(names: Sequence[str], origin: str) -> None:
    """Column names must be unique: of two, nobody knows which is meant."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise PredictionsError(f"{origin} has more than one column '{name}': keep one of them")
        seen.add(name)
