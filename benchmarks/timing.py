"""Contenders in interleaved rounds, what the rounds say, and the machine that they ran on.

A round calls everybody once, so that whatever else the machine does harms all alike; ratios are of medians
of one run. What is called, and whether it is right, is not decided here.
"""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

REST = 0.003
"""Seconds between calls: the threads of one library may spin for a while before they let go of a core."""
WARM_UPS = 2
SLOW = 3.0
"""Who takes so many times the median contender's time is called in FEW rounds only, spread over the run."""
FEW = 3

LIBRARIES = (
    "numpy",
    "numba",
    "torch",
    "jax",
    "jaxlib",
    "optax",
    "scipy",
    "scikit-learn",
    "onnx",
    "onnxruntime",
    "ml_dtypes",
)


@dataclass(frozen=True)
class Spread:
    """Seconds of one contender: median and quartiles over its rounds."""

    median: float
    low: float
    high: float
    rounds: int


def spread(seconds: list[float]) -> Spread:
    """Of the seconds of all rounds."""
    low, median, high = np.percentile(seconds, [25, 50, 75])
    return Spread(float(median), float(low), float(high), len(seconds))


def interleaved(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Spread]:
    """Time each call once a round, after warming up; results are let go of after the clock has stopped."""
    warm = {name: _warmed_up(call) for name, call in calls.items()}
    few = set(np.linspace(0, rounds - 1, min(FEW, rounds)).round().astype(int).tolist())
    limit = SLOW * statistics.median(warm.values())
    slow = {name for name, seconds in warm.items() if seconds > limit}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name, call in calls.items():
                if name not in slow or turn in few:
                    taken[name].append(_seconds(call))
    finally:
        gc.enable()
    return {name: spread(seconds) for name, seconds in taken.items()}


def _warmed_up(call: Callable[[], object]) -> float:
    return [_seconds(call) for _ in range(WARM_UPS)][-1]


def _seconds(call: Callable[[], object]) -> float:
    time.sleep(REST)
    began = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - began
    del result
    return seconds


def copies(source: NDArray[Any], used: NDArray[Any]) -> dict[str, Callable[[], object]]:
    """Copying an array into one whose memory is in use already, by one thread and by two."""
    pool = ThreadPoolExecutor(2)
    half = len(source) // 2

    def one() -> None:
        np.copyto(used, source)

    def two() -> None:
        other = pool.submit(np.copyto, used[half:], source[half:])
        np.copyto(used[:half], source[:half])
        other.result()

    return {"copy, 1 thread": one, "copy, 2 threads": two}


def machine() -> dict[str, Any]:
    """The processor, what of it may be used, and the versions of what takes part."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
    }


def version(distribution: str) -> str | None:
    """Of an installed distribution, None where it is absent."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """Of this checkout, marked where files differ from it; None outside a checkout."""
    done = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or None


def _processor() -> str:
    """The model's name with the widest vectors it has, which decide more than its clock."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(reversed([line.split(":", 1) for line in lines if ":" in line]))
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    vectors = next((name for name in ("avx512f", "avx2", "avx", "asimd") if name in flags), "")
    return f"{facts.get('model name', platform.machine())} {vectors}".strip()
