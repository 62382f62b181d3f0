"""Operators with weights: Conv, Gemm and MatMul."""

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import attribute, constant, has_float_constants, input_constant, name_of, sizes
from zoosmith.quantize.integer_forms import integer_form
from zoosmith.quantize.integer_writer import IntegerWriter


def _has_float_weights(node: ir.Node) -> bool:
    return (
        constant(node.inputs[0]) is None
        and input_constant(node, 1) is not None
        and has_float_constants(node)
        and all(np.isfinite(value).all() for value in map(constant, node.inputs[1:]) if value is not None)
    )


def _weights_and_bias(node: ir.Node) -> tuple[Array, Array]:
    """Both in float64; a bias that is left out is 0."""
    weights, bias = input_constant(node, 1), input_constant(node, 2)
    assert weights is not None
    return weights.astype(np.float64), np.zeros(1) if bias is None else bias.astype(np.float64).reshape(-1)


def _is_convolution(node: ir.Node, _: int) -> bool:
    return _has_float_weights(node)


@integer_form("Conv", accepts=_is_convolution, starts=True, per_channel=False)
def conv(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Conv: the same attributes on QLinearConv. Scales per input channel would coarsen the weights: it reads one."""
    source = node.inputs[0]
    assert source is not None
    weights, bias = _weights_and_bias(node)
    bias = np.broadcast_to(bias, (len(weights),))
    writer.convolution(source, output, node, weights, bias, node.attributes)


def _is_dense(node: ir.Node, _: int) -> bool:
    shape = sizes(node.inputs[0])
    weights, bias = input_constant(node, 1), input_constant(node, 2)
    return (
        _has_float_weights(node)
        and shape is not None
        and len(shape) == 2
        and weights is not None
        and weights.ndim == 2
        and not attribute(node, "transA", 0)
        and (bias is None or bias.shape[:-1] in ((), (1,)))
    )


@integer_form("Gemm", "MatMul", accepts=_is_dense, starts=True, per_channel=False)
def dense(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Gemm, or MatMul of a matrix: a 1 x 1 convolution of one position; QLinearMatMul would have no bias."""
    source = node.inputs[0]
    assert source is not None
    weights, bias = _weights_and_bias(node)
    weights = weights * float(np.float32(attribute(node, "alpha", 1.0)))
    weights = weights if attribute(node, "transB", 0) else weights.T
    bias = np.broadcast_to(bias, (len(weights),)) * float(np.float32(attribute(node, "beta", 1.0)))
    result = writer.new_value(f"{name_of(output)}_positions")
    image = writer.new_value(f"{name_of(source)}_positions")
    _reshape(writer, "Unsqueeze", writer.quantized[source], image)
    attributes = {"kernel_shape": (1, 1), "pads": (0, 0, 0, 0)}
    writer.convolution(source, output, node, weights[:, :, None, None], bias, attributes, read=image, into=result)
    _reshape(writer, "Squeeze", result, writer.announce(output))


def _reshape(writer: IntegerWriter, op_type: str, source: ir.Value, output: ir.Value) -> None:
    """Add or drop axes 2 and 3; from opset 13 on, the axes are an input."""
    if writer.opset < 13:
        writer.emit(op_type, [source], output, axes=[2, 3])
    else:
        writer.emit(op_type, [source, writer.constant("positions_axes", np.array([2, 3], np.int64))], output)
