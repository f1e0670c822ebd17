"""Standard input as a source, in a process of its own, in every format that it may have."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictions_files import NN1, NN2, csv_text, table

FORMATS = "parquet|arrow|csv|tsv|jsonl|npy|npz"


@pytest.fixture
def compare(tmp_path):
    """Run the command in a folder with nn1.csv; nothing temporary may be left."""
    (tmp_path / "nn1.csv").write_text(csv_text(NN1))
    (tmp_path / "scratch").mkdir()

    def run(*arguments, data=b""):
        done = subprocess.run(
            [sys.executable, "-m", "crossent", "compare", *arguments],
            input=data, capture_output=True, cwd=tmp_path, check=False,
            env={**os.environ, "TMPDIR": str(tmp_path / "scratch")},
        )  # fmt: skip
        assert os.listdir(tmp_path / "scratch") == []
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


def data(format, folder):
    path = folder / f"data.{format}"
    if format == "parquet":
        pq.write_table(table(NN2), path)
    elif format == "arrow":
        with pa.ipc.new_stream(path, table(NN2).schema) as out:
            out.write_table(table(NN2))
    elif format in ("csv", "tsv"):
        path.write_text(csv_text(NN2, separator="," if format == "csv" else "\t"))
    elif format == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table(NN2).to_pylist()))
    else:
        np.savez(path, ids=["1", "2", "3"], labels=[0, 1, 0], probs=NN2, classes=["dog", "cat"])
    return path.read_bytes()


@pytest.mark.parametrize("format", [format for format in FORMATS.split("|") if format != "npy"])
def test_formats(compare, tmp_path, format):
    content = data(format, tmp_path)
    code, out, err = compare("nn1.csv", "-", "--input-format", format, "--format", "json", data=content)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [model["name"] for model in found["models"]] == ["nn1", "stdin"]
    assert round(found["models"][1]["cross_entropy"]["value"], 2) == 1.06


def test_a_plain_array_and_a_name(compare, tmp_path):
    np.save(tmp_path / "a.npy", NN2)
    (tmp_path / "labels.csv").write_text("label\n0\n1\n0\n")
    code, out, err = compare(
        "NN2=-", "--labels", "labels.csv", "--kind", "probs", "--classes", "dog,cat", "--input-format", "npy",
        "--format", "json", data=(tmp_path / "a.npy").read_bytes(),
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert json.loads(out)["models"][0]["name"] == "NN2"


def test_labels_from_standard_input(compare):
    code, _, err = compare(
        "nn1.csv", "--labels", "-", "--input-format", "csv", data=b"id,label\n3,dog\n2,cat\n1,dog\n"
    )
    assert (code, err) == (0, "")


WRONG = [
    (["-"], b"", 2, f"'-' is standard input, whose format nothing tells: add --input-format {FORMATS}"),
    (["nn1.csv", "--input-format", "csv"], b"", 2,
     "--input-format csv, but no source is '-': files are read by their suffix"),
    (["-", "x=-", "--input-format", "csv"], b"", 2,
     "standard input can be read only once: write the other source to a file"),
    (["-", "--labels", "-", "--input-format", "csv"], b"", 2,
     "standard input can be read only once: write the other source to a file"),
    (["-", "--input-format", "csv"], b"", 1, "standard input is empty: write it again"),
    (["-", "--input-format", "csv"], b"PAR1xxxx", 1, "standard input is Parquet, not .csv: say --input-format parquet"),
    (["-", "--input-format", "csv"], b"\x1f\x8bxxxx", 1,
     "standard input is compressed with gzip, not .csv: unpack it first, or write .parquet or .csv"),
    (["-", "--input-format", "csv"], b"label,prob_a,prob_b\na,x,1\n", 1,
     'standard input, row 1, column prob_a: "x" is not a number; mend it, or leave the row out'),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "content", "code", "sentence"), WRONG)
def test_one_sentence(compare, arguments, content, code, sentence):
    assert compare(*arguments, data=content) == (code, "", f"crossent: {sentence}\n")
