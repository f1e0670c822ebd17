"""What is saved opens again, whole; what cannot be opened is not saved."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossent.errors import OptionError, PredictionsError
from crossent.predictions import open_predictions, open_sources, save_predictions
from predictions_files import CLASSES, IDS, LABELS, NN1, NN2, read


def write_pieces(path, *pieces):
    with open_predictions(path, classes=CLASSES) as out:
        for piece in pieces:
            out.add(**piece)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("ids", [None, IDS, [7, 5, 6]])
@pytest.mark.parametrize("labels", [LABELS, ["dog", "cat", "dog"], np.eye(2)[LABELS], torch.tensor(LABELS)])
def test_round_trip(tmp_path, dtype, kind, ids, labels):
    path = tmp_path / "nn1.parquet"
    q = np.eye(2)[[0, 1, 1]].astype(dtype)
    save_predictions(path, labels=labels, **{kind: q}, classes=CLASSES, ids=ids)
    opened = open_sources([path])
    assert opened.classes == CLASSES
    assert opened.models[0].kind == kind
    (block,) = opened.blocks()
    np.testing.assert_array_equal(block.outputs[0], q)
    assert pq.read_schema(path).field(kind).type.value_type.bit_width == 8 * np.dtype(dtype).itemsize
    np.testing.assert_array_equal(block.labels, np.eye(2)[LABELS] if np.ndim(labels) == 2 else LABELS)
    assert (block.ids and block.ids.to_pylist()) == (ids and [str(name) for name in ids])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_hostile_names_survive(tmp_path, data):
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
    classes = data.draw(st.lists(names, min_size=2, max_size=4, unique=True))
    labels = data.draw(st.lists(st.sampled_from(classes), min_size=1, max_size=4))
    ids = data.draw(st.lists(names, min_size=len(labels), max_size=len(labels), unique=True))
    logits = np.zeros((len(labels), len(classes)))
    save_predictions(tmp_path / "a.parquet", labels=labels, logits=logits, classes=classes, ids=ids)
    (block,) = read(tmp_path / "a.parquet")
    assert [classes[i] for i in block.labels] == labels
    assert block.ids.to_pylist() == ids


def test_pieces_make_the_same_file_as_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(70_000, 3)).astype(np.float32), rng.integers(0, 3, 70_000)
    ids = rng.permutation(70_000)
    with open_predictions(tmp_path / "a.parquet", classes=["a", "b", "c"]) as out:
        for start in range(0, 70_000, 999):
            part = slice(start, start + 999)
            out.add(labels=labels[part], logits=logits[part], ids=ids[part])
            assert not (tmp_path / "a.parquet").exists()
    assert os.listdir(tmp_path) == ["a.parquet"]
    save_predictions(tmp_path / "b.parquet", labels=labels, logits=logits, ids=ids, classes=["a", "b", "c"])
    blocks = read(tmp_path / "a.parquet", tmp_path / "b.parquet")
    np.testing.assert_array_equal(np.concatenate([block.outputs[0] for block in blocks]), logits)
    np.testing.assert_array_equal(np.concatenate([block.outputs[1] for block in blocks]), logits)
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups <= 2  # not one for each small piece


def test_other_tools_read_it(tmp_path):
    save_predictions(tmp_path / "a.parquet", labels=LABELS, probs=NN1, classes=CLASSES, ids=IDS)
    frame = pl.read_parquet(tmp_path / "a.parquet")
    assert frame["label"].to_list() == ["dog", "cat", "dog"]
    assert frame["probs"].to_list() == NN1.tolist()


@pytest.mark.parametrize(("options", "sentence"), [
    ({"labels": [0, 2, 0]}, "a.parquet, row 2, column label: 2 is no index of 2 classes, 0..1; if these are names,"
                            " add --label-is name"),
    ({"labels": ["dog", "cow", "dog"]}, "a.parquet, row 2, column label: 'cow' is not one of the classes dog, cat;"
                                        " mend it, or --classes"),
    ({"labels": [0, 1]}, "a.parquet: column probs has 3 rows, column label has 2; they must have one row per example"),
    ({"labels": None}, "a.parquet: labels are missing; give one for every row"),
    ({"probs": NN1 * 0.5}, "a.parquet, row 1: the probabilities sum to 0.5, not 1 (0.5 in row 2, 0.5 in row 3);"
     " not softmax: separate yes/no scores? If they only lack their normalisation, add --renormalize"),
    ({"probs": -NN1}, "a.parquet, row 1, column probs, class dog: -0.9, but probabilities lie between 0 and 1;"
                      " if these are logits, call them so"),
    ({"probs": NN1[:, :1]}, "a.parquet has 1 value per row, but there are 2 classes (dog, cat): all sources need"
                            " the same ones"),
    ({"probs": None, "logits": NN1 * np.nan}, "a.parquet, row 1, column logits, class dog: nan; logits are finite,"
     " or -inf for a class that is ruled out: look for what made it in the model"),
    ({"ids": ["b", "a", "b"]}, "a.parquet: id 'b' stands in row 1 and in row 3; every example needs an id of its own"),
    ({"ids": ["b", None, "a"]}, "a.parquet, row 2, column id: null; every row needs a value"),
    ({"ids": [0.5, 1.5, 2.5]}, "a.parquet: column id is float64 (3,), but ids are text or whole numbers; write them so"),
    ({"classes": ["dog", "dog"]}, "a.parquet: classes must name each class once, and two or more; they are"
                                  " ['dog', 'dog']"),
    ({"classes": ["dog"]}, "a.parquet: classes must name each class once, and two or more; they are ['dog']"),
    ({"classes": "dogcat"}, "a.parquet: classes must be a list of names, such as ['dog', 'cat']"),
    ({"labels": [], "probs": NN1[:0]}, "a.parquet: no rows were added, so nothing is written"),
])  # fmt: skip
def test_what_would_not_open_is_refused_and_leaves_the_old_file(tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"old")
    with pytest.raises(PredictionsError) as caught:
        save_predictions("a.parquet", **{"labels": LABELS, "probs": NN1, "classes": CLASSES, **options})
    assert str(caught.value) == sentence
    assert os.listdir() == ["a.parquet"]
    assert (tmp_path / "a.parquet").read_bytes() == b"old"


@pytest.mark.parametrize("outputs", [{}, {"logits": NN1, "probs": NN1}])
def test_logits_or_probs_one_of_the_two(tmp_path, outputs):
    with pytest.raises(OptionError, match=r"^give logits=... or probs=..., one of the two$"):
        save_predictions(tmp_path / "a.parquet", labels=LABELS, classes=CLASSES, **outputs)


@pytest.mark.parametrize("second", [
    {"labels": LABELS, "logits": NN2}, {"labels": np.eye(2)[LABELS], "probs": NN2},
    {"labels": LABELS, "probs": NN2, "ids": IDS}, {"labels": LABELS, "probs": NN2.astype(np.float32)},
])  # fmt: skip
def test_pieces_are_alike(tmp_path, second):
    with pytest.raises(PredictionsError, match="after row 3: these rows come as"):
        write_pieces(tmp_path / "a.parquet", {"labels": LABELS, "probs": NN1}, second)
    assert os.listdir(tmp_path) == []


def test_rows_are_counted_over_all_pieces(tmp_path):
    pieces = {"labels": LABELS, "probs": NN1}, {"labels": [0, 9, 0], "probs": NN1}
    with pytest.raises(PredictionsError, match=r"row 5, column label: 9 is no index"):
        write_pieces(tmp_path / "a.parquet", *pieces)


def test_an_exception_within_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_pieces(tmp_path / "a.parquet", {"labels": LABELS, "probs": NN1}, {"no such": "argument"})
    assert os.listdir(tmp_path) == []


def test_killed_in_between_leaves_the_old_file(tmp_path):
    save_predictions(tmp_path / "a.parquet", labels=LABELS, probs=NN1, classes=CLASSES)
    before = (tmp_path / "a.parquet").read_bytes()
    script = """
        import os, signal, sys
        from crossent.predictions import open_predictions
        with open_predictions(sys.argv[1], classes=["a", "b"]) as out:
            out.add(labels=[0] * 99999, logits=[[0.0, 1.0]] * 99999)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), tmp_path / "a.parquet"], check=False
    )
    assert done.returncode != 0
    assert (tmp_path / "a.parquet").read_bytes() == before


@pytest.mark.parametrize(("path", "sentence"), [
    ("no/where.parquet", "no/where.parquet cannot be written (No such file or directory): choose another place"),
    ("folder.parquet", "folder.parquet cannot be written (Is a directory): choose another place"),
    ("a.csv", "a.csv: predictions are written as Parquet; name the file a.parquet"),
])  # fmt: skip
def test_places_that_cannot_be_written(tmp_path, monkeypatch, path, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(PredictionsError) as caught:
        save_predictions(path, labels=LABELS, probs=NN1, classes=CLASSES)
    assert str(caught.value) == sentence
    assert os.listdir() == ["folder.parquet"]


def test_the_file_is_as_readable_as_any_other(tmp_path):
    save_predictions(tmp_path / "a.parquet", labels=LABELS, probs=NN1, classes=CLASSES)
    (tmp_path / "b").touch()
    assert (tmp_path / "a.parquet").stat().st_mode == (tmp_path / "b").stat().st_mode
