"""Weights, clusters and slices from the files to the report."""

import json

import numpy as np
import pytest
import statsmodels.api as sm

from crossent import CompareOptions, PredictionsError, compare

RNG = np.random.default_rng(11)
COUNT = 240
LABELS = RNG.integers(0, 3, COUNT)
LOGITS = RNG.normal(size=(COUNT, 3)) + 2 * np.eye(3)[LABELS]
OTHER = LOGITS + RNG.normal(size=(COUNT, 3))
WEIGHTS = RNG.integers(0, 4, COUNT)
ANIMALS = [f"a{row // 6}" for row in range(COUNT)]
SIZES = [("big", "small", "tiny")[row % 3] for row in range(COUNT)]


def sources(rows=slice(None), **columns):
    chosen = {name: np.asarray(values)[rows] for name, values in columns.items()}
    return {
        "a": {"logits": LOGITS[rows], "label": LABELS[rows], **chosen},
        "b": {"logits": OTHER[rows]},
    }


def losses(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(COUNT), LABELS]


def robust(values, groups, weights=None):
    """Mean and cluster-robust standard error by statsmodels."""
    weights = np.ones(len(values)) if weights is None else weights
    model = sm.WLS(values, np.ones(len(values)), weights=weights)
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True})
    return float(fitted.params[0]), float(fitted.bse[0])


def half_width(found):
    return (found.high - found.low) / 2


@pytest.mark.parametrize("soft", [False, True])
def test_weighted_means_are_those_of_the_same_rows_repeated(soft):
    labels = RNG.dirichlet([1, 1, 1], COUNT) if soft else LABELS
    repeated = np.repeat(np.arange(COUNT), WEIGHTS)
    weighted = compare(
        {"a": {"logits": LOGITS, "w": WEIGHTS}, "b": {"logits": OTHER}},
        labels=labels,
        options=CompareOptions(weight="w"),
    )
    plain = compare({"a": LOGITS[repeated], "b": OTHER[repeated]}, labels=labels[repeated], kind="logits")
    for ours, theirs in zip(weighted.models.values(), plain.models.values(), strict=True):
        for measure in ("classification_error", "squared_error", "cross_entropy"):
            assert ours.by(measure).value == pytest.approx(theirs.by(measure).value, rel=1e-12)
    for measure in ("classification_error", "squared_error", "cross_entropy"):
        got, expected = (getattr(c.baseline, measure) for c in (weighted, plain))
        assert got == pytest.approx(expected, rel=1e-12)
    (ours,), (theirs,) = weighted.pairs, plain.pairs
    assert ours.cross_entropy.difference == pytest.approx(theirs.cross_entropy.difference, rel=1e-11)
    for part, same in zip(ours.gap.values(), theirs.gap.values(), strict=True):
        assert part.contribution == pytest.approx(same.contribution, rel=1e-11, abs=1e-14)
    for one, same in zip(weighted.slices, plain.slices, strict=True):
        assert one.value == same.value
        assert one.models[0].cross_entropy.value == pytest.approx(
            same.models[0].cross_entropy.value, rel=1e-12
        )
    if soft:
        assert weighted.label_entropy == pytest.approx(plain.label_entropy, rel=1e-12)


def test_weighted_calibration_is_that_of_the_same_rows_repeated():
    repeated = np.repeat(np.arange(COUNT), WEIGHTS)
    weighted = compare(sources(w=WEIGHTS), options=CompareOptions(weight="w"))
    plain = compare({"a": LOGITS[repeated]}, labels=LABELS[repeated], kind="logits")
    ours, theirs = next(iter(weighted.models.values())), plain.models["a"]
    assert ours.calibration_error.value == pytest.approx(theirs.calibration_error.value, rel=1e-12)
    for mine, other in zip(ours.reliability, theirs.reliability, strict=True):
        if other.examples == 0:
            assert mine.confidence is None
            continue
        assert mine.confidence == pytest.approx(other.confidence, rel=1e-12)
        assert mine.accuracy.value == pytest.approx(other.accuracy.value, rel=1e-12)
        # a repeated row is taken for so many examples, a heavy one for less than one of each unit of weight
        assert mine.accuracy.high - mine.accuracy.low >= other.accuracy.high - other.accuracy.low - 1e-12
    assert ours.temperature.value == pytest.approx(theirs.temperature.value, rel=1e-8)
    assert ours.temperature.cross_entropy_before == pytest.approx(ours.cross_entropy.value, rel=1e-12)
    assert ours.temperature.examples == np.count_nonzero(WEIGHTS)
    expected = theirs.temperature.calibration_error_before.value
    assert ours.temperature.calibration_error_before.value == pytest.approx(expected, rel=1e-12)


