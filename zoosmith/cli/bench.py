"""`zoosmith bench`: latency, size and memory of models, side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH, Counts
from zoosmith.cli.options import follow_links_option, html_option, input_options, providers_option, timeout_option
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoosmith.cli.tables import Table
    from zoosmith.validation.inputs.source import InputSource


# inputs whose shapes are printed; --json has all
_MOST_LISTED = 6


@click.command(cls=Command)
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=PATH)
@click.option("--threads", type=Counts(), default="1", show_default=True, help="Thread counts to measure: 1 or 1,2.")
@click.option("--runs", type=click.IntRange(1), default=20, show_default=True, help="Rounds that count.")
@click.option("--warmup", type=click.IntRange(0), default=3, show_default=True, help="Rounds before them.")
@input_options
@timeout_option(300, "For loading a model, and for its first run; what takes longer is stopped.")
@providers_option
@follow_links_option("models")
@html_option
def bench(
    terminal: Terminal,
    models: tuple[Path, ...],
    threads: list[int],
    runs: int,
    warmup: int,
    inputs: "InputSource",
    timeout: float,
    providers: list[str] | None,
) -> None:
    """Measure latency and memory of models in ONNX Runtime.

    Each is compared with the first. Sizes that a model leaves open are 1 for a batch, 128 for a length and 224 for
    height and width, or others that fit; --dim and --input give them, and the shapes are printed.

    The models take turns within each round (A B A B ...), with random inputs unless --feed gives them, in one process;
    times are medians over the rounds, and the speed is the median of the first model's time over this one's in the same
    round. Memory is how far a fresh process grows at its peak by loading the model and running it.

    \b
    Example:
      zoosmith bench densenet-12.onnx densenet-12-int8.onnx --threads 1,2
      zoosmith bench text.onnx --input x=1,3,48,320
    """
    from zoosmith.validation.running.latency import measure_all

    rows = measure_all(
        models,
        threads=threads,
        runs=runs,
        warmup=warmup,
        inputs=inputs,
        providers=providers,
        timeout=timeout,
        progress=terminal.progress(),
    )
    terminal.result({"models": rows}, _table(rows), *_shapes(rows))


def _shapes(rows: list[dict[str, Any]]) -> list[str]:
    """The shapes of the inputs, of each model where they differ."""
    by_model = {row["model"]: _listed(row["shapes"]) for row in rows}
    if len(set(by_model.values())) == 1:
        return [f"inputs: {next(iter(by_model.values()))}"]
    return [f"inputs of {model}: {shapes}" for model, shapes in by_model.items()]


def _listed(shapes: "Mapping[str, Sequence[int]]") -> str:
    spelled = [f"{name} [{', '.join(map(str, shape))}]" for name, shape in shapes.items()]
    more = [f"{len(spelled) - _MOST_LISTED} more"] if len(spelled) > _MOST_LISTED else []
    return ", ".join([*spelled[:_MOST_LISTED], *more]) or "none"


def _table(rows: list[dict[str, Any]]) -> "Table":
    from zoosmith.cli.tables import Table

    table = Table()
    table.add_column("Model", overflow="fold")
    for title in ("Threads", "Median ms", "Fastest ms", "Speed", "Bytes", "Peak memory MB"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        memory = row["peak_memory_bytes"]
        table.add_row(
            row["model"],
            str(row["threads"]),
            f"{row['median_ms']:.3f}",
            f"{row['fastest_ms']:.3f}",
            f"{row['speed']:.2f}x",
            f"{row['bytes']:,}",
            "unknown" if memory is None else f"{memory / 1e6:.1f}",
        )
    return table
