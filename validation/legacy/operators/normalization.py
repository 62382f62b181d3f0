"""Normalizations, the softmax family with its coercion to two dimensions, and dropout."""

import math

import numpy as np

from zoosmith.validation.legacy.registry import legacy

Array = np.ndarray


@legacy("BatchNormalization", first=1, last=6)
def _batch_normalization_1(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    var: Array,
    epsilon: float,
    momentum: float,
    is_test: int,
    spatial: int,
) -> tuple[Array, ...]:
    return _batch_normalization(x, scale, bias, mean, var, epsilon, momentum, bool(spatial), training=not is_test)


@legacy("BatchNormalization", first=7, last=13, count_outputs=True)
def _batch_normalization_7(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    var: Array,
    outputs: int,
    epsilon: float,
    momentum: float,
    spatial: int = 1,
) -> tuple[Array, ...]:
    # from 7 to 13 the number of outputs selects the mode
    return _batch_normalization(x, scale, bias, mean, var, epsilon, momentum, bool(spatial), training=outputs > 1)


def _batch_normalization(
    x: Array,
    scale: Array,
    bias: Array,
    mean: Array,
    var: Array,
    epsilon: float,
    momentum: float,
    spatial: bool,
    training: bool,
) -> tuple[Array, ...]:
    """Return Y, and in training the running mean and variance and those of this batch, as the text orders them."""
    shape = (x.shape[1], *[1] * (x.ndim - 2)) if spatial else x.shape[1:]
    for parameter in (scale, bias, mean, var):
        if parameter.size != math.prod(shape):
            raise ValueError(
                f"a parameter has shape {list(parameter.shape)}, expected {list(shape)} (spatial={spatial:d})"
            )
    used_mean, used_var = mean, var
    if training:
        axes = (0, *range(2, x.ndim)) if spatial else (0,)
        used_mean, used_var = x.mean(axis=axes).reshape(mean.shape), x.var(axis=axes).reshape(var.shape)
    factor = (scale / np.sqrt(used_var + epsilon)).reshape(shape)
    y = ((x - used_mean.reshape(shape)) * factor + bias.reshape(shape)).astype(x.dtype, copy=False)
    if not training:
        return (y,)
    running = [old * momentum + new * (1 - momentum) for old, new in ((mean, used_mean), (var, used_var))]
    return (y, *(value.astype(mean.dtype) for value in (*running, used_mean, used_var)))


@legacy("InstanceNormalization", first=1, last=5)
def _instance_normalization(x: Array, scale: Array, bias: Array, epsilon: float) -> Array:
    axes, shape = tuple(range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
    centred = x - x.mean(axis=axes, keepdims=True)
    factor = scale.reshape(shape) / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)
    return (centred * factor + bias.reshape(shape)).astype(x.dtype, copy=False)


@legacy("LpNormalization", first=1, last=None)
def _lp_normalization(x: Array, axis: int, p: int) -> Array:
    norm = np.linalg.norm(x, ord=p, axis=axis, keepdims=True)
    return np.divide(x, norm, out=np.zeros_like(x), where=norm != 0)


@legacy("LRN", first=1, last=12)
def _lrn(x: Array, alpha: float, beta: float, bias: float, size: int) -> Array:
    # differences of one running sum would cancel; `size` is small, so add shifted copies
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    square, channels = x * x, x.shape[1]
    total = np.zeros_like(x)
    for shift in range(-min(before, channels), min(after, channels) + 1):
        low, high = max(0, -shift), min(channels, channels - shift)
        if low < high:
            total[:, low:high] += square[:, low + shift : high + shift]
    return (x / (bias + alpha / size * total) ** beta).astype(x.dtype, copy=False)


@legacy("Dropout", first=1, last=6)
def _dropout_1(x: Array, is_test: int, ratio: float) -> tuple[Array, Array]:
    if not is_test and ratio > 0:
        raise ValueError("is_test=0 drops values at random: the result is not defined by the model; set is_test=1")
    return x, np.ones_like(x)


@legacy("Dropout", first=7, last=9)
def _dropout_7(x: Array, ratio: float) -> tuple[Array, Array]:
    return x, np.ones_like(x)


@legacy("Dropout", first=10, last=11)
def _dropout_10(x: Array, ratio: float) -> tuple[Array, Array]:
    return x, np.ones(x.shape, bool)


def _rows(x: Array, axis: int) -> Array:
    """Return `x` as the two dimensions before and from `axis` on, which the operators below 13 work in."""
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"axis {axis} is outside the {x.ndim} dimensions")
    axis += x.ndim if axis < 0 else 0
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@legacy("Softmax", first=1, last=12)
def _softmax(x: Array, axis: int) -> Array:
    rows = _rows(x, axis)
    if not rows.size:
        return x
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(x.dtype).reshape(x.shape)


@legacy("LogSoftmax", first=1, last=12)
def _log_softmax(x: Array, axis: int) -> Array:
    rows = _rows(x, axis)
    if not rows.size:
        return x
    shifted = rows - rows.max(axis=1, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).astype(x.dtype).reshape(x.shape)


@legacy("Hardmax", first=1, last=12)
def _hardmax(x: Array, axis: int) -> Array:
    rows = _rows(x, axis)
    result = np.zeros_like(rows)
    if rows.size:
        result[np.arange(len(rows)), rows.argmax(axis=1)] = 1
    return result.reshape(x.shape)
