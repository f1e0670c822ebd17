"""`.npy` and `.npz` files: read by rows where they are stored plainly, streamed where they are compressed.

Pickles are never opened. What the arrays mean is decided elsewhere.
"""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.bombs import refuse_wide
from crossent.predictions.memory import class_list, described_array, same_length
from crossent.predictions.stored import Stored, first_line
from crossent.predictions.table import Batch, Column

_LOCAL_HEADER = 30  # bytes before the member's name in a zip file
_MOST_WHOLE = 2**29  # bytes that a member may take which cannot be read by rows


@dataclass(frozen=True)
class Member:
    """One array in a file: where its numbers begin and how they lie.

    Attributes
    ----------
    start : position of the first number in the file; in the member, where that is compressed.
    """

    stored: Stored
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int
    compressed: bool = False

    def pieces(self, rows: int, origin: str, span: range | None = None) -> Iterator[NDArray[Any]]:
        """The rows in order, ``rows`` at a time."""
        wanted = range(self.shape[0]) if span is None else span
        if not self.compressed:
            with self.stored.opened() as file:
                for first in range(wanted.start, wanted.stop, rows):
                    yield self._read(file, first, min(rows, wanted.stop - first), origin)
            return
        with (
            self.stored.binary() as file,
            zipfile.ZipFile(file) as archive,
            archive.open(self.name + ".npy") as stream,
        ):
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

    def _read(self, file: pa.NativeFile, first: int, count: int, origin: str) -> NDArray[Any]:
        """Some rows of an array that is stored plainly."""
        size = self.dtype.itemsize
        width = math.prod(self.shape[1:])
        if not self.fortran or width == 1:
            data = self._bytes(file, first * width * size, count * width * size, origin)
            return self._array(data, (count, *self.shape[1:]))
        columns = np.empty((width, count), self.dtype)
        for column in range(width):
            start = (column * self.shape[0] + first) * size
            columns[column] = np.frombuffer(self._bytes(file, start, count * size, origin), self.dtype)
        return columns.reshape(*self.shape[:0:-1], count).T

    def _bytes(self, file: pa.NativeFile, start: int, size: int, origin: str) -> bytes:
        file.seek(self.start + start)
        data: bytes = file.read(size)
        if len(data) != size:
            self.stored.refuse_changed(origin)
            raise PredictionsError(f"{origin} is cut off in array {self.name}: write it again")
        return data

    def _array(self, data: bytes, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.frombuffer(data, self.dtype).reshape(shape)


@dataclass(frozen=True)
class ArrayFileTable:
    """The arrays of an `.npz` file, or the one of an `.npy` file, opened by their headers."""

    origin: str
    stored: Stored
    members: dict[str, Member]
    classes: tuple[str, ...] | None
    text: bool = False
    plural: bool = True
    noun: Literal["column", "array"] = "array"

    @property
    def ranged(self) -> bool:
        return not any(member.compressed for member in self.members.values())

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(
            described_array(name, _shell(member.shape, member.dtype)) for name, member in self.members.items()
        )

    def length(self, names: Sequence[str]) -> int | None:
        return same_length({name: self.members[name].shape[0] for name in names}, self)

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        names = list(dict.fromkeys([*texts, *numbers]))
        self.length(names)
        streams = [self.members[name].pieces(rows, self.origin, span) for name in names]
        with self.stored.reading(self.origin, _ZIP_ERRORS):
            for pieces in zip(*streams, strict=True):
                yield dict(zip(names, pieces, strict=True))


_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    pa.ArrowException,  # of a file system
    UnicodeDecodeError,  # names of arrays
)


def open_npy(stored: Stored, origin: str) -> ArrayFileTable:
    """The one array of an `.npy` file; only its header is read."""
    with stored.opened() as stream:
        size = stream.size()
        shape, fortran, dtype = _header(stream, origin)
        start = stream.tell()
    _check(shape, dtype, size - start, origin)
    if not shape:
        raise PredictionsError(f"{origin} holds a single value, not an array of rows")
    members = {"": Member(stored, "", shape, dtype, fortran, start)}
    return ArrayFileTable(origin, stored, members, None, plural=False)


def open_npz(stored: Stored, origin: str) -> ArrayFileTable:
    """The arrays of an `.npz` file; only their headers are read."""
    try:
        with stored.binary() as file, zipfile.ZipFile(file) as archive:
            members = {
                entry.filename.removesuffix(".npy"): _member(archive, entry, stored, origin)
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
        refuse_wide(listed.shape[0] if listed.shape else 1, f"{origin}, array classes")
        whole = [piece for piece in listed.pieces(max(1, listed.shape[0] if listed.shape else 1), origin)]
        classes = class_list(whole[0], origin) if whole else ()
    return ArrayFileTable(origin, stored, {name: m for name, m in members.items() if m.shape}, classes)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, stored: Stored, origin: str) -> Member:
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
        return Member(stored, name, shape, dtype, fortran, start, compressed=True)
    with stored.opened() as file:
        file.seek(entry.header_offset)
        local = file.read(_LOCAL_HEADER)
    names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    return Member(stored, name, shape, dtype, fortran, entry.header_offset + _LOCAL_HEADER + names + start)


def _header(stream: IO[bytes], place: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Python 2 wrote, which is read all the same
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
