"""What looks wrong in the input although it can be read: facts gathered block by block, then warnings.

Everything here is a suspicion, said once, on stderr and in the report. What is certainly wrong is an
error and belongs to `predictions`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.predictions import Block, ModelSource, Outputs, Predictions, by_model
from crossent.predictions.rounding import decimals
from crossent.wording import Kind, count

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FIRST = 8  # rows that settle for nearly every file whether something holds for all
_ROUGH_SUM = 0.01  # by which a row may miss 1 without a word; printed digits may allow more
_FEWEST = 20  # a pattern over fewer rows is chance
_COARSE = {"probs": 4, "logits": 1}  # decimals up to which rounding changes a loss visibly
_MOST_PERMUTED = 2_000  # classes for which the best order is still searched


@dataclass(frozen=True)
class RunFacts:
    """What holds for every row of one run so far; merging keeps what holds for both."""

    decimals: int | None  # all outputs lie on the grid of this many decimals, if it is a coarse one
    sums_to_one: bool  # outputs within [0, 1], rows summing to 1
    one_hot: bool
    is_label: bool  # every row equals its one-hot label
    first_row: bytes | None  # digest of the first row where all rows are the same

    def plus(self, other: RunFacts) -> RunFacts:
        both = None if self.decimals is None or other.decimals is None else max(self.decimals, other.decimals)
        return RunFacts(
            both,
            self.sums_to_one and other.sums_to_one,
            self.one_hot and other.one_hot,
            self.is_label and other.is_label,
            self.first_row if self.first_row == other.first_row else None,
        )


@dataclass(frozen=True)
class Facts:
    """Facts of a set of blocks; ``same`` holds the pairs of runs that never differed."""

    runs: tuple[RunFacts, ...]
    same: frozenset[tuple[int, int]]
    labels_one_hot: bool
    stem: str | None  # what many ids share up to a suffix
    deviations: tuple[float, ...]

    def plus(self, other: Facts) -> Facts:
        return Facts(
            tuple(ours.plus(theirs) for ours, theirs in zip(self.runs, other.runs, strict=True)),
            self.same & other.same,
            self.labels_one_hot and other.labels_one_hot,
            self.stem or other.stem,
            tuple(map(max, self.deviations, other.deviations)),
        )


def look(block: Block, models: Sequence[ModelSource]) -> Facts:
    """Facts of one block, from its rows alone."""
    kinds = [model.kind for model in models for _ in model.run_names]
    return Facts(
        tuple(_run_facts(block.labels, q, kind) for q, kind in zip(block.outputs, kinds, strict=True)),
        frozenset(
            (i, j)
            for i, j in combinations(range(len(kinds)), 2)
            if kinds[i] == kinds[j] and _everywhere(np.equal, block.outputs[i], block.outputs[j])
        ),
        block.labels.ndim == 1 or _one_hot(block.labels.astype(np.float64, copy=False)),
        _shared_stem(block.ids) if block.index == 0 else None,
        block.deviations,
    )


def _run_facts(labels: Ints | Floats, q: Outputs, kind: Kind) -> RunFacts:
    sums_to_one = (
        kind == "logits"
        and _everywhere(lambda rows: (rows >= 0) & (rows <= 1), q)
        and _everywhere(lambda rows: np.abs(rows.sum(axis=1, dtype=np.float64) - 1) <= 1e-6, q)
    )
    one_hot = kind == "probs" and _one_hot(q)
    constant = _everywhere(lambda rows: rows == q[:1], q)
    return RunFacts(
        _coarse_decimals(q, _COARSE[kind]),
        sums_to_one,
        one_hot,
        one_hot and _is_label(labels, q),
        blake2b(q[:1].astype(np.float64).tobytes(), digest_size=16).digest() if constant else None,
    )


def _coarse_decimals(q: Outputs, limit: int) -> int | None:
    return None if decimals(q[:_FIRST], limit) is None else decimals(q, limit)


def _everywhere(holds: Callable[..., NDArray[np.bool_]], *outputs: Outputs) -> bool:
    return all(bool(holds(*(q[rows] for q in outputs)).all()) for rows in (slice(_FIRST), slice(None)))


def _one_hot(q: Outputs) -> bool:
    return _everywhere(lambda rows: (rows == 0) | (rows == 1), q) and bool(np.all(q.sum(axis=1) == 1))


def _is_label(labels: Ints | Floats, q: Outputs) -> bool:
    if labels.ndim == 2:
        return bool(np.array_equal(labels, q))
    return bool(np.all(q[np.arange(len(q)), labels.astype(np.intp)] == 1))


def _shared_stem(ids: Any | None) -> str | None:
    """A stem that ids share up to a suffix, where nearly all ids come in small groups of one stem."""
    if ids is None or len(ids) < _FEWEST:
        return None
    stems = [re.sub(r"\.\w{1,5}$", "", text) for text in ids.to_pylist()]
    stems = [re.sub(r"[\s_.#@/:-]+[A-Za-z]?\d{0,3}$", "", stem) for stem in stems]
    groups = Counter(stems)
    in_groups = sum(size for size in groups.values() if 2 <= size <= 50)
    if len(groups) < 10 or in_groups < 0.9 * len(stems):
        return None
    return next(stem for stem, size in groups.items() if 2 <= size <= 50)


def warnings(
    facts: Facts,
    predictions: Predictions,
    examples: int,
    *,
    tied: Sequence[int],
    zeros: Sequence[int],
    confusions: Sequence[Mapping[tuple[int, int], int]],
    renormalized: bool,
) -> tuple[str, ...]:
    """One sentence for each thing that looks wrong, in the order of the models."""
    said = []
    runs = by_model(facts.runs, predictions.models)
    for i, (model, its) in enumerate(zip(predictions.models, runs, strict=True)):
        for name, seen in zip(model.run_names, its, strict=True):
            said += _run_warnings(name, seen, examples, facts.labels_one_hot)
            if seen.decimals is not None and not seen.one_hot and (_varies(seen, examples) or zeros[i]):
                digits = count(seen.decimals, "decimal")
                said.append(f"{name}: rounded to {digits}; export logits, or more digits")
        if all(_varies(seen, examples) for seen in its):
            said += _order_warning(confusions[i], model.name, predictions.classes)
        if tied[i] and any(seen.first_row is None for seen in its):
            rows = count(tied[i], "row")
            said.append(f"{model.name}: {rows} tied at the top; the first of the largest counts as predicted")
    names = [name for model in predictions.models for name in model.run_names]
    said += [
        f"{name}: rows sum to 1 only within {off:.2g}, as few digits are printed; write more digits"
        for name, off in zip(names, facts.deviations, strict=True)
        if off > _ROUGH_SUM and not renormalized
    ]
    said += [f"{names[i]} and {names[j]} are the same predictions" for i, j in sorted(facts.same)]
    if facts.stem is not None:
        said.append(
            f"many ids are the same up to a suffix ('{facts.stem}…'); "
            "if such examples belong together, name the column that groups them: --cluster COLUMN"
        )
    return tuple(said)


def _varies(seen: RunFacts, examples: int) -> bool:
    return examples >= _FEWEST and seen.first_row is None


def _run_warnings(name: str, seen: RunFacts, examples: int, labels_one_hot: bool) -> list[str]:
    said = []
    if seen.sums_to_one:
        said.append(
            f"{name}: all logits lie in [0, 1] and every row sums to 1: was softmax applied already? "
            "Then these are probabilities (--kind probs)"
        )
    if seen.is_label:
        said.append(f"{name}: every q is its own label: were the labels written as predictions?")
    elif seen.one_hot and not labels_one_hot:
        said.append(f"{name}: p and q look swapped: every q is one-hot and the labels are not")
    if examples >= _FEWEST and seen.first_row is not None:
        said.append(f"{name}: the same output for all {examples:,} examples")
    return said


def _order_warning(confusion: Mapping[tuple[int, int], int], name: str, classes: Sequence[str]) -> list[str]:
    examples = sum(confusion.values())
    wrong = sum(cell for (label, predicted), cell in confusion.items() if label != predicted)
    if wrong <= 0.5 * examples or len(classes) > _MOST_PERMUTED:
        return []
    from scipy.optimize import linear_sum_assignment  # slow to import, and rarely needed

    table = np.zeros((len(classes), len(classes)), np.int64)
    for cell, times in confusion.items():
        table[cell] = times
    label, column = linear_sum_assignment(table, maximize=True)
    mended = examples - int(table[label, column].sum())
    if mended > 0.5 * wrong:
        return []
    moved = [f"'{classes[c]}' as '{classes[r]}'" for r, c in zip(label, column, strict=True) if r != c]
    more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
    return [
        f"{name}: columns look permuted: reading column {', '.join(moved[:3])}{more} "
        f"lowers the error from {wrong / examples:.2f} to {mended / examples:.2f}; "
        "check the order of the classes"
    ]
