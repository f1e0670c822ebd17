"""Counts and sums of examples by how probable the top class is; `crossent.reliability` says what for."""

from __future__ import annotations

from typing import Any

from crossent.kernels.compiled import kernel


@kernel
def of_bins(top: Any, correct: Any, weights: Any, edges: Any, examples: Any, right: Any, sums: Any) -> Any:
    """Counts into `examples` and `right` (bins,); w, w², w where right and w times top into `sums` (4, bins).

    All of these come as 0. Bin i holds what is above `edges[i]`, up to and with `edges[i + 1]`; the outermost
    bins everything beyond. Without weights w is 1.
    """
    last = edges.shape[0] - 2
    for i in range(top.shape[0]):
        value = top[i]
        bin = min(max(int(value * (last + 1)), 0), last)
        while bin > 0 and value <= edges[bin]:
            bin -= 1
        while bin < last and value > edges[bin + 1]:
            bin += 1
        examples[bin] += 1
        right[bin] += correct[i]
        if weights.shape[0] > 0:
            w = weights[i]
            sums[0, bin] += w
            sums[1, bin] += w * w
            sums[2, bin] += w * correct[i]
            sums[3, bin] += w * value
        else:
            sums[3, bin] += value
    if weights.shape[0] == 0:
        sums[0] += examples
        sums[1] += examples
        sums[2] += right
