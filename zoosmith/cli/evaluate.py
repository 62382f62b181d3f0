"""`zoosmith evaluate`: accuracy of classifiers on a folder of images, and their agreement."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH, ShardOf
from zoosmith.cli.options import (
    ONE_RUN,
    cluster_option,
    follow_links_option,
    html_option,
    providers_option,
    seed_option,
    size_options,
    timeout_option,
)
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.table import Column

    from zoosmith.cli.tables import Table
    from zoosmith.execution import Executor
    from zoosmith.files.evaluation import Evaluated
    from zoosmith.validation.accuracy.evaluation import Evaluation, Share
    from zoosmith.validation.accuracy.state import Shard
    from zoosmith.validation.inputs.source import InputSource


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=PATH)
@click.option("--data", metavar="FOLDER", type=PATH, help="Class folders of images, or images with a labels file.")
@click.option(
    "--labels",
    metavar="FILE",
    type=PATH,
    help="CSV of name,label, or a synset list; a name is a file or class folder.",
)
@click.option(
    "--preprocess",
    default="caffe-densenet",
    show_default=True,
    metavar="NAME",
    help="caffe-densenet, caffe, torchvision, tensorflow, unit, none, or auto: by the net's statistics.",
)
@click.option("--disturb", metavar="KIND", help="Disturb the images first: brightened, darkened or noised.")
@seed_option("Chooses the noise.")
@click.option("--samples", type=click.IntRange(1), metavar="N", help="Take N images, spread evenly over the folder.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Cores to use.  [default: all]")
@click.option(
    "--state", metavar="FILE", type=PATH, help="Keep in this file what is counted, and go on from what it holds."
)
@click.option("--shard", type=ShardOf(), metavar="I/N", help="Evaluate the I-th of N equal parts; needs --state.")
@click.option("--merge", is_flag=True, help="Put shards together: the arguments are their state files.")
@size_options
@timeout_option(300, ONE_RUN)
@cluster_option
@providers_option
@follow_links_option("models")
@html_option
def evaluate(
    terminal: Terminal,
    models: tuple[Path, ...],
    data: Path | None,
    labels: Path | None,
    preprocess: str,
    disturb: str | None,
    seed: int,
    samples: int | None,
    threads: int | None,
    state: Path | None,
    shard: "Shard | None",
    merge: bool,
    inputs: "InputSource",
    timeout: float,
    workers: "Callable[[], AbstractContextManager[Executor | None]]",
    providers: list[str] | None,
) -> None:
    """Measure accuracy of classifiers, and how far they agree.

    Accuracy is top-1 and top-5. Class folders are numbered in sorted order unless --labels says otherwise; images
    directly in FOLDER need --labels or a labels.csv among them. Shares come with Wilson's 95 % interval; errors of
    logits are in standard deviations of the first model's logits. An image that cannot be read is reported, skipped and
    counted. A height or width that a model leaves open is 224; --dim or --input gives another. A warning says where the
    images, as they are pre-processed, are unlike what the first model with BatchNormalizations was trained on.

    \b
    Example:
      zoosmith evaluate densenet-12.onnx densenet-12-int8.onnx --data imagenet/val --labels synset.txt --samples 5000
      zoosmith evaluate densenet-12.onnx --data imagenet/val --labels synset.txt --shard 3/16 --state 3.state
      zoosmith evaluate --merge *.state
    """
    if merge:
        from zoosmith.files.evaluation import merge_files

        _show(terminal, merge_files(models))
        return
    if data is None:
        raise click.UsageError("Missing option '--data'")
    if shard is not None and state is None:
        raise click.UsageError("--shard needs --state, the file from which --merge puts all shards together")
    from zoosmith.files.evaluation import Images, evaluate_files

    found = evaluate_files(
        models,
        Images(data, labels, samples, preprocess, disturb, seed),
        inputs=inputs,
        providers=providers,
        threads=threads,
        workers=workers,
        shard=shard,
        state=state,
        pictures=terminal.writes_page,
        timeout=timeout,
        progress=terminal.progress(),
    )
    if found.seconds is not None:
        images = found.evaluation.images
        terminal.note(f"{counted(images, 'image')} in {found.seconds:.1f} s, {images / found.seconds:.1f} images/s")
    _show(terminal, found)


def _show(terminal: Terminal, found: "Evaluated") -> None:
    evaluation = found.evaluation
    skipped = f", {evaluation.broken} skipped as broken" if evaluation.broken else ""
    terminal.result(found.as_dict(), *_tables(evaluation), f"{counted(evaluation.images, 'image')}{skipped}")


def _tables(evaluation: "Evaluation") -> list["Table"]:
    from zoosmith.cli.tables import Table

    accuracy = Table(_names("Model"), *_right("Top-1 %", "95 % interval", "Top-5 %", "95 % interval"))
    for entry in evaluation.accuracies:
        accuracy.add_row(entry.model, *_percent(entry.top1), *_percent(entry.top5))
    if not evaluation.agreements:
        return [accuracy]
    figures = _right("Same top-1 %", "95 % interval", "Mean error", "Largest error")
    agreement = Table(_names("First"), _names("Second"), *figures)
    for pair in evaluation.agreements:
        errors = ("-" if error is None else f"{error:.2e}" for error in (pair.mean_logit_error, pair.max_logit_error))
        agreement.add_row(pair.first, pair.second, *_percent(pair.same_top1), *errors)
    return [accuracy, agreement]


def _names(title: str) -> "Column":
    from rich.table import Column

    return Column(title, overflow="fold")


def _right(*titles: str) -> list["Column"]:
    from rich.table import Column

    return [Column(title, justify="right", no_wrap=True) for title in titles]


def _percent(share: "Share") -> tuple[str, str]:
    low, high = share.interval
    return f"{100 * share.value:.2f}", f"{100 * low:.2f} - {100 * high:.2f}"
