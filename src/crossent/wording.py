"""Numbers and words as people read them: the one place that rounds.

Sentences and tables are put together elsewhere; no estimate is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal
from unicodedata import category

Kind = Literal["logits", "probs"]
LabelIs = Literal["name", "index"]
InputFormat = Literal["parquet", "arrow", "csv", "tsv", "jsonl", "npy", "npz"]
Engine = Literal["local", "ray"]
Measure = Literal["classification_error", "squared_error", "cross_entropy"]
MEASURES: tuple[Measure, ...] = ("classification_error", "squared_error", "cross_entropy")
NAMES: dict[Measure, str] = {
    "classification_error": "classification error",
    "squared_error": "squared error",
    "cross_entropy": "cross-entropy",
}
_MOST_DECIMALS = 8
_UNSEEN = ("Cc", "Cf", "Zl", "Zp")
_JOINERS = "\u200c\u200d"  # of letters and of emoji


def quantity(number: float) -> str:
    """``10,000``; a mean of counts, which need not be whole, as ``498.3``."""
    return f"{number:,.0f}" if number == round(number) else f"{number:,.1f}"


def count(number: float, noun: str) -> str:
    """``1 example``, ``10,000 examples``."""
    return f"{quantity(number)} {noun}" if number == 1 else f"{quantity(number)} {noun}s"


def listing(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def shortened(text: str, width: int) -> str:
    """The text, cut in its middle where it is too long for one line; both ends tell names apart."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def quoted(text: str) -> str:
    """What stands in a file, in a message: ``'image 007'``, and not all of it where it fills the screen."""
    return f"'{shortened(text, 60)}'"


def visible(text: str) -> str:
    """The text with control and direction characters spelled out: names may hold anything."""
    return "".join(
        char.encode("unicode_escape").decode() if category(char) in _UNSEEN and char not in _JOINERS else char
        for char in text
    )


def decimals(values: Iterable[float | None], half_widths: Iterable[float] = ()) -> int:
    """Decimals for one column: 3 digits of the narrowest interval, else 2 digits of the smallest value."""
    widths = [width for width in half_widths if 0 < width < math.inf]
    if widths:
        return min(_MOST_DECIMALS, max(2, 2 - math.floor(math.log10(min(widths)))))
    sizes = [abs(value) for value in values if value is not None and 0 < abs(value) < math.inf]
    return min(_MOST_DECIMALS, max(2, 1 - math.floor(math.log10(min(sizes))))) if sizes else 2


def number(value: float | None, places: int) -> str:
    """``0.38``, ``inf``; what is unknown is a dash."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "inf" if value > 0 else "−inf"
    text = f"{abs(value):.{places}f}"
    return f"−{text}" if value < 0 and float(text) != 0 else text


def signed(value: float | None, places: int) -> str:
    """A difference: ``+0.68``, ``−0.02``, ``+inf``, ``0.00``."""
    text = number(value, places)
    positive = value is not None and value > 0 and (math.isinf(value) or float(text) != 0)
    return f"+{text}" if positive else text


def p_value(value: float | None) -> str:
    """``p 0.14``, ``p 0.0032``, ``p < 0.0001``."""
    if value is None:
        return "p –"
    if value < 1e-4:
        return "p < 0.0001"
    return f"p {value:.{2 if value >= 0.1 else 3 if value >= 0.01 else 4}f}"


def two_digits(value: float) -> str:
    """Two significant digits, for what is only an order of magnitude: ``0.021``, ``1.2``, ``31``."""
    if value == 0 or not math.isfinite(value):
        return number(value, 2)
    return f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"
