from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossent.moments import (
    Moments,
    WeightedMoments,
    combine,
    combine_weighted,
    grouped_moments,
    moments,
    weighted_moments,
)
from series import HARD, UNIT, allowed, exact_moments, exact_weighted, series


@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
@pytest.mark.parametrize("share", [(), (0.5,), (0.001, 0.002, 0.9), (0.0, 0.3, 0.3, 1.0)])
def test_moments_of_blocks_are_those_of_the_whole(values, share):
    cuts = [int(s * len(values)) for s in share]
    found = combine(np.array([moments(block) for block in np.split(values, cuts)]))
    mean, m2, m3 = exact_moments(values)
    mean_off, m2_off, m3_off = allowed(values, cuts)
    assert found.count == len(values)
    assert (found.low, found.high) == (values.min(), values.max())
    assert abs(Fraction(found.mean) - mean) <= mean_off
    assert abs(Fraction(found.m2) - m2) <= m2_off
    assert abs(Fraction(found.m3) - m3) <= m3_off


NEIGHBOURS = np.repeat([1e9, np.nextafter(1e9, 2e9)], [70, 30])


@pytest.mark.parametrize(
    "values", [*HARD.values(), NEIGHBOURS, np.full(65_536, 0.1)], ids=[*HARD, "neighbours", "a whole block"]
)
def test_moments_of_one_block(values):
    """Centred on the mean to its last digit, even where the mean lies between two neighbouring floats."""
    count, total, m2, m3, low, high = moments(values)
    mean, exact_m2, exact_m3 = exact_moments(values)
    deviations = np.abs(values - float(mean)) + UNIT * abs(float(mean))
    assert (count, low, high) == (len(values), values.min(), values.max())
    roundings = (20 + math.log2(len(values))) * UNIT
    # what lies below the grid of `_precise_sum` is at most half of its step a term
    below = UNIT * 4 * len(values) * np.abs(values).max()
    assert abs(Fraction(total) - mean * len(values)) <= UNIT * abs(total) + roundings * len(values) * below
    assert abs(Fraction(m2) - exact_m2) <= roundings * (deviations**2).sum()
    assert abs(Fraction(m3) - exact_m3) <= 2 * roundings * (deviations**3).sum()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_zero_has_one_sign(order):
    parts = np.array([moments(np.array([0.0, 1.0])), moments(np.array([-0.0, 1.0]))])
    highs = np.array([moments(np.array([0.0, -1.0])), moments(np.array([-0.0, -1.0]))])
    assert math.copysign(1, combine(parts[order]).low) == 1
    assert math.copysign(1, combine(highs[order]).high) == 1
    assert math.copysign(1, combine(np.array([moments(np.array([-0.0]))])).mean) == 1


def test_equal_values_have_exactly_no_spread():
    found = combine(np.array([moments(np.full(n, 0.1)) for n in (3, 7, 65_536)]))
    assert found == Moments(65_546, 0.1, 0.0, 0.0, 0.1, 0.1)
    assert not found.varies


blocks_of_values = st.lists(
    st.lists(
        st.floats(-1e90, 1e90) | st.sampled_from([0.0, -0.0, 1.0, 0.1, 1e-300, -1e-300]),
        min_size=0,
        max_size=5,
    ),
    min_size=1,
    max_size=8,
)


@given(blocks_of_values, st.randoms(use_true_random=False))
def test_order_of_blocks_changes_no_bit(blocks, random):
    parts = [moments(np.array(block, dtype=np.float64)) for block in blocks]
    first = combine(np.array(parts))
    shuffled = [*parts, moments(np.array([]))]
    random.shuffle(shuffled)
    second = combine(np.array(shuffled))
    for name in ("count", "mean", "m2", "m3", "low", "high"):
        assert np.array(getattr(first, name)).tobytes() == np.array(getattr(second, name)).tobytes(), name


def test_sum_over_blocks_is_exact():
    # one after the other in float64, the three ones would be lost beside 1e16
    parts = np.array([[1.0, v, 0.0, 0.0, v, v] for v in (1e16, 1.0, 1.0, 1.0, -1e16)])
    assert combine(parts).mean == 3 / 5


@pytest.mark.parametrize("layout", ["read-only", "strided", "reversed"])
def test_moments_whatever_the_layout(layout):
    values = HARD["rare large losses"]
    given_values = {
        "read-only": values.copy(),
        "strided": np.stack([values, values], axis=1)[:, 0],
        "reversed": values[::-1].copy()[::-1],
    }[layout]
    given_values.flags.writeable = False
    assert moments(given_values).tobytes() == moments(values).tobytes()


