"""How often the intervals of `crossent.statistics` hold the truth: ``python -m benchmarks.coverage``.

Prints one table, which ``--write`` puts into ``docs/statistics.md``. What depends on a single count is
summed exactly over the binomial, all else is simulated, each cell with its own fixed seed. Every
interval comes from the public functions of the room: no second copy of a formula here. Weighted and
clustered intervals have a table of their own, in ``benchmarks/coverage_clusters.py``.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crossent.moments import Moments, combine, moments
from crossent.statistics import (
    FEWEST,
    Difference,
    Estimate,
    error_difference,
    student,
    student_difference,
    wilson,
)

CONFIDENCE = 0.95
SEED = 1927
REPETITIONS = 10_000
COUNTS = (FEWEST, 50, 200, 1000, 5000)
ERROR_RATES = (0.01, 0.05, 0.3)
SKEWNESSES = (1.0, 2.0, 6.0)
CORRELATION = 0.7
"""Of the margins of two networks."""
LOWEST, HIGHEST = 0.91, 0.975
"""What coverage must keep within; the upper bound where 20 errors or discordant pairs are expected."""
FEWEST_UNMARKED = 100
"""With fewer unmarked intervals in a simulation, their coverage is not given."""

DOCUMENT = Path(__file__).parent.parent / "docs" / "statistics.md"
BEGIN, END = "<!-- coverage: begin -->", "<!-- coverage: end -->"

Floats = NDArray[np.float64]
Sampler = Callable[[np.random.Generator], Floats]
Loss = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Cell:
    """One place of the table; ``expected`` counts the errors or discordant pairs to be expected."""

    interval: str
    losses: str
    setting: str
    count: int
    expected: float | None


@dataclass(frozen=True)
class Coverage:
    """Of all samples, as shares: with an interval, covered, unmarked, and both of these."""

    given: float
    covered: float
    unmarked: float
    unmarked_covered: float
    repetitions: int | None
    """None where the shares are exact."""

    @property
    def of_all(self) -> float:
        return self.covered / self.given

    @property
    def share_marked(self) -> float:
        return 1 - self.unmarked / self.given

    @property
    def of_unmarked(self) -> float | None:
        """None where unmarked intervals are too rare to tell: FEWEST_UNMARKED of REPETITIONS."""
        samples = self.repetitions or REPETITIONS
        return self.unmarked_covered / self.unmarked if self.unmarked * samples >= FEWEST_UNMARKED else None

    @property
    def unmarked_missed(self) -> float:
        """How often an interval without the mark leaves the truth out, among all samples."""
        return self.unmarked - self.unmarked_covered


Measured = Callable[[int], Coverage]
"""Fills a cell, from the number of repetitions."""


def measure(
    intervals: Iterable[tuple[Estimate | Difference, float]], truth: float, repetitions: int | None
) -> Coverage:
    """Add up intervals, each with the share of samples that give it."""
    given = covered = unmarked = both = 0.0
    for interval, share in intervals:
        if interval.low is None or interval.high is None:
            continue
        holds = interval.low <= truth <= interval.high
        given += share
        covered += share * holds
        unmarked += share * (not interval.few_decide)
        both += share * (holds and not interval.few_decide)
    return Coverage(given, covered, unmarked, both, repetitions)


def repeated(values: dict[float, int]) -> Moments:
    """Moments of values that come several times each, as blocks of equal values."""
    return combine(np.array([[times, v * times, 0.0, 0.0, v, v] for v, times in values.items()]))


def binomial(count: int, rate: float) -> Iterator[tuple[int, float]]:
    """Every number of errors that matters to 1e-18, with its probability."""
    k = np.arange(count + 1)
    log_ways = special.gammaln(count + 1) - special.gammaln(k + 1) - special.gammaln(count - k + 1)
    shares = np.exp(log_ways + special.xlogy(k, rate) + special.xlog1py(count - k, -rate))
    return ((int(i), float(shares[i])) for i in np.flatnonzero(shares > 1e-18))


def generator_of(cell: Cell) -> np.random.Generator:
    """Each cell has its own seed, so that it comes out alike alone and among all."""
    name = f"{cell.interval}, {cell.losses}, {cell.setting}, {cell.count}"
    return np.random.default_rng([SEED, *name.encode()])


def exact(count: int, rate: float, interval: Callable[[int, int], Estimate]) -> Measured:
    """Of an interval that takes the number of errors and the number of examples."""

    def run(_: int) -> Coverage:
        return measure(((interval(k, count), share) for k, share in binomial(count, rate)), rate, None)

    return run


def simulated_errors(
    cell: Cell, chances: tuple[float, ...], interval: Callable[[int, int, int, int], Difference]
) -> Measured:
    """Of an interval that takes the numbers only a wrong, only b wrong, both wrong, and of examples."""

    def run(repetitions: int) -> Coverage:
        samples = generator_of(cell).multinomial(cell.count, chances, size=repetitions)
        tables, times = np.unique(samples, axis=0, return_counts=True)
        found = (
            (interval(int(a), int(b), int(both), cell.count), float(share))
            for (a, b, both, _), share in zip(tables, times / repetitions, strict=True)
        )
        return measure(found, chances[1] - chances[0], repetitions)

    return run


def simulated(
    cell: Cell, sampler: Sampler, interval: Callable[[Moments], Estimate | Difference], truth: float
) -> Measured:
    """Of an interval for the mean of a series of losses or differences."""

    def run(repetitions: int) -> Coverage:
        generator = generator_of(cell)
        found = (interval(combine(moments(sampler(generator))[None])) for _ in range(repetitions))
        return measure(((one, 1 / repetitions) for one in found), truth, repetitions)

    return run


def wilson_interval(wrong: int, count: int) -> Estimate:
    return wilson(wrong, count, CONFIDENCE)


def t_of_errors(wrong: int, count: int) -> Estimate:
    return student(repeated({0.0: count - wrong, 1.0: wrong}), CONFIDENCE, range=(0.0, 1.0))


def newcombe(a: int, b: int, both: int, count: int) -> Difference:
    return error_difference(a, b, both, count, CONFIDENCE)


def paired_t_of_errors(a: int, b: int, both: int, count: int) -> Difference:
    return student_difference(repeated({-1.0: a, 0.0: count - a - b, 1.0: b}), CONFIDENCE)


def paired_t(series: Moments) -> Difference:
    return student_difference(series, CONFIDENCE)


def lowest_wilson_coverage(count: int, least_errors: float) -> float:
    """Over every error rate up to a half that lets so many errors be expected.

    Coverage falls where a rate steps over an interval's end: the ends, and the first rate, are enough.
    """
    found = [wilson_interval(k, count) for k in range(count + 1)]
    lows, highs = np.array([e.low for e in found]), np.array([e.high for e in found])
    least = least_errors / count
    rates = np.concatenate([np.nextafter(lows, 0), np.nextafter(highs, 1), [least]])
    rates = rates[(rates >= least) & (rates <= 0.5)]
    # both ends grow with k: the intervals that hold a rate are a run of consecutive k
    first = np.searchsorted(highs, rates, side="left")
    last = np.searchsorted(lows, rates, side="right") - 1
    below = np.where(first > 0, special.bdtr(np.maximum(first - 1, 0), count, rates), 0.0)
    return float((special.bdtr(last, count, rates) - below).min())


@dataclass(frozen=True)
class Network:
    """Two classes; the true class leads by a normally distributed margin of logits, below 0 if wrong.

    A larger spread at the same error rate is a surer network: mostly right at next to no loss,
    rarely wrong at a large one.
    """

    error_rate: float
    spread: float

    def margins(self, normal: Floats) -> Floats:
        shifted: Floats = self.spread * (normal - special.ndtri(self.error_rate))
        return shifted


def cross_entropy(margins: Floats) -> Floats:
    return np.logaddexp(0.0, -margins)


def squared_error(margins: Floats) -> Floats:
    wrong_class: Floats = special.expit(-margins)
    return 2 * wrong_class * wrong_class


LOSSES: dict[str, tuple[Loss, tuple[float, float]]] = {
    "cross-entropy": (cross_entropy, (0.0, math.inf)),
    "squared error": (squared_error, (0.0, 2.0)),
}


def normal_grid(end: float) -> tuple[Floats, Floats]:
    """Points up to ``end`` and the standard normal's weights on them, by the midpoint rule."""
    edges = np.linspace(-12.0, end, 40_001)
    points = (edges[1:] + edges[:-1]) / 2
    return points, np.exp(-points * points / 2) * (edges[1] - edges[0]) / math.sqrt(2 * math.pi)


