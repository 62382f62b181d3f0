"""`zoosmith opset`: an ONNX model at another opset."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.options import (
    PATH,
    input_options,
    limit_options,
    output_option,
    prove_in_option,
    providers_option,
    verify_option,
)
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from zoosmith.validation.inputs import InputSource
    from zoosmith.validation.verification import Limits


@click.command(cls=Command)
@click.argument("source", metavar="IN.onnx", type=PATH)
@output_option("The ONNX file to write.")
@click.option("--to", "target", required=True, type=int, help="The opset to convert to, newer or older.")
@click.option(
    "--engine",
    type=click.Choice(["native", "onnx"]),
    default="native",
    show_default=True,
    help="native: ours. onnx: the version converter of the onnx package.",
)
@verify_option
@input_options
@limit_options()
@prove_in_option
@providers_option
def opset(
    terminal: Terminal,
    source: Path,
    output: Path,
    target: int,
    engine: str,
    verify: bool,
    inputs: "InputSource",
    limits: "Limits",
    providers: list[str] | None,
) -> int:
    """Convert an ONNX model to another opset, up or down, and verify that it computes the same.

    What an older opset cannot express is refused with the name of every such node; nothing is written then. Tensors in
    files beside the model stay in them. Exit 1 where the converted model computes something else.

    \b
    Example:
      zoosmith opset densenet-9.onnx -o densenet-12.onnx --to 12
      zoosmith opset model.onnx -o older.onnx --to 11 --dim batch=2
      zoosmith opset model.onnx -o older.onnx --to 13 --prove-in onnxruntime==1.6.0
    """
    from zoosmith.conversion import change_opset

    found = change_opset(
        source,
        output,
        target,
        engine=engine,
        verify=verify,
        inputs=inputs,
        limits=limits,
        providers=providers,
        progress=terminal.progress(),
    )
    done = [f"{output}: opset {found.opset_before} -> {target}, {found.verified}"] if found.output else []
    terminal.result({"input": str(source), "engine": engine, **found.as_dict()}, *done)
    if found.output is None:
        terminal.failure(f"{source}: not converted: at opset {target} it {found.verified}")
        return 1
    return 0
