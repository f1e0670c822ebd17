"""Deals blocks of examples out to threads: how many, on which pool, and in what pieces.

A row's result depends on the row alone, so nothing that is decided here can change a bit of it.
No formula, no check, no dtype but the widening to float64 comes in here.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from crossent import arrays
from crossent.errors import OptionError

T = TypeVar("T")

_limit: ContextVar[int | None] = ContextVar("_limit", default=None)
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


@contextmanager
def threads(n: int, /) -> Iterator[None]:
    """Use n threads inside the ``with`` block, for NumPy arrays and tensors alike; no result changes.

    Parameters
    ----------
    n : int
        At least 1. It counts for the thread (or asyncio task) that entered the block.

    Raises
    ------
    OptionError
        If n is no integer, or below 1.

    Examples
    --------
    >>> import crossent
    >>> with crossent.threads(1):
    ...     crossent.softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise OptionError(f"threads({n!r}): pass a whole number, at least 1")
    token = _limit.set(n)
    try:
        yield
    finally:
        _limit.reset(token)


def count(default: int | None = None) -> int:
    """How many threads to use here.

    What `threads` asks for, else 1 inside a Ray task, else `default`, else what the process may use.
    """
    chosen = _limit.get()
    if chosen is not None:
        return chosen
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized() and ray.get_runtime_context().worker.mode == ray.WORKER_MODE:
        return 1
    return default or min(_affinity(), _quota())


def deal(work: Callable[[int], None], items: int, *, workers: int | None = None) -> None:
    """Call ``work(0)`` to ``work(items - 1)``, by several threads, and return when all are done.

    The calling thread works too and takes back what nobody has begun, so that calls may be nested and
    come from many threads at once without waiting for each other. The first error ends the dealing.
    """
    workers = min(workers or count(), items)
    todo = itertools.count()
    stop = threading.Event()

    def some() -> None:
        while not stop.is_set() and (item := next(todo)) < items:
            try:
                work(item)
            except BaseException:
                stop.set()
                raise

    helpers = _submit(some, workers - 1) if workers > 1 else []
    try:
        some()
    finally:
        begun = [helper for helper in helpers if not helper.cancel()]
        errors = [error for helper in begun if (error := helper.exception()) is not None]
    if errors:
        raise errors[0]


def dealt(work: Callable[[int], T], items: int, *, workers: int | None = None) -> list[T]:
    """What ``work(0)`` to ``work(items - 1)`` return, in this order, dealt out as `deal` does."""
    found: dict[int, T] = {}

    def one(item: int) -> None:
        found[item] = work(item)

    deal(one, items, workers=workers)
    return [found[item] for item in range(items)]


def fill(
    out: NDArray[Any],
    formula: Callable[..., NDArray[np.float64]],
    *rows: NDArray[Any],
    workers: int | None = None,
) -> None:
    """Write ``formula(*rows)`` into `out`, block by block.

    `rows` and `out` share their first axis. Matrices reach the formula as C-contiguous float64 blocks,
    vectors as they are; the result is rounded once, to the dtype of `out`.
    """
    cuts = list(arrays.blocks(next(array.shape for array in rows if array.ndim == 2)))

    def one(item: int) -> None:
        block = cuts[item]
        parts = [array[block] for array in rows]
        with np.errstate(all="ignore"):  # exp may underflow, a narrow dtype may overflow: both are meant
            out[block] = formula(*(arrays.widened(part) if part.ndim == 2 else part for part in parts))

    deal(one, len(cuts), workers=workers)


def _submit(work: Callable[[], None], times: int) -> list[Future[None]]:
    """The pool is made on first use and replaced by a larger one where more threads are asked for."""
    global _pool, _pool_size
    with _lock:
        if _pool is None or _pool_size < times:
            _pool, _pool_size = ThreadPoolExecutor(times, thread_name_prefix="crossent"), times
        return [_pool.submit(copy_context().run, work) for _ in range(times)]


def _forget_pool() -> None:
    """A forked child has the pool's memory but none of its threads."""
    global _lock, _pool, _pool_size
    _lock, _pool, _pool_size = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _quota(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Processors that the control groups above this process allow it, a huge number where none does."""
    try:
        group = next(line[3:] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return sys.maxsize
    allowed = [sys.maxsize]
    folder = cgroups / group.strip("/")
    for place in (folder, *folder.parents):
        if not place.is_relative_to(cgroups):
            break
        try:
            quota, period = (place / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            allowed.append(max(1, math.ceil(int(quota) / int(period))))
    return min(allowed)
