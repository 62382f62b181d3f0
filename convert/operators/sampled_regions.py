"""Pooling of regions that ONNX has no operator for: rotated ones, and position-sensitive ones."""

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, pad, reduce, reshape, squeeze, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import columns, half, minus, plus, size_of
from zoosmith.convert.operators.segments import counted
from zoosmith.convert.registry import translator


class _Samples(NamedTuple):
    """Where samples lie along one side of each region (n, bins, samples), and which of them count."""

    places: Value
    counted: Value
    per_bin: Value


@translator("RoIAlignRotated", since=11, inputs=2)
def roi_align_rotated(op: Operator) -> None:
    """The mean of bilinear samples in each bin of regions turned about their centre, counter-clockwise in degrees."""
    image, rois = op.inputs
    op.expect_rank(image, 4, "the image")
    op.expect_rank(rois, 2, "the RoIs")
    (width,) = op.sizes_from(rois, 1)
    if width not in {5, 6}:
        op.refuse(f"RoIs of {width} columns: expected 5, or 6 with the image's index")
    if width == 6:
        ids = cast(op, squeeze(op, columns(op, rois, 1, 0, 1), [1]), TensorProto.INT64)
    else:
        ids = op.emit("ConstantOfShape", unsqueeze(op, size_of(op, rois, 0), [0]), value=np.zeros(1, np.int64))
    scale = number(op, op.number("spatial_scale", 1.0))
    start = width - 5
    centres = op.emit("Mul", columns(op, rois, 1, start, start + 2), scale)
    sizes = op.emit("Mul", columns(op, rois, 1, start + 2, start + 4), scale)
    if op.flag("aligned"):
        centres = minus(op, centres, 0.5)
    else:
        sizes = op.emit("Max", sizes, number(op, 1.0))
    down, across = (_samples(op, sizes, axis, name) for axis, name in ((1, "pooled_h"), (0, "pooled_w")))
    y, x = _turned(op, down.places, across.places, centres, columns(op, rois, 1, start + 4, start + 5))
    inside = op.emit("And", unsqueeze(op, down.counted, [1, 3, 4]), unsqueeze(op, across.counted, [1, 2, 3]))
    found = _bilinear(op, image, ids, y, x, inside)
    total = reduce(op, "ReduceSum", found, [2, 4], keepdims=False)
    share = op.emit("Mul", down.per_bin, across.per_bin)
    mean = op.emit("Div", total, unsqueeze(op, share, [1, 2, 3]))
    if op.channels_last:
        op.emit("Identity", mean, to=0)
    else:
        op.emit("Transpose", mean, to=0, perm=[0, 3, 1, 2])


def _samples(op: Operator, sizes: Value, axis: int, name: str) -> _Samples:
    """Spread the samples of each bin along one side, relative to the centre of the region."""
    bins = op.integer(name, 1)
    if bins < 1:
        op.refuse(f"argument {name}={bins}: expected 1 or more")
    size = squeeze(op, columns(op, sizes, 1, axis, axis + 1), [1])
    step = op.emit("Div", size, number(op, bins))
    ratio = op.integer("sampling_ratio", -1)
    if ratio > 0:
        per_bin = op.emit("Add", op.emit("Mul", size, number(op, 0.0)), number(op, ratio))
        most = number(op, ratio, np.int64)
    else:
        per_bin = op.emit("Ceil", step)
        # there may be no region at all
        most = cast(op, reduce(op, "ReduceMax", pad(op, per_bin, [0, 1], "constant", 1.0), [0], keepdims=False), 7)
    sample = cast(op, counted(op, most), TensorProto.FLOAT)
    within = op.emit(
        "Div", op.emit("Mul", plus(op, sample, 0.5), unsqueeze(op, step, [1])), unsqueeze(op, per_bin, [1])
    )
    bin_number = op.constant(np.arange(*op.limited(bins), dtype=np.float32).reshape(1, -1))
    first = op.emit("Sub", op.emit("Mul", bin_number, unsqueeze(op, step, [1])), unsqueeze(op, half(op, size), [1]))
    places = op.emit("Add", unsqueeze(op, first, [2]), unsqueeze(op, within, [1]))
    return _Samples(places, op.emit("Less", sample, unsqueeze(op, per_bin, [1])), per_bin)


