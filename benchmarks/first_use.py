"""What a new installation costs on its first comparison, and every comparison after it.

The package is copied to a folder of its own, with empty folders for caches, so that the first
``crossent compare`` compiles whatever it needs and those after it find that.
"""

from __future__ import annotations

import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import crossent

EXAMPLE = {
    "nn1.csv": "id,label,prob_dog,prob_cat\n1,dog,0.9,0.1\n2,cat,0.1,0.9\n3,dog,0.4,0.6\n",
    "nn2.csv": "id,label,prob_dog,prob_cat\n1,dog,0.6,0.4\n2,cat,0.3,0.7\n3,dog,0.1,0.9\n",
}
"""The worked example of the documentation."""
REPEATS = 5


@dataclass(frozen=True)
class FirstUse:
    """Seconds, and whether the user is told while waiting."""

    first: float
    after: list[float]
    announced: bool
    silent_after: bool

    @property
    def compiling(self) -> float:
        """What the first run takes longer than the others."""
        return max(0.0, self.first - statistics.median(self.after))


def measure() -> FirstUse:
    """Compare the worked example in a fresh copy of the package, once and then again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = folder / "site" / "crossent"
        shutil.copytree(
            Path(crossent.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "*.nb[ic]")
        )
        compileall.compile_dir(package, quiet=1)  # as an installer does
        for file, text in EXAMPLE.items():
            (folder / file).write_text(text)
        cache = str(folder / "cache")
        environment = os.environ | {"HOME": name, "XDG_CACHE_HOME": cache, "PYTHONPATH": str(package.parent)}
        environment.pop("NUMBA_CACHE_DIR", None)  # what a user has is the package's own choice
        first, told = _compare(folder, environment)
        after = [_compare(folder, environment) for _ in range(REPEATS)]
    return FirstUse(
        first,
        [seconds for seconds, _ in after],
        announced="compil" in told,
        silent_after=not any("compil" in said for _, said in after),
    )


def _compare(folder: Path, environment: dict[str, str]) -> tuple[float, str]:
    """Wall seconds and what stands on stderr."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "crossent", "compare", *EXAMPLE],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"crossent compare ended with {done.returncode}: {done.stderr}")
    return seconds, done.stderr
