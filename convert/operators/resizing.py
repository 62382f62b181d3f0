"""Operators that change the size of images."""

from collections.abc import Sequence

import numpy as np

from convert.graph import Dimension, Value
from convert.operator import Operator
from convert.operators.convolution import from_channels_first, to_channels_first
from convert.registry import translator
from convert.standard import pad


@translator("ResizeNearest", since=9)
def resize_nearest(op: Operator) -> None:
    """ResizeNearest: every pixel from the one at floor(place / scale)."""
    x = to_channels_first(op, op.inputs[0])
    scales = _scales(op)
    if _keeps_sizes(op.shape(x)[2:], scales):
        _sample(op, x, scales)
        return
    if min(scales) < 1:
        op.require(11)  # before, runtimes round up when they shrink
    factors = op.constant(np.array([1, 1, *scales], np.float32))
    if op.opset < 10:
        from_channels_first(op, "Upsample", x, factors, attributes={"mode": "nearest"})
    elif op.opset < 11:
        from_channels_first(op, "Resize", x, factors, attributes={"mode": "nearest"})
    else:
        attributes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        from_channels_first(op, "Resize", x, _no_region(op), factors, attributes=attributes)


def _keeps_sizes(sizes: Sequence[Dimension], scales: Sequence[float]) -> bool:
    """Tell whether the result is as large as the image though a factor is not 1: runtimes copy the image then."""
    new = [int(size * np.float32(scale)) for size, scale in zip(sizes, scales, strict=True) if isinstance(size, int)]
    return any(scale != 1 for scale in scales) and new == list(sizes)


def _sample(op: Operator, x: Value, scales: Sequence[float]) -> None:
    """Pick the rows, then the columns."""
    for axis, (size, scale) in enumerate(zip(op.sizes_from(x, 2), scales, strict=True), start=2):
        places = (np.arange(size, dtype=np.float32) / np.float32(scale)).astype(np.int64)
        rows = op.constant(np.minimum(places, size - 1))
        if axis == 2:
            x = op.emit("Gather", x, rows, axis=axis)
        else:
            from_channels_first(op, "Gather", x, rows, attributes={"axis": axis})


@translator("UpsampleBilinear", since=11)
def upsample_bilinear(op: Operator) -> None:
    """UpsampleBilinear: linear between the pixels, the corners stay at the corners; Caffe2 ignores its order."""
    factors = op.constant(np.array([1, 1, *_scales(op)], np.float32))
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    op.emit("Resize", op.inputs[0], _no_region(op), factors, to=0, attributes=attributes)


def _no_region(op: Operator) -> Value:
    return op.constant(np.zeros(0, np.float32))


def _scales(op: Operator) -> list[float]:
    """Factors of height and width, from arguments or a parameter."""
    if len(op.inputs) > 1:
        height, width = op.constant_of(op.inputs[1], "the scales").tolist()
    else:
        height, width = op.number("height_scale", 1.0), op.number("width_scale", 1.0)
    if height <= 0 or width <= 0:
        op.refuse(f"height_scale={height} and width_scale={width}: expected positive factors")
    return [height, width]


@translator("PadImage")
def pad_image(op: Operator) -> None:
    """PadImage: constant, edge or reflected borders; a negative pad cuts."""
    x = op.inputs[0]
    mode, value = op.text("mode", "constant"), op.number("value")
    if mode not in {"constant", "edge", "reflect"}:
        op.refuse(f"argument mode={mode!r}: expected constant, edge or reflect")
    top, left, bottom, right = _image_pads(op)
    pads = [0, top, left, 0, 0, bottom, right, 0] if op.channels_last else [0, 0, top, left, 0, 0, bottom, right]
    pad(op, x, pads, mode, value, to=0)


def _image_pads(op: Operator) -> list[int]:
    if op.has("pad"):
        return [op.integer("pad")] * 4
    sides = [f"pad_{side}" for side in "tlbr"]
    if all(op.has(side) for side in sides):
        return [op.integer(side) for side in sides]
    pads = op.integers("pads") or [0] * 4
    if len(pads) != 4:
        op.refuse(f"argument pads={pads}: expected 4 values")
    return pads
