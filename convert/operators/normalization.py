"""Normalizations."""

import numpy as np

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.onnx_operators import clip, pad, reduce, reshape, reshape_like, scalar, squeeze
from zoosmith.convert.operator import Operator, element_count
from zoosmith.convert.operators.convolution import from_channels_first, to_channels_first
from zoosmith.convert.registry import translator


@translator("SpatialBN", inputs=5)
def spatial_bn(op: Operator) -> None:
    """SpatialBN of a trained net; its training form, which uses the batch's own statistics, is refused."""
    x, *parameters = op.inputs
    if not op.flag("is_test"):
        op.refuse("argument is_test=0: it would normalize with the statistics of the batch")
    x = to_channels_first(op, x)
    channels = op.shape(x)[op.axis(x, 1)]
    for what, parameter in zip(("scale", "bias", "mean", "variance"), parameters, strict=True):
        op.expect_shape(parameter, [channels], f"the {what}")
    attributes: dict[str, Attribute] = {"epsilon": op.number("epsilon", 1e-5)}
    if op.opset < 7:
        attributes["is_test"] = 1
    if op.opset < 6:
        attributes["consumed_inputs"] = [0, 0, 0, 1, 1]
    from_channels_first(op, "BatchNormalization", x, *parameters, like=x, attributes=attributes)


@translator("LRN")
def lrn(op: Operator) -> None:
    """LRN across channels. Output 1 is bias + alpha / size times the sum of squares in the window."""
    x = to_channels_first(op, op.inputs[0])
    size, alpha, beta, bias = op.integer("size"), op.number("alpha"), op.number("beta"), op.number("bias", 1.0)
    if size < 1:
        op.refuse(f"argument size={size}: expected at least 1")
    if op.rank(x) != 4:
        op.refuse(f"its input has {op.rank(x)} dimensions, expected an image")
    if op.has_output(1):
        op.bind(1, lambda: _in_order(op, _lrn_scale(op, x, size, alpha, bias)))
    if size % 2 and alpha > 0 and beta > 0:
        attributes: dict[str, Attribute] = {"size": size, "alpha": alpha, "beta": beta, "bias": bias}
        from_channels_first(op, "LRN", x, like=x, attributes=attributes)
    else:
        # ONNX Runtime has odd windows only, and positive alpha and beta
        power = op.emit("Pow", _lrn_scale(op, x, size, alpha, bias), scalar(op, beta, x))
        from_channels_first(op, "Div", x, power)


def _lrn_scale(op: Operator, x: Value, size: int, alpha: float, bias: float) -> Value:
    squares = reshape(op, op.emit("Mul", x, x), [0, 1, *op.sizes_from(x, 1)[:1], -1])
    before = (size - 1) // 2
    padded = pad(op, squares, [0, 0, before, 0, 0, 0, size - 1 - before, 0], "constant", 0.0)
    mean = op.emit("AveragePool", padded, kernel_shape=[size, 1])
    scaled = op.emit("Add", op.emit("Mul", mean, scalar(op, alpha, x)), scalar(op, bias, x))
    return reshape_like(op, scaled, x)


def _in_order(op: Operator, x: Value) -> Value:
    rank = op.rank(x)
    return op.emit("Transpose", x, perm=[0, *range(2, rank), 1]) if op.channels_last else x


@translator("InstanceNorm", inputs=3)
def instance_norm(op: Operator) -> None:
    """InstanceNorm. Outputs 1 and 2 are the mean and one over the deviation of each instance."""
    x, scale, bias = op.inputs
    x = to_channels_first(op, x)
    epsilon = op.number("epsilon", 1e-5)
    channels = op.shape(x)[op.axis(x, 1)]
    op.expect_shape(scale, [channels], "the scale")
    op.expect_shape(bias, [channels], "the bias")
    spatial = range(2, op.rank(x))
    if op.has_output(1):
        op.bind(1, lambda: reduce(op, "ReduceMean", x, spatial, keepdims=False))
    if op.has_output(2):
        op.bind(2, lambda: op.emit("Reciprocal", squeeze(op, _moments(op, x, spatial, epsilon)[1], spatial)))
    from_channels_first(op, "InstanceNormalization", x, scale, bias, attributes={"epsilon": epsilon})


