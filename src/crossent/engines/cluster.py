"""A tally on a Ray cluster: ranges of blocks go out, workers read their own, tallies come back and merge.

Tasks that are lost with their worker or machine are run again by Ray. Whatever happens, what comes out is
the same set of blocks as on threads, or one sentence; Ray is imported in here only, and only when asked for.
"""

from __future__ import annotations

import logging
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from crossent.engines.machines import Machine
from crossent.errors import ClusterError, CrossentError, MissingExtraError
from crossent.predictions import Predictions, Shards, Told, rows_per_block, shards_of
from crossent.rule import Rule
from crossent.tally import Bar, Tally, tally_block

_MOST_BLOCKS = 256  # of a shard: what a lost worker costs, and what a row group read twice does not
_SHARDS_A_WORKER = 4  # so that a slow one does not hold up the others at the end
_RETRIES = 4
_LONGEST = 300.0  # seconds until every machine must have told what it is
_LONGEST_END = 30.0  # seconds until tasks that nobody needs have ended; then they are left to themselves


@dataclass(frozen=True)
class _Done:
    """What a worker made of one shard, or the sentence that says why nothing."""

    tally: Tally | None
    told: Told | None
    error: CrossentError | None
    machine: Machine


def tally_on_ray(
    predictions: Predictions,
    rule: Rule,
    *,
    workers: int | None = None,
    address: str | None = None,
    blocks: Sequence[range] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """Tally all blocks on a cluster; ``progress`` is told the rows of each shard once done.

    Parameters
    ----------
    workers : shards that are worked on at once; None: as many as the cluster has processors.
    address : of the cluster; None: the one that this process is connected to, or a new one on this machine.
    blocks : the shards, together all blocks; None: cut evenly.
    """
    shards = shards_of(predictions)
    with _connected(address, workers) as ray:
        here = Machine.here()
        for machine in _machines(ray):
            here.refuse_other(machine)
        at_once = workers or _processors(ray)
        cut = _evenly(shards.blocks, at_once) if blocks is None else list(blocks)
        total: Tally | None = None

        def bar() -> Bar | None:
            return None if total is None else total.bar

        for done, part in _results(ray, shards, rule, cut, at_once, bar):
            here.refuse_other(part.machine)  # one that came later
            if part.error is not None:
                raise part.error
            assert part.told is not None
            shards.take(done, part.told)
            if part.tally is None:
                continue
            if progress is not None:
                progress(int(part.tally.labels.sum()))
            if total is None:
                total = part.tally
            else:
                total.merge(part.tally)
        shards.finish()
    assert total is not None
    return total


def _tally_shard(shards: Shards, rule: Rule, blocks: range, bar: Bar | None) -> _Done:
    """What a worker does: read its blocks, add them up; a sentence is a result like any other.

    It keeps of its rows what its own blocks and the ``bar`` of those added up before would.
    """
    machine = Machine.here()
    shard = shards.shard(blocks)
    total: Tally | None = None
    try:
        for block in shard.read():
            part = tally_block(block, rule, bar if total is None else total.bar)
            if total is None:
                total = part
            else:
                total.merge(part)
    except CrossentError as error:
        return _Done(None, None, error, machine)
    return _Done(total, shard.told(), None, machine)


def _evenly(blocks: int, workers: int) -> list[range]:
    count = min(blocks, max(workers * _SHARDS_A_WORKER, math.ceil(blocks / _MOST_BLOCKS)))
    cuts = [i * blocks // count for i in range(count + 1)]
    return [range(low, high) for low, high in pairwise(cuts)]


def _results(
    ray: Any,
    shards: Shards,
    rule: Rule,
    cut: Sequence[range],
    at_once: int,
    bar: Callable[[], Bar | None],
) -> Iterator[tuple[int, _Done]]:
    """Each shard's place and result, as they come; an error first once all shards before it are done.

    So the error that is reported is the one that threads would meet, whichever worker is the quickest.
    """
    task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_tally_shard)
    given = (ray.put(shards), ray.put(rule))
    waiting = deque(range(len(cut)))
    running: dict[Any, int] = {}
    failed: tuple[int, _Done | None, Exception | None] | None = None
    try:
        while True:
            while waiting and len(running) < at_once:
                place = waiting.popleft()
                running[task.remote(*given, cut[place], bar())] = place
            needed = [ref for ref, place in running.items() if failed is None or place < failed[0]]
            if not needed:
                break
            (ready, *_), _ = ray.wait(needed, num_returns=1)
            place = running.pop(ready)
            part, lost = _fetched(ray, ready, cut[place], rule)
            if part is not None and part.error is None:
                yield place, part
            else:
                failed = place, part, lost
                waiting.clear()  # all of them come after it
        if failed is not None:
            place, part, lost = failed
            if part is None:
                raise lost or AssertionError
            yield place, part
    finally:
        _ended(ray, list(running))


def _ended(ray: Any, running: list[Any]) -> None:
    """End the tasks that run, and wait until they have.

    Another process asks for it. Ray (2.60) aborts a process that cancels a task of its own just as the
    result comes in, on another thread; what others ask for is done on that thread, so never meanwhile.
    """
    if running:
        ray.remote(num_cpus=0)(_cancel).remote(running)
        ray.wait(running, num_returns=len(running), timeout=_LONGEST_END)


def _cancel(running: list[Any]) -> None:
    import ray

    for ref in running:
        ray.cancel(ref, force=True)


def _fetched(ray: Any, ref: Any, blocks: range, rule: Rule) -> tuple[_Done | None, Exception | None]:
    """A shard's result, or what became of it."""
    try:
        return ray.get(ref), None
    except ray.exceptions.RayError as error:
        size = rows_per_block(len(rule.classes))
        rows = f"rows {blocks.start * size + 1:,} to {blocks.stop * size:,}"
        if isinstance(error, ray.exceptions.RayTaskError):
            cause = error.cause if isinstance(error.cause, Exception) else error
            said = f"{type(cause).__name__}: {_first_line(cause)}"
            mend = "install the same crossent on all machines, and see whether they have memory enough"
        else:
            said = f"{type(error).__name__}, {_RETRIES + 1} times"
            mend = "see whether its machines have memory enough, and run again"
        failed = ClusterError(f"{rows} could not be tallied on the cluster ({said}): {mend}")
        failed.__cause__ = error
        return None, failed


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0][:200]


