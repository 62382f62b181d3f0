"""Int8RoIAlign: bilinear samples with weights of 8 bits."""

import math

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.boxes import Floats, as_float32, bins_of_region, samples_of_bin
from zoosmith.validation.interpreter.fixed_point import shift_half_away
from zoosmith.validation.interpreter.operators.int8 import output_quantization, quantized
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import QuantizedTensor, limited


@operator("Int8RoIAlign")
def int8_roi_align(op: Operator, x: QuantizedTensor, rois: np.ndarray) -> QuantizedTensor:
    """Image (N, H, W, C), RoIs (R, 4) or (R, 5) with the image's index: (R, h, w, C)."""
    if op.text("order", "NHWC") != "NHWC" or x.values.ndim != 4 or rois.ndim != 2 or rois.shape[1] not in {4, 5}:
        raise op.error(f"image {x.values.shape} and rois {rois.shape} do not fit, or order is not NHWC")
    pooled = bins_of_region(op)
    result = np.zeros(limited(len(rois), *pooled, x.values.shape[3]), np.int64)
    scale = np.float32(op.number("spatial_scale", 1.0))
    for n, roi in enumerate(as_float32(rois)):
        image = x.values[int(roi[0]) if len(roi) == 5 else 0].astype(np.int64)
        corners = roi[-4:] * scale
        sides = np.maximum(corners[2:] - corners[:2], np.float32(1))
        ratio = op.integer("sampling_ratio", -1)
        grid = [samples_of_bin(ratio, sides[1 - axis] / np.float32(pooled[axis])) for axis in (0, 1)]
        limited(*pooled, *grid, image.shape[2])
        rows, columns = (
            _samples(corners[1 - axis], sides[1 - axis], pooled[axis], grid[axis], image.shape[axis]) for axis in (0, 1)
        )
        total = np.zeros((len(rows[0][0]), len(columns[0][0]), image.shape[2]), np.int64)
        for y, down in rows:
            for x_, right in columns:
                weights = np.rint(down[:, None] * right * np.float32(255)).astype(np.int64)
                total += weights[..., None] * image[y[:, None], x_]
        bins = total.reshape(pooled[0], grid[0], pooled[1], grid[1], -1).sum(axis=(1, 3))
        # Also a sample outside of the image, all of whose weights are 0, is taken to have the zero point.
        result[n] = _rescaled(op, bins - 255 * x.zero_point * grid[0] * grid[1], x, grid[0] * grid[1])
    return quantized(op, result + output_quantization(op)[1])


def _samples(start: np.float32, length: np.float32, bins: int, grid: int, size: int) -> list[tuple[np.ndarray, Floats]]:
    """The lower and the upper neighbour of each sample along one axis, and their weights."""
    bin_size = length / np.float32(bins)
    offsets = (np.arange(grid) + 0.5).astype(np.float32) * bin_size / np.float32(grid)
    where = ((start + np.arange(bins).astype(np.float32) * bin_size)[:, None] + offsets).ravel()
    inside = (where >= -1) & (where <= size)
    where = np.clip(where, np.float32(0), np.float32(size - 1))
    low = where.astype(np.int64)
    fraction = where - low.astype(np.float32)
    zero = np.float32(0)
    return [
        (low, np.where(inside, np.float32(1) - fraction, zero)),
        (np.minimum(low + 1, size - 1), np.where(inside, fraction, zero)),
    ]


def _rescaled(op: Operator, total: np.ndarray, x: QuantizedTensor, samples: int) -> np.ndarray:
    factor = float(np.float32(x.scale)) / (output_quantization(op)[0] * 255.0 * samples)
    if not 0 < factor < 1:
        raise op.error(f"scale of input over Y_scale, 255 and {samples} samples is {factor}, expected below 1")
    fraction, exponent = math.frexp(factor)
    product = (total * round(fraction * 2**31) + (1 << 30)) >> 31
    return shift_half_away(product, -exponent)
