"""`zoosmith bench`: latency, size and memory of models, side by side."""

import json
import sys
from functools import partial
from typing import Any

import click


def _parse_threads(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers like 1,2") from None
    if min(counts) < 1:
        raise click.BadParameter(f"{min(counts)} threads: expected at least 1")
    return list(dict.fromkeys(counts))


def _parse_dims(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, int]:
    dims = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        if not name or not size.isdecimal():
            raise click.BadParameter(f"{text!r} is not of the form NAME=SIZE, like batch=8")
        dims[name] = int(size)
    return dims


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--threads", default="1", callback=_parse_threads, show_default=True, help="Thread counts to measure: 1 or 1,2."
)
@click.option("--runs", type=click.IntRange(1), default=20, show_default=True, help="Rounds that count.")
@click.option("--warmup", type=click.IntRange(0), default=3, show_default=True, help="Rounds before them.")
@click.option(
    "--dim", "dims", multiple=True, callback=_parse_dims, metavar="NAME=SIZE", help="Size of a symbolic dimension."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def bench(
    models: tuple[str, ...], threads: list[int], runs: int, warmup: int, dims: dict[str, int], as_json: bool
) -> None:
    """Measure how fast models run in ONNX Runtime, against the first one.

    The models take turns within each round (A B A B ...), with random inputs, in one process; times are medians over
    the rounds, and the speed is the median of the first model's time over this one's in the same round. Memory is how
    far a fresh process grows at its peak by loading the model and running it.

    \b
    Example:
      zoosmith bench densenet-12.onnx densenet-12-int8.onnx --threads 1,2
    """
    from rich.console import Console
    from rich.progress import Progress

    from zoosmith.validation.latency import measure, stored_size
    from zoosmith.validation.memory import peak_memory

    rows: list[dict[str, Any]] = []
    sizes = [stored_size(model) for model in models]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for count in threads:
            task = progress.add_task(f"{count} thread{'s' if count > 1 else ''}", total=warmup + runs)
            on_round = partial(progress.advance, task)
            measured = measure(models, threads=count, runs=runs, warmup=warmup, dims=dims, on_round=on_round)
            for latency, size in zip(measured, sizes, strict=True):
                memory = peak_memory(latency.model, threads=count, dims=dims)
                rows.append({**latency.to_dict(), "bytes": size, "peak_memory_bytes": memory})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Model")
    for title in ("Threads", "Median ms", "Fastest ms", "Speed", "Bytes", "Peak memory MB"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        memory = row["peak_memory_bytes"]
        table.add_row(
            Text(row["model"], overflow="fold"),
            str(row["threads"]),
            f"{row['median_ms']:.3f}",
            f"{row['fastest_ms']:.3f}",
            f"{row['speed']:.2f}x",
            f"{row['bytes']:,}",
            "unknown" if memory is None else f"{memory / 1e6:.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)
