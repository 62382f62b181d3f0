"""QuantizeLinear and DequantizeLinear."""

import numpy as np
from onnx import NodeProto

from opset_upgrade.nodes import drop_attribute, get_attribute, input_at, set_inputs
from opset_upgrade.registry import adapter
from opset_upgrade.writer import Writer


@adapter("QuantizeLinear DequantizeLinear", 13, 10)
def _one_scale(node: NodeProto, g: Writer) -> None:
    """Before 13 there is one scale for the whole tensor."""
    shape = g.shape(node.input[1])
    if shape is None or any(size != 1 for size in shape):
        g.refuse("a scale for each slice along an axis does not exist there")
    drop_attribute(node, "axis")


@adapter("QuantizeLinear", 19, 13)
def _saturate(node: NodeProto, g: Writer) -> None:
    """`saturate` is about 8-bit floats only, which the older version does not take."""
    drop_attribute(node, "saturate")


@adapter("QuantizeLinear", 21, 19)
def _no_blocks(node: NodeProto, g: Writer) -> None:
    if get_attribute(node, "block_size", 0):
        g.refuse("blocks do not exist there")
    drop_attribute(node, "block_size")
    wanted = get_attribute(node, "output_dtype", 0)
    drop_attribute(node, "output_dtype")
    if wanted and not input_at(node, 2):
        zero = g.scope.typed_constant(np.zeros(g.static_shape(node.input[1])), wanted)
        set_inputs(node, node.input[0], node.input[1], zero)


@adapter("QuantizeLinear", 23, 21)
def _precision(node: NodeProto, g: Writer) -> None:
    precision = get_attribute(node, "precision", 0)
    drop_attribute(node, "precision")
    if precision and precision != g.element_type(node.input[1]):
        g.refuse(f"precision={precision} does not exist there")


@adapter("DequantizeLinear", 23, 21)
def _output_type(node: NodeProto, g: Writer) -> None:
    wanted = get_attribute(node, "output_dtype", 0)
    drop_attribute(node, "output_dtype")
    if wanted and wanted != g.element_type(node.input[1]):
        result = node.output[0]
        node.output[0] = g.fresh("as_scale")
        g.keep()
        g.op("Cast", node.output[0], to=wanted, outputs=[result])
