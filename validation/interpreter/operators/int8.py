"""Int8 operators: uint8 blobs with a scale and a zero point, laid out NHWC, with Caffe2's very integers."""

import math

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.fixed_point import (
    mantissa_exponent,
    multiply_once_rounded,
    multiply_twice_rounded,
    shift_half_away,
)
from zoosmith.validation.interpreter.operators.convolution import convolve, transposed
from zoosmith.validation.interpreter.operators.pooling import over_windows
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import QuantizedTensor
from zoosmith.validation.interpreter.windows import (
    channels_first,
    channels_last,
    explicit_pads,
    pad_spatial,
    spatial,
    windows,
)

_REFUSE_EMPTY_RANGE = {"Int8AddRelu", "Int8SumRelu"}
_CLAMPED = {"Int8ConvRelu", "Int8MaxPoolRelu", "Int8AveragePoolRelu", "Int8Relu", *_REFUSE_EMPTY_RANGE}


def output_quantization(op: Operator) -> tuple[float, int]:
    """The arguments `Y_scale` and `Y_zero_point`."""
    return float(np.float32(op.number("Y_scale", 1.0))), op.integer("Y_zero_point", 0)


def same_quantization(op: Operator, x: QuantizedTensor) -> None:
    """Refuse an operator that moves integers but declares another scale, as Caffe2 does."""
    if output_quantization(op) != (x.scale, x.zero_point):
        scale, zero_point = output_quantization(op)
        raise op.error(
            f"has Y_scale {scale} and Y_zero_point {zero_point}, expected those of its input, "
            f"{x.scale} and {x.zero_point}"
        )


def quantized(op: Operator, values: np.ndarray) -> QuantizedTensor:
    """The operator's output: integers, saturated to uint8 (for a fused Relu from the zero point up)."""
    scale, zero_point = output_quantization(op)
    lowest = min(max(zero_point, 0), 255) if op.type in _CLAMPED else 0
    if lowest == 255 and op.type in _REFUSE_EMPTY_RANGE:
        raise op.error("Y_zero_point 255 leaves no integer above zero")
    return QuantizedTensor(np.clip(values, lowest, 255).astype(np.uint8), scale, zero_point)


def _centred(x: QuantizedTensor) -> np.ndarray:
    return x.values.astype(np.float64) - x.zero_point


def _require_nhwc(op: Operator, x: QuantizedTensor) -> None:
    if not op.channels_last or x.values.ndim != 4:
        raise op.error(f"works on NHWC images only (order is {op.order}, input {x.values.shape})")


@operator("Int8GivenTensorFill")
def int8_given_tensor(op: Operator) -> QuantizedTensor:
    """uint8 `values`, given as the bytes of a string, of the given `shape`."""
    values = np.frombuffer(op.arguments["values"].s, np.uint8) if op.has("values") else np.zeros(0, np.uint8)
    return QuantizedTensor(_shaped(op, values), *output_quantization(op))


@operator("Int8GivenIntTensorFill")
def int8_given_int_tensor(op: Operator) -> QuantizedTensor:
    """int32 `values` (a bias) of the given `shape`."""
    values = np.array(op.integers("values"), np.int64).astype(np.int32)
    return QuantizedTensor(_shaped(op, values), *output_quantization(op))


def _shaped(op: Operator, values: np.ndarray) -> np.ndarray:
    shape = op.integers("shape")
    if values.size != math.prod(shape):
        raise op.error(f"has {values.size} values for the shape {shape}")
    return values.reshape(shape)


@operator("Int8Quantize")
def int8_quantize(op: Operator, x: np.ndarray) -> QuantizedTensor:
    """round(x / scale) + zero point, halves to even, saturated."""
    scale, zero_point = output_quantization(op)
    steps = np.rint(x.astype(np.float32) / np.float32(scale)).astype(np.float64)
    # A value beyond int32 becomes its minimum on x86, where the reference runs.
    steps = np.where(np.abs(steps) < 2.0**31, steps, -(2.0**31))
    return quantized(op, steps + zero_point)


