"""The column `image`, read for the few examples that a report shows, in a pass of its own.

Not with the blocks: a block of images could exceed any memory. Images are not decoded here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.predictions.columns import image_column
from crossent.predictions.reader import Reader
from crossent.predictions.table import Batch, Table
from crossent.predictions.values import Place, as_ids

Image = str | bytes | NDArray[np.uint8]
"""A path, an encoded image, or its pixels (height, width), with 3 or 4 channels behind if it has colours."""

_TEXT_ROWS, _ROWS = 65_536, 256


@dataclass(frozen=True)
class ImageColumn:
    """Where the images stand; ``id`` is the column that pairs the examples, None where position does."""

    table: Table
    column: str
    id: str | None

    @property
    def folder(self) -> Path | None:
        """The folder of the file that has the column, or that is the source."""
        path = Path(self.table.origin)
        return path if path.is_dir() else path.parent if path.is_file() else None

    def read(self, rows: Sequence[int], ids: Sequence[str | None]) -> Mapping[int, Image]:
        """The images of some examples, named by row and id; those that have none are left out."""
        wanted = dict(zip(rows if self.id is None else ids, rows, strict=True))
        found: dict[int, Image] = {}
        for names, values in self._batches():
            for place, name in names(wanted):
                image = _plain(values[place])
                if image is not None and len(image):
                    found[wanted[name]] = image
            if len(found) == len(rows):
                break
        return found

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        form = next(column.form for column in self.table.columns if column.name == self.column)
        count = _TEXT_ROWS if form in ("text", "untyped") else _ROWS
        texts = [self.column, *(() if self.id is None else (self.id,))]
        start = 0
        for batch in self.table.batches(texts=texts, numbers=[], rows=count):
            size = len(batch[self.column])
            place = Place(self.table.origin, range(start, start + size), self.table.noun)
            yield self._names(batch, place), batch[self.column]
            start += size

    def _names(self, batch: Batch, place: Place) -> Any:
        """Tells of some examples those that the batch has, each with its place there."""
        if self.id is None:
            return lambda wanted: [(row - place.rows[0], row) for row in wanted if row in place.rows]
        ids = as_ids(batch[self.id], self.id, place, trim=self.table.text)

        def named(wanted: Mapping[str, int]) -> list[tuple[int, str]]:
            flags = pc.is_in(ids, value_set=pa.array(list(wanted), pa.string()))
            places = pc.indices_nonzero(flags).to_pylist()
            return [(row, ids[row].as_py()) for row in places]

        return named


def image_column_of(readers: Sequence[Reader], paired_by: Literal["id", "position"]) -> ImageColumn | None:
    """The column of the first source that has one."""
    for reader in readers:
        if (name := image_column(reader.table)) is not None:
            return ImageColumn(reader.table, name, reader.id if paired_by == "id" else None)
    return None


def _plain(value: Any) -> Image | None:
    """As Python has it; Hugging Face's images are a struct of bytes and path."""
    if isinstance(value, np.ndarray):
        return value if value.ndim in (2, 3) and value.dtype == np.uint8 else None
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, np.bytes_):
        value = bytes(value)
    return value if isinstance(value, str | bytes) else None
