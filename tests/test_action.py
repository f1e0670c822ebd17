"""The GitHub Action's steps, run as the shell they are, with inputs that would break careless quoting."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import crossent
from crossent.wording import MEASURES

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INSTALL, COMPARE = ACTION["runs"]["steps"]
HOSTILE = """it's "$(touch owned)" `touch owned`; touch owned #.parquet"""


@pytest.fixture
def folder(tmp_path):
    """A workspace with predictions good, bad and broken, and the command where the install step puts it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    noise = rng.normal(size=(300, 3))
    for name, skill in (("good", 2.0), ("bad", 0.5), (HOSTILE.removesuffix(".parquet"), 0.5)):
        logits = noise + skill * np.eye(3)[labels]
        path = tmp_path / f"{name}.parquet"
        crossent.save_predictions(path, labels=labels, logits=logits, classes=["dog", "cat", "fox"])
    (tmp_path / "broken.csv").write_text("id,prob_dog,prob_cat\n1,0.9,0.2\n")
    command = tmp_path / "temp" / "crossent" / "bin" / "crossent"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m crossent "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(inputs):
    """The step's variables, with each input as GitHub fills it in: as given, else its default, else empty."""
    assert inputs.keys() <= ACTION["inputs"].keys()
    filled = {}
    for variable, value in COMPARE["env"].items():
        name = re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", value)[1]
        filled[variable] = inputs.get(name, ACTION["inputs"][name].get("default", ""))
    return filled


def run(folder, **inputs):
    """Exit code, step summary, log and errors of the comparing step; run as GitHub runs `shell: bash`."""
    summary = folder / "summary.md"
    summary.write_text("what an earlier step wrote\n", encoding="utf-8")
    (folder / "step.sh").write_text(COMPARE["run"], encoding="utf-8")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"],
        cwd=folder,
        env={
            **os.environ,
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(folder / "temp"),
            **environment(inputs),
        },
        capture_output=True,
        encoding="utf-8",
    )
    earlier, _, written = summary.read_text(encoding="utf-8").partition("\n")
    assert earlier == "what an earlier step wrote"
    assert not (folder / "owned").exists()
    return done.returncode, written, done.stdout, done.stderr


def test_a_worse_candidate_fails_the_step_with_its_table_in_the_summary(folder):
    code, summary, log, errors = run(folder, baseline="good.parquet", candidate="bad.parquet")
    assert code == 3, errors
    assert summary.startswith("**bad makes more mistakes")
    assert re.search(r"^\| good \| +\d+ of 300 ", summary, re.MULTILINE)
    assert "crossent:" in summary.splitlines()[-1]
    assert log == summary


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"baseline": "bad.parquet", "candidate": "good.parquet"}, 0),
        ({"baseline": "good.parquet", "candidate": "good.parquet"}, 0),
        ({"baseline": "good.parquet", "candidate": "bad.parquet", "gate": "none"}, 0),
        ({"baseline": "good.parquet", "candidate": "bad.parquet", "margin": "5"}, 0),
        ({"baseline": "good.parquet", "candidate": "bad.parquet", "margin": "0.01"}, 3),
        ({"baseline": "bad.parquet", "candidate": "good.parquet", "gate": "as-good", "margin": "0.01"}, 0),
        ({"baseline": "good.parquet", "candidate": "bad.parquet", "gate": "as-good", "margin": "0.01"}, 3),
    ],
)
def test_the_gates_answer_is_passed_on(folder, inputs, code):
    found, summary, _, errors = run(folder, **inputs)
    assert found == code, errors
    assert "| always the same |" in summary


@pytest.mark.parametrize("measure", MEASURES)
def test_the_measure_leads_the_verdict(folder, measure):
    code, summary, _, _ = run(folder, baseline="good.parquet", candidate="bad.parquet", measure=measure)
    assert code == 3
    assert (f"measure:{measure}" in summary) == (measure != "cross_entropy")


def test_wrong_input_is_exit_1_with_its_sentence_in_the_log(folder):
    code, summary, _, errors = run(folder, baseline="good.parquet", candidate="broken.csv")
    assert (code, summary) == (1, "")
    assert re.match(r"crossent: .*broken\.csv.*\n$", errors)


@pytest.mark.parametrize(
    "inputs", [{"gate": "worst"}, {"measure": "accuracy"}, {"margin": "much"}, {"gate": "as-good"}]
)
def test_wrong_options_are_exit_2(folder, inputs):
    code, summary, _, errors = run(folder, baseline="good.parquet", candidate="bad.parquet", **inputs)
    assert (code, summary) == (2, "")
    assert errors


def test_names_are_never_read_by_the_shell(folder):
    code, summary, _, errors = run(folder, baseline="good.parquet", candidate=HOSTILE)
    assert code == 3, errors
    assert summary.startswith(r"**it's")


@pytest.mark.parametrize("variable", sorted(COMPARE["env"]))
def test_no_input_is_read_by_the_shell(folder, variable):
    name = re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", COMPARE["env"][variable])[1]
    inputs = {"baseline": "good.parquet", "candidate": "bad.parquet", name: '$(touch owned)"; touch owned; "'}
    code, summary, _, _ = run(folder, **inputs)
    assert code in (1, 2)
    assert summary == ""


def test_a_name_that_starts_with_a_dash_is_a_file(folder):
    (folder / "good.parquet").rename(folder / "--show.parquet")
    code, summary, _, errors = run(folder, baseline="--show.parquet", candidate="bad.parquet")
    assert code == 3, errors
    assert "| --show |" in summary


def test_labels_kind_and_further_arguments(folder):
    labels = np.arange(40) % 2
    np.save(folder / "the labels.npy", labels)
    for name, right in (("a b.npy", 0.9), ("c.npy", 0.6)):
        q = np.where(labels == 0, right, 1 - right)
        np.save(folder / name, np.stack([q, 1 - q], axis=1))
    code, summary, _, errors = run(
        folder,
        baseline="a b.npy",
        candidate="c.npy",
        labels="the labels.npy",
        kind="probs",
        arguments="--classes=dog, big cat\n--confidence\n0.9\n\n",
    )
    assert code == 0, errors  # every example the same loss: no spread, nothing shown
    assert "dog, big cat · paired by position · probabilities" in summary
    assert "conf:0.9|" in summary


def test_no_input_is_written_into_a_script():
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
    used = {re.fullmatch(r"\$\{\{ inputs\.(\w+) \}\}", value)[1] for value in COMPARE["env"].values()}
    assert used == ACTION["inputs"].keys()
    for value in ACTION["inputs"].values():
        assert value["description"].endswith(".")
        assert value.get("required", False) or "default" in value


def test_the_install_step_installs_this_very_version(folder):
    """A stand-in for `python3` makes the environment; what would be installed is the action's own folder."""
    (folder / "step.sh").write_text(INSTALL["run"], encoding="utf-8")
    fake = folder / "fake" / "python3"
    fake.parent.mkdir()
    said = folder / "said.txt"
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {said}\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; fi\n'
    )
    fake.chmod(0o755)
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "step.sh"],
        cwd=folder,
        env={
            "PATH": f"{fake.parent}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(folder / "a temp"),
            "GITHUB_ACTION_PATH": "/the action",
        },
        check=True,
    )
    words = said.read_text().splitlines()
    assert words[:3] == ["-m", "venv", str(folder / "a temp" / "crossent")]
    assert words[3:6] == ["-m", "pip", "install"]
    assert words[-1] == "/the action"


def test_every_input_stands_in_the_documentation():
    recipes = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = recipes.partition("## A gate in a pull request")[2]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == list(ACTION["inputs"])
