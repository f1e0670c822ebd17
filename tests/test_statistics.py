from __future__ import annotations

import math
import subprocess
import sys
from unittest.mock import patch

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from crossent.moments import Moments, WeightedMoments, combine, combine_weighted, moments, weighted_moments
from crossent.statistics import (
    FEWEST,
    Difference,
    Estimate,
    error_difference,
    holm,
    student,
    student_difference,
    wilson,
    wilson_effective,
)
from series import HARD, UNIT, series

ANY = (-math.inf, math.inf)


def test_spread_below_float64_gives_no_interval():
    found = series(np.repeat([0.0, 1e-200], 20))
    assert found.low < found.high
    assert student(found, 0.95, range=ANY) == Estimate(found.mean, None, None, "t", False)
    assert student_difference(found, 0.95).p_value is None
    assert math.isnan(found.skewness)


def test_no_values():
    found = combine(np.empty((0, 6)))
    assert found.count == 0
    assert all(math.isnan(v) for v in (found.mean, found.low, found.high, found.standard_error))
    assert math.isnan(series([]).mean)
    estimate = student(found, 0.95, range=ANY)
    assert math.isnan(estimate.value)
    assert (estimate.low, estimate.high) == (None, None)
    assert student_difference(found, 0.95) == Difference(None, None, None, "t", None, None, False, None)


@pytest.mark.parametrize("scale", [1e120, 1e200, 1e308, -1e308])
def test_huge_values_give_no_interval_or_the_mark_but_no_warning(scale):
    values = scale * np.linspace(0.1, 1, 50)
    found = combine(np.array([moments(values), moments(values[:7])]))
    estimate = student(found, 0.95, range=ANY)
    if scale == 1e120:  # the squares can be held, the cubes cannot
        assert estimate.low < found.mean < estimate.high
        assert estimate.few_decide
    else:
        assert (estimate.low, estimate.high, estimate.few_decide) == (None, None, False)
        assert student_difference(found, 0.95).p_value is None


COUNTS = [(k, n) for n in (1, 2, 3, 19, 20, 57, 1000) for k in range(n + 1)] + [
    (k, n) for n in (10**6, 10**9) for k in (0, 1, 2, 17, n // 3, n // 2, n - 17, n - 1, n)
]


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999, 1 - 1e-9])
def test_wilson_agrees_with_statsmodels(confidence):
    wrong, count = np.array(COUNTS).T
    lows, highs = proportion_confint(wrong, count, alpha=1 - confidence, method="wilson")
    for k, n, low, high in zip(wrong, count, lows, highs, strict=True):
        found = wilson(k, n, confidence)
        assert found.value == k / n
        assert found.low == pytest.approx(low, abs=1e-10, rel=1e-9 if k else None)
        assert found.high == pytest.approx(high, abs=1e-10)
        assert (found.method, found.few_decide) == ("wilson", False)


@pytest.mark.parametrize("count", [1, 2, 3, 20, 1000, 10**9])
def test_wilson_at_none_and_all_wrong(count):
    none, every = wilson(0, count, 0.95), wilson(count, count, 0.95)
    assert (none.low, every.high) == (0.0, 1.0)
    z2 = stats.norm.isf(0.025) ** 2
    assert none.high == pytest.approx(z2 / (count + z2), rel=1e-12)
    assert every.low == pytest.approx(count / (count + z2), rel=1e-12)
    assert none.low < none.high
    assert every.low < every.high


