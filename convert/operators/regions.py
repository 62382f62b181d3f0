"""Operators on regions of interest in standard nodes: pooling them, distributing them over a pyramid, keypoints."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, pad, reduce, reshape, squeeze, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import at_most, columns, corners, extent, half, plus_one, size_of, top
from zoosmith.convert.operators.convolution import from_channels_first, to_channels_first
from zoosmith.convert.registry import at_least, translator


@translator("RoIAlign", since=10, inputs=2)
def roi_align(op: Operator) -> None:
    """RoiAlign; up to opset 15 it has the form without half a pixel's shift only."""
    image, rois = op.inputs
    op.expect_rank(rois, 2, "the RoIs")
    (width,) = op.sizes_from(rois, 1)
    if width not in {4, 5}:
        op.refuse(f"RoIs of {width} columns: expected 4, or 5 with the image's index")
    count = unsqueeze(op, size_of(op, rois, 0), [0])
    if width == 5:
        ids = cast(op, squeeze(op, columns(op, rois, 1, 0, 1), [1]), TensorProto.INT64)
    else:
        ids = op.emit("ConstantOfShape", count, value=np.zeros(1, np.int64))
    mode: dict[str, str] = {}
    if op.flag("aligned"):
        op.require(16, "ONNX's RoiAlign has shifted by half a pixel since then")
        mode = {"coordinate_transformation_mode": "half_pixel"}
    elif op.opset >= 16:
        mode = {"coordinate_transformation_mode": "output_half_pixel"}
    from_channels_first(
        op,
        "RoiAlign",
        to_channels_first(op, image),
        columns(op, rois, 1, width - 4, width),
        ids,
        attributes={
            "output_height": op.integer("pooled_h", 1),
            "output_width": op.integer("pooled_w", 1),
            "sampling_ratio": max(op.integer("sampling_ratio", -1), 0),
            "spatial_scale": op.number("spatial_scale", 1.0),
            **mode,
        },
    )


@translator("RoIPool", inputs=2)
def roi_pool(op: Operator) -> None:
    """MaxRoiPool; where the elements came from has no form in ONNX."""
    image, rois = op.inputs
    op.expect_shape(rois, [None, 5], "the RoIs")
    if op.channels_last:
        op.refuse("argument order=NHWC, which Caffe2 refuses")
    size = [op.integer("pooled_h", 1), op.integer("pooled_w", 1)]
    op.emit("MaxRoiPool", image, rois, to=0, pooled_shape=size, spatial_scale=op.number("spatial_scale", 1.0))


@translator("CollectRpnProposals", since=11, inputs=at_least(2))
def collect_rpn_proposals(op: Operator) -> None:
    """The best RoIs of all levels, best first."""
    op.bind(0, lambda: _collect(op, to=0))


def _collect(op: Operator, to: int | None) -> Value:
    levels = op.integer("rpn_max_level", 6) - op.integer("rpn_min_level", 2) + 1
    if levels < 1 or len(op.inputs) != 2 * levels:
        op.refuse(f"it has {len(op.inputs)} inputs for {levels} levels: expected RoIs and scores of each")
    rois = op.emit("Concat", *op.inputs[:levels], axis=0)
    scores = op.emit("Concat", *(reshape(op, blob, [-1]) for blob in op.inputs[levels:]), axis=0)
    _, places = top(op, scores, at_most(op, size_of(op, scores, 0), op.integer("rpn_post_nms_topN", 2000)))
    return op.emit("Gather", rois, places, to=to)


@translator("DistributeFpnProposals", since=11)
def distribute_fpn_proposals(op: Operator) -> None:
    """RoIs by pyramid level, and where each RoI is then."""
    _distribute(op, op.inputs[0], 0)


@translator("CollectAndDistributeFpnRpnProposals", since=11, inputs=at_least(2))
def collect_and_distribute(op: Operator) -> None:
    """Both in one."""
    _distribute(op, _collect(op, to=0), 1)


def _distribute(op: Operator, rois: Value, first: int) -> None:
    lowest, highest = op.integer("roi_min_level", 2), op.integer("roi_max_level", 5)
    if highest < lowest or len(op.output_names) != first + highest - lowest + 2:
        op.refuse(f"it has {len(op.output_names)} outputs for the levels {lowest} to {highest}")
    levels = _levels(op, rois, lowest, highest)
    places = []
    for level in range(lowest, highest + 1):
        here = op.emit("NonZero", cast(op, op.emit("Equal", levels, number(op, level)), TensorProto.INT32))
        places.append(squeeze(op, here, [0]))
        op.emit("Gather", rois, places[-1], to=first + level - lowest)
    order = op.emit("Concat", *places, axis=0)
    _, restore = top(op, order, size_of(op, order, 0), largest=False)
    cast(op, restore, TensorProto.INT32, to=len(op.output_names) - 1)


def _levels(op: Operator, rois: Value, lowest: int, highest: int) -> Value:
    """The pyramid level (n) of each RoI by its size."""
    op.expect_rank(rois, 2, "the RoIs")
    (width,) = op.sizes_from(rois, 1)
    sides = extent(op, corners(op, columns(op, rois, 1, width - 4, width)), plus_one(op))
    area = op.emit("Mul", *(op.emit("Gather", sides, number(op, n, np.int64), axis=1) for n in (0, 1)))
    scale = number(op, op.integer("roi_canonical_scale", 224))
    relative = op.emit("Add", op.emit("Div", op.emit("Sqrt", area), scale), number(op, 1e-6))
    steps = op.emit("Div", op.emit("Log", relative), number(op, np.log(2)))
    level = op.emit("Floor", op.emit("Add", steps, number(op, op.integer("roi_canonical_level", 4))))
    return op.emit("Max", op.emit("Min", level, number(op, highest)), number(op, lowest))


