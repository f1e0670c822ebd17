"""Images of single examples as small data URIs, or the reason why there is none.

Found below one folder and nowhere else; decoded with Pillow's own limit on size. No layout.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossent.comparison import Comparison
from crossent.extremes import Example
from crossent.files import check_folder
from crossent.predictions import Image

_SIDE = 192
_SMALL = 64  # up to this an image is kept exactly, as PNG
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # none that runs other programs
_NOT_FOUND = "no image found"


@dataclass(frozen=True)
class Picture:
    """An image as a data URI with its size in pixels, or in its place the ``reason`` for none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""


def pictures(comparison: Comparison, examples: Sequence[Example], folder: Path | None) -> dict[int, Picture]:
    """A picture for each example, by row; empty where nothing says that there are images."""
    if folder is not None:
        check_folder(folder)
    column = comparison.images
    if (column is None and folder is None) or not examples:
        return {}
    given: Mapping[int, Image] = {}
    if column is not None:
        unique = {example.row: example.id for example in examples}
        given = column.read(list(unique), list(unique.values()))
    base = folder or (column.folder if column is not None else None) or Path()
    found: dict[int, Picture] = {}
    for example in examples:
        if example.row not in found:
            image = given.get(example.row, example.id if column is None else None)
            found[example.row] = _picture(image, base)
    return found


def _picture(image: Image | None, base: Path) -> Picture:
    if image is None:
        return Picture(reason=_NOT_FOUND)
    if isinstance(image, str):
        path = _below(base, image)
        if path is None:
            return Picture(reason=_NOT_FOUND)
        return _thumbnail(path)
    return _thumbnail(image)


def _below(base: Path, name: str) -> Path | None:
    """The file of that name in the folder; None for what is not there, or leads out of it."""
    try:
        path = (base / name).resolve()
        return path if path.is_relative_to(base.resolve()) and path.is_file() else None
    except (OSError, ValueError):  # names that no file can have
        return None


def _thumbnail(source: Path | bytes | np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Picture:
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # of metadata that is dropped anyway
            if isinstance(source, np.ndarray):
                image = Pillow.fromarray(source)
            else:
                file = io.BytesIO(source) if isinstance(source, bytes) else source
                image = Pillow.open(file, formats=_FORMATS)
            with image:
                image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
                upright = ImageOps.exif_transpose(image)
                clear = "A" in upright.getbands() or "transparency" in upright.info
                small = upright.convert("RGBA" if clear else "RGB")
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        return Picture(reason="image too large to open")
    except PermissionError:
        return Picture(reason="image not readable")
    # Pillow's decoders raise whatever a broken file makes them stumble over
    except Exception:
        return Picture(reason="image broken")
    exact = max(small.size) <= _SMALL
    small.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    kind = "PNG" if exact or clear else "JPEG"
    small.save(written, kind, **({"optimize": True} if kind == "PNG" else {"quality": 80, "optimize": True}))
    data = base64.b64encode(written.getvalue()).decode()
    return Picture(f"data:image/{kind.lower()};base64,{data}", *small.size)
