"""Models that predict one real number for each example: mean squared error, intervals, paired differences.

Sources are files with the columns label and prediction, and id where rows are paired by it; or RUN folders.
All of a source is in memory at once: a number or two for each example.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossent.errors import PredictionsError
from crossent.predictions.sources import Named, named_sources, open_named, runs_of
from crossent.series import SeriesSums, combined
from crossent.statistics import Difference, Estimate, holm, student, student_difference
from crossent.wording import count, decimals, number, p_value, quoted, signed

Floats = NDArray[np.float64]
Outcome = Literal["worse", "better", "equal", "undecided"]
_ROWS = 65_536


@dataclass(frozen=True)
class NumbersPair:
    """Two models: the difference of their mean squared errors, b − a, and what follows from it for b."""

    a: str
    b: str
    squared_error: Difference
    outcome: Outcome


@dataclass(frozen=True)
class NumbersComparison:
    """Models over the same examples, by mean squared error; ``always_the_mean`` is that of one number."""

    examples: int
    paired_by: Literal["id", "position"]
    confidence: float
    models: dict[str, Estimate]
    always_the_mean: float
    pairs: tuple[NumbersPair, ...]

    def to_json(self) -> str:
        """All of it; what is unknown is null."""
        return json.dumps(asdict(self) | {"schema": 1, "task": "regression"}, indent=2)

    def __str__(self) -> str:
        """A table, then one line for each pair."""
        halves = [
            (model.high - model.low) / 2
            for model in self.models.values()
            if model.low is not None and model.high is not None
        ]
        places = decimals([model.value for model in self.models.values()], halves)
        wide = max(map(len, [*self.models, "always the mean"])) + 4
        lines = [
            f"{count(self.examples, 'example')} · paired by {self.paired_by} · squared error of numbers",
            "",
        ]
        lines.append(f"{'':<{wide}}mean squared error")
        for name, model in self.models.items():
            interval = (
                "" if model.low is None else f" [{number(model.low, places)}, {number(model.high, places)}]"
            )
            few = " few examples decide this: likely too short" if model.few_decide else ""
            lines.append(f"{name:<{wide}}{number(model.value, places)}{interval}{few}")
        lines.append(f"{'always the mean':<{wide}}{number(self.always_the_mean, places)}")
        for pair in self.pairs:
            found = pair.squared_error
            interval = (
                "" if found.low is None else f" [{signed(found.low, places)}, {signed(found.high, places)}]"
            )
            p = p_value(found.p_value if found.p_holm is None else found.p_holm)
            said = f"{pair.b} is {pair.outcome}" if pair.outcome in ("worse", "better") else pair.outcome
            lines += [
                "",
                f"{pair.b} − {pair.a}   squared error {signed(found.difference, places)}{interval} {p} ·"
                f" {said}",
            ]
        return "\n".join(lines)

    def last_is_worse(self) -> bool:
        """Whether the last model is worse than the first."""
        return self._last is not None and self._last.outcome == "worse"

    def last_is_as_good(self, margin: float) -> bool:
        """Whether the last model is worse than the first by less than a margin."""
        high = None if self._last is None else self._last.squared_error.high
        return (high is not None and high < margin) or (
            self._last is not None and self._last.outcome == "equal"
        )

    @property
    def _last(self) -> NumbersPair | None:
        names = list(self.models)
        return next((pair for pair in self.pairs if (pair.a, pair.b) == (names[0], names[-1])), None)


@dataclass(frozen=True)
class _Numbers:
    origin: str
    ids: tuple[str, ...] | None
    labels: Floats
    predictions: Floats


def compare_numbers(
    sources: Sequence[Any], *, confidence: float = 0.95, margin: float | None = None
) -> NumbersComparison:
    """Compare regressions over the same examples, aligned by id where all have ids."""
    named = [
        (f"{name}/{run}" if run else name, source)
        for name, whole in named_sources(sources)
        for run, source in runs_of(whole).items()
    ]
    read = {name: _read(name, source) for name, source in named}
    (_, first), *_ = read.items()
    by_id = first.ids is not None
    losses: dict[str, Floats] = {}
    for name, numbers in read.items():
        aligned = _aligned(first, numbers)
        losses[name] = (aligned.predictions - first.labels) ** 2
    models = {
        name: student(_series(values), confidence, range=(0.0, float("inf")))
        for name, values in losses.items()
    }
    differences = {
        (a, b): student_difference(_series(losses[b] - losses[a]), confidence)
        for a, b in combinations(losses, 2)
    }
    adjusted = holm([difference.p_value for difference in differences.values()])
    pairs = tuple(
        NumbersPair(a, b, found := replace(difference, p_holm=p), _outcome(found, confidence, margin))
        for ((a, b), difference), p in zip(differences.items(), adjusted, strict=True)
    )
    return NumbersComparison(
        len(first.labels), "id" if by_id else "position", confidence, models, float(first.labels.var()), pairs
    )


def _read(name: str, source: Named) -> _Numbers:
    table = open_named(name, source, None)
    columns = {column.name for column in table.columns}
    for wanted in ("label", "prediction"):
        if wanted not in columns:
            raise PredictionsError(
                f"{table.origin} has no column {wanted}: a regression's file has label and prediction, and id"
            )
    texts = ["id"] if "id" in columns else []
    ids: list[str] = []
    labels, predictions = [np.empty(0)], [np.empty(0)]
    for batch in table.batches(texts=texts, numbers=["label", "prediction"], rows=_ROWS):
        if texts:
            ids += (
                [str(value) for value in batch["id"].to_pylist()]
                if hasattr(batch["id"], "to_pylist")
                else list(map(str, batch["id"]))
            )
        labels.append(_floats(batch["label"]))
        predictions.append(_floats(batch["prediction"]))
    found = _Numbers(
        table.origin, tuple(ids) if texts else None, np.concatenate(labels), np.concatenate(predictions)
    )
    if not len(found.labels):
        raise PredictionsError(f"{table.origin} is empty: it has no rows")
    for column, values in (("label", found.labels), ("prediction", found.predictions)):
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise PredictionsError(
                f"{table.origin}, row {row + 1}, column {column}: {values[row]} is no finite number; mend or"
                " remove it"
            )
    if found.ids is not None and len(set(found.ids)) < len(found.ids):
        raise PredictionsError(f"{table.origin} has an id more than once: keep one row for each")
    return found


def _floats(values: Any) -> Floats:
    return np.asarray(values if isinstance(values, np.ndarray) else values.to_numpy(), dtype=np.float64)


def _aligned(first: _Numbers, other: _Numbers) -> _Numbers:
    """The other's rows in the first one's order, with the same labels."""
    if (first.ids is None) != (other.ids is None):
        raise PredictionsError(
            f"{first.origin} and {other.origin}: one has ids and the other none; give both"
        )
    if first.ids is not None and other.ids is not None:
        place = {id: row for row, id in enumerate(other.ids)}
        missing = [id for id in first.ids if id not in place]
        extra = set(other.ids) - set(first.ids)
        if missing or extra:
            example = quoted(missing[0] if missing else min(extra))
            raise PredictionsError(
                f"{other.origin} and {first.origin} are not about the same examples: {len(missing):,} ids"
                " are missing"
                f" and {len(extra):,} extra, such as {example}"
            )
        order = [place[id] for id in first.ids]
        other = replace(
            other, ids=first.ids, labels=other.labels[order], predictions=other.predictions[order]
        )
    if len(other.labels) != len(first.labels):
        raise PredictionsError(
            f"{other.origin} has {len(other.labels):,} rows, {first.origin} {len(first.labels):,}: give ids,"
            " or the"
            " same examples"
        )
    differ = np.flatnonzero(other.labels != first.labels)
    if len(differ):
        row = int(differ[0])
        raise PredictionsError(
            f"{other.origin} and {first.origin} disagree on {count(len(differ), 'label')}: first in row"
            f" {row + 1},"
            f" {other.labels[row]:g} against {first.labels[row]:g}"
        )
    return other


def _series(values: Floats) -> Any:
    blocks = [
        SeriesSums.of(values[None, start : start + _ROWS], None, None)
        for start in range(0, len(values), _ROWS)
    ]
    return combined(blocks)[0]


def _outcome(found: Difference, confidence: float, margin: float | None) -> Outcome:
    bound = margin or 0.0
    difference, p = found.difference, found.p_holm
    if difference == 0 and p == 1:
        return "equal"
    inside = found.low is not None and found.high is not None and -bound <= found.low and found.high <= bound
    if margin is not None and inside:
        return "equal"
    if difference is not None and p is not None and p <= 1 - confidence and abs(difference) > bound:
        return "worse" if difference > 0 else "better"
    return "undecided"
