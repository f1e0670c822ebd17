"""What was promised, held against what was measured: no clock and no printing in here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.contenders import NN
from benchmarks.exactness import Errors
from benchmarks.timing import Spread

Shape = tuple[int, int]

GRADIENT: dict[Shape, tuple[float, float, float]] = {
    (2_000_000, 2): (2.0, 3.0, 6.0),
    (1_000_000, 10): (2.0, 2.5, 4.0),
    (200_000, 100): (1.7, 2.5, 2.0),
    (50_000, 1_000): (1.7, 3.0, 1.8),
    (2_048, 32_000): (1.7, 3.0, 1.8),
    (512, 128_256): (1.7, 3.0, 1.8),
}
"""Fresh and into `out`: at least so many times faster than the fastest peer; at most so many copies."""
OTHERWISE = (1.7, 2.5, 6.0)
"""Of shapes without a promise of their own."""
NORMALISED, SQUARED_ERROR, NARROW = 2.0, 4.0, 3.0
MEGABYTES = 4.0
CHECKS = 0.10
COMPILING, EXAMPLE = 10.0, 2.0

EAGER = "PyTorch eager"


@dataclass(frozen=True)
class Row:
    """One contender at one shape."""

    shape: Shape
    contender: str
    library: str
    into_out: bool
    time: Spread
    errors: Errors

    @property
    def ours(self) -> bool:
        return self.library in ("crossent", NN)

    @property
    def peer(self) -> bool:
        return not self.ours and self.library != "copy"


@dataclass(frozen=True)
class Target:
    """A figure and its limit."""

    where: str
    words: str
    figure: float
    limit: float
    least: bool
    """Whether the figure must reach the limit, else stay at or under it."""
    strictly: bool = False
    beside: str = ""
    """Who it is compared with."""

    @property
    def met(self) -> bool:
        if self.strictly:
            return self.figure > self.limit if self.least else self.figure < self.limit
        return self.figure >= self.limit if self.least else self.figure <= self.limit


def copying(rows: Iterable[Row]) -> float | None:
    """Seconds of the faster copy; None where none was made."""
    return min((row.time.median for row in rows if row.library == "copy"), default=None)


def fastest(rows: Iterable[Row], *, fresh: bool = False) -> Row | None:
    """The fastest peer; with `fresh` of those that make their result's memory."""
    among = [row for row in rows if row.peer and not (fresh and row.into_out)]
    return min(among, key=lambda row: row.time.median, default=None)


def title(shape: Shape) -> str:
    return f"{shape[0]:,} × {shape[1]:,}"


def _faster(
    words: str, own: Row, peers: Sequence[Row], limit: float, *, strictly: bool = False, nn: Row | None = None
) -> list[Target]:
    """How many times faster than the fastest of the peers; beside PyTorch `nn` counts, where it is there."""

    def ratio(peer: Row) -> float:
        ours = nn if nn is not None and peer.library == "PyTorch" else own
        return peer.time.median / ours.time.median

    if not peers:
        return []
    hardest = min(peers, key=ratio)
    mine = nn if nn is not None and hardest.library == "PyTorch" else own
    return [
        Target(
            title(own.shape),
            f"{words}: times faster than the fastest peer",
            ratio(hardest),
            limit,
            True,
            strictly,
            f"{mine.contender} : {hardest.contender}",
        )
    ]


def judge(function: str, dtype: str, rows: Sequence[Row]) -> list[Target]:
    """The promises on the rows of one shape."""
    shape = rows[0].shape
    bare = next(row for row in rows if row.library == "crossent" and not row.into_out)
    out = next((row for row in rows if row.library == "crossent" and row.into_out), None)
    nn = next((row for row in rows if row.library == NN), None)
    peers = [row for row in rows if row.peer]
    fresh_peers = [row for row in peers if not row.into_out]
    if dtype != "float32":
        torch = [row for row in fresh_peers if row.library == "PyTorch"]
        return _faster(f"{dtype}, fresh", bare, torch, NARROW, nn=nn)
    match function:
        case "gradient":
            fresh, into_out, copies = GRADIENT.get(shape, OTHERWISE)
            found = _faster("fresh", bare, fresh_peers, fresh, nn=nn)
            copy = copying(rows)
            if out is not None:
                found += _faster("into out", out, peers, into_out)
            if out is not None and copy is not None:
                times = out.time.median / copy
                found.append(Target(title(shape), "into out: times a copy", times, copies, False))
            return found
        case "loss":
            return _faster("loss", bare, peers, 1.0, strictly=True, nn=nn)
        case "softmax" | "log_softmax":
            found = _faster(f"{function}, fresh", bare, fresh_peers, 1.0, strictly=True)
            if out is not None:
                in_use = [row for row in peers if row.into_out]
                found += _faster(f"{function}, into out", out, fresh_peers, NORMALISED)
                found += _faster(f"{function}, all into memory in use", out, in_use, 1.0, strictly=True)
            return found
        case "squared_error":
            eager = [row for row in peers if row.contender == EAGER]
            return _faster("squared error, fresh", bare, eager, SQUARED_ERROR, nn=nn)
    return []


def exactness_of_narrow(shape: Shape, dtype: str, own: Errors, wide: Errors) -> list[Target]:
    """16-bit logits, beside the float32 call on the same values, whose gradient is rounded to 16 bits.

    A correctly rounded gradient is off by up to 1 half spacing, which is all that can be asked.
    """
    found = []
    for words, mine, theirs in (
        ("loss error in ulp, at most float32's", own.loss, wide.loss),
        ("gradient error in half spacings, at most float32's rounded", own.matrix, wide.matrix),
    ):
        if mine is not None and theirs is not None:
            found.append(Target(title(shape), f"{dtype}: {words}", mine, max(theirs, 1.0), False))
    return found
