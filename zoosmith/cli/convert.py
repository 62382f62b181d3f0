"""`zoosmith convert`: a Caffe2 net to an ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import onnx

    from zoosmith.convert.translation import InputInfo

# where ONNX's own name differs from numpy's
_NUMPY_NAMES = {"": "FLOAT", "float32": "FLOAT", "float64": "DOUBLE"}


@click.command()
@click.argument("predict_net", type=click.Path(exists=True, dir_okay=False))
@click.argument("init_net", type=click.Path(exists=True, dir_okay=False), required=False)
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The ONNX file to write.")
@click.option("--opset", type=int, help="Opset of the file. Default: 9, or the lowest above that can express the net.")
@click.option(
    "--input",
    "declared",
    multiple=True,
    metavar="BLOB=SHAPE",
    help="Shape of a float32 input, or BLOB=TYPE:SHAPE for another type; a size may be a name. Repeatable.",
)
@click.option(
    "--value-info",
    type=click.Path(exists=True, dir_okay=False),
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
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Run the model and the source net on random inputs and compare them, before anything is written.",
)
def convert(
    predict_net: str,
    init_net: str | None,
    output: str,
    opset: int | None,
    declared: tuple[str, ...],
    value_info: str | None,
    names: str,
    verify: bool,
) -> None:
    """Translate the Caffe2 net PREDICT_NET with the parameters of INIT_NET to ONNX.

    \b
    Example:
      zoosmith convert predict_net.pb init_net.pb -o net.onnx --input data=1,3,224,224
      zoosmith convert predict_net.pb init_net.pb -o net.onnx --input data=N,3,224,224 --input ids=int64:N
    """
    from zoosmith.convert import caffe2_to_onnx
    from zoosmith.onnx_model.saving import save_model

    inputs = read_inputs(declared, value_info)
    model = caffe2_to_onnx(predict_net, init_net, inputs=inputs, opset=opset, names=names)
    checked = _verified(predict_net, init_net, model, names) if verify else "not verified"
    save_model(model, output)
    opset_made, size = model.opset_import[0].version, Path(output).stat().st_size
    click.echo(f"{output}: {len(model.graph.node)} nodes, opset {opset_made}, {size:,} bytes, {checked}")


def _verified(predict_net: str, init_net: str | None, model: "onnx.ModelProto", names: str) -> str:
    """Compare the model with its net; gives what to say of it, and ends the command with 1 where they differ."""
    from rich.console import Console

    from zoosmith.conversion import verify_conversion
    from zoosmith.validation import ValidationError

    try:
        with Console(stderr=True).status("Comparing with the source net"):
            comparison = verify_conversion(predict_net, init_net, model, names=names)
    except ValidationError as error:
        return f"not verified ({error})"
    if not comparison.passed:
        click.echo(
            f"the model and its net differ, nothing is written (--no-verify does): {comparison.reason}", err=True
        )
        raise SystemExit(1)
    return f"verified, {comparison}"


def read_inputs(declared: tuple[str, ...], value_info: str | None) -> "InputInfo":
    """Read the declared inputs of a net, from the command line over those of a file. Raises ZoosmithError."""
    import json

    from onnx import TensorProto

    from zoosmith.onnx_model.errors import ZoosmithError

    inputs: dict[str, tuple[int, list[int | str]]] = {}
    if value_info is not None:
        try:
            with open(value_info, encoding="utf-8") as file:
                found = json.load(file)
            for blob, (elem_type, shape) in found.items():
                TensorProto.DataType.Name(elem_type)
                inputs[blob] = (elem_type, [size if isinstance(size, str) else int(size) for size in shape])
        except (AttributeError, TypeError, ValueError) as error:
            raise ZoosmithError(
                f'{value_info}: expected JSON like {{"data": [1, [1, 3, 224, 224]]}}: {error}'
            ) from error
    for text in declared:
        blob, _, description = text.rpartition("=")
        kind, _, sizes = description.rpartition(":")
        try:
            elem_type = TensorProto.DataType.Value(_NUMPY_NAMES.get(kind, kind.upper()))
            shape = [_size(size) for size in sizes.split(",") if size]
        except ValueError as error:
            raise ZoosmithError(f"--input {text}: expected BLOB=1,3,224,224 or BLOB=TYPE:SHAPE: {error}") from error
        if not blob:
            raise ZoosmithError(f"--input {text}: expected BLOB=SHAPE, as in data=1,3,224,224")
        inputs[blob] = (elem_type, shape)
    return inputs


def _size(text: str) -> int | str:
    text = text.strip()
    if text.lstrip("-").isdigit():
        if int(text) < 0:
            raise ValueError(f"size {text} is negative")
        return int(text)
    if not text.isidentifier():
        raise ValueError(f"size {text!r} is neither a number nor a name")
    return text
