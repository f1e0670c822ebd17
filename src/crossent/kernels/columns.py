"""Few classes: many examples at a time, along the column.

A row of some ten classes is shorter than a vector register. So a block of examples is copied into
(class, example) order, where every loop runs over the examples. The kernels have the arguments, the
results and the formulas of those in `rows`, which finish what is out of the ordinary: a label whose
exponential underflows, others that all do. The last argument is a place (k, BLOCK) to work in. A block
is always computed whole, so that an example's bits do not depend on its place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crossent.kernels import rows
from crossent.kernels.compiled import kernel, loop
from crossent.kernels.scalar import exponential, frame_of, larger, log_of_share, multiply_add, reciprocal

BLOCK = 256
"""Examples at a time: their exponentials stay in the first-level cache."""


@loop
def load(x: Any, t: Any) -> Any:
    for j in range(x.shape[1]):
        for i in range(x.shape[0]):
            t[j, i] = x[i, j]


@loop
def largest_of(t: Any, largest: Any) -> Any:
    for i in range(BLOCK):
        largest[i] = t[0, i]
    for j in range(1, t.shape[0]):
        for i in range(BLOCK):
            largest[i] = larger(largest[i], t[j, i])


@loop
def places_of(t: Any, largest: Any, found: Any, places: Any) -> Any:
    """The first class with the largest logit; `found` holds the places as floats, for the vector loop."""
    rows.fill(found, 0)
    for j in range(t.shape[0] - 1, -1, -1):
        place = t.dtype.type(j)
        for i in range(BLOCK):
            found[i] = place if t[j, i] == largest[i] else found[i]
    for i in range(BLOCK):
        places[i] = np.int64(found[i])


@loop
def _frames(largest: Any, base: Any, floor: Any, power: Any) -> Any:
    for i in range(BLOCK):
        base[i], floor[i], power[i] = frame_of(largest[i])


@loop
def exponentials(x: Any, base: Any, floor: Any, power: Any) -> Any:
    # in place: two arrays that may overlap make LLVM choose the loop without vectors
    for i in range(BLOCK):
        x[i] = exponential(x[i], base[i], floor[i], power[i])


@loop
def pick(t: Any, places: Any, count: Any, out: Any) -> Any:
    for i in range(count):
        out[i] = t[places[i], i]


@loop
def put(t: Any, places: Any, count: Any, value: Any) -> Any:
    for i in range(count):
        t[places[i], i] = value


@loop
def add(t: Any, sums: Any) -> Any:
    rows.fill(sums, 0)
    for j in range(t.shape[0]):
        for i in range(BLOCK):
            sums[i] += np.float64(t[j, i])


@loop
def add_squares(t: Any, sums: Any) -> Any:
    rows.fill(sums, 0)
    for j in range(t.shape[0]):
        for i in range(BLOCK):
            sums[i] += np.float64(t[j, i]) * np.float64(t[j, i])


@loop
def logs(others: Any, own: Any, out: Any) -> Any:
    for i in range(BLOCK):
        out[i] = log_of_share(others[i], np.float64(own[i]))


@loop
def _shares(totals: Any, share: Any, rest: Any) -> Any:
    for i in range(BLOCK):
        share[i], rest[i] = reciprocal(totals[i], share[i])


@loop
def _store_shares(t: Any, share: Any, rest: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = multiply_add(t[j, i], share[i], t[j, i] * rest[i])


@loop
def is_plain(largest: Any, others: Any, own: Any, tiny: Any) -> Any:
    """Whether there is a softmax, and no exponential that matters has underflown."""
    return (abs(largest) < np.inf) & (others >= tiny) & (others < np.inf) & (own > 0)


@loop
def copy(x: Any, out: Any) -> Any:
    for j in range(out.shape[0]):
        out[j] = x[j]


@loop
def all_plain(largest: Any, others: Any, own: Any) -> Any:
    odd, tiny = 0, rows.least_sum(own)
    for i in range(BLOCK):
        odd += 0 if is_plain(largest[i], others[i], own[i], tiny) else 1
    return odd == 0


@loop
def exponentials_of(t: Any, largest: Any, frames: Any) -> Any:
    """Turns a block (k, BLOCK) into its exponentials, within the frame of each example."""
    _frames(largest, frames[0], frames[1], frames[2])
    for j in range(t.shape[0]):
        exponentials(t[j], frames[0], frames[1], frames[2])


@kernel
def softmaxes(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    largest, frames, totals = np.empty(BLOCK, t.dtype), np.empty((3, BLOCK), t.dtype), np.empty(BLOCK)
    share, rest = np.empty(BLOCK, t.dtype), np.empty(BLOCK, t.dtype)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block, results = x[start : start + BLOCK], out[start : start + BLOCK]
        load(block, t)
        largest_of(t, largest)
        exponentials_of(t, largest, frames)
        add(t, totals)
        _shares(totals, share, rest)
        _store_shares(t, share, rest, results)
        for i in range(block.shape[0]):
            if not rows.has_softmax(largest[i], totals[i]):
                rows.fill(results[i], np.nan)
                bad = start + i if bad < 0 else bad
    return bad


@loop
def _spreads(
    block: Any, t: Any, e: Any, largest: Any, places: Any, work: Any, others: Any, spread: Any
) -> Any:
    """Loads a block; each example's largest, and log of the sum of exp(x - largest), nan if it has none."""
    count, own, frames = block.shape[0], work[0], work[1:4]
    load(block, t)
    largest_of(t, largest)
    places_of(t, largest, own, places)
    for j in range(t.shape[0]):
        copy(t[j], e[j])
    exponentials_of(e, largest, frames)
    pick(e, places, count, own)
    put(e, places, count, 0)
    add(e, others)
    logs(others, own, spread)
    if not all_plain(largest, others, own):
        for i in range(count):
            if not rows.has_softmax(largest[i], others[i] + own[i]):
                spread[i] = np.nan
            elif not is_plain(largest[i], others[i], own[i], rows.least_sum(t)):
                top, row = largest[i], np.empty(t.shape[0], t.dtype)
                copy(block[i], row)
                spread[i] = rows.loss_of(row, places[i], top, top, others[i], np.float64(own[i]))


