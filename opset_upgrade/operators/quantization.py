"""DequantizeLinear, DynamicQuantizeLinear, QuantizeLinear."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.quantized_sums import shift_and_clip, to_single
from zoosmith.opset_upgrade.building_blocks.type_casts import HALF_FLOATS
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_INTEGERS = (TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16)


@decomposition("DynamicQuantizeLinear")
def _dynamic_quantize_linear(node: NodeProto, g: Writer) -> None:
    """Emit the body of the schema, but scale 1 for data of zeros alone, as runtimes have it: 0 / 0 is no number."""
    data, zero = node.input[0], g.constant(0, dtype=np.float32)
    low = g.op("Min", g.op("ReduceMin", data, keepdims=0), zero)
    high = g.op("Max", g.op("ReduceMax", data, keepdims=0), zero)
    span, largest = g.op("Sub", high, low), g.constant(255, dtype=np.float32)
    flat = g.op("Cast", g.op("Not", g.op("Cast", span, to=TensorProto.BOOL)), to=TensorProto.FLOAT)
    scale = g.op("Add", g.op("Div", span, largest), flat, output=node.output[1])
    shift = g.op("Round", g.op("Sub", zero, g.op("Div", low, scale)), opset=11)
    shift = g.op("Clip", shift, zero, largest, opset=11)
    point = g.op("Cast", shift, to=TensorProto.UINT8, output=node.output[2])
    g.op("QuantizeLinear", data, scale, point, output=node.output[0], opset=10)


@decomposition("QuantizeLinear")
@type_fallback("QuantizeLinear")
def _quantize_linear(node: NodeProto, g: Writer) -> None:
    """Express a QuantizeLinear to 8 or 16 bits, by axis or by blocks, in divisions and rounding."""
    data, scale, zero = node.input[0], node.input[1], input_at(node, 2)
    kind = g.element_type(node.output[0])
    if kind not in _INTEGERS or g.element_type(data) not in (TensorProto.FLOAT, TensorProto.INT32, *HALF_FLOATS):
        g.refuse(f"{g.type_string(data)} is not quantized to {g.type_string(node.output[0])} there")
    scale, zero = (name and _spread(node, g, to_single(g, name)) for name in (scale, zero))
    rescaled = g.op("Div", to_single(g, data), scale)
    shift_and_clip(g, g.op("Round", rescaled, opset=11), zero, kind, node.output[0])


@decomposition("DequantizeLinear")
@type_fallback("DequantizeLinear")
def _dequantize_linear(node: NodeProto, g: Writer) -> None:
    data, scale, zero = node.input[0], node.input[1], input_at(node, 2)
    if g.element_type(data) not in (*_INTEGERS, TensorProto.INT32):
        g.refuse(f"{g.type_string(data)} does not exist there")
    value = g.op("Cast", data, to=TensorProto.DOUBLE)
    if zero:
        value = g.op("Sub", value, _spread(node, g, g.op("Cast", zero, to=TensorProto.DOUBLE)))
    result = g.op("Mul", g.op("Cast", value, to=TensorProto.FLOAT), _spread(node, g, to_single(g, scale)))
    g.op("Cast", result, to=g.element_type(node.output[0]), output=node.output[0])


@adapter("DequantizeLinear", "QuantizeLinear", source=13, target=10)
def _one_scale(node: NodeProto, g: Writer) -> None:
    """Before 13 there is one scale for the whole tensor."""
    shape, axis = g.shape(node.input[1]), g.attribute("axis")
    drop_attribute(node, "axis")
    if shape is None:
        g.refuse("the rank of its scale is not known, and a scale for each slice along an axis does not exist there")
    if len(shape) == 0 or shape == (1,):
        return
    rank = g.rank(node.input[0])
    column = [1] * rank
    if not -len(column) <= axis < len(column):
        g.refuse(f"its axis {axis} is none of a tensor of rank {len(column)}")
    column[axis] = -1
    scale = g.op("Reshape", node.input[1], g.constant(column))
    zero = input_at(node, 2) and g.op("Reshape", node.input[2], g.constant(column))
    (_quantize if node.op_type == "QuantizeLinear" else _dequantize)(node, g, scale, zero)


@adapter("QuantizeLinear", source=19, target=13)
def _drop_saturate(node: NodeProto, g: Writer) -> None:
    """`saturate` is about 8-bit floats only, which the older version does not take."""
    drop_attribute(node, "saturate")


@adapter("DequantizeLinear", source=21, target=19)
def _blocks_by_repetition(node: NodeProto, g: Writer) -> None:
    """Before 21 there are no blocks: give every element of the axis the scale of its block."""
    block, axis = get_attribute(node, "block_size", 0), g.attribute("axis")
    drop_attribute(node, "block_size")
    if not block:
        return
    size = g.static_shape(node.input[0])[axis]
    index = g.constant(counting(size, g) // block)
    scale, zero = (name and g.op("Gather", name, index, axis=axis) for name in (node.input[1], input_at(node, 2)))
    _dequantize(node, g, scale, zero)


@adapter("QuantizeLinear", source=21, target=19)
def _no_blocks(node: NodeProto, g: Writer) -> None:
    if get_attribute(node, "block_size", 0):
        _quantize_linear(node, g)
        return
    wanted = get_attribute(node, "output_dtype", 0)
    drop_attribute(node, "output_dtype")
    drop_attribute(node, "block_size")
    if wanted and not input_at(node, 2):
        zero = g.typed_constant(np.zeros(g.static_shape(node.input[1])), wanted)
        set_inputs(node, node.input[0], node.input[1], zero)


@adapter("DequantizeLinear", source=23, target=21)
def _output_type(node: NodeProto, g: Writer) -> None:
    wanted = get_attribute(node, "output_dtype", 0)
    drop_attribute(node, "output_dtype")
    if wanted and wanted != g.element_type(node.input[1]):
        result = node.output[0]
        node.output[0] = g.fresh("as_scale")
        g.keep()
        g.op("Cast", node.output[0], to=wanted, output=result)


@adapter("QuantizeLinear", source=23, target=21)
def _precision(node: NodeProto, g: Writer) -> None:
    precision = get_attribute(node, "precision", 0)
    drop_attribute(node, "precision")
    if precision and precision != g.element_type(node.input[1]):
        g.refuse(f"precision={precision} does not exist there")


def _dequantize(node: NodeProto, g: Writer, scale: str, zero: str) -> None:
    """DequantizeLinear by its definition, with a scale and a zero point that broadcast to the tensor.

    A node with a scale of one makes the integers numbers. As a float constant, of which it would be the same, weights
    are quantized anew by ONNX Runtime, with one scale for all channels; and it takes four times the space. Integers of
    32 bits are cast, since ONNX Runtime below 1.8 has that node for bytes only.
    """
    kind = g.element_type(node.input[1])
    points: list[str] = []
    if g.element_type(node.input[0]) == TensorProto.INT32:
        data = g.op("Cast", node.input[0], to=kind)
    else:
        shared = _one_value(g, zero)
        points = [g.typed_constant(shared, g.element_type(zero))] if shared is not None else []
        data = g.op("DequantizeLinear", node.input[0], g.typed_constant(np.array(1), kind), *points)
    if zero and not points:
        data = g.op("Sub", data, g.op("Cast", zero, to=kind))
    g.op("Mul", data, scale, output=node.output[0])


def _one_value(g: Writer, name: str) -> np.ndarray | None:
    """The number that all elements of a known zero point are, as a scalar; None where they differ or are computed."""
    value = g.value(name) if name else None
    if value is None or not value.size or (value != value.flat[0]).any():
        return None
    return np.asarray(value.flat[0])


def _quantize(node: NodeProto, g: Writer, scale: str, zero: str) -> None:
    """QuantizeLinear to 8-bit integers by its definition: the operator itself with a scale of one saturates."""
    kind = g.element_type(zero) if zero else TensorProto.UINT8
    if kind not in (TensorProto.UINT8, TensorProto.INT8) or g.opset < 11:
        g.refuse("a scale for each slice along an axis does not exist there")
    rounded = g.op("Round", g.op("Div", node.input[0], scale))
    if zero:
        rounded = g.op("Add", rounded, g.op("Cast", zero, to=TensorProto.FLOAT))
    low, high = (0.0, 255.0) if kind == TensorProto.UINT8 else (-128.0, 127.0)
    clipped = g.op("Clip", rounded, g.constant(low, np.float32), g.constant(high, np.float32))
    g.op("Cast", clipped, to=kind, output=node.output[0])


def _spread(node: NodeProto, g: Writer, name: str) -> str:
    """A scale or zero point of the whole tensor, of an axis or of blocks, so that it broadcasts to the tensor."""
    shape = g.static_shape(name)
    if shape in ((), (1,)):
        return name
    rank = g.rank(node.input[0])
    axis = g.attribute("axis", 1) % rank
    block = get_attribute(node, "block_size", 0)
    if block:
        index = counting(g.static_shape(node.input[0])[axis], g) // block
        return g.op("Gather", name, g.constant(index), axis=axis)
    return g.op("Reshape", name, g.constant([-1 if k == axis else 1 for k in range(rank)]))
