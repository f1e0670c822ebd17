"""A whole comparison beside what merely reading the files takes, and beside what others take for three means.

``python -m benchmarks.compare FOLDER`` writes two Parquet files of 10,000,000 rows and 10 classes (float32,
zstd) into the folder, unless they are there, and measures each contender in a process of its own: wall time
with its imports, and the peak of its resident memory (Linux only). ``--csv`` does so with 1,000,000 rows of
text; ``--json FILE`` keeps it; ``--smoke`` runs all of it on small files. The others compute three means per
model, or only read; crossent all that a comparison says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

CLASSES = 10
ROWS, CSV_ROWS, SMOKE_ROWS = 10_000_000, 1_000_000, 20_000
REPEATS, SMOKE_REPEATS = 3, 1
_GROUP = 1_000_000

_CLOCK = """
import re, sys, time
began = time.perf_counter()
files = sys.argv[1:]
names = [f"c{i}" for i in range(10)]
"""
_RESULT = """
import json
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
print(json.dumps([time.perf_counter() - began, peak, means]))
"""

_SQL = """select avg((k <> label)::int), avg(s), -avg(ln(q)) from (select *,
    list_position(qs, list_max(qs)) - 1 as k, qs[label + 1] as q,
    list_sum(list_transform(qs, lambda x: x * x)) - 2 * qs[label + 1] + 1 as s
    from (select label, [{columns}]::double[] as qs from read_parquet('{file}')))"""

CONTENDERS: dict[str, str] = {
    "crossent": """
import crossent
options = crossent.CompareOptions(threads=None)
found = crossent.compare(dict(zip(("nn1", "nn2"), files)), options=options)
text = str(found)
means = [[m.classification_error.value, m.squared_error.value, m.cross_entropy.value]
         for m in found.models.values()]
""",
    "bare PyArrow scan": """
import pyarrow.dataset
means = None
for file in files:
    for batch in pyarrow.dataset.dataset(file).to_batches():
        pass
""",
    "Polars, streaming": """
import polars as pl
def means_of(file):
    q = [pl.col(f"prob_{n}") for n in names]
    own = pl.lit(0, pl.Float32)
    for i, c in enumerate(q):
        own = pl.when(pl.col("label") == i).then(c).otherwise(own)
    own = own.cast(pl.Float64)
    squares = pl.sum_horizontal([c * c for c in q]).cast(pl.Float64) - 2 * own + 1
    frame = pl.scan_parquet(file).select(
        (own < pl.max_horizontal(q)).mean().alias("a"),
        squares.mean().alias("b"),
        (-own.log()).mean().alias("c"),
    )
    return list(frame.collect(engine="streaming").row(0))
means = [means_of(file) for file in files]
""",
    "DuckDB": f"""
import duckdb
sql = {_SQL!r}
columns = ", ".join(f"prob_{{n}}" for n in names)
means = [list(duckdb.sql(sql.format(columns=columns, file=file)).fetchall()[0]) for file in files]
""",
    "scikit-learn": """
import numpy as np, pyarrow.parquet as pq
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss
def means_of(file):
    table = pq.read_table(file)
    y = table["label"].to_numpy()
    q = np.column_stack([table[f"prob_{n}"].to_numpy() for n in names]).astype(np.float64)
    q /= q.sum(axis=1, keepdims=True)
    labels = list(range(len(names)))
    brier = brier_score_loss(y, q, labels=labels, scale_by_half=False)
    return [1 - accuracy_score(y, q.argmax(axis=1)), float(brier), float(log_loss(y, q, labels=labels))]
means = [means_of(file) for file in files]
""",
}
CSV_CONTENDERS: dict[str, str] = {
    "crossent": CONTENDERS["crossent"],
    "PyArrow, read_csv": """
import pyarrow.csv
means = None
for file in files:
    pyarrow.csv.read_csv(file)
""",
    "PyArrow, open_csv": """
import pyarrow.csv
means = None
for file in files:
    for batch in pyarrow.csv.open_csv(file):
        pass
