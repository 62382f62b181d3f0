"""`zoosmith evaluate`: accuracy of classifiers on a folder of images, and their agreement."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Column

    from zoosmith.validation.accuracy import Evaluation, Share


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--data", required=True, metavar="FOLDER", help="Class folders of images, or images with a labels file.")
@click.option("--labels", metavar="FILE", help="CSV of name,label, or a synset list; a name is a file or class folder.")
@click.option(
    "--preprocess",
    default="caffe-densenet",
    show_default=True,
    metavar="NAME",
    help="caffe-densenet, caffe, torchvision, tensorflow or none.",
)
@click.option("--disturb", metavar="KIND", help="Disturb the images first: brightened, darkened or noised.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Chooses the noise.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Take N images, spread evenly over the folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate(
    models: tuple[str, ...],
    data: str,
    labels: str | None,
    preprocess: str,
    disturb: str | None,
    seed: int,
    limit: int | None,
    as_json: bool,
) -> None:
    """Measure top-1 and top-5 accuracy of classifiers, and how far they agree.

    Class folders are numbered in sorted order unless --labels says otherwise; images directly in FOLDER need --labels
    or a labels.csv among them. Shares come with Wilson's 95 % interval; errors of logits are in standard deviations of
    the first model's logits. An image that cannot be read is reported, skipped and counted.

    \b
    Example:
      zoosmith evaluate densenet-12.onnx densenet-12-int8.onnx --data imagenet/val --labels synset.txt --limit 5000
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from zoosmith.validation.accuracy import evaluate as run
    from zoosmith.validation.images import ImageFolder
    from zoosmith.validation.preprocess import Disturbed, preprocessing

    convention = preprocessing(preprocess)
    to_array = convention if disturb is None else Disturbed(convention, disturb, seed)
    folder = ImageFolder(data, labels, limit)
    start = time.monotonic()
    rate = TextColumn("{task.fields[rate]:.1f} images/s")
    columns = (BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("images", total=len(folder), rate=0.0)

        def advance(count: int) -> None:
            bar.advance(task, count)
            bar.update(task, rate=bar.tasks[0].completed / (time.monotonic() - start))

        def skip(path: Path, reason: str) -> None:
            console.print(f"skipped: {path}: {reason}", markup=False, highlight=False, soft_wrap=True)
            advance(1)

        evaluation = run(models, folder, to_array, on_broken=skip, on_images=advance)
    seconds = time.monotonic() - start
    click.echo(f"{evaluation.images} images in {seconds:.1f} s, {evaluation.images / seconds:.1f} images/s", err=True)
    if as_json:
        settings = {"data": data, "preprocess": preprocess, "disturb": disturb, "seed": seed}
        click.echo(json.dumps({**settings, **evaluation.to_dict()}, indent=2))
    else:
        _print_tables(evaluation)


def _print_tables(evaluation: "Evaluation") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    accuracy = Table("Model", *_right("Top-1 %", "95 % interval", "Top-5 %", "95 % interval"))
    for entry in evaluation.accuracies:
        accuracy.add_row(Text(entry.model, overflow="fold"), *_percent(entry.top1), *_percent(entry.top5))
    console.print(accuracy)
    if evaluation.agreements:
        agreement = Table("First", "Second", *_right("Same top-1 %", "95 % interval", "Mean error", "Largest error"))
        for pair in evaluation.agreements:
            errors = (
                "-" if error is None else f"{error:.2e}" for error in (pair.mean_logit_error, pair.max_logit_error)
            )
            agreement.add_row(
                Text(pair.first, overflow="fold"),
                Text(pair.second, overflow="fold"),
                *_percent(pair.same_top1),
                *errors,
            )
        console.print(agreement)
    skipped = f", {evaluation.broken} skipped as broken" if evaluation.broken else ""
    click.echo(f"{evaluation.images} images{skipped}")


def _right(*titles: str) -> list["Column"]:
    from rich.table import Column

    return [Column(title, justify="right", no_wrap=True) for title in titles]


def _percent(share: "Share") -> tuple[str, str]:
    low, high = share.interval
    return f"{100 * share.value:.2f}", f"{100 * low:.2f} - {100 * high:.2f}"