def _machines(ray: Any) -> list[Machine]:
    """What every machine of the cluster says of itself."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = [
        ray.remote(num_cpus=0, max_retries=_RETRIES)(_machine)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=True))
        .remote()
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    ]
    try:
        found: list[Machine] = ray.get(asked, timeout=_LONGEST)
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"the cluster's machines do not answer ({type(error).__name__}: {_first_line(error)}):"
            " is the same crossent installed on all of them?"
        ) from error
    return found


def _machine() -> Machine:
    return Machine.here()


def _processors(ray: Any) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Ray, connected; what was not connected before is not afterwards either."""
    try:
        import ray
    except ImportError:
        raise MissingExtraError(
            "the engine ray needs Ray: pip install 'crossent[ray]', or leave --engine ray out"
        ) from None
    if ray.is_initialized():
        yield ray
        return
    # on one machine as many tasks run at once as were asked for, whatever the number of processors
    alone: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **alone)
    except (ConnectionError, ValueError, RuntimeError, OSError, ray.exceptions.RayError) as error:
        raise ClusterError(
            f"no Ray cluster at {address or 'this machine'} ({_first_line(error)}): start one with ray start"
            " --head, and give its address as --ray-address HOST:6379"
        ) from error
    try:
        with redirect_stdout(sys.stderr):  # where Ray would tell of lost machines, only results may stand
            yield ray
    finally:
        ray.shutdown()
