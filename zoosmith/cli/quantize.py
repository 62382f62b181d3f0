"""`zoosmith quantize`: an integer model from a float one."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH, Number, RuntimeTarget
from zoosmith.cli.options import (
    cache_option,
    follow_links_option,
    html_option,
    input_options,
    limit_options,
    output_option,
    prove_in_option,
    providers_option,
)
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from zoosmith.files.calibration import Calibration
    from zoosmith.files.quantization import Quantized
    from zoosmith.validation.inputs.source import InputSource
    from zoosmith.validation.runtimes.targets import Target as Runtime
    from zoosmith.validation.verification.proof import Limits

# what half precision has no use for
_INT8_OPTIONS = (
    *("method", "max_drop", "data", "labels", "min_cosine", "keep_float", "form"),
    *("symmetric", "signed", "reduce_range", "allow_contrib", "every_layer", "runtime"),
)


@click.command(cls=Command)
@click.argument("model", metavar="MODEL.onnx", type=PATH)
@output_option("The ONNX file to write.")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["int8", "float16", "bfloat16"]),
    default="int8",
    show_default=True,
    help="Integers; or half precision: values and weights in float16, or weights alone in bfloat16.",
)
@click.option(
    "--calibrate",
    "source",
    metavar="FOLDER|NPZ|synthetic|random",
    help="Images, arrays by input name with samples along axis 0 (several NPZ files in a folder: of several shapes), "
    "made-up pictures or sound of natural statistics, or noise.  [default: synthetic, where the model takes images or "
    "sound]",
)
@click.option(
    "--samples",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="How many of them to use; of made-up sound, for each number that chooses a branch.",
)
@click.option(
    "--method",
    type=click.Choice(["minmax", "percentile", "entropy"]),
    default="minmax",
    show_default=True,
    help="How ranges come from samples: what was seen, its 99.999 % part, the part that loses least information.",
)
@click.option(
    "--preprocess",
    metavar="NAME",
    help="For images: caffe-densenet, caffe, torchvision, tensorflow, unit, none, or auto: by the net's statistics."
    "  [default: caffe-densenet, or where that is far from what the model was trained on, the nearest]",
)
@click.option(
    "--max-drop",
    type=Number(0, 1),
    metavar="SHARE",
    help="Largest relative drop of top-1: 0.01 is 1 %. Layers stay in float until it is kept.",
)
@click.option(
    "--data",
    metavar="FOLDER",
    type=PATH,
    help="Labelled images to measure the drop on; not those to calibrate on.",
)
@click.option("--labels", metavar="FILE", type=PATH, help="Their labels, as for evaluate.")
@click.option(
    "--min-cosine",
    type=Number(0, 1),
    default=0.99,
    show_default=True,
    help="Smallest cosine between float and integer outputs on samples that are held out, its standard error "
    "taken off: layers stay in float until it is kept. Not with --data, where the drop counts.",
)
@click.option(
    "--keep-float",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Layers that stay in float in any case: those whose quantization costs the outputs most.",
)
@click.option(
    "--report",
    metavar="FILE",
    type=PATH,
    help="Write what --json prints: signal-to-noise ratio, range and clipped share of each layer, and its own cost.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["integer", "qdq"]),
    default="integer",
    show_default=True,
    help="Operators of integers, or float operators between DequantizeLinear and QuantizeLinear, as TensorRT, "
    "OpenVINO and QNN read them; with scales per output channel from opset 13 on.",
)
@click.option("--symmetric", is_flag=True, help="With --format qdq: zero points in the middle.")
@click.option("--int8-activations", "signed", is_flag=True, help="With --format qdq: int8 activations, not uint8.")
@click.option("--reduce-range", is_flag=True, help="With --format qdq: weights of 7 bits.")
@click.option(
    "--allow-contrib", is_flag=True, help="Use operators of com.microsoft where they are faster: products, GELU, LSTM."
)
@click.option("--every-layer", is_flag=True, help="Make layers integer even where float was measured faster.")
@click.option(
    "--for",
    "runtime",
    type=RuntimeTarget(),
    help="The oldest runtime that shall load the file, as in onnxruntime==1.32: opset and IR version follow, and "
    "faster kernels that it has are used.  [default: every ONNX Runtime from 1.6 on]",
)
@click.option("--force", is_flag=True, help="Go on with samples far from what the model was trained on.")
@cache_option
@input_options
@limit_options(
    rtol=None,
    atol=None,
    apart=True,
    timeout_help="For one run of a model, and for all of the verification; what takes longer is stopped.",
)
@prove_in_option(apart=True)
@follow_links_option("model")
@providers_option
@html_option
def quantize(
    terminal: Terminal,
    model: Path,
    output: Path,
    kind: str,
    source: str | None,
    samples: int,
    method: str,
    preprocess: str | None,
    max_drop: float | None,
    data: Path | None,
    labels: Path | None,
    min_cosine: float,
    keep_float: int,
    report: Path | None,
    form: str,
    symmetric: bool,
    signed: bool,
    reduce_range: bool,
    allow_contrib: bool,
    every_layer: bool,
    runtime: "Runtime | None",
    force: bool,
    cache: Path | None,
    inputs: "InputSource",
    limits: "Limits | None",
    prove_in: tuple[str, ...],
    timeout: float,
    providers: list[str] | None,
) -> int:
    """Write a float32 model in integers, or in half precision.

    By default weights become int8 and activations uint8. Convolutions, fully connected layers, per-channel affines,
    pooling, Relu and Concat become standard ONNX integer operators; what has no integer form stays in float. With
    --max-drop, layers whose errors cost more than their time stay in float, until the drop of top-1 on --data is inside
    the limit; --report says where the accuracy goes, layer by layer. Samples are held against the mean and variance
    that the model's BatchNormalizations state, and refused where they are far from them. With --atol or --rtol both
    models are run on samples that are held out, or on --feed, and compared; with --prove-in, the result in that runtime
    as well. Where a limit cannot be kept no model is written, exit code 1.

    With --to float16, what float16 cannot hold or would lose too much of stays in float32, as the samples show; with
    --to bfloat16, weights take half the space and are cast to float32 when the model is loaded. Both are verified on
    the samples, and keep the types of inputs and outputs.

    \b
    Example:
      zoosmith quantize densenet-12.onnx -o densenet-12-int8.onnx
      zoosmith quantize densenet-12.onnx -o densenet-12-int8.onnx --calibrate images/
      zoosmith quantize net.onnx -o net-int8.onnx --calibrate random --samples 20
      zoosmith quantize net.onnx -o net-fp16.onnx --to float16
      zoosmith quantize net.onnx -o net-int8.onnx --keep-float 2 --report layers.json
      zoosmith quantize net.onnx -o net-int8.onnx --for onnxruntime==1.32
      zoosmith quantize net.onnx -o net-qdq.onnx --format qdq --symmetric --int8-activations
      zoosmith quantize net.onnx -o net-int8.onnx --calibrate train/ --max-drop 0.01 --data val/ --preprocess caffe
    """
    from zoosmith.files.calibration import Calibration
    from zoosmith.files.quantization import Accuracy, quantize_file
    from zoosmith.quantize.target import Target
    from zoosmith.validation.reading.images import ImageFolder
    from zoosmith.validation.running.run_limit import runs_limited

    calibration = Calibration(source, samples, method, preprocess, force, timeout, cache)
    _refuse_report_in_vain(report, (model, output))
    if kind != "int8":
        _refuse_int8_options(kind)
        with runs_limited(timeout):
            return _halve(terminal, model, output, kind, calibration, report, inputs, limits, prove_in, providers)
    if max_drop is not None and data is None:
        raise click.UsageError("--max-drop needs --data, a folder of labelled images to measure on")
    if labels is not None and data is None:
        raise click.UsageError("--labels needs --data, the images that they are of")
    if form == "integer" and (symmetric or signed or reduce_range):
        raise click.UsageError("--symmetric, --int8-activations and --reduce-range need --format qdq")
    if form == "qdq" and allow_contrib:
        raise click.UsageError("--allow-contrib needs --format integer")
    if prove_in and limits is None:
        raise click.UsageError("--prove-in needs --atol or --rtol, how far the result may be from the original")
    if inputs.feed is not None and limits is None:
        raise click.UsageError("--feed needs --atol or --rtol, the limit to verify on it")
    images = None if data is None else ImageFolder(data, labels)
    with runs_limited(timeout):
        found = quantize_file(
            model,
            output,
            calibration,
            Accuracy(max_drop, images, min_cosine, keep_float, rank=report is not None),
            target=Target(form, symmetric, signed, reduce_range, allow_contrib, every_layer, runtime),
            inputs=inputs,
            limits=limits,
            providers=providers,
            progress=terminal.progress(),
        )
    result = {"model": str(model), **found.as_dict()}
    _write_report(report, result)
    terminal.result(result, *_line(found, data))
    if found.written.output is not None:
        return 0
    if found.written.proof is not None or found.written.invalid is not None:
        terminal.failure(f"{model}: the integer model {found.written.verified}; nothing written")
    else:
        drop, limit = found.drop or 0.0, found.max_drop
        terminal.failure(
            f"{model}: top-1 drops by {100 * drop:.2f} % at best, {100 * (drop - limit):.2f} % beyond "
            f"the limit of {100 * limit:g} %; nothing written"
        )
    return 1


def _refuse_int8_options(kind: str) -> None:
    """Raise UsageError where an option was given that half precision would leave without effect."""
    context = click.get_current_context()
    given = [
        max(option.opts, key=len)
        for option in context.command.params
        if option.name in _INT8_OPTIONS
        and context.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{', '.join(given)}: of --to int8 only; found --to {kind}")


def _halve(
    terminal: Terminal,
    model: Path,
    output: Path,
    kind: str,
    calibration: "Calibration",
    report: Path | None,
    inputs: "InputSource",
    limits: "Limits | None",
    prove_in: tuple[str, ...],
    providers: list[str] | None,
) -> int:
    from zoosmith.files.half_precision import halve_file

    found = halve_file(
        model,
        output,
        kind,
        calibration,
        inputs=inputs,
        limits=limits,
        prove_in=prove_in,
        providers=providers,
        progress=terminal.progress(),
    )
    result = {"model": str(model), **found.as_dict()}
    _write_report(report, result)
    written = found.written.output is not None
    terminal.result(result, *([f"{found.written.output}: {found}"] if written else []))
    if not written:
        terminal.failure(f"{model}: the model in {kind} {found.written.verified}; nothing written")
    return 0 if written else 1


def _refuse_report_in_vain(path: Path | None, models: Collection[Path]) -> None:
    """Raise ZoosmithError where a report cannot be written, or would take a model's place: before the model is made."""
    from zoosmith.onnx_model.errors import ZoosmithError

    if path is None:
        return
    if path.is_dir():
        raise ZoosmithError(f"{path}: is a folder; expected a file for --report")
    if path.resolve() in {model.resolve() for model in models}:
        raise ZoosmithError(f"{path}: is a model of this command; expected another file for --report")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ZoosmithError(f"{path}: {above} is a file; expected a folder for --report")


