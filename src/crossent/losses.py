"""The public functions: what each takes, gives and refuses. One value per example.

No formula stands here (see `reference`), no machinery (see `calls`), and no reduction: the caller takes
``.mean()``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from crossent import calls, reference
from crossent.arrays import Array
from crossent.errors import DtypeError

P = ParamSpec("P")
R = TypeVar("R")


def softmax(logits: Array, /, *, axis: int = -1, temperature: float = 1.0, out: Array | None = None) -> Array:
    """Probabilities from logits: ``exp(x / T)``, divided by their sum.

    Parameters
    ----------
    logits : array of shape (n, k) or (k,), real
        Finite, or -inf for a class that is ruled out. Not modified.
    axis : int
        Along which the classes lie.
    temperature : float, > 0
        The T above: more than 1 levels the probabilities, less sharpens them.
    out : array of the shape and dtype of the result, optional
        Where to put it; may be ``logits`` itself. Not with tensors that require a gradient.

    Returns
    -------
    array of the shape, dtype, library and device of ``logits``; float64 for integers
        Relative error in float32 at most ``(4 + (max - x) / T) * 2**-24``, in float64, whose sums have no
        wider type, ``(16 + (max - x) / T) * 2**-53``; below the smallest normal number it may be 0.
        Tensors of other devices are computed on the CPU.

    Raises
    ------
    LogitError
        If a row has nan, +inf, or no finite logit; quotes the first.

    Examples
    --------
    >>> softmax([[0.0, 0.0], [0.0, float("-inf")]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return calls.normalised(logits, axis, temperature, out, logarithm=False)


def log_softmax(
    logits: Array, /, *, axis: int = -1, temperature: float = 1.0, out: Array | None = None
) -> Array:
    """Logarithm of `softmax`, exact also where the softmax is nearly 0 or 1.

    Parameters, result and errors are those of `softmax`; a class that is ruled out has -inf.

    Examples
    --------
    >>> log_softmax([0.0, -1000.0])
    array([    0., -1000.])
    """
    return calls.normalised(logits, axis, temperature, out, logarithm=True)


def logsumexp(logits: Array, /, *, axis: int = -1) -> Array:
    """Logarithm of the sum of ``exp(x)``, without overflow.

    Parameters
    ----------
    logits : array of shape (n, k) or (k,), real
        Finite, or -inf. Not modified.
    axis : int
        Along which to sum.

    Returns
    -------
    array of shape (n,), or a scalar for (k,); library and device of ``logits``
        float32 for 16- and 32-bit logits, else float64.

    Raises
    ------
    LogitError
        If a row has nan, +inf, or no finite logit; quotes the first.

    Examples
    --------
    >>> logsumexp([[0.0, 0.0], [1000.0, 1000.0]])
    array([6.93147181e-01, 1.00069315e+03])
    """
    return calls.summed(calls.along(logits, axis))


def _named(function: Callable[P, R]) -> Callable[P, R]:
    """Answers a call without names with how to write it."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if args:
            raise DtypeError(f"{function.__name__}(p=labels, q=predictions): name them, the order matters")
        return function(*args, **kwargs)

    return checked


@_named
def cross_entropy(*, p: Array, q: Array) -> Array:
    """Cross-entropy of predicted probabilities, in nats: ``-sum(p * ln(q))`` over the classes.

    Parameters
    ----------
    p : integer array of shape (n,), or array of shape (n, k)
        Class labels from 0, or label distributions: entries >= 0, sum 1. Not modified.
    q : array of shape (n, k), real
        Predicted probabilities, each row a distribution. Not modified. With shape (k,) it is one
        example, and p its distribution or one integer.

    Returns
    -------
    array of shape (n,), or a scalar for q of shape (k,); library and device of q
        float32 for q of 16 or 32 bits, else float64. ``0 * ln(0) = 0``; exactly inf where a class that
        p counts on has q = 0: nothing is clipped.

    Raises
    ------
    ProbabilityError
        If a row has a negative entry, or sums to 1 neither within 1e-6 nor within 4 times the spacing
        of the digits it holds; quotes the first.
    LabelError
        If a label is none of the classes.
    ShapeError, DtypeError
        If p does not fit q, or either is no array of numbers.

    Notes
    -----
    For logits use `softmax_cross_entropy`, which is exact where q is rounded to 0 or 1. As derivative
    of a term with p = 0 tensors get 0 with respect to q, and 0 to p where q = 0, too.

    Examples
    --------
    >>> cross_entropy(p=[0, 1, 0], q=[[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    array([0.10536052, 0.10536052, 0.91629073])
    """
    return calls.measured(reference.cross_entropy, p, q)


@_named
def squared_error(*, p: Array, q: Array) -> Array:
    """Squared error of predicted probabilities: ``sum((p - q)**2)`` over the classes, 0 to 2.

    It is the multi-class Brier score; ``np.mean((p - q)**2)`` is this divided by k. Parameters, result
    and errors are those of `cross_entropy`.

    Notes
    -----
    Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Examples
    --------
    >>> squared_error(p=[0, 1, 0], q=[[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    array([0.02, 0.02, 0.72])
    """
    return calls.measured(reference.squared_error, p, q)


@_named
def classification_error(*, p: Array, q: Array) -> Array:
    """1 where the first largest q is not the label (the first largest p), else 0.

    Parameters, result and errors are those of `cross_entropy`. A step has no derivative: the result of
    tensors requires none.

    Examples
    --------
    >>> classification_error(p=[0, 1, 0], q=[[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    array([0., 0., 1.])
    """
    return calls.measured(reference.classification_error, p, q)


@_named
def kl_divergence(*, p: Array, q: Array) -> Array:
    """Kullback-Leibler divergence of q from p, in nats: ``sum(p * ln(p / q))`` over the classes.

    It is the cross-entropy without the entropy of p, which no prediction can remove. Parameters, result
    and errors are those of `cross_entropy`.

    Notes
    -----
    Where p and q differ in their sums, within the tolerance, it may fall below 0 by that much.
    Derivatives by an entry of p that is 0 are given as 0.
    Kullback and Leibler (1951), doi:10.1214/aoms/1177729694.

    Examples
    --------
    >>> kl_divergence(p=[[0.5, 0.5], [0.9, 0.1]], q=[[0.9, 0.1], [0.9, 0.1]])
    array([0.51082562, 0.        ])
    """
    return calls.measured(reference.kl_divergence, p, q)


def entropy(p: Array, /) -> Array:
    """Entropy of each distribution, in nats: ``-sum(p * ln(p))`` over the classes.

    Parameters
    ----------
    p : array of shape (n, k) or (k,), real
        Each row a distribution: entries >= 0, sum 1. Not modified.

    Returns
    -------
    array of shape (n,), or a scalar for (k,); library and device of p
        float32 for p of 16 or 32 bits, else float64. ``0 * ln(0) = 0``; between 0 and ``ln(k)``.

    Raises
    ------
    ProbabilityError
        If a row has a negative entry or does not sum to 1; quotes the first.

    Notes
    -----
    Derivatives by an entry that is 0 are given as 0.
    Shannon (1948), doi:10.1002/j.1538-7305.1948.tb01338.x.

    Examples
    --------
    >>> entropy([[0.5, 0.5], [1.0, 0.0]])
    array([0.69314718, 0.        ])
    """
    return calls.each_row(reference.entropy, calls.from_probs(p))


def softmax_cross_entropy(
    logits: Array,
    labels: Array,
    /,
    *,
    class_weights: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Array:
    """Cross-entropy of the softmax of logits, in nats.

    Parameters
    ----------
    logits : array of shape (n, k), real
        Finite, or -inf for a class that is ruled out. Not modified. With shape (k,) it is one example,
        and labels its distribution or one integer.
    labels : integer array of shape (n,), or array of shape (n, k)
        Class labels from 0, or label distributions: entries >= 0, sum 1. Not modified.
    class_weights : array of shape (k,), optional
        Finite, >= 0: what each class's term ``-p * ln(q)`` is multiplied by.
    label_smoothing : float, 0 to 1
        The share of each label that is spread evenly over all classes.
    ignore_index : int, optional
        Rows with this label are not looked at: loss 0, gradient 0.

    Returns
    -------
    array of shape (n,), or a scalar for logits of shape (k,); library and device of logits
        float32 for logits of 16 or 32 bits, else float64; within 4 ulp. Exactly inf where a class that
        the label counts on is ruled out; the gradient stays finite. Tensors of other devices are
        computed on the CPU.

    Raises
    ------
    LogitError
        If a row has nan, +inf, or no finite logit; quotes the first.
    LabelError, ProbabilityError
        If a label is none of the classes, or no distribution.
    ShapeError, DtypeError, OptionError
        If arguments do not fit each other, or an option is out of its range.

    Examples
    --------
    >>> loss = softmax_cross_entropy([[2.0, 0.0], [0.0, 3.0], [9.0, 9.0]], [0, 0, -100], ignore_index=-100)
    >>> loss
    array([0.12692801, 3.04858735, 0.        ])
    >>> print(f"{loss.sum() / 2:.4f}")  # the mean over the rows that count
    1.5878
    """
    problem = calls.from_logits(logits, labels, ignore_index)
    options = calls.options(problem, class_weights, label_smoothing)
    return calls.losses("softmax_cross_entropy", problem, **options)


def softmax_cross_entropy_and_grad(
    logits: Array,
    labels: Array,
    /,
    *,
    class_weights: Array | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    upstream: Array | None = None,
    out: Array | None = None,
) -> tuple[Array, Array]:
    """`softmax_cross_entropy` and its gradient by the logits.

    Parameters
    ----------
    logits, labels, class_weights, label_smoothing, ignore_index
        As in `softmax_cross_entropy`.
    upstream : scalar or array of shape (n,), optional
        The derivative of the objective by each loss, which multiplies the gradient: ``1 / n`` for the
        mean. The losses come back without it.
    out : array of the shape and dtype of the gradient, optional
        Where to put the gradient; may be ``logits`` itself. Not with tensors that require a gradient.

    Returns
    -------
    loss : array of shape (n,), or a scalar for logits of shape (k,)
    gradient : array of the shape of logits, in their dtype; float64 for integers
        A row sums to 0: the true class's entry is minus the sum of the others, never ``q - 1``. For
        tensors both can be derived again.

    Raises
    ------
    ShapeError, DtypeError, OptionError
        If `out` or `upstream` does not fit; and what `softmax_cross_entropy` raises.

    Examples
    --------
    >>> loss, gradient = softmax_cross_entropy_and_grad([[2.0, 0.0]], [0])
    >>> gradient
    array([[-0.11920292,  0.11920292]])
    """
    problem = calls.from_logits(logits, labels, ignore_index)
    options = calls.options(problem, class_weights, label_smoothing)
    scale = calls.upstream(problem, upstream)
    calls.check_out(out, problem.rows, labels, class_weights, upstream)
    return calls.losses_and_gradient("softmax_cross_entropy", problem, scale, out, **options)


def softmax_squared_error(logits: Array, labels: Array, /) -> Array:
    """Squared error of the softmax of logits: ``sum((p - q)**2)`` over the classes, 0 to 2.

    It is the multi-class Brier score of the softmax, not the squared error of the logits themselves;
    ``np.mean((p - q)**2)`` is this divided by k. Parameters, result and errors are those of
    `softmax_cross_entropy` without options.

    Examples
    --------
    >>> softmax_squared_error([[0.0, 0.0], [0.0, -50.0]], [0, 0])
    array([5.00000000e-01, 7.44015195e-44])
    """
    return calls.losses("softmax_squared_error", calls.from_logits(logits, labels))


def softmax_squared_error_and_grad(
    logits: Array, labels: Array, /, *, upstream: Array | None = None, out: Array | None = None
) -> tuple[Array, Array]:
    """`softmax_squared_error` and its gradient by the logits.

    Parameters, results and errors are those of `softmax_cross_entropy_and_grad` with these two options.

    Examples
    --------
    >>> loss, gradient = softmax_squared_error_and_grad([[0.0, 0.0]], [0])
    >>> gradient
    array([[-0.5,  0.5]])
    """
    problem = calls.from_logits(logits, labels)
    scale = calls.upstream(problem, upstream)
    calls.check_out(out, problem.rows, labels, upstream)
    return calls.losses_and_gradient("softmax_squared_error", problem, scale, out)
