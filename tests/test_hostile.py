"""Small files that claim, or unpack to, very much: refused at once, and in little memory."""

import gzip
import io
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import fuzz
from crossent import PredictionsError, compare
from crossent.cli import app
from crossent.predictions.footers import claimed
from crossent.predictions.stored import Stored

GOOD = "label,prob_a,prob_b\na,0.5,0.5\n"
MEMORY = 2**30


def wide_npz(folder):
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("probs.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (1, 2**28)}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(2**4):
                file.write(bytes(2**24))
        labels = io.BytesIO()
        np.save(labels, np.array([0]))
        archive.writestr("labels.npy", labels.getvalue())
    return path


def row_of_very_many(folder):
    """984 bytes, of which one row has 300 million numbers."""
    lengths = np.zeros(1000, np.int64)
    lengths[0] = 100_000_000
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    values = pa.array(np.full(lengths[0], 0.5, np.float32))
    table = pa.table({"label": [0] * 1000, "probs": pa.ListArray.from_arrays(pa.array(offsets), values)})
    pq.write_table(table, folder / "a.parquet", compression="zstd")
    return folder / "a.parquet"


def long_text_again_and_again(folder):
    ids = pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int32), pa.array(["a" * 20_000_000]))
    half = np.full(60_000, 0.5)
    table = pa.table({"id": ids, "label": [0] * 60_000, "prob_a": half, "prob_b": half})
    pq.write_table(table, folder / "a.parquet", compression="zstd", dictionary_pagesize_limit=2**30)
    return folder / "a.parquet"


def claimed_columns(folder, suffix):
    kind = pa.list_(pa.float32(), 2**31 - 1)
    table = pa.table({"label": pa.array([], pa.int8()), "probs": pa.array([], kind)})
    path = folder / f"a{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(str(path), table.schema) as out:
            out.write_table(table)
    return path


def unpacks(folder, suffix, start, piece):
    path = folder / f"a{suffix}"
    with gzip.open(path, "wb", 1) as file:
        file.write(start.encode())
        for _ in range(400):
            file.write(piece * 2**20)
    return path


JSON = '{"label": "a", "prob_a": 0.5, "prob_b": 0.5}\n'


def batch_of_zeros(folder, new):
    """A few kilobytes that unpack to 900 MB."""
    zeros = pa.array(np.zeros(75_000_000, np.float32))
    table = pa.table({"label": zeros.cast(pa.int32()), "prob_a": zeros, "prob_b": zeros})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with new(str(folder / "a.arrow"), table.schema, options=options) as out:
        out.write_table(table)
    return folder / "a.arrow"


def long_text_in_arrow(folder):
    ids = pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int32), pa.array(["a" * 5_000_000]))
    half = np.full(60_000, 0.5)
    table = pa.table({"id": ids, "label": [0] * 60_000, "prob_a": half, "prob_b": half})
    with pa.ipc.new_file(str(folder / "a.arrow"), table.schema) as out:
        out.write_table(table)
    return folder / "a.arrow"


HOSTILE = {
    "a batch of an arrow file": (
        lambda f: batch_of_zeros(f, pa.ipc.new_file),
        "its record batch 1 unpacks to",
    ),
    "a batch of an arrow stream": (
        lambda f: batch_of_zeros(f, pa.ipc.new_stream),
        "its record batch 1 unpacks to",
    ),
    "one text for all rows of arrow": (
        long_text_in_arrow,
        "a text of 5,000,000 bytes for any number of rows",
    ),
    "columns in npz": (wide_npz, "claims 268,435,456 values per row, and 4,194,304 classes are the most"),
    "one row of very many": (row_of_very_many, "100,000,999 numbers out of"),
    "one text for all rows": (long_text_again_and_again, "a text of 20,000,000 bytes for any number of rows"),
    "columns in parquet": (lambda f: claimed_columns(f, ".parquet"), "claims 2,147,483,647 values per row"),
    "columns in arrow": (lambda f: claimed_columns(f, ".arrow"), "claims 2,147,483,647 values per row"),
    "a row of csv": (lambda f: unpacks(f, ".csv.gz", GOOD, b"0"), "a row longer than all others"),
    "blank lines of csv": (lambda f: unpacks(f, ".csv.gz", GOOD, b"\n"), "over 16 MB without a single sign"),
    "a line of json": (lambda f: unpacks(f, ".jsonl.gz", JSON, b"0"), "a line is longer than 32 MB"),
    "blank lines of json": (
        lambda f: unpacks(f, ".jsonl.gz", JSON, b"\n"),
        "over 16 MB without a single sign",
    ),
}

