"""Ids in another order beyond the memory that joining may take: on disk, and bit for bit as in memory."""

import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from crossent import CompareOptions, compare
from crossent.errors import PredictionsError
from crossent.predictions import Columns, join, open_sources, partitions
from full_disk import files_up_to
from predictions_files import read

N = 50_000
TINY = 100_000


@pytest.fixture(autouse=True)
def scratch_is_removed(tmp_path, monkeypatch):
    """Temporary files go to a folder of their own, which must be empty in the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def sources(n=N, width=3, dtype=np.float32):
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(width), n).astype(dtype)
    columns = {
        "id": np.array([f"bild-é{i}" for i in range(n)]),
        "label": rng.integers(0, width, n),
        "probs": q,
        "w": rng.random(n),
        "c": np.array([f"c{i // 3}" for i in range(n)]),
        "s": np.array(["", "ä", "bb"])[rng.integers(0, 3, n)],
    }
    order = rng.permutation(n)
    return columns, {name: values[order] for name, values in columns.items()} | {"probs": q[order][:, ::-1]}


def test_json_is_the_same_to_the_byte(monkeypatch):
    first, second = sources()
    joins = []
    monkeypatch.setattr(join, "matched", lambda *args: joins.append(partitions.matched(*args)) or joins[-1])
    found = {
        memory: compare(
            {"a": first, "b": second},
            options=CompareOptions(weight="w", cluster="c", by="s", memory=memory, threads=1),
        )
        for memory in (500_000_000, TINY)
    }
    assert len(joins) == 1
    texts = [
        comparison.to_json().replace('"memory": 500000000', '"memory": 100000')
        for comparison in found.values()
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("by", ["places", "labels alone", "soft labels", "three sources"])
def test_blocks_are_the_same(by):
    first, second = sources(5_000)
    both, labels = [first, second], None
    if by == "labels alone":
        both, labels = (
            [{"id": first["id"], "probs": first["probs"]}],
            {"id": second["id"], "label": second["label"]},
        )
    elif by == "soft labels":
        both = [{**first, "label": first["probs"]}, {**second, "label": second["probs"][:, ::-1]}]
    elif by == "three sources":
        both.append({name: values[::-1] for name, values in first.items()})
    blocks = [read(*both, labels=labels, memory=memory, classes=tuple("abc")) for memory in (10**9, 10_000)]
    for ours, theirs in zip(*blocks, strict=True):
        assert ours.ids.equals(theirs.ids)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert not isinstance(theirs.labels, np.memmap)
        for a, b in zip(ours.outputs, theirs.outputs, strict=True):
            np.testing.assert_array_equal(a, b)
            assert not isinstance(b, np.memmap)


def test_no_partition_takes_more_than_the_memory(monkeypatch):
    sizes = []
    whole = partitions._Partitions.read

    def measured(self, part):
        rows, ids = whole(self, part)
        sizes.append(rows.nbytes + ids.nbytes + partitions.MATCHED_BYTES * len(ids))
        return rows, ids

    monkeypatch.setattr(partitions._Partitions, "read", measured)
    first, second = sources()
    read(first, second, memory=TINY)
    assert len(sizes) > 50
    assert max(a + b for a, b in zip(sizes[::2], sizes[1::2], strict=True)) <= TINY


def sentence(first, second, memory):
    with pytest.raises(PredictionsError) as caught:
        read(first, second, memory=memory)
    return str(caught.value)


@pytest.mark.parametrize("wrong", [
    "one missing", "many missing", "extra", "both", "twice in first", "twice in second", "thrice", "twice and missing",
])  # fmt: skip
def test_sentences_are_the_same(wrong):
    first, second = (
        {"id": s["id"], "label": np.zeros(2_000, int), "probs": s["probs"]} for s in sources(2_000)
    )
    ids = {"first": first["id"].copy().astype("U40"), "second": second["id"].copy().astype("U40")}
    if wrong in ("one missing", "many missing", "both", "twice and missing"):
        ids["second"][[5] if wrong == "one missing" else slice(7, 900, 3)] = [
            f"other{i}" for i in range(1 if wrong == "one missing" else 298)
        ]
    if wrong in ("extra", "both"):
        second = {name: np.concatenate([values, values[:4]]) for name, values in second.items()}
        ids["second"] = np.concatenate([ids["second"], [f"more{i}" for i in range(4)]])
    if "first" in wrong:
        ids["first"][1_500], ids["first"][1_700] = ids["first"][20], ids["first"][3]
    if "second" in wrong or wrong == "twice and missing":
        ids["second"][1_900], ids["second"][1_700] = ids["second"][20], ids["second"][3]
    if wrong == "thrice":
        ids["second"][[10, 100, 1_000]] = "same"
    first["id"], second["id"] = ids["first"], ids["second"]
    assert sentence(first, second, 5_000) == sentence(first, second, 10**9)


def test_what_is_wrong_in_a_row_is_named_by_its_own_row():
    first, second = sources(2_000, dtype=np.float64)
    second["probs"][77] = 0.5
    assert sentence(first, second, 5_000) == sentence(first, second, 10**9)
    assert "row 78" in sentence(first, second, 5_000)


def test_a_pass_that_is_given_up_leaves_nothing():
    blocks = open_sources(list(sources(2_000)), columns=Columns(), memory=5_000).blocks()
    next(blocks)
    assert os.listdir(tempfile.gettempdir())
    blocks.close()


def test_a_full_disk_is_a_sentence(tmp_path):
    first, second = sources(20_000)
    np.savez(tmp_path / "a.npz", **first)
    np.savez(tmp_path / "b.npz", **second)
    done = subprocess.run(
        files_up_to(150_000, sys.executable, "-m", "crossent", "compare", "a.npz", "b.npz", "--memory", "100kB"),
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "crossent: b.npz has its ids in another order than a.npz, and joining them on disk failed in"
        f" {tmp_path / 'scratch'} (File too large): sort both alike, raise --memory, or set TMPDIR to a larger folder\n"
    )
