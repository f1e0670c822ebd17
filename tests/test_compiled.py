"""What is compiled is kept, for just this code, and said once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_where_nothing_can_be_written_it_compiles_each_time(tmp_path):
    package = copied(tmp_path)
    (package / "kernels" / "__pycache__").write_text("")
    (tmp_path / "cache").write_text("")
    assert run(tmp_path) == SAID
    assert run(tmp_path) == SAID