def test_moments_of_groups_are_those_of_their_finite_rows_to_the_bit():
    random = np.random.default_rng(3)
    series = random.normal(size=(3, 5_000)) * 10.0 ** random.integers(-30, 30, (3, 5_000))
    series[0, ::7], series[1, 3::5], series[2, 1::9] = np.inf, np.nan, -np.inf
    codes = random.integers(0, 6, 5_000)
    series[:, codes == 4] = np.nan
    order = np.argsort(codes, kind="stable")
    found = grouped_moments(series, order, np.searchsorted(codes[order], np.arange(7)))
    for group in range(6):
        for values, row in zip(series[:, codes == group], found[group], strict=True):
            assert row.tobytes() == moments(values[np.isfinite(values)]).tobytes()


@pytest.mark.parametrize("name", [name for name in HARD if len(set(HARD[name])) > 1])
def test_skewness(name):
    values = HARD[name]
    _, m2, m3 = exact_moments(values)
    n, second = len(values), mpmath.mpf(m2.numerator) / m2.denominator
    expected = float(mpmath.mpf(m3.numerator) / m3.denominator / n / (second / n) ** 1.5)
    _, m2_off, m3_off = allowed(values, [])
    relative = 1.5 * m2_off / float(m2) + 8 * UNIT
    off = abs(expected) * relative + m3_off / (n * (float(m2) / n) ** 1.5)
    assert abs(series(values).skewness - expected) <= off
    if name not in ("far off, tiny spread", "far off, one other", "two values"):
        assert series(values).skewness == pytest.approx(stats.skew(values), rel=1e-10)


def test_skewness_does_not_depend_on_the_scale():
    values = HARD["rare large losses"]
    # the cubes are as small as 1e-300 here, the squares' 1.5th power would be 0
    assert series(values * 2.0**-340).skewness == pytest.approx(series(values).skewness, rel=1e-12)


def weighted(values, weights, cuts=()):
    blocks = zip(np.split(values, cuts), np.split(np.asarray(weights, np.float64), cuts), strict=True)
    return combine_weighted(np.array([weighted_moments(v, w) for v, w in blocks]))


# the lists with millions of digits in exact arithmetic are cut to their last rows, which hold the large ones
SHORT = {name: values[-4001:] for name, values in HARD.items()}
BLOCKS = [(), (0.5,), (0.001, 0.002, 0.9), (0.0, 0.3, 0.3, 1.0)]


def ones(count):
    return np.ones(count)


def uneven(count):
    return np.random.default_rng(count).uniform(0.1, 2, count)


def twelve_orders(count):
    return 10.0 ** np.random.default_rng(count).uniform(-6, 6, count)


