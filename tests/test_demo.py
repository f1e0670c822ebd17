"""The demo as its reader meets it: a whole run in a process of its own, and the parts that it is made of."""

import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

import crossent
from crossent import demo
from crossent.digits import CLASSES, Network, parts, scans

NAMES = [demo.CROSS_ENTROPY, demo.SAME_RATE, demo.OWN_RATE]
LOSSES = {
    "cross-entropy": (crossent.softmax_cross_entropy, crossent.softmax_cross_entropy_and_grad),
    "squared error": (crossent.softmax_squared_error, crossent.softmax_squared_error_and_grad),
}
# `python -m crossent` where nothing but the base install is to be found
BASE_ONLY = """
import runpy, sys
class Hidden:
    def find_spec(name, *_):
        if name in ("torch", "sklearn", "pandas", "polars"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden)
runpy.run_module("crossent", run_name="__main__")
"""


def ran(how, out, folder):
    command = [sys.executable, *how, "demo", "--out", out]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def printed(folder):
    """The results of one run, which told its progress apart from them."""
    code, out, err = ran(["-m", "crossent"], "it's here/now", folder)
    assert code == 0, err
    assert re.fullmatch(r"training 14 networks .*\nwrote the predictions .* to it's here/now\n", err)
    return out


def file_of(name, folder):
    return folder / "it's here" / "now" / f"{name}.parquet"


# --- the data ---------------------------------------------------------------------------------------------


def test_scans_are_those_of_scikit_learn_bit_for_bit():
    images, labels = scans()
    known = load_digits()
    assert (images.dtype, labels.dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(images, known.images)
    np.testing.assert_array_equal(labels, known.target)


def test_data_are_small_and_say_whose_they_are():
    folder = files("crossent") / "data"
    assert {entry.name for entry in folder.iterdir()} == {"DIGITS.txt", "digits.npz"}
    assert sum(len(entry.read_bytes()) for entry in folder.iterdir()) < 100_000
    said = (folder / "DIGITS.txt").read_text(encoding="utf-8")
    for word in ("Alpaydin", "Kaynak", "10.24432/C50P49", "creativecommons.org/licenses/by/4.0", "Changes"):
        assert word in said


def test_parts_hold_every_digit_once_and_in_order():
    images, labels = scans()
    split = parts()
    three = (split.train, split.validation, split.test)
    pixels = np.concatenate([part.images for part in three])
    assert [name for part in three for name in part.ids] == [f"digit-{row:04}" for row in range(1797)]
    np.testing.assert_array_equal(pixels.reshape(-1, 8, 8) * 16, images)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in three]), labels)
    assert [len(part) for part in three] == [776, 253, 768]


def test_parts_begin_with_a_sheet_and_hold_all_classes():
    split = parts()
    for part in (split.train, split.validation, split.test):
        assert part.labels[:30].tolist() == [*range(10)] * 3
        assert set(part.labels.tolist()) == set(range(10))
        assert (part.images.min(), part.images.max()) == (0.0, 1.0)


