"""The same predictions from every format, order, dtype and size come out as the same blocks."""

import subprocess
import sys
import textwrap

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossent.errors import PredictionsError
from crossent.predictions import Columns, open_sources, rows_per_block
from predictions_files import CLASSES, FORMATS, IDS, LABELS, NN1, NN2, csv_text, read

TEXT = ("csv", "csv.gz", "csv.zst", "tsv")


def same(blocks, others):
    assert [block.index for block in blocks] == list(range(len(blocks)))
    assert len(blocks) == len(others)
    for block, other in zip(blocks, others, strict=True):
        assert (block.ids is None) == (other.ids is None)
        assert block.ids is None or block.ids.equals(other.ids)
        np.testing.assert_array_equal(block.labels, other.labels)
        assert block.labels.dtype == other.labels.dtype
        assert block.deviations == other.deviations
        for ours, theirs in zip(block.outputs, other.outputs, strict=True):
            assert ours.dtype == np.float64
            assert ours.flags.c_contiguous or ours.flags.f_contiguous
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", ["csv", "parquet fixed lists", "npz compressed", "pandas"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_worked_example_in_every_format_and_order(tmp_path, first, second, order):
    order = list(order)
    ids, labels = [IDS[i] for i in order], [LABELS[i] for i in order]
    sources = {
        "NN1": FORMATS[first](tmp_path, "a", NN1, "prob", IDS, LABELS, CLASSES),
        "NN2": FORMATS[second](tmp_path, "b", NN2[order][:, ::-1], "prob", ids, [1 - i for i in labels], ("cat", "dog")),
    }  # fmt: skip
    opened = open_sources(sources)
    assert [model.name for model in opened.models] == ["NN1", "NN2"]
    assert [model.kind for model in opened.models] == ["probs", "probs"]
    assert opened.classes == CLASSES
    assert opened.paired_by == "id"
    (block,) = opened.blocks()
    assert block.ids.to_pylist() == IDS
    assert block.labels.tolist() == LABELS
    np.testing.assert_array_equal(block.outputs[0], NN1)
    np.testing.assert_array_equal(block.outputs[1], NN2)
    same(list(opened.blocks()), [block])  # a second pass gives the same


@pytest.mark.parametrize("name", FORMATS)
def test_blocks_have_exactly_their_rows(tmp_path, name):
    n = 70_003  # crosses a block and several row groups
    rng = np.random.default_rng(0)
    q = rng.dirichlet([1, 1], n)
    ids = [f"{i:06d}" for i in range(n)]
    labels = rng.integers(0, 2, n).tolist()
    blocks = read(FORMATS[name](tmp_path, "a", q, "prob", ids, labels, CLASSES))
    assert [len(block.labels) for block in blocks] == [65_536, n - 65_536]
    assert [len(block.ids) for block in blocks] == [65_536, n - 65_536]
    np.testing.assert_array_equal(np.concatenate([block.outputs[0] for block in blocks]), q)
    assert np.concatenate([block.labels for block in blocks]).tolist() == labels
    assert [i for block in blocks for i in block.ids.to_pylist()] == ids


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("stored", ["fixed lists", "lists", "npz", "npz compressed", "mapping"])
def test_blocks_of_two_rows(tmp_path, stored, rows):
    k = 2**21
    assert rows_per_block(k) == 2
    q = np.zeros((rows, k), np.float32)
    q[np.arange(rows), np.arange(rows) * 7] = 1
    labels = list(range(rows))
    source = tmp_path / "a.npz"
    if "lists" in stored:
        lists = pa.FixedSizeListArray.from_arrays(pa.array(q.ravel()), k)
        lists = lists if stored == "fixed lists" else lists.cast(pa.list_(pa.float32()))
        source = tmp_path / "a.parquet"
        pq.write_table(pa.table({"label": labels, "probs": lists}), source)
    elif stored == "mapping":
        source = {"probs": q, "labels": labels}
    else:
        save = np.savez if stored == "npz" else np.savez_compressed
        save(source, probs=q, labels=labels)
    blocks = read(source)
    assert [len(block.labels) for block in blocks] == [2] * (rows // 2) + [1] * (rows % 2)
    np.testing.assert_array_equal(np.concatenate([block.outputs[0] for block in blocks]), q)


@pytest.mark.parametrize("kind", ["prob", "logit"])
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_round_trip_through_every_format(tmp_path, name, kind, data):
    n, k = data.draw(st.integers(1, 5)), data.draw(st.integers(2, 4))
    texts = st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters='",;|'), min_size=1, max_size=6
    )
    classes = tuple(data.draw(st.lists(texts.filter(lambda text: not text.isdigit()), min_size=k, max_size=k, unique=True)))  # fmt: skip
    ids = data.draw(st.lists(texts, min_size=n, max_size=n, unique=True))
    labels = data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    q = data.draw(hnp.arrays(np.float64, (n, k), elements=st.floats(-1e300, 1e300)))
    if kind == "prob":
        q = np.exp2(np.clip(q, -30, 30))
        q /= q.sum(axis=1, keepdims=True)
    (block,) = read(FORMATS[name](tmp_path, "a", q, kind, ids, labels, classes))
    np.testing.assert_array_equal(block.outputs[0], q)
    assert block.labels.tolist() == labels
    assert block.ids.to_pylist() == ids


