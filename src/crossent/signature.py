"""What a comparison was made of, on every number: version, data, pairing, options. Nothing of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from crossent import __version__
from crossent.options import CompareOptions
from crossent.predictions import Predictions
from crossent.tally import Totals

_LOUD_DEVIATION = 1e-6


@dataclass(frozen=True)
class Signature:
    """Two comparisons with the same signature were made of the same examples in the same way.

    Attributes
    ----------
    crossent : version.
    examples, classes : their numbers.
    kind : 'logits' or 'probs', or both for models that differ in it.
    paired_by : 'id' or 'position'.
    confidence, measure, margin, clip : options that the numbers or the verdict depend on.
    weight, cluster, by : names of the columns that weigh, group and sort the examples.
    renormalized : rows were divided by their sums.
    binary : models of which one single column was given; the other class follows from it.
    largest_sum_deviation : the largest |sum of a row of probabilities - 1|, before renormalising.
    seeds : runs of each model, where a model is several seeds; else empty.
    ids, labels : digests, in the order of the first source; None where there are no ids.
    """

    crossent: str
    examples: int
    classes: int
    kind: str
    paired_by: str
    confidence: float
    measure: str
    margin: float | None
    clip: float | None
    weight: str | None
    cluster: str | None
    by: str | None
    renormalized: bool
    binary: tuple[str, ...]
    largest_sum_deviation: float
    seeds: tuple[int, ...]
    ids: str | None
    labels: str

    def __str__(self) -> str:
        parts = [
            f"crossent:{self.crossent}",
            f"n:{self.examples}",
            f"k:{self.classes}",
            f"kind:{self.kind}",
            f"pair:{self.paired_by}",
            f"conf:{self.confidence!r}",
        ]
        if self.measure != "cross_entropy":
            parts.append(f"measure:{self.measure}")
        if self.margin is not None:
            parts.append(f"margin:{self.margin!r}")
        if self.clip is not None:
            parts.append(f"clip:{self.clip!r}")
        for name in ("weight", "cluster", "by"):
            if (column := getattr(self, name)) is not None:
                parts.append(f"{name}:{column}")
        if self.renormalized:
            parts.append("renormalized")
        if self.binary:
            parts.append(f"binary:{','.join(self.binary)}")
        if self.largest_sum_deviation > _LOUD_DEVIATION:
            parts.append(f"sums:{self.largest_sum_deviation:.2g}")
        if self.seeds:
            parts.append(f"seeds:{','.join(map(str, self.seeds))}")
        if self.ids is not None:
            parts.append(f"ids:{self.ids[:4]}…")
        return "|".join([*parts, f"labels:{self.labels[:4]}…"])


def signature_of(predictions: Predictions, totals: Totals, options: CompareOptions) -> Signature:
    """The signature of a finished tally."""
    kinds = sorted({model.kind for model in predictions.models})
    return Signature(
        __version__,
        totals.examples,
        len(predictions.classes),
        ",".join(kinds),
        predictions.paired_by,
        options.confidence,
        options.measure,
        options.margin,
        options.clip,
        options.weight,
        options.cluster,
        options.by,
        options.renormalize,
        tuple(model.name for model in predictions.models if model.binary),
        max(totals.facts.deviations),
        tuple(model.runs for model in predictions.models) if any(m.seeds for m in predictions.models) else (),
        totals.ids_digest or None,
        _labels_digest(predictions.classes, totals.labels_digest),
    )


def _labels_digest(classes: Sequence[str], labels: str) -> str:
    """Of the labels and what they mean: index 0 of other classes is another label."""
    named = "\0".join([*classes, labels])
    return blake2b(named.encode(), digest_size=16).hexdigest()
