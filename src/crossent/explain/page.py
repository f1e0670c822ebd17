"""The teaching page as one file: templates, style sheet, script and the runs of the race, put together.

What it computes it computes in the reader's browser; here are only its sections and the words about runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from crossent.explain.race import (
    COMMON_RATE,
    GOAL,
    JUDGED_ON,
    LEARNT_FROM,
    RATES,
    STEPS,
    Race,
    Rate,
    Run,
    Start,
    race,
)
from crossent.wording import count

SECTIONS = {
    "picture": "A picture",
    "softmax": "Softmax",
    "cross-entropy": "Cross-entropy",
    "two-networks": "Two networks",
    "squared-error": "Squared error",
    "race": "The race",
    "regression": "Regression",
}
_SCRIPTS = (
    "numbers",
    "state",
    "drawing",
    "questions",
    "picture",
    "softmax",
    "cross_entropy",
    "two_networks",
    "squared_error",
    "race",
    "regression",
    "worksheet",
)
_MEAN = 1.06
"""The second network's mean cross-entropy, as the page asks about it."""
_KEEPS_UP = 1.5
"""Up to so many times the steps of cross-entropy count as keeping up."""


def page() -> str:
    """The whole page; the same bytes every time."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crossent.explain"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    runs = race()
    return environment.get_template("page.html.j2").render(
        sections=list(SECTIONS.items()),
        css=Markup(_asset("page.css")),
        script=Markup("\n".join(_asset(f"script/{name}.js") for name in _SCRIPTS)),
        race=_data(runs),
        race_words=_words(runs),
        steps=STEPS,
        typical=f"{math.exp(-_MEAN):.2f}",
        typical_answers=_typical_answers(),
    )


def _asset(name: str) -> str:
    return (files("crossent.explain") / "templates" / name).read_text(encoding="utf-8")


def _typical_answers() -> str:
    """What may be typed for the typical probability of the mean, each with what it shows."""
    right = math.exp(-_MEAN)
    named = {"right": right, "rest": 1 - right, "bits": 2**-_MEAN, "sign": 1 / right}
    return " ".join(f"{name}:{value:.6f}" for name, value in named.items())


def _data(found: Race) -> dict[str, object]:
    return {
        "steps": STEPS,
        "goal": GOAL,
        "runs": {
            start: {
                rate: {
                    loss: {"rate": run.rate, "arrived": run.arrived, "wrong": run.wrong}
                    for loss, run in runs.items()
                }
                for rate, runs in by_rate.items()
            }
            for start, by_rate in found.runs.items()
        },
    }


class _Words(NamedTuple):
    """What the page says about the race; every word on the outcome follows from the runs."""

    learnt_from: str
    judged_on: str
    typical: str
    common_rate: str
    rates: str
    goal: str
    outcomes: dict[str, str]
    answers: list[tuple[str, str, str, bool]]
    arrivals: list[tuple[str, str]]
    keeps_up: str


def _words(found: Race) -> _Words:
    wrong = found.runs["wrong"]["common"]
    slowest = max(wrong, key=lambda loss: (_steps(wrong[loss]), sum(wrong[loss].wrong)))
    return _Words(
        learnt_from=str(LEARNT_FROM),
        judged_on=str(JUDGED_ON),
        typical=f"{found.typical_of_wrong_start:.4f}",
        common_rate=f"{COMMON_RATE:g}",
        rates=f"{len(RATES)} from {RATES[0]:g} to {RATES[-1]:g}",
        goal=f"{GOAL:.0%}".replace("%", " %"),
        outcomes={
            f"{start}-{rate}": _outcome(runs, found.typical_of_wrong_start if start == "wrong" else None)
            for start, by_rate in found.runs.items()
            for rate, runs in by_rate.items()
        },
        answers=[
            (name, text, _judged(wrong, loss, slowest), loss == slowest)
            for name, loss, text in (
                ("ce", "cross-entropy", "Cross-entropy"),
                ("se", "squared error", "Squared error of the softmax"),
                ("raw", "squared error of raw outputs", "Squared error of the raw outputs"),
            )
        ],
        arrivals=[(loss, _arrival(run)) for loss, run in wrong.items()],
        keeps_up=_where_it_keeps_up(found),
    )


def _steps(run: Run) -> float:
    return math.inf if run.arrived is None else run.arrived


def _arrival(run: Run) -> str:
    if run.arrived is None:
        return f"not in {STEPS}"
    return count(run.arrived, "step")


def _when(run: Run) -> str:
    return _arrival(run) if run.arrived is None else f"after {_arrival(run)}"


def _keeps_up(runs: Mapping[str, Run]) -> bool:
    squared = runs["squared error"]
    return squared.arrived is not None and squared.arrived <= _KEEPS_UP * _steps(runs["cross-entropy"])


def _outcome(runs: Mapping[str, Run], typical: float | None) -> str:
    """What came out of three runs; ``typical`` is what a wrong start gives to the right class."""
    entropy, squared, raw = (
        runs[loss] for loss in ("cross-entropy", "squared error", "squared error of raw outputs")
    )
    if _keeps_up(runs):
        first = f"Squared error keeps up: {_arrival(squared)} against {_arrival(entropy)}."
    else:
        first = f"Cross-entropy is there {_when(entropy)}, squared error {_when(squared)}."
        if typical is not None:
            first += f" Its gradient is multiplied by q(1 − q), typically {typical * (1 - typical):.4f}."
    if _steps(raw) < _steps(entropy):
        return f"{first} Raw outputs have no softmax to pass: {_arrival(raw)}."
    return f"{first} Raw outputs are there {_when(raw)}."


def _judged(runs: Mapping[str, Run], loss: str, slowest: str) -> str:
    if loss == slowest:
        end = runs[loss].wrong[-1]
        reason = ": q(1 − q) kills its gradient" if loss == "squared error" else ""
        return (
            f"After {STEPS} steps it still makes {_percent(end)} mistakes{reason}. "
            "See what a rate of its own does for it."
        )
    return f"It is there {_when(runs[loss])}. Play it and see which one stays at the top."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _where_it_keeps_up(found: Race) -> str:
    starts: dict[Start, str] = {
        "ordinary": "from the ordinary start",
        "wrong": "from the confidently wrong start",
    }
    rates: dict[Rate, str] = {"common": "at the common rate", "best": "each at its best rate"}
    places = [
        f"{starts[start]} {rates[rate]} "
        f"({_arrival(runs['squared error'])} against {_arrival(runs['cross-entropy'])})"
        for start, by_rate in found.runs.items()
        for rate, runs in by_rate.items()
        if _keeps_up(runs)
    ]
    return "; ".join(places).capitalize() or "Nowhere in these runs."
