"""What a RUN folder says of itself, for a comparison to repeat; read without torch.

Writing such folders is `train`'s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def notes_on_runs(sources: Sequence[str]) -> list[str]:
    """A sentence for each source that is a RUN whose outputs were never meant as logits."""
    return [
        f"{source} was trained on the squared error of its raw outputs; its logits are these, divided by the"
        f" temperature {config['temperature']:.3g} that fits its validation images: cross-entropy is after"
        " temperature"
        for source in sources
        for config in _configs(Path(source.partition("=")[2] if "=" in source else source))[:1]
        if config.get("options", {}).get("loss") == "squared-error-logits" and config.get("temperature")
    ]


def _configs(folder: Path) -> list[dict[str, Any]]:
    if folder.name == "predictions.parquet":
        folder = folder.parent
    found = []
    for path in (folder / "config.json", *sorted(folder.glob("seed-*/config.json"))):
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # no part of the comparison hangs on it
        if isinstance(config, dict):
            found.append(config)
    return found
