"""Operators that choose or move values without changing them: they work on uint8 as they are."""

import onnx_ir as ir

from zoosmith.optimize.values import attribute, constant, sizes
from zoosmith.quantize.integer_forms import integer_form
from zoosmith.quantize.operators.channelwise import is_image
from zoosmith.quantize.writing.integer_writer import IntegerWriter
from zoosmith.quantize.writing.quantization_parameters import concatenate


def _is_max_pool(node: ir.Node, opset: int) -> bool:
    # opset 12 is the first whose MaxPool takes uint8; its second output, the indices, would not change
    return opset >= 12 and len(node.outputs) == 1 and is_image(node, opset)


@integer_form("MaxPool", accepts=_is_max_pool, moves=True)
def max_pool(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """MaxPool: uint8 values grow with the real ones, so the greatest is the greatest."""
    _pass_on(writer, node, output)


def _is_channel_concat(node: ir.Node, _: int) -> bool:
    shape = sizes(node.outputs[0])
    if shape is None or len(shape) < 2 or attribute(node, "axis") not in (1, 1 - len(shape)):
        return False
    inputs = [sizes(value) for value in node.inputs if constant(value) is None]
    return len(inputs) == len(node.inputs) and all(
        found is not None and len(found) == len(shape) and found[1] is not None for found in inputs
    )


@integer_form("Concat", accepts=_is_channel_concat, moves=True, every_input=True)
def concat(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Concat of channels: each brings its scale and zero point along, unless the result was given one for all."""
    inputs = [value for value in node.inputs if value is not None]
    parts = [writer.parameters[value].spread((sizes(value) or (0, 0))[1] or 0) for value in inputs]
    writer.announce(output, None if output in writer.parameters else concatenate(parts))
    writer.move(node, inputs, output, {"axis": 1})


def _is_flatten(node: ir.Node, opset: int) -> bool:
    return attribute(node, "axis", 1) == 1 and is_image(node, opset)


@integer_form("Flatten", accepts=_is_flatten, moves=True)
def flatten(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Flatten of an image: each channel's positions keep its scale and zero point."""
    _pass_on(writer, node, output)


def _has_one_output(node: ir.Node, _: int) -> bool:
    return len(node.outputs) == 1 and constant(node.inputs[0]) is None


@integer_form(
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Identity",
    "Slice",
    accepts=_has_one_output,
    moves=True,
    per_channel=False,
)
def move(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Operators that only move values."""
    _pass_on(writer, node, output)


def _has_known_indices(node: ir.Node, opset: int) -> bool:
    return _has_one_output(node, opset) and constant(node.inputs[1]) is not None


@integer_form("Gather", accepts=_has_known_indices, moves=True, per_channel=False)
def gather(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Gather of what the model says; indices that are computed are those of a table mostly, which is a constant."""
    _pass_on(writer, node, output)


def _pass_on(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Write the same operator on the uint8 form of its first input."""
    source = node.inputs[0]
    assert source is not None
    writer.announce(output, writer.parameters[source])
    writer.move(node, [source], output, node.attributes)