@pytest.mark.parametrize("stored", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in FORMATS if not name.startswith("polars")])
def test_probabilities_of_float16_pass_in_any_storage(tmp_path, name, stored):
    rng = np.random.default_rng(1)
    half = rng.dirichlet(np.ones(10), 200).astype(np.float16)
    assert np.abs(half.astype(np.float64).sum(axis=1) - 1).max() > 1e-4  # far beyond float32's tolerance
    labels = rng.integers(0, 10, 200).tolist()
    classes = tuple("abcdefghij")
    ids = [str(i) for i in range(200)]
    q = half.astype(stored)
    (block,) = read(FORMATS[name](tmp_path, "a", q, "prob", ids, labels, classes))
    np.testing.assert_array_equal(block.outputs[0], half.astype(np.float64))


def test_bfloat16_tensors():
    q = torch.tensor(NN1).bfloat16()
    (block,) = read(q, labels=torch.tensor(LABELS), kind="probs")
    np.testing.assert_array_equal(block.outputs[0], q.double().numpy())


def test_arrays_are_neither_changed_nor_needed_writable():
    q = np.array([[2.0, 2.0], [1.0, 3.0]])
    q.flags.writeable = False
    (block,) = read(q, labels=[0, 1], kind="probs", renormalize=True)
    np.testing.assert_array_equal(block.outputs[0], [[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_array_equal(q, [[2.0, 2.0], [1.0, 3.0]])
    assert block.deviations == (3.0,)


@pytest.mark.parametrize("labels", [
    LABELS, np.array(LABELS, np.uint8), torch.tensor(LABELS), pa.array(LABELS), np.array(LABELS, np.float32),
    ["dog", "cat", "dog"], np.array(["dog", "cat", "dog"], object), np.array([b"dog", b"cat", b"dog"]),
    pa.array(["dog", "cat", "dog"]).dictionary_encode(), {"label": ["dog", "cat", "dog"]}, {"y": LABELS},
])  # fmt: skip
def test_labels_of_every_spelling(labels):
    (block,) = read(NN1, labels=labels, kind="probs", classes=CLASSES)
    assert block.labels.tolist() == LABELS
    assert block.labels.dtype == np.int64


@pytest.mark.parametrize("one_hot", [np.eye(2)[LABELS], np.eye(2, dtype=int)[LABELS], torch.eye(2)[LABELS]])
def test_soft_labels_in_a_matrix(one_hot):
    (block,) = read(NN1, labels=one_hot, kind="probs")
    np.testing.assert_array_equal(block.labels, np.eye(2)[LABELS])
    assert block.labels.dtype == np.float64


def test_soft_labels_in_columns_go_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("label_cat,label_dog,prob_dog,prob_cat\n0.25,0.75,0.5,0.5\n")
    (block,) = read(tmp_path / "a.csv")
    np.testing.assert_array_equal(block.labels, [[0.75, 0.25]])


@pytest.mark.parametrize(("kind", "expected"), [("prob", [[0.25, 0.75]]), ("logit", [[0.0, 0.75]])])
def test_one_single_column_of_two_classes(tmp_path, kind, expected):
    (tmp_path / "a.csv").write_text(f"label,{kind}_dog\ndog,0.75\n")
    opened = open_sources([tmp_path / "a.csv"], columns=Columns(classes=("cat", "dog")))
    assert opened.models[0].binary
    (block,) = opened.blocks()
    np.testing.assert_array_equal(block.outputs[0], expected)
    assert block.labels.tolist() == [1]


def test_bare_class_names_with_their_kind(tmp_path):
    (tmp_path / "a.csv").write_text("id,dog,cat,weight,label\n1,0.9,0.1,3,cat\n")
    (block,) = read(tmp_path / "a.csv", kind="probs")
    np.testing.assert_array_equal(block.outputs[0], [[0.9, 0.1]])
    assert block.labels.tolist() == [1]


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("\n", "\r"), lambda text: "\ufeff" + text,
    lambda text: "\n\n" + text.replace("\n", "\n\n"), lambda text: text[:-1], lambda text: text.replace(",", " , "),
    lambda text: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.split("\n")[:-1]),
    lambda text: text.replace("id,", '"id\nof it",').replace("id\nof it", "id\nof it"),
    lambda text: text.replace("0.9", "+9e-1"), lambda text: text.replace("0.9", ".9"),
])  # fmt: skip
def test_dialects_of_text(tmp_path, change):
    (tmp_path / "a.csv").write_bytes(change(csv_text(NN1)).encode())
    (block,) = read(tmp_path / "a.csv")
    np.testing.assert_array_equal(block.outputs[0], NN1)
    assert block.labels.tolist() == LABELS


