"""Predictions to a `Comparison`: the one room that knows 'several models'.

It opens, tallies, estimates and judges, each by calling the room for it. How a comparison looks is
the business of `report`, which is imported only inside the methods that show it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from crossent import lint, verdict
from crossent.drawn import Drawn, drawn_from
from crossent.engines import tally_on
from crossent.errors import MissingExtraError, OptionError
from crossent.estimates import Slice
from crossent.extremes import Example
from crossent.files import written
from crossent.kernels.threads import count, dealt
from crossent.options import CompareOptions
from crossent.predictions import Columns, ImageColumn, Kind, ModelSource, Predictions, open_sources
from crossent.results import Baseline, Model, Outcome, Pair, baseline_of, model_of, pairs_of, slices_of
from crossent.rule import Rule
from crossent.signature import Signature, signature_of
from crossent.tally import Totals

_FITTED_AT_ONCE = 2**25
"""Values of samples, each of which needs some 20 bytes while a temperature is fitted."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """One or several models set side by side on the same examples.

    Attributes
    ----------
    models : each model's measures, by name, in the order given.
    pairs : every two of them; differences are of the later model minus the earlier.
    baseline : the class frequencies of these labels, given to every example.
    label_entropy : for soft labels the mean entropy of the labels, in nats: the part of every
        cross-entropy that no model can remove; None for hard labels.
    slices : the same by true class (up to 200 classes), and by the values of `CompareOptions.by`.
    sample : how many examples, or clusters of them, the intervals and tests rest on.
    outcome, verdict : of the whole; the outcome is None for one model alone.
    warnings : what looks wrong in the input.
    shown : all examples, where there are at most 20.
    sources : where each model's predictions were read.
    drawn : losses of single examples, for charts.
    images : the column of images, where a source has one; it is read when a report is made.
    """

    signature: Signature
    example_count: int
    classes: tuple[str, ...]
    options: CompareOptions
    models: Mapping[str, Model]
    pairs: tuple[Pair, ...]
    baseline: Baseline
    label_entropy: float | None
    slices: tuple[Slice, ...]
    sample: verdict.Sample
    outcome: Outcome | None
    verdict: str
    warnings: tuple[str, ...]
    shown: tuple[Example, ...]
    sources: tuple[ModelSource, ...]
    drawn: Drawn
    images: ImageColumn | None

    def pair(self, a: str, b: str, /) -> Pair:
        """The pair of two models, in the order in which they were given.

        Raises
        ------
        OptionError
            If there is no such pair; names those that there are.
        """
        for pair in self.pairs:
            if (pair.a, pair.b) == (a, b):
                return pair
        known = ", ".join(f"({pair.a}, {pair.b})" for pair in self.pairs) or "none"
        raise OptionError(f"there is no pair ({a}, {b}); the pairs are: {known}")

    def examples(self, a: str, b: str, /, *, worse: str) -> tuple[Example, ...]:
        """The examples on which ``worse``, one of the two, loses most against the other, largest first.

        At most `CompareOptions.top` of them, by their difference in cross-entropy.
        """
        pair = self.pair(a, b)
        if worse not in (a, b):
            raise OptionError(f"worse is {worse!r}; it must be {a!r} or {b!r}")
        return pair.a_worse if worse == a else pair.b_worse

    def last_is_worse(self) -> bool:
        """Whether the last model is worse than the first, by the leading measure and beyond the margin."""
        pair = self._first_and_last()
        return pair.outcome == "worse" and pair.worse == pair.b

    def gate_is_blind(self) -> bool:
        """Whether the last model's cross-entropy alone is infinite, so that nothing can be tested."""
        pair = self._first_and_last()
        return self.options.measure == "cross_entropy" and pair.cross_entropy.difference == math.inf

    def last_is_as_good(self) -> bool:
        """Whether the last model costs less than the margin more than the first, interval and all."""
        pair, margin = self._first_and_last(), self.options.margin
        if margin is None:
            raise OptionError("'as good' needs a margin: CompareOptions(margin=...)")
        if self.options.measure == "cross_entropy" and pair.finite is not None:
            return False
        found = pair.by(self.options.measure)
        return pair.outcome == "equal" or (found.high is not None and found.high < margin)

    def _first_and_last(self) -> Pair:
        names = list(self.models)
        return self.pair(names[0], names[-1])

    def to_json(self) -> str:
        """The comparison as JSON text, as ``docs/comparison.schema.json`` describes it."""
        from crossent.report.as_json import as_json

        return as_json(self)

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, images: str | os.PathLike[str] | None = None
    ) -> str:
        """The comparison as one HTML page without scripts, and written to ``path`` if there is one.

        Parameters
        ----------
        path : file to write; optional
        images : folder of the images; ids, or paths in a column `image`, are found below it; optional

        Raises
        ------
        OSError
            If the page cannot be written, or ``images`` is no folder; nothing is left behind.
        """
        from crossent.report.as_html import as_html

        page = as_html(self, images=None if images is None else Path(images))
        if path is not None:
            with written(Path(path)) as file:
                file.write(page.encode())
        return page

    def to_frame(self) -> Any:
        """A pandas frame with one row per model or pair and measure.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        from crossent.report.as_rows import as_rows

        try:
            import pandas
        except ImportError:
            raise MissingExtraError("to_frame() needs pandas: pip install pandas") from None
        return pandas.DataFrame(as_rows(self))

    def metrics(self) -> dict[str, float]:
        """Each measure and difference, interval and p-value under a flat name, for MLflow, W&B, ..."""
        from crossent.report.as_rows import metrics

        return metrics(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the table of the report."""
        from crossent.report.as_html import as_part

        return as_part(self)

    def __str__(self) -> str:
        from crossent.report.as_text import as_text

        return as_text(self)

    __repr__ = __str__


