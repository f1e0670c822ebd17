"""Softmax and cross-entropy, and which of two classifiers is more wrong.

The public names, loaded on first use: importing crossent imports neither NumPy nor anything heavier.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from crossent.comparison import Comparison, compare
    from crossent.errors import (
        ClusterError,
        CrossentError,
        DtypeError,
        LabelError,
        LogitError,
        MissingExtraError,
        OptionError,
        PredictionsError,
        ProbabilityError,
        ShapeError,
        TrainingError,
    )
    from crossent.kernels.threads import threads
    from crossent.losses import (
        classification_error,
        cross_entropy,
        entropy,
        kl_divergence,
        log_softmax,
        logsumexp,
        softmax,
        softmax_cross_entropy,
        softmax_cross_entropy_and_grad,
        softmax_squared_error,
        softmax_squared_error_and_grad,
        squared_error,
    )
    from crossent.options import CompareOptions
    from crossent.predictions import open_predictions, save_predictions

__all__ = [
    "ClusterError",
    "CompareOptions",
    "Comparison",
    "CrossentError",
    "DtypeError",
    "LabelError",
    "LogitError",
    "MissingExtraError",
    "OptionError",
    "PredictionsError",
    "ProbabilityError",
    "ShapeError",
    "TrainingError",
    "classification_error",
    "compare",
    "cross_entropy",
    "entropy",
    "kl_divergence",
    "log_softmax",
    "logsumexp",
    "open_predictions",
    "save_predictions",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_and_grad",
    "softmax_squared_error",
    "softmax_squared_error_and_grad",
    "squared_error",
    "threads",
]

_ROOM_OF = {
    "CompareOptions": "options",
    "Comparison": "comparison",
    "compare": "comparison",
    "open_predictions": "predictions",
    "save_predictions": "predictions",
    "threads": "kernels.threads",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'crossent' has no attribute '{name}'")
    room = _ROOM_OF.get(name, "errors" if name.endswith("Error") else "losses")
    found: object = getattr(import_module(f"crossent.{room}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