def test_line_breaks_within_quotes_do_not_shift_rows(tmp_path):
    lines = "one\n" * 30  # several of the reader's blocks, nearly every line break of them within quotes
    rows = "".join(f'{i},"{lines}",dog,0.5,0.5\n' for i in range(60_000))
    (tmp_path / "a.csv").write_text("id,caption,label,prob_dog,prob_cat\n" + rows)
    (block,) = read(tmp_path / "a.csv")
    assert block.ids.to_pylist() == [str(i) for i in range(60_000)]


def test_a_piece_of_many_blocks_is_cut(tmp_path):  # the reader gives some 170,000 such rows at once
    (tmp_path / "a.csv").write_text("label,prob_a,prob_b\n" + "a,1,0\n" * 200_000)
    blocks = read(tmp_path / "a.csv")
    assert [len(block.labels) for block in blocks] == [65_536] * 3 + [200_000 - 3 * 65_536]


def test_ids_in_text_stay_text(tmp_path):
    (tmp_path / "a.csv").write_text("id,label,prob_a,prob_b\n007,a,1,0\n1.50,b,0,1\n")
    (block,) = read(tmp_path / "a.csv")
    assert block.ids.to_pylist() == ["007", "1.50"]


def test_classes_declared_reorder_columns_matrices_and_own_indices(tmp_path):
    np.savez(tmp_path / "a.npz", probs=NN1, labels=LABELS, classes=np.array(CLASSES))
    (block,) = read(tmp_path / "a.npz", classes=("cat", "dog"))
    np.testing.assert_array_equal(block.outputs[0], NN1[:, ::-1])
    assert block.labels.tolist() == [1, 0, 1]


def test_another_array_of_the_file_and_other_columns(tmp_path):
    np.savez(tmp_path / "a.npz", probs=NN2, probs64=NN1, y=LABELS, key=np.array(["a", "b", "c"]))
    opened = open_sources([f"{tmp_path}/a.npz:probs64"], columns=Columns(id="key", label="y"))
    (block,) = opened.blocks()
    np.testing.assert_array_equal(block.outputs[0], NN1)
    assert block.ids.to_pylist() == ["a", "b", "c"]


