"""From sums to estimates, intervals and paired tests, each with its method's name.

Sums come as a `moments.Series` or as counts of mistakes; what comes out is said about examples not seen.
Every method stands with its source in ``docs/statistics.md``.
No arrays of examples, no verdicts, no text. SciPy is loaded by the first interval.

Weights and clusters change a series' standard error and its number of independent units, and no formula
here; only the error's interval and the difference of errors are made by other functions then:
`wilson_effective`, and `student_difference` of the differences -1, 0, 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from crossent.moments import Moments, Series, WeightedMoments

Method = Literal["wilson", "t", "newcombe", "welch", "none"]

FEWEST = 20
"""Under so many examples (or clusters) only Wilson's interval is given."""

EXAMPLES_PER_SQUARED_SKEWNESS = 50
"""Cochran's rule for the t interval asks for 25 examples per squared skewness; this is twice that."""


@dataclass(frozen=True)
class Estimate:
    """A mean loss and its interval; ``low`` and ``high`` are None where none can be given."""

    value: float
    low: float | None
    high: float | None
    method: Method
    few_decide: bool


@dataclass(frozen=True)
class Difference:
    """A paired difference, b − a, its interval and its test; what cannot be given is None.

    Attributes
    ----------
    difference, low, high : the mean difference and its interval.
    method : of the interval.
    p_value : two-sided, that the mean difference is 0.
    p_holm : the same, adjusted over the pairs by whoever knows them all.
    few_decide : the interval is likely too short, because few examples decide it.
    detectable : the difference that this many examples could have shown (80 % power at 5 %).
    """

    difference: float | None
    low: float | None
    high: float | None
    method: Method
    p_value: float | None
    p_holm: float | None
    few_decide: bool
    detectable: float | None


def wilson(wrong: int, count: int, confidence: float) -> Estimate:
    """The share ``wrong / count`` with Wilson's score interval; ``count`` is at least 1.

    Notes
    -----
    Wilson (1927), doi:10.1080/01621459.1927.10502953, without continuity correction.
    """
    low, high = _wilson_limits(int(wrong), int(count), confidence)
    return Estimate(int(wrong) / int(count), low, high, "wilson", few_decide=False)


def wilson_share(share: float, count: float, confidence: float) -> Estimate:
    """A share with Wilson's interval for ``count`` examples, which need not be a whole number."""
    low, high = _wilson_limits(share * count, count, confidence)
    return Estimate(share, low, high, "wilson", few_decide=False)


def wilson_effective(series: WeightedMoments, confidence: float) -> Estimate:
    """The share of ones in a weighted or clustered series of zeros and ones; at least one unit.

    Wilson's interval for as many independent examples as would have the variance of this mean; where
    it has none, for the number of units. Unlike Wilson's own, it rests on a spread taken from the units,
    and so it is marked where few of them decide that, or there are few of them. Without a spread it is
    marked where the units' weights are so uneven that they are worth fewer than half as many equal ones.

    Notes
    -----
    An effective number of examples in an interval for proportions: Korn and Graubard (1998), Survey
    Methodology 24:193; in Wilson's: Franco, Little, Louis and Slud (2019), doi:10.1093/jssam/smy019.
    What uneven weights are worth: Kish (1965), Survey Sampling.
    """
    share = series.mean
    spread = share * (1 - share)
    if not series.varies or spread == 0:
        found = wilson_share(share, series.units, confidence)
        return replace(found, few_decide=series.equal_units < series.units / 2)
    found = wilson_share(share, spread / series.standard_error**2, confidence)
    return replace(found, few_decide=series.units < FEWEST or _few_decide(series))


def student(series: Series, confidence: float, *, range: tuple[float, float]) -> Estimate:
    """The mean of per-example losses with Student's t interval, cut to the measure's ``range``."""
    if series.units < FEWEST or not series.varies:
        return Estimate(series.mean, None, None, "t", few_decide=False)
    half = _t_half_width(series.standard_error, series.units - 1, confidence)
    lowest, highest = range
    low, high = max(series.mean - half, lowest), min(series.mean + half, highest)
    return Estimate(series.mean, low, high, "t", few_decide=_few_decide(series))


def student_difference(series: Series, confidence: float) -> Difference:
    """The mean of per-example differences b − a with the paired t interval and its test.

    Differences that are all 0 have p = 1 and no interval; all equal otherwise, neither.
    """
    difference = series.mean if series.count else None
    if series.units < FEWEST or not series.varies:
        p_value = 1.0 if series.units >= FEWEST and series.all_zero else None
        return Difference(difference, None, None, "t", p_value, None, few_decide=False, detectable=None)
    error, freedom = series.standard_error, series.units - 1
    half = _t_half_width(error, freedom, confidence)
    return Difference(
        difference,
        series.mean - half,
        series.mean + half,
        "t",
        _t_p_value(series.mean / error, freedom),
        None,
        few_decide=_few_decide(series),
        detectable=_detectable(error),
    )


