"""A chart as SVG that stands within a page: its colours are the page's, its ids its own, its bytes repeat.

Altair describes, vl-convert renders; what the renderer adds for scripts and links is taken off again.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import category, east_asian_width

import altair as alt
import vl_convert

from crossent.wording import shortened, visible

INK, MUTED, FAINT, GRID, PAPER = "#1c1b1a", "#65615b", "#a8a39b", "#e4e0d9", "#fffefb"
MODELS = ("#0b62a4", "#c2410c", "#0a7d62", "#8e3f9c", "#8a6a00", "#2563c9", "#b3265e", "#4d4a46")
SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "M-1,-0.35H1V0.35H-1Z",
)
WIDTH = 290
"""Of a whole chart, nearly: what a telephone shows without shrinking it."""

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    FAINT: "--faint",
    GRID: "--grid",
    PAPER: "--paper",
    **{colour: f"--model-{place}" for place, colour in enumerate(MODELS)},
}
_DROPPED = re.compile(r"^(aria-.*|role|class|pointer-events|font-family|version|.*[}]?xmlns.*)$")
_LABEL = 18
_FONT, _PADDING = 13, 5
_PRINTED = 0.9  # of the size for which there is room: the reader's font may be wider than the renderer's


@dataclass(frozen=True)
class Legible:
    """Names as a chart shows them: cut, visible, and different from each other."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], width: int = _LABEL) -> Legible:
        shown: list[str] = []
        for name in names:
            text = shortened(visible(name), width)
            number = 2
            while text in shown:
                text = f"{shortened(visible(name), width - 4)} ({number})"
                number += 1
            shown.append(text)
        return cls(tuple(shown))


def colour(model: int) -> str:
    """The colour of the model in that place; after eight they come again, with other shapes."""
    return MODELS[model % len(MODELS)]


def shape(model: int) -> str:
    """The shape of the model in that place."""
    return SHAPES[model % len(SHAPES)]


def by_model(names: Sequence[str], places: Sequence[int], channel: Literal["color", "shape"]) -> Any:
    """A channel that tells models apart by their names, without a legend; ``places`` are theirs."""
    kind, of = {"color": (alt.Color, colour), "shape": (alt.Shape, shape)}[channel]
    scale = alt.Scale(domain=list(names), range=[of(place) for place in places])
    return kind("model:N", scale=scale, legend=None)


def room(names: Sequence[str]) -> int:
    """What the longest of the names takes in the reader's font, which may be wider than the renderer's."""
    return math.ceil(_PRINTED * _FONT * max(map(_ems, names), default=0.0))


def name_axis(names: Sequence[str], **more: Any) -> Any:
    """An axis of names, with room for them."""
    return alt.Axis(ticks=False, minExtent=room(names) + more.get("labelPadding", _PADDING), **more)


def _ems(text: str) -> float:
    """About how wide a text is in a wide font, in its size."""
    return sum(
        1.0
        if east_asian_width(char) in "WF" or char in "mwMW@%…—" or category(char) == "So"
        else 0.84
        if category(char) == "Sm" or char in "#&"
        else 0.42
        if char in " .,:;!|'()[]ijltfr/-"
        else 0.68
        for char in text
    )


def rows(values: Sequence[Mapping[str, Any]]) -> Any:
    """Data that lie within the chart."""
    data: Any = alt.Data
    return data(values=[dict(value) for value in values])


@dataclass
class Drawer:
    """Renders the charts of one page, so that no two of them share an id."""

    drawn: int = field(default=0)

    def svg(self, chart: Any, title: str, description: str, *, scale: float = 1.2) -> str:
        """The chart as an SVG element; title and description are read aloud in its place."""
        self.drawn += 1
        spec = chart.to_dict(validate=False) | {
            "config": _THEME
        }  # the schema takes longest, and knows less than the tests
        version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
        root = _mended(vl_convert.vegalite_to_svg(spec, vl_version=version), f"c{self.drawn}")
        for name in ("width", "height"):
            root.set(name, f"{scale * float(root.attrib[name]):.0f}")
        return _told(root, f"c{self.drawn}", title, description)


def _mended(svg: str, prefix: str) -> ET.Element:
    root = ET.fromstring(svg)
    ids: dict[str, str] = {}
    for element in root.iter():
        if (name := element.get("id")) is not None:
            ids[name] = f"{prefix}-{len(ids)}"
    for parent in list(root.iter()):
        for child in list(parent):
            if _tag(child) == "path" and _is_nothing(child):
                parent.remove(child)
    for element in root.iter():
        element.tag = _tag(element)
        element.attrib = _attributes(element, ids)
    _flatten(root)
    return root


def _told(root: ET.Element, prefix: str, title: str, description: str) -> str:
    root.attrib |= {"role": "img", "aria-labelledby": f"{prefix}-t {prefix}-d"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(tag, id=f"{prefix}-{tag[0]}")
        element.text = visible(text)
        root.insert(place, element)
    return ET.tostring(root, encoding="unicode")


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _is_nothing(path: ET.Element) -> bool:
    drawn = path.get("d", "")
    return not drawn or drawn == "M0,0h0v0h0Z" or not (path.get("fill") or path.get("stroke"))


def _attributes(element: ET.Element, ids: Mapping[str, str]) -> dict[str, str]:
    kept = {}
    for name, value in element.attrib.items():
        if _DROPPED.match(name) or (name == "opacity" and value == "1"):
            continue
        if name in ("fill", "stroke") and value.lower() in _VARIABLES:
            value = f"var({_VARIABLES[value.lower()]}, {value.lower()})"
        elif name == "id":
            value = ids[value]
        elif name == "font-size":
            value = f"{_PRINTED * float(value.removesuffix('px')):g}px"
        elif value.startswith("url(#"):
            value = f"url(#{ids[value[5:-1]]})"
        kept[name] = value
    return kept


def _flatten(root: ET.Element) -> None:
    """Take out groups that are empty, the innermost first."""
    for parent in reversed(list(root.iter())):
        for child in list(parent):
            if child.tag == "g" and not len(child):
                parent.remove(child)


_THEME: dict[str, Any] = {
    "background": "transparent",
    "aria": False,
    "font": "sans-serif",
    "padding": {"left": 4, "right": 12, "top": 4, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": _FONT,
        "titleFontSize": _FONT,
        "titleFontWeight": "normal",
        "domain": False,
        "tickColor": GRID,
        "gridColor": GRID,
        "labelFlush": False,
        "labelLimit": 220,
        "titlePadding": 8,
        "labelPadding": _PADDING,
        "tickCount": 5,
    },
    "axisY": {"titlePadding": 10},
    "text": {"color": INK, "fontSize": _FONT},
}
