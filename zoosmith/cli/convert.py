"""`zoosmith convert`: a Caffe2 net to an ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import (
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
@click.argument("predict_net", type=PATH)
@click.argument("init_net", type=PATH, required=False)
@output_option("The ONNX file to write.")
@click.option("--opset", type=int, help="Opset of the file. Default: 9, or the lowest above that can express the net.")
@click.option(
    "--value-info",
    type=PATH,
    metavar="FILE",
    help="JSON file with ONNX element type and shape for each input, as Caffe2 zoos have.",
)
@click.option(
    "--names",
    type=click.Choice(["zoo", "caffe2"]),
    default="zoo",
    show_default=True,
    help="zoo: every name carries its version, as in the ONNX model zoo. caffe2: only names of rewritten blobs do.",
)
@click.option(
    "--output-blob",
    "outputs",
    multiple=True,
    metavar="BLOB",
    help="A blob that becomes an output, instead of the net's own. Repeatable.  [default: external outputs, or the "
    "results that nothing reads]",
)
@verify_option
@input_options
@limit_options()
@prove_in_option()
@providers_option
def convert(
    terminal: Terminal,
    predict_net: Path,
    init_net: Path | None,
    output: Path,
    opset: int | None,
    value_info: Path | None,
    names: str,
    outputs: tuple[str, ...],
    verify: bool,
    inputs: "InputSource",
    limits: "Limits",
    providers: list[str] | None,
) -> int:
    """Translate a Caffe2 or Caffe net and its parameters to ONNX.

    PREDICT_NET and INIT_NET are those of Caffe2. PREDICT_NET may also be a Caffe net (.prototxt), with its .caffemodel
    for INIT_NET, or what Caffe2's predictor exporter saves (minidb, MetaNetDef); INIT_NET also TensorProtos or a
    minidb. Files are told by content.

    --input gives the shape of each input of the net, float32 unless a type is named; a size may be a name, which stays
    symbolic in the file. Net and model run on the same inputs, with several sizes where they are symbolic, unless --dim
    gives them: where they differ, nothing is written and the exit code is 1.

    \b
    Example:
      zoosmith convert predict_net.pb init_net.pb -o net.onnx --input data=1,3,224,224
      zoosmith convert predict_net.pb init_net.pb -o net.onnx --input data=N,3,224,224 --input ids=int64:N
    """
    from zoosmith.files.conversion import convert_net, declared_inputs

    found = convert_net(
        predict_net,
        init_net,
        output,
        declared=declared_inputs(inputs.shapes, value_info),
        opset=opset,
        names=names,
        outputs=outputs or None,
        verify=verify,
        inputs=inputs,
        limits=limits,
        providers=providers,
        progress=terminal.progress(),
    )
    result = found.as_dict()
    if found.written.output is None:
        terminal.result({"net": str(predict_net), **result})
        terminal.failure(
            f"{predict_net}: the model of the net {found.written.verified}; nothing written (--no-verify does)"
        )
        return 1
    size = f"{counted(result['nodes'], 'node')}, opset {result['to']}, {result['bytes']:,} bytes"
    terminal.result({"net": str(predict_net), **result}, f"{output}: {size}, {found.written.verified}")
    return 0
