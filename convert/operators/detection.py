"""Detection operators in standard nodes: proposals, box regression, selection of boxes.

Where scores are equal, the order of the boxes decides; Caffe2's, whose sort is not stable, is another one.
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, reduce, reshape, squeeze, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import (
    Boxes,
    at_most,
    clip,
    columns,
    corners,
    extent,
    half,
    minus,
    never_selected,
    plus_one,
    regress,
    size_of,
    suppress,
    top,
    transform,
)
from zoosmith.convert.registry import translator


@translator("GenerateProposals", "GenerateProposalsCPP", since=11, inputs=4)
def generate_proposals(op: Operator) -> None:
    """The best boxes of each image, regressed, cut to it, large enough, and not overlapping better ones."""
    scores, deltas, image_info, anchors = op.inputs
    op.expect_rank(scores, 4, "the scores")
    images, kinds, *plane = op.shape(scores)
    op.expect_shape(anchors, [kinds, 4], "the anchors (with angles they have no translation)")
    count, _ = op.sizes(anchors)
    op.expect_shape(deltas, [images, 4 * count, *plane], "the deltas")
    op.expect_shape(image_info, [images, 3], "the image information")
    one = plus_one(op)
    flat = reshape(op, scores, [0, -1])
    best, places = top(op, flat, at_most(op, size_of(op, flat, 1), op.integer("pre_nms_topN", 6000)), axis=1)
    by_anchor = op.emit("Transpose", reshape(op, deltas, [0, count, 4, -1]), perm=[0, 1, 3, 2])
    rows = op.emit("Expand", unsqueeze(op, places, [2]), op.int64s(1, 1, 4))
    growth = op.emit("GatherElements", reshape(op, by_anchor, [0, -1, 4]), rows, axis=1)
    sizes = unsqueeze(op, op.emit("Gather", image_info, op.int64s(1, 0), axis=1), [1])
    limits = minus(op, op.emit("Floor", sizes), one)
    boxes = transform(op, _anchors(op, places, scores, anchors), corners(op, growth, 2), (1, 1, 1, 1), limits, one)
    large = _large_enough(op, boxes, image_info, sizes, one)
    selected = suppress(
        op,
        boxes,
        op.emit("Where", large, best, never_selected(op)),
        most=op.integer("post_nms_topN", 300),
        overlap=op.number("nms_thresh", float(np.float32(0.7))),
        one=one,
    )
    pairs = op.emit("Gather", selected, op.int64s(0, 2), axis=1)
    image = cast(op, columns(op, selected, 1, 0, 1), TensorProto.FLOAT)
    op.emit("Concat", image, op.emit("GatherND", op.emit("Concat", *boxes, axis=2), pairs), to=0, axis=1)
    op.emit("GatherND", best, pairs, to=1)


def _anchors(op: Operator, places: Value, scores: Value, anchors: Value) -> Boxes:
    """The anchors (n, k, 2) at places (n, k) of the flattened (A, H, W)."""
    height, width = size_of(op, scores, 2), size_of(op, scores, 3)
    plane = op.emit("Mul", height, width)
    kind = op.emit("Div", places, plane)
    rest = op.emit("Mod", places, plane)
    x, y = op.emit("Mod", rest, width), op.emit("Div", rest, width)
    grid = op.emit("Concat", unsqueeze(op, x, [2]), unsqueeze(op, y, [2]), axis=2)
    if not op.number("spatial_scale", 1.0 / 16) > 0:
        op.refuse(f"argument spatial_scale={op.number('spatial_scale')}: expected above 0")
    stride = float(np.float32(1.0) / np.float32(op.number("spatial_scale", 1.0 / 16)))
    moves = op.emit("Mul", cast(op, grid, TensorProto.FLOAT), number(op, stride))
    low, high = corners(op, op.emit("Gather", anchors, kind), 2)
    return Boxes(op.emit("Add", low, moves), op.emit("Add", high, moves))


def _large_enough(op: Operator, boxes: Boxes, image_info: Value, sizes: Value, one: float) -> Value:
    """Tell which boxes (n, k) are `min_size` times their image's scale wide and high, with the centre in the image."""
    own = extent(op, boxes, one)
    smallest = op.emit(
        "Mul",
        cast(op, unsqueeze(op, columns(op, image_info, 1, 2, 3), [1]), TensorProto.DOUBLE),
        number(op, op.number("min_size", 16.0), np.float64),
    )
    wide = op.emit("Not", op.emit("Less", cast(op, own, TensorProto.DOUBLE), smallest))
    inside = op.emit("Less", op.emit("Add", boxes.low, half(op, own)), sizes)
    both = cast(op, op.emit("And", wide, inside), TensorProto.INT32)
    return cast(op, reduce(op, "ReduceMin", both, [2], keepdims=False), TensorProto.BOOL)


