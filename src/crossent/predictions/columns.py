"""Which column of a table means what: ids, labels, and the outputs of each class.

Decided from names, declared options and the columns' types alone; no value is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from crossent.errors import PredictionsError
from crossent.predictions.block import Kind
from crossent.predictions.bombs import refuse_wide
from crossent.predictions.table import Column, Table, listed

PREFIXES: dict[Kind, str] = {"logits": "logit_", "probs": "prob_"}
_SOFT = "label_"
_NOT_CLASSES = ("weight", "weights", "image", "images", "id", "ids", "label", "labels", "classes")


@dataclass(frozen=True)
class Columns:
    """What the user declares about all sources.

    Attributes
    ----------
    id, label : names of the columns with ids and labels, where they are called otherwise.
    label_is : whether text labels are names of classes or indices, where both readings fit.
    kind : what a plain matrix, or columns named after the classes alone, hold.
    classes : the classes in their order.
    weight, cluster, by : names of the columns that weigh, group and sort the examples.
    """

    id: str | None = None
    label: str | None = None
    label_is: Literal["name", "index"] | None = None
    kind: Kind | None = None
    classes: tuple[str, ...] | None = None
    weight: str | None = None
    cluster: str | None = None
    by: str | None = None

    @property
    def beside(self) -> tuple[str, ...]:
        """The columns that are none of the classes, whatever they are called."""
        return tuple(name for name in (self.weight, self.cluster, self.by) if name is not None)


@dataclass(frozen=True)
class LabelColumns:
    """One column of labels, or one column per class of soft labels, whose classes are then given."""

    columns: tuple[str, ...]
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class OutputColumns:
    """One matrix, or one column per class.

    Attributes
    ----------
    kind : logits or probabilities.
    columns : in the file's order.
    classes : in the order of the columns, or of the matrix; None where nothing names them.
    per_class : whether each column is one class.
    bare : whether the columns are named after the classes alone.
    """

    kind: Kind
    columns: tuple[str, ...]
    classes: tuple[str, ...] | None
    per_class: bool
    bare: bool = False

    @property
    def binary(self) -> bool:
        return self.per_class and len(self.columns) == 1


def id_column(table: Table, declared: Columns) -> str | None:
    """The column with ids, if there is one."""
    name = _named(table, "id", "ids", declared.id)
    column = next((column for column in table.columns if column.name == name), None)
    if column is not None and column.form not in ("text", "integer", "untyped"):
        raise PredictionsError(
            f"{table.origin}: {table.noun} {name} is {column.type}, but ids are text or whole numbers;"
            " write them so"
        )
    return name


def image_column(table: Table) -> str | None:
    """The column with images, if there is one."""
    return _named(table, "image", "images", None)


def label_columns(table: Table, declared: Columns, *, alone: bool = False) -> LabelColumns | None:
    """The columns with labels, if there are any; ``alone``: the source is there for its labels."""
    name = _named(table, "label", "labels", declared.label)
    names = _names(table)
    if name is not None:
        return LabelColumns((name,))
    soft = [column for column in names if column.startswith(_SOFT)] if declared.label is None else []
    if soft:
        return LabelColumns(tuple(soft), tuple(column.removeprefix(_SOFT) for column in soft))
    others = [column for column in names if column != id_column(table, declared)]
    if alone and len(others) == 1 and declared.label in (None, *others):
        return LabelColumns((others[0],))
    if alone:
        raise PredictionsError(
            f"{table.origin} has no {table.noun} '{declared.label or 'label'}' ({listed(names)}):"
            " name the one with the labels, --label NAME"
        )
    return None


def output_columns(table: Table, declared: Columns, *, array: str | None = None) -> OutputColumns:
    """The columns with a model's outputs; ``array`` names the matrix in a file of several."""
    if array is not None:
        return _chosen(table, array, declared)
    if _is_bare(table):
        return _plain(table, table.columns[0], declared)
    taken = {
        id_column(table, declared),
        *declared.beside,
        *(label.columns if (label := label_columns(table, declared)) else ()),
    }
    columns = [column for column in table.columns if column.name not in taken]
    found = {kind: outputs for kind in PREFIXES if (outputs := _of_kind(table, columns, kind))}
    if declared.kind is not None and found and declared.kind not in found:
        other = next(iter(found.values()))
        raise PredictionsError(
            f"{table.origin}: --kind {declared.kind}, but it has {table.noun} '{other.columns[0]}';"
            " rename it, or leave --kind out"
        )
    if declared.kind is None and len(found) > 1:
        raise PredictionsError(f"{table.origin} has logits and probs: choose, --kind logits or --kind probs")
    if found:
        return next(iter(found.values())) if declared.kind is None else found[declared.kind]
    return _bare_names(table, columns, declared)


