"""Normalizations over channels, groups, layers and neighbouring channels."""

import math

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.windows import channels_first, channels_last

_EPSILON = float(np.float32(1e-5))


def _spread(vector: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    """A vector with one element per channel, shaped to act along that axis."""
    if vector.size != x.shape[axis]:
        raise ValueError(f"a vector of {vector.size} elements for {x.shape[axis]} channels")
    return vector.reshape([-1 if n == axis else 1 for n in range(x.ndim)])


def _channel_axis(op: Operator, x: np.ndarray) -> int:
    return x.ndim - 1 if op.channels_last else 1


@operator("SpatialBN")
def spatial_bn(
    op: Operator, x: np.ndarray, scale: np.ndarray, bias: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> np.ndarray:
    """Batch normalization by the given statistics; training, which computes new ones, is refused."""
    if not op.flag("is_test"):
        raise op.error("is in training mode; an inference net has is_test=1")
    axis = _channel_axis(op, x)
    factor = scale / np.sqrt(variance + op.number("epsilon", _EPSILON))
    return x * _spread(factor, x, axis) + _spread(bias - mean * factor, x, axis)


@operator("AffineChannel")
def affine_channel(op: Operator, x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x * scale + bias, one of each per channel."""
    axis = _channel_axis(op, x)
    return x * _spread(scale, x, axis) + _spread(bias, x, axis)


@operator("LRN")
def lrn(op: Operator, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local response normalization across `size` channels, and its divisor's base."""
    size = op.integer("size", 0)
    if size < 1:
        raise op.error("size must be positive")
    if x.ndim != 4:
        raise op.error(f"takes images of 4 dimensions, has {x.shape}")
    axis = _channel_axis(op, x)
    before = (size - 1) // 2
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, size - 1 - before)
    squares = np.lib.stride_tricks.sliding_window_view(np.pad(x * x, widths), size, axis)
    base = op.number("bias", 1.0) + op.number("alpha", 0.0) / size * squares.sum(-1)
    return x * np.power(base, -op.number("beta", 0.0)), base


@operator("InstanceNorm")
def instance_norm(
    op: Operator, x: np.ndarray, scale: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each channel of each image by its own mean and variance; then mean and 1 / deviation, (N, C)."""
    image = channels_first(x) if op.channels_last else x
    rows = image.reshape(*image.shape[:2], -1)
    mean = rows.mean(2)
    inverse = 1.0 / np.sqrt(rows.var(2) + op.number("epsilon", _EPSILON))
    result = (rows - mean[..., None]) * (inverse * scale)[..., None] + bias[:, None]
    result = result.reshape(image.shape)
    return channels_last(result) if op.channels_last else result, mean, inverse


@operator("GroupNorm")
def group_norm(
    op: Operator, x: np.ndarray, scale: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each of `group` (default 32) groups of channels by its mean and variance; then mean and 1 / deviation, (N, G)."""
    image = channels_first(x) if op.channels_last else x
    count, channels = image.shape[:2]
    group = op.integer("group", 32)
    if group < 1 or channels % group:
        raise op.error(f"{channels} channels do not divide into {group} groups")
    rows = image.reshape(count, group, -1)
    mean = rows.mean(2)
    inverse = 1.0 / np.sqrt(rows.var(2) + op.number("epsilon", _EPSILON))
    normal = ((rows - mean[..., None]) * inverse[..., None]).reshape(image.shape)
    result = normal * _spread(scale, normal, 1) + _spread(bias, normal, 1)
    return channels_last(result) if op.channels_last else result, mean, inverse


@operator("LayerNorm")
def layer_norm(
    op: Operator, x: np.ndarray, scale: np.ndarray | None = None, bias: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Everything from `axis` (default 1) on by its mean and deviation, which are the further outputs."""
    if x.ndim < 2:
        raise op.error(f"takes inputs of at least 2 dimensions, has {x.shape}")
    axis = op.axis(x.ndim)
    rows = x.reshape(*x.shape[:axis], -1)
    mean = rows.mean(-1, keepdims=True)
    deviation = np.sqrt(rows.var(-1, keepdims=True) + op.number("epsilon", _EPSILON))
    result = (rows - mean) / deviation
    if op.flag("elementwise_affine"):
        if scale is None or bias is None:
            raise op.error("elementwise_affine needs scale and bias as inputs")
        result = result * scale.reshape(-1) + bias.reshape(-1)
    return result.reshape(x.shape), mean, deviation


@operator("RMSNorm")
def rms_norm(op: Operator, x: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Everything from `axis` (default 1) on by its root mean square, times scale, plus bias; then 1 / that root."""
    axis = op.axis(x.ndim)
    rows = x.reshape(math.prod(x.shape[:axis]), -1)
    inverse = 1.0 / np.sqrt(np.square(rows).mean(1) + op.number("eps", _EPSILON))
    result = rows * inverse[:, None] * scale.reshape(-1) + bias.reshape(-1)
    return result.reshape(x.shape), inverse.reshape(x.shape[:axis])


@operator("Normalize")
def normalize(op: Operator, x: np.ndarray) -> np.ndarray:
    """x divided by its Euclidean length along `axis` (default: the last)."""
    length = np.sqrt(np.sum(x * x, axis=op.axis(x.ndim, -1), keepdims=True))
    return x / np.maximum(length, 1e-12)


@operator("NormalizeL1")
def normalize_l1(op: Operator, x: np.ndarray) -> np.ndarray:
    """x divided by the sum of magnitudes along `axis` (default: the last), where that is not 0."""
    total = np.sum(np.abs(x), axis=op.axis(x.ndim, -1), keepdims=True)
    return x / np.where(total == 0, 1.0, total)