@pytest.mark.parametrize("order", ["C", "F"])
def test_stored_members_are_read_by_rows(order, tmp_path):
    """And not mapped: a mapped file that is cut off while it is read ends the process."""
    q = np.asarray(np.random.default_rng(5).dirichlet([1, 1, 1], 50), order=order)
    np.savez(tmp_path / "a.npz", probs=q, labels=[0] * 50)
    np.save(tmp_path / "a.npy", q)
    for name, column in (("a.npz", "probs"), ("a.npy", "")):
        opened = open_sources([tmp_path / name], labels=[0] * 50, columns=Columns(kind="probs"))
        table = opened.readers[0].table
        pieces = [b[column] for b in table.batches(texts=[], numbers=[column], rows=9, span=range(5, 30))]
        assert [len(piece) for piece in pieces] == [9, 9, 7]
        assert not any(isinstance(piece, np.memmap) for piece in pieces)
        assert np.array_equal(np.concatenate(pieces), q[5:30])


def test_a_frame_can_be_read_twice_and_a_stream_too():
    stream = pa.table({"label": ["a", "b"], "prob_a": [1.0, 0.0], "prob_b": [0.0, 1.0]}).to_reader()
    opened = open_sources({"a": stream})
    same(list(opened.blocks()), list(opened.blocks()))


def test_no_rows_is_an_error():
    with pytest.raises(PredictionsError, match=r"^model 1 \(array\) has no rows: nothing can be compared$"):
        read(NN1[:0], labels=[], kind="probs")


@pytest.mark.parametrize("columns", ["flat", "lists"])
def test_memory_stays_bounded_whatever_the_length(tmp_path, columns):
    """Ten times the rows of Parquet take no more: a chunk of the file and a block, never the file."""
    peaks = []
    for n in (200_000, 2_000_000):
        rng = np.random.default_rng(0)
        q = rng.dirichlet(np.ones(10, np.float32), n).astype(np.float32)
        flat = {f"prob_{j}": q[:, j] for j in range(10)}
        lists = {"probs": pa.FixedSizeListArray.from_arrays(pa.array(q.ravel()), 10)}
        data = pa.table({"label": rng.integers(0, 10, n), **(flat if columns == "flat" else lists)})
        pq.write_table(data, tmp_path / "a.parquet", row_group_size=n)
        script = """
            import resource, sys
            import crossent.predictions as predictions
            import pyarrow.compute, pyarrow.csv, pyarrow.parquet
            def peak():
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
            before = peak()
            rows = sum(len(block.labels) for block in predictions.open_sources(sys.argv[1:]).blocks())
            print(rows, peak() - before)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), tmp_path / "a.parquet", f"b={tmp_path}/a.parquet"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        rows, peak = done.stdout.split()
        assert int(rows) == n
        peaks.append(float(peak))
    # two blocks of 65,536 x 10 float64 are 10 MB; the whole of the long files is 160 MB of float32
    assert max(peaks) < 150, peaks
    assert peaks[1] < peaks[0] + 60, peaks


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(), name=st.sampled_from([n for n in FORMATS if n.split()[0] in ("parquet", "npz", "arrow")])
)
def test_any_rows_are_read_without_those_before_them(data, name, tmp_path):
    n = 100
    q = np.random.default_rng(7).dirichlet([1, 1, 1], n)
    source = FORMATS[name](tmp_path, "a", q, "prob", list(range(n)), [0] * n, ("a", "b", "c"))
    (reader,) = open_sources([source]).readers
    first = data.draw(st.integers(0, n - 1))
    last = data.draw(st.integers(first + 1, n))
    if not reader.table.ranged:
        assert name.endswith("compressed")
        return
    rows = list(reader.rows(data.draw(st.integers(1, n)), span=range(first, last)))
    assert np.array_equal(np.concatenate([part.outputs for part in rows]), q[first:last])
    assert [i for part in rows for i in part.ids.to_pylist()] == list(map(str, range(first, last)))
    assert rows[0].place.at(0).endswith(f"row {first + 1}")
