"""Pools over windows."""

import math

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.windows import (
    Windows,
    channels_first,
    channels_last,
    explicit_pads,
    pad_spatial,
    window_view,
    windows,
)


@operator("MaxPool", "MaxPool1D", "MaxPool2D", "MaxPool3D", rows="first")
def max_pool(op: Operator, image: np.ndarray) -> np.ndarray:
    """The largest element in each window; padding never wins."""
    return _pool(op, image, float(np.finfo(np.float32).min), np.maximum)


@operator("AveragePool", "AveragePool1D", "AveragePool2D", "AveragePool3D", rows="first")
def average_pool(op: Operator, image: np.ndarray) -> np.ndarray:
    """The mean of each window: of its elements in the image, or with `count_include_pad` over the whole kernel."""
    return _pool(op, image, 0.0, np.add, average=True)


@operator("LpPool")
def lp_pool(op: Operator, image: np.ndarray) -> np.ndarray:
    """The `p`-norm (default 2) of each window."""
    p = op.number("p", 2.0)
    if image.ndim != 4:
        raise op.error(f"its input {image.shape} is no image, of which alone Caffe2 makes sense")
    sums = _pool(op, np.abs(image) ** p, 0.0, np.add)
    return sums ** (1.0 / p)


def _pool(op: Operator, image: np.ndarray, padding: float, combine: np.ufunc, *, average: bool = False) -> np.ndarray:
    if image.ndim < 3:
        raise op.error(f"image {image.shape} must have at least 3 dimensions")
    if op.channels_last:
        image = channels_first(image)
    window = windows(op, image.shape[2:])
    if set(window.dilation) != {1}:
        raise op.error("pooling allows no dilation")
    begin, end = explicit_pads(op, len(window.kernel))
    if any(max(pads) >= size for *pads, size in zip(begin, end, window.kernel, strict=True)):
        raise op.error(f"pads {begin} and {end} must be smaller than the kernel {window.kernel}")
    result = over_windows(image, window, padding, combine)
    inside = _elements_inside(op, window, image.shape[2:])
    if average:
        result = result / (math.prod(window.kernel) if op.flag("count_include_pad") else inside)
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


def _elements_inside(op: Operator, window: Windows, size: tuple[int, ...]) -> np.ndarray:
    """How many elements of the image each window covers, (1, 1, output …)."""
    counts = np.ones((1, 1))
    geometry = zip(size, window.kernel, window.stride, window.begin, window.output, strict=True)
    for n, kernel, stride, begin, output in geometry:
        start = np.arange(output) * stride - begin
        inside = np.minimum(start + kernel, n) - np.maximum(start, 0)
        # The mean of an empty window is NaN in Caffe2; for anything more it reads beyond the row.
        if inside.min() < (0 if op.type.startswith("Average") else 1):
            raise op.error(f"a window of {window.kernel} lies wholly outside of the image {size}")
        counts = counts[..., None] * inside
    return counts
