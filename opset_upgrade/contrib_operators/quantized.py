"""QLinearAdd, QLinearMul, QLinearSigmoid, QLinearLeakyRelu, QLinearConcat, QLinearGlobalAveragePool,
QLinearAveragePool, QLinearSoftmax, QLinearConv, QGemm, NhwcMaxPool, DynamicQuantizeMatMul, MatMulIntegerToFloat,
QuantizeLinear, DequantizeLinear.

Where ONNX Runtime computes in integers, the standard form computes in floats between DequantizeLinear and
QuantizeLinear: a value that lies half way between two integers may be rounded to the other one.
"""

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.node_editing import find_attribute, input_at
from zoosmith.opset_upgrade.registry import standard_form
from zoosmith.opset_upgrade.writer import Writer

_ONE_STEP = "computed in floats, where ONNX Runtime computes in integers: values half way may differ by one step"
_WINDOW = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "strides")


@standard_form("QLinearAdd", "QLinearMul")
def _arithmetic(node: NodeProto, g: Writer) -> None:
    left, right = (_floats(node, g, place) for place in (0, 3))
    result = g.op(node.op_type.removeprefix("QLinear"), left, right)
    _quantize(node, g, result, 6)


@standard_form("QLinearSigmoid")
def _sigmoid(node: NodeProto, g: Writer) -> None:
    _quantize(node, g, g.op("Sigmoid", _floats(node, g, 0)), 3, exact=True)


@standard_form("QLinearLeakyRelu")
def _leaky_relu(node: NodeProto, g: Writer) -> None:
    _quantize(node, g, g.op("LeakyRelu", _floats(node, g, 0), alpha=g.attribute("alpha", 0.01)), 3, exact=True)


@standard_form("QLinearSoftmax")
def _softmax(node: NodeProto, g: Writer) -> None:
    """The softmax of the opset that the attribute names: before 13, over all axes from `axis` on."""
    old = g.attribute("opset") < 13
    axis = g.attribute("axis", 1 if old else -1)
    data = _floats(node, g, 0)
    _quantize(node, g, g.op("Softmax", data, axis=axis, opset=12 if old else None), 3)


@standard_form("QLinearConcat")
def _concat(node: NodeProto, g: Writer) -> None:
    """Inputs of the result's own scale and zero point are quantized back to what they were."""
    parts = [_floats(node, g, place) for place in range(2, len(node.input), 3)]
    joined = g.op("Concat", *parts, axis=g.attribute("axis"))
    g.op("QuantizeLinear", joined, *node.input[:2], output=node.output[0])


@standard_form("QLinearGlobalAveragePool")
def _global_average_pool(node: NodeProto, g: Writer) -> None:
    _between(node, g, "GlobalAveragePool", {})


@standard_form("QLinearAveragePool")
def _average_pool(node: NodeProto, g: Writer) -> None:
    _between(node, g, "AveragePool", _given(node, g, *_WINDOW, "count_include_pad"))


@standard_form("NhwcMaxPool")
def _max_pool(node: NodeProto, g: Writer) -> None:
    rank = len(g.attribute("kernel_shape")) + 2
    result = g.op("MaxPool", _channels_first(g, node.input[0], rank), **_given(node, g, *_WINDOW))
    g.op("Transpose", result, perm=[0, *range(2, rank), 1], output=node.output[0])


