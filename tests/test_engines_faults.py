"""What can happen on a cluster really happens here; the outcome is the right table, or one sentence."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import PyFileSystem

from crossent import ClusterError, PredictionsError, compare
from faults import Deadly, Slow, busy, waited_for
from ray_cluster import environment
from test_engines import BLOCK, on_ray

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)

ROWS = 4 * BLOCK


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Two models, the second of four files, of which each is one shard's."""
    place = tmp_path_factory.mktemp("shared")
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, ROWS)
    for name in ("nn1", "nn2"):
        q = rng.random(ROWS)
        table = pa.table({"label": labels, "prob_a": q, "prob_b": 1 - q})
        (place / name).mkdir()
        for part in range(4):
            pq.write_table(table.slice(part * BLOCK, BLOCK), place / name / f"part-{part}.parquet")
    return {name: str(place / name) for name in ("nn1", "nn2")}


@pytest.fixture(scope="module")
def expected(sources):
    return compare(sources).to_json()


def on(slow, **options):
    return on_ray(filesystem=PyFileSystem(slow), **options)


def later(work):
    """Something that happens meanwhile; what it raises is raised when it is waited for."""
    raised = []

    def run():
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def wait():
        thread.join()
        if raised:
            raise raised[0]

    return wait


def test_a_worker_that_is_killed(cluster, sources, expected, tmp_path):
    sign = tmp_path / "sign"
    wait = later(lambda: os.kill(int(waited_for(sign)), signal.SIGKILL))
    assert compare(sources, options=on(Slow("nn2/part-2", sign))).to_json() == expected
    wait()


def test_a_worker_that_dies_every_time(cluster, sources, tmp_path):
    """As where memory is too small: not for ever, and not without a word."""
    stop = threading.Event()

    def kill():
        killed = set()
        while not stop.is_set():
            for sign in tmp_path.glob("sign-*"):
                if sign not in killed:
                    killed.add(sign)
                    os.kill(int(sign.name.removeprefix("sign-")), signal.SIGKILL)
            time.sleep(0.02)

    wait = later(kill)
    try:
        with pytest.raises(ClusterError) as caught:
            compare(sources, options=on(Deadly("nn2/part-1", tmp_path)))
    finally:
        stop.set()
        wait()
    assert str(caught.value) == (
        f"rows {BLOCK + 1:,} to {2 * BLOCK:,} could not be tallied on the cluster (WorkerCrashedError, 5 times):"
        " see whether its machines have memory enough, and run again"
    )


