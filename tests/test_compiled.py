"""What is compiled is kept, for just this code, and said once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import crossent

PACKAGE = Path(crossent.__file__).parent
CALL = "import crossent; print(crossent.softmax([0.0, 0.0]))"
SAID = "compiling kernels for this processor: seconds, this once\n"


def run(home: Path, code: str = CALL) -> str:
    """What a fresh process says on stderr, with the package copied below `home`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(home),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "[0.5 0.5]\n"
    return done.stderr


def copied(home: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, home / "crossent", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_first_call_says_that_it_compiles_and_an_edit_anywhere_is_noticed(tmp_path):
    package = copied(tmp_path)
    assert run(tmp_path) == SAID
    assert run(tmp_path) == ""
    edited = package / "kernels" / "scalar.py"  # no kernel stands in it, all of them call it
    edited.write_text(edited.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert run(tmp_path) == SAID
    assert not (tmp_path / "cache").exists()


def test_where_the_package_cannot_be_written_the_users_cache_is_used(tmp_path):
    package = copied(tmp_path)
    place = package / "kernels" / "__pycache__"
    place.write_text("a file where the folder would be")
    assert run(tmp_path) == SAID
    assert run(tmp_path) == ""
    assert list((tmp_path / "cache" / "crossent").glob("numba-*"))


@pytest.mark.slow
def test_where_nothing_can_be_written_it_compiles_each_time(tmp_path):
    package = copied(tmp_path)
    (package / "kernels" / "__pycache__").write_text("")
    (tmp_path / "cache").write_text("")
    assert run(tmp_path) == SAID
    assert run(tmp_path) == SAID


EVERYTHING = """
import hashlib, sys
import numpy as np
import crossent

rng, digest = np.random.default_rng(0), hashlib.sha256()
for classes in (3, 40, 5000):
    labels = rng.integers(0, classes, 50)
    soft = crossent.softmax(rng.normal(0, 3, (50, classes)))
    for dtype in ("float16", "float32", "float64"):
        logits = rng.normal(0, 9, (50, classes)).astype(dtype)
        found = [crossent.softmax(logits), crossent.log_softmax(logits), crossent.logsumexp(logits)]
        for p in (labels, soft.astype(dtype)):
            found += [crossent.softmax_cross_entropy(logits, p), crossent.softmax_squared_error(logits, p)]
            found += crossent.softmax_cross_entropy_and_grad(logits, p)
            found += crossent.softmax_squared_error_and_grad(logits, p)
        for values in found:
            digest.update(np.asarray(values).tobytes())
    for p in (labels, soft):
        for kind, outputs in (("logits", [logits, logits + 1]), ("probs", [soft, soft[:, ::-1]])):
            digest.update(crossent.compare(outputs, labels=p, kind=kind).to_json().encode())
print(digest.hexdigest())
"""


def test_a_process_that_only_loads_finds_the_same():
    """What is kept needs nothing that compiling brings with it; a symbol that it lacked would end the process."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True, env=environment
        )
        for _ in range(2)
    )
    assert second.stderr == ""
    assert len(first.stdout) == 65
    assert first.stdout == second.stdout
