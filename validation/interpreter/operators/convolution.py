"""Convolution and transposed convolution, any number of spatial dimensions."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import limited
from zoosmith.validation.interpreter.windows import (
    LegacyPad,
    Windows,
    channels_first,
    channels_last,
    explicit_pads,
    pad_spatial,
    spatial,
    window_view,
    windows,
)

# Patches are unrolled for so many bytes at a time, which keeps them in fast memory and the peak low.
_PATCH_BYTES = 1 << 24


@operator("Conv", "Conv1D", "Conv2D", "Conv3D", rows="first")
def conv(op: Operator, image: np.ndarray, weights: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Image (N, C, spatial …), weights (M, C / group, kernel …); NHWC has the channels last in both."""
    if op.channels_last:
        image, weights = channels_first(image), channels_first(weights)
    if image.ndim != weights.ndim or image.ndim < 3:
        raise op.error(f"image {image.shape} and weights {weights.shape} must have the same number of dimensions, 3 up")
    group = op.integer("group", 1)
    if group < 1 or weights.shape[1] * group != image.shape[1] or weights.shape[0] % group:
        raise op.error(f"weights {weights.shape} in {group} groups do not fit the image {image.shape}")
    window = windows(op, image.shape[2:])
    if window.kernel != weights.shape[2:]:
        raise op.error(f"kernel {window.kernel} does not fit the weights {weights.shape}")
    result = convolve(image, weights, window, group)
    if bias is not None:
        result += _per_channel(op, bias, result)
    return channels_last(result) if op.channels_last else result


def convolve(image: np.ndarray, weights: np.ndarray, window: Windows, group: int) -> np.ndarray:
    """The convolution itself: (N, C, spatial …) with (M, C / group, kernel …) gives (N, M, output …)."""
    count, channels = image.shape[:2]
    outputs = weights.shape[0]
    padded = np.ascontiguousarray(pad_spatial(image, window.begin, window.end))
    result = np.empty((count, outputs, *window.output), np.result_type(image, weights))
    if group == channels == outputs:
        return _depthwise(padded, weights, window, result)
    if set(window.kernel) == {1}:
        return _pointwise(padded, weights, window, group, result)
    return _unrolled(padded, weights, window, group, result)


