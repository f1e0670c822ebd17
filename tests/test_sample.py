"""The same sample however the rows are cut, ordered and merged; hashes without a pattern."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from crossent.predictions import Block
from crossent.sample import (
    MOST_ROWS,
    MOST_VALUES,
    Sample,
    SampledRows,
    id_hashes,
    most_rows,
    row_hashes,
)

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(bits):
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & MASK
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & MASK
    return bits ^ bits >> 31


def plain_hash(text):
    """The hash of an id in Python's own integers."""
    stored = text.encode()
    words = [stored[start : start + 8] for start in range(0, max(len(stored), 1), 8)]
    total = sum(
        mixed(int.from_bytes(word, "little") + place * GOLDEN & MASK) for place, word in enumerate(words, 1)
    )
    return mixed(total + len(stored) & MASK)


def block_of(start, stop, *, ids=None, index=0, labels=None, dtype=np.float32):
    """A block of two models whose outputs tell the row."""
    rows = np.arange(start, stop)
    outputs = np.stack([rows, -rows, np.full(len(rows), -np.inf)], axis=1).astype(dtype).astype(np.float64)
    labels = rows % 3 if labels is None else labels
    ids = None if ids is None else pa.array(ids[start:stop], pa.string())
    return Block(index, ids, labels, (outputs, outputs / 4), (0.0, 0.0))


def same(a: SampledRows, b: SampledRows):
    return all(
        np.array_equal(x, y)
        for x, y in zip(
            (a.hashes, a.rows, a.labels, *a.outputs), (b.hashes, b.rows, b.labels, *b.outputs), strict=True
        )
    )


# --- hashes


AWKWARD = [
    "a", "a\0", "a\0\0", "b", "1234567", "12345678", "12345678\0", "123456789", "1234567812345678",
    "12345678123456781", "8765432112345678", "é", "猫", "猫" * 2000, "007", "7", " 7", "x" * 15 + "y",
]  # fmt: skip


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_hashes_are_those_of_the_text_alone(kind):
    expected = [plain_hash(text) for text in AWKWARD]
    assert len(set(expected)) == len(AWKWARD)
    assert id_hashes(pa.array(AWKWARD, kind)).tolist() == expected
    assert id_hashes(pa.array(AWKWARD[::-1], kind)).tolist() == expected[::-1]
    assert id_hashes(pa.array(["left out", *AWKWARD, "too"], kind)[1:-1]).tolist() == expected


def test_a_hash_never_changes():
    # the sample of a file must be the same in years to come
    assert id_hashes(pa.array(["img-0001", "img-00001"])).tolist() == [
        plain_hash("img-0001"),
        plain_hash("img-00001"),
    ]
    assert plain_hash("img-0001") == 0x9D90A08A3F9A9055
    # the first outputs of SplitMix64 from seed 0, as its authors publish them
    assert row_hashes(np.arange(2)).tolist() == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_hashes_of_more_ids_than_one_step_takes():
    ids = [f"{row * 7}" * (1 + row % 5) for row in range(9_000)]
    assert id_hashes(pa.array(ids)).tolist() == [plain_hash(text) for text in ids]


def test_no_ids():
    assert len(id_hashes(pa.array([], pa.string()))) == 0