@translator("BatchPermutation", inputs=2)
def batch_permutation(op: Operator) -> None:
    """Gather of rows."""
    x, indices = op.inputs
    op.expect_shape(indices, op.shape(x)[:1], "the indices")
    op.emit("Gather", x, indices, to=0)


@translator("HeatmapMaxKeypoint", since=11, inputs=2)
def heatmap_max_keypoint(op: Operator) -> None:
    """The peak of each heat map, refined by a quadratic fit to its neighbours; a border is a mirror."""
    maps, boxes = op.inputs
    op.expect_rank(maps, 4, "the heat maps")
    op.expect_rank(boxes, 2, "the boxes")
    size, width = op.sizes_from(maps, 2)
    if size != width or size < 2:
        op.refuse(f"heat maps of {size} by {width}: expected squares of 2 by 2 and larger")
    flat = reshape(op, maps, [0, 0, size * size])
    place = op.emit("ArgMax", flat, axis=2, keepdims=1)
    row, column = op.emit("Div", place, number(op, size, np.int64)), op.emit("Mod", place, number(op, size, np.int64))
    around = _neighbours(op, maps, row, column, size)
    moves, score = _peak(op, around)
    low, high = corners(op, boxes)
    lengths = op.emit("Max", op.emit("Sub", high, low), number(op, 1.0))
    outputs = []
    for axis, (position, move) in enumerate(zip((column, row), moves, strict=True)):
        pixel = op.emit("Add", op.emit("Add", _flat_float(op, position), number(op, 0.5)), move)
        start, length = (columns(op, x, 1, axis, axis + 1) for x in (low, lengths))
        outputs.append(op.emit("Add", start, op.emit("Div", op.emit("Mul", pixel, length), number(op, size))))
    if op.flag("should_output_softmax"):
        exponentials = op.emit("Exp", flat)
        own = op.emit("GatherElements", exponentials, place, axis=2)
        share = op.emit("Div", own, reduce(op, "ReduceSum", exponentials, [2], keepdims=True))
        probability = squeeze(op, share, [2])
    else:
        probability = op.emit("Mul", score, number(op, 0.0))
    rows = [unsqueeze(op, x, [1]) for x in (*outputs, score, probability)]
    op.emit("Concat", *rows, to=0, axis=1)


def _flat_float(op: Operator, place: Value) -> Value:
    return cast(op, squeeze(op, place, [2]), TensorProto.FLOAT)


def _neighbours(op: Operator, maps: Value, row: Value, column: Value, size: int) -> dict[tuple[int, int], Value]:
    """Elements (n, k) at and around the peaks, by their offset (down, right)."""
    wide = size + 2
    framed = reshape(op, pad(op, maps, [0, 0, 1, 1, 0, 0, 1, 1], "reflect", 0.0), [0, 0, wide * wide])
    offsets = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    steps = op.constant(np.array([(down + 1) * wide + right + 1 for down, right in offsets], np.int64))
    corner = op.emit("Add", op.emit("Mul", row, number(op, wide, np.int64)), column)
    found = op.emit("GatherElements", framed, op.emit("Add", corner, steps), axis=2)
    return {offset: op.emit("Gather", found, number(op, n, np.int64), axis=2) for n, offset in enumerate(offsets)}


def _peak(op: Operator, around: dict[tuple[int, int], Value]) -> tuple[Sequence[Value], Value]:
    """How far the peak of the quadratic is from the largest element, to the right and down, and its height."""

    def sub(a: Value, b: Value) -> Value:
        return op.emit("Sub", a, b)

    def mul(a: Value, b: Value) -> Value:
        return op.emit("Mul", a, b)

    centre = around[0, 0]
    double = op.emit("Add", centre, centre)
    slope_x, slope_y = half(op, sub(around[0, 1], around[0, -1])), half(op, sub(around[1, 0], around[-1, 0]))
    bend_x = op.emit("Add", sub(around[0, -1], double), around[0, 1])
    bend_y = op.emit("Add", sub(around[-1, 0], double), around[1, 0])
    diagonal = sub(sub(around[1, 1], around[1, -1]), sub(around[-1, 1], around[-1, -1]))
    twist = mul(diagonal, number(op, 0.25))
    determinant = sub(mul(bend_x, bend_y), mul(twist, twist))
    level = op.emit("Less", op.emit("Abs", determinant), number(op, 1e-4))
    safe = op.emit("Where", level, number(op, 1.0), determinant)
    raw = [
        op.emit("Where", level, number(op, 0.0), op.emit("Div", sub(mul(twist, a), mul(bend, b)), safe))
        for a, bend, b in ((slope_y, bend_y, slope_x), (slope_x, bend_x, slope_y))
    ]
    farthest = op.emit("Max", *(op.emit("Abs", move) for move in raw), number(op, 1.5))
    right, down = (mul(op.emit("Div", move, farthest), number(op, 1.5)) for move in raw)
    rise = op.emit("Add", mul(slope_x, right), mul(slope_y, down))
    curve = op.emit("Add", mul(bend_x, mul(right, right)), mul(bend_y, mul(down, down)))
    curve = op.emit("Add", half(op, curve), mul(twist, mul(right, down)))
    return (right, down), op.emit("Add", centre, op.emit("Add", rise, curve))
