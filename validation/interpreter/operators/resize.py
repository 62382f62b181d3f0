"""Resizing of images."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import limited
from zoosmith.validation.interpreter.windows import channels_first, channels_last


def _scales(op: Operator, scales: np.ndarray | None) -> tuple[np.float32, np.float32]:
    """Height and width scale: the second input, else the arguments."""
    if scales is None:
        found = np.array([op.number("height_scale", 1.0), op.number("width_scale", 1.0)], np.float32)
    else:
        found = scales.reshape(-1).astype(np.float32)
    if found.shape != (2,) or not np.all(found > 0):
        raise op.error(f"scales {found.tolist()} must be two positive numbers")
    return found[0], found[1]


def nearest_indices(size: int, scale: np.float32) -> np.ndarray:
    """For each pixel of the result along one dimension, which pixel it copies; Caffe2 counts in float32."""
    (output,) = limited(int(np.float32(size) * scale))
    return np.minimum((np.arange(output, dtype=np.float32) / scale).astype(np.int64), size - 1)


@operator("ResizeNearest")
def resize_nearest(op: Operator, x: np.ndarray, scales: np.ndarray | None = None) -> np.ndarray:
    """Nearest neighbour, asymmetric and floored."""
    height, width = _scales(op, scales)
    image = channels_first(x) if op.channels_last else x
    rows, columns = nearest_indices(image.shape[2], height), nearest_indices(image.shape[3], width)
    limited(*image.shape[:2], len(rows), len(columns))
    result = image[:, :, rows[:, None], columns]
    return channels_last(result) if op.channels_last else result


@operator("ResizeNearest3D")
def resize_nearest_3d(op: Operator, x: np.ndarray) -> np.ndarray:
    """Nearest neighbour over time, height and width."""
    if {op.number("height_scale", 1.0), op.number("width_scale", 1.0)} != {2.0}:
        raise op.error("height_scale and width_scale must be 2")
    names = ("temporal_scale", "height_scale", "width_scale")
    for axis, name in zip((2, 3, 4), names, strict=True):
        places = nearest_indices(x.shape[axis], np.float32(op.number(name, 1.0)))
        limited(*x.shape[:axis], len(places), *x.shape[axis + 1 :])
        x = np.take(x, places, axis)
    return x


@operator("UpsampleBilinear")
def upsample_bilinear(op: Operator, x: np.ndarray, scales: np.ndarray | None = None) -> np.ndarray:
    """Bilinear with the corners aligned, always NCHW."""
    height, width = _scales(op, scales)
    return _interpolated(_interpolated(x, 2, height), 3, width)


def _interpolated(image: np.ndarray, axis: int, scale: np.float32) -> np.ndarray:
    size = image.shape[axis]
    output = int(np.float32(size) * scale)
    limited(*image.shape[:axis], output, *image.shape[axis + 1 :])
    position = np.arange(output) * ((size - 1) / (output - 1) if output > 1 else 0.0)
    below = np.minimum(position.astype(np.int64), size - 1)
    above = np.minimum(below + 1, size - 1)
    weight = (position - below).reshape([-1 if n == axis else 1 for n in range(image.ndim)])
    return image.take(below, axis) * (1.0 - weight) + image.take(above, axis) * weight


@operator("UpsampleNearest")
def upsample_nearest(op: Operator, x: np.ndarray) -> np.ndarray:
    """Every pixel `scale` times down and across, NCHW."""
    scale = op.integer("scale", 2)
    if scale < 1 or x.ndim != 4 or op.channels_last:
        raise op.error(f"scale {scale} and image {x.shape}: expected 1 or more, and NCHW")
    limited(x.size, scale, scale)
    return x.repeat(scale, axis=2).repeat(scale, axis=3)