""",
    "Polars, streaming": CONTENDERS["Polars, streaming"].replace("scan_parquet", "scan_csv"),
}
_LIBRARIES = {
    "crossent": "numpy",
    "bare PyArrow scan": "pyarrow",
    "PyArrow, read_csv": "pyarrow",
    "PyArrow, open_csv": "pyarrow",
    "Polars, streaming": "polars",
    "DuckDB": "duckdb",
    "scikit-learn": "scikit-learn",
}


def write_predictions(path: Path, rows: int, seed: int, classes: int = CLASSES) -> None:
    """Probabilities as one float32 column per class, without ids; labels that the outputs know about."""
    labels_of, outputs_of = np.random.default_rng(0), np.random.default_rng(seed)
    fields = [("label", pa.int32()), *((f"prob_c{i}", pa.float32()) for i in range(classes))]
    group = max(1, _GROUP * CLASSES // classes)
    partial = path.with_suffix(".part")
    with pq.ParquetWriter(partial, pa.schema(fields), compression="zstd") as writer:
        for start in range(0, rows, group):
            count = min(group, rows - start)
            labels = labels_of.integers(0, classes, count)
            logits = outputs_of.normal(size=(count, classes)).astype(np.float32)
            logits[np.arange(count), labels] += 2
            q = np.exp(logits - logits.max(axis=1, keepdims=True))
            q /= q.sum(axis=1, keepdims=True)
            columns = [labels.astype(np.int32), *(np.ascontiguousarray(column) for column in q.T)]
            writer.write_table(pa.table(columns, names=[name for name, _ in fields]))
    os.replace(partial, path)


def files_in(folder: Path, rows: int, *, text: bool = False) -> list[Path]:
    """The two files, written where they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"nn{seed}-{rows}.parquet" for seed in (1, 2)]
    for seed, path in enumerate(files, 1):
        if not path.exists():
            write_predictions(path, rows, seed)
        if text and not path.with_suffix(".csv").exists():
            partial = path.with_suffix(".part")
            pyarrow.csv.write_csv(pq.read_table(path), partial)
            os.replace(partial, path.with_suffix(".csv"))
    return [path.with_suffix(".csv") for path in files] if text else files


def measured(code: str, files: list[Path], repeats: int) -> dict[str, Any]:
    """Wall seconds (the median, and all), peak megabytes, and the means that came out."""
    runs = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(repeats):  # with the bytecode of what is imported, as it is once installed
        command = [sys.executable, "-c", _CLOCK + code + _RESULT, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            return {"failed": (done.stderr.strip().splitlines() or ["no word"])[-1][:200]}
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    seconds = [run[0] for run in runs]
    return {
        "seconds": statistics.median(seconds),
        "all_seconds": seconds,
        "megabytes": max(run[1] for run in runs),
        "means": runs[0][2],
    }


def table(found: Mapping[str, Mapping[str, Any]], beside: str) -> str:
    """One line per contender; times also as a multiple of one of them."""
    reference = found.get(beside, {}).get("seconds")
    times = f"× {beside.partition(',')[0]}"
    lines = [f"{'':24}{'seconds':>9}{times:>10}{'peak MB':>9}   error, squared error, cross-entropy"]
    for name, one in found.items():
        if "failed" in one:
            lines.append(f"{name:24}failed: {one['failed']}")
            continue
        times = f"{one['seconds'] / reference:10.2f}" if reference else f"{'':10}"
        means = "; ".join(", ".join(f"{value:.6f}" for value in model) for model in one["means"] or ())
        lines.append(f"{name:24}{one['seconds']:9.2f}{times}{one['megabytes']:9.0f}   {means}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A whole comparison beside reading the files alone.")
    parser.add_argument("folder", type=Path, help="where the two files are, or will be")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--smoke", action="store_true", help="small files, once")
    parser.add_argument("--csv", action="store_true", help="text instead of Parquet")
    parser.add_argument("--rows", type=int, help="another number of rows")
    parser.add_argument("--only", action="append", choices=[*CONTENDERS, *CSV_CONTENDERS])
    given = parser.parse_args()
    rows = given.rows or (SMOKE_ROWS if given.smoke else CSV_ROWS if given.csv else ROWS)
    files = files_in(given.folder, rows, text=given.csv)
    measured(CONTENDERS["crossent"], files_in(given.folder, SMOKE_ROWS), 1)  # what is compiled once is kept
    known = CSV_CONTENDERS if given.csv else CONTENDERS
    chosen = {name: code for name, code in known.items() if name in (given.only or known)}
    repeats = SMOKE_REPEATS if given.smoke else REPEATS
    found = {name: measured(code, files, repeats) for name, code in chosen.items()}
    versions = {name: version(_LIBRARIES[name]) for name in chosen}
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    print(f"2 models, {rows:,} rows, {CLASSES} classes, {megabytes:,.0f} MB; {os.cpu_count()} processors")
    print(table(found, "PyArrow, read_csv" if given.csv else "Polars, streaming"))
    if given.json:
        about = {"rows": rows, "processor": platform.processor(), "processors": os.cpu_count()}
        given.json.write_text(json.dumps({**about, "versions": versions, "contenders": found}, indent=1))


if __name__ == "__main__":
    main()