@operator("Int8Dequantize")
def int8_dequantize(op: Operator, x: QuantizedTensor) -> np.ndarray:
    """(x - zero point) * scale, rounded to float32 as everybody does."""
    return (_centred(x).astype(np.float32) * np.float32(x.scale)).astype(np.float64)


def _requantized(
    op: Operator, accumulators: np.ndarray, x: QuantizedTensor, weights: QuantizedTensor
) -> QuantizedTensor:
    scale = np.float32(x.scale) * np.float32(weights.scale) / np.float32(output_quantization(op)[0])
    if not 2.0**-32 <= scale < 1:
        raise op.error(f"scale of input times scale of weights over Y_scale is {scale}, expected 2**-32 up to below 1")
    return quantized(op, multiply_twice_rounded(accumulators, scale) + op.integer("Y_zero_point", 0))


@operator("Int8FC")
def int8_fc(op: Operator, x: QuantizedTensor, weights: QuantizedTensor, bias: QuantizedTensor) -> QuantizedTensor:
    """x (M, …) flattened to (M, K), weights (N, K), int32 bias (N): (M, N)."""
    rows = _centred(x).reshape(x.values.shape[0], -1)
    return _requantized(op, rows @ _centred(weights).T + bias.values, x, weights)


@operator("Int8Conv", "Int8ConvRelu")
def int8_conv(op: Operator, x: QuantizedTensor, weights: QuantizedTensor, bias: QuantizedTensor) -> QuantizedTensor:
    """x (N, H, W, C), weights (M, kh, kw, C / group), int32 bias (M)."""
    _require_nhwc(op, x)
    image, filters = channels_first(_centred(x)), channels_first(_centred(weights))
    group = op.integer("group", 1)
    if image.shape[1] != filters.shape[1] * group or filters.shape[0] % group:
        raise op.error(f"weights {weights.values.shape} in {group} groups do not fit the image {x.values.shape}")
    window = windows(op, image.shape[2:])
    if window.kernel != filters.shape[2:]:
        raise op.error(f"kernel {window.kernel} does not fit the weights {weights.values.shape}")
    accumulators = channels_last(convolve(image, filters, window, group)) + bias.values
    return _requantized(op, accumulators, x, weights)


@operator("Int8ConvTranspose")
def int8_conv_transpose(
    op: Operator, x: QuantizedTensor, weights: QuantizedTensor, bias: QuantizedTensor
) -> QuantizedTensor:
    """x (N, H, W, C), weights (C, kh, kw, M), int32 bias (M); one group, no dilation."""
    _require_nhwc(op, x)
    kernel = weights.values.shape[1:3]
    stride, adjust = spatial(op, "stride", 2, 1), spatial(op, "adj", 2, 0)
    if spatial(op, "kernel", 2, 0) != kernel:
        raise op.error(f"kernel {spatial(op, 'kernel', 2, 0)} does not fit the weights {weights.values.shape}")
    begin, end = explicit_pads(op, 2)
    full = transposed(channels_first(_centred(x)), channels_first(_centred(weights)), stride, adjust, 1)
    full = pad_spatial(full, tuple(-b for b in begin), tuple(-e for e in end))
    return _requantized(op, channels_last(full) + bias.values, x, weights)


@operator("Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu")
def int8_add(op: Operator, a: QuantizedTensor, b: QuantizedTensor) -> QuantizedTensor:
    """The sum of two blobs of one shape and two scales."""
    if a.values.shape != b.values.shape:
        raise op.error(f"its inputs {a.values.shape} and {b.values.shape} must have one shape")
    scale, zero_point = output_quantization(op)
    ratios = [np.float32(x.scale) / np.float32(scale) for x in (a, b)]
    if not all(2.0**-14 <= ratio < 2.0**8 for ratio in ratios):
        raise op.error(f"scales {a.scale} and {b.scale} over Y_scale {scale} are outside of 2**-14 to 2**8")
    # Both factors get the exponent that gives the larger one 22 bits.
    shift = -2 - mantissa_exponent(max(ratios))[1]
    factors = [int(np.rint(ratio * np.float32(2.0**shift))) for ratio in ratios]
    total = sum(factor * (x.values.astype(np.int64) - x.zero_point) for factor, x in zip(factors, (a, b), strict=True))
    return quantized(op, shift_half_away(np.asarray(total), shift) + zero_point)


