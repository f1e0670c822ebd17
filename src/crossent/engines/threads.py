"""A tally on threads of this machine. Blocks go out in order; what comes back is merged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

from crossent.errors import CrossentError, PredictionsError
from crossent.kernels.threads import count
from crossent.predictions import Block, Predictions
from crossent.rule import Rule
from crossent.tally import Bar, Tally, tally_block


def tally_on_threads(
    predictions: Predictions,
    rule: Rule,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """Tally all blocks on ``threads`` threads; ``progress`` is told the rows of each block once done."""
    workers = count() if threads is None else threads
    total: Tally | None = None
    running: deque[Future[Tally]] = deque()

    def take_in() -> Tally:
        part = running.popleft().result()
        if progress is not None:
            progress(int(part.labels.sum()))
        if total is None:
            return part
        total.merge(part)
        return total

    pool = ThreadPoolExecutor(workers, thread_name_prefix="crossent")
    with pool, closing(predictions.pending()) as pending:
        while True:
            try:
                block = next(pending, None)
            except CrossentError:
                while running:  # what is wrong in rows before comes first
                    total = take_in()
                raise
            if block is None:
                break
            running.append(pool.submit(_tallied, block, rule, None if total is None else total.bar))
            if len(running) > workers:  # bounds what is held: one block a thread and the one being read
                total = take_in()
        while running:
            total = take_in()
    if total is None:
        raise PredictionsError(f"{predictions.models[0].origin}: no rows, so there is nothing to compare")
    return total


def _tallied(block: Callable[[], Block], rule: Rule, bar: Bar | None) -> Tally:
    """Checked and added up, on the same thread, while its numbers are in the cache."""
    return tally_block(block(), rule, bar)
