"""From folders of small generated pictures to a RUN: what is read, split, learnt, written, and gone on with."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("lightning")
pytest.importorskip("datasets")

import torch
from typer.testing import CliRunner

import crossent
from crossent.cli import app
from crossent.train import TrainOptions, fit, predict
from train_pictures import picture, pictures

COMMAND = [sys.executable, "-m", "crossent"]
QUIET = {"say": lambda sentence: None}


def run(*arguments):
    """The command in this process: code, stdout, stderr."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 + 24 pictures to train on, 8 + 8 for the test."""
    return pictures(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    """A finished run, what was said, and what it returned."""
    out = tmp_path_factory.mktemp("runs") / "ce"
    said = []
    return fit(folder, out=out, options=TrainOptions(epochs=12, threads=1), say=said.append), said


# A whole run


def test_a_run_is_a_folder_without_pickles(trained):
    found, _ = trained
    assert {path.name for path in found.path.iterdir()} == {
        "config.json",
        "metrics.csv",
        "model.safetensors",
        "predictions.parquet",
        "tensorboard",
    }
    config = json.loads((found.path / "config.json").read_text())
    assert config["classes"] == ["cat", "dog"]
    assert config["test"]["scored"].startswith("once, at the end")
    assert config["data"]["test"] == 16
    assert config["data"]["train"] + config["data"]["validation"] == 48
    assert len(config["data"]["digest"]) == 64


def test_it_learns_what_can_be_learnt(trained):
    found, said = trained
    assert found.config["test"]["classification_error"] == 0
    assert said[-2].startswith("on 16 test images, scored this once: 0.0% wrong")
    assert (said[-3]).startswith("epoch 12 of 12: training loss ")


def test_compare_takes_the_run_and_reports_its_curves(trained, tmp_path):
    found, _ = trained
    comparison = crossent.compare(found.path)
    (model,) = comparison.models.values()
    assert model.cross_entropy.value == pytest.approx(found.config["test"]["cross_entropy"], rel=1e-6)
    comparison.to_html(tmp_path / "report.html")
    assert "Loss of ce, by epoch" in (tmp_path / "report.html").read_text()


def test_ids_are_paths_below_the_folder(trained, folder):
    ids = pq.read_table(trained[0].path / "predictions.parquet")["id"].to_pylist()
    assert all((folder / id).is_file() for id in ids)


def test_the_best_epoch_is_kept(trained):
    rows = np.genfromtxt(trained[0].path / "metrics.csv", delimiter=",", names=True)
    assert list(rows["epoch"]) == list(range(1, 13))
    from safetensors import safe_open

    with safe_open(trained[0].path / "model.safetensors", "pt") as file:
        said = json.loads(file.metadata()["crossent"])
    assert said["epoch"] == 1 + rows["validation_cross_entropy"].argmin()


def test_predict_of_files_and_of_a_folder(trained, folder, tmp_path):
    found, _ = trained
    files = [folder / "test" / "cat" / "cat.100.png", folder / "test" / "dog" / "dog.100.png"]
    predicted = predict(found.path, files)
    assert [predicted.classes[place] for place in predicted.probs.argmax(1)] == ["cat", "dog"]
    whole = predict(found.path, [folder / "test"])
    assert whole.labels == ("cat",) * 8 + ("dog",) * 8
    whole.save(tmp_path / "again.parquet")
    again = pq.read_table(tmp_path / "again.parquet")
    test = pq.read_table(found.path / "predictions.parquet")
    np.testing.assert_allclose(
        np.stack(again["logits"].to_numpy()), np.stack(test["logits"].to_numpy()), rtol=1e-4, atol=1e-4
    )


def test_predictions_without_labels_take_them_from_elsewhere(trained, folder, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(folder / "test" / "cat" / "cat.100.png", flat / "a.png")
    predicted = predict(trained[0].path, [flat])
    assert predicted.labels is None
    predicted.save(tmp_path / "a.parquet")
    labels = {"id": ["a.png"], "label": ["cat"]}
    assert crossent.compare({"a": tmp_path / "a.parquet"}, labels=labels).models["a"].wrong == 0


# The same bits


def bits(folder):
    config = json.loads((folder / "config.json").read_text())
    return (
        (folder / "model.safetensors").read_bytes(),
        (folder / "predictions.parquet").read_bytes(),
        config["temperature"],
        [row.rsplit(",", 1)[0] for row in (folder / "metrics.csv").read_text().splitlines()],
    )


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """A run of four epochs that is never interrupted."""
    options = TrainOptions(epochs=4, threads=1, seed=3, network="course")
    return fit(folder, out=tmp_path_factory.mktemp("whole") / "run", options=options, **QUIET).path


@pytest.mark.parametrize(
    "epochs", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_a_run_that_was_killed_ends_with_the_same_bits(folder, whole, tmp_path, epochs):
    killed = tmp_path / "killed"
    options = ["--epochs", "4", "--threads", "1", "--seed", "3", "--network", "course"]
    arguments = [*COMMAND, "train", str(folder), "--out", str(killed), *options]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wanted = killed / ("metrics.csv" if epochs else "config.json")
    while not wanted.exists() or (epochs and wanted.read_text().count("\n") <= epochs):
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.002)
    running.kill()
    running.communicate()
    assert not (killed / "predictions.parquet").exists()
    code, out, err = run("train", folder, "--out", killed, "--resume")
    assert (code, out) == (0, ""), err
    assert bits(killed) == bits(whole)


def test_a_run_killed_between_its_files_ends_with_the_same_bits(folder, whole, tmp_path, monkeypatch):
    """After the weights of an epoch, and after its figures, but before its checkpoint."""
    from crossent.train import training
    from crossent.train.checkpoints import SafetensorsIO

    options = TrainOptions(epochs=4, threads=1, seed=3, network="course")
    for place, (owner, name) in enumerate(((training, "written"), (SafetensorsIO, "save_checkpoint"))):
        out, before = tmp_path / str(place), getattr(owner, name)
        calls = []

        def third(*given, before=before, calls=calls, **named):
            calls.append(given)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return before(*given, **named)

        monkeypatch.setattr(owner, name, third)
        with pytest.raises(KeyboardInterrupt):
            fit(folder, out=out, options=options, **QUIET)
        monkeypatch.undo()
        fit(folder, out=out, resume=True, **QUIET)
        assert len(calls) == 3
        assert bits(out) == bits(whole)


def test_ctrl_c_leaves_a_usable_run_and_says_how_to_go_on(folder, tmp_path):
    out = tmp_path / "run"
    arguments = [*COMMAND, "train", str(folder), "--out", str(out), "--epochs", "100", "--threads", "1"]
    running = subprocess.Popen(
        [*arguments, "--network", "course"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (out / "checkpoint.safetensors").exists():
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    printed, said = running.communicate()
    assert (running.returncode, printed) == (130, "")
    *_, last, end = said.splitlines()
    assert end == "crossent: interrupted"
    assert last == (
        f"{out} holds the best network so far; go on with: crossent train {folder} --out {out} --resume"
    )
    code, table, _ = run("predict", out, folder / "test" / "cat" / "cat.100.png")
    assert code == 0
    assert "cat 0." in table or "cat 1." in table


def test_a_checkpoint_of_another_config_is_refused(folder, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(
            folder,
            out=out,
            options=TrainOptions(epochs=5, threads=1, network="course"),
            say=stop_at("epoch 2"),
        )
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"epochs": 7}))
    with pytest.raises(crossent.TrainingError, match="is a checkpoint of another run"):
        fit(folder, out=out, resume=True, **QUIET)


def stop_at(words):
    def say(sentence):
        if sentence.startswith(words):
            raise KeyboardInterrupt

    return say


def test_a_damaged_checkpoint_is_a_sentence(folder, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(
            folder,
            out=out,
            options=TrainOptions(epochs=5, threads=1, network="course"),
            say=stop_at("epoch 2"),
        )
    (out / "checkpoint.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(crossent.TrainingError, match=r"checkpoint\.safetensors is damaged"):
        fit(folder, out=out, resume=True, **QUIET)


def test_resume_keeps_to_what_the_run_began_with(folder, tmp_path, trained):
    out = trained[0].path
    with pytest.raises(crossent.OptionError, match="epochs is 12, not 9; leave it out"):
        fit(folder, out=out, resume=True, options=TrainOptions(epochs=9), **QUIET)
    with pytest.raises(crossent.OptionError, match="goes on with images of"):
        fit(tmp_path, out=out, resume=True, **QUIET)
    said = []
    fit(folder, out=out, resume=True, say=said.append)
    assert said == [f"{out} is complete"]


# Losses and options


def test_each_loss_trains(folder, tmp_path):
    for loss in ("squared-error", "squared-error-logits"):
        found = fit(
            folder, out=tmp_path / loss, options=TrainOptions(loss=loss, epochs=12, threads=1), **QUIET
        )
        assert found.config["test"]["classification_error"] <= 0.25
    code, _, err = run("compare", tmp_path / "squared-error", tmp_path / "squared-error-logits")
    assert code == 0
    assert "squared-error-logits was trained on the squared error of its raw outputs" in err
    assert "cross-entropy is after temperature" in err


def test_criteria_are_what_their_names_say():
    from crossent.train.criterion import criterion

    outputs, labels = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.0, 0.0]]), torch.tensor([0, 2])
    q, p = outputs.softmax(1), torch.eye(3)[labels]
    weights = torch.tensor([1.0, 1.0, 3.0])[labels]

    def of(loss, **options):
        return criterion(TrainOptions(loss=loss, **options), ("a", "b", "c"), (1, 1, 2))(outputs, labels)

    ce = -(p * q.log()).sum(1)
    torch.testing.assert_close(of("cross-entropy"), ce.mean())
    torch.testing.assert_close(of("squared-error"), (q - p).square().sum(1).mean())
    torch.testing.assert_close(of("squared-error-logits"), (outputs - p).square().sum(1).mean())
    torch.testing.assert_close(
        of("cross-entropy", class_weights={"c": 3}), (ce * weights).sum() / weights.sum()
    )
    smooth = p * 0.9 + 0.1 / 3
    torch.testing.assert_close(
        of("squared-error", label_smoothing=0.1, class_weights={"c": 3}),
        ((q - smooth).square().sum(1) * weights).sum() / weights.sum(),
    )
    torch.testing.assert_close(
        of("cross-entropy", class_weights="balanced"),
        (ce * torch.tensor([4 / 3, 2 / 3])).sum() / 2,
    )
    with pytest.raises(crossent.OptionError, match="names 'd', which is none of a, b, c"):
        of("cross-entropy", class_weights={"d": 2})


def test_what_cannot_be_trained_on_is_refused_with_the_reason(folder, tmp_path):
    code, _, err = run("train", folder, "--out", tmp_path / "run", "--loss", "classification-error")
    assert code == 2
    assert "classification error has no gradient" in err
    code, _, err = run(
        "train", folder, "--out", tmp_path / "run", "--loss", "cross-entropy", "--task", "regression"
    )
    assert code == 2
    assert "a real number has no probability" in err
    assert not (tmp_path / "run").exists()


def test_patience_ends_a_run_and_going_on_does_not_add_to_it(folder, tmp_path):
    options = TrainOptions(epochs=40, patience=2, threads=1, network="course", learning_rate=1e-9)
    found = fit(folder, out=tmp_path / "run", options=options, **QUIET)
    epochs = len((found.path / "metrics.csv").read_text().splitlines()) - 1
    assert epochs < 40


def test_fine_tuning_starts_from_the_other_weights(trained, folder, tmp_path):
    first, _ = trained
    options = TrainOptions(epochs=1, threads=1, init=str(first.path), learning_rate=1e-9)
    found = fit(folder, out=tmp_path / "tuned", options=options, **QUIET)
    ours = dict(found.network.named_parameters())
    for name, tensor in first.network.named_parameters():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-4, atol=1e-6)
    with pytest.raises(crossent.OptionError, match="is a network 'small', not 'course'"):
        fit(
            folder,
            out=tmp_path / "other",
            options=TrainOptions(network="course", init=str(first.path)),
            **QUIET,
        )


