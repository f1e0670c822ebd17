from __future__ import annotations

import math
import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossent.clusters import ClusterSums, combine_clusters
from crossent.moments import combine_weighted, weighted_moments
from crossent.statistics import Difference, Estimate, student, student_difference, wilson_effective
from series import HARD, UNIT, exact_weighted, series

ANY = (-math.inf, math.inf)


def sums(keys, weights, values, cuts=()):
    """The sums of each block; ``values`` is one series or several."""
    matrix = np.atleast_2d(np.asarray(values, np.float64))
    rows = np.split(np.arange(matrix.shape[1]), cuts)
    keys = np.asarray(keys)
    return [
        ClusterSums.of(
            pa.array(keys[part].tolist(), pa.string() if keys.dtype.kind in "UO" else pa.int64()),
            None if weights is None else np.asarray(weights, np.float64)[part],
            matrix[:, part],
        )
        for part in rows
    ]


def clustered(keys, weights, values, cuts=()):
    return combine_clusters(sums(keys, weights, values, cuts))


def uneven_clusters(count, seed=3):
    """Sizes from 1 to several hundreds, rows of a cluster far apart."""
    generator = np.random.default_rng(seed)
    return np.floor(40 * generator.beta(0.6, 2.0, count)).astype(np.int64)


def random_effects(keys, seed=5):
    generator = np.random.default_rng(seed)
    return generator.exponential(1, 1000)[keys] + generator.exponential(1, len(keys))


WEIGHTS = {
    "none": lambda count: None,
    "uneven": lambda count: np.random.default_rng(count).uniform(0.1, 2, count),
    "twelve orders": lambda count: 10.0 ** np.random.default_rng(count).uniform(-6, 6, count),
    "whole, some 0": lambda count: np.random.default_rng(count).integers(0, 4, count) * 1.0,
}


@pytest.mark.parametrize("weigh", WEIGHTS.values(), ids=WEIGHTS.keys())
@pytest.mark.parametrize("cuts", [(), (700,), (1, 64, 64, 1999)])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_agrees_with_statsmodels(weigh, cuts, offset):
    keys = uneven_clusters(2000)
    values, weights = random_effects(keys) + offset, weigh(2000)
    given_weights = np.ones(2000) if weights is None else weights
    kept = given_weights > 0
    fit = sm.WLS(values[kept], np.ones(kept.sum()), weights=given_weights[kept]).fit(
        cov_type="cluster",
        cov_kwds={"groups": keys[kept], "use_correction": True, "df_correction": True},
        use_t=True,
    )
    (found,) = clustered(keys, weights, values, cuts)
    assert (found.count, found.units) == (kept.sum(), len(set(keys[kept])))
    assert found.mean == pytest.approx(fit.params[0], rel=1e-8)
    assert found.standard_error == pytest.approx(fit.bse[0], rel=1e-8)
    interval, (low, high) = student(found, 0.9, range=ANY), fit.conf_int(0.1)[0]
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-8)


def test_p_value_agrees_with_statsmodels():
    keys = uneven_clusters(2000)
    values = random_effects(keys)
    values -= values.mean() - 0.05
    fit = sm.OLS(values, np.ones(2000)).fit(cov_type="cluster", cov_kwds={"groups": keys}, use_t=True)
    (found,) = clustered(keys, None, values, (1000,))
    assert 0.01 < fit.pvalues[0] < 0.99
    assert student_difference(found, 0.95).p_value == pytest.approx(fit.pvalues[0], rel=1e-8)


small_rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "é", ""]),
        st.sampled_from([0.0, 0.1, 1.0, 3.0, 1e-3]),
        # whose squares are numbers still
        st.floats(-100, 100).filter(lambda v: v == 0 or abs(v) > 1e-90) | st.sampled_from([1.0, 0.1]),
    ),
    min_size=1,
    max_size=12,
)


@given(small_rows, st.lists(st.integers(0, 12), max_size=3).map(sorted))
def test_by_definition(rows, cuts):
    keys, weights, values = (np.array(column) for column in zip(*rows, strict=True))
    (found,) = clustered(keys, weights, values, [min(cut, len(rows)) for cut in cuts])
    if not (weights > 0).any():
        assert (found.count, found.units) == (0, 0)
        return
    mean, units = exact_weighted(values, weights, keys)
    kept = values[weights > 0]
    assert (found.count, found.units) == (len(kept), len(units))
    assert (found.low, found.high) == (kept.min(), kept.max())
    off = 60 * UNIT * float(np.abs(kept).max())
    assert abs(Fraction(found.mean) - mean) <= off
    # a cluster's U is off by 80 roundings of terms that are no larger than the range of all values
    step = 80 * UNIT * (found.high - found.low)
    squares, cubes = (sum(u**power for u in units) for power in (2, 3))
    most = max(abs(u) for u in units)
    assert abs(Fraction(found.squares) - squares) <= len(units) * (2 * most * step + step * step)
    assert abs(Fraction(found.cubes) - cubes) <= 3 * len(units) * step * (most + step) ** 2


