"""Int8 operators that compute. Images are NHWC, weights (M, kh, kw, C)."""

from math import prod

import numpy as np
from onnx import TensorProto

from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, reduce, reshape
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.quantized import (
    Quantization,
    divide_rounded,
    double,
    mantissa_exponent,
    mark,
    multiply_twice_rounded,
    output_quantization,
    quantization_of,
    quantize,
    same_quantization,
    saturate,
    scale_and_zero_point,
    times,
)
from zoosmith.convert.operators.windows import Window, read_window, resolve_padding
from zoosmith.convert.registry import translator

_TO_FRONT, _TO_BACK = [0, 3, 1, 2], [0, 2, 3, 1]


@translator("Int8GivenTensorFill", "Int8GivenIntTensorFill", since=10, inputs=0)
def int8_fill(op: Operator) -> None:
    """A constant of uint8 (the bytes of a string) or int32."""
    shape = tuple(op.integers("shape"))
    if op.type == "Int8GivenTensorFill":
        argument = op.argument("values")
        values = np.frombuffer(argument.s if argument else b"", np.uint8)
    else:
        values = np.array(op.integers("values"), np.int64).astype(np.int32)
    if values.size != prod(shape):
        op.refuse(f"it has {values.size} values for shape {list(shape)}")
    zero_point = op.integer("Y_zero_point", 0)
    if op.type == "Int8GivenTensorFill" and not 0 <= zero_point <= 255:
        op.refuse(f"Y_zero_point={zero_point}: expected 0 to 255")
    constant = op.graph.constant(op.output_name(0), Tensor.of(values.reshape(shape)))
    op.bind(0, mark(constant, Quantization(np.float32(op.number("Y_scale", 1.0)), zero_point)))


@translator("Int8Quantize", since=10, inputs=(1, 2))
def int8_quantize(op: Operator) -> None:
    """QuantizeLinear."""
    if len(op.inputs) > 1:
        op.refuse("its scale is computed by the net (a second input), expected Y_scale and Y_zero_point")
    quantize(op, op.inputs[0], to=0)


@translator("Int8Dequantize", since=10)
def int8_dequantize(op: Operator) -> None:
    """DequantizeLinear."""
    (x,) = op.inputs
    op.emit("DequantizeLinear", x, *scale_and_zero_point(op, quantization_of(op, x)), to=0)


def _operands(op: Operator) -> tuple[Value, Value, Value, np.ndarray]:
    """Input, weight, bias, and the weight's content."""
    if len(op.inputs) != 3:
        op.refuse(f"it has {len(op.inputs)} inputs, expected input, weight and bias")
    x, weight, bias = op.inputs
    return x, weight, bias, op.constant_of(weight, "the weight")


def _zero_points(op: Operator, *values: Value) -> list[Value]:
    return [number(op, quantization_of(op, value).zero_point, np.uint8) for value in values]


def _rescale(op: Operator, accumulators: Value, x: Value, weight: Value) -> None:
    """From int32 products to the output's integers."""
    output = output_quantization(op).scale
    scale = quantization_of(op, x).scale * quantization_of(op, weight).scale / output
    if not 2.0**-32 <= scale < 1:
        op.refuse(f"the scale of its input times its weight's over Y_scale is {scale}: expected 2**-32 to below 1")
    whole = multiply_twice_rounded(op, accumulators, scale)
    saturate(op, whole, relu=op.type.endswith("Relu"), to=0)


@translator("Int8FC", since=10, inputs=(3, 4))
def int8_fc(op: Operator) -> None:
    """MatMulInteger of the flattened input, bias and rescaling."""
    x, weight, bias, content = _operands(op)
    if op.rank(x) != 2:
        rows = op.emit("Flatten", x, axis=1) if op.rank(x) > 1 else op.emit("Reshape", x, op.int64s(-1, 1))
    else:
        rows = x
    op.expect_shape(weight, [None, op.shape(rows)[1]], "the weight")
    op.expect_shape(bias, [content.shape[0]], "the bias")
    products = op.emit("MatMulInteger", rows, op.constant(content.T), *_zero_points(op, x, weight))
    _rescale(op, op.emit("Add", products, bias), x, weight)


