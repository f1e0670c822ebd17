"""Softmax and cross-entropy beside everything that a user would pick instead, and as exact.

``python -m benchmarks.losses`` measures all contenders in one process, on the same arrays, with the same
number of threads, in interleaved rounds, and prints a table for each section with the targets below it.
``--json FILE`` keeps every figure, ``--plot FILE`` draws them, ``--only SECTION`` and ``--rounds N`` make it
short, ``--smoke`` shows in seconds, on tiny arrays, that all of it works. ``docs/speed.md`` tells how to
read it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import crossent
from benchmarks import exactness, first_use, tables, targets, temporaries, timing
from benchmarks.contenders import Function, absent, nn, ours, set_threads
from benchmarks.exactness import Check, Errors
from benchmarks.peers import LACKING, peers
from benchmarks.problems import SHAPES, SMOKE_SHAPES, Problem, problem
from benchmarks.targets import Row, Shape, Target

FEWER = ((1_000_000, 10), (50_000, 1_000), (2_048, 32_000))
CHECKS_SHAPE = (50_000, 1_000)


@dataclass(frozen=True)
class Timed:
    """A section in which contenders are timed."""

    title: str
    function: Function
    dtype: str = "float32"
    shapes: tuple[Shape, ...] = SHAPES


TIMED = {
    "gradient": Timed("Loss and gradient", "gradient"),
    "loss": Timed("Loss alone", "loss"),
    "softmax": Timed("Softmax", "softmax"),
    "log-softmax": Timed("Log-softmax", "log_softmax", shapes=FEWER),
    "logsumexp": Timed("Log-sum-exp", "logsumexp", shapes=FEWER),
    "squared-error": Timed("Squared error of the softmax, and gradient", "squared_error", shapes=FEWER),
    "bfloat16": Timed("Loss and gradient, bfloat16", "gradient", "bfloat16", FEWER),
    "float16": Timed("Loss and gradient, float16", "gradient", "float16", FEWER),
}
OTHER = {
    "memory": "Memory beyond the outputs, MB a thread",
    "checks": "What checking the input costs",
    "exactness": "Exactness on every case of the tests",
    "first-use": "The first comparison of an installation, and those after it",
}
SECTIONS = (*TIMED, *OTHER)
LEFT_OUT_OF_SMOKE = ("first-use",)


@dataclass
class Section:
    """What a section found."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"== {self.name}: {self.title}", *self.notes]
        if self.rows:
            parts.append(tables.of_rows(self.rows))
        if self.checks:
            parts.append(tables.of_checks(self.checks))
        if self.targets:
            parts.append(tables.of_targets(self.targets))
        return "\n\n".join(parts)

    def record(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "notes": self.notes,
            "rows": [tables.record(row) for row in self.rows],
            "targets": [tables.record(target) for target in self.targets],
            "checks": [tables.record(check) for check in self.checks],
        }


@dataclass(frozen=True)
class Run:
    """How it is to be run."""

    threads: int
    rounds: int
    smoke: bool

    def shapes(self, of_section: tuple[Shape, ...]) -> tuple[Shape, ...]:
        return SMOKE_SHAPES if self.smoke else of_section


def timed(section: Timed, case: Problem, run: Run) -> tuple[list[Row], list[Target]]:
    """One section at one shape: errors first, which also compiles, then the rounds."""
    shape = (case.n, case.classes)
    contenders = [*ours(section.function, case), *peers(section.function, case, compiled=not run.smoke)]
    truth = exactness.exact(section.function, case)
    found = {one.name: exactness.errors(one, case, truth) for one in contenders}
    copies = timing.copies(case.logits, case.out)
    times = timing.interleaved(copies | {one.name: one.run for one in contenders}, run.rounds)
    none = Errors(None, None)
    rows = [Row(shape, name, "copy", True, times[name], none) for name in copies]
    rows += [
        Row(shape, one.name, one.library, one.into_out, times[one.name], found[one.name])
        for one in contenders
    ]
    judged = targets.judge(section.function, section.dtype, rows)
    if section.dtype != "float32":
        bare = next(one for one in contenders if one.library == "crossent")
        judged += targets.exactness_of_narrow(shape, section.dtype, found[bare.name], _rounded(case, truth))
    return rows, judged


def _rounded(case: Problem, truth: exactness.Exact) -> Errors:
    """Errors of the same call in float32 on the same values, its gradient rounded to 16 bits."""
    wide = Problem(case.logits.astype(np.float32), case.labels, case.threads)
    losses, gradient = crossent.softmax_cross_entropy_and_grad(wide.logits, wide.labels)
    assert truth.losses is not None
    assert truth.matrix is not None
    return Errors(
        exactness.ulps(losses[case.rows], truth.losses),
        exactness.relative(gradient[case.rows].astype(case.logits.dtype), truth.matrix),
    )


def memory(run: Run) -> Section:
    """Each function at each shape, in a process of its own."""
    section = Section("memory", OTHER["memory"])
    if not temporaries.measurable():
        section.notes.append("Not measurable on this system: /proc/self/clear_refs is missing.")
        return section
    cases = [("float32", shape) for shape in run.shapes(SHAPES)]
    cases += [("bfloat16", shape) for shape in run.shapes(FEWER)]
    for found in temporaries.temporaries(cases, run.threads):
        words = f"{found.function}, {found.dtype}: MB a thread"
        section.targets.append(
            Target(targets.title(found.shape), words, found.megabytes, targets.MEGABYTES, False)
        )
    return section


