"""The commands `train` and `predict`: parse, call one function, print.

Rooms that load libraries are imported inside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crossent.console import WRONG_INPUT, say, sentences
from crossent.errors import OptionError, TrainingError
from crossent.files import check_place
from crossent.train.options import NetworkName, Task, TrainOptions, check_loss

if TYPE_CHECKING:
    from crossent.train.prediction import Predicted

Loss = Literal["cross-entropy", "squared-error", "squared-error-logits", "classification-error"]
_FILE = Path("predictions.parquet")


def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="A folder of images, or a manifest: CSV or Parquet with file and label."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="RUN", help="The folder that the run is left in.")],
    loss: Annotated[
        Loss | None, typer.Option(help="What is made small; by default cross-entropy.", show_default=False)
    ] = None,
    task: Annotated[
        Task, typer.Option(help="Classes, or one real number for each image.")
    ] = "classification",
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="How long training takes; by default 10 minutes.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="How often each image is seen.")] = None,
    network: Annotated[NetworkName, typer.Option(help="The residual network, or that of courses.")] = "small",
    init: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Start from the weights of this run.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="S", help="Train with the seeds 1 to S, into RUN/seed-1 and on.")
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the first weights, the order and the augmentation.")
    ] = 0,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            metavar="R", help="The highest rate, of kernels, others a fifth; by default the network's own."
        ),
    ] = None,
    label_smoothing: Annotated[
        float, typer.Option(metavar="S", help="The share of each label that is spread over all classes.")
    ] = 0.0,
    class_weights: Annotated[
        str | None,
        typer.Option(
            metavar="A=W,...", help="What a class's losses are multiplied by, or the word balanced."
        ),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(metavar="N", help="Stop after N epochs that validate no better.")
    ] = None,
    devices: Annotated[int, typer.Option(metavar="N", help="How many devices train together.")] = 1,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads of the processor; by default PyTorch's.")
    ] = None,
    class_from_name: Annotated[
        bool, typer.Option("--class-from-name", help="The class is in each name, as in dog.12.jpg.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in RUN, to the same bits.")
    ] = False,
) -> None:
    """From a folder of photographs to a network and its predictions."""
    with sentences():
        check_loss(loss, task)
        options = TrainOptions(
            loss=None if loss == "classification-error" else loss,
            task=task,
            network=network,
            minutes=minutes,
            epochs=epochs,
            learning_rate=learning_rate,
            label_smoothing=label_smoothing,
            class_weights=_weights(class_weights),
            patience=patience,
            init=None if init is None else str(init),
            seed=seed,
            devices=devices,
            threads=threads,
            class_from_name=class_from_name,
        )
        if seeds is not None and (seeds < 1 or seed):
            raise OptionError("--seeds S is 1 or more, and leaves no choice of --seed")
        from crossent.train import check_extra

        check_extra()
        from crossent.train.job import fit, fit_seeds

        if seeds is None:
            fit(data, out=out, options=options, resume=resume, say=say)
        else:
            fit_seeds(data, out=out, seeds=seeds, options=options, resume=resume, say=say)


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that crossent train left.")],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", help="Image files, or folders of them.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a predictions file, .parquet; for a folder one is written anyway."
        ),
    ] = None,
) -> None:
    """What the network of a run says of images: a table of a few, a predictions file of a folder."""
    with sentences():
        place = out
        if place is None and any(path.is_dir() for path in images):
            place = _FILE
            if place.exists():
                raise TrainingError(f"{place} is here already: name a file with --out")
        if place is not None:
            if place.suffix.lower() != ".parquet":
                raise TrainingError(
                    f"{place}: predictions are written as Parquet; name it {place.stem}.parquet"
                )
            check_place(place)
        from crossent.train import check_extra

        check_extra()
        from crossent.train.prediction import predict as predicted_by

        found = predicted_by(run, images)
        for line in found.unreadable:
            say(f"left out: {line}")
        if place is None:
            typer.echo("\n".join(_table(found)))
        else:
            found.save(place)
            without = (
                "" if found.labels or found.numbers is not None else ", without labels: give compare --labels"
            )
            say(f"wrote {place}: {len(found.ids):,} images{without}")
        if found.unreadable and place is None:
            raise typer.Exit(WRONG_INPUT)


def _table(found: Predicted) -> list[str]:
    """``photo.jpg  dog 0.90  cat 0.10``: the classes of each image, the likeliest first."""
    wide = max(map(len, found.ids))
    if found.numbers is not None:
        return [f"{id:<{wide}}  {number:.6g}" for id, number in zip(found.ids, found.numbers, strict=True)]
    return [
        f"{id:<{wide}}  "
        + "  ".join(f"{found.classes[place]} {row[place]:.2f}" for place in (-row).argsort()[:5])
        for id, row in zip(found.ids, found.probs, strict=True)
    ]


def _weights(text: str | None) -> Any:
    """``cat=1,dog=3`` as a mapping; the word balanced as it is."""
    if text is None or text == "balanced":
        return text or {}
    found = {}
    for part in text.split(","):
        name, equals, weight = part.rpartition("=")
        try:
            found[name.strip()] = float(weight)
        except ValueError:
            equals = ""
        if not equals:
            raise OptionError(f"--class-weights: {part!r} is no weight; write cat=1,dog=3, or balanced")
    return found
