"""The largest ones, whatever order they come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent.extremes import LARGEST, Example, LargestSizes, Ranking, largest_rows

SIZES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.0, 2.0, np.inf, np.nan]), max_size=40)


@given(SIZES, st.integers(0, 10))
def test_rows_are_the_first_of_a_stable_sort(sizes, most):
    sizes = np.array(sizes, np.float64)
    expected = sorted(
        (row for row in range(len(sizes)) if sizes[row] > 0), key=lambda row: (-sizes[row], row)
    )
    assert largest_rows(sizes, most).tolist() == expected[:most]


@given(SIZES, st.integers(1, 10), st.integers(0, 40))
def test_rankings_of_parts_are_the_ranking_of_the_whole(sizes, most, cut):
    sizes = np.array(sizes, np.float64)

    def ranking(start, stop):
        return Ranking.of(sizes[start:stop], lambda row: Example(start + row, None, 0, ()), most)

    cut = min(cut, len(sizes))
    whole = ranking(0, len(sizes))
    assert ranking(0, cut).plus(ranking(cut, len(sizes))) == whole
    assert ranking(cut, len(sizes)).plus(ranking(0, cut)) == whole


def test_largest_sizes_keep_the_largest_across_many_compactions():
    values = np.random.default_rng(1).permutation(np.arange(1.0, 10 * LARGEST))
    kept = LargestSizes((np.empty(0),))
    for part in np.array_split(values, 97):
        kept = kept.plus(LargestSizes.of(part, kept.least))
    top = float(np.arange(9 * LARGEST, 10 * LARGEST).sum())
    assert kept.fewest_reaching(top) == LARGEST
    assert kept.fewest_reaching(top + 1) is None
    assert kept.fewest_reaching(10.0 * LARGEST - 1) == 1
    assert sum(map(len, kept.parts)) <= 5 * LARGEST


@pytest.mark.parametrize(("goal", "fewest"), [(0.0, 1), (3.0, 1), (3.1, 2), (6.0, 3), (6.1, None)])
def test_fewest_reaching(goal, fewest):
    assert LargestSizes((np.array([1.0, 3.0]), np.array([2.0]))).fewest_reaching(goal) == fewest
