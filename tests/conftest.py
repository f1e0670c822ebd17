"""Options of the test run, and what is done once before it."""

import pytest

import crossent


def pytest_addoption(parser):
    parser.addoption(
        "--write-golden", action="store_true", help="write the golden files anew; then read them"
    )


def pytest_configure(config):
    """Compiles what a comparison needs: whole outputs are held, and the first says that it is compiling."""
    if hasattr(config, "workerinput"):  # one of several processes: the first has done it
        return
    for classes in (2, 30):
        even = [[1 / classes] * classes]
        for kind in ("logits", "probs"):
            for labels in ([0], even):
                crossent.compare([even * 2], labels=labels * 2, kind=kind)
    for kind in ("logit", "prob"):  # columns, which are not put into rows
        crossent.compare([{"label": [0, 1], f"{kind}_a": [0.5, 0.5], f"{kind}_b": [0.5, 0.5]}])


@pytest.fixture(scope="session")
def cluster():
    """A Ray cluster of two machines, simulated on this one, to which the tests are connected."""
    ray = pytest.importorskip("ray")
    from ray_cluster import SimulatedCluster

    running = SimulatedCluster()
    try:
        ray.init(address=running.address, log_to_driver=False, logging_level="ERROR")
        yield running
    finally:
        ray.shutdown()
        running.stop()