def _image_window(op: Operator, x: Value) -> Window:
    """The window over an NHWC image, legacy paddings resolved."""
    if not op.channels_last:
        op.refuse("argument order is not NHWC, which Caffe2's int8 operators refuse")
    if op.rank(x) != 4:
        op.refuse(f"its input has {op.rank(x)} dimensions, expected 4")
    window = read_window(op)
    if not window.kernel:
        op.refuse("it has no kernel")
    if window.legacy_pad:
        height, width, _ = op.sizes_from(x, 1)
        resolve_padding(op, window, (height, width))
    return window


def _check_room(op: Operator, x: Value, window: Window) -> None:
    """Refuse a window that is larger than its padded NHWC image."""
    for axis, size in enumerate(op.shape(x)[1:3]):
        room = size + window.pads[axis] + window.pads[axis + 2] if isinstance(size, int) else None
        if room is not None and room < (window.kernel[axis] - 1) * window.dilations[axis] + 1:
            op.refuse(f"its kernel {window.kernel} is larger than its padded input {list(op.shape(x))}")


@translator("Int8Conv", "Int8ConvRelu", since=10, inputs=(2, 3))
def int8_conv(op: Operator) -> None:
    """ConvInteger, bias and rescaling."""
    x, weight, bias, content = _operands(op)
    window = _image_window(op, x)
    _check_room(op, x, window)
    group = op.integer("group", 1)
    channels = op.shape(x)[3]
    weight_channels = channels // group if isinstance(channels, int) else None
    op.expect_shape(weight, [None, *window.kernel, weight_channels], "the weight")
    op.expect_shape(bias, [content.shape[0]], "the bias")
    products = op.emit(
        "ConvInteger",
        op.emit("Transpose", x, perm=_TO_FRONT),
        op.constant(content.transpose(_TO_FRONT)),
        *_zero_points(op, x, weight),
        kernel_shape=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        group=group,
    )
    _rescale(op, op.emit("Add", op.emit("Transpose", products, perm=_TO_BACK), bias), x, weight)


@translator("Int8ConvTranspose", since=10, inputs=(2, 3))
def int8_conv_transpose(op: Operator) -> None:
    """ConvInteger, with the flipped kernel, over the image with `stride` - 1 zeros between its pixels."""
    x, weight, bias, content = _operands(op)
    window = _image_window(op, x)
    adjust = _adjustment(op)
    op.expect_shape(weight, [op.shape(x)[3], *window.kernel, None], "the weight")
    op.expect_shape(bias, [content.shape[3]], "the bias")
    reach = [size - 1 for size in window.kernel] * 2
    pads = [most - pad + more for most, pad, more in zip(reach, window.pads, [0, 0, *adjust], strict=True)]
    if min(pads) < 0:
        op.refuse(f"pads {window.pads} reach over the kernel {window.kernel}")
    for axis, size in enumerate(op.shape(x)[1:3]):
        lost = window.pads[axis] + window.pads[axis + 2]
        if isinstance(size, int) and (size - 1) * window.strides[axis] + window.kernel[axis] + adjust[axis] <= lost:
            op.refuse(f"pads {window.pads} leave nothing of its output")
    products = op.emit(
        "ConvInteger",
        _spread(op, op.emit("Transpose", x, perm=_TO_FRONT), window.strides, content.shape[0], quantization_of(op, x)),
        op.constant(content.transpose(3, 0, 1, 2)[:, :, ::-1, ::-1]),
        *_zero_points(op, x, weight),
        kernel_shape=window.kernel,
        pads=pads,
    )
    _rescale(op, op.emit("Add", op.emit("Transpose", products, perm=_TO_BACK), bias), x, weight)


def _adjustment(op: Operator) -> list[int]:
    if op.has("adj"):
        return [op.integer("adj")] * 2
    if op.has("adj_h") and op.has("adj_w"):
        return [op.integer("adj_h"), op.integer("adj_w")]
    return op.integers("adjs") or [0, 0]


def _spread(op: Operator, x: Value, strides: list[int], channels: int, quantization: Quantization) -> Value:
    """Put zeros between the pixels of a uint8 image (N, C, H, W)."""
    if strides == [1, 1]:
        return x
    zero = number(op, quantization.zero_point)
    pixels = op.emit("Sub", cast(op, x, TensorProto.FLOAT), zero)
    ones = op.constant(np.ones((channels, 1, 1, 1), np.float32))
    spread = op.emit("ConvTranspose", pixels, ones, group=channels, strides=strides, kernel_shape=[1, 1])
    return cast(op, op.emit("Add", spread, zero), TensorProto.UINT8)


