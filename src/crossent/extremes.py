"""The examples on which two models differ most, kept in constant memory.

Blocks come in any order, so everything kept is decided by value and row alone, never by arrival.
No estimates: `comparison` reads what is kept here.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LARGEST = 65_536
LIKELY = 5
_MOST_PARTS = 64


@dataclass(frozen=True)
class Output:
    """What one model said of one example, and what it cost.

    ``probs`` only where all of it is shown; ``likely`` are those of the example's ``likely`` classes.
    """

    predicted: int
    of_label: float
    cross_entropy: float
    squared_error: float
    probs: tuple[float, ...] | None = None
    likely: tuple[float, ...] = ()


@dataclass(frozen=True)
class Example:
    """One example: its row from 0, its id, its label (the first largest p), and each model's output.

    ``likely`` are the label and each model's `LIKELY` most probable classes, in the order of the classes.
    """

    row: int
    id: str | None
    label: int
    outputs: tuple[Output, ...]
    label_probs: tuple[float, ...] | None = None
    likely: tuple[int, ...] = ()


def likely_classes(probs: Sequence[Floats], label: int) -> tuple[int, ...]:
    """The label and the `LIKELY` most probable classes of each model; of equal ones the first."""
    chosen = {label}
    for q in probs:
        chosen.update(largest_rows(q, LIKELY).tolist())
    return tuple(sorted(chosen))


@dataclass(frozen=True)
class Ranking:
    """The examples with the largest sizes: larger first, equal ones by row; at most ``most`` of them."""

    most: int
    sizes: tuple[float, ...]
    examples: tuple[Example, ...]

    @classmethod
    def of(cls, sizes: Floats, describe: Callable[[int], Example], most: int, least: float = 0.0) -> Ranking:
        """The first ``most`` rows of a block of sizes from ``least`` on, each told by ``describe``."""
        rows = largest_rows(sizes, most, least)
        return cls(most, tuple(sizes[rows].tolist()), tuple(describe(int(row)) for row in rows))

    @property
    def least(self) -> float:
        """No smaller size can come in any more."""
        return self.sizes[-1] if self.most and len(self.sizes) == self.most else 0.0

    def plus(self, other: Ranking) -> Ranking:
        both = [*zip(self.sizes, self.examples, strict=True), *zip(other.sizes, other.examples, strict=True)]
        both.sort(key=lambda one: (-one[0], one[1].row))
        kept = both[: self.most]
        return Ranking(self.most, tuple(size for size, _ in kept), tuple(example for _, example in kept))


def largest_rows(sizes: Floats, most: int, least: float = 0.0) -> NDArray[np.intp]:
    """Rows of the ``most`` largest positive sizes from ``least`` on, largest first, equal ones by row.

    nan is skipped.
    """
    (candidates,) = np.nonzero(sizes >= least if least > 0 else sizes > 0)
    if 0 < most < len(candidates):
        values = sizes[candidates]
        # Keeps every row tied with the last one kept, so that the sort below decides by row.
        candidates = candidates[values >= np.partition(values, -most)[-most]]
    order = np.argsort(-sizes[candidates], kind="stable")
    return candidates[order[:most]]


@dataclass(frozen=True)
class LargestSizes:
    """The `LARGEST` largest of many positive sizes: a multiset, so equal ones need no order.

    Only what is above ``least`` can come in any more.
    """

    parts: tuple[Floats, ...]
    least: float = 0.0

    @classmethod
    def of(cls, sizes: Floats, least: float = 0.0) -> LargestSizes:
        """The finite ones above ``least``."""
        return cls((sizes[(sizes > least) & (sizes < math.inf)],), least)

    def plus(self, other: LargestSizes) -> LargestSizes:
        parts = tuple(part for part in self.parts + other.parts if len(part)) or self.parts[:1]
        least = max(self.least, other.least)
        if len(parts) < _MOST_PARTS and sum(map(len, parts)) < 4 * LARGEST:
            return LargestSizes(parts, least)
        values = np.concatenate(parts)
        if len(values) < LARGEST:
            return LargestSizes((values,), least)
        values = np.partition(values, -LARGEST)[-LARGEST:]
        return LargestSizes((values,), float(values[0]))

    def fewest_reaching(self, goal: float) -> int | None:
        """How many of the sizes, largest first, add up to ``goal``; None if all that are kept do not."""
        sizes = np.sort(np.concatenate(self.parts))[::-1][:LARGEST]
        # sums are exact, so that the order of equal sizes, or of their rounding errors, decides nothing
        fewest = bisect_left(range(len(sizes)), True, key=lambda most: math.fsum(sizes[: most + 1]) >= goal)
        return fewest + 1 if fewest < len(sizes) else None
