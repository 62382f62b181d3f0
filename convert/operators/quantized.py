"""Int8 tensors as uint8 values that remember scale and zero point, and QNNPACK's fixed-point rescaling in ONNX nodes.

QNNPACK (github.com/pytorch/QNNPACK), on which Caffe2 computes, rounds differently from QLinearConv and its kin: up to
one result in a thousand would differ by one. Float64 holds all its products exactly, so nodes in float64 give the same
integers.
"""

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number
from zoosmith.convert.operator import Operator

# Moves a half away from zero, so that rounding to even does what QNNPACK does, and nothing else over a rounding border.
_AWAY = 1.0 + 2.0**-50


class Quantization(NamedTuple):
    """Scale (a float32) and zero point: real = scale * (integer - zero_point)."""

    scale: np.float32
    zero_point: int


def quantization_of(op: Operator, x: Value) -> Quantization:
    """Scale and zero point of an int8 tensor; refuses the operator where the value is none."""
    if x.scale is None or x.zero_point is None:
        op.refuse(f"{x.name!r} is no int8 tensor of known scale: expected the output of an Int8 operator of this net")
    return Quantization(np.float32(x.scale), x.zero_point)


def output_quantization(op: Operator) -> Quantization:
    """The arguments `Y_scale` and `Y_zero_point`."""
    found = Quantization(np.float32(op.number("Y_scale", 1.0)), op.integer("Y_zero_point", 0))
    if not found.scale > 0 or not 0 <= found.zero_point <= 255:
        op.refuse(f"Y_scale={found.scale} and Y_zero_point={found.zero_point}: expected above 0, and 0 to 255")
    return found


def same_quantization(op: Operator, x: Value) -> Quantization:
    """Refuse an operator that moves integers but declares another scale, as Caffe2 does."""
    found = quantization_of(op, x)
    if output_quantization(op) != found:
        op.refuse(f"Y_scale and Y_zero_point differ from those of its input, {found.scale} and {found.zero_point}")
    return found


def mark(x: Value, quantization: Quantization) -> Value:
    """Let a uint8 value remember its scale and zero point."""
    x.scale, x.zero_point = float(quantization.scale), quantization.zero_point
    return x


def scale_and_zero_point(op: Operator, quantization: Quantization) -> tuple[Value, Value]:
    """Make the constants that QuantizeLinear and DequantizeLinear read."""
    return op.constant(np.array(quantization.scale)), op.constant(np.array(quantization.zero_point, np.uint8))


def quantize(op: Operator, x: Value, *, to: int | None = None) -> Value:
    """Write QuantizeLinear with the operator's own output scale."""
    quantization = output_quantization(op)
    return mark(op.emit("QuantizeLinear", x, *scale_and_zero_point(op, quantization), to=to), quantization)


def saturate(op: Operator, whole: Value, *, relu: bool, to: int | None = None) -> Value:
    """Add the output's zero point to whole float64 numbers, cut at zero first by a fused Relu, saturated to uint8."""
    quantization = output_quantization(op)
    steps = cast(op, whole, TensorProto.FLOAT)
    if relu:
        steps = op.emit("Relu", steps)
    unit = Quantization(np.float32(1), quantization.zero_point)
    return mark(op.emit("QuantizeLinear", steps, *scale_and_zero_point(op, unit), to=to), quantization)


def double(op: Operator, x: Value) -> Value:
    """Write a cast to float64."""
    return cast(op, x, TensorProto.DOUBLE)


def times(op: Operator, x: Value, factor: float) -> Value:
    """Multiply a float64 value by a constant."""
    return op.emit("Mul", x, number(op, factor, np.float64))


def divide_rounded(op: Operator, x: Value, exponent: int) -> Value:
    """Multiply whole float64 numbers by 2 ** `exponent`, rounded to whole numbers, halves away from zero."""
    op.require(11, "ONNX has had Round since then")
    # a factor of its own for the move away from zero would be one that ONNX Runtime takes for 1 and drops
    return op.emit("Round", times(op, x, 2.0**exponent * _AWAY)) if exponent else x


def multiply_twice_rounded(op: Operator, accumulators: Value, scale: np.float32) -> Value:
    """Multiply integers by a scale below 1 as QNNPACK's convolutions do: rounded to 31 bits, then to whole numbers."""
    mantissa, exponent = mantissa_exponent(scale)
    product = times(op, double(op, accumulators), mantissa * 2.0**-24)
    rounded = op.emit("Floor", op.emit("Add", product, number(op, 0.5, np.float64)))
    return divide_rounded(op, rounded, exponent + 24)


def mantissa_exponent(scale: np.float32) -> tuple[int, int]:
    """Split a positive float32 into a mantissa of 24 bits and a power of two."""
    fraction, exponent = np.frexp(scale)
    return int(fraction * 2**24), int(exponent) - 24
