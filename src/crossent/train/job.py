"""The whole of `crossent train`: prepare, train, score the test once; and go on after an interruption."""

from __future__ import annotations

import os
import shlex
import signal
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lightning.pytorch.utilities import rank_zero_only

import crossent
from crossent.errors import CrossentError, OptionError, TrainingError
from crossent.files import written
from crossent.runs import TEMPERATURE, TRAINED_ON
from crossent.train import figures, loop, store
from crossent.train.checkpoints import SafetensorsIO
from crossent.train.criterion import Criterion, criterion
from crossent.train.listing import listed
from crossent.train.options import TrainOptions
from crossent.train.prepare import first_network, kept_network, own_copy, prepared, scaled, target_of
from crossent.train.run import (
    CHECKPOINT,
    CONFIG,
    PREDICTIONS,
    Config,
    config_of,
    fingerprint,
    write_config,
)
from crossent.train.store import Data
from crossent.train.training import Order, Plan, Rows, Say, Training
from crossent.wording import count

SCORED = "once, at the end, with the epoch and the temperature that the validation images chose"


@dataclass(frozen=True)
class Run:
    """What `fit` leaves: the folder, what its config says, and the network with its best weights."""

    path: Path
    config: Config
    network: torch.nn.Module


def fit(
    data: str | os.PathLike[str],
    /,
    *,
    out: str | os.PathLike[str],
    network: torch.nn.Module | None = None,
    loss: Criterion | None = None,
    options: TrainOptions | None = None,
    resume: bool = False,
    say: Say = print,
) -> Run:
    """Train a network on images and leave a RUN folder with it and its predictions for the test images.

    Parameters
    ----------
    data : a folder of folders, one for each class, with or without ``train`` and ``test`` above them; or a
        manifest, a CSV or Parquet file with the columns file and label.
    out : the RUN folder; made, and not written over.
    network : any module from images (n, 3, h, w) within ±2 to (n, classes); a copy of it is trained.
        None: the one that the options name.
    loss : a function of outputs (n, classes) and labels (n,) to the mean loss; None: that of the options.
    options : everything else.
    resume : go on with the run in ``out``, by the options that its config holds.
    say : is told what is going on.

    Returns
    -------
    Run
        Its network is in evaluation mode, on the CPU.

    Raises
    ------
    TrainingError, OptionError
        In one sentence, with the mend.
    """
    run, source = Path(out), Path(data)
    options = options or TrainOptions()
    if _rank() > 0:  # started by Lightning for another device: the first has prepared all
        config = config_of(run)
        train_run(run, config, store.opened(run, config["classes"]), _own(network), loss, say)
        raise SystemExit(0)
    begun = (run / CONFIG).is_file()
    if begun and not resume:
        raise TrainingError(f"{run} holds a run already: go on with it by --resume, or name another folder")
    if begun:
        config = config_of(run)
        _check_same(config, source, options)
    else:
        _make(run)
    try:
        if begun and config["state"] == "done":
            say(f"{run} is complete")
        elif begun:
            opened = store.opened(run, config["classes"])
            torch.set_num_threads(config["threads"])
        else:
            opened = _stored(run, source, options, say)
            config = prepared(run, source, opened, options, network, say)
        if config["state"] != "done":
            train_run(run, config, opened, _own(network), loss, say)
            config = score_run(run, config, opened, _own(network), say)
    except (KeyboardInterrupt, OSError):  # such as a full disk: what was kept is whole
        say(_how_to_go_on(run, source))
        raise
    except CrossentError:
        with suppress(OSError):
            run.rmdir()  # if nothing came of it
        raise
    store.discard(run)
    for rest in (run / CHECKPOINT, *run.glob(".*.part")):  # parts are of writes that were killed
        rest.unlink(missing_ok=True)
    return Run(run, config, kept_network(run, config, _own(network)).eval())


def fit_seeds(
    data: str | os.PathLike[str],
    /,
    *,
    out: str | os.PathLike[str],
    seeds: int,
    options: TrainOptions,
    say: Say,
    resume: bool = False,
) -> None:
    """Train with each of several seeds: ``out/seed-1`` and on, which `compare` takes as one model."""
    if options.devices > 1:
        raise OptionError("--seeds trains one run after the other, each on one device: leave --devices out")
    for seed in range(1, seeds + 1):
        run = Path(out) / f"seed-{seed}"
        say(f"seed {seed} of {seeds}")
        going_on = resume and (run / CONFIG).is_file()
        fit(data, out=run, options=replace(options, seed=seed), resume=going_on, say=say)


def _stored(run: Path, source: Path, options: TrainOptions, say: Say) -> Data:
    listing = listed(source, task=options.task, class_from_name=options.class_from_name)
    if left_out := listing.left_out:
        say(
            f"warning: {count(len(left_out), 'image')} beside the folders train and test,"
            f" {'' if len(left_out) == 1 else 'such as '}{left_out[0]}: left out"
        )
    return store.stored(listing, run, say)


