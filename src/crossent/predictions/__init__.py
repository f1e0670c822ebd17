"""Predictions files and arrays to blocks of aligned, checked rows; and the writer of such files.

Formats, names of columns and models, pairing of rows. What blocks are good for is decided elsewhere.
"""

from crossent.predictions.block import (
    Block,
    Kind,
    ModelSource,
    Outputs,
    Predictions,
    by_model,
    rows_per_block,
)
from crossent.predictions.columns import Columns
from crossent.predictions.images import Image, ImageColumn
from crossent.predictions.opened import open_sources
from crossent.predictions.shards import Shards, Told, shards_of
from crossent.predictions.sources import Source
from crossent.predictions.writer import PredictionsWriter, open_predictions, save_predictions

__all__ = [
    "Block",
    "Columns",
    "Image",
    "ImageColumn",
    "Kind",
    "ModelSource",
    "Outputs",
    "Predictions",
    "PredictionsWriter",
    "Shards",
    "Source",
    "Told",
    "by_model",
    "open_predictions",
    "open_sources",
    "rows_per_block",
    "save_predictions",
    "shards_of",
]
