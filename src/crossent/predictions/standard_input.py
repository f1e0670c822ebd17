"""Standard input as a file: copied once into a temporary one, since a source may be read twice.

What is in it is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable
from typing import Final

from crossent.errors import PredictionsError
from crossent.predictions.stored import Stored
from crossent.predictions.table import Table


class _StandardInput:
    """The source ``-``."""


STANDARD_INPUT: Final = _StandardInput()


def spooled(opened: Callable[[Stored], Table]) -> Table:
    """What ``opened`` makes of a copy of standard input, which goes when the table does, or at exit."""
    if sys.stdin is None or sys.stdin.closed:
        raise PredictionsError("standard input is closed: pipe the predictions into it, or name a file")
    if sys.stdin.isatty():
        raise PredictionsError("standard input is a terminal: pipe the predictions into it, or name a file")
    descriptor, name = tempfile.mkstemp(prefix="crossent-")
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        except OSError as error:
            raise PredictionsError(
                f"standard input cannot be kept in {os.path.dirname(name)} ({error.strerror}): set TMPDIR to"
                " a larger folder, or write the predictions to a file and name it"
            ) from error
        table = opened(Stored(name))
    except BaseException:
        _remove(name)
        raise
    weakref.finalize(table, _remove, name)
    return table


def _remove(name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name)
