"""The recipes, run as they stand in the documentation; then their files are compared as a user would."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = {
    heading: re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    for heading, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", RECIPES, re.DOTALL | re.MULTILINE)
}

# What each recipe writes, and how many examples it predicts.
FILES = {
    "scikit-learn": (["linear.parquet", "forest.parquet"], 1797),
    "PyTorch": (["torch.parquet"], 450),
    "Lightning": (["lightning.parquet"], 450),
    "Hugging Face Trainer": (["trainer.parquet"], 450),
    "Keras": (["keras.parquet"], 450),
    "JAX": (["jax.parquet"], 450),
}
# Networks see a digit for a second or two; one that guesses is wrong on nine of ten.
MOST_WRONG = 0.4


def run(heading, folder, then=""):
    (block,) = SECTIONS[heading]
    (folder / "recipe.py").write_text(block + then, encoding="utf-8")
    # one thread: on a machine that does other work too, small networks train many times faster
    alone = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "MPLCONFIGDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "recipe.py"],
        cwd=folder,
        env={**os.environ, **alone},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_recipe_is_run():
    trackers = ["MLflow", "Weights & Biases"]
    assert [heading for heading, blocks in SECTIONS.items() if blocks] == [*FILES, *trackers]


@pytest.mark.parametrize(
    "heading",
    ["PyTorch", *(pytest.param(name, marks=pytest.mark.slow) for name in FILES if name != "PyTorch")],
)
def test_what_a_recipe_writes_can_be_compared(heading, tmp_path):
    files, examples = FILES[heading]
    run(heading, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "crossent", "compare", *files, "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["examples"], found["signature"]["paired_by"]) == (examples, "id")
    assert found["classes"] == [*"0123456789"]
    for model in found["models"]:
        assert model["classification_error"]["value"] < MOST_WRONG
        assert model["cross_entropy"]["value"] < found["baseline"]["cross_entropy"]


def run_with_metrics(heading, folder):
    """The recipe's figures, from the process that gave them to its tracker: solvers differ from run to run."""
    keep = "\nimport json, pathlib\npathlib.Path('metrics.json').write_text(json.dumps(found.metrics()))\n"
    run(heading, folder, then=keep)
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_mlflow_keeps_every_figure(tmp_path):
    figures = run_with_metrics("MLflow", tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        kept = dict(database.execute("SELECT key, value FROM latest_metrics"))
        tags = dict(database.execute("SELECT key, value FROM tags"))
    database.close()
    assert kept == figures
    assert len(kept) > 20
    assert tags["crossent"].startswith("crossent:")
    (report,) = tmp_path.glob("mlruns/**/comparison.json")
    (pair,) = json.loads(report.read_text(encoding="utf-8"))["pairs"]
    assert kept["firm - mild/cross_entropy"] == pair["cross_entropy"]["difference"]


@pytest.mark.slow
def test_weights_and_biases_keeps_every_figure(tmp_path):
    figures = run_with_metrics("Weights & Biases", tmp_path)
    (log,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    written = log.read_bytes()
    assert len(figures) > 20
    for name, value in figures.items():
        key = bytes([len(name)]) + name.encode()  # as W&B's records hold it: its length, then the name
        kept = re.findall(re.escape(key) + rb"\x82\x01[\x00-\x1f]([-\d.e]+)", written)
        assert value in map(float, kept), name
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/comparison*.json")
    rows = json.loads(table.read_text(encoding="utf-8"))
    assert rows["columns"][:4] == ["model", "minus", "measure", "value"]
    assert len(rows["data"]) == 9


@pytest.mark.parametrize("heading", [heading for heading, blocks in SECTIONS.items() if blocks])
def test_a_recipe_says_where_it_stands_alone(heading):
    (block,) = SECTIONS[heading]
    assert "import crossent\n" in block
    assert len(block.splitlines()) < 60
