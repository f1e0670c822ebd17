"""What can happen to a file while it is read, on this machine: noticed, and said in one sentence."""

import os
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent.errors import PredictionsError
from crossent.predictions import Columns, open_sources
from predictions_files import csv_text

ROWS = 3 * 65_536 + 9  # readers are two blocks ahead
RNG = np.random.default_rng(9)
Q = RNG.dirichlet([1, 1], ROWS)
LABELS = RNG.integers(0, 2, ROWS)
IDS = [f"image {row:06}" for row in range(ROWS)]


def written(path, q=Q):
    if path.suffix == ".npy":
        np.save(path, np.asarray(q, order="F" if path.stem == "fortran" else "C"))
    elif path.suffix == ".npz":
        save = np.savez_compressed if path.stem == "compressed" else np.savez
        save(path, labels=LABELS, probs=q)
    elif path.suffix == ".parquet":
        pq.write_table(as_table(q), path, row_group_size=20_000)
    elif path.suffix in (".arrow", ".feather"):
        new = pa.ipc.new_stream if path.suffix == ".feather" else pa.ipc.new_file
        with new(str(path), as_table(q).schema) as out:
            out.write_table(as_table(q), max_chunksize=20_000)
    elif path.suffix == ".jsonl":
        rows = zip(LABELS.tolist(), q.tolist(), strict=True)
        path.write_text("".join(f'{{"label": {label}, "probs": {probs}}}\n' for label, probs in rows))
    else:
        path.write_text(csv_text(q, ids=IDS, labels=LABELS))
    return path


def as_table(q):
    return pa.table({"label": LABELS, "prob_dog": q[:, 0], "prob_cat": q[:, 1]})


NAMES = [
    "a.parquet",
    "a.arrow",
    "a.feather",
    "a.csv",
    "a.jsonl",
    "a.npz",
    "compressed.npz",
    "a.npy",
    "fortran.npy",
]


def opened(path):
    labels = LABELS if path.suffix == ".npy" else None
    return open_sources([path], labels=labels, columns=Columns(kind="probs"))


def refused(blocks):
    with pytest.raises(PredictionsError) as caught:
        for _ in blocks:
            pass
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_cut_off_while_it_is_read(name, tmp_path):
    path = written(tmp_path / name)
    size = path.stat().st_size
    blocks = opened(path).blocks()
    next(blocks)
    os.truncate(path, size // 2)
    assert refused(blocks) == (
        f"{path} was changed or replaced while it was read, from {size:,} bytes to {size // 2:,}:"
        " wait until it is written, and run again"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_replaced_by_one_of_the_same_size(name, tmp_path):
    path = written(tmp_path / name)
    source = opened(path)
    blocks = source.blocks()
    next(blocks)
    other = tmp_path / f"other{path.suffix}"
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(0, time.time_ns()))
    os.replace(other, path)
    assert (
        refused(blocks)
        == f"{path} was changed or replaced while it was read: wait until it is written, and run again"
    )
    assert refused(source.blocks()).startswith(f"{path} was changed or replaced while it was read")


def test_a_file_that_is_removed_while_it_is_read(tmp_path):
    path = written(tmp_path / "a.parquet")
    blocks = opened(path).blocks()
    next(blocks)
    path.unlink()
    assert refused(blocks).startswith(f"{path} is not there, on ")


def test_parts_of_one_source_are_watched_each(tmp_path):
    for name in "abc":
        pq.write_table(as_table(Q).slice(0, 50_000), tmp_path / f"{name}.parquet")
    source = open_sources([f"{tmp_path}/*.parquet"])
    with (tmp_path / "c.parquet").open("ab") as file:
        file.write(b"more")
    assert refused(source.blocks()).startswith(
        f"{tmp_path}/c.parquet was changed or replaced while it was read, from"
    )