def expected_loss(loss: Loss, network: Network) -> float:
    points, weights = normal_grid(12.0)
    return float(np.sum(loss(network.margins(points)) * weights))


def share_discordant(a: Network, b: Network) -> float:
    """The probability that exactly one of two networks with correlated margins is wrong."""
    points, weights = normal_grid(float(special.ndtri(a.error_rate)))
    threshold = (special.ndtri(b.error_rate) - CORRELATION * points) / math.sqrt(1 - CORRELATION**2)
    both = float(np.sum(special.ndtr(threshold) * weights))
    return a.error_rate + b.error_rate - 2 * both


def network_losses(loss: Loss, network: Network, count: int) -> Sampler:
    return lambda generator: loss(network.margins(generator.standard_normal(count)))


def network_differences(loss: Loss, a: Network, b: Network, count: int) -> Sampler:
    def sample(generator: np.random.Generator) -> Floats:
        normal, own = generator.standard_normal((2, count))
        other = CORRELATION * normal + math.sqrt(1 - CORRELATION**2) * own
        return loss(b.margins(other)) - loss(a.margins(normal))

    return sample


def log_normal_spread(skewness: float) -> float:
    """The standard deviation of the logarithm: skewness = (w + 2) sqrt(w - 1) with w = exp(spread²)."""
    w = max(np.roots([1.0, 3.0, 0.0, -4.0 - skewness**2]).real)
    return math.sqrt(math.log(w))


