"""What a user can choose about training: one frozen record, checked once.

The command line takes its choices from here. No torch: help has to be fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from crossent.errors import OptionError

Loss = Literal["cross-entropy", "squared-error", "squared-error-logits"]
Task = Literal["classification", "regression"]
NetworkName = Literal["small", "course"]

LOSSES: tuple[Loss, ...] = get_args(Loss)
MINUTES = 10.0
"""How long training takes, where neither minutes nor epochs are given."""
_REFUSED = {
    "classification-error": "classification error has no gradient: it is constant, except where it jumps;"
    " train on cross-entropy, and compare by --measure classification_error",
}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of `crossent.train.fit`.

    Attributes
    ----------
    loss : what is made small; None: cross-entropy, for regression squared error.
    task : classes, or one real number for each image.
    network : the name of one of the two networks.
    minutes, epochs : how long; one of the two, by default 10 minutes.
    learning_rate : the highest of the one-cycle schedule; None: the network's own. Kernels of convolutions
        move at it, all other weights at a fifth; where there are no kernels, all at it.
    label_smoothing : the share of each label that is spread evenly over the classes.
    class_weights : what each class's losses are multiplied by, those not named by 1; 'balanced': by the
        inverse of the class's share.
    patience : stop after so many epochs without a better validation figure; None: never.
    init : a RUN whose weights training starts from.
    seed : of the first weights, the order and the augmentation.
    devices : how many devices train together.
    threads : of the processor; None: as many as torch takes.
    class_from_name : the class is in the file's name, as in dog.12.jpg.
    """

    loss: Loss | None = None
    task: Task = "classification"
    network: NetworkName = "small"
    minutes: float | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    label_smoothing: float = 0.0
    class_weights: Mapping[str, float] | Literal["balanced"] = field(default_factory=dict)
    patience: int | None = None
    init: str | None = None
    seed: int = 0
    devices: int = 1
    threads: int | None = None
    class_from_name: bool = False

    def __post_init__(self) -> None:
        check_loss(self.loss, self.task)
        if self.task not in get_args(Task):
            raise OptionError(f"task is {self.task!r}; choose one of {', '.join(get_args(Task))}")
        if self.network not in get_args(NetworkName):
            raise OptionError(
                f"network is {self.network!r}; choose one of {', '.join(get_args(NetworkName))}"
            )
        if self.minutes is not None and self.epochs is not None:
            raise OptionError("give minutes or epochs, one of the two")
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise OptionError(f"minutes is {self.minutes}; it must be a number above 0")
        for name, least in (("epochs", 1), ("patience", 1), ("devices", 1), ("threads", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise OptionError(f"{name} is {value}; it must be {least} or more")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise OptionError(f"learning_rate is {self.learning_rate}; it must be a number above 0")
        if not 0 <= self.label_smoothing < 1:
            raise OptionError(f"label_smoothing is {self.label_smoothing}; it must lie in [0, 1)")
        if self.class_weights != "balanced":
            self._check_weights(dict(self.class_weights))
        if self.task == "regression" and (self.label_smoothing or self.class_weights):
            raise OptionError("label smoothing and class weights are for classes; regression has none")

    def _check_weights(self, weights: dict[str, float]) -> None:
        for name, weight in weights.items():
            if not 0 < weight < float("inf"):
                raise OptionError(f"the weight of class {name!r} is {weight}; it must be a number above 0")

    @property
    def trained_on(self) -> Loss:
        """The loss, with the default of the task filled in."""
        return self.loss or ("squared-error" if self.task == "regression" else "cross-entropy")

    def record(self) -> dict[str, Any]:
        """What `config.json` says of them."""
        weights = self.class_weights if self.class_weights == "balanced" else dict(self.class_weights)
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "loss": self.trained_on,
            "class_weights": weights,
        }


def check_loss(loss: str | None, task: str) -> None:
    """Refuse what cannot be trained on, with the reason."""
    if loss in _REFUSED:
        raise OptionError(f"--loss {loss}: {_REFUSED[loss]}")
    if loss is not None and loss not in LOSSES:
        raise OptionError(f"--loss {loss}: choose one of {', '.join(LOSSES)}")
    if task == "regression" and loss == "cross-entropy":
        raise OptionError(
            "--loss cross-entropy is for classes: a real number has no probability among them; regression"
            " trains on --loss squared-error"
        )
    if task == "regression" and loss == "squared-error-logits":
        raise OptionError("--loss squared-error-logits is for classes; regression trains on squared-error")
