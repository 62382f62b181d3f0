"""NonMaxSuppression: a Loop that takes the best box of each batch and class, and those that overlap it out."""

from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import counted, sizes, times
from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import decomposition
from zoosmith.opset_upgrade.writer import Writer

_FLOAT, _INT64, _BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


@decomposition("NonMaxSuppression")
def _non_max_suppression(node: NodeProto, g: Writer) -> None:
    boxes, scores = node.input[:2]
    most, overlap, least = (input_at(node, place) for place in (2, 3, 4))
    if not most:  # none are asked for
        g.op("Identity", g.constant(np.zeros([0, 3])), output=node.output[0])
        return
    taken = g.constant(-np.inf, np.float32)
    if least:
        scores = g.op("Where", g.op("Greater", scores, least), scores, taken, opset=9)
    limit = g.op("Reshape", overlap, g.constant([])) if overlap else g.constant(0, np.float32)
    corners = _corners(g, boxes)
    body = _step(g, corners, limit, taken, _first_of_batch(g, boxes))
    left, best, valid = (g.fresh(name) for name in ("left", "best", "valid"))
    trips = g.op("Reshape", most, g.constant([]))
    g.emit(helper.make_node("Loop", [trips, _any_left(g, scores, taken), scores], [left, best, valid], body=body))
    for name, kind in ((best, _INT64), (valid, _BOOL)):
        g.state_type(name, helper.make_tensor_type_proto(kind, [None] * 4), kind)
    # by batch, class and step
    best, valid = (
        g.op("Transpose", g.op("Squeeze", name, g.constant([3]), opset=AXES_AS_INPUTS), perm=[1, 2, 0])
        for name in (best, valid)
    )
    places = g.op("Gather", g.op("NonZero", valid), g.constant([0, 1]), axis=0)
    flat, chosen = (g.op("Reshape", name, g.constant([-1])) for name in (best, valid))
    numbers = g.op("Unsqueeze", g.op("Compress", flat, chosen, axis=0), g.constant([0]), opset=AXES_AS_INPUTS)
    g.op("Transpose", g.op("Concat", places, numbers, axis=0), perm=[1, 0], output=node.output[0])


def _corners(g: Writer, boxes: str) -> list[str]:
    """Emit lower and upper ends along the first axis, the same along the second, and the area: [batch, boxes]."""
    first, second, third, fourth = (g.op("Gather", boxes, g.constant(place), axis=2) for place in range(4))
    if g.attribute("center_point_box"):
        half = g.constant(0.5, np.float32)
        ends = []
        for centre, length in ((second, fourth), (first, third)):
            away = g.op("Mul", length, half)
            ends += [g.op("Sub", centre, away), g.op("Add", centre, away)]
    else:
        ends = [g.op(operator, *pair) for pair in ((first, third), (second, fourth)) for operator in ("Min", "Max")]
    area = g.op("Mul", g.op("Sub", ends[1], ends[0]), g.op("Sub", ends[3], ends[2]))
    return [*ends, area]


def _first_of_batch(g: Writer, boxes: str) -> str:
    """Emit how many boxes come before those of each batch: [batch, 1, 1]."""
    batch, count = sizes(g, boxes, [0, 1])
    return times(g, counted(g, batch, 2), count)


def _any_left(g: Writer, scores: str, taken: str) -> str:
    """Emit whether any score is not that of a box that is taken."""
    flat = g.op("Reshape", scores, g.constant([-1]))
    flat = g.op("Concat", flat, g.constant([-np.inf], np.float32), axis=0)
    return g.op("Greater", g.op("ReduceMax", flat, keepdims=0), taken)


def _step(g: Writer, corners: list[str], limit: str, taken: str, first: str) -> GraphProto:
    """The body of the Loop: it carries the scores, and gives the best box of each class, if one is left.

    `corners` and the area are [batch, boxes]; `limit` is the overlap from which on a box goes.
    """
    body = GraphProto(name="suppress")
    trip, going, scores = (g.fresh(name) for name in ("trip", "going", "scores"))
    for name, kind, shape in ((trip, _INT64, []), (going, _BOOL, []), (scores, _FLOAT, [None, None, None])):
        body.input.append(helper.make_tensor_value_info(name, kind, shape))

    def op(operator: str, *inputs: str, **attributes: Any) -> str:
        body.node.append(helper.make_node(operator, list(inputs), [g.fresh(operator)], **attributes))
        return body.node[-1].output[0]

    zero, count = g.constant(0, np.float32), g.constant([-1])
    apart = [g.op("Unsqueeze", name, g.constant([1]), opset=AXES_AS_INPUTS) for name in corners]
    flat = [g.op("Reshape", name, count) for name in corners]
    numbers = counted(g, sizes(g, corners[-1], [1])[0])
    best = op("ArgMax", scores, axis=2)
    valid = op("Greater", op("ReduceMax", scores, axes=[2], keepdims=1), taken)
    place = op("Add", best, first)
    mine = [op("Gather", name, place, axis=0) for name in flat]
    sides, positive = [], []
    for low in (0, 2):
        side = op("Sub", op("Min", mine[low + 1], apart[low + 1]), op("Max", mine[low], apart[low]))
        sides.append(side)
        positive.append(op("Greater", side, zero))
    common = op("Mul", *sides)
    union = op("Sub", op("Add", mine[4], apart[4]), common)
    positive += [op("Greater", name, zero) for name in (common, mine[4], apart[4], union)]
    gone = op("Greater", op("Div", common, union), limit)
    for condition in positive:
        gone = op("And", gone, condition)
    gone = op("Or", gone, op("Equal", numbers, best))
    left = op("Where", gone, taken, scores)
    rest = op("Concat", op("Reshape", left, count), g.constant([-np.inf], np.float32), axis=0)
    more = op("Greater", op("ReduceMax", rest, keepdims=0), taken)
    for name, kind, rank in ((more, _BOOL, 0), (left, _FLOAT, 3), (best, _INT64, 3), (valid, _BOOL, 3)):
        body.output.append(helper.make_tensor_value_info(name, kind, [None] * rank))
    return body
