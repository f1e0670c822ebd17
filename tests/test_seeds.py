"""A folder of seeds as one model: averages, the spread between runs, Welch's t, the verdict on the recipe."""

import math
import shutil

import numpy as np
import pytest
from scipy import stats

from crossent import CompareOptions, PredictionsError, compare, save_predictions
from crossent.measures import ExampleLosses
from crossent.seeds import averaged
from crossent.statistics import welch
from crossent.wording import MEASURES
from golden_cases import write_seeds

CE, SE = (2.0, 2.1, 1.9, 2.05, 1.95), (1.2, 1.4, 1.1, 1.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("seeds")
    write_seeds(path, "ce", CE)
    write_seeds(path, "se", SE)
    return path


@pytest.fixture(scope="module")
def found(folder):
    return compare([folder / "ce", folder / "se"])


@pytest.fixture(scope="module")
def runs(folder):
    """Each run compared alone, by recipe."""
    count = {"ce": len(CE), "se": len(SE)}
    return {
        recipe: [
            next(iter(compare([folder / recipe / f"seed-{seed}"]).models.values()))
            for seed in range(1, many + 1)
        ]
        for recipe, many in count.items()
    }


@pytest.mark.parametrize("recipe", ["ce", "se"])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_model_of_seeds_is_the_mean_of_its_runs(found, runs, recipe, measure):
    values = [run.by(measure).value for run in runs[recipe]]
    model = found.models[recipe]
    assert model.by(measure).value == pytest.approx(np.mean(values), rel=1e-13)
    assert model.by(measure).method == "t"
    assert model.seeds.by(measure).values == pytest.approx(values, rel=1e-15)
    assert model.seeds.by(measure).deviation == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert model.wrong == pytest.approx(np.mean([run.wrong for run in runs[recipe]]), rel=1e-15)


def test_what_is_counted_is_counted_over_all_runs(found, runs):
    for recipe, alone in runs.items():
        model = found.models[recipe]
        assert sum(model.confusion.values()) == 400 * len(alone)
        for cell, times in model.confusion.items():
            assert times == sum(run.confusion.get(cell, 0) for run in alone)
        assert [bin.examples for bin in model.reliability] == [
            sum(run.reliability[place].examples for run in alone) for place in range(15)
        ]
        assert model.temperature.value is None
        assert model.temperature.reason == f"each of the {len(alone)} seeds has a temperature of its own"


def losses(folder, recipe, many):
    """Per-example losses (runs, examples, 3), by NumPy alone."""
    import pyarrow.parquet as pq

    out = []
    for seed in range(1, many + 1):
        table = pq.read_table(folder / recipe / f"seed-{seed}" / "predictions.parquet")
        names = [name for name in table.column_names if name.startswith("logit_")]
        if names:
            z = np.stack([table[name].to_numpy() for name in names], axis=1)
        else:
            z = np.array(table["logits"].to_pylist())
        labels = table["label"].to_pylist()
        index = np.array([["dog", "cat", "fox"].index(label) for label in labels])
        q = np.exp(z - z.max(axis=1, keepdims=True))
        q /= q.sum(axis=1, keepdims=True)
        p = np.eye(3)[index]
        right = q[np.arange(len(q)), index]
        out.append(np.stack([q.argmax(axis=1) != index, ((p - q) ** 2).sum(axis=1), -np.log(right)], axis=1))
    return np.array(out, float)


def test_both_tests_are_those_of_scipy(folder, found):
    a, b = losses(folder, "ce", len(CE)), losses(folder, "se", len(SE))
    pair = found.pair("ce", "se")
    for place, measure in enumerate(MEASURES):
        paired = stats.ttest_rel(b[:, :, place].mean(axis=0), a[:, :, place].mean(axis=0))
        assert pair.by(measure).p_value == pytest.approx(paired.pvalue, rel=1e-9)
        limits = paired.confidence_interval(0.95)
        assert (pair.by(measure).low, pair.by(measure).high) == pytest.approx(tuple(limits), rel=1e-10)
        between = stats.ttest_ind(b[:, :, place].mean(axis=1), a[:, :, place].mean(axis=1), equal_var=False)
        over = pair.seeds.by(measure)
        assert over.p_value == pytest.approx(between.pvalue, rel=1e-9)
        limits = between.confidence_interval(0.95)
        assert (over.low, over.high) == pytest.approx(tuple(limits), rel=1e-10)
        assert over.method == "welch"


def test_parts_go_by_what_most_seeds_say(folder, found):
    a, b = losses(folder, "ce", len(CE)), losses(folder, "se", len(SE))
    wrong_a, wrong_b = a[:, :, 0].mean(axis=0) >= 0.5, b[:, :, 0].mean(axis=0) >= 0.5
    pair = found.pair("ce", "se")
    assert pair.only_a_wrong == np.count_nonzero(wrong_a & ~wrong_b)
    assert pair.only_b_wrong == np.count_nonzero(wrong_b & ~wrong_a)
    assert pair.gap["both_wrong"].examples == np.count_nonzero(wrong_a & wrong_b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0.1, 0.2, 0.15], [0.3, 0.35, 0.2, 0.4]),
        ([1.0, 1.0, 1.0 + 1e-6], [1.1, 1.2, 1.05]),  # one side hardly varies
        ([1e-9, 2e-9], [5.0, 6.0]),
        ([3.0, 3.0 + 1e-9, 3.0 - 1e-9], [3.0, 3.0 + 2e-9, 3.0 - 1e-9]),
    ],
)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_welch_is_that_of_scipy(a, b, confidence):
    found, theirs = welch(a, b, confidence), stats.ttest_ind(b, a, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-7)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(confidence)), rel=1e-7)


