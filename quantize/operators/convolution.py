"""Operators with weights: Conv, Gemm and MatMul."""

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import (
    attribute,
    constant,
    has_float_constants,
    input_constant,
    is_standard,
    name_of,
    only_reader,
    sizes,
)
from zoosmith.quantize.integer_forms import integer_form
from zoosmith.quantize.writing.integer_writer import IntegerWriter


def _finite(*values: Array | None) -> bool:
    return all(value is None or (value.dtype == np.float32 and bool(np.isfinite(value).all())) for value in values)


def _weights_and_bias(node: ir.Node) -> tuple[Array, Array]:
    """Both in float64; a bias that is left out is 0."""
    weights, bias = input_constant(node, 1), input_constant(node, 2)
    assert weights is not None
    return weights.astype(np.float64), np.zeros(1) if bias is None else bias.astype(np.float64).reshape(-1)


def _is_convolution(node: ir.Node, _: int) -> bool:
    weights = input_constant(node, 1)
    known = weights is not None and has_float_constants(node) and constant(node.inputs[0]) is None
    return known and _finite(weights, input_constant(node, 2))


def is_product(node: ir.Node, _: int) -> bool:
    """Whether the node is a Gemm or MatMul by constant weights of rank 2."""
    weights = input_constant(node, 1)
    shape = sizes(node.inputs[0])
    return (
        weights is not None
        and weights.ndim == 2
        and constant(node.inputs[0]) is None
        and shape is not None
        and len(shape) >= 2
        and _finite(weights, input_constant(node, 2))
    )


def _is_product_of_rows(node: ir.Node, opset: int) -> bool:
    return is_product(node, opset) and not _is_row(node, opset)


@integer_form("Conv", accepts=_is_convolution, starts=True, per_channel=False)
def conv(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Conv: the same attributes on QLinearConv. Scales per input channel would coarsen the weights: it reads one."""
    source = node.inputs[0]
    assert source is not None
    weights, bias = _weights_and_bias(node)
    bias = np.broadcast_to(bias, (len(weights),))
    writer.convolution(source, output, node, weights, bias, node.attributes)


def _is_row(node: ir.Node, opset: int) -> bool:
    shape, bias = sizes(node.inputs[0]), input_constant(node, 2)
    return (
        is_product(node, opset)
        and shape is not None
        and len(shape) == 2
        and shape[0] == 1
        and not attribute(node, "transA", 0)
        and (len(node.inputs) == 2 or (bias is not None and bias.shape[:-1] in ((), (1,))))
    )


@integer_form("Gemm", "MatMul", accepts=_is_row, starts=True, per_channel=False)
def row(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Gemm or MatMul of one row: a 1 x 1 convolution of one position; QLinearMatMul would have no bias."""
    source = node.inputs[0]
    assert source is not None
    weights, (_, bias) = _columns(node).T, _weights_and_bias(node)
    bias = np.broadcast_to(bias, (len(weights),)) * float(np.float32(attribute(node, "beta", 1.0)))
    result = writer.new_value(f"{name_of(output)}_positions")
    image = _unflattened(writer, source)
    if image is None:
        image = writer.new_value(f"{name_of(source)}_positions")
        _reshape(writer, "Unsqueeze", writer.quantized[source], image)
    attributes = {"kernel_shape": (1, 1), "pads": (0, 0, 0, 0)}
    writer.convolution(source, output, node, weights[:, :, None, None], bias, attributes, read=image, into=result)
    _reshape(writer, "Squeeze", result, writer.announce(output))


def _unflattened(writer: IntegerWriter, source: ir.Value) -> ir.Value | None:
    """The uint8 image of one position that `source` is a Flatten of, which is dropped; None where there is none."""
    flatten = source.producer()
    image = flatten.inputs[0] if flatten is not None and is_standard(flatten, "Flatten") else None
    if image is None or (sizes(image) or ())[2:] != (1, 1) or only_reader(source) is None:
        return None
    if image not in writer.quantized or not writer.parameters[image].same_as(writer.parameters[source]):
        return None
    writer.drop(source)
    return writer.quantized[image]


def _reshape(writer: IntegerWriter, op_type: str, source: ir.Value, output: ir.Value) -> None:
    """Add or drop axes 2 and 3; from opset 13 on, the axes are an input."""
    if writer.opset < 13:
        writer.emit(op_type, [source], output, axes=[2, 3])
    else:
        writer.emit(op_type, [source, writer.constant("positions_axes", np.array([2, 3], np.int64))], output)


@integer_form("Gemm", "MatMul", accepts=_is_product_of_rows, starts=True, per_channel=False, gives_float=True)
def product(writer: IntegerWriter, node: ir.Node, output: ir.Value) -> None:
    """Gemm or MatMul of several rows: MatMulInteger, whose sums become float by a scale for each column."""
    source = node.inputs[0]
    assert source is not None
    given = writer.quantized[source]
    if attribute(node, "transA", 0):
        given = writer.emit("Transpose", [given], writer.new_value(f"{name_of(source)}_transposed"), perm=[1, 0])
    weights = _columns(node)
    real = writer.float_result(output)
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    beta = float(np.float32(attribute(node, "beta", 1.0)))
    plain = real if bias is None else writer.new_value(f"{name_of(output)}_product")
    known = None if bias is None else constant(bias)
    added = None if known is None else known * np.float32(beta)
    writer.product(source, given, plain, node, weights, added)
    if bias is None:
        return
    if added is not None and beta != 1:
        bias = writer.constant(f"{name_of(bias)}_scaled", added.astype(np.float32))
    elif beta != 1:
        factor = writer.constant(f"{name_of(bias)}_scale", np.array(beta, np.float32))
        bias = writer.emit("Mul", [bias, factor], writer.new_value(f"{name_of(bias)}_scaled"))
    writer.emit("Add", [plain, bias], real, node.name)


def _columns(node: ir.Node) -> Array:
    """The weights of a Gemm or MatMul as float64 (I, O)."""
    weights, _ = _weights_and_bias(node)
    weights = weights * float(np.float32(attribute(node, "alpha", 1.0)))
    return weights.T if attribute(node, "transB", 0) else weights
