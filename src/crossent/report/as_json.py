"""A comparison as JSON: infinite is "inf" or "-inf", unknown is null, never NaN.

``docs/comparison.schema.json`` describes every field; the tests hold each output to it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from crossent.comparison import Comparison
from crossent.estimates import Slice
from crossent.extremes import Example
from crossent.results import Model, Pair

SCHEMA = 1
_MOST_CONFUSION_CLASSES = 200


def as_json(comparison: Comparison) -> str:
    """The comparison as JSON text; the same comparison gives the same bytes."""
    return json.dumps(_plain(as_dict(comparison)), ensure_ascii=False, indent=2, allow_nan=False)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison as nested dicts and lists, in the order and under the names of the schema."""
    return {
        "schema": SCHEMA,
        "signature": dataclasses.asdict(comparison.signature),
        "examples": comparison.example_count,
        "classes": list(comparison.classes),
        "models": [_model(model, comparison.classes) for model in comparison.models.values()],
        "baseline": dataclasses.asdict(comparison.baseline),
        "label_entropy": comparison.label_entropy,
        "pairs": [_pair(pair, comparison) for pair in comparison.pairs],
        "slices": [_slice(one, comparison) for one in comparison.slices],
        "sample": dataclasses.asdict(comparison.sample),
        "outcome": comparison.outcome,
        "verdict": comparison.verdict,
        "warnings": list(comparison.warnings),
    }


def _model(model: Model, classes: tuple[str, ...]) -> dict[str, Any]:
    fields = dataclasses.asdict(model)
    fields["confusion"] = None
    if len(classes) <= _MOST_CONFUSION_CLASSES:
        fields["confusion"] = [
            [model.confusion.get((label, predicted), 0) for predicted in range(len(classes))]
            for label in range(len(classes))
        ]
    return fields


def _pair(pair: Pair, comparison: Comparison) -> dict[str, Any]:
    fields = dataclasses.asdict(pair)
    del fields["description"], fields["beyond"]  # the verdict holds both
    for side in ("a_worse", "b_worse"):
        fields[side] = [_example(example, pair, comparison) for example in getattr(pair, side)]
    return fields


def _slice(one: Slice, comparison: Comparison) -> dict[str, Any]:
    models = [
        {"name": name, **dataclasses.asdict(losses)}
        for name, losses in zip(comparison.models, one.models, strict=True)
    ]
    pairs = [
        {"a": pair.a, "b": pair.b, **dataclasses.asdict(differences)}
        for pair, differences in zip(comparison.pairs, one.pairs, strict=True)
    ]
    return {"of": one.of, "value": one.value, "examples": one.examples, "models": models, "pairs": pairs}


def _example(example: Example, pair: Pair, comparison: Comparison) -> dict[str, Any]:
    outputs = dict(zip(comparison.models, example.outputs, strict=True))
    classes = comparison.classes
    said = {
        side: {
            "predicted": classes[outputs[name].predicted],
            "of_label": outputs[name].of_label,
            "squared_error": outputs[name].squared_error,
            "cross_entropy": outputs[name].cross_entropy,
        }
        for side, name in (("a", pair.a), ("b", pair.b))
    }
    return {"row": example.row, "id": example.id, "label": classes[example.label], **said}


def _plain(value: Any) -> Any:
    """The value without what JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