@pytest.mark.parametrize("name", [name for name in HARD if len(HARD[name]) <= 5000])
@pytest.mark.parametrize("weigh", WEIGHTS.values(), ids=WEIGHTS.keys())
def test_a_row_to_each_cluster_is_no_clusters(name, weigh):
    values = HARD[name]
    weights = weigh(len(values))
    order = np.random.default_rng(1).permutation(len(values))
    cuts = [len(values) // 3]
    (found,) = clustered(order, weights, values, cuts)
    blocks = zip(
        np.split(values, cuts),
        np.split(np.ones(len(values)) if weights is None else weights, cuts),
        strict=True,
    )
    plain = combine_weighted(np.array([weighted_moments(v, w) for v, w in blocks]))
    assert (found.count, found.units, found.low, found.high) == (
        plain.count,
        plain.units,
        plain.low,
        plain.high,
    )
    assert np.array(found.mean).tobytes() == np.array(plain.mean).tobytes()
    assert found.varies is plain.varies
    # both are within some hundred roundings of the same figure
    assert found.squares == pytest.approx(plain.squares, rel=1e-12)
    if found.varies:
        assert found.skewness == pytest.approx(plain.skewness, rel=1e-11, abs=1e-11)


def test_whole_weights_are_rows_repeated():
    keys = uneven_clusters(1500)
    values = random_effects(keys)
    times = np.random.default_rng(2).integers(0, 5, 1500)
    (found,) = clustered(keys, times, values, (400, 900))
    (repeated,) = clustered(np.repeat(keys, times), None, np.repeat(values, times), (1000,))
    assert found.units == repeated.units
    assert found.mean == pytest.approx(repeated.mean, rel=4 * UNIT)
    assert found.standard_error == pytest.approx(repeated.standard_error, rel=1e-13)
    assert found.skewness == pytest.approx(repeated.skewness, rel=1e-12)


def test_rows_repeated_in_their_cluster_say_nothing_new():
    keys = np.arange(60)
    values = random_effects(keys)
    (found,) = clustered(np.repeat(keys, 7), None, np.repeat(values, 7), (100,))
    plain = series(values)
    assert (found.count, found.units) == (420, 60)
    assert found.standard_error == pytest.approx(plain.standard_error, rel=1e-13)
    assert found.skewness == pytest.approx(plain.skewness, rel=1e-12)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    interval = student_difference(found, 0.95)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(),
        pa.int64(),
        pa.uint64(),
        pa.string(),
        pa.large_string(),
        pa.dictionary(pa.int16(), pa.string()),
    ],
)
def test_keys_of_any_type_are_text(kind):
    numbers = uneven_clusters(300)
    values, weights = random_effects(numbers), WEIGHTS["uneven"](300)
    text = pa.array([str(number) for number in numbers])
    keys = pa.array(numbers).cast(kind) if pa.types.is_integer(kind) else text.cast(kind)
    blocks = [
        ClusterSums.of(keys[:120], weights[:120], values[None, :120]),
        ClusterSums.of(text[120:], weights[120:], values[None, 120:]),  # another file's type
    ]
    assert combine_clusters(blocks) == clustered(numbers, weights, values, (120,))


def test_names_of_clusters_do_not_matter():
    keys = uneven_clusters(500)
    values = random_effects(keys)
    names = np.array([f"animal {key} \N{DOG FACE}" for key in keys])
    assert clustered(names, None, values, (77,)) == clustered(keys, None, values, (77,))


def assert_same(one, other):
    """All but the order in which clusters came up, and so are added up: some 20 roundings."""
    assert replace(one, squares=0.0, cubes=0.0) == replace(other, squares=0.0, cubes=0.0)
    assert one.squares == pytest.approx(other.squares, rel=20 * UNIT)
    assert one.cubes == pytest.approx(other.cubes, rel=1e-13)


