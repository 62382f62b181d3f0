"""`zoosmith quantize`: an integer model from a float one."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


@click.command()
@click.argument("model", metavar="MODEL.onnx")
@click.option("-o", "--output", required=True, metavar="OUT.onnx", help="The ONNX file to write.")
@click.option(
    "--calibrate",
    "source",
    required=True,
    metavar="FOLDER|NPZ|synthetic|random",
    help="Images, arrays by input name with samples along axis 0, made-up pictures of natural statistics, or noise.",
)
@click.option("--samples", type=click.IntRange(1), default=200, show_default=True, help="How many of them to use.")
@click.option(
    "--method",
    type=click.Choice(["minmax", "percentile", "entropy"]),
    default="minmax",
    show_default=True,
    help="How ranges come from samples: what was seen, its 99.999 % part, the part that loses least information.",
)
@click.option(
    "--preprocess",
    default="caffe-densenet",
    show_default=True,
    metavar="NAME",
    help="For images: caffe-densenet, caffe, torchvision, tensorflow or none.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Largest relative drop of top-1: 0.01 is 1 %. Layers stay in float until it is kept.",
)
@click.option("--data", metavar="FOLDER", help="Labelled images to measure the drop on; not those to calibrate on.")
@click.option("--labels", metavar="FILE", help="Their labels, as for evaluate.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def quantize(
    model: str,
    output: str,
    source: str,
    samples: int,
    method: str,
    preprocess: str,
    max_drop: float | None,
    data: str | None,
    labels: str | None,
    as_json: bool,
) -> int:
    """Turn a float32 model into one of int8 weights and uint8 activations.

    Convolutions, fully connected layers, per-channel affines, pooling, Relu and Concat become standard ONNX integer
    operators; what has no integer form stays in float. With --max-drop, the layers that cost most stay in float, as few
    as keep the drop of top-1 on --data inside the limit; where that is impossible nothing is written, exit code 1.

    \b
    Example:
      zoosmith quantize densenet-12.onnx -o densenet-12-int8.onnx --calibrate images/
      zoosmith quantize net.onnx -o net-int8.onnx --calibrate random --samples 20
      zoosmith quantize net.onnx -o net-int8.onnx --calibrate train/ --max-drop 0.01 --data val/ --preprocess caffe
    """
    import json

    import onnx
    from rich.console import Console

    from zoosmith.onnx_model.loading import load_model
    from zoosmith.onnx_model.saving import save_model
    from zoosmith.quantize import QuantizeError, quantize_within
    from zoosmith.quantize.report import summarize
    from zoosmith.quantize.samples import read_samples
    from zoosmith.validation import ImageFolder, preprocessing
    from zoosmith.validation.accuracy import evaluate

    if max_drop is not None and data is None:
        raise click.UsageError("--max-drop needs --data, a folder of labelled images to measure on")
    console = Console(stderr=True)

    def skip(path: Path, reason: str) -> None:
        console.print(f"skipped: {path}: {reason}", markup=False, highlight=False, soft_wrap=True)

    original = load_model(model)
    to_array = preprocessing(preprocess)
    calibration = read_samples(original, source, samples, to_array, on_broken=skip)
    folder = ImageFolder(data, labels) if data is not None else None

    def top1(candidate: "onnx.ModelProto") -> float:
        assert folder is not None
        return evaluate([candidate], folder, to_array).accuracies[0].top1.value

    exact = top1(original) if folder is not None else 0.0

    def drop_of(candidate: "onnx.ModelProto") -> float:
        return (exact - top1(candidate)) / exact if folder is not None and exact else 0.0

    limit = 1.0 if max_drop is None else max_drop
    try:
        with _progress(console) as progress:
            result = quantize_within(original, calibration, drop_of, limit, method=method, progress=progress)
    except QuantizeError as error:
        raise QuantizeError(f"{model}: {error}") from error
    summary = summarize(original, result.model, calibration)
    drop = result.drop if folder is not None else None
    figures = {
        "model": model,
        "output": output if result.met else None,
        "samples": len(calibration),
        **summary.to_dict(),
        "kept_in_float": list(result.kept),
        "relative_top1_drop": drop,
    }
    if result.met:
        save_model(result.model, output)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    elif result.met:
        measured = "" if drop is None else f", top-1 drop {100 * drop:.2f} % on {data}"
        kept = f", {len(result.kept)} layers kept in float" if result.kept else ""
        click.echo(f"{output}: {summary}{kept}{measured}")
    if not result.met:
        click.echo(
            f"{model}: top-1 drops by {100 * result.drop:.2f} % at best, {100 * (result.drop - limit):.2f} % beyond "
            f"the limit of {100 * limit:g} %; nothing written",
            err=True,
        )
    return 0 if result.met else 1


@contextmanager
def _progress(console: "Console") -> "Iterator[Callable[[str, int, int], None]]":
    """A bar for each stage, told of its name, what is done and what there is to do."""
    from rich.progress import Progress, TaskID

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage)
            bar.update(tasks[stage], completed=done, total=total)

        yield advance
