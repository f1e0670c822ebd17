"""The parts of the page, in the order in which it is read; each is a room of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crossent.comparison import Comparison
from crossent.report.charts.svg import Drawer
from crossent.report.page import calibration, classes, data, losses, models, training
from crossent.report.page.gallery import gallery
from crossent.report.page.tables import Section


def sections(comparison: Comparison, drawer: Drawer, images: Path | None) -> list[Section]:
    """Every part that has something to say."""
    found = [
        models.qualified(comparison),
        models.measures(comparison, drawer),
        models.differences(comparison, drawer),
        gallery(comparison, images),
        classes.by_class(comparison, drawer),
        classes.by_value(comparison, drawer),
        losses.losses(comparison, drawer),
        calibration.calibration(comparison, drawer),
        classes.confusion(comparison, drawer),
        training.training(comparison, drawer),
        data.data(comparison),
    ]
    return [_alone(section) for section in found if section is not None]


def _alone(section: Section) -> Section:
    """A figure that stands alone has the page's width."""
    if len(section.figures) != 1:
        return section
    return replace(section, figures=(replace(section.figures[0], wide=True),))
