"""The command line: parse, call one function, print. No arithmetic.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the input is wrong, 2 usage,
3 a gate said no. Rooms that load libraries are imported inside the commands, so that help is fast.
"""

from __future__ import annotations

import re
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossent import __version__, cli_train
from crossent.console import GATE, interruptible, say, sentences
from crossent.errors import OptionError
from crossent.files import check_folder, check_place, written
from crossent.options import CompareOptions
from crossent.wording import Engine, InputFormat, Kind, LabelIs, Measure

if TYPE_CHECKING:
    from crossent.comparison import Comparison

Format = Literal["table", "markdown", "json", "csv"]

app = typer.Typer(
    name="crossent",
    help="Softmax and cross-entropy, and which of two classifiers is more wrong.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crossent {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Softmax and cross-entropy, and which of two classifiers is more wrong."""


def _size(text: str) -> int:
    """``500MB``, ``2 GB``, ``300000`` as bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", text.upper())
    if not found:
        raise typer.BadParameter(f"{text!r} is no size; write it like 500MB or 2GB")
    return int(float(found[1]) * 1000 ** " KMGT".index(found[2] or " "))


def _files(sources: list[str], labels: str | None) -> list[Path]:
    """The files that are read, as far as they are named: ``name=path``, or the path alone."""
    given = [*sources, *([] if labels is None else [labels])]
    return [Path(text) for source in given for text in (source, source.partition("=")[2]) if text]


@app.command()
def compare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Predictions, one file per model; NAME=FILE names the model."
        ),
    ],
    labels: Annotated[str | None, typer.Option(metavar="FILE", help="Labels in a file of their own.")] = None,
    input_format: Annotated[
        InputFormat | None, typer.Option(help="Format of standard input, the source '-'.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="What a plain matrix holds.")] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="A,B", help="Names of the classes, in the order of the columns.")
    ] = None,
    id: Annotated[str | None, typer.Option(metavar="COL", help="Column that identifies an example.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COL", help="Column that holds the label.")] = None,
    label_is: Annotated[
        LabelIs | None, typer.Option(help="How text labels are read, where both readings fit.")
    ] = None,
    weight: Annotated[str | None, typer.Option(metavar="COL", help="Column of importance weights.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="COL", help="Column that says which examples belong together.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="COL", help="Column by whose values results are given too.")
    ] = None,
    task: Annotated[
        Literal["classification", "regression"],
        typer.Option(help="Classes, or real numbers by their mean squared error."),
    ] = "classification",
    measure: Annotated[Measure, typer.Option(help="The measure that leads the verdict.")] = "cross_entropy",
    margin: Annotated[
        float | None, typer.Option(metavar="X", help="Differences up to X count as equal.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of every interval and of the verdict.")] = 0.95,
    clip: Annotated[
        float | None,
        typer.Option(metavar="EPS", help="A label's probability below EPS costs as much as EPS."),
    ] = None,
    renormalize: Annotated[
        bool, typer.Option("--renormalize", help="Divide rows of probabilities by their sum.")
    ] = False,
    top: Annotated[int, typer.Option(help="How many of the most different examples are kept.")] = 20,
    show: Annotated[bool, typer.Option("--show", help="Print every example, up to 20.")] = False,
    format: Annotated[Format, typer.Option(help="What is printed.")] = "table",
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the comparison as JSON too.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the comparison as one HTML page too.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Images for the report; ids are paths below this folder."),
    ] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="Exit 3 if the last model is worse than the first.")
    ] = False,
    fail_unless_as_good: Annotated[
        bool,
        typer.Option(
            "--fail-unless-as-good",
            help="Exit 3 unless the last model is shown to be no worse than the first by --margin.",
        ),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(metavar="N", help="Threads; by default all there are.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Where it is computed: on this machine's threads, or on Ray.")
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Of the Ray cluster; without it one is started here."),
    ] = None,
    memory: Annotated[
        str,
        typer.Option(metavar="SIZE", help="Memory that joining ids may take; beyond it, disk."),
    ] = "500MB",
) -> None:
    """Which of several models is more wrong, and is the difference real?"""
    with sentences():
        if (fail_if_worse or fail_unless_as_good) and len(sources) < 2:
            raise OptionError("a gate compares the last model with the first: name two sources or more")
        if fail_unless_as_good and margin is None:
            raise OptionError("--fail-unless-as-good needs --margin X: how much worse is still as good")
        if task == "regression":
            _compare_numbers(sources, format, json, confidence, margin, fail_if_worse, fail_unless_as_good)
            return
        options = CompareOptions(
            measure=measure,
            margin=margin,
            confidence=confidence,
            clip=clip,
            renormalize=renormalize,
            id=id,
            label=label,
            weight=weight,
            cluster=cluster,
            by=by,
            label_is=label_is,
            top=top,
            threads=threads,
            memory=_size(memory),
            engine=engine,
            ray_address=ray_address,
            input_format=input_format,
        )
        if images is not None and report is None:
            raise OptionError("--images is for the report: add --report FILE")
        for place in (json, report):
            if place is not None:
                check_place(place, _files(sources, labels))  # before the work is done
        if images is not None:
            check_folder(images)
        from crossent.comparison import compare_predictions, opened
        from crossent.report.progress import progress_bar
        from crossent.runs import notes_on_runs

        named = None if classes is None else [name.strip() for name in classes.split(",")]
        with interruptible() as interrupted:
            predictions = opened(sources, labels=labels, classes=named, kind=kind, options=options)
            with progress_bar("comparing", predictions.rows, "examples") as progress:

                def advance(rows: int) -> None:
                    interrupted()
                    progress(rows)

                found = compare_predictions(predictions, options, progress=advance)
            interrupted()
        if json is not None:
            with written(json) as file:
                file.write(found.to_json().encode() + b"\n")
        if report is not None:
            found.to_html(report, images=images)
        for warning in (*found.warnings, *notes_on_runs(sources)):
            say(f"warning: {warning}")
        if fail_if_worse and found.gate_is_blind():
            say(
                "warning: an infinite difference in cross-entropy has no test, so --fail-if-worse lets it "
                "pass; judge it by --measure squared_error, or name a --clip EPS"
            )
        _print(found, format, show)
        _judge(
            list(found.models),
            worse=fail_if_worse and found.last_is_worse(),
            unproven=fail_unless_as_good and not found.last_is_as_good(),
        )


def _judge(names: list[str], *, worse: bool, unproven: bool) -> None:
    """The gate: says why it fails, and exits."""
    if worse:
        say(f"--fail-if-worse: {names[-1]} is worse than {names[0]}")
    elif unproven:
        say(f"--fail-unless-as-good: {names[-1]} is not shown to be as good as {names[0]}")
    if worse or unproven:
        raise typer.Exit(GATE)


def _compare_numbers(
    sources: list[str],
    format: Format,
    json: Path | None,
    confidence: float,
    margin: float | None,
    fail_if_worse: bool,
    fail_unless_as_good: bool,
) -> None:
    """Regressions, by mean squared error."""
    if format not in ("table", "json"):
        raise OptionError(f"--format {format} is for classes; regression has table and json")
    CompareOptions(confidence=confidence, margin=margin)  # which checks them
    from crossent.regression import compare_numbers

    found = compare_numbers(sources, confidence=confidence, margin=margin)
    if json is not None:
        with written(json) as file:
            file.write(found.to_json().encode() + b"\n")
    typer.echo(found.to_json() if format == "json" else str(found))
    _judge(
        list(found.models),
        worse=fail_if_worse and found.last_is_worse(),
        unproven=fail_unless_as_good and not found.last_is_as_good(margin or 0.0),
    )


def _print(found: Comparison, format: Format, show: bool) -> None:
    if format == "json":
        typer.echo(found.to_json())
    elif format == "csv":
        from crossent.report.as_rows import as_csv

        typer.echo(as_csv(found), nl=False)
    elif format == "markdown":
        from crossent.report.as_markdown import as_markdown

        typer.echo(as_markdown(found))
    else:
        from crossent.report.as_text import as_text

        if show and not found.shown:
            say(f"--show prints up to 20 examples; these are {found.example_count:,}")
        typer.echo(as_text(found, show=show))


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the predictions of the three networks are written.")
    ] = Path("crossent-demo"),
) -> None:
    """The worked example, then three small networks on handwritten digits, trained and compared."""
    with sentences():
        from crossent.demo import run

        run(out, say=say, show=typer.echo)


@app.command()
def explain(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the page is written.")] = Path(
        "crossent-explain.html"
    ),
    browse: Annotated[
        bool,
        typer.Option(
            "--open/--no-open", show_default=False, help="Open it in a browser, if this is a terminal."
        ),
    ] = True,
) -> None:
    """Write and open a page on which softmax and cross-entropy can be tried out, offline."""
    with sentences():
        check_place(out)  # before the work is done
        from crossent.explain.page import page

        text = page()
        with written(out) as file:
            file.write(text.encode())
        say(f"wrote {out}")
        if browse and sys.stdout.isatty():
            import webbrowser

            if not webbrowser.open(out.resolve().as_uri()):
                say(f"no browser was found here: open {out} in one")


app.command()(cli_train.train)
app.command()(cli_train.predict)


def main() -> None:
    """Entry point of the ``crossent`` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the minus sign still gets its table
    app()
