"""A folder or a pattern as a source: a RUN, a folder of seeds, or many files that are one source.

Which files are meant is decided here; they are opened by `sources`.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from pyarrow import fs

from crossent.errors import PredictionsError
from crossent.predictions.stored import Stored, first_line

PREDICTIONS = "predictions.parquet"
PARTS = (".parquet", ".arrow", ".feather", ".ipc")
_SEED = re.compile(r"seed-(\d+)")


@dataclass(frozen=True)
class Contents:
    """What a folder holds: the predictions of runs by name (of a RUN without one), or files of one source."""

    runs: dict[str, Stored]
    parts: tuple[Stored, ...] = ()


def contents(folder: Stored) -> Contents:
    """The predictions in a folder: of a RUN, of each seed in the order of the seeds, or in many files."""
    try:
        entries = folder.entries()
    except PermissionError as error:
        raise PredictionsError(f"{folder}: permission denied; make it readable") from error
    except OSError as error:
        raise PredictionsError(f"{folder} cannot be listed ({first_line(error)}): check the path") from error
    seeds = [
        entry for entry in entries if _SEED.fullmatch(entry.base_name) and entry.type == fs.FileType.Directory
    ]
    files = [entry for entry in entries if entry.type == fs.FileType.File]
    own = [folder.at(entry.path) for entry in files if entry.base_name == PREDICTIONS]
    if own:
        if seeds:
            raise PredictionsError(
                f"{folder} holds {PREDICTIONS} and {seeds[0].base_name} too:"
                " name one of them, or move one away"
            )
        return Contents({"": own[0]})
    if seeds:
        return Contents(_seeds(folder, seeds))
    named = [entry for entry in files if entry.base_name.endswith(PARTS) and entry.base_name[0] not in "._"]
    parts = tuple(folder.at(entry.path) for entry in named)
    if not parts:
        raise PredictionsError(
            f"{folder} is a folder without {PREDICTIONS}, without seed-1, seed-2, ..., and without Parquet or"
            " Arrow files: name a predictions file"
        )
    for part, entry in zip(parts, named, strict=True):
        _refuse_link_out(part, folder)
        if seed := _SEED.fullmatch(PurePosixPath(entry.base_name).stem):
            raise PredictionsError(
                f"{part} looks like the predictions of one seed of several, not like a part of one file:"
                f" move it to {folder}/{seed.group()}/{PREDICTIONS}, or name it otherwise"
            )
    return Contents({}, parts)


def matching(pattern: Stored) -> tuple[Stored, ...]:
    """The files that a pattern matches, in sorted order; none where it is none, or the name of a file."""
    if not glob.has_magic(pattern.path):
        return ()
    if pattern.local:
        if os.path.exists(pattern.path):
            return ()
        names = sorted(glob.glob(pattern.path, recursive=True))
    else:
        names = _matching(pattern)
    if not names:
        raise PredictionsError(f"{pattern}: no file matches; in a shell, put the pattern in quotes")
    return tuple(pattern.at(name) for name in names)


def _matching(pattern: Stored) -> list[str]:
    """Names on a file system that knows no patterns, from all those below the parts that are none."""
    parts = pattern.path.split("/")
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    top = pattern.at("/".join(parts[:fixed]))
    try:
        found = top.entries(recursive=len(parts) > fixed + 1)
    except OSError as error:
        raise PredictionsError(f"{top} cannot be listed ({first_line(error)}): check the path") from error
    return [
        entry.path
        for entry in found
        if entry.type == fs.FileType.File
        and len(PurePosixPath(entry.path).parts) == len(PurePosixPath(pattern.path).parts)
        and all(
            fnmatchcase(name, part)
            for name, part in zip(
                PurePosixPath(entry.path).parts, PurePosixPath(pattern.path).parts, strict=True
            )
        )
    ]


def _refuse_link_out(part: Stored, folder: Stored) -> None:
    if part.local and folder.local and not part.local.resolve().is_relative_to(folder.local.resolve()):
        raise PredictionsError(f"{part} is a link that leads out of {folder}: put the file itself there")


def _seeds(folder: Stored, seeds: list[fs.FileInfo]) -> dict[str, Stored]:
    seeds = sorted(seeds, key=lambda entry: int(entry.base_name.removeprefix("seed-")))
    found = {entry.base_name: folder.at(f"{entry.path}/{PREDICTIONS}") for entry in seeds}
    for seed, place in zip(seeds, found.values(), strict=True):
        if place.info().type != fs.FileType.File:
            raise PredictionsError(
                f"{folder.at(seed.path)} has no {PREDICTIONS}: finish that run, or move it out of {folder}"
            )
    return found