@operator("Int8AveragePool", "Int8AveragePoolRelu")
def int8_average_pool(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """The mean over the whole kernel; padding counts as real zeros."""
    _require_nhwc(op, x)
    image = channels_first(_centred(x))
    window = windows(op, image.shape[2:])
    size = math.prod(window.kernel)
    scale, zero_point = output_quantization(op)
    if not 2.0**-8 <= np.float32(x.scale) / np.float32(scale) < 2.0**8:
        raise op.error(f"scale of input {x.scale} over Y_scale {scale} is outside of 2**-8 to 2**8")
    if size == 1 and window.kernel != image.shape[2:]:
        raise op.error("a window of one element is refused")
    total = channels_last(over_windows(image, window, 0.0, np.add))
    factor = np.float32(x.scale) / (np.float32(scale) * np.float32(size))
    return quantized(op, multiply_once_rounded(total, factor) + zero_point)


@operator("Int8MaxPool", "Int8MaxPoolRelu")
def int8_max_pool(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """The largest integer in each window."""
    _require_nhwc(op, x)
    same_quantization(op, x)
    image = channels_first(x.values)
    window = windows(op, image.shape[2:])
    if math.prod(window.kernel) == 1:
        raise op.error("a window of one element is refused")
    return quantized(op, channels_last(over_windows(image, window, 0, np.maximum)))


@operator("Int8Relu")
def int8_relu(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """The zero point where the integer is below it."""
    same_quantization(op, x)
    return quantized(op, x.values)


@operator("Int8LeakyRelu")
def int8_leaky_relu(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """alpha * x below zero (alpha 0.01 by default), by a table over all 256 integers."""
    alpha = np.float32(op.number("alpha", 0.01))
    if not 0 < alpha < 1:
        raise op.error(f"alpha is {alpha}, expected above 0 and below 1")
    scale, zero_point = output_quantization(op)
    ratio = np.float32(x.scale) / np.float32(scale)
    if not 2.0**-8 <= ratio < 2.0**8:
        raise op.error(f"scale of input {x.scale} over Y_scale {scale} is outside of 2**-8 to 2**8")
    real = ratio * (np.arange(256) - x.zero_point).astype(np.float32)
    table = np.rint(np.where(real < 0, real * alpha, real)) + zero_point
    return quantized(op, table[x.values])


@operator("Int8Sigmoid")
def int8_sigmoid(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """1 / (1 + exp(-x)) in steps of 1/256, by a table over all 256 integers."""
    _require_probability_scale(op)
    real = (np.float32(x.scale) * (np.arange(256) - x.zero_point).astype(np.float32)).astype(np.float64)
    table = np.rint(np.float32(256) / (np.float32(1) + np.exp(-real).astype(np.float32)))
    return quantized(op, table[x.values])


@operator("Int8Softmax")
def int8_softmax(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """Softmax of each (N, …) row in steps of 1/256, in integers (an `axis` has no effect)."""
    _require_probability_scale(op)
    rows = x.values.reshape(x.values.shape[0], -1).astype(np.int64)
    largest = min(0xFFFFFFFF / rows.shape[1], 8388607.0)
    table = np.rint(largest * np.exp((np.arange(256) - 255) * float(np.float32(x.scale)))).astype(np.int64)
    exponentials = table[rows + 255 - rows.max(axis=1, keepdims=True)]
    total = exponentials.sum(axis=1, keepdims=True)
    return quantized(op, ((exponentials * 256 + total // 2) // total).reshape(x.values.shape))


def _require_probability_scale(op: Operator) -> None:
    if output_quantization(op) != (1 / 256, 0):
        raise op.error(f"has {output_quantization(op)} as Y_scale and Y_zero_point, only 1/256 and 0 are possible")