@given(st.integers(1, 10**12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_encloses_the_share_and_mirrors(table):
    wrong, count = table
    found, mirrored = wilson(wrong, count, 0.95), wilson(count - wrong, count, 0.95)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.low == pytest.approx(1 - mirrored.high, abs=4 * UNIT)


def test_worked_example():
    found = wilson(1, 3, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0615, 0.7923)


def zeros_and_ones(wrong, count, weight=1.0):
    values = np.repeat([0.0, 1.0], [count - wrong, wrong])
    return combine_weighted(weighted_moments(values, np.full(count, weight))[None])


@pytest.mark.parametrize(("wrong", "count"), [(1, 2), (1, 20), (3, 20), (200, 1000), (999, 1000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_wilson_effective_is_that_of_as_many_examples(wrong, count, confidence):
    """Equal weights have the variance e(1 − e)/(n − 1), that of n − 1 independent examples."""
    found = wilson_effective(zeros_and_ones(wrong, count, 0.3), confidence)
    share = wrong / count
    expected = proportion_confint(share * (count - 1), count - 1, alpha=1 - confidence, method="wilson")
    assert found.value == pytest.approx(share, rel=1e-15)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)
    assert found.method == "wilson"


@pytest.mark.parametrize("units", [1, 7, 50])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_wilson_effective_without_a_variance_has_the_units(units, share):
    """All right, all wrong, or all clusters alike: as many examples as there are clusters."""
    low, high = (share, share) if share in (0.0, 1.0) else (0.0, 1.0)
    found = wilson_effective(WeightedMoments(1000, units, share, 0.0, 0.0, low, high, units), 0.95)
    expected = proportion_confint(share * units, units, alpha=0.05, method="wilson")
    assert (found.value, found.few_decide) == (share, False)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.low < found.high


@pytest.mark.parametrize(("wrong", "few"), [(48, True), (49, False), (4951, False), (4952, True)])
def test_wilson_effective_is_marked_as_t_is(wrong, few):
    """Its width comes from the sample's own spread, unlike that of Wilson's interval for a count."""
    assert wilson_effective(zeros_and_ones(wrong, 5000), 0.95).few_decide is few
    assert wilson(wrong, 5000, 0.95).few_decide is False


def test_wilson_effective_is_marked_under_twenty_units():
    assert wilson_effective(zeros_and_ones(10, 19), 0.95).few_decide
    assert not wilson_effective(zeros_and_ones(10, 20), 0.95).few_decide


@pytest.mark.parametrize("weight", [1e3, 1e12, 1e16, 1e30, 1e200])
@pytest.mark.parametrize("heavy", [0.0, 1.0])
def test_wilson_effective_where_one_weight_outweighs_all(weight, heavy):
    """Down to where the others change nothing that float64 could hold: a share, and limits beside it."""
    values, weights = np.repeat([heavy, 1 - heavy], [1, 30]), np.repeat([weight, 1.0], [1, 30])
    found = wilson_effective(combine_weighted(weighted_moments(values, weights)[None]), 0.95)
    assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("heavy", "few"), [(1.0, False), (12.0, False), (13.0, True), (1e200, True)])
@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_wilson_effective_without_a_variance_is_marked_where_few_weights_outweigh_the_others(
    heavy, few, wrong
):
    """One weight among 99 of 1 in blocks of 40: (h + 99)² / (h² + 99) equal ones of 100: 50.7, then 46.8."""
    weights = np.repeat([1.0, heavy], [99, 1])
    blocks = [weighted_moments(np.full(len(one), wrong), one) for one in np.split(weights, [40, 80])]
    found = combine_weighted(np.array(blocks))
    assert found.equal_units == pytest.approx(weights.sum() ** 2 / (weights**2).sum() if heavy < 99 else 1.0)
    assert wilson_effective(found, 0.95).few_decide is few


VARYING = [name for name in HARD if len(HARD[name]) >= FEWEST and len(set(HARD[name])) > 1]
FIT_FOR_SCIPY = [name for name in VARYING if not name.startswith("far off")]


@pytest.mark.parametrize("name", FIT_FOR_SCIPY)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999999])
def test_t_interval_agrees_with_scipy(name, confidence):
    values = HARD[name]
    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    found = student(series(values), confidence, range=ANY)
    off = 1e-10 * (expected.high - expected.low)
    assert found.value == pytest.approx(values.mean(), rel=1e-12)
    assert found.low == pytest.approx(expected.low, rel=0, abs=off)
    assert found.high == pytest.approx(expected.high, rel=0, abs=off)
    assert found.method == "t"


def test_t_interval_is_cut_to_the_range_of_the_measure():
    few = series(np.repeat([0.0, 2.0], [29, 1]))
    many = series(np.repeat([0.0, 2.0], [1, 29]))
    assert student(few, 0.95, range=ANY).low < 0 < student(few, 0.95, range=(0, 2)).high
    assert student(few, 0.95, range=(0, 2)).low == 0
    assert student(many, 0.95, range=ANY).high > 2
    assert student(many, 0.95, range=(0, 2)).high == 2
    assert student_difference(few, 0.95).low < 0


def differences(count, mean, spread=1.0):
    values = np.random.default_rng(count).standard_t(3, count) * spread
    return values - values.mean() + mean


@pytest.mark.parametrize("count", [20, 21, 200, 4099])
@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.05, -0.2, 1.0, -9.0])
def test_paired_t_agrees_with_scipy(count, mean):
    a = np.random.default_rng(1).exponential(1, count)
    b = a + differences(count, mean)
    expected = stats.ttest_rel(b, a)
    limits = expected.confidence_interval(0.9)
    found = student_difference(series(b - a), 0.9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-10)
    assert found.low == pytest.approx(limits.low, rel=0, abs=1e-10)
    assert found.high == pytest.approx(limits.high, rel=0, abs=1e-10)
    assert found.difference == pytest.approx(mean, abs=1e-12)
    assert (found.method, found.p_holm) == ("t", None)