def test_a_network_and_a_loss_of_ones_own(folder, tmp_path):
    network = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Dropout(0.1), torch.nn.Linear(12, 2)
    )
    before = network[3].weight.clone()
    found = fit(
        folder,
        out=tmp_path / "own",
        network=network,
        loss=torch.nn.CrossEntropyLoss(),
        options=TrainOptions(epochs=3, threads=1),
        **QUIET,
    )
    assert torch.equal(network[3].weight, before)
    assert not torch.equal(found.network[3].weight, before)
    picture = folder / "test" / "cat" / "cat.100.png"
    with pytest.raises(crossent.TrainingError, match="holds a network of your own, Sequential"):
        predict(found.path, [picture])
    assert predict(found.path, [picture], network=network).logits.shape == (1, 2)


def test_seeds_are_a_folder_that_compare_takes_as_one_model(folder, tmp_path):
    code, out, err = run(
        "train",
        folder,
        "--out",
        tmp_path / "ce",
        "--seeds",
        2,
        "--epochs",
        1,
        "--network",
        "course",
        "--threads",
        1,
    )
    assert (code, out) == (0, ""), err
    assert sorted(path.name for path in (tmp_path / "ce").iterdir()) == ["seed-1", "seed-2"]
    weights = [(tmp_path / "ce" / f"seed-{seed}" / "model.safetensors").read_bytes() for seed in (1, 2)]
    assert weights[0] != weights[1]
    (model,) = crossent.compare(tmp_path / "ce").models.values()
    assert model.seeds.runs == ("seed-1", "seed-2")
    with pytest.raises(crossent.TrainingError, match="it holds several runs: name one, such as"):
        predict(tmp_path / "ce", [folder])


