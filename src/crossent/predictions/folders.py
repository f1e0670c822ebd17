"""A folder as a source: a RUN, which holds its predictions, or a folder of seeds, which holds RUNs.

Which files are meant is decided here; they are opened by `sources`.
"""

from __future__ import annotations

import re
from pathlib import Path

from crossent.errors import PredictionsError

PREDICTIONS = "predictions.parquet"
_SEED = re.compile(r"seed-(\d+)")


def runs_in(folder: Path) -> dict[str, Path]:
    """The predictions in a folder: those of a RUN, without a name, or those of each seed, in their order."""
    try:
        seeds = sorted(
            (entry for entry in folder.iterdir() if _SEED.fullmatch(entry.name) and entry.is_dir()),
            key=lambda entry: int(entry.name.removeprefix("seed-")),
        )
    except PermissionError as error:
        raise PredictionsError(f"{folder}: permission denied; make it readable") from error
    own = folder / PREDICTIONS
    if own.is_file():
        if seeds:
            raise PredictionsError(
                f"{folder} holds {PREDICTIONS} and {seeds[0].name} too: name one of them, or move one away"
            )
        return {"": own}
    if not seeds:
        raise PredictionsError(
            f"{folder} is a folder without {PREDICTIONS}, and without seed-1, seed-2, ...: "
            "name a predictions file"
        )
    for seed in seeds:
        if not (seed / PREDICTIONS).is_file():
            raise PredictionsError(
                f"{seed} has no {PREDICTIONS}: finish that run, or move it out of {folder}"
            )
    return {seed.name: seed / PREDICTIONS for seed in seeds}
