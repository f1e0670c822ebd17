"""How the cost of a comparison grows with rows, classes, models and workers.

``python -m benchmarks.scaling FOLDER`` writes files into the folder, unless they are there, and measures each
case in a process of its own: wall time and processor time without imports, and the peak of resident memory
(Linux only). ``--smoke`` runs all of it on small files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.compare import write_predictions

_RUN = """
import json, os, re, sys, time
import crossent, crossent.comparison, crossent.report.as_text
sources, options = json.loads(sys.argv[1])
options = crossent.CompareOptions(**options)
if options.engine == "ray":
    import logging, ray
    ray.init(address="local", num_cpus=options.threads, log_to_driver=False, logging_level=logging.ERROR)
    crossent.compare(dict(list(sources.items())[:1]), options=options)  # workers start and import once
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) / 1024
began, used = time.perf_counter(), sum(os.times()[:2])
str(crossent.compare(sources, options=options))
print(json.dumps([time.perf_counter() - began, sum(os.times()[:2]) - used, peak()]))
"""
_ROWS = 2_000_000

Case = tuple[str, int, int, int, dict[str, object]]
"""What it is called; rows, classes, models; options."""


def cases(unit: int) -> list[Case]:
    """All cases, for ``unit`` rows of ten classes."""
    return [
        *(("rows", times * unit, 10, 2, {}) for times in (1, 2, 4)),
        *(("classes", unit * 10 // classes, classes, 2, {}) for classes in (2, 100, 1000)),
        *(("models", unit, 10, models, {}) for models in (1, 4)),
        ("threads", unit, 10, 2, {"threads": 1}),
        *(("Ray workers", 2 * unit, 10, 2, _on_ray(workers)) for workers in (1, 2)),
    ]


def _on_ray(workers: int) -> dict[str, object]:
    return {"engine": "ray", "threads": workers}


def measured(case: Case, folder: Path) -> tuple[float, float, float]:
    """Seconds, seconds of processors, and megabytes at most."""
    _, rows, classes, models, options = case
    sources = {}
    for seed in range(1, models + 1):
        path = folder / f"scaling-{seed}-{rows}-{classes}.parquet"
        if not path.exists():
            write_predictions(path, rows, seed, classes)
        sources[f"nn{seed}"] = str(path)
    given = json.dumps([sources, options])
    for _ in range(2):  # the first may have to compile
        done = subprocess.run([sys.executable, "-c", _RUN, given], capture_output=True, text=True, check=True)
    wall, used, megabytes = json.loads(done.stdout.splitlines()[-1])
    return wall, used, megabytes


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How the cost of a comparison grows.")
    parser.add_argument("folder", type=Path, help="where the files are, or will be")
    parser.add_argument("--smoke", action="store_true", help="small files")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    line = "{:12} {:>12} {:>8} {:>7} {:>8} {:>9} {:>10} {:>8}"
    print(line.format("varied", "rows", "classes", "models", "workers", "seconds", "CPU s", "peak MB"))
    for case in cases(2_000 if given.smoke else _ROWS):
        varied, rows, classes, models, options = case
        wall, used, megabytes = measured(case, given.folder)
        workers = str(options.get("threads", "all"))
        on_ray = "engine" in options  # its workers are other processes
        cost = "" if on_ray else f"{used:.2f}"
        print(
            line.format(
                varied, f"{rows:,}", classes, models, workers, f"{wall:.2f}", cost, f"{megabytes:.0f}"
            )
        )


if __name__ == "__main__":
    main()