@pytest.mark.parametrize("count", [20, 1000, 10**6, 10**9])
@pytest.mark.parametrize("t", [1e-7, 0.5, 1.96, 6.0, 38.0])
def test_p_value_of_t_to_its_last_digits(count, t):
    """Against the incomplete beta function in 50 digits, where a float64 formula loses the tail."""
    found = student_difference(Moments(count, t, count * (count - 1.0), 0.0, -1e5, 1e5), 0.95)
    with mpmath.workdps(50):
        freedom = mpmath.mpf(count - 1)
        density = mpmath.gamma((freedom + 1) / 2) / mpmath.gamma(freedom / 2)
        density /= mpmath.sqrt(freedom * mpmath.pi)
        ends = (
            [t, t + 1, t + 5, t + 20, mpmath.inf] if count > 1000 else [t, t + 1, t + 20, t + 1e3, mpmath.inf]
        )
        tail = mpmath.quad(lambda x: (1 + x * x / freedom) ** (-(freedom + 1) / 2), ends)
        expected = float(2 * density * tail)
    assert found.p_value == pytest.approx(expected, rel=1e-10)


def test_t_that_cannot_be_squared():
    found = student_difference(Moments(50, 1e150, 1e-20, 0.0, 0.0, 1e151), 0.95)
    assert found.p_value == 0.0


@pytest.mark.parametrize("a", [0, 1, 2, 5, 17, 40])
@pytest.mark.parametrize("b", [0, 1, 3, 6, 17, 39, 700])
def test_exact_mcnemar_agrees_with_statsmodels(a, b):
    found = error_difference(a, b, 3, 1000, 0.95)
    assert found.p_value == pytest.approx(mcnemar([[3, a], [b, 9]], exact=True).pvalue, rel=1e-10)


@pytest.mark.parametrize(("a", "b"), [(5000, 5000), (4900, 5100), (499_000, 501_000), (52_000, 51_999)])
def test_exact_mcnemar_agrees_with_scipy(a, b):
    expected = stats.binomtest(a, a + b).pvalue
    assert error_difference(a, b, 0, 10**7, 0.95).p_value == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("z", [0.001, 1.0, 2.0, 6.0, 20.0])
