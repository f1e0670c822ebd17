"""Memory that a call takes beyond what it gives back: measured in a process of its own (Linux).

The peak of resident memory is set back before each call, with logits and results in memory already;
compiled code is loaded before, by a call on one row.
"""

from __future__ import annotations

import ctypes
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import crossent
from benchmarks.contenders import nn, set_threads
from benchmarks.problems import Problem, as_tensor, problem

STATUS = Path("/proc/self/status")


class Temporary(NamedTuple):
    """What one function took per thread, in MB beyond its outputs."""

    dtype: str
    shape: tuple[int, int]
    function: str
    megabytes: float


def temporaries(cases: Sequence[tuple[str, tuple[int, int]]], threads: int) -> list[Temporary]:
    """Of every function, for each dtype and shape, one after the other in one new process."""
    command = [sys.executable, "-m", "benchmarks.temporaries", json.dumps(cases), str(threads)]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"benchmarks.temporaries ended with {done.returncode}: {done.stderr}")
    return [
        Temporary(dtype, (n, k), function, megabytes)
        for dtype, (n, k), function, megabytes in json.loads(done.stdout)
    ]


def measurable() -> bool:
    """Whether the system tells of the peak, and lets it be set back."""
    return STATUS.exists() and Path("/proc/self/clear_refs").exists()


def calls(case: Problem) -> dict[str, tuple[int, Callable[[Any, Any, Any], Any]]]:
    """Each function on logits, labels and memory for the result, with the bytes of the outputs it makes."""
    losses = case.n * 4
    matrix = case.logits.nbytes
    found: dict[str, tuple[int, Callable[[Any, Any, Any], Any]]] = {
        "loss": (losses, lambda x, y, out: crossent.softmax_cross_entropy(x, y)),
        "logsumexp": (losses, lambda x, y, out: crossent.logsumexp(x)),
        "softmax, into out": (0, lambda x, y, out: crossent.softmax(x, out=out)),
        "log_softmax, into out": (0, lambda x, y, out: crossent.log_softmax(x, out=out)),
        "gradient, into out": (
            losses,
            lambda x, y, out: crossent.softmax_cross_entropy_and_grad(x, y, out=out),
        ),
        "gradient, fresh": (losses + matrix, lambda x, y, out: crossent.softmax_cross_entropy_and_grad(x, y)),
        "squared error, into out": (
            losses,
            lambda x, y, out: crossent.softmax_squared_error_and_grad(x, y, out=out),
        ),
    }
    if nn() is not None:
        # what it is handed and what it leaves in .grad: one matrix, whatever is kept between the two passes
        found["crossent.nn, backward"] = (matrix, _backward)
    return found


def _backward(x: Any, y: Any, out: Any) -> Any:
    logits = as_tensor(x).requires_grad_()
    nn().cross_entropy(logits, as_tensor(y)).backward()
    return logits.grad


def _kilobytes(key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", STATUS.read_text())
    assert found is not None
    return int(found[1])


def peak_above(call: Callable[[], Any]) -> int:
    """Bytes by which resident memory rises at its highest while the call runs."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc; freed memory would hide what is new
    if give_back is not None:
        give_back(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    result = call()
    peak = _kilobytes("VmHWM")
    del result
    return (peak - before) * 1024


def measured(dtype: str, shape: tuple[int, int], threads: int) -> Iterator[Temporary]:
    """In this process."""
    case = problem(shape, dtype, threads)
    x, y, out = case.logits, case.labels, case.out
    for name, (outputs, call) in calls(case).items():
        call(x[:1], y[:1], out[:1])
        taken = peak_above(functools.partial(call, x, y, out))
        yield Temporary(dtype, shape, name, max(0.0, taken - outputs) / 1e6 / threads)


def main() -> None:
    """Print the figures as JSON; for `temporaries`."""
    cases, threads = json.loads(sys.argv[1]), int(sys.argv[2])
    set_threads(threads)
    with crossent.threads(threads):
        # starts the pool, whose threads are no temporary
        crossent.softmax(np.zeros((4_096, 1_000), np.float32))
        found = [one for dtype, (n, k) in cases for one in measured(dtype, (n, k), threads)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
