"""Equal, Greater, GreaterOrEqual, IsInf, IsNaN, Less, LessOrEqual."""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.broadcasting import align_by_unsqueeze, to_limited_broadcast
from zoosmith.opset_upgrade.building_blocks.integer_bounds import is_exact_in_double
from zoosmith.opset_upgrade.building_blocks.numbers import is_number
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)


_SMALL = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16)


_LARGE = (TensorProto.INT64, TensorProto.UINT64)


adapter("Equal", "Greater", "Less", source=1, target=7)(align_by_unsqueeze)
adapter("Equal", "Greater", "Less", source=7, target=1)(to_limited_broadcast)

type_fallback("GreaterOrEqual", "LessOrEqual")(cast_to_single)

type_fallback("IsInf")(cast_to_single)


@type_fallback("Equal")
def _equal(node: NodeProto, g: Writer) -> None:
    left, right = node.input
    kind = g.element_type(left)
    if kind in _FLOATS:
        different = g.op("Or", g.op("Less", left, right), g.op("Greater", left, right))
        # neither less nor greater: equal, or one of them is NaN
        numbers = g.op("And", is_number(g, left), is_number(g, right))
        g.op("And", g.op("Not", different), numbers, output=node.output[0])
    elif kind == TensorProto.BFLOAT16:
        _compare_as(node, g, TensorProto.FLOAT)
    elif kind == TensorProto.UINT64:
        high, low = zip(_halves(g, left), _halves(g, right), strict=True)
        as_ints = [[g.op("Cast", half, to=TensorProto.INT64) for half in pair] for pair in (high, low)]
        g.op("And", g.op("Equal", *as_ints[0]), g.op("Equal", *as_ints[1]), output=node.output[0])
    elif kind in _SMALL or kind == TensorProto.UINT32:
        _compare_as(node, g, TensorProto.INT64)
    else:
        g.refuse(f"{g.type_string(left)} cannot be compared there")


@type_fallback("Greater", "Less")
def _ordered(node: NodeProto, g: Writer) -> None:
    kind = g.element_type(node.input[0])
    if kind in _SMALL or kind == TensorProto.BFLOAT16:
        _compare_as(node, g, TensorProto.FLOAT)
    elif kind in (TensorProto.INT32, TensorProto.UINT32) or all(is_exact_in_double(g, name) for name in node.input):
        _compare_as(node, g, TensorProto.DOUBLE)
    elif kind in _LARGE:
        # half the bits each: these are exact in a double
        high, low = zip(*(_halves(g, name) for name in node.input), strict=True)
        highs, lows = ([g.op("Cast", half, to=TensorProto.DOUBLE) for half in pair] for pair in (high, low))
        turned = "Greater" if node.op_type == "Less" else "Less"
        same = g.op("Not", g.op("Or", g.op(node.op_type, *highs), g.op(turned, *highs)))
        by_low = g.op("And", same, g.op(node.op_type, *lows))
        g.op("Or", g.op(node.op_type, *highs), by_low, output=node.output[0])
    else:
        g.refuse(f"{g.type_string(node.input[0])} cannot be compared there")


@decomposition("GreaterOrEqual", "LessOrEqual")
def _or_equal(node: NodeProto, g: Writer) -> None:
    opposite, strict = ("Less", "Greater") if node.op_type == "GreaterOrEqual" else ("Greater", "Less")
    if g.element_type(node.input[0]) not in (*_FLOATS, TensorProto.BFLOAT16):
        g.op("Not", g.op(opposite, *node.input), output=node.output[0])
        return
    if g.target >= 11:  # whose Equal takes floating point
        g.op("Or", g.op(strict, *node.input), g.op("Equal", *node.input), output=node.output[0])
        return
    result = g.op("Not", g.op(opposite, *node.input))
    for name in node.input:  # of NaN nothing is true, not even the opposite
        value = g.value(name)
        if value is None or np.isnan(value).any():
            result = g.op("And", result, is_number(g, name))
    g.op("Identity", result, output=node.output[0])


@decomposition("IsNaN")
def _is_nan(node: NodeProto, g: Writer) -> None:
    g.op("Not", is_number(g, node.input[0]), output=node.output[0])


@decomposition("IsInf")
def _is_inf(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    found = []
    limit = float(np.finfo(helper.tensor_dtype_to_np_dtype(g.element_type(data))).max)
    if g.attribute("detect_positive"):
        found.append(g.op("Greater", data, g.scalar_like(data, limit)))
    if g.attribute("detect_negative"):
        found.append(g.op("Less", data, g.scalar_like(data, -limit)))
    if len(found) == 2:
        g.op("Or", *found, output=node.output[0])
    elif found:
        g.op("Identity", found[0], output=node.output[0])
    else:
        infinite = g.op("Greater", data, g.scalar_like(data, np.inf))  # nothing is
        g.op("Identity", infinite, output=node.output[0])


def _compare_as(node: NodeProto, g: Writer, kind: int) -> None:
    g.op(node.op_type, *(g.op("Cast", name, to=kind) for name in node.input), output=node.output[0])


def _halves(g: Writer, name: str) -> tuple[str, str]:
    # division rounds towards zero: both halves have the sign of the whole
    unit = g.scalar_like(name, 1 << 32)
    high = g.op("Div", name, unit)
    return high, g.op("Sub", name, g.op("Mul", high, unit))