@translator("GroupNorm", inputs=3)
def group_norm(op: Operator) -> None:
    """GroupNorm. Outputs 1 and 2 are the mean and one over the deviation of each group."""
    x, gamma, beta = op.inputs
    x = to_channels_first(op, x)
    (channels,) = op.sizes_from(x, 1)[:1]
    group, epsilon = op.expect_divisor("group", 32, channels), op.number("epsilon", 1e-5)
    parts = reshape(op, x, [0, group, -1])
    mean, deviation = _moments(op, parts, [2], epsilon)
    normal = reshape_like(op, op.emit("Div", op.emit("Sub", parts, mean), deviation), x)
    scaled = op.emit("Mul", normal, op.along_axis(gamma, x, 1, "gamma"))
    from_channels_first(op, "Add", scaled, op.along_axis(beta, x, 1, "beta"))
    if op.has_output(1):
        op.bind(1, lambda: squeeze(op, mean, [2]))
        op.bind(2, lambda: op.emit("Reciprocal", squeeze(op, deviation, [2])))


@translator("LayerNorm", inputs=(1, 3))
def layer_norm(op: Operator) -> None:
    """LayerNorm over all dimensions from `axis` on. Outputs 1 and 2 are the mean and sqrt(variance + epsilon)."""
    x, *affine = op.inputs
    axis, rank = op.axis(x, op.integer("axis", 1)), op.rank(x)
    mean, deviation = _moments(op, x, range(axis, rank), op.number("epsilon", 1e-5))
    centred = op.emit("Sub", x, mean)
    if op.flag("elementwise_affine"):
        if not affine:
            op.refuse("argument elementwise_affine=1 without a scale and a bias")
        gamma, beta = (_reshaped_like_tail(op, parameter, x, axis) for parameter in affine)
        op.emit("Add", op.emit("Mul", op.emit("Div", centred, deviation), gamma), beta, to=0)
    else:
        op.emit("Div", centred, deviation, to=0)
    extra = range(axis + 1, rank)
    op.bind(1, lambda: squeeze(op, mean, extra) if extra else mean)
    op.bind(2, lambda: squeeze(op, deviation, extra) if extra else deviation)


def _reshaped_like_tail(op: Operator, parameter: Value, x: Value, axis: int) -> Value:
    tail = op.sizes_from(x, axis)
    if element_count(op.sizes(parameter)) != element_count(tail):
        op.refuse(f"{parameter.name!r} has shape {list(op.sizes(parameter))}, expected {list(tail)}")
    return parameter if op.sizes(parameter) == tail else reshape(op, parameter, tail)


def _moments(op: Operator, x: Value, axes: range | list[int], epsilon: float) -> tuple[Value, Value]:
    """Mean and sqrt(variance + epsilon) over these axes, which stay with size 1."""
    mean = reduce(op, "ReduceMean", x, axes, keepdims=True)
    centred = op.emit("Sub", x, mean)
    variance = reduce(op, "ReduceMean", op.emit("Mul", centred, centred), axes, keepdims=True)
    return mean, op.emit("Sqrt", op.emit("Add", variance, scalar(op, epsilon, x)))


@translator("AffineChannel", inputs=3)
def affine_channel(op: Operator) -> None:
    """AffineChannel: a scale and a bias for each channel."""
    x, scale, bias = op.inputs
    axis = op.rank(x) - 1 if op.channels_last else 1
    scaled = op.emit("Mul", x, op.along_axis(scale, x, axis, "the scale"))
    op.emit("Add", scaled, op.along_axis(bias, x, axis, "the bias"), to=0)


@translator("ElementwiseLinear", inputs=3)
def elementwise_linear(op: Operator) -> None:
    """ElementwiseLinear: a weight and a bias for each place among the dimensions from `axis` on."""
    x, weight, bias = op.inputs
    axis = op.axis(x, op.integer("axis", 1))
    scaled = op.emit("Mul", x, _reshaped_like_tail(op, weight, x, axis))
    op.emit("Add", scaled, _reshaped_like_tail(op, bias, x, axis), to=0)


@translator("Normalize")
def normalize(op: Operator) -> None:
    """Normalize: over the Euclidean norm along `axis`, the last by default."""
    x = op.inputs[0]
    axis = op.axis(x, op.integer("axis", -1))
    norm = reduce(op, "ReduceL2", x, [axis], keepdims=True)
    op.emit("Div", x, clip(op, norm, 1e-12, None), to=0)


@translator("NormalizeL1")
def normalize_l1(op: Operator) -> None:
    """NormalizeL1: over the sum of absolute values along `axis`, the last by default; zeros stay."""
    x = op.inputs[0]
    axis = op.axis(x, op.integer("axis", -1))
    norm = reduce(op, "ReduceL1", x, [axis], keepdims=True)
    op.emit("Div", x, clip(op, norm, float(np.finfo(np.float32).tiny), None), to=0)
