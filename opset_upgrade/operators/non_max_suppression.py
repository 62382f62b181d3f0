"""NonMaxSuppression: all pairs at once where boxes are few, else a Loop that takes out the best and its neighbours."""

from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import counted, sizes, times
from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import decomposition
from zoosmith.opset_upgrade.writer import Writer

_MOST_PAIRS = 1 << 20

_FLOAT, _INT64, _BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


@decomposition("NonMaxSuppression")
def _non_max_suppression(node: NodeProto, g: Writer) -> None:
    boxes, scores = node.input[:2]
    most, overlap, least = (input_at(node, place) for place in (2, 3, 4))
    for name in filter(None, (most, overlap, least)):
        value = g.value(name)
        if value is not None and value.size != 1:
            g.refuse(f"its input {name!r} has {value.size} values, where the operator takes 1")
    if not most:  # none are asked for
        g.op("Identity", g.constant(np.zeros([0, 3])), output=node.output[0])
        return
    if _are_few(g, scores):
        _of_all_pairs(node, g)
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
    _list_chosen(node, g, best, valid)


def _list_chosen(node: NodeProto, g: Writer, boxes: str, chosen: str) -> None:
    """Emit batch, class and box of those that are chosen; both are by batch, class and place."""
    places = g.op("Gather", g.op("NonZero", chosen), g.constant([0, 1]), axis=0)
    flat, chosen = (g.op("Reshape", name, g.constant([-1])) for name in (boxes, chosen))
    numbers = g.op("Unsqueeze", g.op("Compress", flat, chosen, axis=0), g.constant([0]), opset=AXES_AS_INPUTS)
    g.op("Transpose", g.op("Concat", places, numbers, axis=0), perm=[1, 0], output=node.output[0])


def _are_few(g: Writer, scores: str) -> bool:
    """Whether scores are fixed in shape, and of few enough boxes that a matrix of all pairs is small."""
    shape = g.shape(scores)
    if shape is None or None in shape:
        return False
    if len(shape) != 3:
        g.refuse(f"its scores have {len(shape)} dimensions, expected 3")
    batch, classes, count = g.static_shape(scores)
    return 0 < batch * classes * count * count <= _MOST_PAIRS


def _of_all_pairs(node: NodeProto, g: Writer) -> None:
    """Sort the boxes by score; a box goes where one before it stays and overlaps it.

    Which ones stay is found by repetition: all do at first, and after n rounds the first n are right for good. It ends
    where a round changes nothing, mostly after two or three.
    """
    boxes, scores, most = node.input[:3]
    least = input_at(node, 4)
    batch, classes, count = g.static_shape(scores)
    best, order = g.fresh("scores"), g.fresh("order")
    g.emit(helper.make_node("TopK", [scores, g.constant([count])], [best, order], axis=2), 10)
    place = order if batch == 1 else g.op("Add", order, g.constant(np.arange(batch).reshape(-1, 1, 1) * count))
    by_score = g.op("Gather", g.op("Reshape", boxes, g.constant([-1, 4])), place, axis=0)
    kept = _repeat(g, _overlapped_by_earlier(node, g, by_score, count), [batch, classes, 1, count])
    chosen = g.op("Cast", g.op("Reshape", kept, g.constant([batch, classes, count])), to=_BOOL)
    if least:
        chosen = g.op("And", chosen, g.op("Greater", best, least))
    limit = g.value(most)
    if limit is None or limit.item() < count:
        chosen = g.op("And", chosen, _among_first(g, chosen, most, count))
    if batch == classes == 1:
        flat = [g.op("Reshape", name, g.constant([-1])) for name in (order, chosen)]
        column = g.op("Unsqueeze", g.op("Compress", *flat, axis=0), g.constant([1]), opset=AXES_AS_INPUTS)
        g.op("Mul", column, g.constant([[0, 0, 1]]), output=node.output[0])
    else:
        _list_chosen(node, g, order, chosen)