def _turned(op: Operator, down: Value, across: Value, centres: Value, degrees: Value) -> tuple[Value, Value]:
    """Rows and columns (n, bins, samples, bins, samples) of the samples in the image."""
    radians = op.emit("Div", op.emit("Mul", cast(op, degrees, TensorProto.DOUBLE), number(op, np.pi, np.float64)),
                      number(op, 180.0, np.float64))  # fmt: skip
    angle = unsqueeze(op, cast(op, radians, TensorProto.FLOAT), [2, 3, 4])
    cosine, sine = op.emit("Cos", angle), op.emit("Sin", angle)
    down, across = unsqueeze(op, down, [3, 4]), unsqueeze(op, across, [1, 2])
    centre_x, centre_y = (unsqueeze(op, columns(op, centres, 1, n, n + 1), [2, 3, 4]) for n in (0, 1))
    rows = op.emit("Sub", op.emit("Mul", down, cosine), op.emit("Mul", across, sine))
    lines = op.emit("Add", op.emit("Mul", across, cosine), op.emit("Mul", down, sine))
    return op.emit("Add", rows, centre_y), op.emit("Add", lines, centre_x)


def _bilinear(op: Operator, image: Value, ids: Value, y: Value, x: Value, counted_in: Value) -> Value:
    """Sample an image (…, channels) at rows and columns; what lies outside by more than a pixel is 0."""
    order = [0, 1, 2, 3] if op.channels_last else [0, 2, 3, 1]
    pixels = image if op.channels_last else op.emit("Transpose", image, perm=order)
    channels = op.sizes_from(pixels, 3)[0]
    height, width = size_of(op, pixels, 1), size_of(op, pixels, 2)
    low_y, high_y, part_y, inside_y = _neighbours(op, y, height)
    low_x, high_x, part_x, inside_x = _neighbours(op, x, width)
    weight = cast(op, op.emit("And", op.emit("And", inside_y, inside_x), counted_in), TensorProto.FLOAT)
    flat = reshape(op, pixels, [-1, channels])
    first = op.emit("Mul", unsqueeze(op, ids, [1, 2, 3, 4]), height)
    total: Value | None = None
    one = number(op, 1.0)
    for row, share_y in ((low_y, op.emit("Sub", one, part_y)), (high_y, part_y)):
        for column, share_x in ((low_x, op.emit("Sub", one, part_x)), (high_x, part_x)):
            place = op.emit("Add", op.emit("Mul", op.emit("Add", first, row), width), column)
            share = op.emit("Mul", op.emit("Mul", share_y, share_x), weight)
            part = op.emit("Mul", op.emit("Gather", flat, place), unsqueeze(op, share, [5]))
            total = part if total is None else op.emit("Add", total, part)
    assert total is not None
    return total


def _neighbours(op: Operator, places: Value, size: Value) -> tuple[Value, Value, Value, Value]:
    """The pixels before and after each place, its distance from the first, and whether it counts as inside."""
    end = cast(op, size, TensorProto.FLOAT)
    outside = op.emit("Or", op.emit("Less", places, number(op, -1.0)), op.emit("Greater", places, end))
    kept = op.emit("Min", op.emit("Max", places, number(op, 0.0)), minus(op, end, 1.0))
    before = op.emit("Floor", kept)
    after = op.emit("Min", plus(op, before, 1.0), minus(op, end, 1.0))
    low, high = (cast(op, pixel, TensorProto.INT64) for pixel in (before, after))
    return low, high, op.emit("Sub", kept, before), op.emit("Not", outside)


