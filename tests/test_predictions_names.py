"""What models are called: NAME=FILE, stems with as many folders as it takes, numbers for what is the same."""

from pathlib import Path

import numpy as np
import pytest

from crossent.errors import PredictionsError
from crossent.predictions.sources import named_sources
from crossent.predictions.stored import Stored


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("k=v.csv", "nn1.csv"):
        Path(name).write_text("")


@pytest.mark.parametrize(("sources", "names"), [
    (["nn1.csv"], ["nn1"]),
    (["nn1.csv.gz", "NN2.CSV", "v1.2.parquet", "folder/nn3.tsv.zst"], ["nn1", "NN2", "v1.2", "nn3"]),
    (["r1/nn.csv", "r2/nn.csv"], ["r1/nn", "r2/nn"]),
    (["a/r/nn.csv", "b/r/nn.csv", "other.csv"], ["a/r/nn", "b/r/nn", "other"]),
    (["a/x/nn.csv", "a/y/nn.csv", "b/x/nn.csv"], ["a/x/nn", "y/nn", "b/x/nn"]),
    (["nn1.csv", "nn1.csv"], ["nn1", "nn1 (2)"]),
    (["nn1.csv", "./nn1.csv", "r1/../nn1.csv"], ["nn1", "nn1 (2)", "nn1 (3)"]),
    (["r1/nn.csv", "r1/nn.tsv"], ["nn.csv", "nn.tsv"]),
    (["a.npz:probs", "a.npz:probs64"], ["a:probs", "a:probs64"]),
    (["a.npz:probs", "b.npz:probs"], ["a", "b"]),
    (["NN1=nn1.csv", "nn2.csv"], ["NN1", "nn2"]),
    (["nn=r1/nn.csv", "r2/nn.csv"], ["nn", "r2/nn"]),
    (["two words=nn1.csv"], ["two words"]),
    (["a=b=c.csv"], ["a"]),
    (["m=a.npz:probs"], ["m"]),
    (["k=v.csv"], ["k=v"]),  # it is an existing file
    (["folder/a=b.csv"], ["a=b"]),  # no plain name before the sign
    ([Path("a=b.csv")], ["a=b"]),
    ([np.eye(2), np.eye(2)], ["model 1", "model 2"]),
    ([np.eye(2), "nn1.csv", [[1.0, 0.0]]], ["model 1", "nn1", "model 3"]),
    ({"NN1": np.eye(2), "x=y": "nn1.csv"}, ["NN1", "x=y"]),
])  # fmt: skip
def test_names(sources, names):
    assert [name for name, _ in named_sources(sources)] == names


def test_what_is_behind_a_name():
    (_, first), (_, second) = named_sources(["m=a/b.npz:probs64", "k=v.csv"])
    assert (first.source, first.array) == (Stored("a/b.npz"), "probs64")
    assert (second.source, second.array) == (Stored("k=v.csv"), None)


def test_two_models_of_one_name():
    with pytest.raises(PredictionsError, match=r"^two models are called a: give each its own NAME=FILE$"):
        named_sources(["a=nn1.csv", "a=nn2.csv"])