def error_difference(
    only_a_wrong: int, only_b_wrong: int, both_wrong: int, count: int, confidence: float
) -> Difference:
    """The difference of two error rates on the same examples, b − a, from the counts of mistakes.

    Notes
    -----
    Interval: Newcombe (1998), Stat. Med. 17:2635, method 10: the limits of Wilson's two intervals,
    squared and added, less their correlation. Test: McNemar (1947), doi:10.1007/BF02295996, exact.
    """
    a, b, both, n = int(only_a_wrong), int(only_b_wrong), int(both_wrong), int(count)
    difference = (b - a) / n
    if n < FEWEST:
        return Difference(difference, None, None, "newcombe", None, None, few_decide=False, detectable=None)
    low, high = _newcombe_limits(a, b, both, n, confidence)
    series = Moments(n, difference, a + b - (b - a) * difference, 0.0, -1.0 if a else 0.0, 1.0 if b else 0.0)
    return Difference(
        difference,
        low,
        high,
        "newcombe",
        _mcnemar_p_value(a, b),
        None,
        few_decide=False,
        detectable=_detectable(series.standard_error) if a + b else None,
    )


def welch(a: Sequence[float], b: Sequence[float], confidence: float) -> Difference:
    """The difference of two groups' means, b − a, by Welch's t; of seeds: each value one run's mean loss.

    Without interval and test where a group has one value, or neither varies.

    Notes
    -----
    Welch (1947), doi:10.1093/biomet/34.1-2.28; degrees of freedom: Satterthwaite (1946),
    doi:10.2307/3002019.
    """
    means = [math.fsum(values) / len(values) for values in (a, b)]
    difference: float | None = means[1] - means[0]
    if difference is not None and math.isnan(difference):
        difference = None
    nothing = Difference(difference, None, None, "welch", None, None, few_decide=False, detectable=None)
    if min(len(a), len(b)) < 2 or difference is None or math.isinf(difference):
        return nothing
    shares = [
        math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)
        for values, mean in zip((a, b), means, strict=True)
    ]
    error = math.sqrt(math.fsum(shares))
    if error == 0:
        return nothing
    parts = [
        (share / error**2) ** 2 / (len(values) - 1) for share, values in zip(shares, (a, b), strict=True)
    ]
    freedom = 1 / math.fsum(parts)
    half = _t_half_width(error, freedom, confidence)
    return Difference(
        difference,
        difference - half,
        difference + half,
        "welch",
        _t_p_value(difference / error, freedom),
        None,
        few_decide=False,
        detectable=_detectable(error),
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values of several pairs, adjusted so that any false alarm at all keeps its level.

    None stands for a pair without a test: it stays None and does not count.

    Notes
    -----
    Holm (1979), Scand. J. Statist. 6:65, https://www.jstor.org/stable/4615733.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = largest
    return adjusted


def _few_decide(series: Series) -> bool:
    """Whether so few units carry the spread that the t interval is likely too short."""
    # asked this way round, a skewness beyond float64 (nan) is marked
    return not series.units >= EXAMPLES_PER_SQUARED_SKEWNESS * series.skewness**2


def _normal_quantile(probability: float) -> float:
    from scipy import special

    return float(special.ndtri(probability))


def _detectable(standard_error: float) -> float:
    """The true difference that a 5 % test would find in 80 of 100 such comparisons."""
    return (_normal_quantile(0.975) + _normal_quantile(0.8)) * standard_error


def _t_half_width(standard_error: float, freedom: float, confidence: float) -> float:
    from scipy import special

    # the lower quantile, turned round: near 1 a probability has lost its digits
    return -float(special.stdtrit(freedom, (1 - confidence) / 2)) * standard_error


def _t_p_value(t: float, freedom: float) -> float:
    from scipy import special

    return 2 * float(special.stdtr(freedom, -abs(t)))


def _mcnemar_p_value(a: int, b: int) -> float:
    """Two-sided: twice the chance of the smaller count or fewer among a + b fair coins, at most 1."""
    from scipy import special

    if a == b:
        return 1.0
    few, many = min(a, b), max(a, b)
    # the binomial sum as an incomplete beta function: SciPy's own binomial loses digits from 10^6 on
    return min(1.0, 2 * float(special.betainc(many, few + 1, 0.5)))


def _wilson_limits(wrong: float, count: float, confidence: float) -> tuple[float, float]:
    z2 = _normal_quantile((1 - confidence) / 2) ** 2
    upper = wrong + z2 / 2 + math.sqrt(z2 * (wrong * (count - wrong) / count + z2 / 4))
    # the product of both limits is known, so that the lower one needs no subtraction: 0 is exactly 0
    return wrong * (wrong / count) / upper, 1.0 if wrong == count else upper / (count + z2)


def _newcombe_limits(a: int, b: int, both: int, count: int, confidence: float) -> tuple[float, float]:
    """Limits of (b − a) / count, where a and b examples are wrong in one model only."""
    rate_a, rate_b = (both + a) / count, (both + b) / count
    low_a, high_a = _wilson_limits(both + a, count, confidence)
    low_b, high_b = _wilson_limits(both + b, count, confidence)
    phi = _phi(a, b, both, count)
    below = _squared_and_added(rate_b - low_b, high_a - rate_a, phi)
    above = _squared_and_added(high_b - rate_b, rate_a - low_a, phi)
    difference = (b - a) / count
    return difference - below, difference + above


def _squared_and_added(one: float, other: float, phi: float) -> float:
    return math.sqrt(one * one + other * other - 2 * phi * one * other)


def _phi(a: int, b: int, both: int, count: int) -> float:
    """The correlation of the two models' mistakes, drawn towards 0 where positive; 0 where undefined."""
    neither = count - both - a - b
    margins = (both + a) * (neither + b) * (both + b) * (neither + a)
    if not margins:
        return 0.0
    excess = both * neither - a * b
    if excess > 0:
        return max(excess - count / 2, 0.0) / math.sqrt(margins)
    return excess / math.sqrt(margins)
