"""Where a tally runs: on threads of this machine, or on a Ray cluster.

No sums and no estimates in here: whatever the engine, the result is the same set of blocks.
"""

from __future__ import annotations

from collections.abc import Callable

from crossent.engines.cluster import tally_on_ray
from crossent.engines.threads import tally_on_threads
from crossent.options import CompareOptions
from crossent.predictions import Predictions
from crossent.rule import Rule
from crossent.tally import Tally

__all__ = ["tally_on", "tally_on_ray", "tally_on_threads"]


def tally_on(
    options: CompareOptions,
    predictions: Predictions,
    rule: Rule,
    *,
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """Tally all blocks where the options say; ``progress`` is told of rows once they are done."""
    if options.engine == "ray":
        return tally_on_ray(
            predictions, rule, workers=options.threads, address=options.ray_address, progress=progress
        )
    return tally_on_threads(predictions, rule, threads=options.threads, progress=progress)