def _overlapped_by_earlier(node: NodeProto, g: Writer, boxes: str, count: int) -> str:
    """Emit 1 where a box (the last axis) overlaps an earlier one (the axis before) too much, else 0."""
    overlap = input_at(node, 3)
    one, other = (g.op("Gather", boxes, g.constant(columns), axis=3) for columns in ([0, 1], [2, 3]))
    if g.attribute("center_point_box"):
        away = g.op("Mul", other, g.constant(0.5, np.float32))
        low, high = g.op("Sub", one, away), g.op("Add", one, away)
    else:
        low, high = g.op("Min", one, other), g.op("Max", one, other)
    area = g.op("ReduceProd", g.op("Sub", high, low), axes=[3], keepdims=1)  # of this opset, with an attribute
    earlier = [g.op("Unsqueeze", name, g.constant([3]), opset=AXES_AS_INPUTS) for name in (low, high)]
    later = [g.op("Unsqueeze", name, g.constant([2]), opset=AXES_AS_INPUTS) for name in (low, high)]
    sides = g.op("Relu", g.op("Sub", g.op("Min", earlier[1], later[1]), g.op("Max", earlier[0], later[0])))
    common = g.op("ReduceProd", sides, axes=[4], keepdims=0)
    both = g.op("Add", area, g.op("Transpose", area, perm=[0, 1, 3, 2]))
    limit = overlap or g.constant(0, np.float32)
    over = g.op("Greater", g.op("Div", common, g.op("Sub", both, common)), limit)
    known = g.value(limit)
    if known is None or known.item() < 0:
        over = g.op("And", over, g.op("Greater", common, g.constant(0, np.float32)))
    over = g.op("And", over, g.constant(np.triu(np.ones([count, count]), 1), np.bool_))
    return g.op("Cast", over, to=_FLOAT)


def _repeat(g: Writer, overlapped: str, shape: list[int]) -> str:
    """Emit 1 for each box that stays, else 0."""
    body = GraphProto(name="suppress")
    trip, going, kept, result, more = (g.fresh(name) for name in ("trip", "going", "kept", "result", "more"))
    names = [g.fresh(name) for name in ("above", "free", "change", "distance")]
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("MatMul", [kept, overlapped], names[0], {}),
        ("Less", [names[0], g.constant(0.5, np.float32)], names[1], {}),
        ("Cast", [names[1]], result, {"to": _FLOAT}),
        ("Sub", [result, kept], names[2], {}),
        ("ReduceSumSquare", [names[2]], names[3], {"keepdims": 0}),
        ("Cast", [names[3]], more, {"to": _BOOL}),
    ]
    body.node.extend(helper.make_node(kind, given, [made], **attributes) for kind, given, made, attributes in steps)
    for name, kind, size in ((trip, _INT64, []), (going, _BOOL, []), (kept, _FLOAT, shape)):
        body.input.append(helper.make_tensor_value_info(name, kind, size))
    for name, kind, size in ((more, _BOOL, []), (result, _FLOAT, shape)):
        body.output.append(helper.make_tensor_value_info(name, kind, size))
    found = g.fresh("kept")
    given = [g.constant(shape[-1]), g.constant(True, np.bool_), g.constant(np.ones(shape), np.float32)]
    g.emit(helper.make_node("Loop", given, [found], body=body))
    g.state_type(found, helper.make_tensor_type_proto(_FLOAT, shape), _FLOAT)
    return found


def _among_first(g: Writer, chosen: str, most: str, count: int) -> str:
    """Emit which of the chosen boxes are among the first, as many as are asked for."""
    earlier = g.constant(np.triu(np.ones([count, count]), 1), np.float32)
    place = g.op("MatMul", g.op("Cast", chosen, to=_FLOAT), earlier)
    return g.op("Less", place, g.op("Cast", most, to=_FLOAT))


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
