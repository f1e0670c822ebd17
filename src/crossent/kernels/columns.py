"""Few classes: many examples at a time, along the column.

A row of some ten classes is shorter than a vector register. So a group of examples is copied into
(class, example) order, where every loop runs over the examples. The kernels have the arguments, the
results and the formulas of those in `rows`; their last argument is a place (k, BLOCK) to work in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from crossent.kernels import group, squares
from crossent.kernels.compiled import kernel, loop
from crossent.kernels.scalar import exponential, intrinsic, larger, multiply_add

FEW = 28
"""Up to this many classes examples are taken many at a time."""

BLOCK = 256
"""Examples that are a group: their exponentials stay in the first-level cache."""

AHEAD = 4
"""By how many classes what is read is asked for beforehand."""


@intrinsic
def _fetch(_context: Any, x: Any, i: Any) -> Any:
    """Asks for the cache line of the i-th entry of an array in memory, and does not wait for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        word = ir.IntType(32)
        line = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [line.type, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [line, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(x, i), generate


@loop
def fetch(x: Any, start: Any) -> Any:
    """A group that comes next is on its way to the cache while the one before is computed.

    The processor looks ahead of a loop that reads on and on, but here every read is followed by much else.
    """
    for i in range(start * x.strides[0], min(start + BLOCK, x.shape[0]) * x.strides[0], 64):
        _fetch(x, i // x.itemsize)


@loop
def fetch_later(x: Any, start: Any, j: Any) -> Any:
    """What comes a few classes later is on its way to the cache while the group's class j is read.

    Not more at once: columns of 65,536 rows all have the same few places in a cache. Rows are left to the
    processor, which looks ahead of them.
    """
    if x.strides[0] != x.itemsize:
        return
    later = j + AHEAD
    start += later // x.shape[1] * BLOCK
    for i in range(start, min(start + BLOCK, x.shape[0]), 64 // x.itemsize):
        _fetch(x, later % x.shape[1] * x.shape[0] + i)


@loop
def load(x: Any, t: Any) -> Any:
    if x.shape[1] == 2:  # a step that the compiler knows: vectors, shuffled
        flat, first, second = x.reshape(-1), t[0], t[1]
        for i in range(x.shape[0]):
            first[i], second[i] = flat[2 * i], flat[2 * i + 1]
        return
    for j in range(x.shape[1]):
        for i in range(x.shape[0]):
            t[j, i] = x[i, j]


@loop
def load_group(x: Any, start: Any, t: Any) -> Any:
    """`load` of the group from a row on, in any layout: the compiler sees where columns are contiguous.

    Losses keep a loop of their own in `load`, whose steps from class to class it knows.
    """
    by_class, stop = x.T, min(start + BLOCK, x.shape[0])
    for j in range(x.shape[1]):
        fetch_later(x, start, j)
        group.copy(by_class[j, start:stop], t[j, : stop - start])


@loop
def start_with(t: Any) -> Any:
    """A place holds numbers before the first group, which may not fill it."""
    for j in range(t.shape[0]):
        group.fill(t[j], 0)


@loop
def find_largest(t: Any, largest: Any) -> Any:
    for i in range(BLOCK):
        largest[i] = t[0, i]
    for j in range(1, t.shape[0]):
        for i in range(BLOCK):
            largest[i] = larger(largest[i], t[j, i])


@loop
def find_frames(t: Any, g: Any) -> Any:
    find_largest(t, g.largest)
    group.find_frames(g)


@loop
def _find_exponentials(x: Any, base: Any, floor: Any, power: Any) -> Any:
    # in place: two arrays that may overlap make LLVM choose the loop without vectors
    for i in range(BLOCK):
        x[i] = exponential(x[i], base[i], floor[i], power[i])


@loop
def find_exponentials(t: Any, g: Any) -> Any:
    for j in range(t.shape[0]):
        _find_exponentials(t[j], g.base, g.floor, g.power)


@loop
def _find_equal(x: Any, largest: Any, place: Any, tops: Any) -> Any:
    for i in range(BLOCK):
        tops[i] = place if x[i] == largest[i] else tops[i]


@loop
def find_tops(t: Any, largest: Any, tops: Any) -> Any:
    """The first class with the largest logit."""
    group.fill(tops, 0)
    for j in range(t.shape[0] - 1, -1, -1):
        _find_equal(t[j], largest, np.int32(j), tops)


@loop
def take(t: Any, places: Any, count: Any, out: Any) -> Any:
    """Takes one entry of each example out of the place, where 0 remains."""
    for i in range(count):
        place = np.uint64(places[i])  # without a sign, which would be looked at
        out[i] = t[place, i]
        t[place, i] = 0


@loop
def add(t: Any, sums: Any) -> Any:
    group.fill(sums, 0)
    for j in range(t.shape[0]):
        for i in range(BLOCK):
            sums[i] += np.float64(t[j, i])


@loop
def _part(first: Any, second: Any, places: Any, own: Any, others: Any) -> Any:
    for i in range(BLOCK):
        is_first, one, two = places[i] == 0, first[i], second[i]
        own[i] = one if is_first else two
        others[i] = np.float64(two if is_first else one)


@loop
def _find_sums(t: Any, count: Any, g: Any) -> Any:
    """The exponential of the class apart and the sum of the others."""
    if t.shape[0] == 2:  # the one and the other: no place to look up, nothing to add
        _part(t[0], t[1], g.places, g.own, g.others)
        return
    take(t, g.places, count, g.own)
    add(t, g.others)


@loop
def add_squares(t: Any, sums: Any) -> Any:
    group.fill(sums, 0)
    for j in range(t.shape[0]):
        for i in range(BLOCK):
            sums[i] += np.float64(t[j, i]) * np.float64(t[j, i])


@loop
def find_squares(t: Any, count: Any, g: Any, s: Any) -> Any:
    """Turns a place with logits into exponentials, 0 for the label and the largest; the sums of the rest."""
    find_tops(t, g.largest, s.tops)
    find_exponentials(t, g)
    take(t, g.places, count, g.own)
    take(t, s.tops, count, s.other)
    add(t, s.rest)
    add_squares(t, s.squares)


@loop
def _store_shares(t: Any, share: Any, rest: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = multiply_add(t[j, i], share[i], t[j, i] * rest[i])


@loop
def _store_logarithms(t: Any, first: Any, second: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = (t[j, i] - first[i]) - second[i]


@loop
def _store_slopes(t: Any, g: Any, out: Any) -> Any:
    if out.shape[1] == 2:  # the slopes of two classes are opposite
        flat = out.reshape(-1)
        for i in range(out.shape[0]):
            of_first = g.slope[i] if g.places[i] == 0 else -g.slope[i]
            flat[2 * i], flat[2 * i + 1] = of_first, -of_first
        return
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = t[j, i] * g.share[i]
    group.store_at(g.places, g.slope, out)


@loop
def _store_products(t: Any, share: Any, centre: Any, factors: Any, out: Any) -> Any:
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            q = t[j, i] * share[i]
            out[i, j] = factors[i] * q * (q - centre[i])


@loop
def _find_spreads(block: Any, t: Any, e: Any, g: Any) -> Any:
    """log of the sum of exp(x - largest) of each example."""
    load(block, t)
    find_frames(t, g)
    find_tops(t, g.largest, g.places)
    for j in range(t.shape[0]):
        group.copy(t[j], e[j])
    find_exponentials(e, g)
    _find_sums(e, block.shape[0], g)
    group.find_losses(block, g)


@kernel
def softmaxes(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    g, rest = group.group_of(BLOCK, t), np.empty(BLOCK, t.dtype)
    start_with(t)
    for start in range(0, x.shape[0], BLOCK):
        block, results = x[start : start + BLOCK], out[start : start + BLOCK]
        fetch(x, start + BLOCK)
        load(block, t)
        find_frames(t, g)
        find_exponentials(t, g)
        add(t, g.others)
        group.find_shares(g, rest)
        _store_shares(t, g.share, rest, results)
        found = group.clear_without_softmax(g, results)
        bad = group.first_bad(bad, start, found)
    return bad


@kernel
def log_softmaxes(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    g, e = group.group_of(BLOCK, t), np.empty_like(t)
    start_with(t)
    for start in range(0, x.shape[0], BLOCK):
        block, results = x[start : start + BLOCK], out[start : start + BLOCK]
        fetch(x, start + BLOCK)
        _find_spreads(block, t, e, g)
        group.copy(g.loss, g.share)
        _store_logarithms(t, g.largest, g.share, results)
        found = group.clear_without_softmax(g, results)
        bad = group.first_bad(bad, start, found)
    return bad


@kernel
def logsumexps(x: Any, out: Any, t: Any) -> Any:
    bad = -1
    g, e = group.group_of(BLOCK, t), np.empty_like(t)
    start_with(t)
    for start in range(0, x.shape[0], BLOCK):
        block = x[start : start + BLOCK]
        fetch(x, start + BLOCK)
        _find_spreads(block, t, e, g)
        found = group.store_logsumexps(g, out[start : start + BLOCK])
        bad = group.first_bad(bad, start, found)
    return bad


@kernel
def cross_entropies(
    x: Any, labels: Any, ignored: Any, weights: Any, scale: Any, losses: Any, gradient: Any, t: Any
) -> Any:
    bad, k, wanted = -1, x.shape[1], gradient.shape[0] > 0
    g = group.group_of(BLOCK, t)
    start_with(t)
    for start in range(0, x.shape[0], BLOCK):
        block, its = x[start : start + BLOCK], labels[start : start + BLOCK]
        costs, results = losses[start : start + BLOCK], gradient[start : start + BLOCK]
        odd = group.load_labels(its, ignored, k, g)
        fetch(labels, start + BLOCK)
        fetch(x, start + BLOCK)
        load(block, t)
        find_frames(t, g)
        find_exponentials(t, g)
        _find_sums(t, block.shape[0], g)
        odd |= group.find_losses(block, g)
        group.load_scale(scale, start, block.shape[0], g)
        group.weigh(weights, block.shape[0], g)
        group.copy(g.loss, costs)
        if wanted:
            group.find_slopes(g)
            _store_slopes(t, g, results)
        if odd:
            found = group.clear_odd(its, ignored, k, g, costs, results)
            bad = group.first_bad(bad, start, found)
    return bad


@kernel
def squared_errors(x: Any, labels: Any, ignored: Any, scale: Any, losses: Any, gradient: Any, t: Any) -> Any:
    bad, k, wanted = -1, x.shape[1], gradient.shape[0] > 0
    g, s = group.group_of(BLOCK, t), squares.squares_of(BLOCK, t)
    start_with(t)
    for start in range(0, x.shape[0], BLOCK):
        block, its = x[start : start + BLOCK], labels[start : start + BLOCK]
        costs, results = losses[start : start + BLOCK], gradient[start : start + BLOCK]
        odd = group.load_labels(its, ignored, k, g)
        fetch(labels, start + BLOCK)
        fetch(x, start + BLOCK)
        load(block, t)
        find_frames(t, g)
        find_squares(t, block.shape[0], g, s)
        squares.find_losses(g, s)
        group.copy(g.loss, costs)
        if wanted:
            group.load_scale(scale, start, block.shape[0], g)
            squares.find_slopes(g, s)
            _store_products(t, g.share, s.centre, s.twice, results)
            group.store_at(s.tops, s.of_top, results)
            group.store_at(g.places, g.slope, results)
        if odd or not group.all_have_softmax(g):
            found = group.clear_odd(its, ignored, k, g, costs, results)
            bad = group.first_bad(bad, start, found)
    return bad
