"""`zoosmith bundle`: a model with test data, in the archive that the zoo publishes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import follow_links_option, input_options, output_option, providers_option, timeout_option
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from zoosmith.validation.inputs.source import InputSource


@click.command(cls=Command)
@click.argument("model", metavar="MODEL.onnx", type=PATH)
@output_option("The archive to write.", "OUT.tar.gz")
@click.option("--sets", type=click.IntRange(1), default=3, show_default=True, help="How many data sets.")
@input_options
@timeout_option(300)
@follow_links_option("model")
@providers_option
def bundle(
    terminal: Terminal,
    model: Path,
    output: Path,
    sets: int,
    inputs: "InputSource",
    timeout: float,
    providers: list[str] | None,
) -> None:
    """Pack a model with inputs and the outputs of a run on them.

    The archive holds model.onnx, test_data_set_N with onnx's .pb files and test_data_N.npz. Inputs are random unless
    --feed gives them. The same arguments give the same bytes of the tar inside; how that is compressed depends on the
    processor. Models that ONNX Runtime cannot run are run with onnx's reference evaluator.

    \b
    Example:
      zoosmith bundle squeezenet.onnx -o squeezenet.tar.gz --dim batch=2
    """
    from zoosmith.archives.bundles import bundle as pack

    made = pack(
        model, output, sets=sets, inputs=inputs, timeout=timeout, providers=providers, progress=terminal.progress()
    )
    size = output.stat().st_size if output.is_file() else None
    terminal.result(
        {"model": str(model), "output": str(output), "sets": made, "bytes": size},
        f"{output}: {counted(made, 'data set')}" + ("" if size is None else f", {size:,} bytes"),
    )
