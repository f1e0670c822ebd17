"""Where a file lies: on this machine, or on any file system that PyArrow knows, such as S3.

Formats read through it, and learn from it whether the file is still the one that was opened. What is in
a file is decided elsewhere.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
from pyarrow import fs

from crossent.errors import PredictionsError
from crossent.wording import shortened


@dataclass(frozen=True)
class Stored:
    """A file or a folder.

    Attributes
    ----------
    path : as the file system knows it.
    system : a PyArrow file system; None: this machine's own.
    scheme : what stands before the path in messages. Keys and passwords of an address never do.
    state : size and time of the last change, when the file was opened.
    """

    path: str
    system: Any | None = None
    scheme: str = ""
    state: tuple[int | None, int | None] | None = None

    def __str__(self) -> str:
        return f"{self.scheme}{self.path}"

    @property
    def local(self) -> Path | None:
        """The path, on this machine's own file system."""
        return Path(self.path) if self.system is None else None

    @property
    def name(self) -> str:
        return self.local.name if self.local else PurePosixPath(self.path).name

    def at(self, path: str) -> Stored:
        """Another place on the same file system."""
        return replace(self, path=path, state=None)

    def info(self) -> fs.FileInfo:
        """Type, size and time, as they are now."""
        return (self.system or fs.LocalFileSystem()).get_file_info(self.path)

    def is_folder(self) -> bool:
        if self.system is None:
            return os.path.isdir(self.path)
        return bool(self.info().type == fs.FileType.Directory)

    def entries(self, *, recursive: bool = False) -> list[fs.FileInfo]:
        """What a folder holds, by name."""
        if self.system is None:  # PyArrow would leave out links that lead nowhere
            kinds = {True: fs.FileType.Directory, False: fs.FileType.File}
            here = sorted(Path(self.path).iterdir())
            return [fs.FileInfo(str(entry), kinds[entry.is_dir()]) for entry in here]
        found = self.system.get_file_info(fs.FileSelector(self.path, recursive=recursive))
        return sorted(found, key=lambda info: str(info.path))

    def opened(self) -> pa.NativeFile:
        """The file; read, never mapped: a mapped file that is cut off while it is read ends the process."""
        if self.system is None:
            return pa.OSFile(self.path, "rb")
        return self.system.open_input_file(self.path)

    def binary(self) -> IO[bytes] | pa.NativeFile:
        """The file as Python's own libraries want it."""
        return self.opened() if self.local is None else self.local.open("rb")

    def stream(self, compression: str | None) -> pa.NativeFile:
        """Its bytes from the first to the last, decompressed."""
        if self.system is None:
            return pa.input_stream(self.path, compression=compression)
        return self.system.open_input_stream(self.path, compression=compression)

    def seen(self) -> Stored:
        """The same, with its size and time as they are now, and a path that holds in any process."""
        path = self.path if self.local is None else os.path.abspath(self.path)
        return replace(self, path=path, state=self._state())

    def _state(self) -> tuple[int | None, int | None]:
        if self.system is None:
            found = os.stat(self.path)
            return found.st_size, found.st_mtime_ns
        info = self.info()
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(2, "no such file", str(self))
        return info.size, info.mtime_ns

    def refuse_changed(self, origin: str) -> None:
        """An error where the file is not the one that was opened."""
        try:
            now = self._state()
        except FileNotFoundError as error:
            raise PredictionsError(
                f"{origin} is not there, on {platform.node() or 'this machine'}: it was removed while it"
                " was read, or lies on no storage that all machines of the cluster share"
            ) from error
        if self.state is not None and now != self.state:
            size, before = now[0], self.state[0]
            how = f", from {before:,} bytes to {size:,}" if size != before else ""
            raise PredictionsError(
                f"{origin} was changed or replaced while it was read{how}: wait until it is written,"
                " and run again"
            )

    @contextmanager
    def reading(self, origin: str, errors: tuple[type[Exception], ...]) -> Iterator[None]:
        """Whatever is read meanwhile is read from the file that was opened; ``errors`` become sentences."""
        self.refuse_changed(origin)
        try:
            yield
        except errors as error:
            self.refuse_changed(origin)
            raise PredictionsError(
                f"{origin} is damaged, or changed while read ({first_line(error)}): write it again"
            ) from error
        self.refuse_changed(origin)


def first_line(error: Exception) -> str:
    """What Arrow says of a damaged file, without its traces."""
    return (str(error).strip().splitlines() or ["no reason given"])[0].rstrip(".")[:200]


def at_address(address: str) -> Stored:
    """The place that an address such as ``s3://bucket/nn1.parquet`` names."""
    shown = shown_address(address)
    try:
        system, path = fs.FileSystem.from_uri(address)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PredictionsError(
            f"{shown}: no address that can be read ({_first_line_without(address, error)}); s3://, gs:// and"
            " what else PyArrow's file systems know are, else copy the file here"
        ) from error
    if isinstance(system, fs.LocalFileSystem):
        return Stored(path)
    return Stored(path, system, f"{address.partition('://')[0]}://")


def shown_address(address: str) -> str:
    """The address without keys and passwords: neither what stands before @, nor what follows ?."""
    scheme, _, rest = address.partition("://")
    rest = rest.partition("?")[0]
    host, slash, path = rest.partition("/")
    return shortened(f"{scheme}://{host.rpartition('@')[2]}{slash}{path}", 200)


def _first_line_without(address: str, error: Exception) -> str:
    return first_line(error).replace(address, shown_address(address))
