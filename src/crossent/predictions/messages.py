"""What the messages of an Arrow file or stream claim to unpack to, read without unpacking them.

Flatbuffers, as far as that takes. What is too much is decided in `bombs`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pyarrow as pa

from crossent.predictions.stored import Stored

_MAGIC = b"ARROW1\0\0"
_DICTIONARY, _BATCH = 2, 3  # kinds of messages
_KIND, _HEADER, _BODY = 1, 2, 3  # fields of Message
_BUFFERS, _COMPRESSION = 2, 3  # fields of RecordBatch
_DATA = 1  # of DictionaryBatch


def unpacked_sizes(stored: Stored) -> Iterator[int]:
    """The bytes that each compressed message unpacks to; ValueError where that cannot be told."""
    with stored.opened() as file:
        at = len(_MAGIC) if file.read(len(_MAGIC)) == _MAGIC else 0
        while at < file.size():
            file.seek(at)
            start = file.read(8)
            if len(start) < 8 or start[:4] != b"\xff\xff\xff\xff":
                return
            (length,) = struct.unpack("<i", start[4:])
            if length <= 0:
                return
            if length > file.size() - at:  # before memory is made for it
                raise ValueError("a message longer than the file")
            try:
                message = _Table.root(file.read(length))
                body = message.number(_BODY, "<q")
                size = _unpacked(file, message, at + 8 + length)
            except (struct.error, OSError, OverflowError) as error:  # an offset to where no file is
                raise ValueError("a message that cannot be read") from error
            if body < 0:
                raise ValueError("a message of less than nothing")
            if size is not None:
                yield size
            at += 8 + length + body  # not before where it is: no body is less than nothing


def _unpacked(file: pa.NativeFile, message: _Table, body: int) -> int | None:
    kind = message.number(_KIND, "<B")
    batch = message.table(_HEADER)
    if kind == _DICTIONARY and batch is not None:
        batch = batch.table(_DATA)
    if kind not in (_DICTIONARY, _BATCH) or batch is None or batch.table(_COMPRESSION) is None:
        return None
    size = 0
    for offset, length in batch.pairs(_BUFFERS):
        if length >= 8:
            file.seek(body + offset)
            # every compressed buffer begins with its size unpacked; -1: it is stored as it is
            size += max(0, struct.unpack("<q", file.read(8))[0])
    return size


class _Table:
    """A flatbuffer's table: fields by number."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _place(self, field: int) -> int | None:
        table = self._at - int(struct.unpack_from("<i", self._data, self._at)[0])
        slot = 4 + 2 * field
        if slot >= struct.unpack_from("<H", self._data, table)[0]:
            return None
        offset = int(struct.unpack_from("<H", self._data, table + slot)[0])
        return self._at + offset if offset else None

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return 0 if place is None else int(struct.unpack_from(form, self._data, place)[0])

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        if place is None:
            return None
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0])

    def pairs(self, field: int) -> list[tuple[int, int]]:
        """A vector of structs of two long numbers."""
        place = self._place(field)
        if place is None:
            return []
        start = place + struct.unpack_from("<I", self._data, place)[0]
        (count,) = struct.unpack_from("<I", self._data, start)
        return list(struct.iter_unpack("<qq", self._data[start + 4 : start + 4 + 16 * count]))
