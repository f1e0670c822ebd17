"""On a cluster the same bits as on threads, and what it refuses: two machines of Ray, simulated on this one."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent import ClusterError, CompareOptions, MissingExtraError, OptionError, PredictionsError, compare
from crossent.comparison import estimated, opened
from crossent.engines import cluster as engine
from crossent.engines import tally_on_ray
from crossent.engines.machines import Machine
from crossent.kernels.threads import count
from crossent.rule import Rule
from crossent.sample import MOST_ROWS

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)

BLOCK = 65_536
ROWS = 5 * BLOCK + 77
CLASSES = ("dog", "cat", "fox")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models with ids, weights, clusters; whole, and in parts that are cut anywhere."""
    place = tmp_path_factory.mktemp("shared")
    for name, table in zip(("nn1", "nn2"), tables(), strict=True):
        pq.write_table(table, place / f"{name}.parquet", row_group_size=50_000)
        cuts = [0, 100, 70_000, 70_001, 200_000, ROWS]
        (place / name).mkdir()
        for number, (low, high) in enumerate(pairwise(cuts)):
            pq.write_table(table.slice(low, high - low), place / name / f"part-{number}.parquet")
    return place


def tables():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, ROWS)
    columns = {
        "id": [f"image {row:07}" for row in range(ROWS)],
        "label": labels,
        "weight": rng.random(ROWS),
        "group": rng.integers(0, 5_000, ROWS),
        "light": np.where(rng.random(ROWS) < 0.3, "day", "night"),
    }
    for _ in range(2):
        q = rng.dirichlet([1, 1, 1], ROWS).astype(np.float32)
        yield pa.table({**columns, **{f"prob_{name}": q[:, j] for j, name in enumerate(CLASSES)}})


def on_ray(**options):
    return CompareOptions(engine="ray", **options)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_any_number_of_workers_gives_the_local_bytes(workers, cluster, folder):
    sources = [folder / "nn1.parquet", folder / "nn2.parquet"]
    expected = compare(sources, options=CompareOptions(threads=1))
    found = compare(sources, options=on_ray(threads=workers))
    assert found.to_json() == expected.to_json()
    assert found.signature == expected.signature
    assert str(found) == str(expected)


@pytest.mark.parametrize("cuts", [(0, 1, 6), (0, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6)])
def test_uneven_shards_give_the_local_bytes(cuts, cluster, folder):
    options = CompareOptions(weight="weight", by="light")
    sources = {"nn1": folder / "nn1", "nn2": folder / "nn2.parquet"}
    expected = compare(sources, options=options).to_json()
    predictions = opened(sources, labels=None, classes=None, kind=None, options=options)
    rule = Rule(predictions.models, predictions.classes, options.clip, options.top)
    blocks = [range(low, high) for low, high in pairwise(cuts)][::-1]
    blocks.sort(key=lambda part: part.start)
    tally = tally_on_ray(predictions, rule, blocks=blocks)
    assert estimated(predictions, tally.finish(), options).to_json() == expected


def test_clusters_of_examples_and_arrays_in_memory(cluster, folder):
    sources = [folder / "nn1.parquet", folder / "nn2.parquet"]
    expected = compare(sources, options=CompareOptions(cluster="group")).to_json()
    assert compare(sources, options=on_ray(cluster="group")).to_json() == expected
    q = np.random.default_rng(4).dirichlet([1, 1], BLOCK + 5)
    given = {"labels": np.zeros(BLOCK + 5, int), "kind": "probs"}
    assert compare({"m": q}, options=on_ray(), **given).to_json() == compare({"m": q}, **given).to_json()


def test_later_shards_bring_no_rows_that_cannot_be_kept(cluster, folder, monkeypatch):
    fetched, brought = engine._fetched, []

    def counted(*given):
        part, lost = fetched(*given)
        brought.append(sum(map(len, part.tally.sample.parts)))
        return part, lost

    monkeypatch.setattr(engine, "_fetched", counted)
    predictions = opened(
        [folder / "nn1.parquet"], labels=None, classes=None, kind=None, options=CompareOptions()
    )
    rule = Rule(predictions.models, predictions.classes, None, 20)
    tally_on_ray(predictions, rule, workers=1, blocks=[range(3), range(3, 6)])
    assert brought[0] == MOST_ROWS
    assert brought[1] < 0.6 * (ROWS - 3 * BLOCK)  # as of the rows before: 100,000 of 196,608


def test_progress_is_told_of_every_row(cluster, folder):
    options = CompareOptions()
    predictions = opened([folder / "nn1.parquet"], labels=None, classes=None, kind=None, options=options)
    told = []
    tally_on_ray(predictions, Rule(predictions.models, predictions.classes, None, 20), progress=told.append)
    assert sum(told) == ROWS
    assert len(told) > 1


def test_a_worker_computes_on_one_thread(cluster):
    assert ray.get(ray.remote(num_cpus=1)(lambda: count()).remote()) == 1


# What is refused


def refused(sources, error=PredictionsError, **options):
    with pytest.raises(error) as caught:
        compare(sources, options=on_ray(**options))
    return str(caught.value)


def small(path, **changed):
    rows = changed.pop("rows", 4)
    columns = {"id": [str(i) for i in range(rows)], "label": [0] * rows, "prob_a": [0.9] * rows}
    columns |= {"prob_b": [1 - q for q in columns["prob_a"]]} | changed
    table = pa.table(columns)
    if path.suffix == ".csv":
        table.to_pandas().to_csv(path, index=False)
    else:
        pq.write_table(table, path)
    return path


