"""From sources to a comparison: the worked example in every form, real predictions, storage types."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from crossent import CompareOptions, OptionError, compare
from crossent.report.as_text import as_text
from golden_cases import DOG_CAT, worked_example

REAL = Path(__file__).parents[2] / "shared" / "data" / "predictions"
real_data = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real predictions are not at {REAL}")

IDS, LABELS = ["1", "2", "3"], ["dog", "cat", "dog"]
TABLE = """\
3 examples · dog, cat · paired by {pairing} · probabilities · nats

                        wrong          squared error    cross-entropy    typical q of the label
NN1                1 of 3   0.33            0.25             0.38               0.69
NN2                1 of 3   0.33            0.71             1.06               0.35
always the same    1 of 3   0.33            0.44             0.64               0.53

Same number of mistakes, but NN2 is more wrong: on 3 of 3 examples, cross-entropy 1.06 against 0.38 (+0.68).
  +0.22 where both are right (2 examples) · +0.46 where both are wrong (1 example)
Undecided beyond these 3 examples: bring at least 20 to say something about others.

crossent:0.1.0|n:3|k:2|kind:probs|pair:{pairing}|conf:0.95|"""


def csv_by_hand(folder):
    for name, q in DOG_CAT.items():
        rows = [f"{i},{label},{row[0]},{row[1]}" for i, label, row in zip(IDS, LABELS, q, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["id,label,prob_dog,prob_cat", *rows]) + "\n")
    return [folder / "NN1.csv", folder / "NN2.csv"]


def csv_in_another_order(folder):
    sources = csv_by_hand(folder)
    rows = [f"{row[1]},{row[0]},{i}" for i, row in zip(IDS, DOG_CAT["NN2"], strict=True)]
    sources[1].write_text("\n".join(["prob_cat,prob_dog,id", rows[2], rows[0], rows[1]]) + "\n")
    return sources


def parquet(folder):
    for name, q in DOG_CAT.items():
        columns = {"id": IDS, "label": LABELS, "prob_dog": [r[0] for r in q], "prob_cat": [r[1] for r in q]}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return [folder / "NN1.parquet", folder / "NN2.parquet"]


def npz(folder):
    for name, q in DOG_CAT.items():
        np.savez(folder / f"{name}.npz", ids=IDS, labels=LABELS, probs=q, classes=["dog", "cat"])
    return [folder / "NN1.npz", folder / "NN2.npz"]


def lists(_):
    return {name: {"id": IDS, "label": LABELS, "probs": q} for name, q in DOG_CAT.items()}


def tensors(_):
    return {
        name: {"id": torch.tensor([1, 2, 3]), "label": torch.tensor([0, 1, 0]), "probs": torch.tensor(q)}
        for name, q in DOG_CAT.items()
    }


@pytest.mark.parametrize("form", [csv_by_hand, csv_in_another_order, parquet, npz, lists, tensors])
def test_the_worked_example_prints_to_the_letter(form, tmp_path):
    sources = form(tmp_path)
    found = compare(sources, classes=["dog", "cat"] if form in (lists, tensors) else None)
    assert as_text(found).startswith(TABLE.format(pairing="id"))
    assert found.warnings == ()
    assert str(found.signature) == str(worked_example().signature)


def test_the_worked_example_of_bare_matrices_is_paired_by_position():
    found = compare(DOG_CAT, labels=LABELS, classes=["dog", "cat"], kind="probs")
    assert as_text(found).startswith(TABLE.format(pairing="position"))


def test_the_worked_example_in_json():
    found = json.loads(worked_example().to_json())
    nn1, _ = found["models"]
    assert nn1["classification_error"] == {
        "value": 1 / 3,
        "low": pytest.approx(0.0615, abs=5e-5),
        "high": pytest.approx(0.7923, abs=5e-5),
        "method": "wilson",
        "few_decide": False,
    }
    assert nn1["squared_error"]["value"] == pytest.approx(0.25333333333333335, rel=1e-15)
    assert nn1["cross_entropy"]["value"] == pytest.approx(0.37567058772993583, rel=1e-15)
    assert nn1["cross_entropy"]["low"] is None
    assert nn1["typical_probability"] == pytest.approx(0.6868285455319991, rel=1e-15)
    assert nn1["confusion"] == [[1, 1], [0, 1]]
    assert found["baseline"] == {
        "wrong": 1,
        "classification_error": pytest.approx(0.3333333333333333, rel=1e-15),
        "squared_error": pytest.approx(0.4444444444444444, rel=1e-15),
        "cross_entropy": pytest.approx(0.6365141682948128, rel=1e-15),
    }
    (pair,) = found["pairs"]
    assert pair["squared_error"]["difference"] == pytest.approx(0.4533333333333333, rel=1e-15)
    assert pair["cross_entropy"]["difference"] == pytest.approx(0.6810246325029871, rel=1e-15)
    assert pair["gap"]["both_right"] == {"examples": 2, "contribution": pytest.approx(0.2189265121296902)}
    assert pair["gap"]["both_wrong"] == {"examples": 1, "contribution": pytest.approx(0.4620981203732968)}
    assert (pair["a_more_wrong"], pair["b_more_wrong"], pair["about_equal"]) == (0, 3, 0)
    assert pair["half_of_gap"] is None
    assert (pair["outcome"], found["outcome"]) == ("undecided", "undecided")


@real_data
@pytest.mark.parametrize(("loss", "wrong", "brier"), [("brier", 500, "0.0815"), ("focal", 498, "0.0801")])
def test_the_known_figures_of_cifar10(loss, wrong, brier):
    model = compare([REAL / f"cifar10_resnet50_{loss}.npz"]).models[f"cifar10_resnet50_{loss}"]
    assert model.wrong == wrong
    assert f"{model.squared_error.value:.4f}" == brier


@real_data
@pytest.mark.parametrize(
    ("clip", "expected"), [(None, "0.8021881672"), (2.220446049250313e-16, "0.8021367509")]
)
def test_the_known_log_loss_of_hpc_cv(clip, expected):
    found = compare([f"{REAL / 'hpc_cv.npz'}:probs64"], kind="probs", options=CompareOptions(clip=clip))
    assert f"{found.models['hpc_cv'].cross_entropy.value:.10f}" == expected
    assert ("clip:" in str(found.signature)) == (clip is not None)


def rounded(what, classes, dtype, seed):
    """Outputs that the type holds; the logits are so far apart that exponentials underflow in float32."""
    rng = np.random.default_rng(seed)
    logits = (30 if what == "logit" else 3) * rng.normal(size=(500, classes))
    if what == "logit":
        return logits.astype(dtype)
    q = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (q / q.sum(axis=1, keepdims=True)).astype(dtype)


@pytest.mark.parametrize("what", ["prob", "logit"])
@pytest.mark.parametrize("suffix", ["parquet", "npz"])
def test_the_storage_type_changes_nothing(suffix, what, tmp_path):
    models = {name: rounded(what, 10, np.float16, seed) for seed, name in enumerate(("NN1", "NN2"))}
    labels = np.random.default_rng(3).integers(0, 10, 500)
    said = set()
    for dtype in (np.float16, np.float32, np.float64):
        files = {name: tmp_path / f"{name}-{np.dtype(dtype).name}.{suffix}" for name in models}
        for name, q in models.items():
            if suffix == "npz":
                np.savez(files[name], **{f"{what}s": q.astype(dtype)}, labels=labels)
            else:
                columns = {f"{what}_{i}": q[:, i].astype(dtype) for i in range(10)}
                pq.write_table(pa.table({"label": labels, **columns}), files[name])
        found = compare(files)
        divided = compare(files, options=CompareOptions(renormalize=True))
        said.add((as_text(found), found.to_json(), divided.to_json()))
    assert len(said) == 1


@pytest.mark.parametrize("what", ["prob", "logit"])
def test_of_one_column_too_the_storage_type_changes_nothing(what, tmp_path):
    q, labels = rounded(what, 2, np.float32, 0), np.arange(500) % 2
    said = set()
    for dtype in (np.float32, np.float64):
        path = tmp_path / f"{np.dtype(dtype).name}.parquet"
        pq.write_table(pa.table({"label": labels, f"{what}_1": q[:, 1].astype(dtype)}), path)
        said.add(compare({"NN": path}, classes=["0", "1"]).to_json())
    assert len(said) == 1


def test_one_zero_shows_inf_and_one_example_and_the_finite_comparison():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 60)
    a = rng.dirichlet([1, 1, 1], 60)
    b = a[:, [1, 0, 2]].copy()
    b[5] = [0.5, 0.5, 0.5]
    b[5, labels[5]] = 0
    found = compare({"a": a, "b": b}, labels=labels, kind="probs")
    model, pair = found.models["b"], found.pair("a", "b")
    assert model.cross_entropy.value == math.inf
    assert model.zero_probability_examples == 1
    assert math.isfinite(model.finite.cross_entropy.value)
    assert pair.cross_entropy.difference == math.inf
    assert pair.finite.examples == 59
    assert pair.outcome == "undecided"
    text = as_text(found)
    assert "b gave the right class probability 0 on 1 example: cross-entropy inf; without it" in text
    assert "over the other 59" in text
    assert "b gave the right class probability 0 on 1 example where a did not" in pair.verdict


def two_models(count=300):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, count)
    a = rng.normal(size=(count, 3)) + 3 * np.eye(3)[labels]
    return a, a + rng.normal(size=(count, 3)), labels


def test_the_gates_ask_for_the_last_model_against_the_first():
    a, b, labels = two_models()
    worse = compare([a, b], labels=labels, kind="logits", options=CompareOptions(margin=0.5))
    assert not worse.last_is_worse()  # by less than the margin
    assert worse.last_is_as_good()
    strict = CompareOptions(margin=0.001)
    assert compare([a, b], labels=labels, kind="logits", options=strict).last_is_worse()
    assert not compare([a, b], labels=labels, kind="logits", options=strict).last_is_as_good()
    assert not compare([b, a], labels=labels, kind="logits", options=strict).last_is_worse()
    assert compare([b, a], labels=labels, kind="logits", options=strict).last_is_as_good()
    assert compare([a, a], labels=labels, kind="logits", options=strict).last_is_as_good()


def test_as_good_without_a_margin_is_an_option_error():
    a, b, labels = two_models()
    with pytest.raises(OptionError, match="needs a margin"):
        compare([a, b], labels=labels, kind="logits").last_is_as_good()


def test_an_unknown_pair_names_those_that_there_are():
    with pytest.raises(OptionError, match=r"no pair \(NN2, NN1\); the pairs are: \(NN1, NN2\)"):
        worked_example().pair("NN2", "NN1")


def test_kinds_and_classes_that_cannot_be():
    with pytest.raises(OptionError, match="kind is 'prob'; choose logits or probs"):
        compare(DOG_CAT, labels=LABELS, kind="prob")
    with pytest.raises(OptionError, match="classes is the text 'dog,cat'; give a list of names"):
        compare(DOG_CAT, labels=LABELS, classes="dog,cat", kind="probs")


def test_examples_come_with_what_each_model_said():
    (first, *_) = worked_example().examples("NN1", "NN2", worse="NN2")
    assert (first.id, first.label, first.row) == ("3", 0, 2)
    assert [output.of_label for output in first.outputs] == [0.4, 0.1]
    assert worked_example().examples("NN1", "NN2", worse="NN1") == ()
    with pytest.raises(OptionError, match="must be 'NN1' or 'NN2'"):
        worked_example().examples("NN1", "NN2", worse="NN3")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"measure": "accuracy"},
            "measure is 'accuracy'; choose one of classification_error, squared_error, ",
        ),
        ({"margin": -1.0}, "margin is -1.0; it must be a number from 0 up"),
        ({"margin": math.nan}, "margin is nan"),
        ({"confidence": 95}, "confidence is 95; it must lie between 0 and 1, such as 0.95"),
        ({"clip": 0.0}, "clip is 0.0; it must lie between 0 and 1"),
        ({"label_is": "names"}, "label_is is 'names'; choose name or index"),
        ({"top": -1}, "top is -1"),
        ({"threads": 0}, "threads is 0"),
        ({"memory": 0}, "memory is 0"),
    ],
)
def test_options_out_of_range(options, sentence):
    with pytest.raises(OptionError, match=sentence.replace("(", r"\(")):
        CompareOptions(**options)
