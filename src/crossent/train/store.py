"""Images decoded once into one memory-mapped file, and which of them are for training, validation and test.

Parts are chosen by a hash of the pixels, so copies of a picture stay together and an image keeps its part
when others are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from crossent.errors import TrainingError
from crossent.files import written
from crossent.train.images import SIDE, Pixels, UnreadableImageError, decoded
from crossent.train.listing import Example, Listing
from crossent.wording import count

PIXELS, EXAMPLES = "images.raw", "examples.parquet"
VALIDATION, TEST = 0.1, 0.2
"""Shares: of what is not for the test; and of everything, where no part is marked for the test."""
_FEW = 20  # images of a class; with fewer a network hardly learns it
_LISTED = 20  # lines about images, before it is only counted
_UNREADABLE = 0.01

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Data:
    """Decoded images with their labels: class indices, or the numbers of a regression."""

    images: Pixels
    labels: NDArray[Any]
    ids: tuple[str, ...]
    parts: NDArray[np.str_]
    classes: tuple[str, ...]
    digest: str

    def rows(self, part: Part) -> NDArray[np.intp]:
        """The rows of a part."""
        return np.flatnonzero(self.parts == part)


def stored(listing: Listing, folder: Path, say: Callable[[str], None]) -> Data:
    """Decode a listing into a folder, say what looks wrong with it, and open it."""
    hashes: list[bytes] = []
    read: list[Example] = []
    unreadable: list[str] = []
    with written(folder / PIXELS) as file:
        images = decoded([example.path for example in listing.examples])
        for example, image in zip(listing.examples, images, strict=True):
            if isinstance(image, UnreadableImageError):
                unreadable.append(f"{example.path}: {image}")
                continue
            file.write(image.tobytes())
            read.append(example)
            hashes.append(hashlib.sha256(image.tobytes()).digest())
        _say_unreadable(unreadable, len(listing.examples), say)
    parts = _parts(read, hashes, listing)
    _say_copies(read, hashes, parts, say)
    if listing.classes:
        _say_few(read, parts, listing.classes, say)
    table = pa.table(
        {
            "id": [example.id for example in read],
            "label": [example.label for example in read],
            "part": parts,
            "sha256": [digest.hex() for digest in hashes],
        }
    )
    with written(folder / EXAMPLES) as file:
        pq.write_table(table, file)
    return opened(folder, listing.classes)


def opened(folder: Path, classes: Sequence[str]) -> Data:
    """What `stored` left in a folder."""
    table = pq.read_table(folder / EXAMPLES)
    labels = table["label"].to_pylist()
    place = {name: index for index, name in enumerate(classes)}
    size = folder.joinpath(PIXELS).stat().st_size
    if size != len(labels) * SIDE * SIDE * 3:
        raise TrainingError(f"{folder / PIXELS} does not fit {EXAMPLES}: begin again in another folder")
    return Data(
        np.memmap(folder / PIXELS, np.uint8, "r", shape=(len(labels), SIDE, SIDE, 3)),
        np.array([place[label] for label in labels]) if classes else np.array(labels, np.float64),
        tuple(table["id"].to_pylist()),
        np.array(table["part"].to_pylist()),
        tuple(classes),
        hashlib.sha256("\n".join(map(str, table.to_pylist())).encode()).hexdigest(),
    )


def is_stored(folder: Path) -> bool:
    """Whether a folder holds what `stored` leaves; the examples are written last."""
    return folder.joinpath(EXAMPLES).is_file()


def discard(folder: Path) -> None:
    """Remove what `stored` left."""
    for name in (EXAMPLES, PIXELS):
        folder.joinpath(name).unlink(missing_ok=True)


def _say_unreadable(unreadable: Sequence[str], all_of_them: int, say: Callable[[str], None]) -> None:
    for line in unreadable[:_LISTED]:
        say(f"left out: {line}")
    if len(unreadable) > _LISTED:
        say(f"left out: {len(unreadable) - _LISTED:,} more")
    if len(unreadable) > _UNREADABLE * all_of_them:
        raise TrainingError(
            f"{len(unreadable):,} of {count(all_of_them, 'image')} cannot be read, more than 1 %: mend or"
            f" remove them; the first is {unreadable[0]}"
        )


def _parts(examples: Sequence[Example], hashes: Sequence[bytes], listing: Listing) -> list[Part]:
    parts: list[Part] = ["test" if example.test else "train" for example in examples]
    strata = listing.classes or (None,)
    for stratum in strata:
        rows = [
            row
            for row, example in enumerate(examples)
            if parts[row] == "train" and stratum in (None, example.label)
        ]
        name = "the manifest" if stratum is None else f"class {stratum!r}"
        if not listing.split:
            rows = _moved(rows, hashes, parts, "test", TEST, name)
        _moved(rows, hashes, parts, "validation", VALIDATION, name)
    return parts


def _moved(
    rows: list[int], hashes: Sequence[bytes], parts: list[Part], part: Part, share: float, name: str
) -> list[int]:
    """Move a share of the rows by their hash, one picture at least; the others are returned."""
    eight = slice(0, 8) if part == "test" else slice(8, 16)
    places = {row: int.from_bytes(hashes[row][eight]) / 2**64 for row in rows}
    different = sorted(set(places.values()))
    if len(different) < 2:
        raise TrainingError(
            f"{name} has too few different images to train, validate and test on: bring 3 at least, better"
            f" {_FEW} and more"
        )
    bound = min(max(share, different[0]), different[-2])
    for row, place in places.items():
        if place <= bound:
            parts[row] = part
    return [row for row in rows if parts[row] == "train"]


def _say_copies(
    examples: Sequence[Example], hashes: Sequence[bytes], parts: Sequence[Part], say: Callable[[str], None]
) -> None:
    trained = {digest: row for row, digest in enumerate(hashes) if parts[row] != "test"}
    pairs = [
        (examples[trained[digest]].id, examples[row].id)
        for row, digest in enumerate(hashes)
        if parts[row] == "test" and digest in trained
    ]
    if not pairs:
        return
    say(
        f"warning: {count(len(pairs), 'picture')} of the test {'is' if len(pairs) == 1 else 'are'} in train"
        " too: the test flatters the network; remove one of each pair"
    )
    for one, other in pairs[:_LISTED]:
        say(f"  {one} = {other}")
    if len(pairs) > _LISTED:
        say(f"  and {len(pairs) - _LISTED:,} more")


def _say_few(
    examples: Sequence[Example], parts: Sequence[Part], classes: Sequence[str], say: Callable[[str], None]
) -> None:
    for name in classes:
        found = sum(example.label == name for example in examples)
        if found < _FEW:
            say(
                f"warning: class {name!r} has {count(found, 'image')}: without pretrained weights expect a"
                " network little better than guessing, and wide intervals; some hundreds of each class make a"
                " usable one"
            )
