"""JSON Lines: what comes out is what stands in every line, and what is wrong is named by row and column."""

import json

import numpy as np
import pyarrow as pa
import pytest

from crossent.errors import PredictionsError
from crossent.predictions import json_lines
from predictions_files import CLASSES, IDS, LABELS, NN1, read

COMPRESSIONS = {"": None, ".gz": "gzip", ".zst": "zstd"}


def written(path, rows, end="\n"):
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + end for row in rows)
    compression = COMPRESSIONS.get(path.suffix)
    with pa.output_stream(str(path), compression=compression) as out:
        out.write(text.encode("utf-8", "surrogatepass"))
    return path


def per_class(q, ids=IDS, labels=LABELS):
    return [
        {"id": i, "label": CLASSES[y], "prob_dog": row[0], "prob_cat": row[1]}
        for i, y, row in zip(ids, labels, q.tolist(), strict=True)
    ]


def lists(q, ids=IDS, labels=LABELS, name="probs"):
    return [{"id": i, "label": int(y), name: row} for i, y, row in zip(ids, labels, q.tolist(), strict=True)]


@pytest.mark.parametrize(("suffix", "end", "shape"), [
    ("jsonl", "", per_class), ("ndjson", "", lists), ("jsonl", ".gz", lists), ("ndjson", ".gz", per_class),
    ("jsonl", ".zst", per_class), ("ndjson", ".zst", lists),
])  # fmt: skip
def test_rows_across_blocks(tmp_path, suffix, end, shape):
    n = 70_003
    rng = np.random.default_rng(0)
    q, labels = rng.dirichlet([1, 1], n), rng.integers(0, 2, n)
    ids = [f"é{i:06d}" for i in range(n)]
    blocks = read(written(tmp_path / f"a.{suffix}{end}", shape(q, ids, labels)), classes=CLASSES)
    assert [len(block.labels) for block in blocks] == [65_536, n - 65_536]
    np.testing.assert_array_equal(np.concatenate([block.outputs[0] for block in blocks]), q)
    np.testing.assert_array_equal(np.concatenate([block.labels for block in blocks]), labels)
    assert [i for block in blocks for i in block.ids.to_pylist()] == ids


@pytest.mark.parametrize("size", [1, 7, 60, 10**6])
def test_blocks_of_bytes_may_be_cut_anywhere(tmp_path, monkeypatch, size):
    monkeypatch.setattr(json_lines, "_BLOCK", size)
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(row) for row in per_class(NN1)]
    path.write_text("\ufeff\r\n" + "\r\n \r\n".join(lines))  # blank lines are no rows, the last has no end
    (block,) = read(path)
    np.testing.assert_array_equal(block.outputs[0], NN1)
    assert block.ids.to_pylist() == IDS


def test_whole_numbers_may_stand_among_fractions(tmp_path):
    rows = [{"label": "dog", "prob_dog": 1, "prob_cat": 0}] * 30_000 + [
        {"label": "cat", "prob_dog": 0.25, "prob_cat": 0.75}
    ]
    blocks = read(written(tmp_path / "a.jsonl", rows))
    np.testing.assert_array_equal(blocks[-1].outputs[0], [[1, 0]] * 30_000 + [[0.25, 0.75]])


def test_minus_infinity_is_a_logit(tmp_path):
    path = written(tmp_path / "a.jsonl", lists(np.array([[0, -np.inf]] * 3), name="logits"))
    (block,) = read(path, classes=CLASSES)
    np.testing.assert_array_equal(block.outputs[0], [[0, -np.inf]] * 3)


def test_ids_are_what_they_are(tmp_path):
    first = written(tmp_path / "a.jsonl", per_class(NN1, ids=[7, 8, 9]))
    second = written(tmp_path / "b.jsonl", per_class(NN1, ids=["7", "8", "9"]))
    (block,) = read(first, second)
    assert block.ids.to_pylist() == ["7", "8", "9"]


def test_soft_labels_and_other_keys(tmp_path):
    rows = [{"meta": {"a": [i]}, "probs": [0.5, 0.5], "label": [0.25, 0.75], "note": None} for i in range(3)]
    (block,) = read(written(tmp_path / "a.jsonl", rows), classes=CLASSES)
    np.testing.assert_array_equal(block.labels, [[0.25, 0.75]] * 3)


