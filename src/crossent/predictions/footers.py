"""What a Parquet footer claims of its columns, read without PyArrow: its own way to it ends the process where
the footer is damaged.

Thrift's compact protocol, as far as that takes. What is too much is decided in `bombs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crossent.predictions.stored import Stored

_END, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_DEEPEST = 32
_ROW_GROUPS, _COLUMNS, _META = 4, 1, 3  # fields of FileMetaData, RowGroup, ColumnChunk
_TYPE, _PATH, _VALUES, _SIZE = 1, 3, 5, 6  # fields of ColumnMetaData
BYTE_ARRAY = 6


@dataclass(frozen=True)
class Claimed:
    """One column of one row group: the names down to it, its type, its values, and their bytes unpacked."""

    path: tuple[str, ...]
    type: int
    values: int
    size: int


def claimed(stored: Stored) -> Iterator[list[Claimed]]:
    """The columns of each row group; ValueError where the footer cannot be read."""
    with stored.opened() as file:
        end = file.size()
        file.seek(max(0, end - 8))
        length = int.from_bytes(file.read(4), "little")
        if length + 8 > end:
            raise ValueError("the footer is longer than the file")
        file.seek(end - 8 - length)
        found = _Compact(file.read(length)).struct()
    for group in found.get(_ROW_GROUPS, []):
        chunks = [chunk[_META] for chunk in group.get(_COLUMNS, []) if _META in chunk]
        yield [
            Claimed(
                tuple(name.decode(errors="replace") for name in chunk.get(_PATH, [])),
                chunk.get(_TYPE, -1),
                chunk.get(_VALUES, 0),
                chunk.get(_SIZE, 0),
            )
            for chunk in chunks
        ]


class _Compact:
    """Structs as fields by number."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        fields: dict[int, Any] = {}
        number = 0
        while (header := self._byte()) & 15 != _END:
            number = number + (header >> 4) if header >> 4 else self._signed()
            fields[number] = self._value(header & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in (_LIST, _SET):
            header = self._byte()
            count = self._varint() if header >> 4 == 15 else header >> 4
            if count > len(self._data):
                raise ValueError("a list that is longer than the footer")
            inner = header & 15
            plain = inner in (_TRUE, _FALSE)  # in a list a truth value is a byte
            return [self._byte() if plain else self._value(inner, depth + 1) for _ in range(count)]
        if kind == _STRUCT:
            return self.struct(depth + 1)
        raise ValueError("a type that no footer has")

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise ValueError("the footer is cut off")
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise ValueError("the footer is cut off")
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number that is too long")

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
