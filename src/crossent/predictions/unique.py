"""Are all ids different? Proved by their order where they are sorted, else by 8 bytes an id.

A hash only raises a suspicion; the ids themselves decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class Uniqueness:
    """Takes ids block by block; holds nothing as long as they increase, in text order or shorter first."""

    def __init__(self) -> None:
        self._rows = 0
        self._last: pa.StringArray | None = None
        self._in_text_order = True
        self._shorter_first = True
        self._hashes: bytearray | None = None

    def add(self, ids: pa.StringArray) -> None:
        """The next ids."""
        if self._hashes is not None:
            self._hashes += hashes(ids).tobytes()
        elif not self._increases(ids) and self._rows == 0:
            self._hashes = bytearray(hashes(ids).tobytes())
        self._rows += len(ids)

    def repeated(self, again: Callable[[], Iterator[pa.StringArray]]) -> tuple[str, int, int] | None:
        """An id that came twice, with both rows from 0; ``again`` gives the same ids once more if need be."""
        if self._in_text_order or self._shorter_first:
            return None
        if self._hashes is None:  # the order broke after the first block
            self._hashes = bytearray()
            for ids in again():
                self._hashes += hashes(ids).tobytes()
        ordered = np.frombuffer(self._hashes, np.int64)
        ordered.sort()
        suspects = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        return _first_repeated(again(), suspects) if len(suspects) else None

    def _increases(self, ids: pa.StringArray) -> bool:
        if not len(ids):
            return True
        joined = ids if self._last is None else pa.concat_arrays([self._last, ids])
        self._last = ids[-1:]
        in_text_order, shorter_first = _increasing(joined)
        self._in_text_order = self._in_text_order and in_text_order
        self._shorter_first = self._shorter_first and shorter_first
        return self._in_text_order or self._shorter_first


@dataclass(frozen=True)
class Run:
    """Ids of consecutive rows: the first, the last, and in which orders they increase."""

    first: pa.StringArray
    last: pa.StringArray
    in_text_order: bool
    shorter_first: bool

    @classmethod
    def of(cls, ids: pa.StringArray) -> Run:
        return cls(ids[:1], ids[-1:], *_increasing(ids))

    @property
    def is_unique(self) -> bool:
        """Whether their order proves that all are different."""
        return self.in_text_order or self.shorter_first

    def then(self, other: Run) -> Run:
        """These and the ids after them."""
        in_text_order, shorter_first = _increasing(pa.concat_arrays([self.last, other.first]))
        return Run(
            self.first,
            other.last,
            self.in_text_order and in_text_order and other.in_text_order,
            self.shorter_first and shorter_first and other.shorter_first,
        )

    def alone(self) -> Run:
        """The same, without the rest of the arrays that its ends are cut from."""
        ends = (pa.array(end.to_pylist(), pa.string()) for end in (self.first, self.last))
        return replace(self, **dict(zip(("first", "last"), ends, strict=True)))


def _increasing(ids: pa.StringArray) -> tuple[bool, bool]:
    """Whether ids increase in text order, and with shorter ones first."""
    before, after = ids[:-1], ids[1:]
    later = pc.less(before, after)
    lengths, next_lengths = pc.binary_length(before), pc.binary_length(after)
    shorter = pc.less(lengths, next_lengths)
    same = pc.and_(pc.equal(lengths, next_lengths), later)
    return _all(later), _all(pc.or_(shorter, same))


def _all(flags: Any) -> bool:
    return pc.all(flags, min_count=0).as_py() is True


def hashes(ids: pa.StringArray) -> NDArray[np.int64]:
    """Of each id, the same within one process."""
    return np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids))


def _first_repeated(
    blocks: Iterator[pa.StringArray], suspects: NDArray[np.int64]
) -> tuple[str, int, int] | None:
    seen: dict[str, int] = {}
    start = 0
    for ids in blocks:
        for i in np.flatnonzero(np.isin(hashes(ids), suspects)):
            name = ids[int(i)].as_py()
            if name in seen:
                return name, seen[name], start + int(i)
            seen[name] = start + int(i)
        start += len(ids)
    return None
