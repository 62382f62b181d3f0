"""BoxWithNMSLimit: for each image and class the boxes that overlap no better one, and the best of all classes."""

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, reduce, reshape, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import at_most, columns, corners, plus_one, size_of, suppress, top
from zoosmith.convert.operators.soft_suppression import suppress_softly
from zoosmith.convert.registry import translator

_SCORE, _BOX, _CLASS, _SPLITS, _KEEPS, _KEEPS_SIZE = range(6)


class _Detections(NamedTuple):
    """Detections of one image: scores (k), boxes (k, 4), classes from 0 (k), and boxes' places (k)."""

    scores: Value
    boxes: Value
    classes: Value
    places: Value


@translator("BoxWithNMSLimit", since=11, inputs=(2, 3))
def box_with_nms_limit(op: Operator) -> None:
    """NonMaxSuppression with the classes as batch, then TopK over all; `soft_nms_enabled` makes it a Loop."""
    if op.flag("rotated"):
        op.refuse("argument rotated=1: ONNX has no suppression of boxes with angles")
    scores, boxes, *splits = op.inputs
    scores, boxes = (op.emit("Flatten", x, axis=1) if op.rank(x) != 2 else x for x in (scores, boxes))
    (classes,) = op.sizes_from(scores, 1)
    _check_columns(op, classes, boxes)
    if classes < 2:
        op.refuse("only the background class")
    images = [(scores, boxes)]
    if splits:
        op.expect_rank(splits[0], 1, "the number of boxes of each image")
        (count,) = op.sizes_from(splits[0], 0)
        sizes = cast(op, splits[0], TensorProto.INT64)
        ends = op.emit("CumSum", sizes, number(op, 0, np.int64))
        starts = op.emit("Sub", ends, sizes)
        images = [(_rows(op, scores, starts, ends, n), _rows(op, boxes, starts, ends, n)) for n in range(count)]
    found = [_detect(op, classes, *image) for image in images]
    _write(op, classes, found)


def _check_columns(op: Operator, classes: int, boxes: Value) -> None:
    background = op.flag("input_boxes_include_bg_cls", True)
    expected = 1 if op.flag("cls_agnostic_bbox_reg") else classes - (not background)
    op.expect_shape(boxes, [None, 4 * expected], "the input of boxes")


def _rows(op: Operator, x: Value, starts: Value, ends: Value, n: int) -> Value:
    """Cut the rows of image n."""
    bounds = (columns(op, bound, 0, n, n + 1) for bound in (starts, ends))
    return op.emit("Slice", x, *bounds, op.int64s(0))


def _detect(op: Operator, classes: int, scores: Value, boxes: Value) -> _Detections:
    """Detections of one image, class by class."""
    first = int(op.flag("input_boxes_include_bg_cls", True))
    by_class = op.emit("Transpose", columns(op, scores, 1, first, first + classes - 1), perm=[1, 0])
    own = _boxes_by_class(op, classes, boxes)
    one, limit = plus_one(op), op.integer("detections_per_im", 100)
    above, overlap = op.number("score_thresh", float(np.float32(0.05))), op.number("nms", float(np.float32(0.3)))
    if op.text("soft_nms_method", "linear") not in {"linear", "gaussian"}:
        op.refuse(f"soft_nms_method={op.text('soft_nms_method')!r}: expected linear or gaussian")
    if op.flag("soft_nms_enabled"):
        pairs, best = suppress_softly(op, corners(op, own, 2), by_class, above=above, overlap=overlap, one=one)
    else:
        selected = suppress(op, corners(op, own, 2), by_class, most=limit, overlap=overlap, above=above, one=one)
        pairs = op.emit("Gather", selected, op.int64s(0, 2), axis=1)
        best = op.emit("GatherND", by_class, pairs)
    if limit > 0:
        _, order = top(op, best, at_most(op, size_of(op, best, 0), limit))
        order, _ = top(op, order, size_of(op, order, 0), largest=False)
        pairs, best = op.emit("Gather", pairs, order), op.emit("Gather", best, order)
    label, place = (op.emit("Gather", pairs, number(op, n, np.int64), axis=1) for n in (0, 1))
    return _Detections(best, op.emit("GatherND", own, pairs), label, place)


def _boxes_by_class(op: Operator, classes: int, boxes: Value) -> Value:
    """Boxes (classes - 1, n, 4) of all classes but the background."""
    if op.flag("cls_agnostic_bbox_reg"):
        # the classes' dimension is repeated, the others stay
        return op.emit("Expand", unsqueeze(op, boxes, [0]), op.int64s(classes - 1, 1, 1))
    first = int(op.flag("input_boxes_include_bg_cls", True))
    split = reshape(op, columns(op, boxes, 1, 4 * first, 4 * (first + classes - 1)), [0, classes - 1, 4])
    return op.emit("Transpose", split, perm=[1, 0, 2])


def _write(op: Operator, classes: int, found: list[_Detections]) -> None:
    """Write the outputs, of all images one after the other."""
    for output, parts in ((_SCORE, [f.scores for f in found]), (_BOX, [f.boxes for f in found])):
        op.emit("Concat", *parts, to=output, axis=0)
    label = cast(op, op.emit("Concat", *(f.classes for f in found), axis=0), TensorProto.FLOAT)
    op.emit("Add", label, number(op, float(op.flag("output_classes_include_bg_cls", True))), to=_CLASS)
    if op.has_output(_SPLITS):
        op.bind(_SPLITS, lambda: _splits(op, found))
    if op.has_output(_KEEPS):
        op.bind(_KEEPS, lambda: _keeps(op, found))
    if op.has_output(_KEEPS_SIZE):
        op.bind(_KEEPS_SIZE, lambda: _keeps_size(op, classes, found))


def _splits(op: Operator, found: list[_Detections]) -> Value:
    counts = [unsqueeze(op, size_of(op, image.scores, 0), [0]) for image in found]
    return cast(op, op.emit("Concat", *counts, axis=0), TensorProto.FLOAT, to=_SPLITS)


def _keeps(op: Operator, found: list[_Detections]) -> Value:
    places = op.emit("Concat", *(image.places for image in found), axis=0)
    return cast(op, places, TensorProto.INT32, to=_KEEPS)


def _keeps_size(op: Operator, classes: int, found: list[_Detections]) -> Value:
    """Detections of each image and class (images, classes); none is background, which is class -1 here."""
    every = op.constant(np.arange(-1, classes - 1).reshape(-1, 1))
    counts = [
        reduce(
            op, "ReduceSum", cast(op, op.emit("Equal", every, image.classes), TensorProto.INT32), [1], keepdims=False
        )
        for image in found
    ]
    return op.emit("Concat", *(unsqueeze(op, count, [0]) for count in counts), to=_KEEPS_SIZE, axis=0)