def checking(run: Run) -> Section:
    """The checked call beside `crossent.nn` on the same logits, which checks labels but no values."""
    section = Section("checks", OTHER["checks"])
    if nn() is None:
        section.notes.append("crossent.nn is absent, and with it the call that checks no values.")
        return section
    shape = SMOKE_SHAPES[-1] if run.smoke else CHECKS_SHAPE
    case = problem(shape, "float32", run.threads)
    pairs: tuple[tuple[Function, str], ...] = (("loss", "loss"), ("gradient", "loss and gradient, fresh"))
    for function, words in pairs:
        pair = [one for one in ours(function, case) if not one.into_out]
        times = timing.interleaved({one.name: one.run for one in pair}, 3 * run.rounds)
        checked, plain = (times[one.name] for one in pair)
        share = 1 - plain.median / checked.median
        section.rows += [
            Row(shape, f"{one.name}, {function}", one.library, False, times[one.name], Errors(None, None))
            for one in pair
        ]
        section.targets.append(
            Target(
                targets.title(shape), f"{words}: checks as a share of the call", share, targets.CHECKS, False
            )
        )
    return section


def exact_everywhere(run: Run) -> Section:
    """Every promise on every case; the table has them all."""
    section = Section("exactness", OTHER["exactness"], checks=exactness.checks(run.smoke))
    broken = sum(not check.kept for check in section.checks)
    section.targets.append(
        Target("every case", f"broken promises of {len(section.checks):,}", broken, 0, False)
    )
    return section


def compiling(_: Run) -> Section:
    """The worked example in a fresh copy of the package."""
    found = first_use.measure()
    after = statistics.median(found.after)
    where = "worked example"
    section = Section("first-use", OTHER["first-use"])
    section.notes = [
        f"First run {found.first:.2f} s, those after it {min(found.after):.2f} to {max(found.after):.2f} s.",
        f"The first one {'says' if found.announced else 'does NOT say'} on stderr that it compiles, "
        f"those after it {'say nothing of it' if found.silent_after else 'say it AGAIN'}.",
    ]
    section.targets = [
        Target(where, "seconds of first compilation", found.compiling, targets.COMPILING, False, True),
        Target(where, "seconds of crossent compare, once compiled", after, targets.EXAMPLE, False, True),
    ]
    return section


def measured(names: tuple[str, ...], run: Run) -> Iterator[Section]:
    """The sections asked for, timed ones shape by shape, so that arrays are made once."""
    timed_sections = {name: Section(name, TIMED[name].title) for name in names if name in TIMED}
    wanted = {
        (TIMED[name].dtype, shape) for name in timed_sections for shape in run.shapes(TIMED[name].shapes)
    }
    for dtype, shape in sorted(wanted, key=lambda one: (one[0] != "float32", one[0], -one[1][0])):
        case = problem(shape, dtype, run.threads)
        for name, section in timed_sections.items():
            of = TIMED[name]
            if of.dtype == dtype and shape in run.shapes(of.shapes):
                rows, judged = timed(of, case, run)
                section.rows += rows
                section.targets += judged
    for section in timed_sections.values():
        if lacking := LACKING[TIMED[section.name].function]:
            section.notes.append(lacking)
        yield section
    others = {"memory": memory, "checks": checking, "exactness": exact_everywhere, "first-use": compiling}
    for name, measure in others.items():
        if name in names:
            yield measure(run)


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.losses", description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="for everyone (2)")
    parser.add_argument("--rounds", type=int, help="in each of which all are called once (5)")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section; may be repeated")
    parser.add_argument("--smoke", action="store_true", help="tiny arrays, without torch.compile: seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure")
    parser.add_argument("--plot", metavar="FILE", help="times as .svg, .png or .html")
    given = parser.parse_args()
    began = time.perf_counter()
    run = Run(given.threads, given.rounds or (2 if given.smoke else 5), given.smoke)
    set_threads(run.threads)
    names = tuple(given.only or SECTIONS)
    if run.smoke:
        names = tuple(name for name in names if name not in LEFT_OUT_OF_SMOKE)
    about = {
        "commit": timing.commit(),
        **timing.machine(),
        "threads": run.threads,
        "rounds": run.rounds,
        "smoke": run.smoke,
        "absent": absent(),
    }
    print(_heading(about), flush=True)
    found = []
    with crossent.threads(run.threads):
        for section in measured(names, run):
            found.append(section)
            print(f"\n{section}", flush=True)
    every = [target for section in found for target in section.targets]
    seconds = time.perf_counter() - began
    print(f"\n{sum(target.met for target in every)} of {len(every)} targets met, in {seconds:.0f} s")
    if given.json:
        sections = {section.name: section.record() for section in found}
        given.json.write_text(json.dumps(about | {"seconds": seconds, "sections": sections}, indent=1))
    if given.plot:
        tables.draw([(section.name, section.rows) for section in found if section.rows], given.plot)


def _heading(about: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items() if number)
    lines = [
        f"crossent {crossent.__version__}, commit {about['commit']}; {about['processor']},"
        f" {about['cores']} cores; {about['system']}",
        f"Python {about['python']}, {versions}",
        f"absent: {', '.join(about['absent']) or 'none'}",
    ]
    if about["smoke"]:
        lines.append(f"left out of --smoke: torch.compile, {', '.join(LEFT_OUT_OF_SMOKE)}")
    lines.append(
        f"{about['threads']} threads, {about['rounds']} rounds; ms: median; copies: times the copy of the"
        " logits; × eager, × peer: times faster than PyTorch eager, than the fastest peer; ulp: largest error"
        " of a loss; halves: largest relative error of a softmax or gradient, in half spacings at 1 (2⁻²⁴)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