def one_outweighs_all(count):
    return np.where(np.arange(count) == count // 3, 1e12, 1.0)


def some_nothing(count):
    return np.random.default_rng(count).integers(0, 3, count) + (np.arange(count) == 0) * 1.0


WEIGHTS = [ones, uneven, twelve_orders, one_outweighs_all, some_nothing]


def allowed_weighted(values, weights, cuts):
    """How far mean, ΣU² and ΣU³ may be off, from the roundings that are made.

    A sum over a block takes at most 16 + log2(n) roundings a term (as `series.allowed` has it), a term of it
    and its way through the shares of the whole weight 14 more. The distance of a block's centre from the
    mean is off by `slack`: the same roundings of terms no larger than `reach`, the largest deviation from
    either, and a centre that is no block's mean to the last digit enters `reach`, too.
    """
    roundings = (30 + math.log2(len(values))) * UNIT
    share = weights / weights.sum()
    mean = float((share * values).sum())
    mean_off = roundings * float((share * np.abs(values)).sum())
    reach = np.abs(values - mean) + mean_off
    bounds = [0, *cuts, len(values)]
    for start, end in pairwise(bounds):
        part = slice(start, end)
        if weights[part].sum() > 0:
            centre = float((share[part] * values[part]).sum() / share[part].sum())
            reach[part] += 2 * abs(centre - mean) + 2 * mean_off
    slack = roundings * reach.max()
    terms = share * reach
    squares = roundings * (terms**2).sum() + 2 * slack * (share * terms).sum() + slack**2 * (share**2).sum()
    cubes = (
        roundings * (terms**3).sum()
        + 3 * slack * (share * terms**2).sum()
        + 3 * slack**2 * (share**2 * terms).sum()
        + slack**3 * (share**3).sum()
    )
    return mean_off, float(squares), float(cubes)


@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize("weigh", WEIGHTS)
@pytest.mark.parametrize("share", BLOCKS)
def test_weighted_moments_by_definition(name, weigh, share):
    values = SHORT[name]
    weights = weigh(len(values))
    cuts = [int(s * len(values)) for s in share]
    found = weighted(values, weights, cuts)
    mean, units = exact_weighted(values, weights)
    squares, cubes = (sum(u**power for u in units) for power in (2, 3))
    mean_off, squares_off, cubes_off = allowed_weighted(values, weights, cuts)
    kept = values[weights > 0]
    assert (found.count, found.units) == (len(kept), len(kept))
    assert (found.low, found.high) == (kept.min(), kept.max())
    assert abs(Fraction(found.mean) - mean) <= mean_off
    assert abs(Fraction(found.squares) - squares) <= squares_off
    assert abs(Fraction(found.cubes) - cubes) <= cubes_off


def test_weighted_moments_lose_nothing_far_from_zero():
    """At an offset of 10^9 doubles are 10^-7 apart: what is left of the spread is found to 12 digits."""
    values, weights = HARD["far off, tiny spread"], uneven(3001)
    _, units = exact_weighted(values, weights)
    found = weighted(values, weights, [1000, 2500])
    assert found.squares == pytest.approx(float(sum(u * u for u in units)), rel=1e-12)


@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
@pytest.mark.parametrize("share", BLOCKS)
@pytest.mark.parametrize("weight", [1.0, 0.25, 2.0**700])
def test_equal_weights_are_no_weights(values, share, weight):
    """The mean to the last bit; standard error and skewness by the same formula, up to rounding."""
    cuts = [int(s * len(values)) for s in share]
    found = weighted(values, np.full(len(values), weight), cuts)
    plain = combine(np.array([moments(block) for block in np.split(values, cuts)]))
    for name in ("count", "mean", "low", "high"):
        assert getattr(found, name) == getattr(plain, name), name
    assert (found.varies, found.all_zero, found.units) == (plain.varies, plain.all_zero, plain.units)
    if not plain.varies:
        return
    _, m2_off, m3_off = allowed(values, cuts)
    _, squares_off, cubes_off = allowed_weighted(values, np.ones(len(values)), cuts)
    n = len(values)
    relative = (m2_off / plain.m2 + squares_off / found.squares) / 2 + 8 * UNIT
    assert found.standard_error == pytest.approx(plain.standard_error, rel=relative)
    third = m3_off / (n * (plain.m2 / n) ** 1.5) + cubes_off / (n * (found.squares / n) ** 1.5)
    assert found.skewness == pytest.approx(plain.skewness, rel=3 * relative, abs=third)


@pytest.mark.parametrize("weigh", [uneven, twelve_orders, some_nothing])
@pytest.mark.parametrize("name", ["log-normal over 20 orders", "zeros and ones", "cancelling differences"])
def test_standard_error_agrees_with_statsmodels(name, weigh):
    values = HARD[name]
    weights = weigh(len(values))
    kept = weights > 0
    fit = sm.WLS(values[kept], np.ones(kept.sum()), weights=weights[kept]).fit(cov_type="HC1", use_t=True)
    found = weighted(values, weights, [100, 800])
    assert found.mean == pytest.approx(fit.params[0], rel=1e-8)
    assert found.standard_error == pytest.approx(fit.bse[0], rel=1e-8)


@pytest.mark.parametrize("name", ["zeros and ones", "rare large losses", "two values"])
def test_whole_weights_are_rows_repeated(name):
    values = SHORT[name]
    times = np.random.default_rng(1).integers(1, 6, len(values))
    repeated = series(np.repeat(values, times))
    found = weighted(values, times, [len(values) // 2])
    mean_off, _, _ = allowed_weighted(values, times, [len(values) // 2])
    assert found.mean == pytest.approx(repeated.mean, rel=0, abs=2 * mean_off)
    assert found.count == len(values)
    if name == "zeros and ones":  # whole numbers are added up exactly
        assert found.mean == times[values == 1].sum() / times.sum()


@pytest.mark.parametrize("name", HARD)
def test_weight_0_is_an_absent_row(name):
    values = HARD[name]
    weights = some_nothing(len(values))
    kept = weights > 0
    assert (
        weighted_moments(values, weights).tobytes() == weighted_moments(values[kept], weights[kept]).tobytes()
    )


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_weighted_zero_has_one_sign(order):
    one = np.ones(2)
    lows = np.array([weighted_moments(np.array([zero, 1.0]), one) for zero in (0.0, -0.0)])
    highs = np.array([weighted_moments(np.array([zero, -1.0]), one) for zero in (0.0, -0.0)])
    assert math.copysign(1, combine_weighted(lows[order]).low) == 1
    assert math.copysign(1, combine_weighted(highs[order]).high) == 1
    assert math.copysign(1, combine_weighted(weighted_moments(np.array([-0.0]), np.ones(1))[None]).mean) == 1


def test_no_row_with_a_weight():
    found = weighted(np.array([0.3, 0.1]), [0.0, 0.0])
    assert (found.count, found.units, found.varies, found.all_zero) == (0, 0, False, False)
    assert all(math.isnan(v) for v in (found.mean, found.standard_error, found.skewness, found.low))
    beside = np.array(
        [weighted_moments(np.array([5.0]), np.zeros(1)), weighted_moments(HARD["two values"], ones(2))]
    )
    assert combine_weighted(beside) == weighted(HARD["two values"], ones(2))
    assert combine_weighted(np.empty((0, 15))).count == 0


def test_equal_values_have_exactly_no_spread_whatever_their_weights():
    found = weighted(np.full(1000, 0.1), twelve_orders(1000), [10, 500])
    assert found == WeightedMoments(1000, 1000, 0.1, 0.0, 0.0, 0.1, 0.1, found.equal_units)
    assert not found.varies
    assert weighted(np.array([-0.0, 0.0]), [0.3, 0.1], [1]).all_zero


@pytest.mark.parametrize("exponent", [-900, -1, 3, 900])
def test_the_unit_of_the_weights_changes_no_bit(exponent):
    """Powers of two are exact; 10^±270 is far beyond what could be squared."""
    values, weights = HARD["log-normal over 20 orders"], twelve_orders(5000)
    assert weighted(values, np.ldexp(weights, exponent), [70]) == weighted(values, weights, [70])


def test_weights_that_nothing_could_be_added_to():
    """One row of 10^300 beside rows of 1 and of 10^-300, in one block and in two."""
    values = np.array([0.25, 1.0, 3.0])
    weights = np.array([1e300, 1.0, 1e-300])
    for cuts in ((), (1,), (2,)):
        found = weighted(values, weights, cuts)
        assert (found.count, found.mean, found.low, found.high) == (3, 0.25, 0.25, 3.0)
        assert found.squares >= 0


@pytest.mark.parametrize("scale", [1e120, 1e200, 1e308, -1e308])
def test_huge_weighted_values_give_no_warning(scale):
    values = scale * np.linspace(0.1, 1, 50)
    found = weighted(np.concatenate([values, values[:7]]), uneven(57), [50])
    assert found.varies is (scale == 1e120)
    assert not math.isfinite(found.skewness)


weighted_blocks = st.lists(
    st.lists(
        st.tuples(
            st.floats(-1e60, 1e60) | st.sampled_from([0.0, -0.0, 1.0, 0.1, 1e-300]),
            st.floats(0, 1e300) | st.sampled_from([0.0, 1.0, 0.1, 1e-300]),
        ),
        max_size=5,
    ),
    min_size=1,
    max_size=8,
)


@given(weighted_blocks, st.randoms(use_true_random=False))
def test_order_of_weighted_blocks_changes_no_bit(blocks, random):
    parts = [weighted_moments(*np.array(block, np.float64).reshape(-1, 2).T) for block in blocks]
    first = combine_weighted(np.array(parts))
    shuffled = [*parts, weighted_moments(np.array([]), np.array([]))]
    random.shuffle(shuffled)
    second = combine_weighted(np.array(shuffled))
    for name in ("count", "units", "mean", "squares", "cubes", "low", "high"):
        assert np.array(getattr(first, name)).tobytes() == np.array(getattr(second, name)).tobytes(), name


@pytest.mark.parametrize("layout", ["read-only", "strided", "reversed"])
def test_weighted_moments_whatever_the_layout(layout):
    values, weights = HARD["rare large losses"], some_nothing(70_000)
    values_given, weights_given = (
        {
            "read-only": array.copy(),
            "strided": np.stack([array, array], axis=1)[:, 0],
            "reversed": array[::-1].copy()[::-1],
        }[layout]
        for array in (values, weights)
    )
    values_given.flags.writeable = weights_given.flags.writeable = False
    assert (
        weighted_moments(values_given, weights_given).tobytes() == weighted_moments(values, weights).tobytes()
    )
