"""Soft suppression of boxes as an ONNX Loop over all classes at once: each turn keeps the best box of every class.

Of equal ones the first is the best. Caffe2 swaps the box that it keeps with the first one that is left, which changes
the order of the others; so does `order`.
"""

import numpy as np
import onnx.parser
from onnx import GraphProto, TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import Boxes, size_of

# what a turn takes from the scores of boxes (classes, n) by their overlap with the best of their class
_FACTORS = {
    "linear": """
        over = Greater(overlap, limit)
        rest_of_one = Sub(unit, overlap)
        factor = Where(over, rest_of_one, unit)""",
    "gaussian": """
        wide = Cast<to = 11>(overlap)
        square = Mul(wide, wide)
        exponent = Div(square, sigma)
        negative = Neg(exponent)
        exponential = Exp(negative)
        factor = Cast<to = 1>(exponential)""",
}

_TURN = """
    turn (int64 n, bool go, float[c, m] scores, bool[c, m] pending, float[c, m, 2] low, float[c, m, 2] high,
          int64[m] places, float[c, m] order)
      => (bool more, float[c, m] next_scores, bool[c, m] next_pending, float[c, m, 2] same_low,
          float[c, m, 2] same_high, int64[m] same_places, float[c, m] next_order, float[c] kept_score,
          int64[c] kept_place, bool[c] kept)
    {
        zero = Constant<value = float {0.0}>()
        unit = Constant<value = float {1.0}>()
        dropped = Constant<value = float {-3.402823466e+38}>()
        last = Constant<value = float {3.402823466e+38}>()
        one = Constant<value = float {ONE}>()
        limit = Constant<value = float {LIMIT}>()
        lowest = Constant<value = float {LOWEST}>()
        sigma = Constant<value = double {SIGMA}>()
        first = Constant<value = int64 {0}>()
        second = Constant<value = int64 {1}>()
        row = Constant<value = int64[1] {-1}>()
        pair = Constant<value = int64[3] {-1, 1, 1}>()
        twice = Constant<value = int64[3] {1, 1, 2}>()

        candidates = Where(pending, scores, dropped)
        some_best = ArgMax<axis = 1, keepdims = 1>(candidates)
        best_score = GatherElements<axis = 1>(scores, some_best)
        as_good = Equal(candidates, best_score)
        tied = And(as_good, pending)
        order_of_tied = Where(tied, order, last)
        best = ArgMin<axis = 1, keepdims = 1>(order_of_tied)
        best_order = GatherElements<axis = 1>(order, best)
        order_of_pending = Where(pending, order, last)
        front = ArgMin<axis = 1, keepdims = 1>(order_of_pending)
        is_front = Equal(places, front)
        next_order = Where(is_front, best_order, order)
        alive = GatherElements<axis = 1>(pending, best)
        kept_score = Reshape(best_score, row)
        kept_place = Reshape(best, row)
        kept = Reshape(alive, row)

        best_row = Reshape(best, pair)
        best_pair = Expand(best_row, twice)
        best_low = GatherElements<axis = 1>(low, best_pair)
        best_high = GatherElements<axis = 1>(high, best_pair)
        spans = Sub(high, low)
        sizes = Add(spans, one)
        widths = Gather<axis = 2>(sizes, first)
        heights = Gather<axis = 2>(sizes, second)
        areas = Mul(widths, heights)
        best_area = GatherElements<axis = 1>(areas, best)
        from = Max(low, best_low)
        to = Min(high, best_high)
        across = Sub(to, from)
        side = Add(across, one)
        inside = Max(side, zero)
        common_width = Gather<axis = 2>(inside, first)
        common_height = Gather<axis = 2>(inside, second)
        common = Mul(common_width, common_height)
        both = Add(best_area, areas)
        union = Sub(both, common)
        overlap = Div(common, union)
FACTOR
        is_best = Equal(places, best)
        others = Not(is_best)
        rest = And(pending, others)
        reduced = Mul(scores, factor)
        next_scores = Where(rest, reduced, scores)
        higher = Greater(next_scores, lowest)
        equal = Equal(next_scores, lowest)
        enough = Or(higher, equal)
        next_pending = And(rest, enough)
        flags = Cast<to = 6>(next_pending)
        any = ReduceMax<keepdims = 0>(flags)
        more = Cast<to = 9>(any)
        same_low = Identity(low)
        same_high = Identity(high)
        same_places = Identity(places)
    }
"""


def suppress_softly(
    op: Operator, boxes: Boxes, scores: Value, *, above: float, overlap: float, one: float
) -> tuple[Value, Value]:
    """Keep boxes (classes, n, 2) whose scores (classes, n), reduced by overlap with better ones, stay high enough.

    Gives rows (k, 2) of class and box, class by class and best first, and their reduced scores (k).
    """
    settings = {
        "ONE": one,
        "LIMIT": overlap,
        "LOWEST": op.number("soft_nms_min_score_thres", float(np.float32(0.001))),
        "SIGMA": op.number("soft_nms_sigma", 0.5),
    }
    count = size_of(op, scores, 1)
    places = op.emit("Range", number(op, 0, np.int64), count, number(op, 1, np.int64))
    pending = op.emit("Greater", scores, number(op, above))
    # as many boxes as a float counts exactly
    order = op.emit("Expand", cast(op, places, TensorProto.FLOAT), op.emit("Shape", scores))
    inputs = [op.emit("Reshape", count, op.int64s(1)), None, scores, pending, *boxes, places, order]
    body = _body(op, op.text("soft_nms_method", "linear"), settings)
    *_, best, place, kept = op.emit_many("Loop", inputs, [None] * 9, body=body)
    best, place, kept = (op.emit("Transpose", turns, perm=[1, 0]) for turns in (best, place, kept))
    found = op.emit("Transpose", op.emit("NonZero", cast(op, kept, TensorProto.INT32)), perm=[1, 0])
    label = op.emit("Slice", found, op.int64s(0), op.int64s(1), op.int64s(1))
    index = op.emit("Reshape", op.emit("GatherND", place, found), op.int64s(-1, 1))
    return op.emit("Concat", label, index, axis=1), op.emit("GatherND", best, found)


def _body(op: Operator, method: str, settings: dict[str, float]) -> GraphProto:
    """One turn, with names that the graph around it does not use."""
    text = _TURN.replace("FACTOR", _FACTORS[method])
    for name, value in settings.items():
        text = text.replace(f"{{{name}}}", f"{{{value!r}}}")
    body = onnx.parser.parse_graph(text)
    names = {name: op.reserve_name() for name in _names(body)}
    for port in (*body.input, *body.output):
        port.name = names[port.name]
    for node in body.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    return body


def _names(body: GraphProto) -> list[str]:
    return [*(port.name for port in body.input), *(name for node in body.node for name in node.output)]
