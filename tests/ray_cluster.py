"""Two machines of a Ray cluster, simulated on this one, in a process of their own: Ray leaves files open.

Started by `conftest`; what it is told on its standard input it answers on its standard output.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


class SimulatedCluster:
    """The cluster as tests see it: its address, and machines that come and go."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )
        self.address = json.loads(self._process.stdout.readline())

    def add_machine(self, **environment):
        """The identity of a new machine with one processor in name."""
        return self._told({"add": environment})

    def remove_machine(self, node):
        """At once, whatever it is doing."""
        self._told({"remove": node})

    def _told(self, command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self):
        self._process.communicate(timeout=60)


def environment():
    """Of a process in which the tests' modules are found: what workers unpickle is in them."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path}


def main():
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, connect=False, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    nodes = {}
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    print(json.dumps(cluster.address), file=out, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "add" in command:
            node = cluster.add_node(num_cpus=1, env_vars=command["add"] or None)
            cluster.wait_for_nodes()
            nodes[node.node_id] = node
            print(json.dumps(node.node_id), file=out, flush=True)
        else:
            cluster.remove_node(nodes.pop(command["remove"]), allow_graceful=False)
            print(json.dumps(None), file=out, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
