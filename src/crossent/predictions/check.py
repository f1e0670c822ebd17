"""Are these outputs logits or probabilities: nothing passes on that has no loss.

Sums are held to the precision that the values have; nothing is renormalised unless it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crossent.arrays import Fault, Reason, logits_fault, precision, probs_fault, sum_tolerance
from crossent.errors import PredictionsError
from crossent.kernels.layout import read_only
from crossent.kernels.sums import furthest_from_one
from crossent.predictions.block import Outputs
from crossent.predictions.rounding import decimals

Floats = NDArray[np.float64]
What = Literal["probabilities", "soft labels"]
At = Callable[[int, int | None], str]
"""How messages name an entry (row, column) of the matrix, or the row where the column is None."""

_ANY_SUM = float(np.finfo(np.float64).max)  # entries first: only inf is further from 1


def checked_logits(logits: Outputs, at: At) -> Outputs:
    """The logits, where every row has a softmax."""
    fault = logits_fault(logits) if len(logits) else None
    if fault is not None:
        raise PredictionsError(_logits_sentence(fault, at))
    return logits


def checked_probs(
    probs: Outputs, at: At, *, text: bool, renormalize: bool = False, what: What = "probabilities"
) -> tuple[Outputs, float]:
    """The probabilities, divided by their sums if asked for, and the largest |sum - 1| before it.

    ``text`` widens the tolerance by half a unit of the last printed digit per class.
    """
    if not len(probs):
        return probs, 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        if not renormalize:  # what nearly every block passes, in one pass
            furthest = float(furthest_from_one(read_only(probs)))
            if furthest <= sum_tolerance(0.0):
                return probs, furthest
        # NumPy adds up rows of another layout or type in another way
        probs = np.ascontiguousarray(probs, np.float64)
        sums = probs.sum(axis=1)
        deviation = float(np.abs(sums - 1.0).max())
    fault = probs_fault(probs, _ANY_SUM) or _sum_fault(probs, sums, text=text, renormalize=renormalize)
    if fault is not None and fault.reason != "sum":
        raise PredictionsError(_probs_sentence(fault, at, what))
    if fault is not None:
        raise PredictionsError(_sums_sentence(sums, at, what, renormalize=renormalize))
    return (probs / sums[:, None] if renormalize else probs), deviation


def refuse_outside(probs: Outputs, at: At) -> None:
    """Each value by itself must be a probability."""
    bad = ~((probs >= 0.0) & (probs <= 1.0))
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        value = float(probs[row, column])
        reason: Reason = "nan" if np.isnan(value) else "negative"
        raise PredictionsError(_probs_sentence(Fault(row, column, value, reason), at, "probabilities"))


def _sum_fault(probs: Floats, sums: Floats, *, text: bool, renormalize: bool) -> Fault | None:
    if renormalize:
        bad = ~((sums > 0) & np.isfinite(sums))
        return Fault(int(bad.argmax()), None, float(sums[bad.argmax()]), "sum") if bad.any() else None
    fault = probs_fault(probs, sum_tolerance(0.0))
    if fault is None:
        return None
    tolerance = sum_tolerance(precision(probs))
    printed = decimals(probs) if text else None
    if printed:  # whole numbers are no rounded probabilities
        tolerance += probs.shape[1] * 0.5 * 10.0**-printed
    return probs_fault(probs, tolerance)


def _logits_sentence(fault: Fault, at: At) -> str:
    if fault.reason == "no finite logit":
        return f"{at(fault.row, None)}: no finite logit, so every class is ruled out; leave the row out"
    return (
        f"{at(fault.row, fault.column)}: {fault.reason}; logits are finite, or -inf for a class that is ruled"
        " out: look for what made it in the model"
    )


def _probs_sentence(fault: Fault, at: At, what: What) -> str:
    mend = "mend what made it"
    if fault.reason != "nan" and what == "probabilities":
        mend = "if these are logits, call them so"
    return f"{at(fault.row, fault.column)}: {fault.value:.9g}, but {what} lie between 0 and 1; {mend}"


def _sums_sentence(sums: Floats, at: At, what: What, *, renormalize: bool) -> str:
    if renormalize:
        row = int((~((sums > 0) & np.isfinite(sums))).argmax())
        return (
            f"{at(row, None)}: the {what} sum to {sums[row]:.9g}, which no division mends; leave the row out"
        )
    worst = [int(row) for row in np.argsort(-np.abs(sums - 1.0), kind="stable")[:3] if sums[row] != 1.0]
    furthest = float(sums[worst[0]])
    others = ", ".join(f"{sums[row]:.7g} in {at(row, None).rsplit(', ', 1)[1]}" for row in worst[1:])
    also = f" ({others})" if others else ""
    return f"{at(worst[0], None)}: the {what} sum to {furthest:.7g}, not 1{also}; {_sum_mend(furthest, what)}"


def _sum_mend(total: float, what: What) -> str:
    if what == "soft labels":
        return "divide each row by its sum"
    if abs(total - 100.0) < 5:
        return "in percent? Divide them by 100"
    if abs(total - 1.0) > 0.05:
        return "not softmax: separate yes/no scores? If they only lack their normalisation, add --renormalize"
    return "write more digits, or add --renormalize to divide each row by its sum"
