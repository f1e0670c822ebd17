"""The benchmark of the functions: that it runs, prints what it found, and asks all for the same job."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    contenders,
    exactness,
    first_use,
    losses,
    problems,
    temporaries,
    timing,
)
from benchmarks.exactness import Errors
from benchmarks.peers import peers
from benchmarks.problems import SMOKE_SHAPES, Problem
from benchmarks.targets import title

ROOT = Path(__file__).parents[1]
INF, NAN = float("inf"), float("nan")


# The whole of it, on tiny arrays


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """What is printed, what the JSON holds, and the picture."""
    folder = tmp_path_factory.mktemp("smoke")
    command = [
        "benchmarks.losses",
        "--smoke",
        "--json",
        folder / "speed.json",
        "--plot",
        folder / "speed.svg",
    ]
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "speed.json").read_text()), (folder / "speed.svg").read_text()


def printed_tables(text):
    """The tables of each section as lists of cells, told apart by the first word of their heading."""
    sections = {}
    for part in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        blocks = [block.strip("\n").splitlines() for block in part.split("\n\n")]
        kinds = {lines[0].split()[0]: lines[1:] for lines in blocks if len(lines) > 1}
        split = {kind: [re.split(r"\s{2,}", line) for line in lines] for kind, lines in kinds.items()}
        sections[part.split(":")[0]] = split
    return sections


@pytest.mark.slow
def test_every_section_and_every_contender_is_printed(smoke):
    text, found, _ = smoke
    printed = printed_tables(text)
    assert list(printed) == [name for name in losses.SECTIONS if name not in losses.LEFT_OUT_OF_SMOKE]
    assert list(found["sections"]) == list(printed)
    names = {"PyTorch": "PyTorch eager", "JAX": "jax.jit", "SciPy": "SciPy", "ONNX Runtime": "ONNX Runtime"}
    for section in ("softmax", "loss", "log-softmax"):
        for shape in SMOKE_SHAPES:
            there = [row[1] for row in printed[section]["shape"] if row[0] == title(shape)]
            assert there[:2] == ["copy, 1 thread", "copy, 2 threads"]
            assert there[2].startswith("crossent")
            for library, name in names.items():
                missing = {library, "ONNX"} if library == "ONNX Runtime" else {library}
                missing |= {"optax"} if library == "JAX" and section == "loss" else set()
                there_is = any(one.startswith(name) for one in there)
                assert there_is is not bool(missing & {*found["absent"]}), library
    for name in found["absent"]:
        assert re.search(rf"^absent: .*\b{re.escape(name)}\b", text, re.MULTILINE)
    assert "left out of --smoke: torch.compile, first-use" in text


@pytest.mark.slow
def test_the_printed_ratios_are_those_of_the_printed_times(smoke):
    text, found, _ = smoke
    for name, section in found["sections"].items():
        rows = printed_tables(text)[name].get("shape", [])
        assert len(rows) == len(section["rows"])
        for shape in {row[0] for row in rows}:
            both = [
                (cells, record)
                for cells, record in zip(rows, section["rows"], strict=True)
                if cells[0] == shape
            ]
            seconds = {record["contender"]: record["time"]["median"] for _, record in both}
            copy = min((t for one, t in seconds.items() if one.startswith("copy")), default=None)
            peer = min((s["time"]["median"] for _, s in both if s["library"] not in LIBRARIES), default=None)
            for cells, record in both:
                time = record["time"]
                assert time["low"] <= time["median"] <= time["high"]
                assert cells[1] == record["contender"]
                assert float(cells[2]) == pytest.approx(time["median"] * 1e3, abs=0.006, rel=0.06)
                for cell, ratio in (
                    (cells[5], copy and time["median"] / copy),
                    (cells[6], seconds.get("PyTorch eager", 0) / time["median"]),
                    (cells[7], peer and peer / time["median"]),
                ):
                    assert float(cell.replace("–", "0")) == pytest.approx(ratio or 0, abs=0.006, rel=0.06)


LIBRARIES = ("copy", "crossent", "crossent.nn")


@pytest.mark.slow
def test_every_target_is_printed_with_whether_it_is_met(smoke):
    text, found, _ = smoke
    count = met = 0
    for name, section in found["sections"].items():
        rows = printed_tables(text)[name].get("target", [])
        assert len(rows) == len(section["targets"])
        for cells, record in zip(rows, section["targets"], strict=True):
            assert cells[:2] == [record["where"], record["words"]]
            assert cells[4] == ("met" if record["met"] else "MISSED")
            count, met = count + 1, met + record["met"]
    assert f"{met} of {count} targets met" in text


@pytest.mark.slow
def test_every_promise_on_exactness_is_kept(smoke):
    text, found, _ = smoke
    checks = found["sections"]["exactness"]["checks"]
    assert {check["case"].rsplit(", ", 1)[0] for check in checks} >= set(exactness.cases.ROWS)
    assert [check for check in checks if not check["kept"]] == []
    assert [row[-1] for row in printed_tables(text)["exactness"]["case"]] == ["ok"] * len(checks)
    for name in ("gradient", "loss", "softmax", "squared-error"):
        for row in found["sections"][name]["rows"]:
            if row["library"] in ("crossent", "crossent.nn"):
                assert (row["errors"]["loss"] or 0) <= 4


@pytest.mark.slow
def test_the_json_says_what_was_measured_where(smoke):
    _, found, picture = smoke
    assert found["threads"] == 2
    assert found["cores"] >= 1
    assert found["processor"]
    assert found["versions"]["numpy"] == np.__version__
    assert found["smoke"] is True
    assert picture.startswith("<svg")
    assert "HalfMultinomialLoss" in picture or "scikit-learn" in found["absent"]


# Who takes part


@pytest.mark.parametrize(
    "function", ["gradient", "loss", "softmax", "log_softmax", "logsumexp", "squared_error"]
)
def test_all_do_the_same_job(function):
    """On rows without cancellation every contender is right to float32: so it computes what we compute."""
    generator = np.random.default_rng(0)
    case = Problem(
        generator.standard_normal((40, 7)).astype(np.float32), generator.integers(0, 7, 40), threads=2
    )
    truth = exactness.exact(function, case)
    found = [*contenders.ours(function, case), *peers(function, case, compiled=False)]
    assert len({one.name for one in found}) == len(found) >= 3
    for one in found:
        errors = exactness.errors(one, case, truth)
        assert (errors.loss or 0) < 100, one.name
        assert (errors.matrix or 0) < 1000, one.name
        assert errors != Errors(None, None) or one.name == "scikit-learn log_loss"
        if one.into_out and "memory kept" not in one.name:
            assert np.shares_memory(one.matrix(one.run()), case.out), one.name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own, while it compiles
@pytest.mark.parametrize("function", ["gradient", "loss", "log_softmax", "logsumexp", "squared_error"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_torch_compile_does_the_same_job(function, dtype):
    case = problems.problem((40, 7), dtype, 2)
    found = {one.name: one for one in peers(function, case)}
    truth = exactness.exact(function, case)
    eager, compiled = (
        exactness.errors(found[name], case, truth) for name in ("PyTorch eager", "torch.compile")
    )
    for plain, made in zip(eager, compiled, strict=True):
        assert (plain is None) == (made is None)
        assert plain is None or made <= 2 * plain + 100


def test_log_loss_is_that_of_the_others():
    case = problems.problem((300, 5), "float32", 2)
    found = {one.name: one for one in peers("loss", case, compiled=False)}
    if "scikit-learn log_loss" not in found:
        pytest.skip("scikit-learn is absent")
    sure = Problem(case.logits / 10, case.labels, 2)
    found = {one.name: one for one in peers("loss", sure, compiled=False)}
    exact = exactness.exact("loss", sure).losses.mean()
    assert found["scikit-learn log_loss"].run() == pytest.approx(exact, rel=1e-5)


@pytest.mark.slow
def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    contenders.module.cache_clear()
    try:
        assert "optax" in contenders.absent()
        case = problems.problem((4, 3), "float32", 2)
        assert not any(one.library == "JAX" for one in peers("gradient", case, compiled=False))
        assert any(one.library == "JAX" for one in peers("softmax", case, compiled=False))
    finally:
        contenders.module.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_logits_are_hard_and_tensors_are_the_same_memory(dtype):
    case = problems.problem((60, 5), dtype, 2)
    assert case.logits.dtype == problems.dtype_of(dtype)
    picked = case.logits[np.arange(60), case.labels].astype(float)
    right = sorted({*range(0, 60, 3)} - {*range(1, 60, 5)})
    wrong = sorted({*range(1, 60, 5)} - {*range(0, 60, 3)})
    assert (picked[right] > 15).all()
    assert (picked[wrong] < -15).all()
    assert problems.as_numpy(case.tensor).tobytes() == case.logits.tobytes()
    assert np.shares_memory(problems.as_numpy(case.tensor), case.logits)


# Rounds


def test_rounds_call_everyone_in_turn_after_warming_up(monkeypatch):
    monkeypatch.setattr(timing, "SLOW", INF)
    called = []
    found = timing.interleaved({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 4)
    assert "".join(called) == "aabb" + "abababab"
    assert set(found) == {"a", "b"}


def test_who_is_slow_takes_part_in_few_rounds(monkeypatch):
    taken = iter([1.0, 1.0, 2.0, 2.0, 9.0, 9.0, *(float(i) for i in range(100))])
    order = []

    def seconds(call):
        order.append(call())
        return next(taken)

    monkeypatch.setattr(timing, "_seconds", seconds)
    found = timing.interleaved({"quick": lambda: "q", "median": lambda: "m", "slow": lambda: "s"}, 7)
    assert "".join(order[6:]) == "qmsqmqmqmsqmqmqms"
    assert {name: spread.rounds for name, spread in found.items()} == {"quick": 7, "median": 7, "slow": 3}
    assert found["slow"].median == 9.0


def test_a_spread_is_median_and_quartiles():
    found = timing.spread([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.median, found.low, found.high, found.rounds) == (3.0, 2.0, 4.0, 5)


def test_copies_copy_everything():
    source, used = np.arange(21.0).reshape(7, 3), np.zeros((7, 3))
    for copy in timing.copies(source, used).values():
        used[...] = 0
        copy()
        assert (used == source).all()


# Memory and first use


@pytest.mark.skipif(not temporaries.measurable(), reason="the peak of memory cannot be set back here")
def test_memory_that_is_used_and_let_go_is_seen():
    quiet = temporaries.peak_above(lambda: None)
    peak = temporaries.peak_above(lambda: np.ones(8_000_000).sum())
    assert quiet < 2e6
    assert 60e6 < peak < 80e6


@pytest.mark.slow
def test_the_first_comparison_and_those_after_it():
    found = first_use.measure()
    assert len(found.after) == first_use.REPEATS
    assert found.compiling >= 0
    assert found.first > 0