def test_exact_mcnemar_for_a_billion_pairs(z):
    n = 10**9
    few = n // 2 - int(z * math.sqrt(n) / 2)
    with mpmath.workdps(40):
        logarithm = mpmath.loggamma(n + 1) - mpmath.loggamma(few + 1) - mpmath.loggamma(n - few + 1)
        term = float(2 * mpmath.exp(logarithm - n * mpmath.log(2)))
    # each probability from the one above it, down to where they are below 1e-50 of the first
    j = np.arange(600_000.0)
    ratios = np.log1p(-(n - 2 * few + 1 + 2 * j) / (n - few + 1 + j))
    expected = term * math.fsum(np.exp(np.concatenate([[0.0], np.cumsum(ratios)])))
    found = error_difference(few, n - few, 10**8, 10**10, 0.95)
    assert found.p_value == pytest.approx(min(1.0, expected), rel=1e-10)
    assert error_difference(n // 2, n // 2, 0, 2 * n, 0.95).p_value == 1.0


# Newcombe (1998), Table III, method 10: both, only first, only second, neither; limits of first − second
NEWCOMBE_1998 = [
    (36, 12, 2, 0, 0.0569, 0.3404),
    (20, 12, 2, 16, 0.0562, 0.3292),
    (18, 12, 2, 18, 0.0562, 0.3290),
    (36, 14, 0, 0, 0.1528, 0.4167),
    (35, 14, 0, 1, 0.1461, 0.4175),
    (18, 14, 0, 18, 0.1441, 0.3963),
    (2, 97, 1, 0, 0.8721, 0.9854),
    (0, 29, 1, 0, 0.6666, 0.9882),
    (2, 98, 0, 0, 0.9178, 0.9945),
    (1, 98, 0, 1, 0.9171, 0.9916),
    (0, 30, 0, 0, 0.8395, 1.0),
    (54, 0, 0, 0, -0.0664, 0.0664),
    (53, 0, 0, 1, -0.0729, 0.0729),
    (30, 0, 0, 24, -0.0358, 0.0358),
    (29, 0, 0, 25, -0.0354, 0.0354),
    (28, 0, 0, 26, -0.0352, 0.0352),
    (27, 0, 0, 27, -0.0351, 0.0351),
]


@pytest.mark.parametrize(("both", "first", "second", "neither", "low", "high"), NEWCOMBE_1998)
def test_newcombe_gives_the_published_limits(both, first, second, neither, low, high):
    found = error_difference(second, first, both, both + first + second + neither, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.method == "newcombe"


def newcombe_by_definition(a, b, both, count, confidence):
    """In 40 digits; Wilson's limits as the roots of the score equation."""
    with mpmath.workdps(40):
        n = mpmath.mpf(count)
        z = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(confidence))

        def limits(k):
            # (k/n − x)² = z² x (1 − x) / n
            second, first, zeroth = 1 + z * z / n, -(2 * k / n + z * z / n), (k / n) ** 2
            root = mpmath.sqrt(first**2 - 4 * second * zeroth)
            return (-first - root) / (2 * second), (-first + root) / (2 * second)

        k_a, k_b, neither = both + a, both + b, count - both - a - b
        (low_a, high_a), (low_b, high_b) = limits(k_a), limits(k_b)
        product = mpmath.mpf(k_a) * (count - k_a) * k_b * (count - k_b)
        numerator = mpmath.mpf(both * neither - a * b)
        if numerator > n / 2:
            numerator -= n / 2
        elif numerator > 0:
            numerator = mpmath.mpf(0)
        phi = numerator / mpmath.sqrt(product) if product else mpmath.mpf(0)
        d_low, d_high = k_b / n - low_b, high_a - k_a / n
        u_high, u_low = high_b - k_b / n, k_a / n - low_a
        below = mpmath.sqrt(d_low**2 - 2 * phi * d_low * d_high + d_high**2)
        above = mpmath.sqrt(u_high**2 - 2 * phi * u_high * u_low + u_low**2)
        return float((k_b - k_a) / n - below), float((k_b - k_a) / n + above)


paired_tables = st.lists(
    st.sampled_from([0, 1, 2, 5, 31]) | st.integers(0, 10**9), min_size=4, max_size=4
).filter(lambda cells: sum(cells) >= FEWEST)


@given(paired_tables, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_newcombe_by_definition(cells, confidence):
    a, b, both, neither = cells
    count = sum(cells)
    found = error_difference(a, b, both, count, confidence)
    low, high = newcombe_by_definition(a, b, both, count, confidence)
    assert found.difference == (b - a) / count
    assert found.low == pytest.approx(low, rel=0, abs=1e-10)
    assert found.high == pytest.approx(high, rel=0, abs=1e-10)
    assert -1 <= found.low < found.high <= 1
    swapped = error_difference(b, a, both, count, confidence)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low), rel=0, abs=4 * UNIT)
    # what counts as wrong does not matter: right in b only is wrong in a only
    turned = error_difference(b, a, neither, count, confidence)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), rel=0, abs=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "both", "count"),
    [(0, 0, 0, 20), (0, 0, 20, 20), (20, 0, 0, 20), (0, 20, 0, 20), (0, 3, 17, 20)],
)
def test_newcombe_where_the_correlation_is_undefined(a, b, both, count):
    found = error_difference(a, b, both, count, 0.95)
    assert (found.low, found.high) == pytest.approx(
        newcombe_by_definition(a, b, both, count, 0.95), abs=1e-12
    )
    assert -1 <= found.low < found.high <= 1


