"""The three measures of a set of rows, all of them or a slice, as estimates and paired differences.

Which interval and test belong to which measure, weights and clusters included, is decided here; how each
is computed, in `statistics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from crossent.moments import Moments, WeightedMoments
from crossent.rule import Measures
from crossent.statistics import (
    Difference,
    Estimate,
    error_difference,
    student,
    student_difference,
    wilson,
    wilson_effective,
)

INFINITE = Estimate(math.inf, None, None, "t", few_decide=False)


@dataclass(frozen=True)
class FiniteLoss:
    """A model's cross-entropy over the examples where it is finite."""

    examples: int
    left_out: int
    cross_entropy: Estimate
    typical_probability: float


@dataclass(frozen=True)
class Losses:
    """One model's mean losses; ``finite`` is there where the mean cross-entropy is infinite."""

    classification_error: Estimate
    squared_error: Estimate
    cross_entropy: Estimate
    finite: FiniteLoss | None


@dataclass(frozen=True)
class LossDifferences:
    """A pair's mean differences b - a; the cross-entropy's over the rows where both are finite."""

    classification_error: Difference
    squared_error: Difference
    cross_entropy: Difference


def losses_of(series: Measures, confidence: float, *, seeds: bool = False) -> Losses:
    """One model's estimates: Wilson for the error, Student's t for the other two.

    The error of a model of several seeds is a mean of shares, not a share: Student's t for it too.
    """
    error = series.classification_error
    if seeds:
        classification_error = student(error, confidence, range=(0.0, 1.0))
    elif isinstance(error, WeightedMoments):
        classification_error = wilson_effective(error, confidence)
    else:
        classification_error = wilson(round(error.mean * error.count), error.count, confidence)
    cross_entropy, finite = student(series.cross_entropy, confidence, range=(0.0, math.inf)), None
    if left_out := error.count - series.cross_entropy.count:
        typical = math.exp(-cross_entropy.value)
        finite = FiniteLoss(series.cross_entropy.count, left_out, cross_entropy, typical)
        cross_entropy = INFINITE
    squared_error = student(series.squared_error, confidence, range=(0.0, 2.0))
    return Losses(classification_error, squared_error, cross_entropy, finite)


def differences_of(
    series: Measures, a: Measures, confidence: float, *, seeds: bool = False
) -> LossDifferences:
    """A pair's differences: Newcombe and McNemar for the error of plain rows, else Student's t."""
    error, wrong = series.classification_error, a.classification_error
    if not seeds and isinstance(error, Moments) and isinstance(wrong, Moments):
        # of differences that are -1, 0 or 1, sum and sum of squares tell how many there are of each
        surplus = round(error.mean * error.count)
        discordant = round(error.m2 + error.count * error.mean**2)
        only_a, only_b = (discordant - surplus) // 2, (discordant + surplus) // 2
        both = round(wrong.mean * wrong.count) - only_a
        classification_error = error_difference(only_a, only_b, both, error.count, confidence)
    else:
        classification_error = student_difference(error, confidence)
    return LossDifferences(
        classification_error,
        student_difference(series.squared_error, confidence),
        student_difference(series.cross_entropy, confidence),
    )


SliceOf = Literal["class", "column"]


@dataclass(frozen=True)
class Slice:
    """The measures of the examples of one true class, or of one value of the column given by ``--by``.

    ``models`` are in the models' order, ``pairs`` in the pairs'; p-values are not adjusted.
    """

    of: SliceOf
    value: str
    examples: int
    models: tuple[Losses, ...]
    pairs: tuple[LossDifferences, ...]
