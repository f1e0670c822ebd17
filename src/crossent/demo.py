"""``crossent demo``: the worked example, then three networks on handwritten digits, trained and compared.

Read it as the tutorial: two gradients train the networks, `save_predictions` writes what they say of digits
they have not seen, and `compare` tells which is more wrong. Nothing here that a user of crossent could not
write, and no sentence about the networks that does not follow from their figures.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

import crossent
from crossent.arrays import Array
from crossent.description import pair_decimals
from crossent.digits import CLASSES, HIDDEN, Digits, Network, Parts, parts
from crossent.report.as_text import as_text
from crossent.report.progress import progress_bar
from crossent.wording import count, number, quantity

# The names of the three networks, and of their files
CROSS_ENTROPY = "cross-entropy"
SAME_RATE = "squared-error-same-rate"
OWN_RATE = "squared-error-own-rate"

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
EPOCHS = 20
_BATCHES = 25  # of each epoch
_SEED = 0

LossAndGrad = Callable[..., tuple[Array, Array]]
LOSSES: Mapping[str, LossAndGrad] = {
    "cross-entropy": crossent.softmax_cross_entropy_and_grad,
    "squared error": crossent.softmax_squared_error_and_grad,
}


def run(out: Path, *, say: Callable[[str], None], show: Callable[[str], None]) -> None:
    """Do it all: ``show`` gets the results, ``say`` what is going on; three files are left in ``out``."""
    _make_folder(out)

    show("1. Three images of a dog, a cat and an odd-looking dog, and what two networks make of them\n")
    show(as_text(worked_example(), show=True))

    digits, networks = parts(), len(LOSSES) * len(RATES)
    show("\n2. Three networks that read handwritten digits\n")
    say(
        f"training {networks} networks of {HIDDEN} hidden units on {len(digits.train)} digits, {EPOCHS}"
        f" epochs each from the same start: {len(LOSSES)} losses at {len(RATES)} learning rates"
    )
    with progress_bar("training", networks * EPOCHS, "epochs") as advance:
        trained = {
            loss: {rate: train(digits.train, gradient, rate, advance) for rate in RATES}
            for loss, gradient in LOSSES.items()
        }
    scores = validated(trained, digits.validation)
    best = {loss: min(RATES, key=by_rate.__getitem__) for loss, by_rate in scores.items()}
    for line in rates_table(scores, best):
        show(line)

    files = save(
        {
            CROSS_ENTROPY: trained["cross-entropy"][best["cross-entropy"]],
            SAME_RATE: trained["squared error"][best["cross-entropy"]],
            OWN_RATE: trained["squared error"][best["squared error"]],
        },
        digits,
        out,
    )
    say(f"wrote the predictions of three of them for the {len(digits.test)} test digits to {out}")
    comparison = crossent.compare(files)
    show(f"\n{comparison}\n")
    for sentence in sentences(comparison):
        show(sentence)

    show("\n3. Now you\n")
    for command in next_commands(files):
        show(f"  {command}")


def worked_example() -> crossent.Comparison:
    """Two networks that are wrong on the same image, but not equally wrong."""
    images = ["1", "2", "3"]
    return crossent.compare(
        {
            "NN1": {"id": images, "probs": [[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]]},
            "NN2": {"id": images, "probs": [[0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]},
        },
        labels={"id": images, "label": ["dog", "cat", "dog"]},
        classes=["dog", "cat"],
    )


def train(digits: Digits, loss_and_grad: LossAndGrad, rate: float, advance: Callable[[int], None]) -> Network:
    """A network after `EPOCHS` of plain gradient descent on the mean of one of crossent's losses.

    The seed settles start and order, so that networks differ by their loss and rate alone.
    """
    random = np.random.default_rng(_SEED)
    network = Network.start(random)
    for _ in range(EPOCHS):
        for rows in np.array_split(random.permutation(len(digits)), _BATCHES):
            images, labels = digits.images[rows], digits.labels[rows]
            _, gradient = loss_and_grad(network.logits(images), labels, upstream=1 / len(rows))
            network = network.step(images, gradient, rate)
        advance(1)
    return network


def validated(
    trained: Mapping[str, Mapping[float, Network]], validation: Digits
) -> dict[str, dict[float, float]]:
    """Each network's mean cross-entropy on the validation digits.

    Both losses choose their rate by it, since it leads the comparison that follows.
    """
    return {
        loss: {
            rate: float(
                crossent.softmax_cross_entropy(network.logits(validation.images), validation.labels).mean()
            )
            for rate, network in by_rate.items()
        }
        for loss, by_rate in trained.items()
    }


def rates_table(scores: Mapping[str, Mapping[float, float]], best: Mapping[str, float]) -> list[str]:
    """Validation cross-entropy by loss and rate, the chosen rates, and what was made of them."""
    lines = [f"{'learning rate':<26}" + "".join(f"{rate:>8g}" for rate in RATES)]
    for loss, by_rate in scores.items():
        lines.append(f"{f'trained on {loss}':<26}" + "".join(f"{by_rate[rate]:8.3f}" for rate in RATES))
    return [
        *lines,
        "(mean cross-entropy on the validation digits; the lowest of a line decides the rate)",
        "",
        f"{CROSS_ENTROPY}: its best rate, {best['cross-entropy']:g}",
        f"{SAME_RATE}: that of cross-entropy, {best['cross-entropy']:g}",
        f"{OWN_RATE}: its own best rate, {best['squared error']:g}",
    ]


def save(networks: Mapping[str, Network], digits: Parts, out: Path) -> list[Path]:
    """One predictions file for each network: what it says of the test digits."""
    test = digits.test
    files = [out / f"{name}.parquet" for name in networks]
    for file, network in zip(files, networks.values(), strict=True):
        logits = network.logits(test.images)
        crossent.save_predictions(file, labels=test.labels, logits=logits, classes=CLASSES, ids=test.ids)
    return files


Standing = Literal["worse", "better", "undecided", "equal"]


def sentences(comparison: crossent.Comparison) -> list[str]:
    """What the figures of the three networks say about the two losses, whatever that is."""
    same, own = (_standing(comparison, name) for name in (SAME_RATE, OWN_RATE))
    return [
        f"At the rate that is best for cross-entropy, {_said(comparison, SAME_RATE, same)}.",
        f"At its own best rate, {_said(comparison, OWN_RATE, own)}.",
        f"{_conclusion(same, own)}; another seed or other writers may change that.",
    ]


def _standing(comparison: crossent.Comparison, name: str) -> Standing:
    """How a network stands against the one trained on cross-entropy, beyond these digits."""
    pair = comparison.pair(CROSS_ENTROPY, name)
    if pair.outcome == "worse":
        return "worse" if pair.worse == name else "better"
    return pair.outcome


def _said(comparison: crossent.Comparison, name: str, standing: Standing) -> str:
    pair, models = comparison.pair(CROSS_ENTROPY, name), comparison.models
    found, other = models[name], models[CROSS_ENTROPY]
    words: dict[Standing, str] = {
        "worse": "squared error gave the network that is more wrong",
        "better": "squared error gave the network that is less wrong",
        "undecided": f"these {comparison.example_count:,} digits do not tell which loss did better",
        "equal": "squared error gave the same predictions",
    }
    places = pair_decimals(pair, models, "cross_entropy")
    few = standing in ("worse", "better") and pair.by("cross_entropy").few_decide
    return (
        f"{words[standing]}{', though few digits decide that' if few else ''}: cross-entropy"
        f" {number(found.cross_entropy.value, places)} against {number(other.cross_entropy.value, places)},"
        f" {count(found.wrong, 'mistake')} against {quantity(other.wrong)}"
    )


def _conclusion(same: Standing, own: Standing) -> str:
    if same == own and own in ("worse", "better"):
        return f"So squared error did {own} here at either rate"
    if own in ("worse", "better"):
        return f"So squared error did {own} here, but only at the rate chosen for it"
    if same == "worse":
        return "So what looked like a worse loss may have been no more than a rate that did not suit it"
    if same == "better":
        return "So squared error did better here, but only at the rate chosen for cross-entropy"
    return "So these digits give no reason to prefer one of the two losses"


def next_commands(files: list[Path]) -> list[str]:
    """Three commands that go on from the files, as a shell takes them."""
    first, same, own = (
        shlex.quote(f"./{file}" if str(file).startswith("-") else str(file)) for file in files
    )
    program = "crossent" if shutil.which("crossent") else f"{shlex.quote(sys.executable)} -m crossent"
    return [
        f"{program} compare {first} {own}",
        f"{program} compare {first} {same} {own} --measure squared_error",
        f"{program} compare {same} {own} --format markdown",
    ]


def _make_folder(out: Path) -> None:
    """The folder, with room for a file: better to know before the training than after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise crossent.PredictionsError(
            f"{out} cannot be written ({error.strerror}): name another folder with --out"
        ) from error
