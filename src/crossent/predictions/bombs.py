"""Files that claim, or unpack to, far more than they hold: refused before they take the memory.

Every limit lies beyond what predictions need. What a file means is decided elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crossent.errors import PredictionsError
from crossent.predictions.footers import BYTE_ARRAY, claimed
from crossent.predictions.messages import unpacked_sizes
from crossent.predictions.stored import Stored

MOST_CLASSES = 2**22
_MOST_TIMES = 500  # a text unpacks to; predictions reach 10 to 50
_SURELY_SMALL = 2**26
_MOST_BLANK = 2**24
_LONGEST_TEXT = 2**15
_MOST_UNPACKED = 2**29
_VALUES_A_BYTE = 64  # numbers that one byte may stand for; one-hot rows reach 8


def refuse_wide(width: int | None, where: str) -> None:
    """An error where a row has more entries than there can be classes."""
    if width is not None and width > MOST_CLASSES:
        raise PredictionsError(
            f"{where} claims {width:,} values per row, and {MOST_CLASSES:,} classes are the most:"
            " write it again"
        )


class Meter:
    """How much a file has unpacked to; an OSError where that is far too much.

    ``at_once``: the most bytes that are counted at once.
    """

    def __init__(self, stored: Stored, at_once: int) -> None:
        size = stored.state[0] if stored.state else None
        self._most = math.inf if size is None else max(_SURELY_SMALL, _MOST_TIMES * size)
        self._most_blank = max(_MOST_BLANK, 2 * at_once)
        self._read = self._blank = 0

    def count(self, size: int, *, blank: bool) -> None:
        """``size`` bytes more, or a few less. ``blank``: there is no sign in them."""
        self._read += size
        self._blank = self._blank + size if blank else 0
        if self._blank > self._most_blank:
            raise OSError(f"it holds over {_MOST_BLANK >> 20} MB without a single sign, as no predictions do")
        if self._read > self._most:
            raise OSError(f"it unpacks to over {_MOST_TIMES} times its size, as no predictions do")


def unpacked(stored: Stored, compression: str | None, at_once: int) -> Iterator[bytes]:
    """The file's bytes from the first to the last, ``at_once`` at a time."""
    meter = Meter(stored, at_once)
    with stored.stream(compression) as stream:
        while data := stream.read(at_once):
            meter.count(len(data), blank=data.isspace())
            yield data


def refuse_arrow_bombs(stored: Stored, origin: str) -> None:
    """An error where a record batch, unpacked whole, takes very much; large files are no bombs."""
    if stored.state is None or (stored.state[0] or 0) > _SURELY_SMALL:
        return
    try:
        sizes = list(unpacked_sizes(stored))
    except ValueError as error:
        raise PredictionsError(f"{origin} is no complete Arrow file ({error}): write it again") from error
    for number, size in enumerate(sizes, 1):
        if size > _MOST_UNPACKED:
            raise PredictionsError(
                f"{origin}: its record batch {number} unpacks to {size:,} bytes, and {_MOST_UNPACKED:,}"
                " are the most for a file of this size; write smaller batches"
            )


def refuse_parquet_bombs(stored: Stored, columns: list[str], origin: str) -> None:
    """An error where columns unpack to far more than is stored of them; large files are no bombs."""
    if stored.state is None or (stored.state[0] or 0) > _SURELY_SMALL:
        return
    try:
        groups = list(claimed(stored))
    except (ValueError, TypeError, AttributeError) as error:  # fields of other types than they must be
        raise PredictionsError(f"{origin} is no complete Parquet file ({error}): write it again") from error
    for group, chunks in enumerate(groups):
        texts = []
        for chunk in chunks:
            if not chunk.path or chunk.path[0] not in columns:
                continue
            (name, *nested) = chunk.path
            if nested and chunk.values > max(_SURELY_SMALL, chunk.size * _VALUES_A_BYTE):
                raise PredictionsError(
                    f"{origin}, column {name}: {chunk.values:,} numbers out of {chunk.size:,} bytes,"
                    " as no predictions are; write it again"
                )
            if not nested and chunk.type == BYTE_ARRAY and chunk.size > _LONGEST_TEXT:
                texts.append(name)
        if texts:
            _refuse_long_texts(stored, group, texts, origin)


def _refuse_long_texts(stored: Stored, group: int, texts: list[str], origin: str) -> None:
    """A dictionary gives one text to any number of rows: it is looked at before it is."""
    with pq.ParquetFile(stored.opened(), read_dictionary=texts) as file:
        batch: Any = next(file.iter_batches(1, row_groups=[group], columns=texts, use_threads=False), None)
    for name, column in zip(batch.schema.names, batch.columns, strict=True) if batch else ():
        if isinstance(column, pa.DictionaryArray) and len(column.dictionary):
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() or 0
            if longest > _LONGEST_TEXT:
                raise PredictionsError(
                    f"{origin}, column {name}: a text of {longest:,} bytes for any number of rows, and"
                    f" {_LONGEST_TEXT:,} are the most; shorten it"
                )