def _write_report(path: Path | None, result: dict[str, Any]) -> None:
    from zoosmith.onnx_model.files import write_atomic

    if path is not None:
        write_atomic(path, f"{json.dumps(result, indent=1, allow_nan=False)}\n".encode())


def _line(found: "Quantized", data: Path | None) -> list[str]:
    if found.written.output is None:
        return []
    kept = f", {counted(len(found.kept), 'layer')} kept in float" if found.kept else ""
    drop = "" if found.drop is None else f", top-1 drop {100 * found.drop:.2f} % on {data}"
    proof = "" if found.written.proof is None else f", {found.written.proof}"
    slow = [] if found.summary.slow is None else [f"{found.written.output}: {found.summary.slow}"]
    if found.drop is None and found.summary.cosine is not None and found.summary.cosine < found.min_cosine:
        slow.append(
            f"{found.written.output}: cosine {found.summary.cosine:.4f} is below {found.min_cosine:g}, and no layer in "
            "float brings it there: expect other outputs"
        )
    made_for = "" if found.target.runtime is None else f", for {found.target.runtime} and newer"
    first = f"{found.written.output}: {found.summary} on {found.compared_on}{kept}{drop}{proof}{made_for}"
    return [first, _judged(found), *slow]


def _judged(found: "Quantized") -> str:
    samples = f"calibrated on {counted(found.samples, 'sample')} of {found.calibrated_on}"
    if found.unreadable:
        samples += f" ({found.unreadable} that cannot be read left out)"
    if found.distance is None:
        noise = "; outputs on real data may be others" if found.calibrated_on == "random" else ""
        return f"{samples}, which cannot be judged: the model states no statistics of its training data{noise}"
    verdict = "far from the training data" if found.distance.far else "like the training data"
    return f"{samples}, {verdict}: {found.distance}"
