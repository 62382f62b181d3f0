"""Quantized operators by their definitions: integer sums are exact in double precision, rounding is to even."""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.nodes import get_attribute, input_at
from zoosmith.opset_upgrade.registry import decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_INTEGERS = (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16)


@type_fallback("QuantizeLinear")
@decomposition("QuantizeLinear")
def quantize_linear(node: NodeProto, g: Writer) -> None:
    """Express a QuantizeLinear to 8 or 16 bits, by axis or by blocks, in divisions and rounding."""
    data, scale, zero = node.input[0], node.input[1], input_at(node, 2)
    kind = g.element_type(node.output[0])
    if kind not in _INTEGERS or g.element_type(data) not in (TensorProto.FLOAT, TensorProto.INT32, *_HALVES):
        g.refuse(f"{g.type_string(data)} is not quantized to {g.type_string(node.output[0])} there")
    scale, zero = (name and _spread(node, g, _single(g, name)) for name in (scale, zero))
    rescaled = g.op("Div", _single(g, data), scale)
    _saturate(g, g.op("Round", rescaled, opset=11), zero, kind, node.output[0])


@type_fallback("DequantizeLinear")
@decomposition("DequantizeLinear")
def _dequantize_linear(node: NodeProto, g: Writer) -> None:
    data, scale, zero = node.input[0], node.input[1], input_at(node, 2)
    if g.element_type(data) not in (*_INTEGERS, TensorProto.INT32):
        g.refuse(f"{g.type_string(data)} does not exist there")
    value = g.op("Cast", data, to=TensorProto.DOUBLE)
    if zero:
        value = g.op("Sub", value, _spread(node, g, g.op("Cast", zero, to=TensorProto.DOUBLE)))
    result = g.op("Mul", g.op("Cast", value, to=TensorProto.FLOAT), _spread(node, g, _single(g, scale)))
    g.op("Cast", result, to=g.element_type(node.output[0]), outputs=node.output)


@decomposition("MatMulInteger")
def _mat_mul_integer(node: NodeProto, g: Writer) -> None:
    left = _centred(g, node.input[0], input_at(node, 2), rows=True)
    right = _centred(g, node.input[1], input_at(node, 3))
    g.op("Cast", g.op("MatMul", left, right), to=TensorProto.INT32, outputs=node.output)


@type_fallback("QLinearMatMul")
@decomposition("QLinearMatMul")
def _q_linear_mat_mul(node: NodeProto, g: Writer) -> None:
    left, left_scale, left_zero, right, right_scale, right_zero, scale, zero = node.input
    total = g.op("MatMul", _centred(g, left, left_zero, rows=True), _centred(g, right, right_zero))
    row = _column(g, _single(g, left_scale))
    factor = g.op("Div", g.op("Mul", row, _single(g, right_scale)), _column(g, _single(g, scale)))
    _requantize(g, total, factor, _column(g, zero), node.output[0])


@decomposition("ConvInteger")
def _conv_integer(node: NodeProto, g: Writer) -> None:
    total = _exact_convolution(node, g, node.input[0], input_at(node, 2), node.input[1], input_at(node, 3))
    g.op("Cast", total, to=TensorProto.INT32, outputs=node.output)


@decomposition("QLinearConv")
def _q_linear_conv(node: NodeProto, g: Writer) -> None:
    data, data_scale, data_zero, weight, weight_scale, weight_zero, scale, zero = node.input[:8]
    total = _exact_convolution(node, g, data, data_zero, weight, weight_zero)
    channels = g.constant([-1, *[1] * (g.rank(data) - 2)])
    if input_at(node, 8):
        bias = g.op("Reshape", g.op("Cast", node.input[8], to=TensorProto.DOUBLE), channels)
        total = g.op("Add", total, bias)
    factor = g.op("Div", g.op("Mul", data_scale, g.op("Reshape", weight_scale, channels)), scale)
    _requantize(g, total, factor, zero, node.output[0])


def _exact_convolution(node: NodeProto, g: Writer, data: str, zero: str, weight: str, weight_zero: str) -> str:
    """The sum of products as double; computed in single precision, where runtimes convolve, if that is exact."""
    shape = g.static_shape(weight)
    if int(np.prod(shape[1:])) * 255 * 255 >= 1 << 24:
        g.refuse("the sums of its products may be too large for single precision")
    left = g.op("Cast", _centred(g, data, zero), to=TensorProto.FLOAT)
    # channels last: their zero points are of the last axis, which every opset broadcasts alike
    last = [*range(1, len(shape)), 0]
    right = _centred(g, g.op("Transpose", weight, perm=last), weight_zero)
    right = g.op("Transpose", right, perm=[len(shape) - 1, *range(len(shape) - 1)])
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    single = g.op("Cast", right, to=TensorProto.FLOAT)
    return str(g.op("Cast", g.op("Conv", left, single, **attributes), to=TensorProto.DOUBLE))


def _requantize(g: Writer, total: str, factor: str, zero: str, output: str) -> None:
    rescaled = g.op("Mul", g.op("Cast", total, to=TensorProto.FLOAT), factor)
    kind = g.element_type(zero)
    _saturate(g, g.op("Round", rescaled, opset=11), _single(g, zero), kind, output)


def _saturate(g: Writer, rounded: str, zero: str, kind: int, output: str) -> None:
    bounds = np.iinfo(helper.tensor_dtype_to_np_dtype(kind))
    shifted = g.op("Add", rounded, zero) if zero else rounded
    lifted = g.op("Max", shifted, g.constant(bounds.min, dtype=np.float32))
    g.op("Cast", g.op("Min", lifted, g.constant(bounds.max, dtype=np.float32)), to=kind, outputs=[output])


def _centred(g: Writer, data: str, zero: str, rows: bool = False) -> str:
    """Integers less their zero point, as double; a zero point of one axis is of the rows, else of the last axis."""
    wide = g.op("Cast", data, to=TensorProto.DOUBLE)
    if not zero:
        return str(wide)
    point = g.op("Cast", zero, to=TensorProto.DOUBLE)
    return str(g.op("Sub", wide, _column(g, point) if rows else point))


def _column(g: Writer, name: str) -> str:
    """One value for each row, if there is more than one."""
    shape = g.static_shape(name)
    return str(g.op("Reshape", name, g.constant([-1, 1]))) if len(shape) == 1 and shape != (1,) else name


def _single(g: Writer, name: str) -> str:
    return name if g.element_type(name) == TensorProto.FLOAT else str(g.op("Cast", name, to=TensorProto.FLOAT))


def _spread(node: NodeProto, g: Writer, name: str) -> str:
    """A scale or zero point of the whole tensor, of an axis or of blocks, so that it broadcasts to the tensor."""
    shape = g.static_shape(name)
    if shape in ((), (1,)):
        return name
    rank = g.rank(node.input[0])
    axis = g.attribute("axis", 1) % rank
    block = get_attribute(node, "block_size", 0)
    if block:
        index = np.arange(g.static_shape(node.input[0])[axis]) // block
        return str(g.op("Gather", name, g.constant(index), axis=axis))
    return str(g.op("Reshape", name, g.constant([-1 if k == axis else 1 for k in range(rank)])))
