"""What the predictions of a training run say of themselves, for a comparison to repeat; no torch.

Writing them is `train`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TRAINED_ON, TEMPERATURE = b"trained_on", b"temperature"
_RAW = b"squared-error-logits"


def notes_on_runs(sources: Sequence[str]) -> list[str]:
    """A sentence for each source whose network's outputs were not trained as logits."""
    notes = []
    for source in sources:
        path = Path(source if "=" not in source or Path(source).exists() else source.partition("=")[2])
        said = _said(path)
        if said.get(TRAINED_ON) == _RAW:
            notes.append(
                f"{source} was trained on the squared error of its raw outputs; its logits are these, divided"
                f" by the temperature {float(said[TEMPERATURE]):.3g} that fits its validation images: its"
                " cross-entropy is after temperature"
            )
    return notes


def _said(path: Path) -> dict[bytes, bytes]:
    """The metadata of a predictions file, of that in a RUN, or of the first in a folder of seeds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.is_dir():
        within = [path / "predictions.parquet", *sorted(path.glob("seed-*/predictions.parquet"))]
        path = next((file for file in within if file.is_file()), path)
    if path.suffix != ".parquet" or not path.is_file():
        return {}
    try:
        return pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return {}  # no part of the comparison hangs on it
