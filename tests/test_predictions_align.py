"""Rows of several sources belong together: by position, or by id whatever the order."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import PredictionsError
from crossent.predictions import join, open_sources, unique
from crossent.predictions.align import ahead
from crossent.predictions.partitions import matched
from crossent.predictions.unique import Uniqueness
from predictions_files import read


def source(ids, q, labels=None):
    """A model in memory whose first class has the probabilities q; None leaves its labels out."""
    q = np.asarray(q, float)
    columns = {"id": ids, "prob_a": q, "prob_b": 1 - q}
    return columns if labels is None else {**columns, "label": labels}


def joined(*sources, **options):
    """(ids, labels, first column of every model) over all blocks."""
    blocks = read(*sources, **options)
    outputs = [
        np.concatenate([block.outputs[i][:, 0] for block in blocks]) for i in range(len(blocks[0].outputs))
    ]
    ids = [name for block in blocks for name in block.ids.to_pylist()]
    return ids, np.concatenate([block.labels for block in blocks]).tolist(), outputs


def test_what_nobody_waits_for_any_more_is_not_read(monkeypatch):
    """The piece that is being read when it is given up is read to its end, and none after it."""
    read_so_far, begun, given_up, real = [], threading.Event(), threading.Event(), ThreadPoolExecutor.shutdown

    def rows():
        for piece in range(5):
            read_so_far.append(piece)
            if piece == 1:
                begun.set()
                assert given_up.wait(60)
            yield piece

    def shutdown(pool, **options):
        real(pool, **{**options, "wait": False})
        given_up.set()
        real(pool, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", shutdown)
    stream = ahead(rows())
    assert next(stream) == 0
    assert begun.wait(60)
    stream.close()
    assert read_so_far == [0, 1]


@pytest.mark.parametrize("change", ["last two swapped", "second block shuffled", "all shuffled", "reversed"])
@pytest.mark.parametrize("prefix", ["img", ""])
def test_another_order_across_blocks(change, prefix):
    n = 140_000
    rng = np.random.default_rng(0)
    order = np.arange(n)
    if change == "last two swapped":
        order[-2:] = order[-2:][::-1]
    elif change == "second block shuffled":
        order[65_536 : 2 * 65_536] = rng.permutation(order[65_536 : 2 * 65_536])
    else:
        order = order[::-1] if change == "reversed" else rng.permutation(n)
    ids = [f"{prefix}{i}" for i in range(n)]
    q = rng.random(n)
    labels = rng.integers(0, 2, n)
    second = source([ids[i] for i in order], q[order] ** 2, labels[order])
    third = source(ids, q**3)
    got, got_labels, (a, b, c) = joined(source(ids, q, labels), second, third)
    assert got == ids
    assert got_labels == labels.tolist()
    np.testing.assert_array_equal(a, q)
    np.testing.assert_array_equal(b, q**2)
    np.testing.assert_array_equal(c, q**3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_two_orders_give_the_same_pairs(data):
    ids = data.draw(st.lists(st.text("ab0", min_size=1, max_size=4), min_size=1, max_size=9, unique=True))
    orders = [data.draw(st.permutations(range(len(ids)))) for _ in range(3)]
    q = np.arange(len(ids)) / 16
    sources = [source([ids[i] for i in order], q[list(order)], [0] * len(ids)) for order in orders]
    got, _, outputs = joined(*sources)
    assert got == [ids[i] for i in orders[0]]
    for output in outputs:
        np.testing.assert_array_equal(output, q[list(orders[0])])


def test_integers_and_text_are_the_same_ids():
    got, _, (a, b) = joined(source([10, 9], [0.25, 0.5], [0, 0]), source(["9", "10"], [0.125, 0.0]))
    assert got == ["10", "9"]
    np.testing.assert_array_equal(b, [0.0, 0.125])
    np.testing.assert_array_equal(a, [0.25, 0.5])


def test_labels_from_a_source_of_their_own_in_another_order():
    labels = {"id": ["y", "x"], "label": ["b", "a"]}
    got, got_labels, _ = joined(source(["x", "y"], [1, 0]), labels=labels)
    assert got == ["x", "y"]
    assert got_labels == [0, 1]


def test_soft_labels_are_joined_too():
    soft = {"id": ["y", "x"], "label_b": [0.25, 1.0], "label_a": [0.75, 0.0]}
    (block,) = read(source(["x", "y"], [1, 0]), labels=soft)
    np.testing.assert_array_equal(block.labels, [[0.0, 1.0], [0.75, 0.25]])


def test_joined_outputs_keep_their_dtype_in_memory(monkeypatch):
    ids = np.arange(1000).astype(str)
    first = {"id": ids, "label": np.zeros(1000, int), "probs": np.full((1000, 8), 0.125, np.float16)}
    second = {"id": ids[::-1], "probs": np.full((1000, 8), 0.125, np.float16)}
    per_row = 8 * 2 + 8 + 32 + 16  # outputs as stored, label, Arrow's index, places
    needed = 1000 * per_row + 2 * (sum(map(len, ids)) + 4 * 1000)
    on_disk = []
    monkeypatch.setattr(join, "matched", lambda *args: on_disk.append(args) or matched(*args))
    assert len(read(first, second, memory=int(needed * 1.01))) == 1
    assert not on_disk
    assert len(read(first, second, memory=int(needed * 0.95))) == 1
    assert len(on_disk) == 1


def test_rows_of_a_joined_source_are_its_own():
    wrong = {"id": ["c", "a", "b"], "prob_a": [0.5, 0.25, 0.5], "prob_b": [0.5, 0.75, 0.25]}
    with pytest.raises(PredictionsError, match=r"^model 2 \(array\), row 3: the probabilities sum to 0.75"):
        read(source(["a", "b", "c"], [0.5, 0.5, 0.5], [0, 0, 0]), wrong)


@pytest.mark.parametrize(("first", "second", "sentence"), [
    ("abc", "ab", "model 2 (array) lacks 1 of model 1 (array)'s ids (c)"),
    ("abc", "abcd", "model 1 (array) lacks 1 of model 2 (array)'s ids (d)"),
    ("abc", "xbc", "model 2 (array) lacks 1 of model 1 (array)'s ids (a) and model 1 (array) lacks 1 of"
                   " model 2 (array)'s ids (x)"),
    ("abcdef", "f", "model 2 (array) lacks 5 of model 1 (array)'s ids (a, b, c, ...)"),
])  # fmt: skip
def test_missing_and_extra_ids_are_counted_and_named(first, second, sentence):
    with pytest.raises(PredictionsError) as caught:
        read(source(list(first), [0] * len(first), [1] * len(first)), source(list(second), [0] * len(second)))
    mend = ": compare the same examples, and leave out the others in both"
    assert str(caught.value) == sentence + mend


def test_missing_ids_after_equal_blocks():
    ids = [f"{i:06d}" for i in range(65_537)]
    with pytest.raises(PredictionsError, match=r"lacks 1 of model 1 \(array\)'s ids \(065536\)"):
        read(source(ids, np.zeros(65_537), np.ones(65_537, int)), source(ids[:-1], np.zeros(65_536)))


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3), (65_536, 65_537), (65_537, 65_536), (1, 140_000)])
@pytest.mark.parametrize("streamed", [False, True])
def test_unequal_rows_by_position_name_both_counts(tmp_path, sizes, streamed):
    sources = []
    for name, size in zip("ab", sizes, strict=True):
        path = tmp_path / f"{name}.csv"
        path.write_text("label,prob_a,prob_b\n" + "a,1,0\n" * size)
        q = np.tile([1.0, 0.0], (size, 1))
        sources.append(path if streamed else {"label": np.zeros(size, int), "probs": q})
    with pytest.raises(PredictionsError, match=rf"has {sizes[0]:,} rows?, .* has {sizes[1]:,} rows?:"):
        read(*sources)


@pytest.mark.parametrize("at", [(0, 1), (0, 139_999), (70_000, 70_001), (65_535, 65_536), (3, 65_540)])
@pytest.mark.parametrize("order", ["increasing text", "increasing numbers", "shuffled", "broken late"])
def test_an_id_twice_is_found_wherever_it_stands(at, order):
    n = 140_000
    ids = [f"{i:06d}" if order != "increasing numbers" else str(i) for i in range(n)]
    if order == "shuffled":
        ids = [ids[i] for i in np.random.default_rng(2).permutation(n)]
    if order == "broken late":
        ids[100_000], ids[100_001] = ids[100_001], ids[100_000]
    opened = open_sources([source(ids, np.zeros(n), np.ones(n, int))])
    assert sum(len(block.labels) for block in opened.blocks()) == n
    ids[at[1]] = ids[at[0]]
    with pytest.raises(PredictionsError) as caught:
        read(source(ids, np.zeros(n), np.ones(n, int)))
    assert str(caught.value) == (
        f"model 1 (array): id '{ids[at[0]]}' stands in row {at[0] + 1} and in row {at[1] + 1};"
        " every example needs an id of its own"
    )


def test_ids_twice_in_all_sources_are_found():
    same = source(["b", "a", "a"], [0, 0, 0], [0, 0, 0])
    with pytest.raises(PredictionsError, match="id 'a' stands in row 2 and in row 3"):
        read(same, same)


def test_a_collision_of_hashes_is_no_repetition(monkeypatch):
    monkeypatch.setattr(unique, "hashes", lambda ids: np.zeros(len(ids), np.int64))
    blocks = [pa.array(["b", "a"]), pa.array(["d", "c"])]
    seen = Uniqueness()
    for block in blocks:
        seen.add(block)
    assert seen.repeated(lambda: iter(blocks)) is None
    seen.add(pa.array(["a"]))
    assert seen.repeated(lambda: iter([*blocks, pa.array(["a"])])) == ("a", 1, 4)


def test_sorted_ids_are_held_neither_as_text_nor_as_hashes(monkeypatch):
    monkeypatch.setattr(unique, "hashes", None)
    for ids in (["a", "aa", "b"], ["9", "10", "11"]):  # text order, and shorter first
        seen = Uniqueness()
        seen.add(pa.array(ids[:1]))
        seen.add(pa.array(ids[1:]))
        assert seen.repeated(lambda: iter(())) is None


def test_labels_of_several_sources_must_agree():
    n = 70_000
    ids = [f"{i:05d}" for i in range(n)]
    labels = np.zeros(n, int)
    other = labels.copy()
    other[[5, 65_540, 65_541, 69_999]] = 1
    with pytest.raises(PredictionsError) as caught:
        read(source(ids, np.zeros(n), labels), source(ids[::-1], np.zeros(n), other[::-1]))
    assert str(caught.value) == (
        "model 1 (array) and model 2 (array) disagree on 4 labels (id 00005: a and b; id 65540: a and b;"
        " id 65541: a and b): are these the same examples? Mend the labels, or keep them in one source alone"
    )


def test_blocks_after_a_disagreement_are_only_counted():
    ids = [f"{i:06d}" for i in range(3 * 65_536)]
    labels = np.zeros(len(ids), int)
    other = labels.copy()
    other[[65_536, -1]] = 1
    opened = open_sources([source(ids, labels, labels), source(ids, labels, other)])
    blocks = opened.blocks()
    assert next(blocks).index == 0
    with pytest.raises(PredictionsError, match="disagree on 2 labels"):
        next(blocks)


def test_names_indices_and_one_hot_labels_agree():
    hard = {"label": ["a", "b"], "prob_a": [1.0, 0.0], "prob_b": [0.0, 1.0]}
    soft = {"label": np.eye(2, dtype=np.float32), "probs": np.eye(2)}
    (block,) = read(hard, soft, labels=np.array([0, 1]), classes=("a", "b"))
    assert block.labels.tolist() == [0, 1]


def test_soft_labels_agree_across_storage_and_differ_beyond_it():
    p = np.random.default_rng(0).dirichlet([1, 1, 1], 50)
    narrow = {"label": p.astype(np.float16), "probs": p}
    read({"label": p, "probs": p}, narrow)
    p2 = p.copy()
    p2[7] = p2[7][::-1]
    with pytest.raises(PredictionsError, match=r"disagree on 1 label \(row 8: \["):
        read({"label": p, "probs": p}, {"label": p2, "probs": p})
