"""What the squared error of the softmax needs of a group beyond `group`.

With o and s the sums of q and q^2 of the classes other than the label, the loss is o^2 + s and the
slopes are 2 q (q - c), c = s - q_y o; that of the label is -2 q_y loss. That of the largest, where it is
not the label, nearly cancels as q nears 1: it is minus the sum of all others. So both are apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from crossent.kernels.compiled import loop


class Squares(NamedTuple):
    """Of each example; float64 except for what the gradient is made of."""

    tops: Any
    """int32: the first class with the largest logit."""
    other: Any
    """In the logits' type: its exponential, 0 where it is the label."""
    rest: Any
    """The sum of all exponentials but these two."""
    squares: Any
    """The sum of their squares."""
    top: Any
    """The softmax of the largest."""
    centre: Any
    twice: Any
    of_top: Any
    """In the logits' type, as the two before: c, 2 times the factor, the gradient of the largest."""


@loop
def squares_of(size: Any, like: Any) -> Any:
    """Room for a group of that size, of examples of the same type as the array."""
    return Squares(
        np.zeros(size, np.int32),
        np.zeros(size, like.dtype),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size, like.dtype),
        np.zeros(size, like.dtype),
        np.zeros(size, like.dtype),
    )


@loop
def find_losses(g: Any, s: Any) -> Any:
    """Losses, and the sums of the others, from the sums of the rest."""
    for i in range(g.loss.shape[0]):
        own, other = np.float64(g.own[i]), np.float64(s.other[i])
        g.others[i] = s.rest[i] + other
        share = 1.0 / (g.others[i] + own)
        s.top[i] = (other if other > 0 else own) * share
        o, h = g.others[i] * share, other * share
        g.loss[i] = o * o + (s.squares[i] * share * share + h * h)


@loop
def find_slopes(g: Any, s: Any) -> Any:
    """What the gradient is made of, from losses and factors."""
    for i in range(g.loss.shape[0]):
        share = 1.0 / (g.others[i] + np.float64(g.own[i]))
        r, h, o = s.rest[i] * share, np.float64(s.other[i]) * share, np.float64(g.own[i]) * share
        of_rest, factor = s.squares[i] * share * share, 2.0 * g.factors[i]
        middle = of_rest + h * h - o * (r + h)
        g.share[i], s.centre[i], s.twice[i] = share, middle, factor
        g.slope[i] = -factor * o * g.loss[i]
        s.of_top[i] = factor * (o * g.loss[i] - of_rest + middle * r)
