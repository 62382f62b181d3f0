"""Pools over windows."""

import numpy as np

from validation.interpreter.registry import operator
from validation.interpreter.view import Operator
from validation.interpreter.windows import Windows, channels_first, channels_last, pad_spatial, window_view, windows


@operator("MaxPool", "MaxPool1D", "MaxPool2D", "MaxPool3D")
def max_pool(op: Operator, image: np.ndarray) -> np.ndarray:
    """The largest element in each window; padding never wins."""
    return _pool(op, image, -np.inf, np.maximum)


@operator("AveragePool", "AveragePool1D", "AveragePool2D", "AveragePool3D")
def average_pool(op: Operator, image: np.ndarray) -> np.ndarray:
    """The mean of each window: of its elements in the image, or with `count_include_pad` over the whole kernel."""
    return _pool(op, image, 0.0, np.add)


def _pool(op: Operator, image: np.ndarray, padding: float, combine: np.ufunc) -> np.ndarray:
    if image.ndim < 3:
        raise op.error(f"image {image.shape} must have at least 3 dimensions")
    if op.channels_last:
        image = channels_first(image)
    window = windows(op, image.shape[2:])
    if set(window.dilation) != {1}:
        raise op.error("pooling allows no dilation")
    result = over_windows(image, window, padding, combine)
    if combine is np.add:
        result = result / _divisor(op, window, image.shape[2:])
    return channels_last(result) if op.channels_last else result


def over_windows(image: np.ndarray, window: Windows, padding: float, combine: np.ufunc) -> np.ndarray:
    """Combine the elements of each window of an image (N, C, spatial …)."""
    if window.kernel == image.shape[2:] and not any((*window.begin, *window.end)):
        return combine.reduce(image, axis=tuple(range(2, image.ndim)), keepdims=True)
    patches = window_view(pad_spatial(image, window.begin, window.end, padding), window)
    positions = np.ndindex(*window.kernel)
    result = patches[(..., *next(positions))].copy()
    for position in positions:
        combine(result, patches[(..., *position)], out=result)
    return result


def _divisor(op: Operator, window: Windows, size: tuple[int, ...]) -> np.ndarray | int:
    if op.flag("count_include_pad"):
        return int(np.prod(window.kernel))
    counts = np.ones((1, 1))
    geometry = zip(size, window.kernel, window.stride, window.begin, window.output, strict=True)
    for n, kernel, stride, begin, output in geometry:
        start = np.arange(output) * stride - begin
        inside = np.minimum(start + kernel, n) - np.maximum(start, 0)
        counts = counts[..., None] * inside
    return counts
