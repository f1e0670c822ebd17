"""Who takes part: what a contender is, which libraries are there, and crossent's own calls.

What others offer is in `peers`. Every call does the same job: the mean of the losses, its gradient by
the logits.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

import crossent
from benchmarks.problems import Problem, as_numpy

Function = Literal["gradient", "loss", "softmax", "log_softmax", "logsumexp", "squared_error"]

NN = "crossent.nn"
PEERS = {
    "torch": "PyTorch",
    "jax": "JAX",
    "optax": "optax",
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
    "onnx": "ONNX",
    "onnxruntime": "ONNX Runtime",
}
"""Modules of other libraries, and what they are called."""


@dataclass(frozen=True)
class Contender:
    """One way to do a job.

    Attributes
    ----------
    name : as the tables have it, unlike all others of the same job.
    library : whose it is: 'crossent', 'crossent.nn', 'PyTorch', ...
    run : what is timed.
    matrix : the softmax or gradient (n, k) in what `run` returned.
    losses : one value per example by the same formula, which `run` may only have the mean of.
    into_out : whether it writes into memory that was given.
    of_sum : whether its gradient is always that of the sum over the examples.
    """

    name: str
    library: str
    run: Callable[[], Any]
    matrix: Callable[[Any], NDArray[Any]] | None = None
    losses: Callable[[], NDArray[Any]] | None = None
    into_out: bool = False
    of_sum: bool = False

    @property
    def ours(self) -> bool:
        return self.library in ("crossent", NN)


@functools.cache
def module(name: str) -> Any:
    """A module, None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def absent() -> list[str]:
    """What could take part and is not there."""
    names = [title for name, title in PEERS.items() if module(name) is None]
    return [*names, NN] if nn() is None else names


def nn() -> Any:
    """`crossent.nn`, None where it, or PyTorch, is not there."""
    return module(NN) if module("torch") is not None else None


def set_threads(n: int) -> None:
    """As many threads for everyone who has a say; call it before JAX is imported.

    NPROC is the only thing that JAX's pool looks at. ONNX Runtime and scikit-learn's losses are told with
    each session or call, SciPy and scikit-learn's softmax have one thread.
    """
    os.environ["NPROC"] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # XLA tells at length of a compilation that takes seconds
    torch = module("torch")
    if torch is not None:
        torch.set_num_threads(n)


def ours(function: Function, problem: Problem) -> list[Contender]:
    """The bare calls, and `crossent.nn` with ``.backward()`` where it has the function."""
    make: dict[Function, Callable[[Problem], list[Contender]]] = {
        "gradient": _gradient,
        "squared_error": _squared_error,
        "loss": _loss,
        "logsumexp": _logsumexp,
        "softmax": functools.partial(_normalised, crossent.softmax),
        "log_softmax": functools.partial(_normalised, crossent.log_softmax),
    }
    return make[function](problem)


def _with_gradient(problem: Problem, bare: Callable[..., Any], name: str) -> list[Contender]:
    x, y = problem.logits, problem.labels

    def run(out: NDArray[Any] | None = None) -> tuple[Any, NDArray[Any]]:
        losses, gradient = bare(x, y, upstream=problem.scale, out=out)
        return losses.mean(), gradient

    def losses() -> NDArray[Any]:
        each: NDArray[Any] = bare(x, y)[0]
        return each

    found = [
        Contender("crossent, fresh", "crossent", run, _second, losses),
        Contender("crossent, into out", "crossent", lambda: run(problem.out), _second, losses, True),
    ]
    function = getattr(nn(), name, None)
    if function is None:
        return found
    t, labels = problem.tensor, problem.label_tensor

    def backward() -> Any:
        logits = t.detach().requires_grad_()
        function(logits, labels, reduction=problem.reduction).backward()
        return logits.grad

    def each() -> NDArray[Any]:
        return as_numpy(function(t, labels, reduction="none"))

    return [*found, Contender("crossent.nn, backward", NN, backward, as_numpy, each)]


def _gradient(problem: Problem) -> list[Contender]:
    return _with_gradient(problem, crossent.softmax_cross_entropy_and_grad, "cross_entropy")


def _squared_error(problem: Problem) -> list[Contender]:
    return _with_gradient(problem, crossent.softmax_squared_error_and_grad, "softmax_squared_error")


def _loss(problem: Problem) -> list[Contender]:
    x, y = problem.logits, problem.labels

    def losses() -> NDArray[Any]:
        each: NDArray[Any] = crossent.softmax_cross_entropy(x, y)
        return each

    found = [Contender("crossent", "crossent", lambda: losses().mean(), None, losses)]
    if nn() is not None:
        t, labels, loss = problem.tensor, problem.label_tensor, nn().cross_entropy
        found.append(
            Contender(
                NN, NN, lambda: loss(t, labels), None, lambda: as_numpy(loss(t, labels, reduction="none"))
            )
        )
    return found


def _normalised(function: Callable[..., Any], problem: Problem) -> list[Contender]:
    x = problem.logits
    return [
        Contender("crossent, fresh", "crossent", lambda: function(x), _itself),
        Contender(
            "crossent, into out", "crossent", lambda: function(x, out=problem.out), _itself, into_out=True
        ),
    ]


def _logsumexp(problem: Problem) -> list[Contender]:
    def losses() -> NDArray[Any]:
        each: NDArray[Any] = crossent.logsumexp(problem.logits)
        return each

    return [Contender("crossent", "crossent", losses, None, losses)]


def _itself(result: NDArray[Any]) -> NDArray[Any]:
    return result


def _second(result: tuple[Any, NDArray[Any]]) -> NDArray[Any]:
    return result[1]
