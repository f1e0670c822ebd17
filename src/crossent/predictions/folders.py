"""A folder or a pattern as a source: a RUN, a folder of seeds, or many files that are one source.

Which files are meant is decided here; they are opened by `sources`.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path

from crossent.errors import PredictionsError

PREDICTIONS = "predictions.parquet"
PARTS = (".parquet", ".arrow", ".feather", ".ipc")
_SEED = re.compile(r"seed-(\d+)")


@dataclass(frozen=True)
class Contents:
    """What a folder holds: the predictions of runs by name (of a RUN without one), or files of one source."""

    runs: dict[str, Path]
    parts: tuple[Path, ...] = ()


def contents(folder: Path) -> Contents:
    """The predictions in a folder: of a RUN, of each seed in the order of the seeds, or in many files."""
    try:
        entries = sorted(folder.iterdir())
    except PermissionError as error:
        raise PredictionsError(f"{folder}: permission denied; make it readable") from error
    seeds = [entry for entry in entries if _SEED.fullmatch(entry.name) and entry.is_dir()]
    own = folder / PREDICTIONS
    if own.is_file():
        if seeds:
            raise PredictionsError(
                f"{folder} holds {PREDICTIONS} and {seeds[0].name} too: name one of them, or move one away"
            )
        return Contents({"": own})
    if seeds:
        return Contents(_seeds(folder, seeds))
    files = [entry for entry in entries if entry.suffix in PARTS and entry.name[0] not in "._"]
    if not files:
        raise PredictionsError(
            f"{folder} is a folder without {PREDICTIONS}, without seed-1, seed-2, ..., and without Parquet or"
            " Arrow files: name a predictions file"
        )
    for file in files:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise PredictionsError(f"{file} is a link that leads out of {folder}: put the file itself there")
    return Contents({}, tuple(files))


def matching(pattern: Path) -> tuple[Path, ...]:
    """The files that a pattern matches, in sorted order; none where it is none, or the name of a file."""
    if not glob.has_magic(str(pattern)) or os.path.exists(pattern):
        return ()
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))
    if not found:
        raise PredictionsError(f"{pattern}: no file matches; in a shell, put the pattern in quotes")
    return tuple(found)


def _seeds(folder: Path, seeds: list[Path]) -> dict[str, Path]:
    seeds = sorted(seeds, key=lambda entry: int(entry.name.removeprefix("seed-")))
    for seed in seeds:
        if not (seed / PREDICTIONS).is_file():
            raise PredictionsError(
                f"{seed} has no {PREDICTIONS}: finish that run, or move it out of {folder}"
            )
    return {seed.name: seed / PREDICTIONS for seed in seeds}