@translator("BBoxTransform", since=11, inputs=3)
def bbox_transform(op: Operator) -> None:
    """Boxes of all classes regressed from RoIs, in the image's own scale, and cut to it."""
    rois, deltas, image_info = op.inputs
    numbers = 5 if op.flag("rotated") else 4
    for what, value in (("the RoIs", rois), ("the deltas", deltas), ("the image information", image_info)):
        op.expect_rank(value, 2, what)
    (given,), (width,) = op.sizes_from(rois, 1), op.sizes_from(deltas, 1)
    if given not in {numbers, numbers + 1} or width % numbers:
        op.refuse(
            f"RoIs of {given} and deltas of {width} columns, expected {numbers} a box, and an image index for RoIs"
        )
    weights = op.numbers("weights") if op.has("weights") else [1.0] * 4
    if len(weights) != 4:
        op.refuse(f"argument weights has {len(weights)} numbers, expected 4")
    ids = _image_of_each(op, rois) if given > numbers else None
    info = image_info if ids is None or op.shape(image_info)[0] == 1 else op.emit("Gather", image_info, ids)
    scale = columns(op, info, 1, 2, 3)
    boxes = columns(op, rois, 1, given - numbers, given)
    limits = _image_limits(op, info, scale)
    by_class = reshape(op, deltas, [0, width // numbers, numbers])
    move = _rotate if numbers == 5 else _regress
    parts = move(op, boxes, by_class, weights, scale, limits)
    reshape(op, op.emit("Concat", *parts, axis=2), [0, width], to=0)
    if op.has_output(1):
        op.bind(1, lambda: _count_images(op, rois, ids, image_info))


def _image_of_each(op: Operator, rois: Value) -> Value:
    """The image of each RoI (m): Caffe2 counts the RoIs of each image, and takes them to be in order."""
    ids = squeeze(op, columns(op, rois, 1, 0, 1), [1])
    return cast(op, top(op, ids, size_of(op, ids, 0), largest=False)[0], TensorProto.INT64)


def _image_limits(op: Operator, info: Value, scale: Value) -> Value:
    """Width and height before the image was scaled, rounded, less what a box is wider than its corners' difference."""
    sizes = op.emit("Div", op.emit("Gather", info, op.int64s(1, 0), axis=1), scale)
    rounded = op.emit("Floor", op.emit("Add", cast(op, sizes, TensorProto.DOUBLE), number(op, 0.5, np.float64)))
    return minus(op, cast(op, rounded, TensorProto.FLOAT), plus_one(op))


def _scaled_back(op: Operator, boxes: Boxes, scale: Value) -> Boxes:
    if not op.flag("apply_scale", True):
        return boxes
    return Boxes(*(op.emit("Mul", part, unsqueeze(op, scale, [1])) for part in boxes))


def _regress(
    op: Operator, boxes: Value, deltas: Value, weights: Sequence[float], scale: Value, limits: Value
) -> Sequence[Value]:
    low, high = corners(op, op.emit("Div", boxes, scale))
    each = Boxes(unsqueeze(op, low, [1]), unsqueeze(op, high, [1]))
    moved = transform(op, each, corners(op, deltas, 2), weights, unsqueeze(op, limits, [1]), plus_one(op))
    return _scaled_back(op, moved, scale)


def _rotate(
    op: Operator, boxes: Value, deltas: Value, weights: Sequence[float], scale: Value, limits: Value
) -> Sequence[Value]:
    """Boxes as centre, size and angle; those nearly upright are cut to the image."""
    one = plus_one(op)
    centres, sizes = corners(op, op.emit("Div", columns(op, boxes, 1, 0, 4), scale))
    centres, sizes = regress(
        op, unsqueeze(op, centres, [1]), unsqueeze(op, sizes, [1]), corners(op, deltas, 2), weights
    )
    degrees = op.emit("Mul", columns(op, deltas, 2, 4, 5), number(op, 180.0))
    degrees = op.emit("Div", degrees, number(op, np.pi))
    angles = _bounded(op, op.emit("Add", degrees, unsqueeze(op, columns(op, boxes, 1, 4, 5), [1])))
    reach = half(op, minus(op, sizes, one))
    upright = Boxes(op.emit("Sub", centres, reach), op.emit("Add", centres, reach))
    cut = clip(op, upright, unsqueeze(op, limits, [1]))
    tilted = op.emit("Less", number(op, op.number("clip_angle_thresh", 1.0)), op.emit("Abs", angles))
    centres = op.emit("Where", tilted, centres, half(op, op.emit("Add", *cut)))
    sizes = op.emit("Where", tilted, sizes, extent(op, cut, one))
    return *_scaled_back(op, Boxes(centres, sizes), scale), angles


def _bounded(op: Operator, angles: Value) -> Value:
    if not op.flag("angle_bound_on", True):
        return angles
    low, high = op.integer("angle_bound_lo", -90), op.integer("angle_bound_hi", 90)
    if high <= low or (high - low) % 180:
        op.refuse(f"angle bounds {low} and {high}: expected a multiple of 180 between them")
    period = number(op, high - low)
    lowered = op.emit("Where", op.emit("Greater", angles, number(op, high)), op.emit("Sub", angles, period), angles)
    return op.emit("Where", op.emit("Less", angles, number(op, low)), op.emit("Add", angles, period), lowered)


def _count_images(op: Operator, rois: Value, ids: Value | None, image_info: Value) -> Value:
    """How many RoIs each image has, as floats."""
    if ids is None or op.shape(image_info)[0] == 1:
        count = cast(op, size_of(op, rois, 0), TensorProto.FLOAT)
        return op.emit("Reshape", count, op.int64s(1), to=1)
    images = op.emit("Range", number(op, 0, np.int64), size_of(op, image_info, 0), number(op, 1, np.int64))
    own = op.emit("Equal", unsqueeze(op, images, [1]), ids)
    return reduce(op, "ReduceSum", cast(op, own, TensorProto.FLOAT), [1], keepdims=False, to=1)
