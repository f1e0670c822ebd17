"""What a start costs in time, and a comparison in memory, whatever the number of rows.

``python -m benchmarks.footprint`` prints one table: the import of crossent beside NumPy's, the help, and
the resident memory of comparing two Parquet files of 10 classes above what the imports take, at 1 and at
10 million rows (Linux only). It writes and removes about 1 GB in the temporary folder.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CLASSES = 10
ROWS = (1_000_000, 10_000_000)
REPEATS = 7
_GROUP = 500_000

# The peak comes from /proc: what getrusage gives a new process begins with its parent's.
_COMPARE = """
import re, sys, time
import numpy, pyarrow, pyarrow.parquet, pyarrow.csv, pyarrow.compute, scipy.special
import crossent, crossent.comparison, crossent.report.as_text
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
imports = peak()
began = time.perf_counter()
print(crossent.compare(sys.argv[1:]), file=sys.stderr)
print(peak() - imports, time.perf_counter() - began)
"""


def seconds(*command: str) -> float:
    """Median wall time of a command in a process of its own."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def write_predictions(path: Path, rows: int, seed: int) -> None:
    """Probabilities as 10 float32 columns, ids in increasing order, labels that the outputs know about."""
    labels_of, outputs_of = np.random.default_rng(0), np.random.default_rng(seed)
    columns = [
        ("id", pa.int64()),
        ("label", pa.int32()),
        *((f"prob_{i}", pa.float32()) for i in range(CLASSES)),
    ]
    schema = pa.schema(columns)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, rows, _GROUP):
            count = min(_GROUP, rows - start)
            labels = labels_of.integers(0, CLASSES, count)
            logits = outputs_of.normal(size=(count, CLASSES))
            logits[np.arange(count), labels] += 2
            q = np.exp(logits)
            q = (q / q.sum(axis=1, keepdims=True)).astype(np.float32)
            arrays = [np.arange(start, start + count), labels.astype(np.int32), *q.T]
            writer.write_table(pa.table([pa.array(array) for array in arrays], schema=schema))


def main() -> None:
    """Measure and print."""
    numpy, both = seconds("-c", "import numpy"), seconds("-c", "import numpy, crossent")
    print(f"import numpy                      {numpy:8.3f} s")
    print(f"import numpy, crossent            {both:8.3f} s   ({both - numpy:+.3f} s)")
    print(f"crossent --help                   {seconds('-m', 'crossent', '--help'):8.3f} s")
    print(f"crossent compare --help           {seconds('-m', 'crossent', 'compare', '--help'):8.3f} s")
    for rows in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("a.parquet", "b.parquet")]
            for seed, path in enumerate(paths, 1):
                write_predictions(path, rows, seed)
            done = subprocess.run(
                [sys.executable, "-c", _COMPARE, *map(str, paths)], check=True, capture_output=True, text=True
            )
            memory, wall = map(float, done.stdout.split())
            print(f"compare {rows:>11,} rows × 2        {memory:8.0f} MB above the imports, {wall:.1f} s")


if __name__ == "__main__":
    main()
