"""Files that are written beside their place, synced and renamed: complete, or not there at all."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` when the block ends without an exception.

    What is there and no file, such as a pipe or a device, is written to and stays what it is.

    Raises
    ------
    OSError
        If it cannot be written; names ``path``, whatever the system stumbled over.
    """
    try:
        if _is_special(path):
            with path.open("wb") as file:
                yield file
            return
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def check_place(path: Path, sources: Iterable[Path] = ()) -> None:
    """Raise the OSError that writing ``path`` would end with, as far as that can be known beforehand.

    A file that is one of the ``sources`` is not written over.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder; name a file in it", str(path))
    check_folder(path.parent)
    place = path if _is_special(path) else path.parent
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    if path.is_file() and any(source.is_file() and source.samefile(path) for source in sources):
        raise FileExistsError(errno.EEXIST, "it is one of the sources; name another file", str(path))


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def check_folder(path: Path) -> None:
    """Raise an OSError that names ``path`` if it is no folder."""
    if not path.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(path))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