@translator("PSRoIPool", since=11, inputs=2)
def ps_roi_pool(op: Operator) -> None:
    """Each bin is the mean of its own channel over it, by differences of sums from the corner of the image on."""
    image, rois = op.inputs
    op.expect_rank(image, 4, "the image")
    op.expect_shape(rois, [None, 5], "the RoIs")
    group, kinds = op.integer("group_size", 1), op.integer("output_dim", 1)
    if group < 1 or kinds < 1 or op.channels_last:
        op.refuse(f"group_size={group}, output_dim={kinds}, order={op.text('order', 'NCHW')}: expected 1 up and NCHW")
    channels = kinds * group * group
    op.expect_shape(image, [None, channels, None, None], "the image")
    op.limited(channels)
    own = np.arange(channels, dtype=np.int64).reshape(1, kinds, group, group)
    top, bottom = _bins(op, rois, 2, group, size_of(op, image, 2))
    left, right = _bins(op, rois, 1, group, size_of(op, image, 3))
    sums = cast(op, image, TensorProto.DOUBLE)
    for axis in (2, 3):
        sums = op.emit("CumSum", sums, number(op, axis, np.int64))
    # a line of zeros before the first row and column
    sums = pad(op, sums, [0, 0, 1, 1, 0, 0, 0, 0], "constant", 0.0)
    flat = reshape(op, sums, [-1])
    ids = cast(op, squeeze(op, columns(op, rois, 1, 0, 1), [1]), TensorProto.INT64)
    plane = op.emit(
        "Add", op.emit("Mul", unsqueeze(op, ids, [1, 2, 3]), number(op, channels, np.int64)), op.constant(own)
    )
    height, width = (op.emit("Add", size_of(op, image, n), number(op, 1, np.int64)) for n in (2, 3))
    # by kind, row and column of the bin
    top, bottom = unsqueeze(op, top, [1, 3]), unsqueeze(op, bottom, [1, 3])
    left, right = unsqueeze(op, left, [1, 2]), unsqueeze(op, right, [1, 2])

    def corner(row: Value, column: Value) -> Value:
        line = op.emit("Add", op.emit("Mul", plane, height), row)
        return op.emit("Gather", flat, op.emit("Add", op.emit("Mul", line, width), column))

    total = op.emit("Sub", op.emit("Sub", corner(bottom, right), corner(top, right)),
                    op.emit("Sub", corner(bottom, left), corner(top, left)))  # fmt: skip
    zero, one = number(op, 0.0), number(op, 1.0)
    sides = (cast(op, op.emit("Sub", *ends), TensorProto.FLOAT) for ends in ((bottom, top), (right, left)))
    area = op.emit("Mul", *(op.emit("Max", side, zero) for side in sides))
    mean = op.emit("Div", total, cast(op, op.emit("Max", area, one), TensorProto.DOUBLE))
    op.emit("Where", op.emit("Greater", area, zero), cast(op, mean, TensorProto.FLOAT), zero, to=0)
    op.bind(1, lambda: _channels(op, ids, own))


def _bins(op: Operator, rois: Value, column: int, bins: int, size: Value) -> tuple[Value, Value]:
    """Where each bin of each region begins and ends (n, bins) along one side, int64."""
    scale = number(op, op.number("spatial_scale", 1.0))
    first, last = (_rounded(op, columns(op, rois, 1, n, n + 1)) for n in (column, column + 2))
    start = op.emit("Mul", first, scale)
    length = op.emit("Sub", op.emit("Mul", plus(op, last, 1.0), scale), start)
    step = op.emit("Div", op.emit("Max", length, number(op, 0.1)), number(op, bins))
    ends = []
    for shift, rounding in ((0, "Floor"), (1, "Ceil")):
        places = op.constant(np.arange(shift, *op.limited(bins + shift), dtype=np.float32).reshape(1, -1))
        exact = op.emit(rounding, op.emit("Add", op.emit("Mul", places, step), start))
        kept = op.emit("Min", op.emit("Max", exact, number(op, 0.0)), cast(op, size, TensorProto.FLOAT))
        ends.append(cast(op, kept, TensorProto.INT64))
    return ends[0], ends[1]


def _rounded(op: Operator, x: Value) -> Value:
    """Round halves away from zero."""
    return op.emit("Mul", op.emit("Sign", x), op.emit("Floor", plus(op, op.emit("Abs", x), 0.5)))


def _channels(op: Operator, ids: Value, own: np.ndarray) -> Value:
    """The channel of each bin, int32."""
    every = op.emit("Expand", op.constant(own), op.emit("Concat", op.emit("Shape", ids), op.int64s(1, 1, 1), axis=0))
    return cast(op, every, TensorProto.INT32, to=1)
