"""The data sheet: what the comparison was made of, and its signature."""

from __future__ import annotations

from crossent.comparison import Comparison
from crossent.report.page.tables import Cell, Section, Table
from crossent.wording import NAMES, count

_MOST_NAMED = 40


def data(comparison: Comparison) -> Section:
    """Files, examples, classes, options, digests."""
    signature, options = comparison.signature, comparison.options
    labels = comparison.baseline
    entries = [
        ("examples", f"{comparison.example_count:,}"),
        ("classes", _classes(comparison)),
        ("paired by", signature.paired_by),
        ("confidence", f"{options.confidence!r}"),
        ("leading measure", NAMES[options.measure]),
        ("most frequent class", f"{1 - labels.classification_error:.2%} of the examples"),
    ]
    optional = (
        ("margin", options.margin),
        ("clipped at", options.clip),
        ("weights", signature.weight),
        ("clusters", signature.cluster),
        ("by", signature.by),
    )
    entries += [(name, str(value)) for name, value in optional if value is not None]
    if comparison.label_entropy is not None:
        entries.append(("labels", "distributions"))
    if signature.renormalized:
        entries.append(("rows", "divided by their sums"))
    if signature.largest_sum_deviation:
        entries.append(("largest |sum of a row − 1|", f"{signature.largest_sum_deviation:.2g}"))
    if signature.ids is not None:
        entries.append(("digest of the ids", signature.ids))
    entries += [("digest of the labels", signature.labels), ("made by", f"crossent {signature.crossent}")]
    sources = Table(
        "The models and where they were read",
        ("model", "source", "holds"),
        tuple(
            (
                Cell(source.name, model=place),
                Cell(source.origin),
                Cell(
                    ("logits" if source.kind == "logits" else "probabilities")
                    + (" of one class of two" if source.binary else "")
                ),
            )
            for place, source in enumerate(comparison.sources)
        ),
    )
    sheet = Table(
        "What the comparison was made of",
        ("", ""),
        tuple((Cell(name), Cell(value)) for name, value in entries),
    )
    return Section("data", "Data sheet", tables=(sources, sheet), notes=(str(signature),))


def _classes(comparison: Comparison) -> str:
    names = comparison.classes
    if len(names) <= _MOST_NAMED:
        return f"{len(names):,}: {', '.join(names)}"
    return f"{len(names):,}: {', '.join(names[:_MOST_NAMED])} and {count(len(names) - _MOST_NAMED, 'other')}"
