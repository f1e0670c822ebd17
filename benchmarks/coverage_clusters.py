"""How often the intervals of clustered and weighted losses hold the truth, and those that ignore clusters.

``python -m benchmarks.coverage_clusters`` prints one table, which ``--write`` puts into
``docs/statistics.md``. All is simulated, each setting and number of clusters with its own fixed seed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special

from benchmarks.coverage import (
    CONFIDENCE,
    CORRELATION,
    DOCUMENT,
    REPETITIONS,
    SEED,
    Coverage,
    Floats,
    Network,
    as_text,
    cross_entropy,
    expected_loss,
    measure,
    write,
)
from crossent.clusters import ClusterSums, combine_clusters
from crossent.moments import Series, combine, combine_weighted, moments, weighted_moments
from crossent.statistics import Difference, Estimate, student, student_difference, wilson, wilson_effective

UNITS = (20, 50, 500)
WITHIN = 0.5
"""The correlation of what two rows of a cluster have in common: their easiness, each network's own luck."""
TILT = -0.5
"""A weight is exp(TILT · easiness): it makes of these examples a harder set."""
SPREAD = 2.0
LOWEST, HIGHEST, MOST_IGNORED = 0.92, 0.975, 0.85
"""What coverage must keep within from 50 clusters on, and what it stays under with clusters ignored."""
MOST_MARKED = 0.5
"""Where more of the intervals than this say that few examples decide, they promise nothing."""

BEGIN, END = "<!-- clustered coverage: begin -->", "<!-- clustered coverage: end -->"

Ints = NDArray[np.int64]
Sizes = Callable[[np.random.Generator, int], Ints]


def up_to_20(generator: np.random.Generator, clusters: int) -> Ints:
    return generator.integers(1, 21, clusters)


def geometric(generator: np.random.Generator, clusters: int) -> Ints:
    return generator.geometric(0.1, clusters)


@dataclass(frozen=True)
class Setting:
    """A way to draw examples; ``sizes`` is None where every example is a cluster of its own."""

    name: str
    error_rate: float
    sizes: Sizes | None
    weighted: bool


SETTINGS = (
    Setting("30% errors, clusters of 1 to 20", 0.3, up_to_20, weighted=False),
    Setting("30% errors, clusters of 1 to 20, weights", 0.3, up_to_20, weighted=True),
    Setting("30% errors, weights", 0.3, None, weighted=True),
    Setting("30% errors, geometric clusters", 0.3, geometric, weighted=False),
    Setting("5% errors, clusters of 1 to 20", 0.05, up_to_20, weighted=False),
)


@dataclass(frozen=True)
class Cell:
    """One place of the table; ``ignored`` where each row was taken for a cluster of its own."""

    interval: str
    losses: str
    setting: Setting
    units: int
    ignored: bool


@dataclass(frozen=True)
class Sample:
    """Rows of a setting: errors and cross-entropies of one network, and how much a second one has more."""

    clusters: Ints
    weights: Floats | None
    errors: Floats
    cross_entropies: Floats
    more_errors: Floats
    more_cross_entropy: Floats

    @property
    def series(self) -> Floats:
        return np.stack([self.errors, self.cross_entropies, self.more_errors, self.more_cross_entropy])


def draw(setting: Setting, units: int, generator: np.random.Generator) -> Sample:
    """Two equally good networks, whose margins share each example's easiness, on rows of clusters."""
    sizes = np.ones(units, np.int64) if setting.sizes is None else setting.sizes(generator, units)
    clusters = np.repeat(np.arange(units), sizes)
    common = generator.standard_normal((3, units))[:, clusters]
    own = generator.standard_normal((3, len(clusters)))
    drawn: Floats = math.sqrt(WITHIN) * common + math.sqrt(1 - WITHIN) * own
    easiness, luck = drawn[0], drawn[1:]
    network = Network(setting.error_rate, SPREAD)
    a, b = (
        network.margins(math.sqrt(CORRELATION) * easiness + math.sqrt(1 - CORRELATION) * one) for one in luck
    )
    wrong, losses = (a < 0).astype(np.float64), cross_entropy(a)
    weights: Floats = np.exp(TILT * easiness)
    return Sample(
        clusters,
        weights if setting.weighted else None,
        wrong,
        losses,
        (b < 0) - wrong,
        cross_entropy(b) - losses,
    )


