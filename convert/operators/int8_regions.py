"""Int8RoIAlign: bilinear samples with weights of 8 bits, as a Gather of pixels."""

from itertools import product
from math import frexp
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, reduce, reshape, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import Boxes, columns, corners, plus
from zoosmith.convert.operators.quantized import (
    divide_rounded,
    double,
    output_quantization,
    quantization_of,
    saturate,
    times,
)
from zoosmith.convert.registry import translator


class _Neighbours(NamedTuple):
    """Pixels (R, samples) along one axis as int64, and their weights."""

    place: Value
    weight: Value


# samples along a side of an RoI, far beyond any net's: the indices of all stand in the file
_MOST_SAMPLES = 4096


@translator("Int8RoIAlign", since=11, inputs=2)
def int8_roi_align(op: Operator) -> None:
    """The pixels around every sample times weights of 8 bits, summed in each bin, rescaled."""
    x, rois = op.inputs
    op.expect_rank(x, 4, "the image")
    op.expect_rank(rois, 2, "the RoIs")
    (width,) = op.sizes_from(rois, 1)
    grid = op.integer("sampling_ratio", -1)
    if op.text("order", "NHWC") != "NHWC" or width not in {4, 5}:
        op.refuse(f"order {op.text('order', 'NHWC')} and RoIs of {width} columns: expected NHWC, and 4 or 5")
    if grid <= 0:
        op.refuse("sampling_ratio is not positive: samples whose number the RoIs decide have no form in ONNX")
    size = op.sizes_from(x, 1)
    pooled = op.integer("pooled_h", 1), op.integer("pooled_w", 1)
    if not (min(pooled) > 0 and max(pooled) * grid <= _MOST_SAMPLES):
        op.refuse(f"pooled sizes {pooled} of {grid} samples: expected 1 to {_MOST_SAMPLES} samples a side")
    scaled = op.emit("Mul", columns(op, rois, 1, width - 4, width), number(op, op.number("spatial_scale", 1.0)))
    rows, across = (_neighbours(op, corners(op, scaled), axis, pooled[axis], grid, size[axis]) for axis in (0, 1))
    image = _first_pixel(op, rois, size) if width == 5 else None
    pixels = reshape(op, x, [-1, size[2]])
    parts = [_weighted(op, pixels, image, *pair, size[1]) for pair in product(rows, across)]
    total = op.emit("Sum", *parts)
    total = reshape(op, total, [-1, pooled[0], grid, pooled[1], grid, size[2]])
    source, output = quantization_of(op, x), output_quantization(op)
    bins = reduce(op, "ReduceSum", total, [2, 4], keepdims=False)
    # also a sample outside of the image, all of whose weights are 0, is taken to have the zero point
    centred = op.emit("Sub", bins, number(op, 255 * source.zero_point * grid * grid, np.float64))
    factor = float(source.scale) / (float(output.scale) * 255.0 * grid * grid)
    if not 0 < factor < 1:
        op.refuse(f"the scale of its input over Y_scale, 255 and {grid * grid} samples is {factor}: expected below 1")
    fraction, exponent = frexp(factor)
    scaled_sum = times(op, centred, round(fraction * 2**31) * 2.0**-31)
    rounded = op.emit("Floor", op.emit("Add", scaled_sum, number(op, 0.5, np.float64)))
    saturate(op, divide_rounded(op, rounded, exponent), relu=False, to=0)


def _neighbours(op: Operator, boxes: Boxes, axis: int, bins: int, grid: int, size: int) -> list[_Neighbours]:
    """The lower and the upper neighbour of each sample along an axis (0: rows, 1: columns)."""
    low, high = (columns(op, corner, 1, 1 - axis, 2 - axis) for corner in boxes)
    length = op.emit("Max", op.emit("Sub", high, low), number(op, 1.0))
    bin_size = op.emit("Div", length, number(op, bins))
    op.limited(bins, grid)
    firsts = np.arange(bins).repeat(grid).astype(np.float32)
    offsets = np.tile(np.arange(grid) + 0.5, bins).astype(np.float32)
    start = op.emit("Add", low, op.emit("Mul", bin_size, op.constant(firsts)))
    step = op.emit("Div", op.emit("Mul", bin_size, op.constant(offsets)), number(op, grid))
    where = op.emit("Add", start, step)
    outside = op.emit("Or", op.emit("Less", where, number(op, -1)), op.emit("Greater", where, number(op, size)))
    where = op.emit("Min", op.emit("Max", where, number(op, 0)), number(op, size - 1))
    floor = op.emit("Floor", where)
    fraction = op.emit("Sub", where, floor)
    upper = op.emit("Min", plus(op, floor, 1), number(op, size - 1))
    pairs = ((floor, op.emit("Sub", number(op, 1), fraction)), (upper, fraction))
    return [
        _Neighbours(cast(op, place, TensorProto.INT64), op.emit("Where", outside, number(op, 0), weight))
        for place, weight in pairs
    ]


def _first_pixel(op: Operator, rois: Value, size: tuple[int, ...]) -> Value:
    """The place of each RoI's image (R, 1, 1) among all pixels."""
    ids = cast(op, columns(op, rois, 1, 0, 1), TensorProto.INT64)
    return unsqueeze(op, op.emit("Mul", ids, number(op, size[0] * size[1], np.int64)), [2])


def _weighted(
    op: Operator, pixels: Value, image: Value | None, row: _Neighbours, column: _Neighbours, width: int
) -> Value:
    """Pixels (R, samples down, samples across, C) times their whole weights, in float64."""
    down, right = unsqueeze(op, row.weight, [2]), unsqueeze(op, column.weight, [1])
    weight = op.emit("Round", op.emit("Mul", op.emit("Mul", down, right), number(op, 255)))
    start = op.emit("Mul", unsqueeze(op, row.place, [2]), number(op, width, np.int64))
    if image is not None:
        start = op.emit("Add", start, image)
    found = op.emit("Gather", pixels, op.emit("Add", start, unsqueeze(op, column.place, [1])))
    return op.emit("Mul", double(op, found), double(op, unsqueeze(op, weight, [3])))
