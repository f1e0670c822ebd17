"""Which images there are, and what each is: folders, names, or a manifest. No image is opened here.

Folders are read by Hugging Face `datasets`' imagefolder.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from crossent.errors import TrainingError
from crossent.train.options import Task
from crossent.wording import listing, quoted

HEIC = (".heic", ".heif")
_MANIFESTS = (".csv", ".parquet")
_NUMBERED = re.compile(r"(.*?[^\W\d_].*?)[ ._-]*\(?\d+\)?")


@dataclass(frozen=True)
class Example:
    """One image: its file, its name in the predictions, its label, and whether it is for the test alone."""

    path: Path
    id: str
    label: str | float
    test: bool


@dataclass(frozen=True)
class Listing:
    """All images of a source.

    Attributes
    ----------
    split : False: none is marked for the test, so that a share has to be held out.
    left_out : images beside the folders train and test, where there is a train.
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]
    split: bool
    left_out: tuple[str, ...] = ()


def listed(source: Path, *, task: Task, class_from_name: bool) -> Listing:
    """The images of a folder or manifest, in the order of their names."""
    if source.is_file():
        return _checked(_from_manifest(source, task), source, task)
    if not source.is_dir():
        raise TrainingError(f"{source}: no such folder or manifest")
    if task == "regression":
        raise TrainingError(
            f"{source} is a folder, and a folder names classes: for regression, name a manifest, a CSV or"
            " Parquet file with the columns file and label"
        )
    found, left_out = _from_folder(source, class_from_name)
    return replace(_checked(found, source, task), left_out=tuple(left_out))


def _from_folder(source: Path, class_from_name: bool) -> tuple[list[Example], list[str]]:
    """The images of the classes; and those that are left out, beside the folders train and test."""
    source = Path(os.path.abspath(source))  # links are not followed: names stay below the folder
    parted = (source / "train").is_dir()
    found: list[Example] = []
    left_out: list[str] = []
    unnamed: list[str] = []
    for path, test in images_below(source):
        name = path.relative_to(source)
        if parted and name.parts[0] not in ("train", "test"):
            left_out.append(name.as_posix())
            continue
        label = class_in(path) if class_from_name else path.parent.name
        if label is None:
            unnamed.append(path.name)
            continue
        found.append(Example(path, name.as_posix(), label, test))
    if unnamed:
        raise TrainingError(
            f"{source}: {quoted(unnamed[0])} names no class (so do {len(unnamed) - 1} others):"
            " --class-from-name"
            " reads names such as dog.12.jpg"
        )
    if not class_from_name:
        loose = [
            example for example in found if example.path.parent in (source, source / "train", source / "test")
        ]
        if loose:
            raise TrainingError(
                f"{loose[0].path} lies in no folder of a class: put it into one, or, if names such as"
                " dog.12.jpg"
                " tell the class, add --class-from-name"
            )
    return found, left_out


def images_below(source: Path) -> list[tuple[Path, bool]]:
    """Every image below a folder, by name, and whether it lies in the folder ``test`` there."""
    import datasets

    datasets.disable_progress_bars()
    found: set[Path] = set()
    try:
        rows = datasets.load_dataset(
            "imagefolder",
            data_dir=str(source),
            data_files={"all": "**"},  # else names such as test_3.jpg would make a part of their own
            split="all",
            streaming=True,
            drop_labels=True,
            drop_metadata=True,
        )
        paths = rows.cast_column("image", datasets.Image(decode=False))
        found |= {Path(row["image"]["path"]) for row in paths}
    except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError, ValueError):
        pass  # it knows no image below this folder
    found |= {path for path in source.rglob("*") if path.suffix.lower() in HEIC}  # which it passes over
    return [(path, path.relative_to(source).parts[0] == "test") for path in sorted(found)]


def class_in(path: Path) -> str | None:
    """``dog`` of ``dog.12.jpg``, ``dog_12.jpg``, ``dog (12).jpg``; None without a number at the end."""
    match = _NUMBERED.fullmatch(path.stem)
    return match[1] if match else None


def _from_manifest(source: Path, task: Task) -> list[Example]:
    if source.suffix.lower() not in _MANIFESTS:
        raise TrainingError(
            f"{source} is neither a folder nor a manifest: a .csv or .parquet with file and label"
        )
    try:
        if source.suffix.lower() == ".parquet":
            table = pq.read_table(source)
        else:
            as_text = pyarrow.csv.ConvertOptions(column_types={"file": pa.string(), "label": pa.string()})
            table = pyarrow.csv.read_csv(source, convert_options=as_text)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise TrainingError(f"{source} cannot be read as a manifest: {str(error).splitlines()[0]}") from error
    for column in ("file", "label"):
        if column not in table.column_names:
            raise TrainingError(
                f"{source} has no column {column}: a manifest has the columns file and label; it has"
                f" {listing(table.column_names)}"
            )
    found: list[Example] = []
    rows = zip(table["file"].to_pylist(), table["label"].to_pylist(), strict=True)
    for row, (name, label) in enumerate(rows, start=1):
        if not name or label is None or label == "":
            raise TrainingError(f"{source}, row {row}: an empty {'label' if name else 'file'}; fill it in")
        path = source.parent / str(name)
        if not path.is_file():
            raise TrainingError(
                f"{source}, row {row}, column file: there is no {quoted(str(path))}; files are named from the"
                " manifest's folder"
            )
        found.append(Example(path, str(name), _label(label, source, row, task), test=False))
    return found


def _label(value: object, source: Path, row: int, task: Task) -> str | float:
    if task == "classification":
        return str(value)
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise TrainingError(
            f"{source}, row {row}, column label: {quoted(str(value))} is no number; regression needs one in"
            " each row"
        )
    return number


def _checked(examples: list[Example], source: Path, task: Task) -> Listing:
    if not examples:
        raise TrainingError(f"{source} holds no images: name a folder of folders, one for each class")
    ids = [example.id for example in examples]
    if len(set(ids)) < len(ids):
        twice = next(id for place, id in enumerate(ids) if id in ids[:place])
        raise TrainingError(f"{source} names {quoted(twice)} twice: keep one")
    examples = sorted(examples, key=lambda example: example.id)
    split = any(example.test for example in examples)
    if task == "regression":
        return Listing(tuple(examples), (), split)
    trained = {str(example.label) for example in examples if not example.test}
    tested = {str(example.label) for example in examples if example.test}
    if tested - trained and trained:
        raise TrainingError(
            f"{source}: class {quoted(min(tested - trained))} is in test but not in train: no network learns"
            " a class it has not seen; add images of it to train, or take it out of test"
        )
    if len(trained) < 2:
        only = f"one class only, {quoted(min(trained))}" if trained else "no image to train on"
        raise TrainingError(f"{source} has {only}: a classifier needs two or more")
    return Listing(tuple(examples), tuple(sorted(trained)), split)