def test_numpy_counts_do_not_overflow():
    counts = [3 * 10**9, 4 * 10**9, 5 * 10**9, 2 * 10**10]
    assert error_difference(*np.array(counts), 0.95) == error_difference(*counts, 0.95)


def test_error_difference_without_discordant_pairs():
    found = error_difference(0, 0, 4, 100, 0.95)
    assert (found.difference, found.p_value, found.detectable) == (0.0, 1.0, None)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(("a", "b", "count"), [(0, 1, 20), (7, 3, 200), (0, 200, 1000), (500, 500, 1000)])
def test_detectable_error_is_that_of_the_same_differences(a, b, count):
    values = np.repeat([-1.0, 0.0, 1.0], [a, count - a - b, b])
    found, same = error_difference(a, b, 0, count, 0.95), student_difference(series(values), 0.95)
    assert found.detectable == pytest.approx(same.detectable, rel=1e-12)
    assert found.difference == pytest.approx(same.difference, rel=1e-12)


def test_detectable_difference_is_found_in_four_of_five_comparisons():
    count = 10**6
    found = student_difference(series(differences(count, 0.0)), 0.95)
    error = (found.high - found.low) / 2 / stats.t.isf(0.025, count - 1)
    shifted = found.detectable / error
    power = stats.norm.sf(stats.norm.isf(0.025) - shifted) + stats.norm.cdf(-stats.norm.isf(0.025) - shifted)
    assert power == pytest.approx(0.8, abs=1e-5)


def test_detectable_difference_as_the_verdict_quotes_it():
    # 10,000 examples, interval [−0.0035, +0.0259]
    error = 0.0147 / stats.t.isf(0.025, 9999)
    found = student_difference(Moments(10_000, 0.0112, 9999 * 1e4 * error**2, 0.0, -1, 1), 0.95)
    assert round(found.detectable, 3) == 0.021
    assert (round(found.low, 4), round(found.high, 4)) == (-0.0035, 0.0259)
    assert round(found.p_value, 2) == 0.14


@pytest.mark.parametrize("count", [1, 2, 3, 19])
def test_under_twenty_examples_only_wilson(count):
    values = np.linspace(-1, 2, count)
    assert student(series(values), 0.95, range=ANY) == Estimate(series(values).mean, None, None, "t", False)
    found = student_difference(series(values), 0.95)
    assert found == Difference(series(values).mean, None, None, "t", None, None, False, None)
    assert student_difference(series(np.zeros(count)), 0.95).p_value is None
    errors = error_difference(0, 1, 0, count, 0.95)
    assert errors == Difference(1 / count, None, None, "newcombe", None, None, False, None)
    assert wilson(1, count, 0.95).low is not None


def test_from_twenty_examples_on():
    values = np.linspace(-1, 2, 20)
    assert None not in (
        student(series(values), 0.95, range=ANY).low,
        student_difference(series(values), 0.95).p_value,
    )
    errors = error_difference(0, 1, 0, 20, 0.95)
    assert None not in (errors.low, errors.high, errors.p_value, errors.detectable)


@pytest.mark.parametrize("units", [1, 19, 20])
def test_units_count_not_rows(units):
    """A thousand rows of so many clusters, with a standard error of 0.1 and the skewness 0.5."""
    squares = 0.01 * (units - 1) / units if units > 1 else 0.0
    found = WeightedMoments(
        1000, units, 0.25, squares, 0.5 * squares * math.sqrt(squares / units), 0.0, 1.0, units
    )
    estimate, difference = student(found, 0.95, range=ANY), student_difference(found, 0.95)
    if units < 20:
        assert estimate == Estimate(0.25, None, None, "t", False)
        assert difference == Difference(0.25, None, None, "t", None, None, False, None)
        return
    half = stats.t.isf(0.025, 19) * 0.1
    assert (estimate.low, estimate.high) == pytest.approx((0.25 - half, 0.25 + half), rel=1e-12)
    assert (difference.low, difference.high) == (estimate.low, estimate.high)
    assert difference.p_value == pytest.approx(2 * stats.t.sf(2.5, 19), rel=1e-12)
    assert difference.detectable == pytest.approx(
        0.1 * (stats.norm.isf(0.025) + stats.norm.isf(0.2)), rel=1e-12
    )
    assert not estimate.few_decide  # 20 >= 50 · 0.5²
    skewed = WeightedMoments(1000, 20, 0.25, squares, 0.7 * squares * math.sqrt(squares / 20), 0.0, 1.0, 20)
    assert student(skewed, 0.95, range=ANY).few_decide


