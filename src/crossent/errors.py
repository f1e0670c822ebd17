"""What can go wrong, as exceptions whose sentence quotes the offending place, its value and the mend.

Every room raises these; the command line prints the sentence and exits with 1.
Nothing else belongs here: no checks, no formatting of tables.
"""

from __future__ import annotations


class CrossentError(Exception):
    """Base of everything that crossent raises on purpose."""


class ShapeError(CrossentError, ValueError):
    """Arrays whose shapes do not fit each other or the function."""


class DtypeError(CrossentError, TypeError):
    """An array, or what should have been one, of a type that the function does not take."""


class LabelError(CrossentError, ValueError):
    """A label that is not one of the classes."""


class LogitError(CrossentError, ValueError):
    """A row of logits that has no softmax: nan, +inf, or nothing finite."""


class ProbabilityError(CrossentError, ValueError):
    """A row of probabilities that is no distribution: nan, negative, or another sum than 1."""


class OptionError(CrossentError, ValueError):
    """An option outside its range, or options that exclude each other."""


class PredictionsError(CrossentError, ValueError):
    """A predictions source that cannot be read, or sources that do not fit each other.

    The sentence names file, row, column and value where they are known, and the mend.
    Rows count from 1, the header of a text file not included.
    """


class TrainingError(CrossentError, ValueError):
    """Images that no network can be trained on, or a RUN folder that cannot be used or gone on with."""


class ClusterError(CrossentError, RuntimeError):
    """A cluster that cannot be reached, that loses its workers, or whose machines do not go together."""


class MissingExtraError(CrossentError, ImportError):
    """A part of crossent whose optional libraries are not installed."""