@loop
def _subtract_twice(t: Any, first: Any, second: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = (t[j, i] - first[i]) - second[i]


@kernel
def log_softmaxes(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    largest, spread, work = np.empty(BLOCK, t.dtype), np.empty(BLOCK, t.dtype), np.ones((4, BLOCK), t.dtype)
    e, others, places = np.empty_like(t), np.empty(BLOCK), np.zeros(BLOCK, np.int64)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block, results = x[start : start + BLOCK], out[start : start + BLOCK]
        _spreads(block, t, e, largest, places, work, others, spread)
        _subtract_twice(t, largest, spread, results)
        for i in range(block.shape[0]):
            if np.isnan(spread[i]):
                rows.fill(results[i], np.nan)
                bad = start + i if bad < 0 else bad
    return bad


@kernel
def logsumexps(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    largest, spread, work = np.empty(BLOCK, t.dtype), np.empty(BLOCK, t.dtype), np.ones((4, BLOCK), t.dtype)
    e, others, places = np.empty_like(t), np.empty(BLOCK), np.zeros(BLOCK, np.int64)
    for j in range(t.shape[0]):
        rows.fill(t[j], 0)
    for start in range(0, x.shape[0], BLOCK):
        block = x[start : start + BLOCK]
        _spreads(block, t, e, largest, places, work, others, spread)
        for i in range(block.shape[0]):
            out[start + i] = np.float64(largest[i]) + np.float64(spread[i])
            if np.isnan(spread[i]) and bad < 0:
                bad = start + i
    return bad
