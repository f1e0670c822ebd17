"""The comparisons whose whole output is held: one for each verdict that there is.

Data come from Weyl sequences, the same on every machine and in every version of NumPy.
"""

import tempfile
from pathlib import Path

import numpy as np

from crossent import CompareOptions, compare, save_predictions

DOG_CAT = {
    "NN1": [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]],
    "NN2": [[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]],
}


def weyl(count, root):
    """Evenly spread numbers in (0, 1): multiples of the square root of a prime, without their integers."""
    return (np.arange(1, count + 1) * root**0.5) % 1


def examples(count, classes, skill, roots):
    """Labels and logits; ``skill`` is what the right class gets on top."""
    labels = (weyl(count, 2) * classes).astype(np.int64)
    noise = np.stack([weyl(count, root) for root in roots[:classes]], axis=1)
    logits = 4 * (noise - 0.5)
    logits[np.arange(count), labels] += skill
    return labels, logits


def probs(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


ROOTS, OTHER_ROOTS = (3, 5, 7), (11, 13, 17)


def worked_example():
    rows = {name: {"id": ["1", "2", "3"], "probs": q} for name, q in DOG_CAT.items()}
    return compare(
        rows, labels={"id": ["1", "2", "3"], "label": ["dog", "cat", "dog"]}, classes=["dog", "cat"]
    )


def _two(count, skills, **options):
    labels, a = examples(count, 3, skills[0], ROOTS)
    _, b = examples(count, 3, skills[1], OTHER_ROOTS)
    return compare(
        {"NN1": a, "NN2": b},
        labels=labels,
        classes=["dog", "cat", "fox"],
        kind="logits",
        options=CompareOptions(**options),
    )


def clearly_worse():
    return _two(400, (2.0, 0.5))


def undecided():
    return _two(400, (2.0, 1.9))


def equal_within_a_margin():
    return _two(4000, (2.0, 1.99), margin=0.1)


def worse_by_squared_error():
    return _two(400, (2.0, 0.5), measure="squared_error")


def measures_disagree():
    labels, logits = examples(400, 3, 2.0, ROOTS)
    sharp = logits * 3  # as many mistakes less a few, each of them dearer
    wrong = sharp.argmax(axis=1) != labels
    sharp[np.flatnonzero(wrong)[:4]] = 0
    sharp[np.flatnonzero(wrong)[:4], labels[wrong][:4]] = 1
    ids = [f"img-{row}" for row in range(400)]
    return compare(
        {"calm": {"id": ids, "logits": logits, "label": labels}, "sharp": {"id": ids, "logits": sharp}},
        classes=["dog", "cat", "fox"],
    )


def _with_zeros(rows, other):
    labels, logits = examples(400, 3, 2.0, ROOTS)
    a, b = probs(logits), probs(examples(400, 3, 1.9, OTHER_ROOTS)[1])
    for q, zeros in ((a, rows), (b, other)):
        for row in zeros:
            q[row] = 0
            q[row, (labels[row] + 1) % 3] = 1
    return compare({"NN1": a, "NN2": b}, labels=labels, classes=["dog", "cat", "fox"], kind="probs")


def one_infinite():
    return _with_zeros([], [7])


def both_infinite():
    return _with_zeros([1, 7], [7, 30, 31])


def three_models():
    labels, a = examples(400, 3, 2.0, ROOTS)
    others = {name: examples(400, 3, skill, OTHER_ROOTS)[1] for name, skill in (("NN2", 1.9), ("NN3", 0.5))}
    return compare({"NN1": a, **others}, labels=labels, classes=["dog", "cat", "fox"], kind="logits")


def one_model():
    labels, logits = examples(400, 3, 2.0, ROOTS)
    return compare({"NN1": logits}, labels=labels, classes=["dog", "cat", "fox"], kind="logits")


def soft_labels():
    _, truth = examples(400, 3, 1.0, (19, 23, 29))
    _, a = examples(400, 3, 0.0, (19, 23, 29))
    _, b = examples(400, 3, 0.0, ROOTS)
    labels = np.round(probs(truth) * 2**20) / 2**20  # processors differ in the last bit of an exponential
    labels[:, 0] = 1 - labels[:, 1:].sum(axis=1)
    return compare({"NN1": a, "NN2": b}, labels=labels, classes=["dog", "cat", "fox"], kind="logits")


def clusters():
    labels, a = examples(400, 3, 2.0, ROOTS)
    _, b = examples(400, 3, 1.2, OTHER_ROOTS)
    rows = np.arange(400)
    animals = [f"animal {row}" for row in rows // 5]
    rooms = [("kitchen", "garden")[row % 2] for row in rows]
    return compare(
        {"NN1": {"logits": a, "label": labels, "animal": animals, "room": rooms}, "NN2": {"logits": b}},
        classes=["dog", "cat", "fox"],
        options=CompareOptions(cluster="animal", by="room"),
    )


def write_seeds(folder, recipe, skills):
    """One RUN for each seed, as training leaves them: the same examples, a little more or less skill."""
    labels, base = examples(400, 3, 0.0, ROOTS)
    for seed, skill in enumerate(skills, 1):
        noise = np.stack([weyl(400, 19 + 2 * seed + 30 * place) for place in range(3)], axis=1)
        logits = base + 2 * (noise - 0.5)
        logits[np.arange(400), labels] += skill
        path = folder / recipe / f"seed-{seed}"
        path.mkdir(parents=True)
        save_predictions(
            path / "predictions.parquet",
            labels=labels,
            logits=logits,
            classes=["dog", "cat", "fox"],
            ids=[f"image {row}" for row in range(400)],
        )


def _seeds(**skills):
    with tempfile.TemporaryDirectory() as folder:
        for recipe, by_seed in skills.items():
            write_seeds(Path(folder), recipe, by_seed)
        return compare([Path(folder, recipe) for recipe in skills])


def seeds_of_two_recipes():
    return _seeds(ce=(2.0, 2.1, 1.9, 2.05, 1.95), se=(1.2, 1.4, 1.1, 1.3))


def seeds_that_hide_the_difference():
    return _seeds(ce=(2.0, 1.2, 1.9), se=(1.2, 2.3, 1.1))


def too_few_seeds():
    return _seeds(ce=(2.0, 2.1), se=(1.2, 1.4, 1.1))


def file_with_itself():
    labels, logits = examples(400, 3, 2.0, ROOTS)
    return compare(
        {"NN1": logits, "NN1 again": logits}, labels=labels, classes=["dog", "cat", "fox"], kind="logits"
    )


CASES = {
    case.__name__: case
    for case in (
        worked_example,
        clearly_worse,
        undecided,
        equal_within_a_margin,
        worse_by_squared_error,
        measures_disagree,
        one_infinite,
        both_infinite,
        three_models,
        one_model,
        soft_labels,
        clusters,
        seeds_of_two_recipes,
        seeds_that_hide_the_difference,
        too_few_seeds,
        file_with_itself,
    )
}
