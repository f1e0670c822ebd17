"""What a training run wrote down beside its predictions: ``metrics.csv``, one line per epoch."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

NAME = "metrics.csv"
_LARGEST = 50_000_000  # bytes; what is larger was not written by a training run


@dataclass(frozen=True)
class Metrics:
    """Columns of numbers by name, each as long as ``epochs``; None where a cell holds no finite number."""

    epochs: tuple[float, ...]
    columns: dict[str, tuple[float | None, ...]]

    def of(self, name: str) -> tuple[float | None, ...]:
        """A column; all unknown where there is none."""
        return self.columns.get(name, (None,) * len(self.epochs))


def metrics_of(origin: str) -> Metrics | None:
    """The metrics of a RUN folder, named itself or by its ``predictions.parquet``; None without any."""
    source = Path(origin)
    try:
        if source.is_dir():
            path = source / NAME
        elif source.name == "predictions.parquet":
            path = source.parent / NAME
        else:
            return None
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return None  # no part of the comparison hangs on it
    rows = [row for row in rows if _number(row.get("epoch")) is not None]
    if not rows:
        return None
    names = [name for name in rows[0] if name is not None]
    columns = {name: tuple(_number(row.get(name)) for row in rows) for name in names}
    return Metrics(tuple(value for value in columns["epoch"] if value is not None), columns)


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