def train_run(
    run: Path,
    config: Config,
    data: Data,
    network: torch.nn.Module | None = None,
    loss: Criterion | None = None,
    say: Say = print,
) -> None:
    """Train to the end of what a RUN's config plans, from its checkpoint where there is one."""
    options = options_of(config)
    rows = Rows(data, scaled(data, target_of(config)))
    labels = data.labels[data.rows("train")]
    counts = [int((labels == place).sum()) for place in range(len(data.classes))]
    plan = Plan(
        run=run,
        epochs=config["epochs"],
        seed=config["seed"],
        rate=config["learning_rate"],
        patience=options.patience,
        task=config["task"],
        own_temperature=options.trained_on == "squared-error-logits",
    )
    module = Training(
        first_network(options, data.classes) if network is None else network,
        loss or criterion(options, data.classes, counts),
        data,
        plan,
        say,
    )
    order = Order(data.rows("train"), config["seed"], rank=_rank(), devices=options.devices)
    digest = fingerprint(config)
    if (run / CHECKPOINT).exists():
        module.on_load_checkpoint(SafetensorsIO(digest).load_checkpoint(run / CHECKPOINT))
    if not module.finished:
        try:
            loop.trained(module, rows, order, run=run, config=config, fingerprint=digest)
        except SystemExit:  # how Lightning ends after an interrupt, which it goes on to ignore
            signal.signal(signal.SIGINT, signal.default_int_handler)
            raise KeyboardInterrupt from None


def score_run(
    run: Path, config: Config, data: Data, network: torch.nn.Module | None = None, say: Say = print
) -> Config:
    """The temperature from the validation images, then the test images, for the first and only time."""
    best = kept_network(run, config, network).to(loop.device())

    def asked(part: store.Part) -> figures.Outputs:
        return figures.outputs(best, data.images[data.rows(part)], device=loop.device())

    rows = data.rows("test")
    labels, ids = data.labels[rows], [data.ids[row] for row in rows]
    found = asked("test")
    if not np.isfinite(found).all():
        raise TrainingError(
            "training diverged: the network's outputs are no finite numbers; lower --learning-rate"
            f" ({config['learning_rate']:g})"
        )
    target = target_of(config)
    if target is not None:
        numbers = found[:, 0] * target.deviation + target.mean
        config = {**config, "test": figures.regression(numbers, labels)}
        save_numbers(run / PREDICTIONS, ids=ids, numbers=numbers, labels=labels)
        said = f"mean squared error {config['test']['squared_error']:.4g}"
    else:
        temperature = figures.best_temperature(asked("validation"), data.labels[data.rows("validation")])
        logits = (found / temperature).astype("float32")
        measured = figures.classification(logits, labels)
        config = config | {"temperature": temperature, "test": measured}
        crossent.save_predictions(
            run / PREDICTIONS, labels=labels, logits=logits, classes=data.classes, ids=ids
        )
        _mark(run / PREDICTIONS, options_of(config).trained_on, temperature)
        said = (
            f"{measured['classification_error']:.1%} wrong, squared error {measured['squared_error']:.3f},"
            f" cross-entropy {measured['cross_entropy']:.3f}"
        )
    config = {**config, "test": {**config["test"], "scored": SCORED}, "state": "done"}
    write_config(run, config)
    say(f"on {len(rows):,} test images, scored this once: {said}")
    task = "" if target is None else "--task regression "
    say(f"wrote {run}: crossent compare {task}{run}")
    return config


def save_numbers(path: Path, *, ids: Any, numbers: Any, labels: Any = None) -> None:
    """The predictions of a regression: id, prediction, and the label where it is known."""
    columns = {"id": ids, "prediction": numbers} | ({} if labels is None else {"label": labels})
    with written(path) as file:
        pq.write_table(pa.table(columns), file)


def _mark(path: Path, loss: str, temperature: float) -> None:
    """Let a predictions file say what its network was trained on, and what its logits were divided by."""
    table = pq.read_table(path)
    said = {TRAINED_ON: loss, TEMPERATURE: repr(temperature)}
    with written(path) as file:
        pq.write_table(table.replace_schema_metadata((table.schema.metadata or {}) | said), file)


def options_of(config: Config) -> TrainOptions:
    """The options that a config holds."""
    known = {field.name for field in fields(TrainOptions)}
    return TrainOptions(**{name: value for name, value in config["options"].items() if name in known})


def _rank() -> int:
    """Which of several devices this process trains on."""
    return int(getattr(rank_zero_only, "rank", None) or 0)


def _own(network: torch.nn.Module | None) -> torch.nn.Module | None:
    return None if network is None else own_copy(network)


def _make(run: Path) -> None:
    if run.is_dir() and any(run.iterdir()):
        rest = {store.PIXELS, store.EXAMPLES}
        strange = [
            path.name for path in run.iterdir() if path.name not in rest and not path.name.endswith(".part")
        ]
        if strange:
            raise TrainingError(f"{run} is no RUN folder and holds {strange[0]}: name another folder")
        for path in run.iterdir():  # decoding was interrupted
            path.unlink()
    run.mkdir(parents=True, exist_ok=True)


def _check_same(config: Config, source: Path, options: TrainOptions) -> None:
    """What is given with --resume has to be what the run began with."""
    if Path(config["source"]) != source.resolve():
        raise OptionError(
            f"--resume goes on with images of {config['source']}, not of {source}: name that folder"
        )
    given, default, begun = options.record(), TrainOptions().record(), config["options"]
    for name, value in given.items():
        if value not in (default[name], begun[name]):
            raise OptionError(
                f"--resume goes on by the options that the run began with: {name} is {begun[name]!r}, not"
                f" {value!r};"
                " leave it out"
            )


def _how_to_go_on(run: Path, source: Path) -> str:
    command = shlex.join(["crossent", "train", str(source), "--out", str(run), "--resume"])
    kept = (run / "model.safetensors").is_file()
    has = "holds the best network so far" if kept else "holds no network yet: no epoch was finished"
    return f"{run} {has}; go on with: {command}"