def test_the_unit_of_the_weights_does_not_matter_to_calibration():
    small, large = (
        next(iter(compare(sources(w=WEIGHTS * unit), options=CompareOptions(weight="w")).models.values()))
        for unit in (1e-150, 2.0**900)
    )
    assert small.calibration_error.value == pytest.approx(large.calibration_error.value, rel=1e-12)
    assert small.temperature.value == pytest.approx(large.temperature.value, rel=1e-9)
    assert small.temperature.cross_entropy == pytest.approx(large.temperature.cross_entropy, rel=1e-12)


def test_counts_stay_unweighted():
    weighted = compare(sources(w=WEIGHTS), options=CompareOptions(weight="w"))
    plain = compare(sources())
    for ours, theirs in zip(weighted.models.values(), plain.models.values(), strict=True):
        assert (ours.wrong, ours.confusion) == (theirs.wrong, theirs.confusion)
    assert weighted.baseline.wrong == plain.baseline.wrong
    assert weighted.example_count == COUNT


@pytest.mark.parametrize("weighted", [False, True])
def test_clustered_intervals_are_those_of_statsmodels(weighted):
    from scipy.special import stdtrit

    weights = WEIGHTS.astype(float) if weighted else None
    options = CompareOptions(cluster="animal", weight="w" if weighted else None)
    found = compare(sources(animal=ANIMALS, w=WEIGHTS), options=options)
    kept = np.ones(COUNT, bool) if weights is None else weights > 0
    groups = np.unique(np.array(ANIMALS)[kept], return_inverse=True)[1]
    quantile = stdtrit(groups.max(), 0.975)
    for model, logits in zip(found.models.values(), (LOGITS, OTHER), strict=True):
        mean, error = robust(losses(logits)[kept], groups, None if weights is None else weights[kept])
        assert model.cross_entropy.value == pytest.approx(mean, rel=1e-10)
        assert half_width(model.cross_entropy) == pytest.approx(quantile * error, rel=1e-8)
    wrong = [(logits.argmax(axis=1) != LABELS).astype(float) for logits in (LOGITS, OTHER)]
    for measure, values in (
        ("cross_entropy", losses(OTHER) - losses(LOGITS)),
        ("classification_error", wrong[1] - wrong[0]),
    ):
        mean, error = robust(values[kept], groups, None if weights is None else weights[kept])
        difference = getattr(found.pairs[0], measure)
        assert difference.method == "t"
        assert difference.difference == pytest.approx(mean, rel=1e-9)
        assert half_width(difference) == pytest.approx(quantile * error, rel=1e-8)
    assert str(found.sample) == "40 clusters"


