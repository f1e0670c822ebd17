"""From what the user gave to opened tables with unique names: NAME=FILE, FILE.npz:ARRAY, objects in memory.

A format is registered once, in `FORMATS`; reading it is that format's own room.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pyarrow.fs import PyFileSystem

from crossent.errors import OptionError, PredictionsError
from crossent.predictions.arrow_files import open_arrow
from crossent.predictions.folders import contents, matching
from crossent.predictions.json_lines import open_json_lines
from crossent.predictions.memory import memory_table
from crossent.predictions.numpy_files import open_npy, open_npz
from crossent.predictions.parquet import open_parquet
from crossent.predictions.parts import joined
from crossent.predictions.spooled import STANDARD_INPUT, distant, spooled, standard_input
from crossent.predictions.stored import Stored, at_address, first_line
from crossent.predictions.table import Table
from crossent.predictions.text import open_text
from crossent.wording import InputFormat

Source = Any
"""A path, or an array, tensor, Arrow table, frame, mapping of names to columns, or list."""


def _text(separator: str, compression: str | None = None) -> Callable[[Stored, str], Table]:
    def opened(stored: Stored, origin: str) -> Table:
        if isinstance(stored.system, PyFileSystem):
            return spooled(origin, distant(stored, origin), lambda copy: opened(copy.seen(), origin))
        return open_text(stored, origin, separator, compression)

    return opened


def _json_lines(compression: str | None = None) -> Callable[[Stored, str], Table]:
    return lambda stored, origin: open_json_lines(stored, origin, compression)


FORMATS: dict[str, Callable[[Stored, str], Table]] = {
    ".parquet": open_parquet,
    ".arrow": open_arrow,
    ".feather": open_arrow,
    ".ipc": open_arrow,
    ".csv": _text(","),
    ".csv.gz": _text(",", "gzip"),
    ".csv.zst": _text(",", "zstd"),
    ".tsv": _text("\t"),
    ".tsv.gz": _text("\t", "gzip"),
    ".tsv.zst": _text("\t", "zstd"),
    ".jsonl": _json_lines(),
    ".jsonl.gz": _json_lines("gzip"),
    ".jsonl.zst": _json_lines("zstd"),
    ".ndjson": _json_lines(),
    ".ndjson.gz": _json_lines("gzip"),
    ".ndjson.zst": _json_lines("zstd"),
    ".npy": open_npy,
    ".npz": open_npz,
}
_STDIN = "standard input"
_OPENED_AT_ONCE = 8
_INPUT_FORMATS = "|".join(get_args(InputFormat))
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")
_GZIPPED, _ZSTD = (tuple(known for known in FORMATS if known.endswith(end)) for end in (".gz", ".zst"))
_MAGIC = {
    b"PAR1": ("Parquet", (".parquet",)),
    b"PK\x03\x04": ("a zip archive", (".npz",)),
    b"PK\x05\x06": ("an empty zip archive", (".npz",)),
    b"\x1f\x8b": ("compressed with gzip", _GZIPPED),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", _ZSTD),
    b"\x93NUMPY": ("a NumPy array", (".npy",)),
    b"ARROW1": ("an Arrow file", (".arrow", ".feather", ".ipc")),
    b"\x89HDF": ("HDF5", ()),
    b"\x80\x02": ("a pickle, which is never opened", ()),
    b"\x80\x03": ("a pickle, which is never opened", ()),
    b"\x80\x04": ("a pickle, which is never opened", ()),
    b"\x80\x05": ("a pickle, which is never opened", ()),
}


@dataclass(frozen=True)
class Named:
    """One source, split into its parts.

    Attributes
    ----------
    name : given by the user; None where it follows from the file.
    source : the file or folder, or the object.
    array : the array in an `.npz` that was asked for.
    parts : the files, where the path is a folder or a pattern of many.
    """

    name: str | None
    source: Source
    array: str | None = None
    parts: tuple[Stored, ...] = ()

    @property
    def stored(self) -> Stored | None:
        return self.source if isinstance(self.source, Stored) else None

    @property
    def is_standard_input(self) -> bool:
        return self.source is STANDARD_INPUT

    @property
    def is_read(self) -> bool:
        """Whether it is no object in memory."""
        return self.stored is not None or self.is_standard_input


def named_sources(
    sources: Mapping[str, Source] | Sequence[Source], filesystem: Any | None = None
) -> list[tuple[str, Named]]:
    """Every source with its unique name, in order."""
    if isinstance(sources, Mapping):
        return [(str(name), _split(source, str(name), filesystem)) for name, source in sources.items()]
    if isinstance(sources, str | os.PathLike) or not isinstance(sources, Sequence):
        sources = [sources]
    split = [_split(source, None, filesystem) for source in sources]
    given = Counter(source.name for source in split if source.name is not None)
    if given and given.most_common(1)[0][1] > 1:
        raise PredictionsError(
            f"two models are called {given.most_common(1)[0][0]}: give each its own NAME=FILE"
        )
    return list(zip(_unique(split), split, strict=True))


def check_standard_input(sources: Sequence[Named], input_format: InputFormat | None) -> None:
    """Standard input is one source at most, and has a format, which nothing else has."""
    count = sum(source.is_standard_input for source in sources)
    if count > 1:
        raise OptionError("standard input can be read only once: write the other source to a file")
    if count and input_format is None:
        raise OptionError(
            f"'-' is standard input, whose format nothing tells: add --input-format {_INPUT_FORMATS}"
        )
    if input_format is not None and not count:
        raise OptionError(
            f"--input-format {input_format}, but no source is '-': files are read by their suffix"
        )


def split_labels(source: Source | None, filesystem: Any | None = None) -> Named:
    """The parts of ``--labels``."""
    return _split(source, "labels", filesystem)


def runs_of(source: Named) -> dict[str, Named]:
    """A source by the names of its runs: itself, or what a folder holds."""
    if source.stored is None:
        return {"": source}
    try:
        is_folder = source.stored.is_folder()
    except OSError as error:
        raise PredictionsError(
            f"{source.stored} cannot be read ({first_line(error)}): check the path"
        ) from error
    if not is_folder:
        parts = matching(source.stored)
        return {"": replace(source, source=parts[0]) if len(parts) == 1 else replace(source, parts=parts)}
    found = contents(source.stored)
    if found.parts:
        return {"": replace(source, parts=found.parts)}
    return {name: replace(source, source=file) for name, file in found.runs.items()}


def open_named(name: str, source: Named, input_format: InputFormat | None) -> Table:
    """The table behind a source."""
    if source.is_standard_input:
        return spooled(
            _STDIN, standard_input(), lambda copy: _opened(copy, _STDIN, _STDIN, f".{input_format}")
        )
    if source.parts:
        with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:  # of a hundred distant files each takes its time
            return joined(list(pool.map(open_file, source.parts)), str(source.stored))
    if source.stored is not None:
        return open_file(source.stored, source.array)
    return memory_table(source.source, f"{name} (array)")


def open_labels(
    source: Source, input_format: InputFormat | None, filesystem: Any | None = None
) -> tuple[Table, str | None]:
    """The table behind ``--labels``, and the array in it that was asked for."""
    (split, *more) = runs_of(split_labels(source, filesystem)).values()
    if more:
        raise PredictionsError(f"{source} holds several seeds: name the folder of one of them")
    return open_named("labels", split, input_format), split.array


def open_file(stored: Stored, array: str | None = None) -> Table:
    """The table in a file, by its suffix."""
    called = str(stored)
    return _opened(stored, called, f"{called}:{array}" if array else called, _suffix(stored.name))


def _opened(stored: Stored, called: str, origin: str, suffix: str) -> Table:
    """The table in a file; messages name the file ``called``, and what is in it ``origin``."""
    try:
        stored = stored.seen()
        with stored.opened() as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise PredictionsError(f"{called}: no such file") from error
    except PermissionError as error:
        raise PredictionsError(f"{called}: permission denied; make it readable") from error
    except OSError as error:
        raise PredictionsError(
            f"{called} cannot be read ({error.strerror or first_line(error)}): check the path"
        ) from error
    if suffix not in FORMATS:
        raise PredictionsError(_unknown(called, stored.name))
    if not start:
        raise PredictionsError(f"{called} is empty: write it again")
    for magic, (words, suffixes) in _MAGIC.items():
        if start.startswith(magic) and suffix not in suffixes:
            raise PredictionsError(f"{called} is {words}, not {suffix}: {_mend(magic, suffix, called)}")
    return FORMATS[suffix](stored, origin)


def _mend(magic: bytes, suffix: str, called: str) -> str:
    """What to do with a file that is something else than its suffix says."""
    suffixes = _MAGIC[magic][1]
    if called == _STDIN:
        formats = [known.removeprefix(".") for known in suffixes if known[1:] in get_args(InputFormat)]
        return f"say --input-format {formats[0]}" if formats else "unpack it first, or write .parquet or .csv"
    likely = [known for known in suffixes if known.startswith(f"{suffix}.")] or suffixes
    mend = f"name it {' or '.join(likely)}" if likely else "write .parquet or .csv"
    if magic == b"PK\x03\x04":
        mend += " if numpy.savez wrote it, or export a spreadsheet as CSV"
    return mend


def _split(source: Source, name: str | None, filesystem: Any | None = None) -> Named:
    if isinstance(source, os.PathLike) and filesystem is None:
        return Named(name, Stored(str(Path(source))))
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if not isinstance(source, str):
        return Named(name, source)
    if source == "-":
        return Named(name or "stdin", STANDARD_INPUT)
    here = filesystem is None and os.path.exists(source)
    if name is None and not here:
        found = re.fullmatch(r"([^=/\\:]*[^=/\\:\s])=(.+)", source, re.DOTALL)
        if found:
            return _split(found[2], found[1].strip(), filesystem)
    found = None if here else re.fullmatch(r"(.+\.npz):([^/\\:]+)", source, re.DOTALL)
    path, array = (found[1], found[2]) if found else (source, None)
    if filesystem is not None:
        return Named(name, Stored(path, filesystem), array)
    if "://" in path:
        return Named(name, at_address(path), array)
    return Named(name, Stored(str(Path(path))), array)


def _unique(split: Sequence[Named]) -> list[str]:
    """Given names, else stems with as many parent folders as it takes; what is still the same is numbered."""
    files = [_real(source.stored) if source.stored else None for source in split]
    stems = [_stem(source.stored) if source.stored else None for source in split]
    ends = [
        source.name or (f"model {i + 1}" if source.stored is None else _end(i, split, files, stems))
        for i, source in enumerate(split)
    ]
    folders = [_folders(source.stored) if source.stored and source.name is None else () for source in split]
    names = list(ends)
    for depth in range(1, max(map(len, folders), default=0) + 1):
        places = list(zip(files, (source.array for source in split), strict=True))
        for name in {name for name in names if len({places[i] for i in _of(name, names)}) > 1}:
            for i in _of(name, names):
                names[i] = "/".join([*folders[i][-depth:], ends[i]])
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[i] = f"{name} ({seen[name]})"
    return names


def _of(name: str, names: Sequence[str]) -> list[int]:
    return [i for i, other in enumerate(names) if other == name]


def _end(i: int, split: Sequence[Named], files: Sequence[str | None], stems: Sequence[str | None]) -> str:
    """The stem; with the array where the same file gives another, whole where only the suffix differs."""
    array, stem = split[i].array, stems[i] or ""
    same_file = [other.array for other, file in zip(split, files, strict=True) if file == files[i]]
    if array is not None and any(other != array for other in same_file):
        return f"{stem}:{array}"
    beside = [
        file
        for file, other in zip(files, stems, strict=True)
        if file
        and other == stem
        and file != files[i]
        and os.path.dirname(file) == os.path.dirname(files[i] or "")
    ]
    return split[i].source.name if beside else stem


def _real(stored: Stored) -> str:
    return os.path.realpath(stored.path) if stored.local else str(stored)


def _folders(stored: Stored) -> tuple[str, ...]:
    if stored.local:
        return Path(os.path.abspath(stored.path)).parts[1:-1]
    return PurePosixPath(stored.path).parts[:-1]


def _stem(stored: Stored) -> str:
    if stored.local and stored.local.is_dir():
        return stored.local.resolve().name
    return stored.name[: len(stored.name) - len(_suffix(stored.name))]


def _suffix(name: str) -> str:
    """The longest known suffix, else the last one."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes[-2:]]
    both = "".join(suffixes)
    return both if both in FORMATS else (suffixes[-1] if suffixes else "")


def _unknown(called: str, name: str) -> str:
    known = "Parquet, Arrow or Feather, CSV, TSV or JSON Lines (also .gz, .zst), .npy and .npz"
    if name.lower().endswith(_PICKLES):
        return f"{called} looks like a pickle, which is never opened: write it with crossent.save_predictions"
    return f"{called} has no known suffix: {known} are read"
