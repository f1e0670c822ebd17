"""The examples on which two models differ most, both directions: picture, label, probabilities, losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossent.comparison import Comparison
from crossent.extremes import Example
from crossent.report.cells import short
from crossent.report.page.tables import Section
from crossent.report.pictures import Picture, pictures
from crossent.wording import count, number, shortened

MOST = 10
_CLASSES = 5
_CLASS = 22  # characters of a class beside its bars; the label stands above them at more length
_WIDTH = 100.0
_NAME = 10  # characters of a model over its column: both ends, which tell names apart


@dataclass(frozen=True)
class Bar:
    """One class's probability as both models have it; widths in hundredths of the whole."""

    name: str
    is_label: bool
    predicted: tuple[bool, bool]
    values: tuple[float, float]
    widths: tuple[float, float]
    texts: tuple[str, str]


@dataclass(frozen=True)
class Shown:
    """One example of the gallery; ``losses`` are the cross-entropies, unrounded and as text."""

    name: str
    label: str
    picture: Picture | None
    bars: tuple[Bar, ...]
    others: tuple[str, str] | None
    losses: tuple[tuple[float, str], tuple[float, str]]


@dataclass(frozen=True)
class Direction:
    """The examples on which one model of a pair loses most."""

    title: str
    examples: tuple[Shown, ...]


@dataclass(frozen=True)
class Gallery(Section):
    """The section; ``models`` are the places of the two models, ``names`` their names."""

    models: tuple[int, int] = (0, 1)
    names: tuple[str, str] = ("", "")
    directions: tuple[Direction, ...] = ()


def gallery(comparison: Comparison, folder: Path | None) -> Gallery | None:
    """The first model against the last; None without a pair or where nothing differs."""
    if not comparison.pairs:
        return None
    order = list(comparison.models)
    pair = comparison.pair(order[0], order[-1])
    places = (0, len(order) - 1)
    sides = [(pair.b, pair.a, pair.b_worse[:MOST]), (pair.a, pair.b, pair.a_worse[:MOST])]
    examples = [example for _, _, side in sides for example in side]
    if not examples:
        return None
    found = pictures(comparison, examples, folder)
    directions = tuple(
        Direction(
            f"{short(worse)} loses most against {short(other)}",
            tuple(_shown(example, comparison, places, found.get(example.row)) for example in side),
        )
        for worse, other, side in sides
        if side
    )
    others = len(comparison.pairs) - 1
    words = (
        f"Every example's cross-entropies differ between {short(pair.a)} and {short(pair.b)}; these are the "
        "ones where they differ most, largest first. The label's row stands first; predictions are bold."
    )
    paragraphs = [words]
    if others:
        paragraphs.append(
            f"The first model against the last; the {count(others, 'other pair')} are in the JSON."
        )
    return Gallery(
        "gallery",
        "Where they differ most",
        tuple(paragraphs),
        _missing(found),
        models=places,
        names=(shortened(pair.a, _NAME), shortened(pair.b, _NAME)),
        directions=directions,
    )


def _missing(found: Mapping[int, Picture]) -> tuple[str, ...]:
    """What was not found or could not be opened, counted."""
    reasons = Counter(picture.reason for picture in found.values() if picture.reason)
    return tuple(
        f"{reason}: {times:,} of the {count(len(found), 'example')} below"
        for reason, times in sorted(reasons.items())
    )


def _shown(
    example: Example, comparison: Comparison, places: tuple[int, int], picture: Picture | None
) -> Shown:
    classes = comparison.classes
    outputs = [example.outputs[place] for place in places]
    known = dict(zip(example.likely, zip(*(output.likely for output in outputs), strict=True), strict=True))
    first = [example.label, *(output.predicted for output in outputs)]
    ranked = sorted(known, key=lambda one: (one not in first, -max(known[one]), one))
    chosen = sorted(ranked[:_CLASSES], key=lambda one: (one != example.label, -max(known[one]), one))
    bars = tuple(
        Bar(
            shortened(classes[one], _CLASS),
            one == example.label,
            (outputs[0].predicted == one, outputs[1].predicted == one),
            (known[one][0], known[one][1]),
            (_width(known[one][0]), _width(known[one][1])),
            (_text(known[one][0]), _text(known[one][1])),
        )
        for one in chosen
    )
    rest = [1 - sum(known[one][side] for one in chosen) for side in (0, 1)]
    losses = [output.cross_entropy for output in outputs]
    return Shown(
        shortened(example.id, 60) if example.id is not None else f"row {example.row + 1:,}",
        shortened(classes[example.label], 40),
        picture,
        bars,
        (_text(max(0.0, rest[0])), _text(max(0.0, rest[1]))) if len(chosen) < len(classes) else None,
        ((losses[0], number(losses[0], 3)), (losses[1], number(losses[1], 3))),
    )


def _width(value: float) -> float:
    return round(_WIDTH * min(1.0, max(0.0, value)), 1)


def _text(value: float) -> str:
    """Three decimals, and never a 0 or a 1 that is none."""
    if 0 < value < 0.0005:
        return "<0.001"
    if 0.9995 <= value < 1:
        return ">0.999"
    return f"{value:.3f}"