READ = """
import re, sys, time
import crossent, crossent.comparison
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
before, began = peak(), time.perf_counter()
try:
    crossent.compare([sys.argv[1]])
except crossent.PredictionsError as error:
    print(error)
print(peak() - before, time.perf_counter() - began)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak comes from /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_bomb_is_refused_in_little_memory(name, tmp_path):
    write, words = HOSTILE[name]
    path = write(tmp_path)
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    sentence, used = done.stdout.splitlines()
    memory, seconds = map(float, used.split())
    assert sentence.startswith(str(path))
    assert words in sentence
    assert memory < MEMORY
    assert seconds < fuzz.SECONDS


def test_json_that_is_nested_deeply(tmp_path):
    """In the first line it is refused; below, in a key that nobody asked for, it is passed over."""
    deep = JSON.replace("}", ', "x": ' + "[" * 300_000 + "]" * 300_000 + "}")
    (tmp_path / "a.jsonl").write_text(deep)
    with pytest.raises(PredictionsError, match="row 1: not one JSON object"):
        compare([tmp_path / "a.jsonl"])
    (tmp_path / "b.jsonl").write_text(JSON * 30_000 + deep)
    assert compare([tmp_path / "b.jsonl"]).example_count == 30_001


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_types_that_are_nested_deeply(suffix, tmp_path):
    kind = pa.int8()
    for _ in range(1000):
        kind = pa.list_(kind)
    table = pa.table({"label": [0], "prob_a": [0.5], "prob_b": [0.5], "x": pa.nulls(1, kind)})
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with (
            open(path, "wb") as file,
            pytest.raises(pa.ArrowInvalid),
            pa.ipc.new_file(file, table.schema) as out,
        ):
            out.write_table(table)
    with pytest.raises(PredictionsError, match=rf"^{path} is no complete"):
        compare([path])


def test_a_footer_that_ends_the_process_where_arrow_reads_it(tmp_path):
    """Found by the fuzzer: PyArrow's own way to a column's size throws what nobody catches."""
    assert fuzz.check("parquet", 1101374, tmp_path) is None


def test_footers_claim_what_arrow_says_they_claim(tmp_path):
    for suffix, data in fuzz.FORMATS["parquet"]():
        path = tmp_path / f"a{suffix}"
        path.write_bytes(data)
        footer = pq.ParquetFile(path).metadata
        for group, chunks in enumerate(claimed(Stored(str(path)))):
            for place, chunk in enumerate(chunks):
                other = footer.row_group(group).column(place)
                assert ".".join(chunk.path) == other.path_in_schema
                assert (chunk.values, chunk.size) == (other.num_values, other.total_uncompressed_size)


def test_a_footer_that_is_no_footer(tmp_path):
    """Nothing but what `bombs` turns into a sentence; most of them are refused."""
    (_, data), *_ = fuzz.FORMATS["parquet"]()
    length = int.from_bytes(data[-8:-4], "little")
    path, rng = tmp_path / "a.parquet", np.random.default_rng(3)
    refused = 0
    for cut in range(0, length, 5):
        path.write_bytes(data[: -8 - length + cut] + rng.bytes(length - cut) + data[-8:])
        try:
            list(claimed(Stored(str(path))))
        except (ValueError, TypeError, AttributeError):
            refused += 1
    assert refused > length // 5 // 2


def test_memory_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    def compare_predictions(*_, **__):
        raise MemoryError("malloc of size 163840000000 failed")

    monkeypatch.setattr("crossent.comparison.compare_predictions", compare_predictions)
    (tmp_path / "a.csv").write_text(GOOD)
    done = CliRunner().invoke(app, ["compare", str(tmp_path / "a.csv")])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr == (
        "crossent: not memory enough (malloc of size 163840000000 failed): fewer --threads take less\n"
    )
