"""Whether probabilities mean what they say: reliability, calibration error, and one temperature.

From merged bins and the sample of whole examples; every definition stands with its source in
``docs/statistics.md``. No sums over blocks, no verdicts, no text beyond the reason for a null.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.cooling import slopes
from crossent.kernels.layout import read_only
from crossent.measures import example_losses
from crossent.predictions import Outputs
from crossent.reliability import EDGES, Reliability
from crossent.sample import MOST_VALUES, SampledRows, most_rows, rows_of
from crossent.statistics import Estimate, wilson_share
from crossent.wording import Kind, count

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 100
"""Under so many sampled examples no temperature is fitted."""

FOLDS = 5
LOWEST, HIGHEST = 0.05, 20.0
"""The range of temperatures; its own mirror image under 1/T."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Examples whose top probability is above ``low`` and at most ``high``; None where there are none.

    Attributes
    ----------
    confidence : mean top probability.
    accuracy : share of them whose top class is the label, with Wilson's interval.
    """

    low: float
    high: float
    examples: int
    confidence: float | None
    accuracy: Estimate | None


@dataclass(frozen=True)
class Temperature:
    """One model's best temperature, and what it would change; ``reason`` says why there is none.

    Attributes
    ----------
    examples : sampled examples, which all of these figures are about.
    cross_entropy_before, calibration_error_before : as the model is.
    cross_entropy, calibration_error, bins : after a temperature that was fitted to other examples.
    """

    value: float | None
    reason: str | None
    examples: int
    cross_entropy_before: float
    calibration_error_before: Estimate
    cross_entropy: float | None = None
    calibration_error: Estimate | None = None
    bins: tuple[ReliabilityBin, ...] | None = None


@dataclass(frozen=True)
class TemperatureGap:
    """A pair's gap, b − a, on the sample: before and after a temperature each, and what that removes."""

    examples: int
    before: float
    after: float
    removed: float


def reliability_bins(reliability: Reliability, confidence: float) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram, with Wilson's bands at ``confidence``."""
    bins = []
    edges = zip(EDGES[:-1].tolist(), EDGES[1:].tolist(), strict=True)
    counts = reliability.counts.examples.tolist()
    for (low, high), examples, sums in zip(edges, counts, reliability.sums.T.tolist(), strict=True):
        weight, squares, right, total = sums
        if weight == 0:
            bins.append(ReliabilityBin(low, high, examples, None, None))
            continue
        # Kish's effective number of examples; squares of extreme weights leave double precision
        effective = weight * (weight / squares) if 0 < squares < math.inf else examples
        accuracy = wilson_share(right / weight, effective, confidence)
        bins.append(ReliabilityBin(low, high, examples, total / weight, accuracy))
    return tuple(bins)


def calibration_error(reliability: Reliability) -> Estimate:
    """The expected calibration error: no interval, because it is biased upward.

    Notes
    -----
    Naeini, Cooper and Hauskrecht (2015), doi:10.1609/aaai.v29i1.9602; its bias: Kumar, Liang and
    Ma (2019), arXiv 1909.10155.
    """
    # Σ n_b/n |accuracy − confidence|, with the n_b cancelled
    weight, _, right, confidence = reliability.sums
    value = math.fsum(np.abs(right - confidence)) / math.fsum(weight)
    return Estimate(value, None, None, "none", few_decide=False)


@np.errstate(over="ignore")  # logits near 1e308: their gaps and sums may be infinite
def temperature_of(sample: SampledRows, model: int, *, kind: Kind, confidence: float) -> Temperature:
    """The temperature of one model of a drawn sample.

    Notes
    -----
    Guo, Pleiss, Sun and Weinberger (2017), arXiv 1706.04599.
    """
    fold = sample.hashes % np.uint64(FOLDS)
    order = np.argsort(fold, kind="stable")
    outputs = rows_of(sample.outputs[model], order)
    labels, weights = sample.labels[order], None if sample.weights is None else sample.weights[order]
    losses = example_losses(outputs, labels, kind=kind, clip=None)
    correct = losses.wrong == 0
    before = Temperature(
        None,
        None,
        len(sample),
        float(np.average(losses.cross_entropy, weights=weights)),
        calibration_error(Reliability.of(losses.top, correct, weights)),
    )
    impossible = int(np.count_nonzero(losses.zero))
    if len(sample) < FEWEST:
        return replace(before, reason=_too_few(len(sample), outputs.shape[1]))
    if impossible:
        said = f"the right class has probability 0 on {count(impossible, 'sampled example')}"
        return replace(before, reason=said)
    starts = np.searchsorted(fold[order], np.arange(FOLDS + 1))
    rows = _Rows.of(outputs, labels, weights, kind, starts)
    if rows.flat:
        return replace(before, reason="in every example all possible classes are equally probable")
    inverse = _inverse_temperature(rows, [slice(None)], start=1.0)
    if inverse >= HIGHEST:
        return replace(before, reason=f"at the bound: {LOWEST:g} or less fits best")
    if inverse <= LOWEST:
        return replace(before, reason=f"at the bound: {HIGHEST:g} or more fits best")
    costs, top = _cross_validated(rows, inverse)
    after = Reliability.of(top, correct, weights)
    return replace(
        before,
        value=1.0 / inverse,
        cross_entropy=float(np.average(costs, weights=weights)),
        calibration_error=calibration_error(after),
        bins=reliability_bins(after, confidence),
    )