@pytest.mark.slow
def test_two_devices_train_together(folder, tmp_path):
    """A command of its own: the second device runs the same command again."""
    options = ["--devices", "2", "--epochs", "2", "--network", "course", "--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "crossent", "train", folder, "--out", tmp_path / "two", *options],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 2 of 2") == 1
    assert (tmp_path / "two" / "predictions.parquet").exists()


# Regression


def test_regression_from_a_manifest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    levels = rng.uniform(0, 1, 60)
    lines = ["file,label"]
    for place, level in enumerate(levels):
        picture(level, rng).save(tmp_path / f"{place}.png")
        lines.append(f"{place}.png,{100 + 10 * level}")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(lines))
    options = ["--task", "regression", "--epochs", 12, "--threads", 1]
    for seed in (0, 1):
        code, out, err = run("train", manifest, "--out", tmp_path / f"run{seed}", "--seed", seed, *options)
        assert (code, out) == (0, ""), err
    written = pq.read_table(tmp_path / "run0" / "predictions.parquet")
    assert written.column_names == ["id", "prediction", "label"]
    code, out, err = run("compare", "--task", "regression", "run0", "run1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{len(written)} examples · paired by id · squared error of numbers"
    values = {line.rsplit(maxsplit=1)[0].split()[0]: line for line in lines[3:5]}
    assert set(values) == {"run0", "run1"}
    assert lines[7].startswith("run1 − run0   squared error ")
    error = json.loads(run("compare", "--task", "regression", "run0", "--format", "json")[1])
    expected = np.mean((written["label"].to_numpy() - written["prediction"].to_numpy()) ** 2)
    assert error["models"]["run0"]["value"] == pytest.approx(expected)
    assert expected < error["always_the_mean"]
    code, out, _ = run("predict", "run0", "3.png")
    assert float(out.split()[1]) == pytest.approx(100 + 10 * levels[3], abs=8)


def test_manifests_may_be_parquet(folder, tmp_path):
    from crossent.train.listing import listed

    files = sorted((folder / "train").rglob("*.png"))
    table = pa.table({"file": [str(file) for file in files], "label": [file.parent.name for file in files]})
    pq.write_table(table, tmp_path / "all.parquet")
    found = listed(tmp_path / "all.parquet", task="classification", class_from_name=False)
    assert found.classes == ("cat", "dog")
    assert len(found.examples) == 48
    assert not found.split


def test_names_stay_functions_once_they_were_used(trained):
    from crossent import train

    assert callable(train.fit)
    assert callable(train.predict)
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        train.fitt  # noqa: B018 the access is what is tested