FAMILIES = {
    "row numbers": None,
    "numbers": [f"{row}" for row in range(20_000)],
    "numbers behind zeros": [f"{row:09d}" for row in range(20_000)],
    "last character": ["photographs/animals/" + chr(0x4E00 + row) for row in range(20_000)],
    "first character": [chr(0x4E00 + row) + "/photographs/of/animals.jpeg" for row in range(20_000)],
    "long": [f"{'x' * 200}{row}{'y' * 200}" for row in range(20_000)],
    "words swapped": [f"{a:08d}{b:08d}" for a in range(142) for b in range(142)][:20_000],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_hashes_have_no_pattern(family):
    ids = FAMILIES[family]
    hashes = row_hashes(np.arange(20_000)) if ids is None else id_hashes(pa.array(ids))
    assert len(np.unique(hashes)) == len(hashes)

    def spread(cells, count):
        # one in a million: over all these families and questions a good hash fails in 1 of 10,000 projects
        seen = np.bincount(cells, minlength=count)
        expected = len(cells) / count
        return ((seen - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-6, count - 1)

    folds = (hashes % np.uint64(5)).astype(np.int64)
    lowest = np.argsort(hashes)[:4_000]
    assert spread(folds, 5)
    assert spread(folds[lowest], 5)
    assert spread((hashes >> np.uint64(58)).astype(np.int64), 64)
    assert spread(lowest // 400, 50)  # drawn from everywhere in the file
    # of two neighbours, either half of the bits differs on average
    differing = np.bitwise_count(hashes[1:] ^ hashes[:-1]).mean()
    assert abs(differing - 32) < 5 * 4 / np.sqrt(len(hashes))  # 5 standard errors: 64 bits, variance 16


# --- the sample


IDS = [f"id {row * 31 % 997}" for row in range(400)]


def test_the_rows_with_the_lowest_hashes_are_drawn_in_their_order():
    drawn = replace(Sample.of(block_of(0, 400, ids=IDS), 3), most=50).drawn()
    expected = sorted(range(400), key=lambda row: plain_hash(IDS[row]))[:50]
    assert drawn.rows.tolist() == expected
    assert drawn.hashes.tolist() == [plain_hash(IDS[row]) for row in expected]
    assert drawn.labels.tolist() == [row % 3 for row in expected]
    assert np.array_equal(drawn.outputs[0][:, 0], expected)
    assert np.array_equal(drawn.outputs[1][:, 1], -np.array(expected) / 4)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_blocks_their_order_and_the_tree_of_merging_do_not_matter(data):
    most = data.draw(st.sampled_from([1, 7, 50, 399, 400, 1000]))
    cuts = sorted(data.draw(st.sets(st.integers(1, 399), max_size=40)))
    parts = [
        replace(Sample.of(block_of(start, stop, ids=IDS), 3), most=most)
        for start, stop in zip([0, *cuts], [*cuts, 400], strict=True)
    ]
    # rows are numbered from the start of a block of full size; here blocks have any size
    parts = [
        replace(part, parts=(replace(part.parts[0], rows=part.parts[0].rows + start),))
        for part, start in zip(parts, [0, *cuts], strict=True)
    ]
    whole = replace(Sample.of(block_of(0, 400, ids=IDS), 3), most=most).drawn()
    parts = data.draw(st.permutations(parts))
    while len(parts) > 1:
        place = data.draw(st.integers(0, len(parts) - 2))
        parts[place] = parts[place].plus(parts.pop(place + 1))
    assert same(parts[0].drawn(), whole)


def test_rows_without_ids_are_known_by_their_number():
    classes = 2**20  # blocks of 4 rows, a sample of 16
    parts = [Sample.of(block_of(4 * i, 4 * i + 4, index=i), classes) for i in range(50)]
    assert parts[0].most == 16
    total = parts[0]
    for part in parts[1:]:
        total = part.plus(total)
    assert (
        total.drawn().rows.tolist()
        == sorted(range(200), key=lambda row: mixed((row + 1) * GOLDEN & MASK))[:16]
    )


def test_with_ids_the_order_of_the_rows_does_not_matter():
    order = np.random.default_rng(1).permutation(400)
    block = block_of(0, 400, ids=IDS)
    shuffled = Block(
        0,
        block.ids.take(pa.array(order)),
        block.labels[order],
        tuple(q[order] for q in block.outputs),
        block.deviations,
    )
    a, b = (replace(Sample.of(one, 3), most=60).drawn() for one in (block, shuffled))
    assert same(a, replace(b, rows=a.rows))
    assert not np.array_equal(a.rows, b.rows)


def test_equal_hashes_are_ordered_by_row():
    def part(rows):
        rows = np.array(rows)
        outputs = (rows[:, None] * np.ones(2),)
        return Sample(3, (SampledRows(np.full(len(rows), 7, np.uint64), rows, rows, outputs),))

    for a, b in (([5, 1], [4, 0, 3]), ([4, 0, 3], [5, 1])):
        drawn = part(a).plus(part(b)).drawn()
        assert drawn.rows.tolist() == drawn.labels.tolist() == [0, 1, 3]
    # rows that are as low as the highest one kept may still belong
    full = part([9, 8, 7, 6, 5]).plus(part([4]))
    assert full.cut == 7
    assert full.plus(part([0])).drawn().rows.tolist() == [0, 4, 5]


@pytest.mark.parametrize("size", [1, 3, 40, 90])
def test_only_so_much_is_ever_held(size):
    ids = [f"{row}" for row in range(4_000)]
    total = None
    for start in range(0, 4_000, size):
        part = replace(Sample.of(block_of(start, min(start + size, 4_000), ids=ids), 3), most=100)
        total = part if total is None else total.plus(part)
        assert sum(map(len, total.parts)) <= 125
        assert len(total.parts) <= 64
    # late blocks have next to nothing below the cut, and bring in nothing else, few as they are
    full = Sample(100, (total.drawn(),), total.cut)
    assert full.cut < 2**64 // 30
    late = replace(Sample.of(block_of(0, 20, ids=[f"late {row}" for row in range(20)]), 3), most=100)
    for merged in (full.plus(late), late.plus(full)):
        assert merged.cut == full.cut
        assert sum(map(len, merged.parts)) <= 105


@pytest.mark.parametrize(
    ("classes", "rows"),
    [(1, 100_000), (10, 100_000), (167, 100_000), (168, 99_864), (1000, 16_777), (2**24, 1), (2**30, 1)],
)
def test_the_sample_is_smaller_for_many_classes(classes, rows):
    assert most_rows(classes) == rows <= MOST_ROWS
    assert rows == 1 or rows * classes <= MOST_VALUES


def test_a_thousand_classes_stay_within_the_bound():
    rows, classes = 4_194, 1_000  # a full block
    outputs = np.broadcast_to(np.arange(rows)[:, None] % 100, (rows, classes)).astype(np.float64)
    total = None
    for index in range(6):
        part = Sample.of(Block(index, None, np.zeros(rows, np.int64), (outputs,), (0.0,)), classes)
        total = part if total is None else total.plus(part)
    drawn = total.drawn()
    assert len(drawn) == 16_777
    assert drawn.outputs[0].nbytes <= 4 * MOST_VALUES
    assert np.array_equal(drawn.outputs[0][:, 0], drawn.rows % rows % 100)


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        ([0.5, -np.inf, 3.25], np.float32),
        ([float(np.float32(0.1)), 2.0**-149, -(2.0**127)], np.float32),
        ([0.1, 0.5, 0.4], np.float64),
        ([1e308, 0.0, 0.0], np.float64),
        ([1e-300, 0.0, 1.0], np.float64),
    ],
)
def test_outputs_are_stored_narrower_only_where_nothing_is_lost(values, stored):
    easy = np.tile([0.5, 0.25, 0.25], (20, 1))
    for place in (0, 19):  # the first rows alone do not decide
        outputs = easy.copy()
        outputs[place] = values
        sample = Sample.of(Block(0, None, np.zeros(20, np.int64), (outputs,), (0.0,)), 3)
        assert sample.parts[0].outputs[0].dtype == stored
        drawn = sample.drawn()
        assert np.array_equal(drawn.outputs[0], outputs[drawn.rows])


def test_blocks_stored_differently_keep_every_value():
    exact = np.full((4, 3), 0.1)
    coarse = np.full((4, 3), 0.5)
    labels = np.full((4, 3), 1 / 3)
    a, b = (Sample.of(Block(i, None, labels, (q,), (0.0,)), 2**20) for i, q in enumerate((exact, coarse)))
    for merged in (a.plus(b), b.plus(a)):
        drawn = merged.drawn()
        assert np.array_equal(drawn.outputs[0], np.where(drawn.rows[:, None] < 4, exact[0], coarse[0]))
        assert np.array_equal(drawn.labels, np.full((8, 3), 1 / 3))


def test_blocks_are_not_changed():
    block = block_of(0, 50, ids=IDS, dtype=np.float64)
    for array in (block.labels, *block.outputs):
        array.setflags(write=False)
    replace(Sample.of(block, 3), most=10).plus(
        replace(Sample.of(block_of(50, 90, ids=IDS), 3), most=10)
    ).drawn()