def cells() -> dict[Cell, Measured]:
    """Every place of the table, in its order, with what fills it."""
    table: dict[Cell, Measured] = {}
    for rate, count in itertools.product(ERROR_RATES, COUNTS):
        table |= error_cells(rate, count)
    for (name, (loss, bounds)), rate, count in itertools.product(LOSSES.items(), ERROR_RATES, COUNTS):
        table |= loss_cells(name, loss, bounds, rate, count)
    for skewness, count in itertools.product(SKEWNESSES, COUNTS):
        table |= skewed_cells(skewness, count)
    return table


def error_cells(rate: float, count: int) -> dict[Cell, Measured]:
    setting = f"{rate:.0%} errors"
    table = {
        Cell("Wilson", "errors", setting, count, count * rate): exact(count, rate, wilson_interval),
        Cell("t", "errors", setting, count, count * rate): exact(count, rate, t_of_errors),
    }
    for who, factor in (("equal networks", 1.0), ("b wrong 1.5 × as often", 1.5)):
        other = rate * factor
        both = rate * other + 0.5 * math.sqrt(rate * (1 - rate) * other * (1 - other))
        chances = (rate - both, other - both, both, 1 - rate - other + both)
        expected = count * (chances[0] + chances[1])
        for name, interval in (("Newcombe", newcombe), ("paired t", paired_t_of_errors)):
            cell = Cell(name, f"errors, {who}", setting, count, expected)
            table[cell] = simulated_errors(cell, chances, interval)
    return table


def loss_cells(
    name: str, loss: Loss, bounds: tuple[float, float], rate: float, count: int
) -> dict[Cell, Measured]:
    setting = f"{rate:.0%} errors"
    table: dict[Cell, Measured] = {}
    for who, spread in (("unsure network", 2.0), ("sure network", 10.0)):
        network = Network(rate, spread)
        cell = Cell("t", f"{name}, {who}", setting, count, count * rate)
        interval = functools.partial(student, confidence=CONFIDENCE, range=bounds)
        table[cell] = simulated(
            cell, network_losses(loss, network, count), interval, expected_loss(loss, network)
        )
    for who, a, b in (
        ("equal unsure networks", Network(rate, 2.0), Network(rate, 2.0)),
        ("sure networks, b surer and wrong 1.5 × as often", Network(rate, 10.0), Network(1.5 * rate, 12.0)),
    ):
        cell = Cell("paired t", f"{name}, {who}", setting, count, count * share_discordant(a, b))
        truth = expected_loss(loss, b) - expected_loss(loss, a)
        table[cell] = simulated(cell, network_differences(loss, a, b, count), paired_t, truth)
    return table


def skewed_cells(skewness: float, count: int) -> dict[Cell, Measured]:
    shape, spread = 4 / skewness**2, log_normal_spread(skewness)
    setting = f"skewness {skewness:.0f}"
    interval = functools.partial(student, confidence=CONFIDENCE, range=(0.0, math.inf))
    gamma = Cell("t", "gamma", setting, count, None)
    log_normal = Cell("t", "log-normal", setting, count, None)
    return {
        gamma: simulated(gamma, lambda g: g.standard_gamma(shape, count), interval, shape),
        log_normal: simulated(
            log_normal, lambda g: g.lognormal(0.0, spread, count), interval, math.exp(spread**2 / 2)
        ),
    }


def as_text(coverage: Coverage) -> str:
    """Covered among the unmarked, share marked, covered among all; one figure where nothing is marked."""
    if coverage.share_marked < 0.0005:
        return f"{coverage.of_all:.3f}"
    unmarked = coverage.of_unmarked
    first = "–" if unmarked is None else f"{unmarked:.3f}" + "†" * (unmarked < LOWEST)
    return f"{first} · {coverage.share_marked:.0%} · {coverage.of_all:.3f}"


def as_table(measured: dict[Cell, Coverage]) -> str:
    """Markdown: a line per interval, losses and setting, a column per number of examples."""
    lines: dict[tuple[str, str, str], dict[int, str]] = {}
    for cell, coverage in measured.items():
        lines.setdefault((cell.interval, cell.losses, cell.setting), {})[cell.count] = as_text(coverage)
    lowest = ("Wilson", "errors", "lowest of all rates with 1 error or more expected")
    lines[lowest] = {count: f"{lowest_wilson_coverage(count, 1.0):.3f}" for count in COUNTS}
    order = list(dict.fromkeys(line[:2] for line in lines))
    head = ["interval", "losses", "", *(f"n = {count:,}" for count in COUNTS)]
    rows = [head, ["---"] * len(head)]
    for line in sorted(lines, key=lambda line: order.index(line[:2])):
        rows.append([*line, *(lines[line][count] for count in COUNTS)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write(table: str, begin: str, end: str) -> None:
    """Put a table into the documentation, between its two marks."""
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    DOCUMENT.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name}")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="per simulated cell")
    options = parser.parse_args()
    table = as_table({cell: run(options.repetitions) for cell, run in cells().items()})
    print(table)
    if options.write:
        write(table, BEGIN, END)


if __name__ == "__main__":
    main()
