"""The rows of several sources side by side: by position, or by id in the first source's order.

Sources in equal order stream; a source in another order is joined by `join`. Values are not looked at here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from crossent.errors import PredictionsError
from crossent.predictions.join import joined, refuse_repeated_ids
from crossent.predictions.reader import Reader, Rows
from crossent.predictions.unique import Uniqueness

_AHEAD = 2  # one piece waits while the next is read, so that a reader rests only where it is far ahead


def by_position(readers: Sequence[Reader], rows: int) -> Generator[tuple[Rows, ...]]:
    """Row by row; all sources must have the same number of rows."""
    _refuse_unequal(readers, [reader.length for reader in readers])
    streams = [ahead(reader.rows(rows, wide=True)) for reader in readers]
    done = 0
    while True:
        parts = [next(stream, None) for stream in streams]
        sizes = [0 if part is None else len(part.place.rows) for part in parts]
        if len(set(sizes)) > 1:
            rest = [sum(len(part.place.rows) for part in stream) for stream in streams]
            _refuse_unequal(readers, [done + a + b for a, b in zip(sizes, rest, strict=True)])
        present = tuple(part for part in parts if part is not None)
        if not present:
            return
        yield present
        done += sizes[0]


def ahead(rows: Iterator[Rows]) -> Iterator[Rows]:
    """The same, the next pieces being read and decoded meanwhile."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="crossent-reader")
    try:
        coming = deque(pool.submit(next, rows, None) for _ in range(_AHEAD))
        while (piece := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, rows, None))
            yield piece
    finally:
        pool.shutdown(cancel_futures=True)


def _refuse_unequal(readers: Sequence[Reader], lengths: Sequence[int | None]) -> None:
    first = lengths[0]
    for reader, length in zip(readers, lengths, strict=True):
        if length is not None and first is not None and length != first:
            raise PredictionsError(
                f"{readers[0].table.origin} has {_rows(first)}, {reader.table.origin} has {_rows(length)}:"
                " without ids rows are paired by position; add the missing rows, or ids to all"
            )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def by_id(readers: Sequence[Reader], rows: int, memory: int) -> Generator[tuple[Rows, ...]]:
    """Id by id, in the first source's order; ``memory`` bounds what sources in another order may take.

    What is joined on disk is removed when the generator ends or is closed.
    """
    with ExitStack() as folders:
        yield from _by_id(readers, rows, memory, folders)


def _by_id(
    readers: Sequence[Reader], rows: int, memory: int, folders: ExitStack
) -> Iterator[tuple[Rows, ...]]:
    first = readers[0]
    streams: list[Iterator[Rows]] = [ahead(reader.rows(rows, wide=True)) for reader in readers]
    is_joined = [False] * len(readers)
    unique = Uniqueness()
    done = 0
    while True:
        lead = next(streams[0], None)
        parts = [lead]
        for j in range(1, len(readers)):
            part = next(streams[j], None)
            if not is_joined[j] and not _same_ids(lead, part):
                whole = joined(first, readers[j], memory, folders)
                memory -= whole.nbytes
                streams[j], is_joined[j] = whole.rows(done, rows), True
                part = next(streams[j], None)
            parts.append(part)
        present = tuple(part for part in parts if part is not None)
        if not present:
            break
        if not any(is_joined):  # joining has proved that they differ
            unique.add(present[0].ids)
        yield present
        done += len(present[0].place.rows)
    if not any(is_joined):
        refuse_repeated_ids(first.table.origin, unique, first.ids)


def _same_ids(a: Rows | None, b: Rows | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(a.ids is not None and a.ids.equals(b.ids))