@translator("Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu", since=11, inputs=2)
def int8_add(op: Operator) -> None:
    """Both inputs times whole factors, added, and divided by a power of two."""
    output = output_quantization(op)
    relu = op.type.endswith("Relu")
    if relu and output.zero_point == 255:
        op.refuse("Y_zero_point=255 leaves no integer above zero, which Caffe2 refuses")
    ratios = [quantization_of(op, x).scale / output.scale for x in op.inputs]
    if not all(2.0**-14 <= ratio < 2.0**8 for ratio in ratios):
        op.refuse("the scales of its inputs over Y_scale: expected 2**-14 to below 2**8")
    op.expect_shape(op.inputs[1], op.shape(op.inputs[0]), "the second input")
    # both factors have the exponent that gives the larger one 22 bits
    shift = -2 - mantissa_exponent(max(ratios))[1]
    factors = [float(np.rint(ratio * np.float32(2.0**shift))) for ratio in ratios]
    terms = [times(op, double(op, x), factor) for x, factor in zip(op.inputs, factors, strict=True)]
    zero = sum(factor * quantization_of(op, x).zero_point for x, factor in zip(op.inputs, factors, strict=True))
    total = op.emit("Sub", op.emit("Add", *terms), number(op, zero, np.float64))
    saturate(op, divide_rounded(op, total, -shift), relu=relu, to=0)


@translator("Int8AveragePool", "Int8AveragePoolRelu", since=11)
def int8_average_pool(op: Operator) -> None:
    """A sum over the whole kernel, in which padding counts as real zeros, and a division."""
    (x,) = op.inputs
    source, output = quantization_of(op, x), output_quantization(op)
    if not 2.0**-8 <= source.scale / output.scale < 2.0**8:
        op.refuse("the scale of its input over Y_scale: expected 2**-8 to below 2**8")
    total, count = _window_sum(op, x, source)
    mantissa, exponent = mantissa_exponent(source.scale / (output.scale * np.float32(count)))
    mean = divide_rounded(op, times(op, double(op, total), mantissa), exponent)
    saturate(op, mean, relu=op.type.endswith("Relu"), to=0)


def _window_sum(op: Operator, x: Value, source: Quantization) -> tuple[Value, int]:
    """The int32 sum of real steps in each window, and the window's size."""
    if op.flag("global_pooling"):
        if not op.channels_last:
            op.refuse("argument order is not NHWC, which Caffe2's int8 operators refuse")
        if any(op.has(name) and op.integer(name) != plain for name, plain in (("pad", 0), ("stride", 1))):
            op.refuse("argument global_pooling=1 together with a stride or a padding")
        height, width, _ = op.sizes_from(x, 1)
        steps = op.emit("Sub", cast(op, x, TensorProto.INT32), number(op, source.zero_point, np.int32))
        return reduce(op, "ReduceSum", steps, [1, 2], keepdims=True), height * width
    window = _image_window(op, x)
    if any(dilation != 1 for dilation in window.dilations):
        op.refuse(f"argument dilation={window.dilations}, which Caffe2's pools refuse")
    _check_pool(op, x, window)
    count = prod(window.kernel)
    (channels,) = op.sizes_from(x, 3)
    total = op.emit(
        "ConvInteger",
        op.emit("Transpose", x, perm=_TO_FRONT),
        op.constant(np.ones((channels, 1, *window.kernel), np.uint8)),
        *_zero_points(op, x),
        kernel_shape=window.kernel,
        strides=window.strides,
        pads=window.pads,
        group=channels,
    )
    return op.emit("Transpose", total, perm=_TO_BACK), count


def _check_pool(op: Operator, x: Value, window: Window) -> None:
    _check_room(op, x, window)
    if prod(window.kernel) == 1:
        op.refuse("a window of one element, which Caffe2's int8 pools refuse")
    if any(pad >= size for pad, size in zip(window.pads, window.kernel * 2, strict=True)):
        op.refuse(f"pads {window.pads} reach over the kernel {window.kernel}")


