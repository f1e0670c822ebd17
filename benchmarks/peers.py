"""What other libraries offer for the same jobs, each called as its documentation says.

Whatever can be made once, models, sessions, one-hot labels, compiled functions, is made outside the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders import Contender, Function, module
from benchmarks.problems import Problem, as_numpy, as_tensor

MOST_CLASSES_FOR_LOG_LOSS = 1_000
"""scikit-learn's log_loss makes a dense one-hot matrix of the labels, of 8 bytes an entry."""

LACKING: dict[Function, str] = {
    "gradient": "SciPy has no gradient, nor has ONNX Runtime's package for inference.",
    "loss": (
        "SciPy has no loss: logsumexp minus the label's logit. scikit-learn's log_loss takes probabilities,"
        f" here of its own softmax, up to {MOST_CLASSES_FOR_LOG_LOSS:,} classes."
    ),
    "softmax": "",
    "log_softmax": "scikit-learn has no log-softmax.",
    "logsumexp": "scikit-learn has no log-sum-exp.",
    "squared_error": "None has it as a function; PyTorch and JAX get its formula, and one-hot labels.",
}
"""What is missing beside crossent, and what stands in."""


def peers(function: Function, problem: Problem, *, compiled: bool = True) -> list[Contender]:
    """Everyone who has the function for the dtype of the problem; `compiled` asks for torch.compile too."""
    found: list[Contender] = []
    if module("torch") is not None:
        found += _torch(function, problem, compiled)
    needs_optax = function in ("gradient", "loss")
    if module("jax") is not None and (not needs_optax or module("optax") is not None):
        found += _jax(function, problem)
    if problem.logits.dtype != np.float32:
        return found
    if module("scipy") is not None:
        found += _scipy(function, problem)
    if module("sklearn") is not None:
        found += _sklearn(function, problem)
    if module("onnx") is not None and module("onnxruntime") is not None:
        found += _onnx(function, problem)
    return found


def _torch(function: Function, problem: Problem, compiled: bool) -> list[Contender]:
    torch, x, y = module("torch"), problem.tensor, problem.label_tensor
    plain, each = _torch_formulas(function, problem)

    def contender(name: str, call: Callable[..., Any], one: Callable[..., Any]) -> Contender:
        def backward() -> Any:
            logits = x.detach().requires_grad_()
            call(logits, y).backward()
            return logits.grad

        def forward() -> Any:
            with torch.no_grad():
                return call(x, y)

        def losses() -> NDArray[Any]:
            with torch.no_grad():
                return as_numpy(one(x, y))

        if function in ("gradient", "squared_error"):
            return Contender(name, "PyTorch", backward, as_numpy, losses)
        if function in ("loss", "logsumexp"):
            return Contender(name, "PyTorch", forward, None, losses)
        return Contender(name, "PyTorch", forward, as_numpy)

    found = [contender("PyTorch eager", plain, each)]
    if compiled:
        torch.compiler.reset()  # or the eighth shape would be left uncompiled
        found.append(contender("torch.compile", _compiled(plain), _compiled(each)))
    if function in ("softmax", "log_softmax"):
        operator, out = getattr(torch, function), as_tensor(problem.out)

        def into_out() -> Any:
            with torch.no_grad():
                return operator(x, 1, out=out)

        found.append(Contender("PyTorch eager, out=", "PyTorch", into_out, as_numpy, into_out=True))
    return found


def _torch_formulas(function: Function, problem: Problem) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Of logits and labels: what is timed, and one value per example."""
    torch = module("torch")
    if function in ("gradient", "loss"):
        losses, reduction = torch.nn.functional.cross_entropy, problem.reduction
        return (
            lambda x, y: losses(x, y, reduction=reduction),
            lambda x, y: losses(x, y, reduction="none"),
        )
    if function == "squared_error":
        # of the ways to write it the fastest: with one_hot, scatter or gather it takes 1.5 to 3 times as long
        p = as_tensor(problem.one_hot)
        mse, n = torch.nn.functional.mse_loss, problem.n
        return (
            lambda x, y: mse(torch.softmax(x, 1), p, reduction="sum") / n,
            lambda x, y: mse(torch.softmax(x, 1), p, reduction="none").sum(1),
        )
    operator = getattr(torch, function)
    return (lambda x, y: operator(x, 1),) * 2


def _compiled(call: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled when first called, for this shape alone; a break of the graph would be an error."""

    def fresh(logits: Any, labels: Any) -> Any:
        return call(logits, labels)

    made: Callable[..., Any] = module("torch").compile(fresh, dynamic=False, fullgraph=True)
    return made


def _jax(function: Function, problem: Problem) -> list[Contender]:
    jax, optax = module("jax"), module("optax")
    jnp = jax.numpy
    x = jnp.asarray(problem.logits)
    y = jnp.asarray(problem.labels.astype(np.int32))
    each: Callable[..., Any]
    if function in ("gradient", "loss"):
        each = optax.softmax_cross_entropy_with_integer_labels
    elif function == "squared_error":

        def each(logits: Any, labels: Any) -> Any:
            q = jax.nn.softmax(logits)
            return jnp.square(q - jax.nn.one_hot(labels, problem.classes, dtype=q.dtype)).sum(axis=1)
    else:
        operator = getattr(jax.nn, function)

        def each(logits: Any, labels: Any) -> Any:
            return operator(logits, axis=1)

    def reduced(logits: Any, labels: Any) -> Any:
        values = each(logits, labels)
        return values.sum() if problem.scale is None else values.mean()

    gradient = function in ("gradient", "squared_error")
    call = jax.jit(jax.value_and_grad(reduced) if gradient else reduced if function == "loss" else each)
    one = jax.jit(each)

    def run() -> Any:
        return jax.block_until_ready(call(x, y))

    def losses() -> NDArray[Any]:
        return np.asarray(one(x, y))

    name = "jax.jit with optax" if function in ("gradient", "loss") else "jax.jit"
    if gradient:
        return [Contender(name, "JAX", run, lambda result: np.asarray(result[1]), losses)]
    if function in ("loss", "logsumexp"):
        return [Contender(name, "JAX", run, None, losses)]
    return [Contender(name, "JAX", run, np.asarray)]