OBJECT = "write one object per line"
FAR = [json.dumps({"label": "dog", "prob_dog": 0.5, "prob_cat": 0.5})] * 24_999
WRONG = [
    ([], "a.jsonl is empty: write it again"),
    (["", " "], f"a.jsonl is empty: {OBJECT}"),
    (['[{"label": 0}]'], "a.jsonl is one JSON list, not JSON Lines: write one object per line, in pandas"
                         " to_json(orient='records', lines=True)"),
    (["label,prob_dog"], f'a.jsonl, row 1: not one JSON object (Expecting value: line 1 column 1 (char 0)): "label,prob_dog"; {OBJECT}'),
    (["{", '"label": 0', "}"], "a.jsonl, row 1: not one JSON object (Expecting property name enclosed in double quotes:"
                               f' line 1 column 2 (char 1)): "{{"; {OBJECT}'),
    (["3"], 'a.jsonl, row 1: 3, not an object; write {"label": ..., "probs": [...]}'),
    ([*FAR, "{}"], "a.jsonl, row 25000: no key 'label'; every line needs the keys of the first"),
    ([*FAR, '{"label": "dog", "prob_cat": 1}'],
     "a.jsonl, row 25000: no key 'prob_dog'; every line needs the keys of the first"),
    ([*FAR, "", FAR[0] + " " + FAR[0]], f"a.jsonl, row 25000: not one JSON object (Extra data: line 1 column 52 (char 51)):"
                                        f' "{FAR[0][:40]}"; {OBJECT}'),
    ([*FAR, FAR[0].replace("0.5", "null")], "a.jsonl, row 25000, column prob_dog: null; every row needs a value"),
    ([*FAR, FAR[0].replace("0.5", '"0.5"')],
     'a.jsonl, row 25000, column prob_dog: "0.5", text, not a number; mend it, or leave the row out'),
    ([*FAR, FAR[0].replace("0.5", "true")],
     "a.jsonl, row 25000, column prob_dog: true or false, not a number; mend it, or leave the row out"),
    ([*FAR, FAR[0].replace("0.5", '{"x": 1}')],
     "a.jsonl, row 25000, column prob_dog: an object, not a number; mend it, or leave the row out"),
    ([*FAR, FAR[0].replace('"dog"', "1")], "a.jsonl, row 25000, column label: 1, but rows above hold text; put it in quotes"),
    ([*FAR, FAR[0].replace('"dog"', '"\\ud800"')],
     "a.jsonl, row 25000, column label: half of a surrogate pair, which is no text; write it again"),
    ([*FAR, FAR[0].replace('"dog"', '"\\ud800"').replace("\\ud800", "\ud800")],
     "a.jsonl, row 25000: not UTF-8; save the file as UTF-8"),
    ([*FAR, FAR[0].replace("0.5", "NaN")],
     "a.jsonl, row 25000, column prob_dog: nan, but probabilities lie between 0 and 1; mend what made it"),
    ([*FAR, FAR[0].replace("{", '{"label": "cat", ')],
     "a.jsonl, row 25000 has the key 'label' more than once: keep one of them"),
    (['{"label": 0, "label": 1}'], "a.jsonl, row 1 has the key 'label' more than once: keep one of them"),
    ([*lists(NN1), {"id": "4", "label": 0, "probs": [1]}],
     "a.jsonl, row 4, column probs: 1 values, not 2; every row needs one value per class"),
    ([*lists(NN1), {"id": "4", "label": 0, "probs": [1, None]}],
     "a.jsonl, row 4, column probs: a null among the values; every class needs a number"),
    ([*lists(NN1), {"id": "4", "label": 0, "probs": 1}],
     "a.jsonl, row 4, column probs: 1, but rows above hold lists of numbers; write one number per class"),
    ([*lists(NN1), {"id": "4", "label": 0, "probs": [1, "0"]}],
     'a.jsonl, row 4, column probs: entry 2 is "0", text, not a number; every class needs a number'),
    ([*lists(NN1), {"id": "4", "label": 0.5, "probs": [1, 0]}],
     "a.jsonl, row 4, column label: 0.5 is a fraction; labels are names, or whole numbers 0..1"),
    ([*lists(NN1), {"id": 2**70, "label": 0, "probs": [1, 0]}],
     f"a.jsonl, row 4, column id: {2**70}, but rows above hold text; put it in quotes"),
    ([{"label": 0, "probs": {"dog": 1}}],
     "a.jsonl: column probs is an object; it must hold one list of numbers per row"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "sentence"), WRONG)
def test_one_sentence(tmp_path, monkeypatch, rows, sentence):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.jsonl", rows)
    classes = None if any("dog" in str(row) for row in rows) else CLASSES
    with pytest.raises(PredictionsError) as caught:
        read("a.jsonl", classes=classes)
    assert str(caught.value) == sentence


def test_damaged_compression(tmp_path):
    path = written(tmp_path / "a.jsonl.gz", FAR)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(PredictionsError, match=r"is damaged, or not compressed as its name says \(Truncated"):
        read(path)
    path.write_text("{}\n")
    with pytest.raises(PredictionsError, match="is damaged, or not compressed as its name says"):
        read(path)


def test_utf16(tmp_path):
    (tmp_path / "a.jsonl").write_text(FAR[0], encoding="utf-16")
    with pytest.raises(PredictionsError, match="is UTF-16: save it as UTF-8"):
        read(tmp_path / "a.jsonl")


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lines, "_LONGEST_LINE", 8 << 20)
    with pa.output_stream(str(tmp_path / "a.jsonl.gz"), compression="gzip") as out:
        for _ in range(40):
            out.write(b" " * (1 << 20))
    with pytest.raises(PredictionsError, match="a line is longer than 8 MB"):
        read(tmp_path / "a.jsonl.gz")
