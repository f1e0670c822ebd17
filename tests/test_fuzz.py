"""Some damaged files of every format; `python tests/fuzz.py FORMAT --minutes 10` tries as many as there is time."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fuzz
from crossent import PredictionsError, compare
from predictions_files import NN1, csv_text, table


@pytest.mark.parametrize("name", fuzz.FORMATS)
def test_damaged_files_are_refused_or_read_rightly(name):
    assert list(fuzz.findings(name, range(120))) == []


@pytest.mark.parametrize("name", fuzz.FORMATS)
def test_some_damage_is_survived_and_some_is_not(name, tmp_path):
    """Otherwise the test above would be about nothing."""
    outcomes = set()
    for number in range(60):
        suffix, data = fuzz.case(name, number)
        path = tmp_path / f"case{suffix}"
        path.write_bytes(data)
        found = fuzz.read(path, name)
        outcomes.add("refused" if isinstance(found, str) else "read")
        if not isinstance(found, str) and fuzz.independent(path, suffix) is not None:
            outcomes.add("compared")
    assert outcomes == {"refused", "read", "compared"}


def test_a_process_that_dies_or_hangs_is_a_finding(monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    monkeypatch.setitem(fuzz.FORMATS, "dies", None)
    ((_, wrong),) = fuzz.findings("no such format", [0])
    assert wrong.startswith("the process died")


# What it found once


def refused(path):
    with pytest.raises(PredictionsError) as error:
        compare([path])
    return str(error.value)


def test_a_name_of_a_column_that_is_not_utf8(tmp_path):
    out = io.BytesIO()
    pq.write_table(table(NN1), out)
    path = tmp_path / "nn1.parquet"
    path.write_bytes(out.getvalue().replace(b"prob_dog", b"prob_\xff\xffg"))
    assert f"{path} is no complete Parquet file ('utf-8' codec can't decode byte 0xff" in refused(path)


def test_text_in_parquet_that_is_not_utf8(tmp_path):
    path = tmp_path / "nn1.parquet"
    out = io.BytesIO()
    pq.write_table(table(NN1, ids=["one", "two", "six"]), out, compression="none", use_dictionary=False)
    path.write_bytes(out.getvalue().replace(b"two", b"\xff\xff\xff"))
    assert "is damaged, or changed while read (Invalid UTF8" in refused(path)


def test_a_header_of_numpy_without_an_end(tmp_path):
    out = io.BytesIO()
    np.save(out, NN1)
    path = tmp_path / "nn1.npy"
    path.write_bytes(out.getvalue().replace(b"(3, 2)", b"((((, "))
    assert refused(path) == f"{path} is no complete NumPy array: write it again with numpy.save"


def test_an_array_that_python_2_wrote_is_read_without_a_word(tmp_path):
    """Warnings are errors here, and NumPy gives one."""
    out = io.BytesIO()
    np.save(out, NN1)
    path = tmp_path / "nn1.npy"
    path.write_bytes(out.getvalue().replace(b"(3, 2), }  ", b"(3L, 2L), }"))
    assert b"3L" in path.read_bytes()
    found = compare([path], labels=[0, 1, 0], kind="probs")
    assert (
        found.models["nn1"].cross_entropy
        == compare([NN1], labels=[0, 1, 0], kind="probs").models["model 1"].cross_entropy
    )


def test_a_name_of_an_array_that_is_not_what_the_directory_says(tmp_path):
    out = io.BytesIO()
    np.savez(out, probs=NN1, labels=np.array([0, 1, 0]))
    path = tmp_path / "nn1.npz"
    path.write_bytes(out.getvalue().replace(b"probs.npy", b"p\xff\xff\xff\n.npy", 1))
    sentence = refused(path)
    assert "is no complete .npz file" in sentence
    assert len(sentence) < 400


def test_an_open_quote_does_not_fill_the_screen(tmp_path):
    path = tmp_path / "nn1.csv"
    path.write_text(csv_text(NN1, ids=["x" * 5000, "x" * 5000, "3"]), encoding="utf-8")
    assert len(refused(path)) < 400


def test_an_arrow_message_that_claims_two_gigabytes(tmp_path):
    path = tmp_path / "nn1.arrow"
    out = io.BytesIO()
    with pa.ipc.new_file(out, table(NN1).schema) as file:
        file.write_table(table(NN1))
    data = bytearray(out.getvalue())
    data[12:16] = (2**31 - 8).to_bytes(4, "little")  # after the magic and a mark the length of the schema
    path.write_bytes(data)
    assert refused(path) == (
        f"{path} is no complete Arrow file (a message longer than the file): write it again"
    )


def test_a_signalling_nan_is_told_of_once(tmp_path):
    """Warnings are errors here: the processor gives one where such a number is widened."""
    path = tmp_path / "nn1.parquet"
    q = np.array([0.9, 0.1, 0.4], np.float32)
    q.view(np.uint32)[1] = 0x7FA00000
    columns = {"label": [0, 1, 0], "prob_a": q, "prob_b": 1 - np.array([0.9, 0.1, 0.4], np.float32)}
    pq.write_table(pa.table(columns), path)
    assert refused(path).startswith(f"{path}, row 2, column prob_a: nan")
