"""`zoosmith simplify`: the optimized float file of a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import (
    follow_links_option,
    html_option,
    input_options,
    limit_options,
    output_option,
    prove_in_option,
    providers_option,
    verify_option,
)
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from zoosmith.validation.inputs.source import InputSource
    from zoosmith.validation.verification.proof import Limits


@click.command(cls=Command)
@click.argument("model", metavar="MODEL.onnx", type=PATH)
@output_option("The ONNX file to write.")
@click.option("--cases", type=click.IntRange(1), default=3, show_default=True, help="Random inputs to compare on.")
@verify_option
@input_options
@limit_options(atol=1e-4)
@prove_in_option()
@follow_links_option("model")
@providers_option
@html_option
def simplify(
    terminal: Terminal,
    model: Path,
    output: Path,
    cases: int,
    verify: bool,
    inputs: "InputSource",
    limits: "Limits",
    providers: list[str] | None,
) -> int:
    """Write a model that computes the same with fewer nodes.

    Constants are folded and dead nodes dropped (onnx-simplifier); BatchNormalization and per-channel Mul and Add become
    part of the convolutions; average pooling moves before 1 x 1 convolutions. Inputs that have a default value in the
    file become constants. Both models run on the same inputs: where they differ, nothing is written and the exit code
    is 1.

    \b
    Example:
      zoosmith simplify densenet-12.onnx -o densenet-12-opt.onnx
    """
    from zoosmith.files.simplification import simplify_file

    found = simplify_file(
        model,
        output,
        verify=verify,
        inputs=inputs,
        cases=cases,
        limits=limits,
        providers=providers,
        progress=terminal.progress(),
    )
    written = found.written
    done = (
        [f"{output}: {counted(found.nodes, 'node')} of {found.nodes_before}, {written.verified}"]
        if written.output
        else []
    )
    terminal.result({"model": str(model), **found.as_dict()}, *done)
    if written.output is None:
        terminal.failure(f"{model}: the simplified model {written.verified}; nothing written")
        return 1
    return 0
