"""Geometry of detection boxes in ONNX nodes. Boxes are two values, their low and their high corners (…, 2) as x, y.

`one` is what a box is wider than the difference of its corners: 1 with `legacy_plus_one`, Caffe2's default, else 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import number, pad, slice_axes, unsqueeze
from zoosmith.convert.operator import Operator

# no regression makes a box more than this many times wider or higher
_LARGEST_LOG = float(np.float32(np.log(1000.0 / 16.0)))
_LOWEST = float(np.finfo(np.float32).min)


class Boxes(NamedTuple):
    """Low corners and high corners; or of regression deltas, the shifts and the growths."""

    low: Value
    high: Value


def plus_one(op: Operator) -> float:
    """What a box is wider than the difference of its corners."""
    return float(op.flag("legacy_plus_one", True))


def columns(op: Operator, x: Value, axis: int, start: int, end: int) -> Value:
    """Cut columns out of the boxes."""
    return slice_axes(op, x, [axis], [start], [end])


def corners(op: Operator, boxes: Value, axis: int = 1) -> Boxes:
    """Split boxes of four numbers."""
    return Boxes(columns(op, boxes, axis, 0, 2), columns(op, boxes, axis, 2, 4))


def plus(op: Operator, x: Value, amount: float) -> Value:
    """Add a number that may be zero."""
    return op.emit("Add", x, number(op, amount)) if amount else x


def minus(op: Operator, x: Value, amount: float) -> Value:
    """Subtract a number that may be zero."""
    return op.emit("Sub", x, number(op, amount)) if amount else x


def half(op: Operator, x: Value) -> Value:
    """Halve."""
    return op.emit("Mul", x, number(op, 0.5))


def extent(op: Operator, boxes: Boxes, one: float) -> Value:
    """Widths and heights."""
    return plus(op, op.emit("Sub", boxes.high, boxes.low), one)


def regress(op: Operator, centres: Value, sizes: Value, deltas: Boxes, weights: Sequence[float]) -> tuple[Value, Value]:
    """Centres and sizes moved and scaled by regression deltas over their weights."""
    shift, growth = deltas
    if any(weight != 1 for weight in weights):
        shift = op.emit("Div", shift, op.constant(np.array(weights[:2], np.float32)))
        growth = op.emit("Div", growth, op.constant(np.array(weights[2:], np.float32)))
    growth = op.emit("Exp", op.emit("Min", growth, number(op, _LARGEST_LOG)))
    return op.emit("Add", op.emit("Mul", shift, sizes), centres), op.emit("Mul", growth, sizes)


def clip(op: Operator, boxes: Boxes, limits: Value) -> Boxes:
    """Cut boxes to 0 … limits."""
    zero = number(op, 0.0)
    low, high = (op.emit("Max", op.emit("Min", corner, limits), zero) for corner in boxes)
    return Boxes(low, high)


def transform(op: Operator, boxes: Boxes, deltas: Boxes, weights: Sequence[float], limits: Value, one: float) -> Boxes:
    """Move and scale boxes by regression deltas, and cut them to 0 … limits."""
    sizes = extent(op, boxes, one)
    centres, sizes = regress(op, op.emit("Add", boxes.low, half(op, sizes)), sizes, deltas, weights)
    reach = half(op, sizes)
    moved = Boxes(op.emit("Sub", centres, reach), minus(op, op.emit("Add", centres, reach), one))
    return clip(op, moved, limits)


def suppress(
    op: Operator, boxes: Boxes, scores: Value, *, most: int, overlap: float, above: float = _LOWEST, one: float
) -> Value:
    """Write a NonMaxSuppression over boxes (classes, n, 2) and scores (classes, n): rows of class, 0 and box.

    It selects boxes with a score `above` a limit, best first, at most `most` of a class where that is positive.
    """
    if not overlap >= 0:
        op.refuse(f"an overlap limit of {overlap}: expected 0 or more")
    if not one:
        scores = _best_without_area(op, boxes, scores)
    # what ends before it begins overlaps nothing in Caffe2, as a box without area in ONNX
    boxes = Boxes(boxes.low, op.emit("Max", plus(op, boxes.high, one), boxes.low))
    return op.emit(
        "NonMaxSuppression",
        op.emit("Concat", *boxes, axis=2),
        unsqueeze(op, scores, [1]),
        op.int64s(most if most > 0 else np.iinfo(np.int64).max),
        op.constant(np.array([min(overlap, 1.0)], np.float32)),
        op.constant(np.array([above], np.float32)),
    )


def never_selected(op: Operator) -> Value:
    """Make the score of a box that must not be selected."""
    return number(op, -np.inf)


def _best_without_area(op: Operator, boxes: Boxes, scores: Value) -> Value:
    """Drop all boxes without area but the best: their overlap with it, 0 / 0, is not within Caffe2's limit."""
    sizes = op.emit("Sub", boxes.high, boxes.low)
    width, height = (op.emit("Gather", sizes, number(op, n, np.int64), axis=2) for n in (0, 1))
    flat = op.emit("Equal", op.emit("Mul", width, height), number(op, 0.0))
    # one more column, since there may be no box at all
    flat_scores = pad(op, op.emit("Where", flat, scores, never_selected(op)), [0, 0, 0, 1], "constant", -np.inf)
    best = op.emit("ArgMax", flat_scores, axis=1, keepdims=1)
    places = op.emit("Range", number(op, 0, np.int64), size_of(op, scores, 1), number(op, 1, np.int64))
    keep = op.emit("Or", op.emit("Not", flat), op.emit("Equal", places, best))
    return op.emit("Where", keep, scores, never_selected(op))


def size_of(op: Operator, x: Value, axis: int) -> Value:
    """Give a size as an int64 scalar: a constant where it is known."""
    size = op.shape(x)[axis]
    if isinstance(size, int):
        return number(op, size, np.int64)
    return op.emit("Gather", op.emit("Shape", x), number(op, axis, np.int64))


def top(op: Operator, x: Value, count: Value, *, axis: int = 0, largest: bool = True) -> tuple[Value, Value]:
    """Write a sorted TopK: values and places; `count` is an int64 scalar."""
    values, places = op.emit_many(
        "TopK", [x, op.emit("Reshape", count, op.int64s(1))], [None, None], axis=axis, largest=int(largest), sorted=1
    )
    return values, places


def at_most(op: Operator, count: Value, limit: int) -> Value:
    """The smaller of an int64 scalar and a number; the scalar itself where the number is not positive."""
    if limit <= 0:
        return count
    if count.constant is not None:
        return number(op, min(int(count.constant.array()), limit), np.int64)
    bound = number(op, limit, np.int64)
    return op.emit("Where", op.emit("Less", count, bound), count, bound)
