"""JSON Lines: one object per line, compressed or not, read by blocks of whole lines with PyArrow's parser.

Where PyArrow refuses, the block is read again with Python's to say which row and column, and what mends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import pyarrow as pa
import pyarrow.json

from crossent.errors import PredictionsError
from crossent.predictions.arrow_tables import recut
from crossent.predictions.bombs import unpacked
from crossent.predictions.stored import Stored
from crossent.predictions.table import Batch, Column, Form

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 25
_NUMBERS = pa.float64()
_WORDS = {str: "text", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}


@dataclass(frozen=True)
class JsonTable:
    """A JSON Lines file whose first lines were read for the names and types of its columns."""

    origin: str
    stored: Stored
    compression: str | None
    columns: tuple[Column, ...]
    classes: tuple[str, ...] | None = None
    text: bool = True
    plural: bool = False
    ranged: bool = False
    noun: Literal["column", "array"] = "column"

    def length(self, names: Sequence[str]) -> int | None:
        return None

    def batches(
        self, *, texts: Sequence[str], numbers: Sequence[str], rows: int, span: range | None = None
    ) -> Iterator[Batch]:
        forms = {column.name: column.form for column in self.columns}
        lists = pa.list_(_NUMBERS)
        typed = {"text": pa.string(), "integer": pa.int64()}
        schema = pa.schema(
            {name: typed.get(forms[name], _NUMBERS) for name in texts}
            | {name: lists if forms[name] == "matrix" else _NUMBERS for name in numbers}
        )
        return recut(self._pieces(schema), rows)

    def _pieces(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        read = 0
        for block in _blocks(self.stored, self.origin, self.compression):
            if block.isspace():
                continue
            lines = sum(not line.isspace() for line in block.splitlines(keepends=True))
            if not lines:
                continue
            try:
                piece = _parsed(block, schema)
            except pa.ArrowInvalid as error:
                self.stored.refuse_changed(self.origin)
                self._explain(block, schema, read, str(error).splitlines()[0])
            if piece.num_rows != lines or any(column.null_count for column in piece.columns):
                self._explain(block, schema, read, "not one object per line")
            yield from piece.to_batches()
            read += lines

    def _explain(self, block: bytes, schema: pa.Schema, before: int, refused: str) -> NoReturn:
        lines = (line for line in block.splitlines() if line and not line.isspace())
        for row, line in enumerate(lines, before + 1):
            place = f"{self.origin}, row {row}"
            found = _object(line, place)
            for field in schema:
                if field.name not in found:
                    raise PredictionsError(
                        f"{place}: no key '{field.name}'; every line needs the keys of the first"
                    )
                if said := _wrong(found[field.name], field.type):
                    raise PredictionsError(f"{place}, column {field.name}: {said}")
        raise PredictionsError(f"{self.origin}, after row {before}: {refused}; write the file again")


def open_json_lines(stored: Stored, origin: str, compression: str | None) -> JsonTable:
    """The table in a JSON Lines file; only its first lines are read."""
    for block in _blocks(stored, origin, compression):
        lines = (
            [] if block.isspace() else [line for line in block.splitlines() if line and not line.isspace()]
        )
        if lines:
            break
    else:
        raise PredictionsError(f"{origin} is empty: write one object per line")
    if lines[0].lstrip().startswith(b"["):
        raise PredictionsError(
            f"{origin} is one JSON list, not JSON Lines: write one object per line, in pandas"
            " to_json(orient='records', lines=True)"
        )
    found = [_object(line, f"{origin}, row {row}") for row, line in enumerate(lines, 1)]
    columns = tuple(_column(name, [row[name] for row in found if name in row]) for name in found[0])
    return JsonTable(origin, stored, compression, columns)


def _blocks(stored: Stored, origin: str, compression: str | None) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    rest, start = b"", True
    try:
        for piece in unpacked(stored, compression, _BLOCK):
            whole, end, begun = piece.rpartition(b"\n")
            if end:
                yield _without_mark(rest + whole + end, origin) if start else rest + whole + end
                rest, start = begun, False
            else:
                rest += begun
            if len(rest) > _LONGEST_LINE:
                raise PredictionsError(
                    f"{origin}: a line is longer than {_LONGEST_LINE >> 20} MB; write one object per line"
                )
    except OSError as error:
        stored.refuse_changed(origin)
        raise PredictionsError(
            f"{origin} is damaged, or not compressed as its name says ({error}); write it again"
        ) from error
    if rest:
        yield _without_mark(rest, origin) if start else rest
    stored.refuse_changed(origin)


def _without_mark(block: bytes, origin: str) -> bytes:
    """The start of a file without the mark of its encoding."""
    if block.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PredictionsError(f"{origin} is UTF-16: save it as UTF-8")
    return block.removeprefix(b"\xef\xbb\xbf")


def _parsed(block: bytes, schema: pa.Schema) -> pa.Table:
    table = pa.json.read_json(
        pa.BufferReader(block),
        pa.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    table.validate(full=True)  # the parser takes text that is not UTF-8
    return table


def _object(line: bytes, place: str) -> dict[str, Any]:
    twice: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            twice.append(next(name for name in names if names.count(name) > 1))
        return dict(pairs)

    try:
        found = json.loads(line.decode(), object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        raise PredictionsError(f"{place}: not UTF-8; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        shown = line.decode().strip()
        raise PredictionsError(
            f'{place}: not one JSON object ({error}): "{shown[:40]}"; write one object per line'
        ) from error
    if twice:
        raise PredictionsError(f"{place} has the key '{twice[0]}' more than once: keep one of them")
    if not isinstance(found, dict):
        raise PredictionsError(
            f'{place}: {_called(found)}, not an object; write {{"label": ..., "probs": [...]}}'
        )
    return found


def _column(name: str, values: Sequence[Any]) -> Column:
    """The column of these values, by the first that is there; whole numbers give way to fractions."""
    given = next((value for value in values if value is not None), None)
    form: Form = "other"
    if isinstance(given, str):
        form = "text"
    elif _is_number(given):
        form = "real" if any(isinstance(value, float) for value in values) else "integer"
    elif isinstance(given, list) and all(map(_is_number, given)):
        return Column(name, "matrix", "a list of numbers", len(given))
    return Column(name, form, {"integer": "whole numbers", "real": "numbers"}.get(form, _called(given)))


def _wrong(value: Any, wanted: pa.DataType) -> str | None:
    """What is wrong with a value, and its mend; None where nothing is."""
    if value is None:
        return "null; every row needs a value"
    if pa.types.is_list(wanted):
        if not isinstance(value, list):
            return f"{_called(value)}, but rows above hold lists of numbers; write one number per class"
        entry = next((i for i, x in enumerate(value) if not _is_number(x)), None)
        if entry is None:
            return None
        return f"entry {entry + 1} is {_called(value[entry])}, not a number; every class needs a number"
    if pa.types.is_string(wanted):
        if not isinstance(value, str):
            return f"{_called(value)}, but rows above hold text; put it in quotes"
        if any("\ud800" <= sign <= "\udfff" for sign in value):
            return "half of a surrogate pair, which is no text; write it again"
        return None
    if not _is_number(value):
        return f"{_called(value)}, not a number; mend it, or leave the row out"
    if pa.types.is_integer(wanted) and (isinstance(value, float) or not -(2**63) <= value < 2**63):
        return f"{value}, but rows above hold whole numbers below 2**63; write all alike, or all in quotes"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _called(value: Any) -> str:
    if _is_number(value):
        return str(value)
    said = _WORDS[type(value)]
    return f'"{value[:40]}", text' if isinstance(value, str) else said