def _of_kind(table: Table, columns: Sequence[Column], kind: Kind) -> OutputColumns | None:
    prefix = PREFIXES[kind]
    per_class = [c for c in columns if c.name.startswith(prefix)]
    whole = [c for c in columns if c.name == kind]
    if whole and per_class:
        raise PredictionsError(
            f"{table.origin} has '{kind}' and '{per_class[0].name}': keep the one or the other, not both"
        )
    if whole:
        return _matrix(table, whole[0], kind)
    if not per_class:
        return None
    names = [c.name.removeprefix(prefix) for c in per_class]
    if "" in names:
        raise PredictionsError(
            f"{table.origin}: {table.noun} '{prefix}' names no class; call it {prefix}<class>"
        )
    _need_numbers(table, per_class)
    return OutputColumns(kind, tuple(c.name for c in per_class), tuple(names), per_class=True)


def _matrix(table: Table, column: Column, kind: Kind) -> OutputColumns:
    place = f"{table.origin}: {table.noun} {column.name}" if column.name else table.origin
    if column.name == "" and column.form != "matrix":
        raise PredictionsError(
            f"{place} is {column.type}, not a matrix with one row per example and one column per class"
        )
    if column.form == "untyped":
        raise PredictionsError(
            f"{place} would be a list, which a text file cannot hold;"
            f" write one column per class, {PREFIXES[kind]}<class>"
        )
    if column.form in ("integer", "real"):
        raise PredictionsError(
            f"{place} holds single numbers; if they belong to one of two classes,"
            f" call it {PREFIXES[kind]}<class>, and name both: --classes A,B"
        )
    if column.form != "matrix":
        raise PredictionsError(f"{place} is {column.type}; it must hold one list of numbers per row")
    refuse_wide(column.width, place)
    if column.width == 0:
        raise PredictionsError(f"{place} has no classes ({column.type})")
    return OutputColumns(kind, (column.name,), table.classes, per_class=False)


def _plain(table: Table, column: Column, declared: Columns) -> OutputColumns:
    if declared.kind is None:
        raise PlainMatrix(table, column)
    return _matrix(table, column, declared.kind)


class PlainMatrix(Exception):
    """A matrix whose kind nothing tells; caught where its first rows can be looked at."""

    def __init__(self, table: Table, column: Column) -> None:
        super().__init__(column.name)
        self.table, self.column = table, column


def _chosen(table: Table, array: str, declared: Columns) -> OutputColumns:
    column = next((c for c in table.columns if c.name == array), None)
    if column is None:
        raise PredictionsError(f"{table.origin}: no such array; there is {listed(_names(table))}")
    named = next((kind for kind in PREFIXES if array.startswith(kind)), None)
    if named is not None and declared.kind not in (None, named):
        raise PredictionsError(
            f"{table.origin}: --kind {declared.kind}, but the array is called {array};"
            " rename it, or leave --kind out"
        )
    return _matrix(table, column, named) if named else _plain(table, column, declared)


def _bare_names(table: Table, columns: Sequence[Column], declared: Columns) -> OutputColumns:
    candidates = [c for c in columns if c.name not in _NOT_CLASSES and not c.name.startswith(_SOFT)]
    wanted = set(declared.classes or ())
    if wanted and wanted <= {c.name for c in candidates}:
        candidates = [c for c in candidates if c.name in wanted]
    matrices = [c.name for c in columns if c.form == "matrix"]
    if matrices:
        mend = (
            f"choose one, {table.origin}:{matrices[0]}" if table.noun == "array" else "rename the one it is"
        )
        raise PredictionsError(
            f"{table.origin} has no {table.noun} 'logits' or 'probs' ({listed(_names(table))}): {mend}"
        )
    if len(candidates) < 2 or (declared.kind is None and any(c.form not in _NUMBERS for c in candidates)):
        raise PredictionsError(
            f"{table.origin} has no class columns ({listed(_names(table))}): call them prob_<class> or"
            " logit_<class>, or one list column 'probs' or 'logits'"
        )
    names = tuple(c.name for c in candidates)
    if declared.kind is None:
        raise PredictionsError(
            f"{table.origin} has no prob_<class> or logit_<class> columns; if {listed(names)} are the"
            " classes, say what they hold: --kind probs or --kind logits"
        )
    _need_numbers(table, candidates)
    return OutputColumns(declared.kind, names, names, per_class=True, bare=True)


_NUMBERS = ("integer", "real", "untyped")


def _need_numbers(table: Table, columns: Iterable[Column]) -> None:
    for column in columns:
        if column.form not in _NUMBERS:
            raise PredictionsError(
                f"{table.origin}: {table.noun} {column.name} is {column.type}, not numbers;"
                " write one number per row, or name the classes: --classes A,B"
            )


def _named(table: Table, singular: str, plural: str, declared: str | None) -> str | None:
    if _is_bare(table):
        return None
    names = set(_names(table))
    if declared is not None:
        return declared if declared in names else None
    if table.plural and {singular, plural} <= names:
        raise PredictionsError(f"{table.origin} has '{singular}' and '{plural}': keep one of them")
    if singular in names:
        return singular
    return plural if table.plural and plural in names else None


def _is_bare(table: Table) -> bool:
    return len(table.columns) == 1 and table.columns[0].name == ""


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]