@pytest.mark.parametrize(
    ("a", "b", "difference"),
    [
        ([0.1], [0.2, 0.3], 0.15),
        ([0.1, 0.1], [0.2, 0.2], 0.1),
        ([0.1, 0.2], [math.inf, 0.3], math.inf),
        ([math.inf, 0.2], [math.inf, 0.3], None),
    ],
)
def test_welch_without_an_interval(a, b, difference):
    found = welch(a, b, 0.95)
    assert found.difference == (None if difference is None else pytest.approx(difference))
    assert (found.low, found.high, found.p_value, found.detectable) == (None, None, None, None)


def test_the_recipe_needs_both_tests(folder, tmp_path):
    write_seeds(tmp_path, "ce", (2.0, 1.2, 1.9))
    write_seeds(tmp_path, "se", (1.2, 2.3, 1.1))
    found = compare([tmp_path / "ce", tmp_path / "se"])
    pair = found.pair("ce", "se")
    assert pair.cross_entropy.p_value < 0.001 < 0.5 < pair.seeds.cross_entropy.p_value
    assert found.outcome == "undecided"
    assert "Undecided beyond these seeds" in found.verdict


def test_one_run_against_several_seeds_is_about_these_runs(folder):
    found = compare([folder / "ce" / "seed-1", folder / "se"])
    assert found.signature.seeds == (1, 4)
    pair = found.pairs[0]
    assert (pair.seeds.a_runs, pair.seeds.b_runs, pair.outcome) == (1, 4, "worse")
    assert pair.seeds.cross_entropy.p_value is None
    assert "about these runs, not about the recipe" in found.verdict
    assert "about these runs, not about the recipe" in str(found)


def test_a_margin_holds_for_the_seeds_too(folder):
    def outcome(margin):
        return compare([folder / "ce", folder / "se"], options=CompareOptions(margin=margin)).outcome

    high = compare([folder / "ce", folder / "se"]).pair("ce", "se").seeds.cross_entropy.high
    assert outcome(high + 1e-9) == "equal"
    assert outcome(0.99 * high) == "undecided"  # inside over examples, not over seeds


def test_seeds_are_read_in_the_order_of_their_numbers(folder, tmp_path):
    for seed, new in ((1, 10), (2, 2), (3, 1)):
        shutil.copytree(folder / "ce" / f"seed-{seed}", tmp_path / "ce" / f"seed-{new}")
    assert compare([tmp_path / "ce"]).models["ce"].seeds.runs == ("seed-1", "seed-2", "seed-10")


def test_several_pairs_are_adjusted_over_seeds_too(folder, tmp_path):
    write_seeds(tmp_path, "third", (1.6, 1.7, 1.5))
    found = compare([folder / "ce", folder / "se", tmp_path / "third"])
    raw = [pair.seeds.cross_entropy.p_value for pair in found.pairs]
    smallest = min(range(3), key=raw.__getitem__)
    assert found.pairs[smallest].seeds.cross_entropy.p_holm == pytest.approx(3 * raw[smallest])


def test_threads_change_no_bit(folder, found):
    again = compare([folder / "ce", folder / "se"], options=CompareOptions(threads=7))
    assert again.to_json() == found.to_json()


def test_a_run_folder_is_its_predictions(folder):
    of_folder = compare([folder / "ce" / "seed-2"])
    of_file = compare({"seed-2": folder / "ce" / "seed-2" / "predictions.parquet"})
    assert of_folder.to_json() == of_file.to_json()
    assert of_folder.models["seed-2"].classification_error.method == "wilson"


