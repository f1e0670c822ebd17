"""Whole outputs of the golden verdicts, and every output against its schema and its other formats."""

import csv
import io
import json
import math
from pathlib import Path

import jsonschema
import pytest

from crossent.report.as_markdown import as_markdown
from crossent.report.as_rows import as_csv, as_rows
from crossent.report.as_text import as_text
from golden_cases import CASES

HERE = Path(__file__).parent
SCHEMA = json.loads((HERE.parent / "docs" / "comparison.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found():
    return {name: case() for name, case in CASES.items()}


def whole_output(comparison):
    warnings = [f"warning: {warning}" for warning in comparison.warnings]
    return "\n".join([as_text(comparison, show=True), "", f"verdict: {comparison.verdict}", *warnings, ""])


@pytest.mark.parametrize("name", CASES)
def test_golden_output(name, found, request):
    path = HERE / "golden" / f"{name}.txt"
    text = whole_output(found[name])
    if request.config.getoption("--write-golden"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_json_follows_the_schema(name, found):
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(found[name].to_json()))


@pytest.mark.parametrize("name", CASES)
def test_the_four_parts_add_up_to_the_gap(name, found):
    for pair in found[name].pairs:
        side = pair.finite or pair
        total = math.fsum(part.contribution for part in side.gap.values())
        assert total == pytest.approx(side.cross_entropy.difference, abs=1e-15)
        assert sum(part.examples for part in pair.gap.values()) == found[name].example_count
        assert pair.a_more_wrong + pair.b_more_wrong + pair.about_equal == found[name].example_count


@pytest.mark.parametrize("name", CASES)
def test_csv_reads_back_as_the_rows(name, found):
    rows = list(csv.DictReader(io.StringIO(as_csv(found[name]))))
    expected = as_rows(found[name])
    assert [row["measure"] for row in rows] == [row["measure"] for row in expected]
    for row, same in zip(rows, expected, strict=True):
        assert row["value"] == ("" if same["value"] is None else repr(same["value"]))


@pytest.mark.parametrize("name", CASES)
def test_markdown_tells_the_same_numbers(name, found):
    text, markdown = as_text(found[name]), as_markdown(found[name])
    for line in text.splitlines():
        if line.startswith("always the same"):
            assert line.split()[-1] in markdown
    assert str(found[name].signature) in markdown


def test_markdown_has_the_slices(found):
    lines = as_markdown(found["clusters"]).splitlines()
    header = lines.index("| room | examples | NN1 | NN2 | NN2 − NN1 |")
    assert lines[header + 1] == "|---|---|---|---|---|"
    assert lines[header + 2] == "| garden | 200 | 0.482 | 0.767 | +0.285 \\[+0.170, +0.400\\] |"


@pytest.mark.parametrize("name", CASES)
def test_metrics_are_known_numbers(name, found):
    metrics = found[name].metrics()
    assert metrics["examples"] == found[name].example_count
    assert not any(math.isnan(value) for value in metrics.values())
    for model in found[name].models.values():
        assert metrics[f"{model.name}/cross_entropy"] == model.cross_entropy.value


def test_frame_has_a_row_for_each_model_and_pair_and_measure(found):
    frame = found["three_models"].to_frame()
    assert len(frame) == 3 * 3 + 3 * 3
    assert set(frame["outcome"].dropna()) == {"worse", "undecided"}
