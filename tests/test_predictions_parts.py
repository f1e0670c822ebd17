"""Many Parquet or Arrow files as one source: a folder, a pattern."""

import itertools
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import CompareOptions, PredictionsError, compare

ROWS = 100
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 3, ROWS)
Q = RNG.dirichlet([1, 1, 1], ROWS)
IDS = [f"image {row:03}" for row in RNG.permutation(ROWS)]


def whole(ids=True, q=Q):
    columns = {"id": IDS} if ids else {}
    columns |= {"label": LABELS, **{f"prob_{name}": q[:, j] for j, name in enumerate(("dog", "cat", "fox"))}}
    return pa.table(columns)


def write(table, path):
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=9)
    else:
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=13)


def parts(folder, table, cuts=(0, 0, 17, 60, 61, ROWS), suffix=".parquet"):
    for number, (low, high) in enumerate(itertools.pairwise(cuts)):
        write(table.slice(low, high - low), folder / f"part-{number:03}{suffix}")
    return folder


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("ids", [True, False])
def test_a_folder_is_its_files_one_after_the_other(suffix, ids, tmp_path):
    write(whole(ids), tmp_path / f"whole{suffix}")
    folder = parts(tmp_path / "nn1", whole(ids), suffix=suffix)
    (folder / "_SUCCESS").touch()
    (folder / ".part-000.parquet.crc").touch()
    expected = compare({"mine": tmp_path / f"whole{suffix}"}).to_json()
    assert compare({"mine": folder}).to_json() == expected
    assert compare({"mine": f"{folder}/part-*{suffix}"}).to_json() == expected
    assert list(compare([folder]).models) == ["nn1"]
    assert list(compare([f"mine={folder}/part-*{suffix}"]).models) == ["mine"]


def test_parts_that_are_cut_and_ordered_otherwise_are_joined_by_id(tmp_path):
    first = parts(tmp_path / "a", whole())
    order = pa.array(RNG.permutation(ROWS))
    second = parts(tmp_path / "b", whole().take(order), cuts=(0, 50, ROWS))
    for memory in (500_000_000, 1):
        pair = compare([first, second], options=CompareOptions(memory=memory)).pairs[0]
        assert pair.identical


def test_a_pattern_of_one_file_is_that_file(tmp_path):
    (tmp_path / "nn1.csv").write_text("label,prob_dog,prob_cat\ndog,0.9,0.1\n")
    assert compare([f"{tmp_path}/*.csv"]).example_count == 1


def test_a_name_that_looks_like_a_pattern(tmp_path):
    write(whole(), tmp_path / "run[1]*.parquet")
    assert compare([str(tmp_path / "run[1]*.parquet")]).example_count == ROWS


def test_labels_in_parts(tmp_path):
    folder = parts(tmp_path / "labels", whole().select(["id", "label"]))
    write(whole().drop_columns(["label"]), tmp_path / "nn1.parquet")
    write(whole(), tmp_path / "whole.parquet")
    expected = compare([tmp_path / "whole.parquet"]).models["whole"].cross_entropy
    assert compare([tmp_path / "nn1.parquet"], labels=folder).models["nn1"].cross_entropy == expected


# What is refused


def refused(*sources, **options):
    with pytest.raises(PredictionsError) as error:
        compare(list(sources), **options)
    return str(error.value)


def test_a_message_names_the_file_and_its_row(tmp_path):
    q = Q.copy()
    q[60] = [0.9, 0.9, 0.9]
    folder = parts(tmp_path / "nn1", whole(q=q))
    assert refused(folder).startswith(f"{folder}/part-003.parquet, row 1: ")


def test_an_empty_part_first_takes_no_row(tmp_path):
    q = Q.copy()
    q[0] = [0.9, 0.9, 0.9]
    folder = parts(tmp_path / "nn1", whole(q=q))
    assert refused(folder).startswith(f"{folder}/part-001.parquet, row 1: ")


def test_parts_must_be_alike(tmp_path):
    folder = parts(tmp_path / "nn1", whole())
    write(whole().drop_columns(["prob_cat"]), folder / "part-100.parquet")
    assert refused(folder) == (
        f"{folder}/part-100.parquet has no column 'prob_cat', which {folder}/part-000.parquet has:"
        " the parts of one source must have the same columns"
    )
    table = whole().set_column(2, "prob_dog", whole()["prob_dog"].cast(pa.float32()))
    write(table, folder / "part-100.parquet")
    assert refused(folder) == (
        f"{folder}/part-100.parquet, column prob_dog: float, but double in {folder}/part-000.parquet;"
        " write the parts of one source alike"
    )
    write(whole().append_column("more", pa.array(LABELS)), folder / "part-100.parquet")
    assert "has no column 'more', which" in refused(folder)


def test_parts_that_name_other_classes(tmp_path):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(Q.ravel()), 3)
    table = pa.table({"label": LABELS, "probs": lists})
    folder = tmp_path / "nn1"
    for number, classes in enumerate((["a", "b", "c"], ["b", "a", "c"])):
        named = table.replace_schema_metadata({"classes": json.dumps(classes)})
        write(named, folder / f"part-{number}.parquet")
    assert refused(folder) == (
        f"{folder}/part-1.parquet names other classes in its metadata than {folder}/part-0.parquet: write them alike"
    )


def test_one_unreadable_part_among_a_hundred_is_named(tmp_path):
    folder = parts(tmp_path / "nn1", whole(), cuts=range(ROWS + 1))
    path = folder / "part-073.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert refused(folder).startswith(f"{path} is no complete Parquet file")


def test_other_formats_are_no_parts(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("label,prob_dog,prob_cat\ndog,0.9,0.1\n")
    assert refused(f"{tmp_path}/*.csv") == (
        f"{tmp_path}/a.csv: only Parquet and Arrow files are read as parts of one source"
    )


def test_a_stream_is_no_part(tmp_path):
    folder = tmp_path / "nn1"
    folder.mkdir()
    with pa.ipc.new_stream(str(folder / "a.arrow"), whole().schema) as writer:
        writer.write_table(whole())
    assert refused(folder) == (
        f"{folder}/a.arrow is an Arrow stream, which does not tell its length: write it as an Arrow file"
    )


def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path):
    folder = parts(tmp_path / "nn1", whole())
    os.symlink(folder / "none.parquet", folder / "part-100.parquet")
    assert refused(folder) == f"{folder}/part-100.parquet: no such file"


def test_a_link_out_of_the_folder(tmp_path):
    write(whole(), tmp_path / "elsewhere.parquet")
    folder = parts(tmp_path / "nn1", whole())
    os.symlink(tmp_path / "elsewhere.parquet", folder / "part-100.parquet")
    assert refused(folder) == (
        f"{folder}/part-100.parquet is a link that leads out of {folder}: put the file itself there"
    )
    (folder / "part-100.parquet").unlink()
    os.symlink(folder / "part-003.parquet", folder / "part-100.parquet")
    assert "stands in row" in refused(folder)  # within the folder it is read, and every id comes twice
