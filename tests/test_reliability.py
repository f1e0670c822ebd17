"""Bins whose edges belong where they should, and sums that merge in any order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent.reliability import BINS, BinCounts, Reliability


def bins_of(*top):
    """The bin of each probability, told by where it is counted."""
    found = []
    for value in top:
        examples = Reliability.of(np.array([value]), np.array([True])).counts.examples
        assert examples.sum() == 1
        found.append(int(examples.argmax()))
    return found


@pytest.mark.parametrize("edge", range(1, BINS))
def test_an_edge_belongs_to_the_bin_below_it_and_its_neighbours_to_either_side(edge):
    value = edge / BINS
    assert bins_of(math.nextafter(value, 0), value, math.nextafter(value, 1)) == [edge - 1, edge - 1, edge]


def test_the_ends():
    # a row that sums to 1 but for a rounding may have a top probability a little above 1
    assert bins_of(0.0, 5e-324, math.nextafter(1, 0), 1.0, 1 + 1e-9) == [0, 0, 14, 14, 14]


def test_an_edge_stored_as_float32_is_compared_as_what_it_is():
    above = float(np.float32(1 / 15))
    assert above > 1 / 15
    assert bins_of(above) == [1]


def test_counts_and_sums_by_hand():
    top = np.array([0.9, 0.9, 0.6, 1.0])
    found = Reliability.of(top, np.array([True, True, False, True]))
    examples, correct, sums = np.zeros((3, BINS))
    examples[[8, 13, 14]] = 1, 2, 1
    correct[[13, 14]] = 2, 1
    sums[[8, 13, 14]] = 0.6, 1.8, 1.0
    assert np.array_equal(found.counts.examples, examples)
    assert np.array_equal(found.counts.correct, correct)
    assert np.array_equal(found.sums, [examples, examples, correct, sums])
    assert found.counts.examples.dtype == found.counts.correct.dtype == np.int64
    assert found.sums.dtype == np.float64


def test_no_example_at_all():
    found = Reliability.of(np.empty(0), np.empty(0, np.bool_))
    assert found.counts.examples.tolist() == [0] * BINS
    assert found.sums.tolist() == [[0] * BINS] * 4


@given(st.data())
def test_any_order_of_blocks_gives_the_same_bits(data):
    seed = data.draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    blocks = []
    for size in data.draw(st.lists(st.integers(0, 60), min_size=1, max_size=8)):
        top = rng.random(size) ** rng.choice([0.01, 1, 30])
        weights = rng.random(size) if seed % 2 else None
        blocks.append(Reliability.of(top, rng.random(size) < top, weights))

    def merged(parts):
        counts = BinCounts(np.zeros(BINS, np.int64), np.zeros(BINS, np.int64))
        for part in parts:
            counts = counts.plus(part.counts)
        return Reliability.joined(counts, np.stack([part.sums for part in parts]))

    whole, other = merged(blocks), merged(data.draw(st.permutations(blocks)))
    assert whole.sums.tobytes() == other.sums.tobytes()
    assert np.array_equal(whole.counts.examples, other.counts.examples)
    assert np.array_equal(whole.counts.correct, other.counts.correct)
    assert whole.counts.examples.sum() == sum(int(part.counts.examples.sum()) for part in blocks)
    assert (whole.counts.correct <= whole.counts.examples).all()
