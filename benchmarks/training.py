"""Each loss at its own best learning rate and at a common one, beside a plain PyTorch loop.

`python -m benchmarks.training DIR` prints a table of validation figures by loss and rate, from which rates
are chosen, then the figures of the chosen runs on the test images, which nothing is chosen by. The plain loop
trains the same network on the same batches with `torch.nn.CrossEntropyLoss`, by the same optimizer and, to
show what that is worth, by AdamW; its seconds for an epoch stand beside ours.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import crossent
from crossent.train import figures, store
from crossent.train.augment import augmented, generator, size_of
from crossent.train.job import score_run, train_run
from crossent.train.listing import listed
from crossent.train.network import built
from crossent.train.optimizer import one_cycle, optimizer_of
from crossent.train.options import LOSSES, TrainOptions
from crossent.train.prepare import prepared
from crossent.train.run import METRICS, config_of
from crossent.train.store import Data
from crossent.train.training import Order, Rows

RATES = (2.5e-3, 5e-3, 1e-2, 2e-2, 4e-2)
_ADAMW = 4e-3  # the rate at which it validates best
_SEED = 0

Runs = Mapping[Any, dict[float, dict[str, Any]]]


def main() -> None:
    """Train, choose by the validation images, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="images, as for crossent train")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, help="train on so many of them; all, if not given")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write the figures as JSON too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        listing = listed(given.folder, task="classification", class_from_name=False)
        data = _some(store.stored(listing, Path(folder), print), given.images)
        print(
            f"crossent {crossent.__version__}, torch {torch.__version__},"
            f" {platform.processor() or platform.machine()},"
            f" {given.threads} threads; {len(data.rows('train')):,} images to train on, {given.epochs} epochs"
        )
        options = TrainOptions(epochs=given.epochs, threads=given.threads, seed=_SEED)
        found = {
            loss: {
                rate: _run(Path(folder), given.folder, data, replace(options, loss=loss, learning_rate=rate))
                for rate in RATES
            }
            for loss in LOSSES
        }
        best, common = chosen(found)
        for loss in LOSSES:
            for run in (best[loss], common[loss]):
                _score(run, data)
        network = built("small", len(data.classes), _SEED)
        rate = best["cross-entropy"]["rate"]
        plain = [plain_loop(network, optimizer_of(network, rate), data, given.epochs)]
        network = built("small", len(data.classes), _SEED)
        decaying = [p for p in network.parameters() if p.dim() > 1]
        others = [p for p in network.parameters() if p.dim() <= 1]
        groups = [{"params": decaying, "weight_decay": 0.2}, {"params": others, "weight_decay": 0.0}]
        adamw = torch.optim.AdamW(groups, lr=_ADAMW)
        plain += [plain_loop(network, adamw, data, given.epochs)]
    lines = table(found, plain)
    print("\n".join(lines))
    if given.json:
        given.json.write_text(
            json.dumps({"runs": {k: list(v.values()) for k, v in found.items()}, "plain": plain})
        )


def _some(data: Data, images: int | None) -> Data:
    """The same data with so many training images, by a fixed shuffle; validation and test stay whole."""
    if images is None:
        return data
    rows = np.random.default_rng(_SEED).permutation(data.rows("train"))
    parts = data.parts.astype(object)
    parts[rows[images:]] = "left out"
    return replace(data, parts=parts.astype(str))


def _run(folder: Path, source: Path, data: Data, options: TrainOptions) -> dict[str, Any]:
    """One run and its validation figure."""
    run = folder / f"{options.trained_on}-{options.learning_rate:g}"
    run.mkdir()
    config = prepared(run, source, data, options, None, lambda sentence: None)
    train_run(run, config, data, say=lambda sentence: None)
    epochs = np.genfromtxt(run / METRICS, delimiter=",", names=True)
    found = {
        "loss": options.trained_on,
        "rate": options.learning_rate,
        "validation": float(np.nanmin(np.append(np.atleast_1d(epochs["validation_cross_entropy"]), 99.0))),
        "seconds_per_epoch": float(np.median(epochs["seconds"])),
        "seconds": float(np.sum(epochs["seconds"])),
        "run": str(run),
    }
    said = f"validation {found['validation']:.3f}, {found['seconds']:.0f} s"
    print(f"  {found['loss']} at {found['rate']:g}: {said}", flush=True)
    return found


def _score(run: dict[str, Any], data: Data) -> None:
    """The test figures of a run that was chosen."""
    path = Path(run["run"])
    run["test"] = score_run(path, config_of(path), data, say=lambda sentence: None)["test"]


def plain_loop(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, data: Data, epochs: int
) -> dict[str, Any]:
    """The loop itself as a user of PyTorch would write it, on the same batches, schedule and validation."""
    order, rows = Order(data.rows("train"), _SEED), Rows(data, data.labels)
    rate = optimizer.param_groups[0]["lr"]
    schedule = one_cycle(optimizer, epochs * len(order))
    loss_of = torch.nn.CrossEntropyLoss()
    validation = data.rows("validation")
    seconds, figure = [], []
    for epoch in range(epochs):
        began = time.perf_counter()
        order.set_epoch(epoch)
        network.train()
        for step, batch in enumerate(order):
            images, labels = rows[batch]
            seen = augmented(images, size_of(epoch, epochs), generator(_SEED, epoch, step, 0))
            loss = loss_of(network(seen), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        outputs = figures.outputs(network, data.images[validation], device="cpu", quick=True)
        figure.append(figures.classification(outputs, data.labels[validation])["cross_entropy"])
        seconds.append(time.perf_counter() - began)
    test = data.rows("test")
    outputs = figures.outputs(network, data.images[test], device="cpu")
    return {
        "loss": f"plain loop, CrossEntropyLoss, {type(optimizer).__name__}",
        "rate": rate,
        "validation": min(figure),
        "seconds_per_epoch": float(np.median(seconds)),
        "seconds": sum(seconds),
        "test": figures.classification(outputs, data.labels[test]),
    }


def chosen(found: Runs) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Each loss's run at its own best rate, and at that of cross-entropy."""
    best = {loss: min(by_rate.values(), key=lambda run: run["validation"]) for loss, by_rate in found.items()}
    common = best["cross-entropy"]["rate"]
    return best, {loss: by_rate[common] for loss, by_rate in found.items()}


def table(found: Runs, plain: Sequence[dict[str, Any]]) -> list[str]:
    """Validation by loss and rate; then the chosen runs on the test images."""
    best, common = chosen(found)
    lines = ["", f"{'best validation cross-entropy':<40}" + "".join(f"{rate:>8g}" for rate in RATES)]
    for loss, by_rate in found.items():
        lines.append(f"{loss:<40}" + "".join(f"{by_rate[rate]['validation']:8.3f}" for rate in RATES))
    lines += ["", f"{'on the test images':<40}    rate  accuracy  squared e.  cross-entropy  s / epoch"]
    for loss in found:
        lines.append(_line(f"{loss}, own best rate", best[loss]))
        if best[loss] is not common[loss]:
            lines.append(_line(f"{loss}, common rate", common[loss]))
    return [*lines, *(_line(run["loss"], run) for run in plain)]


def _line(name: str, run: dict[str, Any]) -> str:
    test = run["test"]
    return (
        f"{name:<40}{run['rate']:8g}{1 - test['classification_error']:10.4f}{test['squared_error']:12.4f}"
        f"{test['cross_entropy']:15.4f}{run['seconds_per_epoch']:11.2f}"
    )


if __name__ == "__main__":
    main()