@translator("Int8MaxPool", "Int8MaxPoolRelu", since=10)
def int8_max_pool(op: Operator) -> None:
    """MaxPool of the integers; a fused Relu keeps at least the zero point."""
    (x,) = op.inputs
    quantization = same_quantization(op, x)
    image = cast(op, op.emit("Transpose", x, perm=_TO_FRONT), TensorProto.FLOAT)
    if op.flag("global_pooling"):
        pooled = op.emit("GlobalMaxPool", image)
    else:
        window = _image_window(op, x)
        _check_pool(op, x, window)
        pooled = op.emit("MaxPool", image, kernel_shape=window.kernel, strides=window.strides, pads=window.pads)
    if op.type.endswith("Relu"):
        pooled = op.emit("Max", pooled, number(op, quantization.zero_point))
    integers = cast(op, pooled, TensorProto.UINT8)
    mark(op.emit("Transpose", integers, perm=_TO_BACK, to=0), quantization)


@translator("Int8Relu", since=10)
def int8_relu(op: Operator) -> None:
    """Relu between DequantizeLinear and QuantizeLinear of one scale."""
    (x,) = op.inputs
    same_quantization(op, x)
    real = op.emit("DequantizeLinear", x, *scale_and_zero_point(op, quantization_of(op, x)))
    quantize(op, op.emit("Relu", real), to=0)


def _look_up(op: Operator, x: Value, table: np.ndarray) -> None:
    """Write a Gather from a table over all 256 integers."""
    output = output_quantization(op)
    integers = np.clip(table, 0, 255).astype(np.uint8)
    mark(op.emit("Gather", op.constant(integers), cast(op, x, TensorProto.INT32), to=0), output)


@translator("Int8LeakyRelu", since=10)
def int8_leaky_relu(op: Operator) -> None:
    """A table."""
    (x,) = op.inputs
    source, output = quantization_of(op, x), output_quantization(op)
    alpha, ratio = np.float32(op.number("alpha", 0.01)), source.scale / output.scale
    if not 0 < alpha < 1 or not 2.0**-8 <= ratio < 2.0**8:
        op.refuse(f"alpha={alpha} and scales' ratio {ratio}: expected between 0 and 1, and 2**-8 to below 2**8")
    real = ratio * (np.arange(256) - source.zero_point).astype(np.float32)
    _look_up(op, x, np.rint(np.where(real < 0, real * alpha, real)) + output.zero_point)


def _require_probability_scale(op: Operator) -> None:
    if output_quantization(op) != (np.float32(1 / 256), 0):
        op.refuse("Y_scale and Y_zero_point: Caffe2 takes 1/256 and 0 only")


@translator("Int8Sigmoid", since=10)
def int8_sigmoid(op: Operator) -> None:
    """A table."""
    (x,) = op.inputs
    _require_probability_scale(op)
    source = quantization_of(op, x)
    real = source.scale * (np.arange(256) - source.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        exponential = np.exp(-real.astype(np.float64)).astype(np.float32)
    _look_up(op, x, np.rint(np.float32(256) / (np.float32(1) + exponential)))


@translator("Int8Softmax", since=10)
def int8_softmax(op: Operator) -> None:
    """Whole exponentials from a table, and their share of the row's sum in steps of 1/256; `axis` has no effect."""
    (x,) = op.inputs
    _require_probability_scale(op)
    count = prod(op.sizes_from(x, 1))
    if not count:
        op.refuse(f"{x.name!r} has rows without elements")
    rows = reshape(op, cast(op, x, TensorProto.INT32), [-1, count])
    largest = min(0xFFFFFFFF / count, 8388607.0)
    table = np.rint(largest * np.exp((np.arange(256) - 255) * float(quantization_of(op, x).scale))).astype(np.int64)
    below = op.emit("Sub", rows, reduce(op, "ReduceMax", rows, [1], keepdims=True))
    exponentials = op.emit("Gather", op.constant(table), op.emit("Add", below, number(op, 255, np.int32)))
    total = reduce(op, "ReduceSum", exponentials, [1], keepdims=True)
    half = op.emit("Div", total, number(op, 2, np.int64))
    scaled = op.emit("Mul", exponentials, number(op, 256, np.int64))
    shares = op.emit("Div", op.emit("Add", scaled, half), total)
    steps = cast(op, shares, TensorProto.FLOAT)
    unit = Quantization(np.float32(1), 0)
    integers = op.emit("QuantizeLinear", steps, *scale_and_zero_point(op, unit))
    mark(reshape(op, integers, [-1, *op.sizes_from(x, 1)], to=0), output_quantization(op))
