"""The race of the teaching page: one small network, three losses, two starts, real gradients.

Runs are short and alike everywhere: no minibatches, one seed, and shares of whole animals, so that the page
is the same wherever it is built. No word on which loss wins stands here that the shares do not say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import crossent
from crossent.digits import Network

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Start = Literal["ordinary", "wrong"]
Rate = Literal["common", "best"]

STEPS = 200
RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
COMMON_RATE = RATES[1]
"""At which none of the three losses flies apart."""
GOAL = 0.15
"""Share of mistakes below which a network has arrived."""
HIDDEN = 8
LEARNT_FROM, JUDGED_ON = 200, 400
_SWAPPED_STEPS = 600
_SWAPPED_RATE = 1.6
_FLOWN_APART = 1e6  # logits beyond this have left the race
_SEED = 0


@dataclass(frozen=True)
class Animals:
    """Invented dogs (label 0) and cats (1), each described by two numbers."""

    features: Floats
    labels: Labels


@dataclass(frozen=True)
class Run:
    """One network's share of mistakes on animals it has not seen, before each step and at the end."""

    rate: float
    wrong: tuple[float, ...]

    @property
    def arrived(self) -> int | None:
        """Steps until the share of mistakes is below `GOAL` and stays there; None: not in this race."""
        above = [step for step, share in enumerate(self.wrong) if share >= GOAL]
        last = above[-1] if above else -1
        return None if last == len(self.wrong) - 1 else last + 1


@dataclass(frozen=True)
class Race:
    """All runs, by start, choice of rate and loss; and what the wrong start typically gives to the truth."""

    runs: Mapping[Start, Mapping[Rate, Mapping[str, Run]]]
    typical_of_wrong_start: float


Slope = Callable[[Floats, Labels], Floats]


def _cross_entropy(logits: Floats, labels: Labels) -> Floats:
    return np.asarray(crossent.softmax_cross_entropy_and_grad(logits, labels)[1])


def _squared_error(logits: Floats, labels: Labels) -> Floats:
    return np.asarray(crossent.softmax_squared_error_and_grad(logits, labels)[1])


def _squared_error_of_raw_outputs(logits: Floats, labels: Labels) -> Floats:
    """Of the sum over the classes of (p - x)², without a softmax."""
    return 2.0 * (logits - np.eye(logits.shape[1])[labels])


LOSSES: Mapping[str, Slope] = {
    "cross-entropy": _cross_entropy,
    "squared error": _squared_error,
    "squared error of raw outputs": _squared_error_of_raw_outputs,
}


def race() -> Race:
    """Every loss from both starts, at the common rate and at its own best."""
    random = np.random.default_rng(_SEED)
    seen, unseen = _animals(LEARNT_FROM, random), _animals(JUDGED_ON, random)
    ordinary = Network(
        (random.normal(0, 2**-0.5, (2, HIDDEN)), random.normal(0, HIDDEN**-0.5, (HIDDEN, 2))),
        (np.zeros(HIDDEN), np.zeros(2)),
    )
    swapped = Animals(seen.features, 1 - seen.labels)
    wrong = ordinary
    for _ in range(_SWAPPED_STEPS):
        wrong = _stepped(wrong, swapped, _cross_entropy, _SWAPPED_RATE)
    costs = crossent.softmax_cross_entropy(wrong.logits(unseen.features), unseen.labels)
    starts: dict[Start, Network] = {"ordinary": ordinary, "wrong": wrong}
    return Race(
        {name: _from(network, seen, unseen) for name, network in starts.items()},
        float(np.exp(-np.mean(costs))),
    )


def _from(start: Network, seen: Animals, unseen: Animals) -> dict[Rate, dict[str, Run]]:
    by_rate = {
        loss: {rate: _run(start, seen, unseen, slope, rate) for rate in RATES}
        for loss, slope in LOSSES.items()
    }
    return {
        "common": {loss: runs[COMMON_RATE] for loss, runs in by_rate.items()},
        "best": {loss: min(runs.values(), key=lambda run: sum(run.wrong)) for loss, runs in by_rate.items()},
    }


def _run(network: Network, seen: Animals, unseen: Animals, slope: Slope, rate: float) -> Run:
    wrong = [_share_wrong(network, unseen)]
    for _ in range(STEPS):
        if not np.abs(network.logits(seen.features)).max() < _FLOWN_APART:
            wrong += [wrong[-1]] * (STEPS + 1 - len(wrong))
            break
        network = _stepped(network, seen, slope, rate)
        wrong.append(_share_wrong(network, unseen))
    return Run(rate, tuple(wrong))


def _stepped(network: Network, animals: Animals, slope: Slope, rate: float) -> Network:
    """One step of plain gradient descent on the mean of a loss."""
    gradient = slope(network.logits(animals.features), animals.labels) / len(animals.labels)
    return network.step(animals.features, gradient, rate)


def _share_wrong(network: Network, animals: Animals) -> float:
    return float(np.mean(network.logits(animals.features).argmax(axis=1) != animals.labels))


def _animals(count: int, random: np.random.Generator) -> Animals:
    """As many cats as dogs, each in two breeds that lie opposite each other, so that no line parts them."""
    number = np.arange(count)
    labels, breeds = number % 2, number // 2 % 2 * 2.0 - 1.0
    centres = np.stack([breeds, np.where(labels == 0, breeds, -breeds)], axis=1)
    return Animals(centres + random.normal(0, 0.45, (count, 2)), labels)