def compare(
    models: Mapping[str, Any] | Sequence[Any],
    /,
    *,
    labels: Any = None,
    classes: Sequence[str] | None = None,
    kind: Kind | None = None,
    options: CompareOptions | None = None,
) -> Comparison:
    """Which of several classifiers is more wrong, and whether the difference is real.

    Parameters
    ----------
    models : mapping of name to source, or sequence of sources
        A source is a path, or in memory: a matrix of shape (n, k) with one row per example, a
        mapping of column names to arrays, an Arrow table, a pandas or Polars frame. One alone needs
        no list around it.
    labels : path or array of shape (n,), or (n, k) for soft labels; optional
        Where the sources hold no labels of their own.
    classes : names of the k classes in the order of the columns; optional
        Where the sources do not name them.
    kind : 'logits' or 'probs'; optional
        What a plain matrix holds; never guessed.
    options : CompareOptions; optional

    Returns
    -------
    Comparison

    Raises
    ------
    PredictionsError
        If a source cannot be read, or sources do not fit each other; names file, row and column.
    OptionError
        If an option is outside its range.

    Examples
    --------
    >>> labels = ["dog", "cat", "dog"]
    >>> nn1 = [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]]
    >>> nn2 = [[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]
    >>> found = compare({"NN1": nn1, "NN2": nn2}, labels=labels, classes=["dog", "cat"], kind="probs")
    >>> round(found.models["NN2"].cross_entropy.value, 2)
    1.06
    >>> found.outcome
    'undecided'
    """
    options = CompareOptions() if options is None else options
    predictions = opened(models, labels=labels, classes=classes, kind=kind, options=options)
    return compare_predictions(predictions, options)


def opened(
    models: Mapping[str, Any] | Sequence[Any],
    /,
    *,
    labels: Any,
    classes: Sequence[str] | None,
    kind: Kind | None,
    options: CompareOptions,
) -> Predictions:
    """The sources of `compare`, opened and checked as far as that goes without reading rows."""
    if kind not in (None, *get_args(Kind)):
        raise OptionError(f"kind is {kind!r}; choose {' or '.join(get_args(Kind))}")
    if isinstance(classes, str):
        raise OptionError(f"classes is the text {classes!r}; give a list of names")
    columns = Columns(
        id=options.id,
        label=options.label,
        label_is=options.label_is,
        kind=kind,
        classes=None if classes is None else tuple(classes),
        weight=options.weight,
        cluster=options.cluster,
        by=options.by,
    )
    return open_sources(
        models,
        labels=labels,
        columns=columns,
        renormalize=options.renormalize,
        memory=options.memory,
        input_format=options.input_format,
        filesystem=options.filesystem,
    )


def compare_predictions(
    predictions: Predictions,
    options: CompareOptions,
    *,
    progress: Callable[[int], None] | None = None,
) -> Comparison:
    """Compare sources that are open already; ``progress`` is told the rows of each block once done."""
    rule = Rule(predictions.models, predictions.classes, options.clip, options.top)
    totals = tally_on(options, predictions, rule, progress=progress).finish()
    return estimated(predictions, totals, options)


def estimated(predictions: Predictions, totals: Totals, options: CompareOptions) -> Comparison:
    """What a finished tally says."""

    def one(index: int) -> Model:
        return model_of(totals, index, options.confidence)

    # at once, as far as memory goes: one temperature each, which are most of what is left to do
    threads = options.threads if options.engine == "local" else None
    fitting = max(1, _FITTED_AT_ONCE // max(1, len(totals.sample) * len(predictions.classes)))
    found_models = dealt(one, len(predictions.models), workers=min(threads or count(), fitting))
    models = {model.name: model for model in found_models}
    found = pairs_of(totals, list(models.values()), options)
    pairs = tuple(verdict.judged(pair, totals, place, models, options) for place, pair in enumerate(found))
    baseline = baseline_of(totals)
    outcome, sentences = verdict.whole(list(models.values()), pairs, baseline, options)
    return Comparison(
        signature_of(predictions, totals, options),
        totals.examples,
        predictions.classes,
        options,
        models,
        pairs,
        baseline,
        totals.whole.label_entropy.mean if totals.soft else None,
        slices_of(totals, options.confidence),
        verdict.sample_of(totals),
        outcome,
        sentences,
        lint.warnings(
            totals.facts,
            predictions,
            totals.examples,
            tied=[model.tied_examples for model in models.values()],
            zeros=[model.zero_probability_examples for model in models.values()],
            confusions=[model.confusion for model in models.values()],
            renormalized=options.renormalize,
        ),
        totals.shown,
        tuple(predictions.models),
        drawn_from(totals, pairs),
        predictions.images,
    )
