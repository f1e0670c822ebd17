"""How many threads, and that dealing never waits for itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cases
from crossent import errors, losses
from crossent.kernels import threads as room
from crossent.kernels.threads import count, deal, fill, threads


def test_threads_count_inside_the_block_only():
    before = count()
    with threads(3):
        assert count() == count(default=7) == 3
        with threads(1):
            assert count() == 1
        assert count() == 3
    assert count() == before
    with pytest.raises(ZeroDivisionError), threads(5):
        1 / 0  # noqa: B018  # the error is the point
    assert count() == before
    assert count(default=7) == 7


@pytest.mark.parametrize("n", [0, -1, 1.0, True, None, "2"])
def test_wrong_number_of_threads(n):
    with (
        pytest.raises(errors.OptionError, match=r"^threads\(.*\): pass a whole number, at least 1"),
        threads(n),
    ):
        pass


def test_each_thread_has_its_own_choice():
    seen = []
    with threads(5):
        other = threading.Thread(target=lambda: seen.append(count(default=2)))
        other.start()
        other.join()
    assert seen == [2]

    async def task(n):
        with threads(n):
            await asyncio.sleep(0.01)
            return count()

    async def both():
        return await asyncio.gather(task(3), task(4))

    assert asyncio.run(both()) == [3, 4]


def test_default_is_what_the_process_may_use(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert 1 <= count() <= len(os.sched_getaffinity(0))
    monkeypatch.setattr(room, "_affinity", lambda: 64)
    monkeypatch.setattr(room, "_quota", lambda: 3)
    assert count() == 3


@pytest.mark.parametrize(
    ("own", "files", "allowed"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "250000 100000", "a/cpu.max": "max 100000"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, 1),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {}, sys.maxsize),
        ("0::/a\n", {"a/cpu.max": "nonsense"}, sys.maxsize),
        ("5:cpu:/a\n", {"a/cpu.max": "100000 100000"}, sys.maxsize),
    ],
)
def test_quota_of_the_control_group(tmp_path, own, files, allowed):
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (tmp_path / "own").write_text(own)
    assert room._quota(tmp_path / "cgroup", tmp_path / "own") == allowed
    assert room._quota(tmp_path / "cgroup", Path("/nonexistent")) == sys.maxsize


@pytest.mark.parametrize(("mode", "expected"), [(1, 1), (0, 9)])
def test_one_thread_inside_a_ray_task(monkeypatch, mode, expected):
    ray = SimpleNamespace(
        WORKER_MODE=1,
        is_initialized=lambda: True,
        get_runtime_context=lambda: SimpleNamespace(worker=SimpleNamespace(mode=mode)),
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert count(default=9) == expected
    with threads(4):
        assert count() == 4
    ray.is_initialized = lambda: False
    assert count(default=9) == 9


@pytest.mark.parametrize("items", [0, 1, 2, 1000])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_item_is_done_once(items, workers):
    done = []
    deal(done.append, items, workers=workers)
    assert sorted(done) == list(range(items))


def test_several_threads_do_work():
    barrier = threading.Barrier(3)
    deal(lambda item: barrier.wait(timeout=30), 3, workers=3)
    assert not barrier.broken


def test_an_error_comes_through_and_ends_the_dealing():
    done = []

    def work(item):
        if item == 5:
            raise KeyError(item)
        time.sleep(0.001)
        done.append(item)

    for workers in (1, 3):
        done.clear()
        with pytest.raises(KeyError, match="5"):
            deal(work, 100_000, workers=workers)
        assert len(done) < 1000
        told = len(done)
        time.sleep(0.01)
        assert len(done) == told, "still working after the error"


def test_dealing_inside_dealing_and_from_many_threads():
    done = []

    def inner(item):
        deal(lambda i: done.append((item, i)), 20, workers=4)

    callers = [threading.Thread(target=lambda: deal(inner, 10, workers=4), daemon=True) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert not any(caller.is_alive() for caller in callers), "they wait for each other"
    assert len(done) == 8 * 10 * 20


def test_the_choice_reaches_dealing_inside_dealing():
    counts = []
    barrier = threading.Barrier(7)

    def work(item):
        barrier.wait(timeout=30)
        counts.append(count())

    with threads(7):
        deal(work, 7)
    assert counts == [7] * 7


def test_fill_gives_every_row_to_the_formula_once():
    seen = []
    out = np.full(200_000, 7.0)

    def formula(x, y):
        seen.append(len(x))
        return x[:, 0] + y

    fill(out, formula, np.ones((200_000, 2), np.int8), np.arange(200_000), workers=2)
    assert sum(seen) == len(out)
    assert np.array_equal(out, 1.0 + np.arange(200_000))


FORKED = """
import os
import numpy as np
from crossent import losses
from crossent.kernels.threads import deal, threads
from threading import Barrier
x = np.ones((300_000, 2))
with threads(2):
    expected = losses.softmax(x).tobytes()
    child = os.fork()
    both = Barrier(2)
    deal(lambda item: both.wait(timeout=30), 2)  # the child has a pool of its own
    same = losses.softmax(x).tobytes() == expected
    if child == 0:
        os._exit(0 if same and not both.broken else 1)
    assert same
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_pool_survives_fork():
    options = ["-W", "ignore::DeprecationWarning"]  # Python warns of any fork beside threads
    subprocess.run([sys.executable, *options, "-c", FORKED], check=True, timeout=60)


def test_a_larger_pool_is_made_when_asked_for():
    for workers in (2, 6, 3):
        barrier = threading.Barrier(workers)
        deal(lambda item, barrier=barrier: barrier.wait(timeout=30), workers, workers=workers)


def test_threads_change_no_bit_of_a_large_call():
    logits, labels = cases.matrix(4000, 300)
    found = []
    for n in (1, 2, 5):
        with threads(n):
            loss, gradient = losses.softmax_cross_entropy_and_grad(logits, labels, label_smoothing=0.1)
        found.append(loss.tobytes() + gradient.tobytes())
    assert found[0] == found[1] == found[2]
