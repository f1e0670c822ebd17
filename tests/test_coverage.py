"""The coverage that COMPARISON promises, on the cells of ``benchmarks/coverage.py``.

An interval 'carries the mark' where it says that few examples decide it.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from benchmarks import coverage, coverage_clusters
from benchmarks.coverage import BEGIN, DOCUMENT, END, HIGHEST, LOWEST, REPETITIONS, Coverage, as_table, cells
from crossent.statistics import wilson

MARKED_CELL = ("t", "1% errors", 200)


def allowance(limit, samples, checks):
    """How far a share may be under its limit in so many samples, if all checks are to fail once in 10^4."""
    if not samples:
        return limit if samples == 0 else 0.0
    return max(0.0, limit - stats.binom.ppf(1e-4 / checks, samples, limit) / samples)


def assert_conditions(measured: dict[coverage.Cell, Coverage], exactly: bool) -> None:
    """With few repetitions the limits give way by what chance alone explains; exact cells by nothing."""
    marked_cells = 0
    for cell, found in measured.items():
        samples = None if exactly or found.repetitions is None else found.repetitions

        def slack(limit, share, samples=samples):
            return allowance(limit, samples and round(samples * share), 3 * len(measured))

        # a cell counts as unmarked where at most half of its intervals carry the mark
        if found.share_marked <= 0.5 and found.of_unmarked is not None:
            assert found.of_unmarked >= LOWEST - slack(LOWEST, found.unmarked), cell
        # and everywhere it is rare that an interval without the mark leaves the truth out
        assert 1 - found.unmarked_missed >= LOWEST - slack(LOWEST, 1.0), cell
        if cell.expected is not None and cell.expected >= 20:
            assert 1 - found.of_all >= 1 - HIGHEST - slack(1 - HIGHEST, found.given), cell
        if (cell.interval, cell.setting, cell.count) == MARKED_CELL:
            marked_cells += 1
            assert found.share_marked >= 0.9, cell
    assert marked_cells == 5


def test_conditions_with_few_repetitions():
    # tables of errors come many times alike, so that more of them cost little
    measured = {
        cell: run(4000 if cell.losses.startswith("errors") else 300)
        for cell, run in cells().items()
        if cell.count <= 1000
    }
    assert_conditions(measured, exactly=False)


@pytest.fixture(scope="module")
def measured():
    return {cell: run(REPETITIONS) for cell, run in cells().items()}


@pytest.mark.slow
def test_conditions(measured):
    assert_conditions(measured, exactly=True)


@pytest.mark.slow
def test_unmarked_intervals_fall_short_only_where_most_are_marked(measured):
    """The documentation says of these cells that more than two of three intervals carry the mark."""
    short = {cell: found for cell, found in measured.items() if (found.of_unmarked or 1.0) < LOWEST}
    assert short
    assert all(found.share_marked > 2 / 3 for found in short.values())
    assert all(cell.interval in ("t", "paired t") for cell in short)
    missed = [found.unmarked_missed for cell, found in measured.items() if cell.interval in ("t", "paired t")]
    assert max(missed) < 0.06


@pytest.mark.slow
def test_the_documentation_has_this_table(measured):
    written = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    assert written == as_table(measured)


def test_the_documentation_has_all_rows():
    written = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()
    nothing = Coverage(1.0, 1.0, 1.0, 1.0, None)
    expected = as_table(dict.fromkeys(cells(), nothing)).splitlines()
    assert [line.split("|")[1:4] for line in written] == [line.split("|")[1:4] for line in expected]


@pytest.mark.parametrize("count", coverage.COUNTS)
def test_wilson_holds_wherever_one_error_is_expected(count):
    lowest = coverage.lowest_wilson_coverage(count, 1.0)
    assert lowest >= LOWEST
    # the same by brute force on a grid: never below what the ends of the intervals give
    rates = np.linspace(1 / count, 0.5, 301)
    k = np.arange(count + 1)
    found = [wilson(int(i), count, 0.95) for i in k]
    lows, highs = np.array([e.low for e in found]), np.array([e.high for e in found])
    grid = [stats.binom.pmf(k[(lows <= rate) & (rate <= highs)], count, rate).sum() for rate in rates]
    assert lowest - 1e-12 <= min(grid) <= lowest + 0.03
    exact = coverage.exact(count, rates[7], coverage.wilson_interval)(0)
    assert exact.of_all == pytest.approx(grid[7], abs=1e-9)


def test_wilson_dips_where_less_than_one_error_is_expected():
    """Just below 1 − exp(−λ) = the chance of an error at the lower limit for one error, λ = 0.1765."""
    assert coverage.lowest_wilson_coverage(5000, 0.0) == pytest.approx(math.exp(-0.17653), abs=1e-3)


def test_samples_have_the_moments_that_are_taken_for_true():
    """Within five standard errors; a wrong truth would show as wrong coverage, or hide one."""
    generator = np.random.default_rng(0)
    for rate in coverage.ERROR_RATES:
        for spread in (2.0, 10.0):
            network = coverage.Network(rate, spread)
            normal = generator.standard_normal(10**6)
            margins = network.margins(normal)
            assert abs((margins < 0).mean() - rate) <= 5 * math.sqrt(rate / 10**6)
            for loss, _ in coverage.LOSSES.values():
                losses = loss(margins)
                assert abs(losses.mean() - coverage.expected_loss(loss, network)) <= 5 * losses.std() / 1e3
    a, b = coverage.Network(0.05, 2.0), coverage.Network(0.075, 3.0)
    sampler = coverage.network_differences(lambda margins: (margins < 0) * 1.0, a, b, 10**6)
    discordant = np.abs(sampler(generator)).mean()
    assert abs(discordant - coverage.share_discordant(a, b)) <= 5 * math.sqrt(discordant / 10**6)
    spread = coverage.log_normal_spread(6.0)
    assert stats.lognorm(spread).stats("s") == pytest.approx(6.0, rel=1e-9)


def assert_clusters_hold(measured: dict[coverage_clusters.Cell, Coverage], exactly: bool) -> None:
    """Clustered intervals keep within their bounds from 50 clusters on, those that ignore them do not.

    Of the first setting, clusters of 1 to 20 examples, every interval; elsewhere, and with weights, those
    that are not mostly marked as decided by few examples.
    """
    held = set()
    for cell, found in measured.items():
        samples = None if exactly else found.repetitions
        checks = 3 * len(measured)
        if cell.ignored:
            most = coverage_clusters.MOST_IGNORED
            assert found.of_all <= most + allowance(most, samples, checks), cell
            continue
        if found.share_marked <= coverage_clusters.MOST_MARKED and found.of_unmarked is not None:
            assert found.of_unmarked >= LOWEST - allowance(LOWEST, samples, checks), cell
        first = cell.setting == coverage_clusters.SETTINGS[0]
        if cell.units >= 50 and (first or found.share_marked <= coverage_clusters.MOST_MARKED):
            held.add((cell.setting.name, cell.units))
            lowest, highest = coverage_clusters.LOWEST, coverage_clusters.HIGHEST
            assert found.of_all >= lowest - allowance(lowest, samples, checks), cell
            assert 1 - found.of_all >= 1 - highest - allowance(1 - highest, samples, checks), cell
    assert {name for name, units in held if units == 50} >= {
        one.name for one in coverage_clusters.SETTINGS[:4]
    }


def test_clustered_intervals_hold_with_few_repetitions():
    assert_clusters_hold(coverage_clusters.measured(150, units=(50,)), exactly=False)


@pytest.fixture(scope="module")
def measured_clusters():
    return coverage_clusters.measured(REPETITIONS)


@pytest.mark.slow
def test_clustered_intervals_hold(measured_clusters):
    assert_clusters_hold(measured_clusters, exactly=True)
    weighted = [cell for cell in measured_clusters if cell.setting.weighted and not cell.ignored]
    largest = [measured_clusters[cell].of_all for cell in weighted if cell.units == 500]
    assert len(largest) == 8
    assert min(largest) >= coverage_clusters.LOWEST
    assert max(largest) <= coverage_clusters.HIGHEST


@pytest.mark.slow
def test_the_documentation_has_the_clustered_table(measured_clusters):
    assert clustered_table() == coverage_clusters.as_table(measured_clusters)


def clustered_table() -> str:
    text = DOCUMENT.read_text(encoding="utf-8")
    return text.split(coverage_clusters.BEGIN)[1].split(coverage_clusters.END)[0].strip()


def test_the_documentation_has_all_clustered_rows():
    written, expected = clustered_table().splitlines(), coverage_clusters.as_table({}).splitlines()
    assert [line.split("|")[1:4] for line in written] == [line.split("|")[1:4] for line in expected]


def test_clustered_samples_have_the_means_that_are_taken_for_true():
    """Within five standard errors, of 200,000 clusters whose sizes have nothing to do with their losses."""
    for setting in coverage_clusters.SETTINGS:
        sample = coverage_clusters.draw(setting, 200_000, np.random.default_rng(1))
        sizes = np.bincount(sample.clusters)
        assert (sizes.min(), sizes.max() > 15) == (1, setting.sizes is not None)
        found = coverage_clusters.combine_clusters(
            [coverage_clusters.ClusterSums.of(pa.array(sample.clusters), sample.weights, sample.series)]
        )
        for one, truth in zip(found, coverage_clusters.truths(setting), strict=True):
            assert abs(one.mean - truth) <= 5 * one.standard_error
