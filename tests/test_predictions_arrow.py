"""Arrow files and streams, compressed or not: the same rows as in memory, and a sentence for what is damaged."""

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from crossent.errors import PredictionsError
from crossent.predictions import open_sources
from predictions_files import CLASSES, IDS, LABELS, NN1, list_table, read, table

SUFFIXES = ("arrow", "feather", "ipc")


def written(path, data, *, stream=False, compression=None, rows=None):
    """An Arrow file of record batches of so many rows."""
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, data.schema, options=options) as out:
        out.write_table(data, max_chunksize=rows)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("variable", [False, True])
def test_rows_come_out_as_from_memory(tmp_path, suffix, stream, compression, variable):
    n = 70_003
    rng = np.random.default_rng(0)
    q, labels = rng.dirichlet([1, 1], n), rng.integers(0, 2, n)
    ids = [f"{i:06d}" for i in range(n)]
    data = list_table(q, ids=ids, labels=labels, variable=variable)
    path = written(tmp_path / f"a.{suffix}", data, stream=stream, compression=compression, rows=9_999)
    opened = open_sources([path])
    assert opened.rows == (None if stream else n)
    assert opened.classes == CLASSES
    for _ in range(2):
        blocks = list(opened.blocks())
        assert [len(block.labels) for block in blocks] == [65_536, n - 65_536]
        np.testing.assert_array_equal(np.concatenate([block.outputs[0] for block in blocks]), q)
        np.testing.assert_array_equal(np.concatenate([block.labels for block in blocks]), labels)
        assert [i for block in blocks for i in block.ids.to_pylist()] == ids


def test_one_column_per_class_in_another_order_than_wanted(tmp_path):
    data = table(NN1).select(["prob_cat", "label", "prob_dog", "id"])
    (block,) = read(written(tmp_path / "a.arrow", data), classes=CLASSES)
    np.testing.assert_array_equal(block.outputs[0], NN1)
    assert block.labels.tolist() == LABELS
    assert block.ids.to_pylist() == IDS


def test_dictionaries_that_change_between_batches(tmp_path):
    kind = pa.dictionary(pa.int8(), pa.string())
    batches = [
        pa.record_batch({"label": pa.array(names, kind), "probs": pa.array([[0.5, 0.5]] * 2)})
        for names in (["dog", "dog"], ["cat", "dog"])
    ]
    with pa.ipc.new_stream(tmp_path / "a.arrow", batches[0].schema) as out:
        for batch in batches:
            out.write_batch(batch)
    (block,) = read(tmp_path / "a.arrow", classes=CLASSES)
    assert block.labels.tolist() == [0, 0, 1, 0]


def test_feather_as_pyarrow_and_polars_write_it(tmp_path):
    pa.feather.write_feather(table(NN1), str(tmp_path / "a.feather"))
    (block,) = read(tmp_path / "a.feather")
    np.testing.assert_array_equal(block.outputs[0], NN1)


def refusal(path):
    with pytest.raises(PredictionsError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_and_foreign_files(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(b"")
    assert refusal(path.name) == f"a.{suffix} is empty: write it again"
    path.write_bytes(b"id,label\n")
    assert refusal(path.name).startswith(f"a.{suffix} is no complete Arrow stream (")
    path.write_bytes(b"ARROW1\0\0")
    assert refusal(path.name).startswith(f"a.{suffix} is no complete Arrow file (")
    path.write_bytes(b"FEA1xxxxxxxx")
    assert refusal(path.name) == f"a.{suffix} is Feather of version 1: write it again with version=2"
    path.write_bytes(b"PAR1xxxx")
    assert refusal(path.name) == f"a.{suffix} is Parquet, not .{suffix}: name it .parquet"


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_cut_anywhere_is_a_sentence(tmp_path, stream):
    whole = written(tmp_path / "a.arrow", table(NN1), stream=stream, rows=1).read_bytes()
    assert len(read(tmp_path / "a.arrow")) == 1
    for keep in range(1, len(whole), 8 if len(whole) % 8 else 7):
        (tmp_path / "a.arrow").write_bytes(whole[:keep])
        assert refusal(tmp_path / "a.arrow").endswith("write it again")


def test_a_stream_cut_between_batches_is_no_shorter_file(tmp_path):
    path = written(tmp_path / "a.arrow", table(NN1), stream=True, rows=1)
    path.write_bytes(path.read_bytes()[:-8])
    assert refusal(path) == f"{path} is an Arrow stream without its end: it is cut off, write it again"


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_damage_is_a_sentence_or_changes_numbers_alone(tmp_path, compression):
    """Every byte turned over: never a crash, never a traceback."""
    path = written(tmp_path / "a.arrow", table(NN1), compression=compression)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            read(path)
        except PredictionsError:
            refused += 1
    assert refused > 50


def test_offsets_beyond_the_data_are_refused(tmp_path):
    path = written(tmp_path / "a.arrow", table(NN1).select(["label", "prob_dog", "prob_cat"]))
    good, wrong = (np.array([0, 3, 6, end], np.int32).tobytes() for end in (9, 10**6))
    assert path.read_bytes().count(good) == 1
    path.write_bytes(path.read_bytes().replace(good, wrong))
    assert refusal(path).startswith(f"{path} is damaged, or changed while read (")


def test_a_file_without_rows(tmp_path):
    path = written(tmp_path / "a.arrow", table(NN1).slice(0, 0))
    assert refusal(path) == f"{path} has no rows: nothing can be compared"
