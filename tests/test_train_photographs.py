"""What is promised of real photographs: by default options, on two idle cores, in ten minutes."""

import csv
from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("datasets")

from crossent.train import fit, predict

PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "data" / "dogs-and-cats"


@pytest.mark.slow
@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="the photographs of dogs and cats are not there")
def test_ten_minutes_are_enough(tmp_path):
    found = fit(PHOTOGRAPHS, out=tmp_path / "run")
    with (found.path / "metrics.csv").open() as file:
        assert sum(float(row["seconds"]) for row in csv.DictReader(file)) < 600
    assert 1 - found.config["test"]["classification_error"] >= 0.92
    assert found.config["test"]["cross_entropy"] <= 0.20
    singles = predict(
        found.path, [PHOTOGRAPHS / "single" / f"cat_or_dog_{place}.jpg" for place in (1, 2, 3, 4)]
    )
    assert [singles.classes[place] for place in singles.probs.argmax(1)] == ["cat", "dog", "dog", "cat"]
