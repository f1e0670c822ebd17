"""How long the report of two models takes beyond the comparison, and how large it is.

`python -m benchmarks.report` prints one line: ten classes, 10,000 examples, 20 thumbnails, the loading of
altair, jinja2 and vl-convert included.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import crossent

ROWS, CLASSES = 10_000, 10


def main() -> None:
    """Make the images, compare, and time the report alone."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, ROWS)
    ids = [f"{row}.jpg" for row in range(ROWS)]
    sources = {}
    for name, skill in (("NN1", 2.0), ("NN2", 1.0)):
        logits = rng.normal(size=(ROWS, CLASSES))
        logits[np.arange(ROWS), labels] += skill
        sources[name] = {"id": ids, "logits": logits, "label": labels}
    comparison = crossent.compare(sources, classes=[f"class {i}" for i in range(CLASSES)])
    pair = comparison.pairs[0]
    shown = [example.id for example in (*pair.b_worse[:10], *pair.a_worse[:10])]
    with tempfile.TemporaryDirectory() as folder:
        noise = rng.integers(0, 255, (20, 768, 1024, 3), np.uint8)
        images = [_saved(Path(folder) / str(name), pixels) for name, pixels in zip(shown, noise, strict=True)]
        start = time.perf_counter()
        page = comparison.to_html(Path(folder) / "report.html", images=folder)
        seconds = time.perf_counter() - start
    print(
        f"two models, {CLASSES} classes, {ROWS:,} examples, {len(images)} images of 1024 by 768: "
        f"{seconds:.2f} s, {len(page.encode()) / 1e6:.2f} MB"
    )


def _saved(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Path:
    """The pixels as a JPEG, whatever the path is called."""
    Image.fromarray(pixels).save(path, "JPEG")
    return path


if __name__ == "__main__":
    main()
