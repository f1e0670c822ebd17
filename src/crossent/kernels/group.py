"""A group of examples once their exponentials are added up; rows and columns both end here.

Frames, logarithms and divisions begin slowly and then cost little each, so they are computed for a
group at once, in vector loops. These run over all places of a group, full or not: what an example gets
does not depend on its place.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from crossent.kernels.compiled import loop
from crossent.kernels.scalar import exponential, frame_of, log_of_share, reciprocal


class Group(NamedTuple):
    """What is known of each example, in arrays of the logits' type where nothing else is said."""

    places: Any
    """int32: the class apart from the others, that of the label or of the largest logit."""
    largest: Any
    base: Any
    floor: Any
    power: Any
    own: Any
    """The exponential of the class apart."""
    others: Any
    """float64: the sum of all other exponentials."""
    loss: Any
    """float64: -log of the softmax of the class apart."""
    factors: Any
    """float64: what the gradient is multiplied by."""
    share: Any
    """What exponentials are multiplied by."""
    slope: Any
    """The gradient of the class apart."""


@loop
def group_of(size: Any, like: Any) -> Any:
    """A group with nothing in it, of examples of the same type as the array."""
    return Group(
        np.zeros(size, np.int32),
        np.zeros(size, like.dtype),
        np.zeros(size, like.dtype),
        np.zeros(size, like.dtype),
        np.zeros(size, like.dtype),
        np.ones(size, like.dtype),
        np.ones(size),
        np.ones(size),
        np.ones(size),
        np.ones(size, like.dtype),
        np.ones(size, like.dtype),
    )


@loop
def fill(x: Any, value: Any) -> Any:
    for j in range(x.shape[0]):
        x[j] = value


@loop
def copy(x: Any, out: Any) -> Any:
    for j in range(out.shape[0]):
        out[j] = x[j]


@loop
def has_softmax(largest: Any, total: Any) -> Any:
    """Whether an example is of finite logits and -inf: the sum is nan where one of them is, or is +inf."""
    return (abs(largest) < np.inf) & (total < np.inf)


@loop
def is_label(label: Any, classes: Any) -> Any:
    return 0 <= label < classes


@loop
def is_ignored(label: Any, ignored: Any) -> Any:
    """Whether it is the label of examples that do not count, of which there is one or none."""
    return ignored.shape[0] > 0 and label == ignored[0]


@loop
def least_sum(x: Any) -> Any:
    """A sum of exponentials of this type below this may lack some that have underflown.

    The smallest normal number stands here: `np.finfo` would make every process load SciPy beside the kernel.
    """
    return (2.0**-126 if x.itemsize == 4 else 2.0**-1022) * 2.0**30


@loop
def loss_of(x: Any, place: Any, largest: Any, others: Any, own: Any, tiny: Any) -> Any:
    """-log of the softmax of one class, from its exponential and the sum of the others."""
    if own == 0.0:  # underflown beside the largest
        base, floor, power = frame_of(largest)
        top = np.float64(exponential(largest, base, floor, power))
        return (np.float64(largest) - np.float64(x[place])) + log_of_share(others - top, top)
    if others < tiny:
        others = 0.0
        for j in range(x.shape[0]):
            if j != place:
                others += math.exp(np.float64(x[j]) - np.float64(x[place]))
        return math.log1p(others)
    return log_of_share(others, own)


@loop
def find_frames(g: Any) -> Any:
    for i in range(g.largest.shape[0]):
        g.base[i], g.floor[i], g.power[i] = frame_of(g.largest[i])


@loop
def all_have_softmax(g: Any) -> Any:
    odd = 0
    for i in range(g.largest.shape[0]):
        odd += 0 if has_softmax(g.largest[i], g.others[i] + np.float64(g.own[i])) else 1
    return odd == 0


@loop
def _is_plain(largest: Any, others: Any, own: Any, tiny: Any) -> Any:
    """Whether there is a softmax, and no exponential that matters has underflown."""
    return has_softmax(largest, others + own) & (others >= tiny) & (own > 0)


@loop
def _count_odd(g: Any, tiny: Any) -> Any:
    odd = 0
    for i in range(g.largest.shape[0]):
        odd += 0 if _is_plain(g.largest[i], g.others[i], np.float64(g.own[i]), tiny) else 1
    return odd