def _too_few(examples: int, classes: int) -> str:
    if examples < most_rows(classes):
        return f"fewer than {FEWEST} examples"
    return f"more than {MOST_VALUES // FEWEST:,} classes: the sample holds fewer than {FEWEST} examples"


def temperature_gap(a: Temperature, b: Temperature) -> TemperatureGap | None:
    """What one temperature for each of two models would remove of their gap; None where either has none."""
    if a.cross_entropy is None or b.cross_entropy is None:
        return None
    before = b.cross_entropy_before - a.cross_entropy_before
    after = b.cross_entropy - a.cross_entropy
    return TemperatureGap(a.examples, before, after, before - after)


@dataclass(frozen=True)
class _Rows:
    """Sampled examples, fold by fold: fold i is ``folds[i]``.

    ``gaps`` are the logits, or ln q, less the largest of their row; ``mass`` is the weight times the sum
    of p, which may miss 1 by a rounding, and ``label_gaps`` the weight times the sum of p times the gaps.
    """

    gaps: Floats
    mass: Floats
    label_gaps: Floats
    labels: Ints | Floats
    folds: tuple[slice, ...]

    @classmethod
    def of(
        cls,
        outputs: Outputs,
        labels: Ints | Floats,
        weights: Floats | None,
        kind: Kind,
        starts: NDArray[np.intp],
    ) -> _Rows:
        gaps = outputs.astype(np.float64)
        if kind == "probs":
            with np.errstate(divide="ignore"):
                np.log(gaps, out=gaps)
        gaps -= gaps.max(axis=1, keepdims=True)
        if labels.ndim == 1:
            mass, label_gaps = np.ones(len(gaps)), gaps[np.arange(len(gaps)), labels]
        else:
            with np.errstate(invalid="ignore"):  # 0 · −inf, for a class that is ruled out rightly
                mass, label_gaps = labels.sum(axis=1), np.where(labels > 0, labels * gaps, 0.0).sum(axis=1)
        if weights is not None:
            mass, label_gaps = mass * weights, label_gaps * weights
        gaps = np.ascontiguousarray(gaps)
        folds = tuple(slice(low, high) for low, high in pairwise(starts.tolist()))
        return cls(gaps, mass, label_gaps, labels, folds)

    @property
    def flat(self) -> bool:
        """Whether dividing by a temperature changes nothing."""
        return bool(np.all((self.gaps == 0) | np.isneginf(self.gaps)))


def _slope(rows: _Rows, spans: Sequence[slice], inverse: float) -> tuple[float, float]:
    """Sums of the first and second derivative of each row's cross-entropy by 1/T."""
    found = [
        slopes(*(read_only(array[span]) for array in (rows.gaps, rows.mass, rows.label_gaps)), inverse)
        for span in spans
    ]
    return sum(slope for slope, _ in found), sum(curvature for _, curvature in found)


def _inverse_temperature(rows: _Rows, spans: Sequence[slice], *, start: float) -> float:
    """The 1/T of the least cross-entropy, which is convex in it; outside its bounds, some value there.

    Newton's method, within a bracket that every slope narrows; wherever a step is not half as long
    as the one before, the middle of the bracket is tried instead.
    """
    low, high = LOWEST / 2, HIGHEST * 2  # past the bounds, so that an optimum there shows itself
    inverse, last = start, math.inf
    while low < HIGHEST and high > LOWEST and high > low * (1 + 1e-13):
        slope, curvature = _slope(rows, spans, inverse)
        step = -slope / curvature if curvature > 0 else math.inf
        if abs(step) <= 1e-6 * inverse:  # then the step itself squares the error
            return inverse + step
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        if abs(step) > last / 2 or not low < inverse + step < high:
            step = math.sqrt(low * high) - inverse
        inverse, last = inverse + step, abs(step)
    return inverse


def _cross_validated(rows: _Rows, start: float) -> tuple[Floats, Floats]:
    """Each row's cross-entropy and top probability, at the temperature of the four other folds."""
    costs, top = np.empty(len(rows.gaps)), np.empty(len(rows.gaps))
    for held in rows.folds:
        others = [slice(0, held.start), slice(held.stop, None)]
        inverse = _inverse_temperature(rows, others, start=start)
        # four folds may fit best past a bound even where all five do not
        scaled = rows.gaps[held] * min(max(inverse, LOWEST), HIGHEST)
        losses = example_losses(scaled, rows.labels[held], kind="logits", clip=None)
        costs[held], top[held] = losses.cross_entropy, losses.top
    return costs, top