def test_ids_in_another_order(cluster, tmp_path):
    a = small(tmp_path / "a.parquet")
    b = small(tmp_path / "b.parquet", id=["0", "2", "1", "3"])
    assert refused([a, b]) == (
        f"{a}, row 2, column id: '1', but '2' in {b}, row 2, column id; on a cluster ids must stand in equal order"
        " in all sources: sort them alike, or leave --engine ray out, which joins them"
    )


def test_ids_that_come_twice_in_different_shards(cluster, folder, tmp_path):
    rows = 2 * BLOCK
    ids = [f"{i:06}" for i in range(rows)]
    ids[rows - 1] = ids[3]
    a = small(tmp_path / "a.parquet", rows=rows, id=ids)
    expected = f"{a}: id '000003' stands in row 4 and in row {rows}; every example needs an id of its own"
    assert refused([a]) == expected
    with pytest.raises(PredictionsError) as caught:
        compare([a])
    assert str(caught.value) == expected


def test_labels_that_disagree_in_different_shards_are_counted_once(cluster, tmp_path):
    rows = 2 * BLOCK
    other = np.zeros(rows, int)
    other[[1, 5, BLOCK + 1, BLOCK + 2]] = 1
    a, b = small(tmp_path / "a.parquet", rows=rows), small(tmp_path / "b.parquet", rows=rows, label=other)
    said = refused([a, b])
    assert "disagree on 4 labels (id 1: a and b; id 5: a and b; id 65537: a and b)" in said
    with pytest.raises(PredictionsError) as caught:
        compare([a, b])
    assert str(caught.value) == said


def test_the_first_error_is_reported_whoever_is_quickest(cluster, tmp_path):
    q = np.full(3 * BLOCK, 0.9)
    q[[BLOCK + 7, 2 * BLOCK + 1]] = 7.0
    a = small(tmp_path / "a.parquet", rows=len(q), prob_a=q, prob_b=1 - q)
    for _ in range(2):
        assert refused([a]).startswith(f"{a}, row {BLOCK + 8}, column prob_b: -6, but")


def test_lengths_and_formats_that_workers_cannot_use(cluster, tmp_path):
    a, b = small(tmp_path / "a.parquet"), small(tmp_path / "b.parquet", rows=5)
    assert refused([a, b]) == (
        f"{a} has 4 rows, {b} has 5: on a cluster all sources need the same rows in the same order;"
        " make them so, or leave --engine ray out"
    )
    text = small(tmp_path / "a.csv")
    assert refused([text]) == (
        f"{text} can only be read from its beginning, and a cluster's workers read from anywhere:"
        " write it as Parquet, or leave --engine ray out"
    )


def test_machines_that_differ_are_not_mixed():
    here = Machine("a", "x86_64 with AVX2", ("crossent 1", "numpy 2"))
    here.refuse_other(Machine("b", here.family, here.versions))
    with pytest.raises(ClusterError) as caught:
        here.refuse_other(Machine("b", "aarch64", here.versions))
    assert str(caught.value) == (
        "the cluster mixes processor families: x86_64 with AVX2 on a, aarch64 on b, which round differently in the"
        " last digit; run on machines of one family"
    )
    with pytest.raises(ClusterError) as caught:
        here.refuse_other(Machine("b", here.family, ("crossent 1", "numpy 3")))
    assert str(caught.value) == (
        "the cluster mixes versions: numpy 2 on a, numpy 3 on b; install the same on all machines"
    )


def test_a_machine_of_another_family_in_the_cluster(cluster, tmp_path):
    """Its NumPy really does without the instructions that the others use."""
    family = Machine.here().family
    if " with " not in family:
        pytest.skip("the processor has none to do without")
    off = "X86_V4 X86_V3"
    node = cluster.add_machine(NPY_DISABLE_CPU_FEATURES=off)
    try:
        said = refused([small(tmp_path / "a.parquet")], ClusterError)
    finally:
        cluster.remove_machine(node)
    assert said.startswith(f"the cluster mixes processor families: {family} on ")


def test_options_that_exclude_each_other():
    with pytest.raises(OptionError, match="engine is 'spark'; choose one of local, ray"):
        CompareOptions(engine="spark")
    with pytest.raises(OptionError, match="ray_address is 'here:1', but the engine is not ray: choose it"):
        CompareOptions(ray_address="here:1")


def test_without_ray_it_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refused([small(tmp_path / "a.parquet")], MissingExtraError) == (
        "the engine ray needs Ray: pip install 'crossent[ray]', or leave --engine ray out"
    )


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "crossent", "compare", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip


def test_on_the_command_line_at_an_address(cluster, tmp_path):
    """From a folder that workers do not stand in."""
    small(tmp_path / "a.parquet", rows=100)
    given = ("a.parquet", "--format", "json")
    expected = command(*given, cwd=tmp_path)
    found = command(*given, "--engine", "ray", "--ray-address", cluster.address, cwd=tmp_path)
    assert (found.stdout, found.returncode) == (expected.stdout, 0), found.stderr
    assert "crossent:" not in found.stderr  # Ray tells there of machines that other tests have removed


@pytest.mark.slow
def test_on_the_command_line_without_a_cluster(tmp_path):
    path = small(tmp_path / "a.parquet", rows=100)
    expected = command(path, "--format", "json")
    found = command(path, "--format", "json", "--engine", "ray", "--threads", "2")
    assert (found.stdout, found.stderr, found.returncode) == (expected.stdout, expected.stderr, 0)


@pytest.mark.slow
def test_no_cluster_at_the_address(tmp_path):
    done = command(small(tmp_path / "a.parquet"), "--engine", "ray", "--ray-address", "127.0.0.1:9",
                   env={**os.environ, "RAY_gcs_rpc_server_reconnect_timeout_s": "2"})  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("crossent: no Ray cluster at 127.0.0.1:9 (")
    assert len(done.stderr.splitlines()) == 1