@loop
def find_losses(block: Any, g: Any) -> Any:
    """-log of the softmax of the classes apart; whether an example was out of the ordinary.

    Of those that have no softmax it means nothing.
    """
    for i in range(g.loss.shape[0]):
        g.loss[i] = log_of_share(g.others[i], np.float64(g.own[i]))
    tiny = least_sum(g.own)
    if _count_odd(g, tiny) == 0:
        return False
    for i in range(block.shape[0]):
        largest, others, own = g.largest[i], g.others[i], np.float64(g.own[i])
        if has_softmax(largest, others + own) and not _is_plain(largest, others, own, tiny):
            g.loss[i] = loss_of(block[i], g.places[i], largest, others, own, tiny)
    return True


@loop
def load_labels(labels: Any, ignored: Any, classes: Any, g: Any) -> Any:
    """The labels that are classes and count, and 0 for the others; whether there were others."""
    plain = True
    for i in range(labels.shape[0]):
        label = labels[i]
        counts = is_label(label, classes) and not is_ignored(label, ignored)
        g.places[i] = label if counts else 0
        plain &= counts
    return not plain


@loop
def load_scale(scale: Any, start: Any, count: Any, g: Any) -> Any:
    """What the gradient of each example is multiplied by: one number for all, or one for each."""
    for i in range(count):
        g.factors[i] = scale[start + i if scale.shape[0] > 1 else 0]


@loop
def weigh(weights: Any, count: Any, g: Any) -> Any:
    """Multiplies losses and gradients by the weight of the label, unless there are none."""
    if weights.shape[0] > 0:
        for i in range(count):
            weight = weights[g.places[i]]
            g.factors[i] *= weight
            g.loss[i] = g.loss[i] * weight if weight != 0 else 0.0


@loop
def find_slopes(g: Any) -> Any:
    for i in range(g.share.shape[0]):
        share = g.factors[i] / (g.others[i] + np.float64(g.own[i]))
        g.share[i], g.slope[i] = share, -g.others[i] * share


@loop
def find_shares(g: Any, rest: Any) -> Any:
    """1 / sum of all exponentials, in two numbers: `share`, and what it lacks."""
    for i in range(g.share.shape[0]):
        g.share[i], rest[i] = reciprocal(g.others[i], g.share[i])


@loop
def store_at(places: Any, values: Any, out: Any) -> Any:
    for i in range(out.shape[0]):
        out[i, np.uint64(places[i])] = values[i]  # without a sign, which would be looked at


@loop
def first_bad(bad: Any, start: Any, found: Any) -> Any:
    """The first example without a result, from that so far and that of a group; -1 is none."""
    return start + found if bad < 0 <= found else bad


@loop
def clear_odd(labels: Any, ignored: Any, classes: Any, g: Any, losses: Any, gradient: Any) -> Any:
    """Gives 0 to examples that are ignored, nan to those without a loss; the first of these, or -1."""
    bad = -1
    for i in range(labels.shape[0]):
        skipped = is_ignored(labels[i], ignored)
        total = g.others[i] + np.float64(g.own[i])
        valid = is_label(labels[i], classes) and has_softmax(g.largest[i], total)
        if skipped or not valid:
            value = 0.0 if skipped else np.nan
            losses[i] = value
            if gradient.shape[0] > 0:
                fill(gradient[i], value)
            bad = i if bad < 0 and not skipped else bad
    return bad


@loop
def store_logsumexps(g: Any, out: Any) -> Any:
    """Largest logits and losses at them, added; nan where there is no softmax, and the first of these."""
    bad = -1
    for i in range(out.shape[0]):
        valid = has_softmax(g.largest[i], g.others[i] + np.float64(g.own[i]))
        out[i] = np.float64(g.largest[i]) + g.loss[i] if valid else np.nan
        bad = i if bad < 0 and not valid else bad
    return bad


@loop
def clear_without_softmax(g: Any, out: Any) -> Any:
    """Gives nan to rows without a softmax; the first of these, or -1."""
    bad = -1
    for i in range(out.shape[0]):
        if not has_softmax(g.largest[i], g.others[i] + np.float64(g.own[i])):
            fill(out[i], np.nan)
            bad = i if bad < 0 else bad
    return bad