def truths(setting: Setting) -> tuple[float, float, float, float]:
    """The means that the four series of a `Sample` estimate."""
    shift = math.sqrt(CORRELATION) * TILT if setting.weighted else 0.0
    rate = float(special.ndtr(special.ndtri(setting.error_rate) - shift))
    return rate, expected_loss(cross_entropy, Network(rate, SPREAD)), 0.0, 0.0


def clustered(sample: Sample) -> list[Estimate | Difference]:
    found = combine_clusters([ClusterSums.of(pa.array(sample.clusters), sample.weights, sample.series)])
    return _intervals(wilson_effective(found[0], CONFIDENCE), found)


def ignoring_clusters(sample: Sample) -> list[Estimate | Difference]:
    weights = sample.weights
    if weights is None:
        plain = [combine(moments(values)[None]) for values in sample.series]
        return _intervals(wilson(int(sample.errors.sum()), len(sample.errors), CONFIDENCE), plain)
    weighted = [combine_weighted(weighted_moments(values, weights)[None]) for values in sample.series]
    return _intervals(wilson_effective(weighted[0], CONFIDENCE), weighted)


def _intervals(errors: Estimate, series: Sequence[Series]) -> list[Estimate | Difference]:
    cross_entropies = student(series[1], CONFIDENCE, range=(0.0, math.inf))
    return [errors, cross_entropies, *(student_difference(one, CONFIDENCE) for one in series[2:])]


LINES = (
    ("Wilson", "errors"),
    ("t", "cross-entropy"),
    ("paired t", "errors, equal networks"),
    ("paired t", "cross-entropy, equal networks"),
)


def run(setting: Setting, units: int, repetitions: int) -> dict[Cell, Coverage]:
    """The table's places of one setting and number of clusters; all of them from the same samples."""
    generator = np.random.default_rng([SEED, units, *setting.name.encode()])
    ways = {False: clustered, True: ignoring_clusters}
    if setting.sizes is None:
        ways = {False: ignoring_clusters}
    found: dict[Cell, list[tuple[Estimate | Difference, float]]] = {}
    for _ in range(repetitions):
        sample = draw(setting, units, generator)
        for ignored, way in ways.items():
            for (interval, losses), one in zip(LINES, way(sample), strict=True):
                cell = Cell(interval, losses, setting, units, ignored)
                found.setdefault(cell, []).append((one, 1 / repetitions))
    truth = dict(zip(LINES, truths(setting), strict=True))
    return {
        cell: measure(ones, truth[cell.interval, cell.losses], repetitions) for cell, ones in found.items()
    }


def measured(repetitions: int, units: tuple[int, ...] = UNITS) -> dict[Cell, Coverage]:
    """Every place of the table."""
    table: dict[Cell, Coverage] = {}
    for setting in SETTINGS:
        for count in units:
            table |= run(setting, count, repetitions)
    return table


def as_table(table: dict[Cell, Coverage]) -> str:
    """Markdown: a line per setting and interval, a column per number of clusters, then with them ignored."""
    columns = [(units, False) for units in UNITS] + [(units, True) for units in UNITS if units >= 50]
    titles = [f"G = {units}{', ignored' * ignored}" for units, ignored in columns]
    rows = [["", "interval", "losses", *titles], ["---"] * (3 + len(columns))]
    for setting in SETTINGS:
        for interval, losses in LINES:
            cells = (Cell(interval, losses, setting, units, ignored) for units, ignored in columns)
            shown = [as_text(table[cell]) if cell in table else "" for cell in cells]
            rows.append([setting.name, interval, losses, *shown])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="per setting")
    options = parser.parse_args()
    table = as_table(measured(options.repetitions))
    print(table)
    if options.write:
        write(table, BEGIN, END)


if __name__ == "__main__":
    main()
