"""CSV and TSV files, compressed or not, streamed through PyArrow's reader with the types that are wanted.

Where PyArrow refuses, the file is read again as plain text to say which row and column, and what mends it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import pyarrow as pa
import pyarrow.csv

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import recut
from crossent.predictions.bombs import Meter, unpacked
from crossent.predictions.stored import Stored
from crossent.predictions.table import Batch, Column, refuse_repeated

_LONGEST_HEADER = 1 << 24
_PIECE = 1 << 16
_BYTES_PER_CELL = 64  # a row must fit into one block of the reader
_CLASS_PREFIXES = ("prob_", "logit_", "label_")
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_NUMBER = re.compile(
    rb"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|\s*[+-]?(inf|infinity|nan)\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class TextTable:
    """A text file whose header was read.

    Attributes
    ----------
    names : of its columns, trimmed.
    header_lines : physical lines up to the first row.
    """

    origin: str
    stored: Stored
    compression: str | None
    separator: str
    names: tuple[str, ...]
    header_lines: int
    classes: tuple[str, ...] | None = None
    text: bool = True
    plural: bool = False
    ranged: bool = False
    noun: Literal["column", "array"] = "column"

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(name, "untyped", "text") for name in self.names)

    def length(self, names: Sequence[str]) -> int | None:
        return None

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        types = dict.fromkeys(texts, pa.string()) | dict.fromkeys(numbers, pa.float64())
        return recut(self._pieces(types), rows)

    def _pieces(self, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        read = 0
        try:
            with self.stored.stream(self.compression) as stream:
                for piece in self._read(stream, types):
                    read += piece.num_rows
                    yield piece
        except pa.ArrowInvalid as error:
            self.stored.refuse_changed(self.origin)
            self._explain(types, error)
        except OSError as error:
            self.stored.refuse_changed(self.origin)
            raise PredictionsError(
                f"{self.origin}: damaged or cut off after row {read:,} ({error}); write it again"
            ) from error
        self.stored.refuse_changed(self.origin)

    def _read(
        self, stream: pa.NativeFile, types: dict[str, pa.DataType], *, threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """The file's rows, block by block; only without threads does an error know the number of its row.

        Whoever gives it up closes the stream, or its threads go on unpacking what nobody wants.

        Nothing of Python is called by these threads, be it a stream or PyArrow's handler of invalid
        rows: one that waits for its turn aborts a process that is about to end.
        """
        block = max(1 << 20, _BYTES_PER_CELL * len(self.names))
        meter = Meter(self.stored, block)
        for piece in pa.csv.open_csv(
            stream,
            pa.csv.ReadOptions(
                use_threads=threads,
                block_size=block,
                column_names=self.names,
                skip_rows=self.header_lines,
            ),
            pa.csv.ParseOptions(
                delimiter=self.separator,
                newlines_in_values=True,
                ignore_empty_lines=len(self.names) > 1,  # with one column an empty line is an empty value
            ),
            pa.csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=[], strings_can_be_null=False
            ),
        ):
            meter.count(block, blank=not piece.num_rows)
            yield piece

    def _explain(self, types: dict[str, pa.DataType], refused: pa.ArrowInvalid) -> NoReturn:
        row = 0
        try:
            with self.stored.stream(self.compression) as stream:
                for piece in self._read(stream, dict.fromkeys(types, pa.binary()), threads=False):
                    for name, kind in types.items():
                        self._explain_column(piece.column(name).to_pylist(), name, kind, row)
                    row += piece.num_rows
        except (pa.ArrowInvalid, OSError) as error:  # a file may be damaged further on
            ragged = _RAGGED.search(str(error))
            if ragged is None:
                self._give_up(row, error)
            line, expected, got = map(int, ragged.groups())
            raise PredictionsError(
                f"{self.origin}, row {line - self.header_lines}: {got} columns, but the header"
                f" has {expected}; mend the row, and put quotes around values that contain the separator"
            ) from error
        self._give_up(0, refused)

    def _give_up(self, row: int, error: Exception) -> NoReturn:
        said = str(error).splitlines()[0][:200]
        if "straddling" in said:
            said = "a row longer than all others; is a quote missing, or is it no text file?"
        raise PredictionsError(f"{self.origin}, after row {row}: {said}") from error

    def _explain_column(self, values: list[bytes], name: str, kind: pa.DataType, before: int) -> None:
        for row, value in enumerate(values, before + 1):
            place = f"{self.origin}, row {row}, column {name}"
            if kind == pa.float64():
                if not _NUMBER.fullmatch(value):
                    raise PredictionsError(f"{place}: {_number_sentence(value, name)}")
            elif not _is_utf8(value):
                raise PredictionsError(f"{place}: not UTF-8; save the file as UTF-8")


def open_text(stored: Stored, origin: str, separator: str, compression: str | None) -> TextTable:
    """The table in a text file; only its header is read."""
    try:
        header, rest = _split(unpacked(stored, compression, _PIECE), origin)
    except OSError as error:
        raise PredictionsError(
            f"{origin} is damaged, or not compressed as its name says ({error}); write it again"
        ) from error
    try:
        decoded = header.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PredictionsError(f"{origin}: its header is not UTF-8; save the file as UTF-8") from error
    names = next(row for row in csv.reader(io.StringIO(decoded, newline=""), delimiter=separator) if row)
    names = [name.strip() for name in names]
    _refuse_header(names, separator, origin)
    refuse_repeated(names, origin)
    if not rest:
        raise PredictionsError(f"{origin} has a header but no rows: write one row per example")
    return TextTable(origin, stored, compression, separator, tuple(names), len(header.splitlines()))


def _split(pieces: Iterable[bytes], origin: str) -> tuple[bytes, bytes]:
    """The lines up to the end of the header, and the start of what follows, without blank lines."""
    begun, header = bytearray(), b""
    for piece in pieces:
        begun += piece
        if begun.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise PredictionsError(f"{origin} is UTF-16: save it as UTF-8")
        if not header and (b"\n" in piece or b"\r" in piece):
            header = _first_line(bytes(begun))
        if header and (rest := bytes(begun[len(header) :]).strip()):
            return header, rest
        if len(begun) > _LONGEST_HEADER:
            raise PredictionsError(f"{origin}: its first line is longer than 16 MB; is it a text file?")
    start = bytes(begun)
    if not start.removeprefix(b"\xef\xbb\xbf").strip():
        raise PredictionsError(f"{origin} is empty: write a header and one row per example")
    return header or start, b""


def _first_line(start: bytes) -> bytes:
    """Up to the end of the first line that is not empty, a line break within quotes not counted."""
    header = b""
    for line in start.splitlines(keepends=True):
        header += line
        if header.removeprefix(b"\xef\xbb\xbf").strip() and header.count(b'"') % 2 == 0:
            return header
    return b""


def _refuse_header(names: Sequence[str], separator: str, origin: str) -> None:
    if len(names) == 1:
        for other, called in ((";", "semicolons"), (",", "commas"), ("\t", "tabs"), ("|", "bars")):
            if other != separator and other in names[0]:
                mend = {",": "name it .csv", "\t": "name it .tsv"}.get(
                    other, "write it with commas, and with points in the numbers"
                )
                raise PredictionsError(f"{origin} seems to be separated by {called}: {mend}")
    if all(_NUMBER.fullmatch(name.encode()) for name in names) and len(names) > 1:
        raise PredictionsError(
            f"{origin} has no header, its first line is numbers ({', '.join(names[:3])}): name the columns"
            " there, such as id,label,prob_dog,prob_cat"
        )
    if "" in names:
        raise PredictionsError(f"{origin}: column {names.index('') + 1} has no name in the header; name it")


def _number_sentence(value: bytes, column: str) -> str:
    if not _is_utf8(value):
        return "not UTF-8; save the file as UTF-8"
    text = value.decode().strip()
    if not text:
        return "empty; write a number, or leave the row out"
    if _NUMBER.fullmatch(value.replace(b",", b".")):
        return f'"{text}" has a decimal comma; write {text.replace(",", ".")}'
    mend = "mend it, or leave the row out"
    if not column.startswith(_CLASS_PREFIXES):
        mend = "mend it, or name other columns: --classes A,B for the classes, --weight COL"
    return f'"{text[:40]}" is not a number; {mend}'


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