# --- the training -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def under_way():
    """A network that has taken a step, so that no bias is 0, and some digits."""
    train = parts().train
    network = Network.start(np.random.default_rng(7))
    _, gradient = crossent.softmax_cross_entropy_and_grad(network.logits(train.images), train.labels)
    return (
        network.step(train.images, gradient / len(train), 0.5),
        train.images[100:130],
        train.labels[100:130],
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_goes_down_the_slope_of_the_loss(loss, under_way):
    """Against 4th-order differences, by a parameter of each array, under uneven weights of the digits."""
    network, images, labels = under_way
    value, value_and_grad = LOSSES[loss]
    upstream = np.linspace(-1, 2, len(labels))
    _, gradient = value_and_grad(network.logits(images), labels, upstream=upstream)
    stepped = network.step(images, gradient, 1.0)

    for array, where in [(0, (20, 3)), (0, (36, 31)), (1, (0, 9)), (1, (17, 0)), (2, (5,)), (3, (4,))]:

        def moved(by, array=array, where=where):
            arrays = [part.copy() for part in (*network.weights, *network.biases)]
            arrays[array][where] += by
            logits = Network((arrays[0], arrays[1]), (arrays[2], arrays[3])).logits(images)
            return float(upstream @ value(logits, labels))

        def slope(h, moved=moved):
            return (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)

        before, after = ((*of.weights, *of.biases)[array][where] for of in (network, stepped))
        h = 2.0**-8
        fine, coarse = slope(h), slope(2 * h)
        # the error at h is a 15th of the difference; each of the sums is right to 30 terms of 8 ulp
        rounding = 1.5 / h * 30 * 8 * 2.0**-53 * np.abs(upstream).max() * 3
        assert abs((before - after) - fine) <= abs(fine - coarse) / 8 + rounding
        assert abs(fine) > 100 * rounding


@pytest.mark.parametrize("loss", LOSSES)
def test_each_step_lowers_its_own_loss(loss, under_way):
    network, images, labels = under_way
    value, value_and_grad = LOSSES[loss]
    losses = [value(network.logits(images), labels).mean()]
    for _ in range(20):
        _, gradient = value_and_grad(network.logits(images), labels, upstream=1 / len(labels))
        network = network.step(images, gradient, 0.1)
        losses.append(value(network.logits(images), labels).mean())
    assert all(np.diff(losses) < 0)


def test_all_networks_have_the_same_start_and_as_many_epochs():
    train = parts().train
    for gradient in demo.LOSSES.values():
        epochs = []
        network = demo.train(train, gradient, 0.0, epochs.append)
        assert sum(epochs) == demo.EPOCHS
        start = Network.start(np.random.default_rng(0))
        np.testing.assert_array_equal(network.logits(train.images), start.logits(train.images))


# --- the whole --------------------------------------------------------------------------------------------


def test_the_worked_example_comes_first(printed):
    first, _ = printed.split("\n2. ")
    for line in (
        "NN1                1 of 3   0.33            0.25             0.38               0.69",
        "NN2                1 of 3   0.33            0.71             1.06               0.35",
        "Same number of mistakes, but NN2 is more wrong: on 3 of 3 examples, cross-entropy 1.06 against 0.38",
        "3         1 0                  0.4 0.6   0.7200          0.9163          0.1 0.9   1.6200",
    ):
        assert line in first


def test_rates_are_the_best_of_each_line_and_none_is_the_first_or_last(printed):
    def numbers(line):
        (found,) = re.findall(rf"^{line} +([\d. ]+)$", printed, re.MULTILINE)
        return [float(text) for text in found.split()]

    rates, validation = numbers("learning rate"), parts().validation
    assert rates == list(demo.RATES)
    best = {}
    for loss, gradient in demo.LOSSES.items():
        scores = numbers(f"trained on {loss}")
        best[loss] = rates[int(np.argmin(scores))]
        assert best[loss] not in (rates[0], rates[-1])
        network = demo.train(parts().train, gradient, best[loss], lambda epochs: None)
        exact = crossent.softmax_cross_entropy(network.logits(validation.images), validation.labels).mean()
        assert abs(exact - min(scores)) <= 0.0005 + 1e-9
    assert f"\n{demo.CROSS_ENTROPY}: its best rate, {best['cross-entropy']:g}\n" in printed
    assert f"\n{demo.SAME_RATE}: that of cross-entropy, {best['cross-entropy']:g}\n" in printed
    assert f"\n{demo.OWN_RATE}: its own best rate, {best['squared error']:g}\n" in printed


@pytest.mark.parametrize(
    ("name", "loss"), [*zip(NAMES, ["cross-entropy", "squared error", "squared error"], strict=True)]
)
def test_each_file_holds_the_logits_of_the_network_it_is_named_after(name, loss, printed, folder):
    (rate,) = re.findall(rf"^{name}: .*, ([\d.]+)$", printed, re.MULTILINE)
    split = parts()
    network = demo.train(split.train, LOSSES[loss][1], float(rate), lambda epochs: None)
    table = pq.read_table(file_of(name, folder)).to_pydict()
    assert table["id"] == list(split.test.ids)
    assert table["label"] == [CLASSES[label] for label in split.test.labels]
    np.testing.assert_array_equal(np.array(table["logits"]), network.logits(split.test.images))


def test_what_is_printed_is_the_comparison_of_the_files(printed, folder):
    comparison = crossent.compare([file_of(name, folder) for name in NAMES])
    assert list(comparison.models) == NAMES
    assert f"\n{comparison}\n" in printed
    assert "\n".join(demo.sentences(comparison)) in printed
    # far from the 0.90 of a guess: the networks did learn
    assert all(model.classification_error.value < 0.15 for model in comparison.models.values())


def test_the_next_commands_work_as_they_are_printed(printed, folder):
    commands = [line.strip() for line in printed.split("3. Now you\n")[1].splitlines() if line]
    assert len(commands) == 3
    results = []
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        results.append(done.stdout)
    two, by_squared_error, markdown = results
    assert [name in two for name in NAMES] == [True, False, True]
    assert "By squared error, from the least to the most wrong: " in by_squared_error
    assert re.search(rf"^\| *{demo.SAME_RATE} *\|", markdown, re.MULTILINE)


def test_a_second_run_on_the_base_install_alone_gives_the_same_bytes(printed, folder):
    code, out, err = ran(["-c", BASE_ONLY], "again", folder)
    assert code == 0, err
    assert out.split("3. Now you")[0] == printed.split("3. Now you")[0]
    for name in NAMES:
        assert (folder / "again" / f"{name}.parquet").read_bytes() == file_of(name, folder).read_bytes()
    assert len(list((folder / "again").iterdir())) == 3


# --- what it says -----------------------------------------------------------------------------------------


def made_up(same, own, examples=400):
    """A comparison in which the two squared-error networks stand as asked against the other one."""
    random = np.random.default_rng(3)
    labels = np.arange(examples) % 10
    right = np.eye(10)[labels]
    logits = 2 * right + random.normal(size=(examples, 10))
    to_and_fro = np.where(np.arange(examples) // 10 % 2, 0.3, -0.3)
    few = np.arange(examples) % 20 == 0
    by = {
        "worse": np.full(examples, -1.0),
        "better": np.full(examples, 1.0),
        "undecided": to_and_fro,
        "equal": np.zeros(examples),
        "worse by few": np.where(few, -5.0, 0.0),
        "better by few": np.where(few, 5.0, 0.0),
    }
    others = (logits + by[standing][:, None] * right for standing in (same, own))
    return crossent.compare(
        dict(zip(NAMES, [logits, *others], strict=True)), labels=labels, classes=CLASSES, kind="logits"
    )


CONCLUSIONS = {
    ("worse", "worse"): "So squared error did worse here at either rate",
    ("worse", "better"): "So squared error did better here, but only at the rate chosen for it",
    ("worse", "undecided"): "So what looked like a worse loss may have been no more than a rate",
    ("worse", "equal"): "So what looked like a worse loss may have been no more than a rate",
    ("better", "worse"): "So squared error did worse here, but only at the rate chosen for it",
    ("better", "better"): "So squared error did better here at either rate",
    ("better", "undecided"): "So squared error did better here, but only at the rate chosen for cross-ent",
    ("better", "equal"): "So squared error did better here, but only at the rate chosen for cross-ent",
    ("undecided", "worse"): "So squared error did worse here, but only at the rate chosen for it",
    ("undecided", "better"): "So squared error did better here, but only at the rate chosen for it",
    ("undecided", "undecided"): "So these digits give no reason to prefer one of the two losses",
    ("undecided", "equal"): "So these digits give no reason to prefer one of the two losses",
    ("equal", "worse"): "So squared error did worse here, but only at the rate chosen for it",
    ("equal", "better"): "So squared error did better here, but only at the rate chosen for it",
    ("equal", "undecided"): "So these digits give no reason to prefer one of the two losses",
    ("equal", "equal"): "So these digits give no reason to prefer one of the two losses",
}
WORDS = {
    "worse": "squared error gave the network that is more wrong: ",
    "better": "squared error gave the network that is less wrong: ",
    "undecided": "these 400 digits do not tell which loss did better: ",
    "equal": "squared error gave the same predictions: ",
}


@pytest.mark.parametrize(("same", "own"), CONCLUSIONS)
def test_sentences_follow_the_figures(same, own):
    comparison = made_up(same, own)
    first, second, third = demo.sentences(comparison)
    assert first.startswith(f"At the rate that is best for cross-entropy, {WORDS[same]}")
    assert second.startswith(f"At its own best rate, {WORDS[own]}")
    assert third.startswith(CONCLUSIONS[same, own])
    assert third.endswith("; another seed or other writers may change that.")
    other = comparison.models[demo.CROSS_ENTROPY]
    for sentence, name in ((first, demo.SAME_RATE), (second, demo.OWN_RATE)):
        model = comparison.models[name]
        found = re.search(
            r": cross-entropy ([\d.]+) against ([\d.]+), (\d+) mistakes against (\d+)\.$", sentence
        )
        assert [int(found[3]), int(found[4])] == [model.wrong, other.wrong]
        for text, value in ((found[1], model.cross_entropy.value), (found[2], other.cross_entropy.value)):
            assert abs(float(text) - value) <= 0.5 * 10.0 ** -len(text.split(".")[1]) + 1e-12


def test_sentences_say_where_few_digits_decide():
    first, second, _ = demo.sentences(made_up("worse by few", "better by few"))
    assert "the network that is more wrong, though few digits decide that: " in first
    assert "the network that is less wrong, though few digits decide that: " in second


def test_commands_name_the_program_that_is_there_and_paths_that_a_shell_takes(tmp_path, monkeypatch):
    paths = [Path("-a b", f"{name}.parquet") for name in "xyz"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert all(
        shlex.split(command)[:4] == [sys.executable, "-m", "crossent", "compare"]
        for command in demo.next_commands(paths)
    )
    (tmp_path / "crossent").touch(0o755)
    assert demo.next_commands(paths) == [
        "crossent compare './-a b/x.parquet' './-a b/z.parquet'",
        "crossent compare './-a b/x.parquet' './-a b/y.parquet' './-a b/z.parquet' --measure squared_error",
        "crossent compare './-a b/y.parquet' './-a b/z.parquet' --format markdown",
    ]


# --- where it cannot write --------------------------------------------------------------------------------


def test_a_file_in_the_place_of_the_folder_is_one_sentence_before_anything_else(tmp_path):
    (tmp_path / "taken").write_text("mine")
    code, out, err = ran(["-m", "crossent"], "taken", tmp_path)
    assert (code, out) == (1, "")
    assert err == "crossent: taken cannot be written (File exists): name another folder with --out\n"
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("taken/below", "Not a directory"),
        (
            "/sys" if sys.platform == "linux" else "/System",
            "Permission denied|Read-only file system|not permitted",
        ),
    ],
)
def test_a_folder_that_cannot_be_written_is_said_at_once(out, reason, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(
        crossent.PredictionsError, match=rf"{out} cannot be written \(({reason})\): name another"
    ):
        demo.run(tmp_path / out, say=pytest.fail, show=pytest.fail)
