"""The demo as its reader meets it: a whole run in a process of its own, and the rooms that it is made of."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

import crossent
from crossent import demo
from crossent.digits import CLASSES, Network, parts, scans

SECONDS = 30  # what the demo promises on 2 cores; it takes some 4
SOURCE = str(Path(crossent.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE}
NAMES = (demo.CROSS_ENTROPY, demo.SAME_RATE, demo.OWN_RATE)
# as `python -m crossent`, on a machine that has the base install only
BASE_ONLY = (
    "import runpy, sys; sys.modules.update(torch=None, sklearn=None, pandas=None, polars=None);"
    " runpy.run_module('crossent', run_name='__main__')"
)


def started(how, out, folder):
    return subprocess.run(
        [sys.executable, *how, "demo", "--out", out],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("a shell's work")


@pytest.fixture(scope="module")
def finished(folder):
    before = time.monotonic()
    done = started(["-m", "crossent"], "it's/here", folder)
    assert time.monotonic() - before < SECONDS
    assert (done.returncode, done.stderr.count("\n")) == (0, 2), done.stderr
    return done


# ---------------------------------------------------------------------------------------------- the data


def test_scans_are_those_of_scikit_learn_bit_for_bit():
    images, labels = scans()
    known = load_digits()
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(images, known.images)
    np.testing.assert_array_equal(labels, known.target)


def test_data_are_small_and_say_whose_they_are():
    folder = files("crossent") / "data"
    assert sorted(entry.name for entry in folder.iterdir()) == ["DIGITS.txt", "digits.npz"]
    assert sum(len(entry.read_bytes()) for entry in folder.iterdir()) < 100_000
    said = (folder / "DIGITS.txt").read_text(encoding="utf-8")
    for word in ("Alpaydin", "Kaynak", "10.24432/C50P49", "creativecommons.org/licenses/by/4.0", "Changes"):
        assert word in said


def test_parts_hold_every_digit_once_and_in_order():
    images, labels = scans()
    split = parts()
    three = (split.train, split.validation, split.test)
    assert sum((part.ids for part in three), ()) == tuple(f"digit-{row:04}" for row in range(1797))
    np.testing.assert_array_equal(np.concatenate([part.images for part in three]).reshape(-1, 8, 8) * 16, images)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in three]), labels)


def test_parts_are_whole_sheets_with_all_classes_and_test_is_large():
    split = parts()
    assert len(split.test) >= 600
    for part in (split.train, split.validation, split.test):
        assert part.labels[:30].tolist() == [*range(10)] * 3  # as every sheet begins
        assert set(part.labels.tolist()) == set(range(10))
        assert part.images.min() == 0
        assert part.images.max() == 1


# ------------------------------------------------------------------------------------------ the training


@pytest.fixture(scope="module")
def some():
    """Thirty digits and a network whose biases are no longer zero."""
    train = parts().train
    network = Network.start(np.random.default_rng(7))
    for _, gradient in [demo.LOSSES["cross-entropy"](network.logits(train.images), train.labels)]:
        network = network.step(train.images, gradient / len(train), 0.5)
    return network, train.images[100:130], train.labels[100:130]
