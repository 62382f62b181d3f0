"""`zoosmith evaluate`: accuracy of classifiers on a folder of images, and their agreement."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    timeout_option,
)
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.table import Column

    from zoosmith.cli.tables import Table
    from zoosmith.execution import Executor
    from zoosmith.validation.accuracy import Evaluation, Share
    from zoosmith.validation.evaluation_state import Shard


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
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Take N images, spread evenly over the folder.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Cores to use.  [default: all]")
@click.option(
    "--state", metavar="FILE", type=PATH, help="Keep in this file what is counted, and go on from what it holds."
)
@click.option("--shard", type=ShardOf(), metavar="I/N", help="Evaluate the I-th of N equal parts; needs --state.")
@click.option("--merge", is_flag=True, help="Put shards together: the arguments are their state files.")
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
    limit: int | None,
    threads: int | None,
    state: Path | None,
    shard: "Shard | None",
    merge: bool,
    timeout: float,
    workers: "Callable[[], AbstractContextManager[Executor | None]]",
    providers: list[str] | None,
) -> None:
    """Measure accuracy of classifiers, and how far they agree.

    Accuracy is top-1 and top-5. Class folders are numbered in sorted order unless --labels says otherwise; images
    directly in FOLDER need --labels or a labels.csv among them. Shares come with Wilson's 95 % interval; errors of
    logits are in standard deviations of the first model's logits. An image that cannot be read is reported, skipped and
    counted. A warning says where the images, as they are pre-processed, are unlike what the first model with
    BatchNormalizations was trained on.

    \b
    Example:
      zoosmith evaluate densenet-12.onnx densenet-12-int8.onnx --data imagenet/val --labels synset.txt --limit 5000
      zoosmith evaluate densenet-12.onnx --data imagenet/val --labels synset.txt --shard 3/16 --state 3.state
      zoosmith evaluate --merge *.state
    """
    if merge:
        _show_merged(terminal, models)
        return
    if data is None:
        raise click.UsageError("Missing option '--data'")
    if shard is not None and state is None:
        raise click.UsageError("--shard needs --state, the file from which --merge puts all shards together")
    from zoosmith.onnx_model.loading import load_model
    from zoosmith.preprocessing import choose
    from zoosmith.quantize.samples.seen_samples import refuse_seen, stated_digests
    from zoosmith.quantize.samples.statistics import states_statistics
    from zoosmith.validation.accuracy import PICTURES, WHOLE
    from zoosmith.validation.accuracy import evaluate as run
    from zoosmith.validation.images import ImageFolder
    from zoosmith.validation.preprocess import Disturbed
    from zoosmith.validation.run_limit import runs_limited

    progress = terminal.progress()
    loaded = [load_model(model) for model in models]
    stating = next((model for model in loaded if states_statistics(model)), loaded[0])
    folder = ImageFolder(data, labels, limit)
    with runs_limited(timeout):
        convention = choose(stating, preprocess, data, progress)
        for known, seen in [(each, stated_digests(each)) for each in loaded]:
            if seen:
                refuse_seen(known, seen, folder, convention)
        del loaded, stating, known
        to_array = convention if disturb is None else Disturbed(convention, disturb, seed)
        settings = {"data": str(data), "preprocess": convention.name, "disturb": disturb, "seed": seed}
        with workers() as executor:
            start = time.monotonic()
            evaluation = run(
                models,
                folder,
                to_array,
                on_broken=lambda path, reason: progress.note(f"skipped: {path}: {reason}"),
                providers=providers,
                threads=threads,
                executor=executor,
                shard=shard or WHOLE,
                state=state,
                settings=settings,
                pictures=PICTURES if terminal.writes_page else 0,
                progress=progress,
            )
    seconds = time.monotonic() - start
    terminal.note(f"{evaluation.images} images in {seconds:.1f} s, {evaluation.images / seconds:.1f} images/s")
    _show(terminal, settings, evaluation)


def _show_merged(terminal: Terminal, states: tuple[Path, ...]) -> None:
    from zoosmith.validation.accuracy import merge

    evaluation, settings = merge(states)
    _show(terminal, {key: settings.get(key) for key in ("data", "preprocess", "disturb", "seed")}, evaluation)


def _show(terminal: Terminal, settings: dict[str, Any], evaluation: "Evaluation") -> None:
    skipped = f", {evaluation.broken} skipped as broken" if evaluation.broken else ""
    terminal.result({**settings, **evaluation.as_dict()}, *_tables(evaluation), f"{evaluation.images} images{skipped}")


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
