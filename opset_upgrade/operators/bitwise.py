"""BitCast, BitShift, BitwiseAnd, BitwiseNot, BitwiseOr, BitwiseXor, in arithmetic that is exact in 64 bits."""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_HALF = 1 << 32
_ARITHMETIC_OF_INTEGERS = 6
"""Since this opset Add, Sub, Mul and Div take integers."""


@decomposition("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def _bitwise(node: NodeProto, g: Writer) -> None:
    dtype = _dtype(g, node.input[0])
    lanes = []
    for left, right in zip(*(_lanes(g, name, dtype) for name in node.input), strict=True):
        powers = g.constant([1 << bit for bit in range(min(32, dtype.itemsize * 8))])
        left_bits, right_bits = (_bits(g, lane, powers) for lane in (left, right))
        both = g.op("Mul", left_bits, right_bits)
        if node.op_type == "BitwiseAnd":
            bits = both
        else:
            taken = both if node.op_type == "BitwiseOr" else g.op("Mul", both, g.constant(2))
            bits = g.op("Sub", g.op("Add", left_bits, right_bits), taken)
        weighted = g.op("Mul", bits, powers)
        lanes.append(g.op("ReduceSum", weighted, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS))
    whole = lanes[0]
    if len(lanes) == 2:
        low, high = (g.op("Cast", lane, to=TensorProto.UINT64) for lane in lanes)
        whole = g.op("Add", low, g.op("Mul", high, g.constant(_HALF, dtype=np.uint64)))
    g.op("Cast", whole, to=g.element_type(node.input[0]), output=node.output[0])


@decomposition("BitwiseNot")
def _bitwise_not(node: NodeProto, g: Writer) -> None:
    dtype = _dtype(g, node.input[0])
    signed = np.dtype(np.int64), TensorProto.INT64
    wide, kind = signed if dtype == np.int64 else _computed_in(g, dtype)
    all_ones = np.iinfo(dtype).max if dtype.kind == "u" else -1
    turned = g.op("Sub", g.constant(all_ones, dtype=wide), g.op("Cast", node.input[0], to=kind))
    g.op("Cast", turned, to=g.element_type(node.input[0]), output=node.output[0])


@decomposition("BitShift")
@type_fallback("BitShift")
def _bit_shift(node: NodeProto, g: Writer) -> None:
    data, amount = node.input
    dtype = _dtype(g, data)
    _, kind = _computed_in(g, dtype)
    result_kind = g.element_type(data)
    left = g.attribute("direction") == "LEFT"
    steps = g.op("Cast", amount, to=TensorProto.DOUBLE)
    width = g.constant(dtype.itemsize * 8, dtype=np.float64)
    valid = g.op("And", g.op("Less", steps, width), g.op("Greater", steps, g.constant(-1, dtype=np.float64)))
    steps = g.op("Where", valid, steps, g.constant(0, dtype=np.float64))
    power = g.op("Cast", g.op("Pow", g.constant(2, dtype=np.float64), steps), to=kind)
    if left or dtype.kind == "u":
        value = g.op("Cast", data, to=kind)
        moved = g.op("Mul" if left else "Div", value, power)
        kept = g.op("Mul", moved, g.op("Cast", valid, to=kind))  # runtimes have no Where of unsigned numbers
        g.op("Cast", kept, to=result_kind, output=node.output[0])
        return
    signed = g.op("Cast", data, to=TensorProto.INT64)
    negative = g.op("Less", signed, g.constant(0))
    mirrored = g.op("Where", negative, g.op("Sub", g.constant(-1), signed), signed)
    moved = g.op("Div", g.op("Cast", mirrored, to=kind), power)
    moved = g.op("Cast", g.op("Mul", moved, g.op("Cast", valid, to=kind)), to=TensorProto.INT64)
    result = g.op("Where", negative, g.op("Sub", g.constant(-1), moved), moved)
    g.op("Cast", result, to=result_kind, output=node.output[0])


@adapter("BitShift", source=28, target=11)
def _bit_shift_28_to_11(node: NodeProto, g: Writer) -> None:
    dtype = _dtype(g, node.input[0])
    known = g.value(node.input[1])
    within = known is not None and (known < dtype.itemsize * 8).all()
    # before 28 a shift by all bits or more is not defined, nor is one of signed numbers
    if dtype.kind != "u" or not within:
        _bit_shift(node, g)


@decomposition("BitCast")
def _bit_cast(node: NodeProto, g: Writer) -> None:
    source, target = _dtype(g, node.input[0]), helper.tensor_dtype_to_np_dtype(g.attribute("to"))
    if source.kind not in "iub" or target.kind not in "iu":
        g.refuse(f"the bits of {source} cannot be read as {target} there")
    g.op("Cast", node.input[0], to=g.attribute("to"), output=node.output[0])


def _dtype(g: Writer, name: str) -> np.dtype:
    return np.dtype(helper.tensor_dtype_to_np_dtype(g.element_type(name)))


def _refuse_floats(g: Writer) -> None:
    if g.target < _ARITHMETIC_OF_INTEGERS:
        g.refuse("a floating point number, in which integers are computed there, does not hold all of 64 bits")


def _computed_in(g: Writer, dtype: np.dtype) -> tuple[np.dtype, int]:
    """The type in which numbers of `dtype` are shifted: products of those of 64 bits must wrap around."""
    if dtype.itemsize == 8:
        _refuse_floats(g)
        return np.dtype(np.uint64), TensorProto.UINT64
    return np.dtype(np.int64), TensorProto.INT64


def _lanes(g: Writer, name: str, dtype: np.dtype) -> list[str]:
    """The bits as non-negative int64 tensors of at most 32 bits each, the lowest first."""
    if dtype.itemsize == 8:
        _refuse_floats(g)
        whole = g.op("Cast", name, to=TensorProto.UINT64)
        half = g.constant(_HALF, dtype=np.uint64)
        high = g.op("Div", whole, half)
        low = g.op("Sub", whole, g.op("Mul", high, half))
        return [g.op("Cast", lane, to=TensorProto.INT64) for lane in (low, high)]
    wide = g.op("Cast", name, to=TensorProto.INT64)
    if dtype.kind == "u":
        return [wide]
    negative = g.op("Cast", g.op("Less", wide, g.constant(0)), to=TensorProto.INT64)
    return [g.op("Add", wide, g.op("Mul", negative, g.constant(1 << dtype.itemsize * 8)))]


def _bits(g: Writer, lane: str, powers: str) -> str:
    apart = g.op("Unsqueeze", lane, g.constant([g.rank(lane)]), opset=AXES_AS_INPUTS)
    shifted = g.op("Div", apart, powers)
    two = g.constant(2)
    return g.op("Sub", shifted, g.op("Mul", g.op("Div", shifted, two), two))
