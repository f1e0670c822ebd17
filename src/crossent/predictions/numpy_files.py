"""`.npy` and `.npz` files: mapped where they are stored plainly, streamed where they are compressed.

Pickles are never opened. What the arrays mean is decided elsewhere.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import first_line
from crossent.predictions.memory import ArrayTable, class_list, described_array, same_length
from crossent.predictions.table import Batch, Column

_LOCAL_HEADER = 30  # bytes before the member's name in a zip file
_MOST_WHOLE = 2**31  # bytes that a member may take which cannot be read by rows


@dataclass(frozen=True)
class Member:
    """One array in a file: where its numbers begin and how they lie.

    Attributes
    ----------
    start : position of the first number in the file; in the member, where that is compressed.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int
    compressed: bool = False

    def mapped(self) -> NDArray[Any]:
        """The array, mapped into memory."""
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)
        order: Literal["C", "F"] = "F" if self.fortran else "C"
        return np.memmap(self.path, self.dtype, "r", self.start, self.shape, order)

    def pieces(self, rows: int, origin: str) -> Iterator[NDArray[Any]]:
        """The rows in order, ``rows`` at a time."""
        if not self.compressed:
            whole = self.mapped()
            for first in range(0, len(whole), rows):
                yield whole[first : first + rows]
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.name + ".npy") as stream:
            stream.read(self.start)
            if self.fortran and len(self.shape) > 1:
                whole = self._array(stream.read(), self.shape[::-1]).T
                for first in range(0, len(whole), rows):
                    yield whole[first : first + rows]
                return
            row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
            for first in range(0, self.shape[0], rows):
                count = min(rows, self.shape[0] - first)
                data = stream.read(count * row_bytes)
                if len(data) != count * row_bytes:
                    raise PredictionsError(f"{origin} is cut off in array {self.name}: write it again")
                yield self._array(data, (count, *self.shape[1:]))

    def _array(self, data: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.frombuffer(data, self.dtype).reshape(shape)


@dataclass(frozen=True)
class NpzTable:
    """The arrays of an `.npz` file, opened by their headers."""

    origin: str
    members: dict[str, Member]
    classes: tuple[str, ...] | None
    text: bool = False
    plural: bool = True
    noun: Literal["column", "array"] = "array"

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(
            described_array(name, _shell(member.shape, member.dtype)) for name, member in self.members.items()
        )

    def length(self, names: Sequence[str]) -> int | None:
        return same_length({name: self.members[name].shape[0] for name in names}, self)

    def batches(self, *, texts: Sequence[str], numbers: Sequence[str], rows: int) -> Iterator[Batch]:
        names = list(dict.fromkeys([*texts, *numbers]))
        self.length(names)
        streams = [self.members[name].pieces(rows, self.origin) for name in names]
        try:
            for pieces in zip(*streams, strict=True):
                yield dict(zip(names, pieces, strict=True))
        except _ZIP_ERRORS as error:
            raise PredictionsError(
                f"{self.origin} is damaged ({first_line(error)}): write it again"
            ) from error


_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    UnicodeDecodeError,  # names of arrays
)


def open_npy(path: Path, origin: str) -> ArrayTable:
    """The one array of an `.npy` file, mapped."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        shape, fortran, dtype = _header(stream, origin)
        start = stream.tell()
    _check(shape, dtype, size - start, origin)
    array = Member(path, "", shape, dtype, fortran, start).mapped()
    if array.ndim == 0:
        raise PredictionsError(f"{origin} holds a single value, not an array of rows")
    return ArrayTable(origin, {"": array}, plural=False, noun="array")


def open_npz(path: Path, origin: str) -> NpzTable:
    """The arrays of an `.npz` file; only their headers are read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                entry.filename.removesuffix(".npy"): _member(archive, entry, path, origin)
                for entry in archive.infolist()
                if entry.filename.endswith(".npy")
            }
    except _ZIP_ERRORS as error:
        raise PredictionsError(
            f"{origin} is no complete .npz file ({first_line(error)}): write it again with numpy.savez"
        ) from error
    if not members:
        raise PredictionsError(
            f"{origin} holds no arrays: write it with numpy.savez(file, probs=..., labels=...)"
        )
    listed = members.pop("classes", None)
    classes = None
    if listed is not None:
        whole = [piece for piece in listed.pieces(max(1, listed.shape[0] if listed.shape else 1), origin)]
        classes = class_list(whole[0], origin) if whole else ()
    return NpzTable(origin, {name: m for name, m in members.items() if m.shape}, classes)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, origin: str) -> Member:
    name = entry.filename.removesuffix(".npy")
    place = f"{origin}, array {name}"
    with archive.open(entry) as stream:
        shape, fortran, dtype = _header(stream, place)
        start = stream.tell()
    _check(shape, dtype, entry.file_size - start, place)
    if entry.compress_type != zipfile.ZIP_STORED:
        if fortran and len(shape) > 1 and entry.file_size > _MOST_WHOLE:
            raise PredictionsError(
                f"{place} is compressed column by column, so it can only be read whole, and it takes"
                f" {entry.file_size:,} bytes: write it with numpy.savez, after numpy.ascontiguousarray"
            )
        return Member(path, name, shape, dtype, fortran, start, compressed=True)
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        local = file.read(_LOCAL_HEADER)
    names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return Member(path, name, shape, dtype, fortran, entry.header_offset + _LOCAL_HEADER + names + start)


def _header(stream: IO[bytes], place: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        return read(stream)
    except (zipfile.BadZipFile, zlib.error):
        raise
    except Exception as error:  # a damaged header makes NumPy raise whatever Python's own parser does
        raise PredictionsError(
            f"{place} is no complete NumPy array: write it again with numpy.save"
        ) from error


def _check(shape: tuple[int, ...], dtype: np.dtype[Any], size: int, place: str) -> None:
    """Refuses pickles, and headers that claim more or less than there is."""
    if dtype.hasobject:
        raise PredictionsError(
            f"{place} is a pickle of Python objects, which is never opened: save numbers, or text with"
            " astype(str)"
        )
    if dtype.kind not in "fiubUS":
        mend = "save it as float32" if dtype.str == "|V2" else "save one plain array of numbers, or of text"
        raise PredictionsError(f"{place} has dtype {dtype}, which cannot be read: {mend}")
    claimed = math.prod(shape) * dtype.itemsize
    if claimed != size or min(shape, default=0) < 0:
        raise PredictionsError(
            f"{place} claims {' × '.join(map(str, shape)) or 'one'} values ({claimed:,} bytes), but {size:,}"
            " bytes are there: it is cut off or damaged, write it again"
        )


def _shell(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of that shape and dtype that takes no memory."""
    return np.broadcast_to(np.empty((), dtype), shape)
