"""ConvInteger, MatMulInteger, QLinearConv, QLinearMatMul: integer sums are exact in doubles, rounding is to even."""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.quantized_sums import shift_and_clip, to_single
from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer


@decomposition("MatMulInteger")
def _mat_mul_integer(node: NodeProto, g: Writer) -> None:
    left = _centred(g, node.input[0], input_at(node, 2), rows=True)
    right = _centred(g, node.input[1], input_at(node, 3))
    g.op("Cast", g.op("MatMul", left, right), to=TensorProto.INT32, output=node.output[0])


@decomposition("QLinearMatMul")
@type_fallback("QLinearMatMul")
def _q_linear_mat_mul(node: NodeProto, g: Writer) -> None:
    left, left_scale, left_zero, right, right_scale, right_zero, scale, zero = node.input
    total = g.op("MatMul", _centred(g, left, left_zero, rows=True), _centred(g, right, right_zero))
    row = _column(g, to_single(g, left_scale))
    factor = g.op("Div", g.op("Mul", row, to_single(g, right_scale)), _column(g, to_single(g, scale)))
    _requantize(g, total, factor, _column(g, zero), node.output[0])


@decomposition("ConvInteger")
def _conv_integer(node: NodeProto, g: Writer) -> None:
    total = _exact_convolution(node, g, node.input[0], input_at(node, 2), node.input[1], input_at(node, 3))
    g.op("Cast", total, to=TensorProto.INT32, output=node.output[0])


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
    return g.op("Cast", g.op("Conv", left, single, **attributes), to=TensorProto.DOUBLE)


def _requantize(g: Writer, total: str, factor: str, zero: str, output: str) -> None:
    rescaled = g.op("Mul", g.op("Cast", total, to=TensorProto.FLOAT), factor)
    kind = g.element_type(zero)
    shift_and_clip(g, g.op("Round", rescaled, opset=11), to_single(g, zero), kind, output)


def _centred(g: Writer, data: str, zero: str, rows: bool = False) -> str:
    """Integers less their zero point, as double; a zero point of one axis is of the rows, else of the last axis."""
    wide = g.op("Cast", data, to=TensorProto.DOUBLE)
    if not zero:
        return str(wide)
    point = g.op("Cast", zero, to=TensorProto.DOUBLE)
    return g.op("Sub", wide, _column(g, point) if rows else point)


def _column(g: Writer, name: str) -> str:
    """One value for each row, if there is more than one."""
    shape = g.static_shape(name)
    return g.op("Reshape", name, g.constant([-1, 1])) if len(shape) == 1 and shape != (1,) else name
