"""Pools over windows, over everything, and over regions."""

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np

from zoosmith.validation.legacy.registry import legacy
from zoosmith.validation.legacy.windows import windows

Array = np.ndarray


@legacy("MaxPool", first=1, last=7)
def _max_pool(
    x: Array,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    over = windows(x.shape[2:], kernel_shape, strides, pads, auto_pad)
    return np.asarray(reduce(np.maximum, over.taps(over.pad(x, -np.inf))))


@legacy("AveragePool", first=1, last=6)
def _average_pool(
    x: Array,
    kernel_shape: Sequence[int],
    auto_pad: str = "NOTSET",
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    over = windows(x.shape[2:], kernel_shape, strides, pads, auto_pad)
    total = reduce(np.add, over.taps(over.pad(x, 0)))
    # elements of the padding do not count
    counts = reduce(np.add, over.taps(over.pad(np.ones((1, 1, *x.shape[2:]), np.float32), 0)))
    return (total / counts).astype(x.dtype, copy=False)


@legacy("LpPool", first=1, last=10)
def _lp_pool(
    x: Array,
    p: float,
    kernel_shape: Sequence[int] | None = None,
    auto_pad: str = "NOTSET",
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Array:
    over = windows(x.shape[2:], x.shape[2:] if kernel_shape is None else kernel_shape, strides, pads, auto_pad)
    total = reduce(np.add, over.taps(over.pad(np.abs(x) ** p, 0)))
    return (total ** (1 / p)).astype(x.dtype, copy=False)


@legacy("GlobalMaxPool", first=1, last=None)
def _global_max_pool(x: Array) -> Array:
    # the evaluator's own reduces two dimensions, however many there are
    return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


@legacy("GlobalLpPool", first=1, last=None)
def _global_lp_pool(x: Array, p: float) -> Array:
    total = (np.abs(x) ** p).sum(axis=tuple(range(2, x.ndim)), keepdims=True)
    return (total ** (1 / p)).astype(x.dtype, copy=False)


@legacy("MaxRoiPool", first=1, last=None)
def _max_roi_pool(x: Array, rois: Array, pooled_shape: Sequence[int], spatial_scale: float) -> Array:
    y = np.zeros((len(rois), x.shape[1], *pooled_shape), x.dtype)
    for index, (image, *corners) in enumerate(rois):
        # ends are inclusive, so a region is never empty; halves round away from zero as in C
        left, top, right, bottom = (math.floor(float(c) * float(spatial_scale) + 0.5) for c in corners)
        extent = (max(bottom - top + 1, 1), max(right - left + 1, 1))
        for row, column in np.ndindex(*pooled_shape):
            rows, columns = (
                slice(
                    min(max(start + math.floor(cell * size / cells), 0), limit),
                    min(max(start + math.ceil((cell + 1) * size / cells), 0), limit),
                )
                for start, cell, size, cells, limit in zip(
                    (top, left), (row, column), extent, pooled_shape, x.shape[2:], strict=True
                )
            )
            part = x[int(image), :, rows, columns]
            if part.size:
                y[index, :, row, column] = part.max(axis=(1, 2))
    return y