def test_the_same_predictions_as_two_seeds_are_noticed(folder, tmp_path):
    for seed in (1, 2):
        shutil.copytree(folder / "ce" / "seed-1", tmp_path / "ce" / f"seed-{seed}")
    assert compare([tmp_path / "ce"]).warnings == ("ce/seed-1 and ce/seed-2 are the same predictions",)


def test_one_infinite_run_makes_the_mean_infinite(tmp_path):
    labels = np.arange(40) % 2
    q = np.full((40, 2), 0.3)
    q[np.arange(40), labels] = 0.7
    zero = q.copy()
    zero[5] = 0
    zero[5, 1 - labels[5]] = 1.0
    for seed, probs in enumerate((q, zero, q), 1):
        path = tmp_path / "m" / f"seed-{seed}"
        path.mkdir(parents=True)
        save_predictions(path / "predictions.parquet", labels=labels, probs=probs, classes=["a", "b"])
    found = compare([tmp_path / "m", tmp_path / "m" / "seed-1"])
    model = found.models["m"]
    assert model.cross_entropy.value == math.inf
    assert (model.zero_probability_examples, model.finite.examples) == (1, 39)
    assert model.seeds.cross_entropy.deviation is None
    assert model.finite.cross_entropy.value == pytest.approx(-math.log(0.7))
    assert found.pairs[0].seeds.cross_entropy.difference == -math.inf


def test_a_majority_is_the_first_class_of_those_named_most():
    def run(*predicted):
        zeros = np.zeros((3, len(predicted)))
        no = np.zeros(len(predicted), bool)
        return ExampleLosses(np.array(predicted), zeros[0], no, no, zeros, 0.0)

    found = averaged([run(2, 1, 0), run(2, 0, 1), run(1, 1, 2), run(1, 2, 2)])
    assert found.predicted.tolist() == [1, 1, 2]


# What is refused


def refused(source, **options):
    with pytest.raises(PredictionsError) as error:
        compare([source], **options)
    return str(error.value)


def test_an_unfinished_seed_is_named(folder, tmp_path):
    shutil.copytree(folder / "ce", tmp_path / "ce")
    (tmp_path / "ce" / "seed-3" / "predictions.parquet").unlink()
    assert refused(tmp_path / "ce") == (
        f"{tmp_path}/ce/seed-3 has no predictions.parquet: finish that run, or move it out of {tmp_path}/ce"
    )


def test_a_run_that_holds_seeds_too_could_mean_either(folder, tmp_path):
    shutil.copytree(folder / "ce", tmp_path / "ce")
    shutil.copy(folder / "ce" / "seed-1" / "predictions.parquet", tmp_path / "ce")
    assert refused(tmp_path / "ce") == (
        f"{tmp_path}/ce holds predictions.parquet and seed-1 too: name one of them, or move one away"
    )


def test_seeds_that_are_files_are_not_parts_of_one(folder, tmp_path):
    for seed in (1, 2, 3):
        shutil.copy(folder / "ce" / f"seed-{seed}" / "predictions.parquet", tmp_path / f"seed-{seed}.parquet")
    assert refused(tmp_path) == (
        f"{tmp_path}/seed-1.parquet looks like the predictions of one seed of several, not like a part of one"
        f" file: move it to {tmp_path}/seed-1/predictions.parquet, or name it otherwise"
    )


def test_seeds_of_two_kinds(tmp_path):
    for seed, kind in ((1, "logits"), (2, "probs")):
        path = tmp_path / "ce" / f"seed-{seed}"
        path.mkdir(parents=True)
        save_predictions(path / "predictions.parquet", labels=[0, 1], classes=["a", "b"], **{kind: np.eye(2)})
    assert refused(tmp_path / "ce") == (
        f"{tmp_path}/ce/seed-1/predictions.parquet holds logits and {tmp_path}/ce/seed-2/predictions.parquet"
        " probs: the seeds of one model must hold the same"
    )


def test_seeds_on_other_examples(folder, tmp_path):
    write_seeds(tmp_path, "ce", (2.0, 2.1))
    path = tmp_path / "ce" / "seed-2" / "predictions.parquet"
    save_predictions(path, labels=[0], logits=np.eye(3)[:1], classes=["dog", "cat", "fox"], ids=["image 0"])
    assert "399" in refused(tmp_path / "ce")


def test_labels_of_several_seeds(folder):
    assert refused(folder / "se" / "seed-1", labels=str(folder / "ce")) == (
        f"{folder}/ce holds several seeds: name the folder of one of them"
    )
