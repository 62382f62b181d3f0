"""Operators that are worth it only between integer ones: the float operator in QDQ form, one of uint8 at run time.

ONNX Runtime replaces the operator and its DequantizeLinear and QuantizeLinear by one of its own. Measured with it on
200,704 elements between two convolutions (one thread, VNNI): a Sigmoid and Mul (SiLU) cost 84 microseconds so, 186 as
float operators in QDQ form; HardSigmoid and Mul (HardSwish) 66 and 139.
"""

import onnx_ir as ir

from zoosmith.optimize.values import constant, sizes
from zoosmith.quantize.integer_forms import integer_form
from zoosmith.quantize.operators.channelwise import is_image, is_plain_pool
from zoosmith.quantize.writing.integer_writer import IntegerWriter


def _joins(node: ir.Node, _: int) -> bool:
    left, right = (sizes(value) for value in node.inputs)
    return (
        left is not None
        and right is not None
        and len(left) == len(right) >= 3
        and all(constant(value) is None for value in node.inputs)
    )


@integer_form("Add", "Mul", accepts=_joins, per_channel=False, every_input=True, between=True)
def join(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """A residual's Add, a gate's Mul."""
    writer.in_qdq_form(node, output)


def _has_rank(node: ir.Node, _: int) -> bool:
    shape = sizes(node.inputs[0])
    return shape is not None and len(shape) >= 3


@integer_form("Sigmoid", accepts=_has_rank, per_channel=False, between=True, lowest=0.0, highest=1.0)
def sigmoid(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Sigmoid, a table at run time."""
    writer.in_qdq_form(node, output)


@integer_form("LeakyRelu", accepts=_has_rank, per_channel=False, between=True)
def leaky_relu(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """LeakyRelu, a table at run time."""
    writer.in_qdq_form(node, output)


def _is_padded_pool(node: ir.Node, opset: int) -> bool:
    return is_image(node, opset) and not is_plain_pool(node, opset)


@integer_form("AveragePool", accepts=_is_padded_pool, per_channel=False, between=True)
def padded_average_pool(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """AveragePool with padding, which not every position sees the same number of values of."""
    writer.in_qdq_form(node, output)


@integer_form("GlobalAveragePool", accepts=is_image, per_channel=False, between=True)
def global_average_pool(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """GlobalAveragePool; a convolution as large as the image would read weights of its size (14 and 4 microseconds)."""
    writer.in_qdq_form(node, output)
