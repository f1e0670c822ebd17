"""What a user can choose about a comparison: one frozen record, checked once.

The command line takes its options and their choices from here. Nothing is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from crossent.errors import OptionError
from crossent.wording import MEASURES, Engine, InputFormat, LabelIs, Measure


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Options of `crossent.compare`.

    Attributes
    ----------
    measure : the measure that leads the verdict.
    margin : differences up to this count as equal; None: no such margin.
    confidence : of every interval and of the verdict, between 0 and 1.
    clip : a label's probability below this costs as much as this; None: nothing is clipped.
    renormalize : divide rows of probabilities by their sum, whatever it is.
    id, label : names of the columns that hold ids and labels.
    weight : name of the column of importance weights.
    cluster : name of the column that says which examples belong together.
    by : name of a column by whose values results are given too.
    label_is : whether text labels are names of classes or indices, where both readings fit.
    top : examples kept per pair and direction.
    threads : threads to use; None: what the process may use. On Ray tasks at once; None: its processors.
    memory : bytes that joining ids in another order may take; beyond it they are joined on disk.
    input_format : format of the source ``-``, which is standard input.
    engine : where it is computed: on threads of this machine, or on a Ray cluster.
    ray_address : of the cluster; None: one on this machine, or the one that the process is connected to.
    filesystem : PyArrow file system that the paths lie on; None: this machine's, or the address's.
    """

    measure: Measure = "cross_entropy"
    margin: float | None = None
    confidence: float = 0.95
    clip: float | None = None
    renormalize: bool = False
    id: str | None = None
    label: str | None = None
    weight: str | None = None
    cluster: str | None = None
    by: str | None = None
    label_is: LabelIs | None = None
    top: int = 20
    threads: int | None = None
    memory: int = 500_000_000
    input_format: InputFormat | None = None
    engine: Engine = "local"
    ray_address: str | None = None
    filesystem: Any | None = None

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise OptionError(f"measure is {self.measure!r}; choose one of {', '.join(MEASURES)}")
        if self.margin is not None and not 0 <= self.margin < float("inf"):
            raise OptionError(f"margin is {self.margin}; it must be a number from 0 up")
        if not 0 < self.confidence < 1:
            raise OptionError(f"confidence is {self.confidence}; it must lie between 0 and 1, such as 0.95")
        if self.clip is not None and not 0 < self.clip < 1:
            raise OptionError(f"clip is {self.clip}; it must lie between 0 and 1, such as 1e-15")
        if self.label_is not in (None, "name", "index"):
            raise OptionError(f"label_is is {self.label_is!r}; choose name or index")
        if self.input_format not in (None, *get_args(InputFormat)):
            known = ", ".join(get_args(InputFormat))
            raise OptionError(f"input_format is {self.input_format!r}; choose one of {known}")
        if self.top < 0:
            raise OptionError(f"top is {self.top}; it must be 0 or more")
        if self.threads is not None and self.threads < 1:
            raise OptionError(f"threads is {self.threads}; it must be 1 or more")
        if self.engine not in get_args(Engine):
            raise OptionError(f"engine is {self.engine!r}; choose one of {', '.join(get_args(Engine))}")
        if self.ray_address is not None and self.engine != "ray":
            raise OptionError(f"ray_address is {self.ray_address!r}, but the engine is not ray: choose it")
        if self.memory < 1:
            raise OptionError(f"memory is {self.memory}; it must be 1 byte or more")