def _scipy(function: Function, problem: Problem) -> list[Contender]:
    special = module("scipy.special")
    x, rows, y = problem.logits, np.arange(problem.n), problem.labels
    if function in ("softmax", "log_softmax"):
        operator = getattr(special, function)
        return [Contender("SciPy", "SciPy", lambda: operator(x, axis=1), np.asarray)]
    if function not in ("loss", "logsumexp"):
        return []

    def losses() -> NDArray[Any]:
        values: NDArray[Any] = special.logsumexp(x, axis=1)
        return values - x[rows, y] if function == "loss" else values

    run = losses if function == "logsumexp" else lambda: losses().mean()
    return [Contender("SciPy", "SciPy", run, None, losses)]


def _sklearn(function: Function, problem: Problem) -> list[Contender]:
    x, y, library = problem.logits, problem.labels, "scikit-learn"
    softmax = module("sklearn.utils.extmath").softmax
    if function == "softmax":
        return [Contender("scikit-learn", library, lambda: softmax(x), np.asarray)]
    if function not in ("gradient", "loss"):
        return []
    name = "scikit-learn HalfMultinomialLoss"
    loss = module("sklearn._loss").HalfMultinomialLoss(n_classes=problem.classes)
    targets, given = y.astype(np.float32), {"n_threads": problem.threads}

    def each() -> NDArray[Any]:
        losses: NDArray[Any] = loss.loss(targets, x, **given)
        return losses

    if function == "loss":
        found = [Contender(name, library, lambda: each().mean(), None, each)]
        if problem.classes <= MOST_CLASSES_FOR_LOG_LOSS:
            log_loss, classes = module("sklearn.metrics").log_loss, np.arange(problem.classes)
            found.append(
                Contender("scikit-learn log_loss", library, lambda: log_loss(y, softmax(x), labels=classes))
            )
        return found
    out = problem.out

    def run(**memory: Any) -> Any:
        losses, gradient = loss.loss_gradient(targets, x, **memory, **given)
        return losses.mean(), gradient

    def matrix(result: Any) -> NDArray[Any]:
        gradient: NDArray[Any] = result[1]
        return gradient

    return [
        Contender(name, library, run, matrix, each, of_sum=True),
        Contender(
            f"{name}, into out",
            library,
            lambda: run(gradient_out=out),
            matrix,
            each,
            into_out=True,
            of_sum=True,
        ),
    ]


def _onnx(function: Function, problem: Problem) -> list[Contender]:
    x, y, library = problem.logits, problem.labels, "ONNX Runtime"
    if function in ("softmax", "log_softmax"):
        operator = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[function]
        session, keeping = (_session(operator, problem, arena, axis=1) for arena in (False, True))
        bound = session.io_binding()
        bound.bind_cpu_input("x", x)
        bound.bind_output("out", "cpu", 0, np.float32, x.shape, problem.out.ctypes.data)

        def into_out() -> NDArray[Any]:
            session.run_with_iobinding(bound)
            return problem.out

        return [
            Contender(library, library, lambda: session.run(None, {"x": x})[0], np.asarray),
            Contender(  # which gives out the memory of the result before
                library + ", memory kept",
                library,
                lambda: keeping.run(None, {"x": x})[0],
                np.asarray,
                into_out=True,
            ),
            Contender(library + ", bound output", library, into_out, np.asarray, into_out=True),
        ]
    if function == "logsumexp":
        sums = _session("ReduceLogSumExp", problem, axes=[1], keepdims=0)

        def values() -> NDArray[Any]:
            found: NDArray[Any] = sums.run(None, {"x": x})[0]
            return found

        return [Contender(library, library, values, None, values)]
    if function != "loss":
        return []
    mean, each = (_session("SoftmaxCrossEntropyLoss", problem, reduction=r) for r in ("mean", "none"))
    feed = {"x": x, "y": y}

    def losses() -> NDArray[Any]:
        found: NDArray[Any] = each.run(None, feed)[0]
        return found

    return [Contender(library, library, lambda: mean.run(None, feed), None, losses)]


def _session(operator: str, problem: Problem, arena: bool = True, **attributes: Any) -> Any:
    """A model of one operator, on as many threads as all; they stop spinning when it is done.

    With an arena it keeps memory that is no longer used, for the next result.
    """
    onnx, runtime = module("onnx"), module("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    n, k = problem.n, problem.classes
    inputs = [helper.make_tensor_value_info("x", kinds.FLOAT, [n, k])]
    shape = [n, k]
    if operator == "SoftmaxCrossEntropyLoss":
        inputs.append(helper.make_tensor_value_info("y", kinds.INT64, [n]))
        shape = [] if attributes["reduction"] == "mean" else [n]
    elif operator == "ReduceLogSumExp":
        shape = [n]
    node = helper.make_node(operator, [one.name for one in inputs], ["out"], **attributes)
    graph = helper.make_graph(
        [node], operator, inputs, [helper.make_tensor_value_info("out", kinds.FLOAT, shape)]
    )
    # ReduceLogSumExp takes its axes as an attribute up to 17
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = problem.threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