@pytest.mark.parametrize("name", FIT_FOR_SCIPY)
def test_equal_weights_give_the_unweighted_interval(name):
    values = HARD[name]
    found = combine_weighted(weighted_moments(values, np.full(len(values), 0.7))[None])
    plain, weighted = student(series(values), 0.95, range=ANY), student(found, 0.95, range=ANY)
    assert weighted.value == pytest.approx(plain.value, rel=1e-15)
    assert (weighted.low, weighted.high) == pytest.approx((plain.low, plain.high), rel=1e-12)
    assert weighted.few_decide is plain.few_decide


@pytest.mark.parametrize(("value", "p_value"), [(0.0, 1.0), (-0.0, 1.0), (0.1, None), (-1e-300, None)])
def test_no_spread(value, p_value):
    parts = np.array([moments(np.full(n, value)) for n in (17, 30)])
    found = student_difference(combine(parts), 0.95)
    assert found == Difference(value, None, None, "t", p_value, None, False, None)
    assert student(combine(parts), 0.95, range=ANY) == Estimate(value, None, None, "t", False)


def test_zeros_that_are_not_all_zero_are_not_equal():
    found = student_difference(series([0.0] * 30 + [1e-9, -1e-9]), 0.95)
    assert found.difference == 0
    assert found.p_value == 1.0
    assert found.low < 0 < found.high


@pytest.mark.parametrize(("wrong", "few"), [(1, True), (48, True), (49, False), (2500, False), (4952, True)])
def test_few_examples_decide(wrong, few):
    """With k of n wrong, n < 50 skewness² is k(n − k)/n < 50 (1 − 2k/n)²: for n = 5,000 at 48 and 4,952."""
    values = np.repeat([0.0, 1.0], [5000 - wrong, wrong])
    assert student(series(values), 0.95, range=(0, 1)).few_decide is few
    assert student_difference(series(-values), 0.95).few_decide is few


p_lists = st.lists(st.none() | st.floats(0, 1) | st.sampled_from([0.0, 1.0, 0.01, 0.02]), max_size=12)


@patch("gc.collect", lambda: 0)  # statsmodels does so in every call
@given(p_lists)
def test_holm_agrees_with_statsmodels(p_values):
    found = holm(p_values)
    tested = [p for p in p_values if p is not None]
    assert [f is None for f in found] == [p is None for p in p_values]
    if tested:
        expected = multipletests(tested, method="holm")[1]
        np.testing.assert_allclose([f for f in found if f is not None], expected, rtol=1e-10, atol=1e-300)


def test_holm_by_hand():
    assert holm([0.04, None, 0.01, 0.03]) == pytest.approx([0.06, None, 0.03, 0.06])
    assert holm([0.7]) == [0.7]
    assert holm([]) == []


def test_scipy_is_loaded_late_and_scipy_stats_never():
    script = """
import sys
from unittest.mock import patch
from crossent.moments import *
from crossent.statistics import *
assert 'scipy.special' not in sys.modules, 'loaded by the import'
wilson(3, 50, 0.95), error_difference(1, 2, 3, 50, 0.95), holm([0.1, 0.2])
student(combine(moments(__import__('numpy').arange(50.0))[None]), 0.95, range=(0, 50))
student_difference(combine(moments(__import__('numpy').arange(50.0))[None]), 0.95)
assert 'scipy.special' in sys.modules
assert 'scipy.stats' not in sys.modules, 'loaded by a function'
"""
    subprocess.run([sys.executable, "-c", script], check=True)