def test_one_cluster_per_row_is_no_clustering():
    clustered = compare(
        sources(own=[str(row) for row in range(COUNT)]), options=CompareOptions(cluster="own")
    )
    plain = compare(sources())
    ours, theirs = clustered.pairs[0].cross_entropy, plain.pairs[0].cross_entropy
    assert (ours.low, ours.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert ours.p_value == pytest.approx(theirs.p_value)


def test_under_20_clusters_only_the_error_has_an_interval():
    options = CompareOptions(cluster="group")
    found = compare(sources(group=[f"g{row % 12}" for row in range(COUNT)]), options=options)
    model, pair = found.models["a"], found.pairs[0]
    assert model.classification_error.low is not None
    assert model.cross_entropy.low is None
    assert pair.classification_error.low is None
    assert pair.cross_entropy.p_value is None
    assert "Undecided beyond these 12 clusters: bring at least 20" in pair.verdict
    assert "12 clusters" in str(found)


def test_slices_are_the_comparison_of_their_rows():
    found = compare(sources(size=SIZES), options=CompareOptions(by="size"))
    slices = {one.value: one for one in found.slices if one.of == "column"}
    assert list(slices) == ["big", "small", "tiny"]
    for place, (value, one) in enumerate(slices.items()):
        rows = np.arange(place, COUNT, 3)
        alone = compare(sources(rows))
        assert one.examples == alone.example_count == 80
        assert value in str(found)
        for losses_there, model in zip(one.models, alone.models.values(), strict=True):
            for measure in ("classification_error", "squared_error", "cross_entropy"):
                ours, theirs = getattr(losses_there, measure), model.by(measure)
                assert ours.value == pytest.approx(theirs.value, rel=1e-12)
                assert ours.low == pytest.approx(theirs.low, rel=1e-9)
        (pair,) = alone.pairs
        for measure in ("classification_error", "squared_error", "cross_entropy"):
            ours, theirs = getattr(one.pairs[0], measure), getattr(pair, measure)
            assert ours.difference == pytest.approx(theirs.difference, rel=1e-10)
            assert ours.p_value == pytest.approx(theirs.p_value, rel=1e-8)
            assert (ours.low, ours.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_the_labels_own_column_gives_slices_of_classes_too():
    """What the documentation says to do where there are more than 200 classes."""
    found = compare(sources(), options=CompareOptions(by="label"))
    by_class, by_label = (
        [(one.value, one.models, one.pairs) for one in found.slices if one.of == of]
        for of in ("class", "column")
    )
    assert by_class == by_label


def test_the_true_classes_are_slices_always():
    found = compare(sources())
    classes = [one for one in found.slices if one.of == "class"]
    assert [one.value for one in classes] == ["0", "1", "2"]
    assert [one.examples for one in classes] == np.bincount(LABELS).tolist()
    told = json.loads(found.to_json())["slices"][0]
    assert told["models"][0]["name"] == "a"
    assert (told["pairs"][0]["a"], told["pairs"][0]["b"]) == ("a", "b")


@pytest.mark.parametrize(
    ("columns", "options", "sentence"),
    [
        (
            {"w": [-1.0] * COUNT},
            {"weight": "w"},
            "row 1, column w: -1 is no weight; weights are finite and 0 or more",
        ),
        ({"w": [np.nan] * COUNT}, {"weight": "w"}, "nan is no weight"),
        ({"w": [0.0] * COUNT}, {"weight": "w"}, "all weights are 0"),
        (
            {"animal": [*ANIMALS[:7], "", *ANIMALS[8:]]},
            {"cluster": "animal"},
            "row 8, column animal: empty; every row needs a cluster",
        ),
        ({}, {"weight": "w"}, "has no column 'w'"),
        ({}, {"cluster": "animal"}, "name the one meant, --cluster NAME"),
        ({}, {"by": "nothing"}, "--by NAME"),
    ],
)
def test_columns_that_will_not_do(columns, options, sentence):
    with pytest.raises(PredictionsError, match=sentence.replace("(", r"\(")):
        compare(sources(**columns), options=CompareOptions(**options))


def test_a_column_that_differs_between_the_sources():
    both = sources(animal=ANIMALS)
    both["b"]["animal"] = np.array([*ANIMALS[:5], "other", *ANIMALS[6:]])
    with pytest.raises(
        PredictionsError, match=r"row 6, column animal: 'a0', but 'other' in b \(array\), row 6"
    ):
        compare(both, options=CompareOptions(cluster="animal"))


def test_too_many_values_for_slices():
    labels = np.tile(LABELS, 10)
    by = [f"x{row}" for row in range(len(labels))]
    many = {"a": {"logits": np.tile(LOGITS, (10, 1)), "label": labels, "id": by, "by": by}}
    with pytest.raises(PredictionsError, match="2,400 different values, more than 1,000"):
        compare(many, options=CompareOptions(by="by"))


def test_shuffled_rows_of_one_file_keep_what_lies_beside():
    order = RNG.permutation(COUNT)
    ids = np.array([f"id{row}" for row in range(COUNT)])
    straight = {"a": {"logits": LOGITS, "label": LABELS, "id": ids}, "b": {"logits": OTHER, "id": ids}}
    shuffled = {"a": straight["a"], "b": {"logits": OTHER[order], "id": ids[order]}}
    for name, values in (("w", WEIGHTS), ("animal", np.array(ANIMALS)), ("size", np.array(SIZES))):
        straight["b"][name] = values
        shuffled["b"][name] = values[order]
    options = CompareOptions(weight="w", cluster="animal", by="size")
    assert compare(straight, options=options).to_json() == compare(shuffled, options=options).to_json()
