"""The benchmarks of whole comparisons: that they run, and that all contenders find the same means."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def ran(*command):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("text", [False, True])
def test_all_contenders_find_the_same(text, tmp_path):
    options = ["--csv"] if text else []
    printed = ran("benchmarks.compare", tmp_path, "--smoke", "--json", tmp_path / "found.json", *options)
    found = json.loads((tmp_path / "found.json").read_text())["contenders"]
    assert [name for name, one in found.items() if "failed" in one] == []
    expected = found["crossent"]["means"]
    for name, one in found.items():
        assert one["seconds"] > 0
        assert one["megabytes"] > 10
        if "PyArrow" not in name:
            for model, other in zip(one["means"], expected, strict=True):
                assert model == pytest.approx(other, rel=1e-6), name
        assert f"\n{name} " in printed
    ending = "csv" if text else "parquet"
    assert sorted(path.name for path in tmp_path.glob(f"*.{ending}")) == [
        f"nn1-20000.{ending}",
        f"nn2-20000.{ending}",
    ]


@pytest.mark.slow
def test_costs_are_measured_by_rows_classes_models_and_workers(tmp_path):
    printed = ran("benchmarks.scaling", tmp_path, "--smoke")
    varied = {line.split("  ")[0].strip() for line in printed.splitlines()[1:]}
    assert varied == {"rows", "classes", "models", "threads", "Ray workers"}
