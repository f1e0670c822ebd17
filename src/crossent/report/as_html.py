"""A comparison as one HTML page that opens anywhere: no script, nothing fetched, the same bytes every time.

What the page says comes from the rooms that say it for every format; here it is put in order.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from altair.utils.schemapi import debug_mode
from markupsafe import Markup, escape

from crossent.comparison import Comparison
from crossent.report.cells import header
from crossent.report.charts.svg import MODELS, Drawer
from crossent.report.page import sections
from crossent.report.page.models import measure_table
from crossent.wording import NAMES, count, listing, shortened, visible

_NAMED = 3
_UNPARTED = re.compile(rf"{NAMES['cross_entropy']}|\bp (?:&lt; )?\d\.\d+")


def as_html(comparison: Comparison, *, images: Path | None = None) -> str:
    """The whole page; ``images`` is the folder below which ids, or paths in a column `image`, are found."""
    with debug_mode(False):  # Altair would check each mark against its schema: a quarter of all the time
        found = sections(comparison, Drawer(), images)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=_title(comparison),
            header=header(comparison),
            comparison=comparison,
            sections=found,
            colours=MODELS,
            css=Markup(_asset("page.css")),
        )
    )


def as_part(comparison: Comparison) -> str:
    """The verdict and the table of the measures, to stand within another page."""
    table = measure_table(comparison)
    return (
        _environment()
        .get_template("part.html.j2")
        .render(comparison=comparison, header=header(comparison), one=table, colours=MODELS)
    )


def _title(comparison: Comparison) -> str:
    names = [shortened(name, 40) for name in comparison.models]
    if len(names) > _NAMED:
        return f"{count(len(names), 'model')} compared"
    return f"{listing(names)}{' compared' if len(names) > 1 else ''}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crossent.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_seen,
    )
    environment.filters["whole"] = _whole
    return environment


def _whole(text: str) -> Markup:
    """A sentence in which neither a measure's name nor a p-value is parted at the end of a line."""
    return Markup(_UNPARTED.sub(r'<span class="whole">\g<0></span>', str(escape(visible(text)))))


def _seen(value: Any) -> Any:
    """Text as it may be shown: with its control characters spelled out."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> str:
    return (files("crossent.report") / "templates" / name).read_text(encoding="utf-8")