def test_values_that_are_not_finite_leave_their_row_out_of_their_series():
    keys = uneven_clusters(900)
    finite = random_effects(keys)
    holes, nans = finite.copy(), finite.copy()
    holes[keys == 3] = np.inf  # a whole cluster
    holes[50:60] = np.inf
    nans[200:500] = np.nan  # a whole block
    weights = WEIGHTS["whole, some 0"](900)
    found = clustered(keys, weights, [finite, holes, nans, 2 * finite], (200, 500))
    assert found[0] == clustered(keys, weights, finite, (200, 500))[0]
    for one, values in ((found[1], holes), (found[2], nans)):
        kept = np.isfinite(values)
        (without,) = clustered(keys[kept], weights[kept], values[kept], np.cumsum(kept)[[199, 499]])
        assert_same(one, without)
    assert found[1].units == found[0].units - 1
    assert found[3].squares == 4 * found[0].squares  # the series between do not reach it


def test_series_of_the_same_rows_share_their_weights():
    """Memory: one sum a cluster and series; counts and weights once, as long as no series leaves rows out."""
    keys = uneven_clusters(1000)
    values = np.stack([random_effects(keys, seed) for seed in range(5)])
    (block,) = sums(keys, None, values)
    clusters = len(set(keys))
    assert block.sums.shape == (5, clusters)
    assert block.rows.shape == block.weights.shape == (1, clusters)
    values[2, 7] = np.inf
    (block,) = sums(keys, None, values)
    assert block.rows.shape == (2, clusters)
    assert block.masks.tolist() == [0, 0, 1, 0, 0]


def test_weight_0_is_an_absent_row():
    keys, values = uneven_clusters(800), random_effects(uneven_clusters(800))
    weights = WEIGHTS["uneven"](800) * (keys != 5) * (np.arange(800) % 7 > 0)
    kept = weights > 0
    (found,) = clustered(keys, weights, values, (300,))
    (without,) = clustered(keys[kept], weights[kept], values[kept], (np.count_nonzero(kept[:300]),))
    assert_same(found, without)
    assert found.units == len(set(keys)) - 1


def test_a_single_cluster_has_no_spread():
    (found,) = clustered(np.zeros(100, np.int64), None, random_effects(np.zeros(100, np.int64)), (30,))
    assert (found.units, found.varies) == (1, False)
    assert math.isnan(found.standard_error)
    assert student(found, 0.95, range=ANY) == Estimate(found.mean, None, None, "t", False)
    nothing = Difference(found.mean, None, None, "t", None, None, False, None)
    assert student_difference(found, 0.95) == nothing
    (errors,) = clustered(np.zeros(100, np.int64), None, np.repeat([0.0, 1.0], 50))
    assert wilson_effective(errors, 0.95).low < 0.1  # that is Wilson's interval for one example


@pytest.mark.parametrize("weights", [None, "uneven"])
def test_clusters_with_equal_means_have_exactly_no_spread(weights):
    """Their U are 0 but for rounding, which must not turn up as an interval of no width."""
    keys = np.tile(np.arange(50), 9)
    values = np.repeat([0.1, 0.2, 0.7], [150, 150, 150])
    weigh = None if weights is None else np.tile(WEIGHTS["uneven"](50), 9)
    (found,) = clustered(keys, weigh, values, (70, 230))
    assert (found.squares, found.cubes, found.varies) == (0.0, 0.0, False)
    assert found.low < found.high
    assert student_difference(found, 0.95).p_value is None
    (errors,) = clustered(keys, weigh, np.repeat([0.0, 0.0, 1.0], 150), (70, 230))
    share = wilson_effective(errors, 0.95)
    assert (share.low, share.high) == pytest.approx(wilson_of(1 / 3, 50), rel=1e-12)


def test_clusters_of_uneven_weight_with_nothing_wrong_are_marked():
    """49 clusters of 2 rows and one of many, in two blocks: (98 + r)² / (196 + r²) equal ones of 50."""
    for rows, few in ((2, False), (18, False), (19, True)):
        keys = np.concatenate([np.arange(49), np.arange(49), np.full(rows, 49)])
        (found,) = clustered(keys, None, np.zeros(len(keys)), (60,))
        assert found.equal_units == pytest.approx((98 + rows) ** 2 / (196 + rows**2), rel=1e-12)
        share = wilson_effective(found, 0.95)
        assert (share.low, share.high) == pytest.approx(wilson_of(0.0, 50), abs=1e-12)
        assert share.few_decide is few


def wilson_of(share, count):
    z2 = stats.norm.isf(0.025) ** 2
    middle, half = share + z2 / (2 * count), math.sqrt(z2 * (share * (1 - share) / count + z2 / 4 / count**2))
    return (middle - half) / (1 + z2 / count), (middle + half) / (1 + z2 / count)


