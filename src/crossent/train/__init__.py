"""From a folder of photographs to a network and its predictions.

`fit` trains and leaves a RUN folder, `predict` uses one. Loaded on first use: importing this package imports
neither torch nor lightning.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from crossent.errors import MissingExtraError

if TYPE_CHECKING:
    from crossent.train.job import fit
    from crossent.train.options import TrainOptions
    from crossent.train.prediction import predict

__all__ = ["TrainOptions", "fit", "predict"]

_ROOM_OF = {"TrainOptions": "options", "fit": "job", "predict": "prediction"}
_NEEDS = ("torch", "lightning", "datasets", "safetensors", "tensorboard")


def check_extra() -> None:
    """Raise MissingExtraError where what the extra `train` brings is not installed."""
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"training needs {', '.join(missing)}: pip install 'crossent[train]'")


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'crossent.train' has no attribute '{name}'")
    if name != "TrainOptions":
        check_extra()
    found: object = getattr(import_module(f"crossent.train.{_ROOM_OF[name]}"), name)
    return found
