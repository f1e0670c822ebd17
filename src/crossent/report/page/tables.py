"""What a page is made of: cells, tables, figures, sections. No numbers are made and nothing is drawn here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : as it is read.
    value : the number behind it, unrounded.
    aside : what stands beside it in small print, such as an interval.
    model : the place of the model that it names, which has a mark of its own.
    """

    text: str
    value: float | None = None
    aside: str = ""
    model: int | None = None


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows; ``numeric`` are the places of columns of numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    faint: frozenset[int] = frozenset()  # rows that say little
    more: str = ""  # what was left out

    @property
    def paired(self) -> frozenset[int]:
        """The columns that have something beside their numbers."""
        return frozenset(place for row in self.rows for place, cell in enumerate(row) if cell.aside)


@dataclass(frozen=True)
class Figure:
    """A drawing, what it shows in words, and the same as a table."""

    title: str
    description: str
    svg: str
    table: Table | None = None
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the page, under a heading."""

    id: str
    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()  # a click away
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    legend: bool = False  # whether its marks need the names of the models beside them


def columns(*places: int) -> frozenset[int]:
    """Places of columns."""
    return frozenset(places)