@pytest.mark.parametrize("size", [1, 9, 1000])
def test_a_small_spread_is_no_rounding(size):
    """One row in one of 50 clusters differs by a hundred times what rounding can make of a cluster's sum."""
    keys = np.tile(np.arange(50), 2 * size)
    values = np.repeat([0.0, 1.0], 50 * size)
    rounding = (4 * size + 64) * UNIT * 2 * size
    values[0] = 100 * rounding
    (found,) = clustered(keys, None, values, (size, 60 * size))
    assert found.varies
    # that cluster's sum is larger, all are less the mean
    expected = values[0] ** 2 * 49 / 50 / (100 * size) ** 2
    assert found.squares == pytest.approx(expected, rel=0.03)


def test_equal_values_have_exactly_no_spread():
    keys = uneven_clusters(1000)
    (found,) = clustered(keys, WEIGHTS["twelve orders"](1000), np.full(1000, 0.1), (3, 500))
    assert (found.mean, found.squares, found.varies, found.all_zero) == (0.1, 0.0, False, False)
    (zeros,) = clustered(keys, None, np.zeros(1000), (500,))
    assert zeros.all_zero
    assert student_difference(zeros, 0.95).p_value == 1.0


def test_under_twenty_clusters_only_wilson():
    keys = np.arange(1000) % 19
    values = random_effects(keys)
    wrong = (values > 2) * 1.0
    losses, errors = clustered(keys, None, [values, wrong], (500,))
    assert losses.varies
    assert student(losses, 0.95, range=ANY).low is None
    assert student_difference(losses, 0.95).p_value is None
    share = wilson_effective(errors, 0.95)
    assert share.low < errors.mean < share.high
    assert share.few_decide
    twenty = np.arange(1000) % 20
    (enough,) = clustered(twenty, None, random_effects(twenty))
    assert student(enough, 0.95, range=ANY).low is not None


def test_few_clusters_decide():
    """Of 1,000 clusters with 30 rows each, 10 are worse: 30,000 rows do not help."""
    keys = np.tile(np.arange(1000), 30)
    values = (keys < 10) * 1.0
    assert student(clustered(keys, None, values)[0], 0.95, range=ANY).few_decide
    assert not student(series(values), 0.95, range=ANY).few_decide


@pytest.mark.parametrize("empty", [(0, 0), (400, 400), (800, 800)])
def test_blocks_without_rows(empty):
    keys = uneven_clusters(800)
    values = random_effects(keys)
    without = [block for block in sums(keys, None, values, empty) if len(block.keys)]
    assert clustered(keys, None, values, empty) == combine_clusters(without)
    (nothing,) = clustered(np.array([], np.int64), None, np.array([]))
    assert (nothing.count, nothing.units, nothing.varies) == (0, 0, False)
    assert math.isnan(nothing.mean)


@pytest.mark.parametrize("scale", [1e120, 1e200, 1e308])
def test_huge_values_give_no_interval_or_the_mark_but_no_warning(scale):
    keys = np.arange(300) % 30
    (found,) = clustered(keys, None, scale * np.linspace(0.1, 1, 300), (100,))
    estimate = student(found, 0.95, range=ANY)
    assert (estimate.low is None, estimate.few_decide) == ((False, True) if scale == 1e120 else (True, False))


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 400), max_size=6).map(sorted))
def test_order_of_merging_changes_no_bit(random, cuts):
    """Blocks are made in any order, elsewhere, and merged as a set: only their place counts."""
    keys = uneven_clusters(400)
    weights = WEIGHTS["twelve orders"](400)
    values = np.stack([random_effects(keys), np.where(np.arange(400) % 50, random_effects(keys), np.inf)])
    expected = clustered(keys, weights, values, cuts)
    blocks = list(enumerate(sums(keys, weights, values, cuts)))
    random.shuffle(blocks)
    merged = dict(pickle.loads(pickle.dumps(one)) for one in blocks)
    assert combine_clusters([merged[index] for index in sorted(merged)]) == expected
    # another split is another way to add up, and still the same to 13 digits
    for one, whole in zip(expected, clustered(keys, weights, values), strict=True):
        assert one.units == whole.units
        assert one.standard_error == pytest.approx(whole.standard_error, rel=1e-13)


def test_arguments_are_left_as_they_were():
    keys, values, weights = (
        uneven_clusters(50),
        random_effects(uneven_clusters(50)),
        WEIGHTS["whole, some 0"](50),
    )
    matrix = np.stack([values, np.where(values > 2, np.inf, values)])
    weights.flags.writeable = matrix.flags.writeable = False
    combine_clusters([ClusterSums.of(pa.array(keys), weights, matrix)])