def test_a_machine_that_is_removed(cluster, sources, expected, tmp_path):
    """All others are busy until it has begun to read, so that a shard is sure to be its own."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    sign = tmp_path / "sign"
    held = []
    for number, machine in enumerate(machine for machine in ray.nodes() if machine["Alive"]):
        only = NodeAffinitySchedulingStrategy(machine["NodeID"], soft=False)
        both = ray.remote(num_cpus=2, max_retries=0, scheduling_strategy=only)(busy)
        held.append(both.remote(tmp_path / f"begun-{number}", sign))
        waited_for(tmp_path / f"begun-{number}")
    node = cluster.add_machine()

    def remove():
        try:
            waited_for(sign)
        finally:
            cluster.remove_machine(node)

    wait = later(remove)
    slow = Slow("nn2/part-", sign, node=node)
    assert compare(sources, options=on(slow)).to_json() == expected
    wait()
    assert sign.exists()
    ray.get(held)


def test_a_slow_shard_holds_up_no_other(cluster, sources, expected, tmp_path):
    from crossent.comparison import compare_predictions, opened

    options = on(Slow("nn1/part-0", tmp_path / "sign", seconds=8.0))
    predictions = opened(sources, labels=None, classes=None, kind=None, options=options)
    came = []
    found = compare_predictions(predictions, options, progress=lambda rows: came.append(time.monotonic()))
    assert found.to_json() == expected
    assert len(came) == 4
    assert came[3] - came[2] > 2.0, "the others waited for it"


def test_a_shard_that_cannot_be_read_is_named(cluster, sources, tmp_path):
    """Its footer is whole, so that it is found out by a worker only."""
    folder = tmp_path / "nn"
    folder.mkdir()
    for part in range(100):
        table = pq.read_table(Path(sources["nn1"]) / "part-0.parquet").slice(part * 700, 700)
        pq.write_table(table, folder / f"part-{part:03}.parquet", compression="none", use_dictionary=False)
    path = folder / "part-073.parquet"
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    with pytest.raises(PredictionsError) as caught:
        compare([folder], options=on_ray())
    assert str(caught.value).startswith(f"{path} is damaged, or changed while read (")


def test_a_file_that_is_replaced_while_workers_read(cluster, sources, tmp_path):
    from crossent.comparison import compare_predictions, opened

    path = tmp_path / "nn.parquet"
    path.write_bytes((Path(sources["nn1"]) / "part-0.parquet").read_bytes())
    predictions = opened([path], labels=None, classes=None, kind=None, options=on_ray())
    path.write_bytes((Path(sources["nn1"]) / "part-1.parquet").read_bytes())
    with pytest.raises(PredictionsError) as caught:
        compare_predictions(predictions, on_ray())
    assert str(caught.value).startswith(f"{path} was changed or replaced while it was read")


def test_a_file_that_only_this_machine_has(cluster, sources, tmp_path):
    from crossent.comparison import compare_predictions, opened

    path = tmp_path / "nn.parquet"
    path.write_bytes((Path(sources["nn1"]) / "part-0.parquet").read_bytes())
    predictions = opened([path], labels=None, classes=None, kind=None, options=on_ray())
    path.unlink()
    with pytest.raises(PredictionsError) as caught:
        compare_predictions(predictions, on_ray())
    assert str(caught.value).startswith(f"{path} is not there, on ")
    assert str(caught.value).endswith("or lies on no storage that all machines of the cluster share")


def test_ctrl_c_leaves_the_cluster_clean(cluster, sources, tmp_path):
    sign, report = tmp_path / "sign", tmp_path / "report.html"
    script = textwrap.dedent("""
        import sys
        from pyarrow.fs import PyFileSystem
        from crossent import cli
        from crossent.predictions import sources, stored
        from faults import Slow
        system = PyFileSystem(Slow("nn2/part-3", sys.argv.pop()))
        sources.at_address = lambda address: stored.Stored(address.removeprefix("slow://"), system, "slow://")
        cli.main()
    """)
    command = ["compare", *(f"{n}=slow://{p}" for n, p in sources.items()), "--engine", "ray"]
    command += ["--ray-address", cluster.address, "--report", str(report), str(sign)]
    running = started(script, *command)
    worker = int(waited_for(sign))
    running.send_signal(signal.SIGINT)
    said, complained = running.communicate(timeout=60)
    assert (said, complained, running.returncode) == ("", "crossent: interrupted\n", 130)
    assert not report.exists()
    end = time.monotonic() + 20
    while time.monotonic() < end and (alive(worker) or ray.available_resources().get("CPU") != 4):
        time.sleep(0.1)
    assert not alive(worker)
    assert ray.available_resources()["CPU"] == ray.cluster_resources()["CPU"] == 4


@pytest.mark.parametrize("rounds", [4, pytest.param(25, marks=pytest.mark.slow)])
def test_tasks_that_end_just_as_they_are_ended(cluster, rounds):
    """Ray aborts the process that cancels a task of its own while the result comes in."""
    script = textwrap.dedent("""
        import sys
        import time
        import ray
        from crossent.engines.cluster import _ended

        def work(place):
            time.sleep(0.0002 * (place % 4))

        ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
        task = ray.remote(max_retries=4)(work)
        for round in range(int(sys.argv[2])):
            running = [task.remote(place) for place in range(40)]
            ray.wait(running, num_returns=1 + round)
            _ended(ray, running)
            assert len(ray.wait(running, num_returns=40, timeout=0)[0]) == 40
        print("lived", flush=True)
    """)
    running = started(script, cluster.address, str(rounds))
    said, complained = running.communicate(timeout=300)
    assert (said.splitlines()[:1], running.returncode) == (["lived"], 0), complained  # and Ray may warn


def started(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def alive(process):
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
