"""One image file to a square of bytes: any size and mode, upright; and why one cannot be read."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from crossent.report.progress import progress_bar
from crossent.train.listing import HEIC

SIDE, MIDDLE = 128, 96
"""Pixels along a decoded image, and along its middle square, which is as high or wide as the photograph.

Crops are taken from the middle; views also reach to the ends of a photograph of up to 4:3.
"""

_AT_ONCE = 512

Pixels = NDArray[np.uint8]


class UnreadableImageError(Exception):
    """Why one image cannot be used; listed, and the image is left out."""


@contextmanager
def decoding() -> Iterator[None]:
    """Within it, images above Pillow's limit are refused and HEIC is known if its extra is installed."""
    if find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def pixels(path: Path) -> Pixels:
    """An upright image as (SIDE, SIDE, 3); within `decoding`.

    Raises
    ------
    UnreadableImageError
        With the reason, and the mend where there is one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from error
    if not content:
        raise UnreadableImageError("the file is empty")
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (2 * MIDDLE, 2 * MIDDLE))  # a large JPEG is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(image)
            return _square(_rgb(upright))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableImageError(
            f"more than Pillow's limit of {(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} megapixels; scale it down"
        ) from error
    except UnidentifiedImageError as error:
        if path.suffix.lower() in HEIC:
            raise UnreadableImageError("HEIC needs its extra: pip install 'crossent[heic]'") from error
        raise UnreadableImageError("no image in a format that Pillow knows") from error
    except Exception as error:  # decoders raise whatever they like on a damaged file
        raise UnreadableImageError(f"damaged ({error})") from error


def decoded(paths: Sequence[Path]) -> Iterator[Pixels | UnreadableImageError]:
    """Each file's square, or why there is none, in order; by all cores, some hundred at a time."""

    def decode(path: Path) -> Pixels | UnreadableImageError:
        try:
            return pixels(path)
        except UnreadableImageError as error:
            return error

    pool = ThreadPoolExecutor(os.cpu_count())
    with decoding(), pool, progress_bar("decoding", len(paths), "images") as advance:
        for start in range(0, len(paths), _AT_ONCE):
            for image in pool.map(decode, paths[start : start + _AT_ONCE]):
                yield image
                advance(1)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
        if image.mode != "F" or values.max() > 1:
            values = values / (65535 if values.max() > 255 else 255)
        return Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _square(image: Image.Image) -> Pixels:
    """As much of a photograph's length as there is room for, and beyond its edges its reflection."""
    scale = MIDDLE / min(image.size)
    width, height = (min(SIDE, max(MIDDLE, round(side * scale))) for side in image.size)
    across, down = (min(*sides) for sides in zip(image.size, (width / scale, height / scale), strict=True))
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (left, top, left + across, top + down)
    inner = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
    around = [(rest // 2, rest - rest // 2) for rest in (SIDE - height, SIDE - width)]
    return np.pad(inner, [*around, (0, 0)], mode="symmetric")
