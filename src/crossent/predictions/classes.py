"""Which classes are compared, in which order: declared, or named by the first source that names them.

Classes are matched by name wherever there are names. No row is read, but a first one that tells the width.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossent.errors import PredictionsError
from crossent.predictions.bombs import refuse_wide
from crossent.predictions.columns import Columns, OutputColumns
from crossent.predictions.parts import place_in
from crossent.predictions.table import Table, listed
from crossent.predictions.values import list_width


def check_declared(columns: Columns) -> None:
    """Declared classes are two names or more, all different."""
    classes = columns.classes
    if classes is not None and (len(set(classes)) != len(classes) or "" in classes or len(classes) < 2):
        raise PredictionsError(
            f"--classes {','.join(classes)}: name each class once, two or more, such as --classes dog,cat"
        )


def settled_classes(
    tables: Sequence[Table], outputs: Sequence[OutputColumns], columns: Columns
) -> tuple[str, ...]:
    """The classes in order: declared, or the first that a source names."""
    named = [_full_names(table, found) for table, found in zip(tables, outputs, strict=True)]
    for table, found in zip(tables, outputs, strict=True):
        if table.classes is not None and len(set(table.classes)) != len(table.classes):
            raise PredictionsError(f"{table.origin}: its list of classes names one twice; every class once")
        if found.binary and columns.classes is None and not any(named):
            column = found.columns[0]
            raise PredictionsError(
                f"{table.origin} has one class alone, {table.noun} {column}: name both, such as --classes"
                f" {(found.classes or ('',))[0]},OTHER"
            )
    widths = [
        None if found.per_class else _width(table, found)
        for table, found in zip(tables, outputs, strict=True)
    ]
    classes = columns.classes or next((names for names in named if names), None)
    if classes is None:
        classes = _numbered(next(width for width in widths if width is not None))
    for table, names, width in zip(tables, named, widths, strict=True):
        if width not in (None, len(classes)):
            raise PredictionsError(
                f"{table.origin} has {width} value{'' if width == 1 else 's'} per row, but there are"
                f" {len(classes)} classes ({listed(classes)}): all sources need the same ones"
            )
        unnamed = width is not None and names is None
        if unnamed and columns.classes is None and classes != _numbered(len(classes)):
            raise PredictionsError(
                f"{table.origin} does not name its classes, and another source does ({listed(classes)}):"
                " give their order with --classes"
            )
    if len(classes) < 2:
        raise PredictionsError(f"{tables[0].origin} has one class alone: at least two are needed")
    return classes


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(map(str, range(width)))


def _full_names(table: Table, found: OutputColumns) -> tuple[str, ...] | None:
    return table.classes if found.binary or not found.per_class else found.classes


def _width(table: Table, found: OutputColumns) -> int:
    """Entries per row of a matrix; where only the rows tell, of its first row."""
    name = found.columns[0]
    column = next(column for column in table.columns if column.name == name)
    if column.width is not None:
        return column.width
    for batch in table.batches(texts=[], numbers=[name], rows=1):
        width = list_width(batch[name], name, place_in(table, range(1)))
        refuse_wide(width, f"{table.origin}, row 1, {table.noun} {name}")
        if width:
            return width
        raise PredictionsError(
            f"{table.origin}, row 1, {table.noun} {name}: an empty list; every class needs a number"
        )
    raise PredictionsError(f"{table.origin} has no rows: nothing can be compared")
