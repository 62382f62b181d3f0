"""`zoosmith preprocess`: which preprocessing a net was trained with."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import ONE_RUN, follow_links_option, size_options, timeout_option
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from zoosmith.cli.tables import Table
    from zoosmith.quantize.samples.preprocessing_ranking import RankedPreprocessing
    from zoosmith.validation.inputs.source import InputSource


@click.command(cls=Command)
@click.argument("model", metavar="MODEL.onnx", type=PATH)
@click.option("--data", required=True, metavar="FOLDER", type=PATH, help="Images like the training data; no labels.")
@click.option("--samples", type=click.IntRange(2), default=24, show_default=True, help="How many of them to use.")
@size_options
@timeout_option(300, ONE_RUN)
@follow_links_option("model")
def preprocess(
    terminal: Terminal, model: Path, data: Path, samples: int, inputs: "InputSource", timeout: float
) -> None:
    """Rank preprocessings by what a net states of its training.

    Each BatchNormalization states mean and variance of its input in training. The right preprocessing makes the same
    ones: the nearest comes first, and no label is needed. Works on nets whose BatchNormalizations have not been folded
    into convolutions. A height or width that the model leaves open is 224; --dim or --input gives another.

    \b
    Example:
      zoosmith preprocess densenet-12.onnx --data photographs/
    """
    from zoosmith.files.preprocessing import rank_file
    from zoosmith.quantize.samples.preprocessing_ranking import clear_best
    from zoosmith.validation.running.run_limit import runs_limited

    with runs_limited(timeout):
        ranking = rank_file(model, data, samples, inputs=inputs, progress=terminal.progress())
    best = clear_best(ranking)
    name = None if best is None else best.preprocess.name
    rows = [
        {
            "preprocess": each.preprocess.name,
            "mean": each.distance.mean,
            "variance": each.distance.variance,
            "divergence": each.distance.divergence,
            "like_training_data": not each.distance.far,
        }
        for each in ranking
    ]
    verdict = "no clear best" if name is None else f"{name} is clearly the best"
    terminal.result(
        {"model": str(model), "data": str(data), "best": name, "ranking": rows}, _table(ranking), f"{model}: {verdict}"
    )


def _table(ranking: "list[RankedPreprocessing]") -> "Table":
    from rich import box

    from zoosmith.cli.tables import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("preprocess", no_wrap=True)
    for heading in ("means, in deviations", "log variances", "divergence, nats"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("against the training data", no_wrap=True)
    for each in ranking:
        found = each.distance
        figures = (f"{found.mean:.2f}", f"{found.variance:.2f}", f"{found.divergence:.3f}")
        table.add_row(each.preprocess.name, *figures, "far" if found.far else "like it")
    return table
