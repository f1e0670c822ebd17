"""A comparison as flat rows: one per model or pair and measure, and as a flat dict of figures."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from typing import Any

from crossent.comparison import Comparison
from crossent.results import Model, Pair
from crossent.wording import MEASURES

COLUMNS = (
    "model",
    "minus",
    "measure",
    "value",
    "low",
    "high",
    "method",
    "p_value",
    "p_holm",
    "few_decide",
    "examples",
    "outcome",
)


def as_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """One row per model and measure, then one per pair and measure: ``model`` minus ``minus``."""
    rows = [row for model in comparison.models.values() for row in _model_rows(model, comparison)]
    return rows + [row for pair in comparison.pairs for row in _pair_rows(pair, comparison)]


def _model_rows(model: Model, comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for measure in MEASURES:
        found = dataclasses.asdict(model.by(measure))
        rows.append({"model": model.name, "measure": measure, "examples": comparison.example_count, **found})
    if model.finite is not None:
        found = dataclasses.asdict(model.finite.cross_entropy)
        rows.append(
            {
                "model": model.name,
                "measure": "cross_entropy_finite",
                "examples": model.finite.examples,
                **found,
            }
        )
    return [_complete(row) for row in rows]


def _pair_rows(pair: Pair, comparison: Comparison) -> list[dict[str, Any]]:
    named = {"model": pair.b, "minus": pair.a}
    rows = []
    for measure in MEASURES:
        found = dataclasses.asdict(getattr(pair, measure))
        outcome = pair.outcome if measure == comparison.options.measure else None
        rows.append(
            {**named, "measure": measure, "examples": comparison.example_count, "outcome": outcome, **found}
        )
    if pair.seeds is not None:
        for measure in MEASURES:
            found = dataclasses.asdict(pair.seeds.by(measure))
            rows.append({**named, "measure": f"{measure}_over_seeds", **found})
    if pair.finite is not None:
        found = dataclasses.asdict(pair.finite.cross_entropy)
        rows.append({**named, "measure": "cross_entropy_finite", "examples": pair.finite.examples, **found})
    return [_complete({**row, "value": row["difference"]}) for row in rows]


def _complete(row: dict[str, Any]) -> dict[str, Any]:
    return {column: row.get(column) for column in COLUMNS}


def as_csv(comparison: Comparison) -> str:
    """The rows as CSV with a header; what is unknown is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(as_rows(comparison))
    return text.getvalue()


def metrics(comparison: Comparison) -> dict[str, float]:
    """Known figures by name: ``NN1/cross_entropy``, ``NN2 - NN1/cross_entropy_low``."""
    found: dict[str, float] = {"examples": float(comparison.example_count)}
    for row in as_rows(comparison):
        subject = row["model"] if row["minus"] is None else f"{row['model']} - {row['minus']}"
        for suffix, column in (("", "value"), ("_low", "low"), ("_high", "high"), ("_p_value", "p_value")):
            value = row[column]
            if value is not None and not math.isnan(value):
                found[f"{subject}/{row['measure']}{suffix}"] = float(value)
    return found