def _pointwise(padded: np.ndarray, weights: np.ndarray, window: Windows, group: int, result: np.ndarray) -> np.ndarray:
    """Windows of one pixel: a product of matrices for each image, which is faster than numpy's product of all."""
    steps = tuple(slice(None, n * s, s) for n, s in zip(window.output, window.stride, strict=True))
    matrix = weights.reshape(group, weights.shape[0] // group, weights.shape[1])
    products = result.reshape(len(padded), group, matrix.shape[1], -1)
    for n, image in enumerate(padded):
        pixels = image[(slice(None), *steps)].reshape(group, weights.shape[1], -1)
        for part in range(group):
            np.matmul(matrix[part], pixels[part], out=products[n, part])
    return result


def _unrolled(padded: np.ndarray, weights: np.ndarray, window: Windows, group: int, result: np.ndarray) -> np.ndarray:
    """Any windows: the pixels at each of their positions become rows of a matrix, some lines of the result at once."""
    outputs, inputs = weights.shape[:2]
    positions = list(np.ndindex(*window.kernel))
    matrix = np.moveaxis(weights.reshape(group, outputs // group, inputs, -1), 3, 2).reshape(
        group, outputs // group, -1
    )
    # A line of the output at the least, whole images at the most.
    line_bytes = 8 * matrix.shape[2] * group * int(np.prod(window.output[1:]))
    most = max(1, min(window.output[0], _PATCH_BYTES // max(1, line_bytes)))
    rows = np.empty((group, len(positions), inputs, most, *window.output[1:]), padded.dtype)
    for n, image in enumerate(padded.reshape(len(padded), group, inputs, *padded.shape[2:])):
        for start in range(0, window.output[0], most):
            size = (min(most, window.output[0] - start), *window.output[1:])
            part = rows[:, :, :, : size[0]]
            for place, position in enumerate(positions):
                seen = tuple(
                    slice(p * d + first * s, p * d + (first + length - 1) * s + 1, s)
                    for p, d, s, first, length in zip(
                        position, window.dilation, window.stride, (start, *[0] * len(size)), size, strict=False
                    )
                )
                part[:, place] = image[(slice(None), slice(None), *seen)]
            columns = part.reshape(group, matrix.shape[2], -1)
            product = np.concatenate([own @ seen for own, seen in zip(matrix, columns, strict=True)])
            result[n, :, start : start + size[0]] = product.reshape(outputs, *size)
    return result


def _depthwise(padded: np.ndarray, weights: np.ndarray, window: Windows, result: np.ndarray) -> np.ndarray:
    """One filter per channel: a sum over the window's positions, without unrolled patches."""
    result.fill(0.0)
    patches = window_view(padded, window)
    for position in np.ndindex(*window.kernel):
        factor = weights[(slice(None), 0, *position)].reshape(-1, *[1] * len(window.kernel))
        result += factor * patches[(..., *position)]
    return result


@operator("ConvTranspose")
def conv_transpose(op: Operator, image: np.ndarray, weights: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """Image (N, C, spatial …), weights (C, M / group, kernel …); Caffe2 ignores `dilation` here."""
    if op.channels_last:
        image, weights = channels_first(image), channels_first(weights)
    if image.ndim != weights.ndim or image.ndim < 3:
        raise op.error(f"image {image.shape} and weights {weights.shape} must have the same number of dimensions, 3 up")
    rank = image.ndim - 2
    group = op.integer("group", 1)
    if weights.shape[0] != image.shape[1] or group < 1 or image.shape[1] % group:
        raise op.error(f"weights {weights.shape} in {group} groups do not fit the image {image.shape}")
    kernel, stride, adjust = (
        spatial(op, *argument) for argument in (("kernel", rank, 0), ("stride", rank, 1), ("adj", rank, 0))
    )
    if kernel != weights.shape[2:]:
        raise op.error(f"kernel {kernel} does not fit the weights {weights.shape}")
    # Caffe2 takes an adj as large as the stride, and reads beyond its memory.
    if any(a >= s for a, s in zip(adjust, stride, strict=True)):
        raise op.error(f"adj {adjust} must be smaller than stride {stride}")
    begin, end = explicit_pads(op, rank)
    # VALID and SAME have no effect, CAFFE ends Caffe2.
    legacy = op.integer("legacy_pad", LegacyPad.NOTSET)
    if legacy == LegacyPad.CAFFE or (legacy != LegacyPad.NOTSET and any((*begin, *end))):
        raise op.error(f"legacy_pad {legacy} is not supported with pads {begin} and {end}")
    full = transposed(image, weights, stride, adjust, group)
    if any(n <= b + e for n, b, e in zip(full.shape[2:], begin, end, strict=True)):
        raise op.error(f"pads {begin} and {end} leave nothing of {full.shape}")
    result = pad_spatial(full, tuple(-b for b in begin), tuple(-e for e in end))
    if bias is not None:
        result = result + _per_channel(op, bias, result)
    return channels_last(result) if op.channels_last else result


def transposed(
    image: np.ndarray, weights: np.ndarray, stride: tuple[int, ...], adjust: tuple[int, ...], group: int
) -> np.ndarray:
    """The transposed convolution before its padding is cut off."""
    count, channels, *size = image.shape
    outputs, kernel = weights.shape[1], weights.shape[2:]
    matrix = weights.reshape(group, channels // group, -1).transpose(0, 2, 1)
    columns = np.matmul(matrix, image.reshape(count, group, channels // group, -1))
    columns = columns.reshape(count, group * outputs, *kernel, *size)
    full = np.zeros(
        limited(
            count,
            group * outputs,
            *((n - 1) * s + k + a for n, s, k, a in zip(size, stride, kernel, adjust, strict=True)),
        )
    )
    for position in np.ndindex(*kernel):
        target = tuple(slice(p, p + (n - 1) * s + 1, s) for p, n, s in zip(position, size, stride, strict=True))
        full[(slice(None), slice(None), *target)] += columns[(slice(None), slice(None), *position)]
    return full


def _per_channel(op: Operator, bias: np.ndarray, result: np.ndarray) -> np.ndarray:
    if bias.shape != (result.shape[1],):
        raise op.error(f"bias {bias.shape} does not fit {result.shape[1]} output channels")
    return bias.reshape(-1, *[1] * (result.ndim - 2))
