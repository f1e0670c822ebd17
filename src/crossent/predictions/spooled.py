"""What can't be read where it is, copied once into a temporary file.

Standard input, since a source may be read twice; text on a file system written in Python, since the
threads of PyArrow's reader, when they are given up, would wait there for a process that ends, which
hangs or aborts it. What is in it is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from crossent.errors import PredictionsError
from crossent.predictions.bombs import unpacked
from crossent.predictions.stored import Stored
from crossent.predictions.table import Table

_PIECE = 1 << 20


class _StandardInput:
    """The source ``-``."""


STANDARD_INPUT: Final = _StandardInput()


def standard_input() -> Iterator[bytes]:
    """What is piped into this process."""
    if sys.stdin is None or sys.stdin.closed:
        raise PredictionsError("standard input is closed: pipe the predictions into it, or name a file")
    if sys.stdin.isatty():
        raise PredictionsError("standard input is a terminal: pipe the predictions into it, or name a file")
    while piece := sys.stdin.buffer.read(_PIECE):
        yield piece


def distant(stored: Stored, origin: str) -> Iterator[bytes]:
    """What a file holds that lies elsewhere."""
    with stored.reading(origin, (OSError,)):
        yield from unpacked(stored, None, _PIECE)


def spooled(called: str, pieces: Iterable[bytes], opened: Callable[[Stored], Table]) -> Table:
    """What ``opened`` makes of a copy of ``pieces``, which goes when the table does, or at exit."""
    descriptor, name = tempfile.mkstemp(prefix="crossent-")
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(pieces)
        except OSError as error:
            raise PredictionsError(
                f"{called} cannot be kept in {os.path.dirname(name)} ({error.strerror}): set TMPDIR to"
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