@standard_form("QLinearConv")
def _conv(node: NodeProto, g: Writer) -> None:
    attributes = _given(node, g, "auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    if not g.attribute("channels_last", 0):
        g.op("QLinearConv", *node.input, output=node.output[0], **attributes)
        return
    rank = g.rank(node.input[3])
    result = g.op("QLinearConv", _channels_first(g, node.input[0], rank), *node.input[1:], **attributes)
    g.op("Transpose", result, perm=[0, *range(2, rank), 1], output=node.output[0])


@standard_form("QGemm")
def _gemm(node: NodeProto, g: Writer) -> None:
    """The integer product and bias are exact; one scale takes them to floats."""
    left, left_scale, left_zero, right, right_scale, right_zero, bias, scale = (
        input_at(node, place) for place in range(8)
    )
    left, right = (
        g.op("Transpose", name, perm=[1, 0]) if g.attribute(flag, 0) else name
        for name, flag in ((left, "transA"), (right, "transB"))
    )
    total = g.op("MatMulInteger", left, right, left_zero, right_zero)
    if bias:
        total = g.op("Add", total, bias)
    factor = g.op("Mul", left_scale, right_scale)
    alpha = g.attribute("alpha", 1.0)
    if alpha != 1:
        factor = g.op("Mul", factor, g.constant(alpha, dtype=np.float32))
    single = g.op("Cast", total, to=TensorProto.FLOAT)
    result = g.op("Mul", single, factor, output="" if scale else node.output[0])
    if scale:
        _quantize(node, g, result, 7)


@standard_form("MatMulIntegerToFloat")
def _matmul_integer_to_float(node: NodeProto, g: Writer) -> None:
    left, right, left_scale, right_scale, left_zero, right_zero, bias = (input_at(node, k) for k in range(7))
    total = g.op("MatMulInteger", left, right, left_zero, right_zero)
    _scaled(node, g, total, g.op("Mul", left_scale, right_scale), bias)


@standard_form("DynamicQuantizeMatMul")
def _dynamic_quantize_matmul(node: NodeProto, g: Writer) -> None:
    data, weight, weight_scale, weight_zero, bias = (input_at(node, k) for k in range(5))
    quantized, scale, zero = (g.fresh(what) for what in ("quantized", "scale", "zero_point"))
    g.emit(helper.make_node("DynamicQuantizeLinear", [data], [quantized, scale, zero]))
    total = g.op("MatMulInteger", quantized, weight, zero, weight_zero)
    _scaled(node, g, total, g.op("Mul", scale, weight_scale), bias)


@standard_form("DequantizeLinear", "QuantizeLinear")
def _as_standard(node: NodeProto, g: Writer) -> None:
    """The standard operators of 21, which take integers of 16 and of 4 bits as well."""
    g.op(node.op_type, *node.input, output=node.output[0], axis=g.attribute("axis"))


def _scaled(node: NodeProto, g: Writer, total: str, factor: str, bias: str) -> None:
    kind = g.element_type(factor)
    result = g.op("Mul", g.op("Cast", total, to=kind), factor, output="" if bias else node.output[0])
    if bias:
        g.op("Add", result, bias, output=node.output[0])


def _between(node: NodeProto, g: Writer, operator: str, attributes: dict[str, Any]) -> None:
    """A pooling operator in floats, with the channels where the node has them."""
    data = _floats(node, g, 0)
    if not g.attribute("channels_last", 0):
        _quantize(node, g, g.op(operator, data, **attributes), 3)
        return
    rank = g.rank(node.input[0])
    pooled = g.op(operator, _channels_first(g, data, rank), **attributes)
    _quantize(node, g, g.op("Transpose", pooled, perm=[0, *range(2, rank), 1]), 3)


def _channels_first(g: Writer, name: str, rank: int) -> str:
    return g.op("Transpose", name, perm=[0, rank - 1, *range(1, rank - 1)])


def _floats(node: NodeProto, g: Writer, place: int) -> str:
    """The input at a place, with its scale and zero point after it, as floats; floats stay as they are."""
    data, scale, zero = (input_at(node, place + k) for k in range(3))
    return g.op("DequantizeLinear", data, scale, zero)


def _quantize(node: NodeProto, g: Writer, result: str, place: int, *, exact: bool = False) -> None:
    """Emit the node's output by the scale and the zero point at a place.

    `exact` states that ONNX Runtime computes in floats as well: it has a table of the function.
    """
    zero = input_at(node, place + 1)
    if not zero:
        # without one the result has the type of the first input
        zero = g.typed_constant(np.zeros(()), g.element_type(node.input[0]))
    g.op("QuantizeLinear", result, input_at(node, place), zero, output=node.output[0])
    if not exact:
        g.admit("approximate", _ONE_STEP)


def _given(node: NodeProto, g: Writer, *names: str) -> dict[str, Any]:
    return {name: g.attribute(name) for name in names if find_attribute(node, name) is not None}
