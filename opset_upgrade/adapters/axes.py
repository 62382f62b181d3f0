"""Axes: from attribute to input (13, 18) and back, counted from the end (11) and back."""

from itertools import combinations

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.nodes import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

_REDUCTIONS_18 = (
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare"
)
_FEW = 8  # sets of axes that an If each may choose between
_IN_STAGES = {  # reductions that are a reduction by stages between two operators on elements
    "ReduceLogSum": (None, "ReduceSum", "Log"),
    "ReduceSumSquare": ("Mul", "ReduceSum", None),
}
_OF_ONE_ELEMENT = {  # what a reduction over no axes leaves of an element
    "ReduceL1": ("Abs",),
    "ReduceL2": ("Abs",),
    "ReduceLogSum": ("Log",),
    "ReduceSumSquare": ("Mul",),
}


@adapter("Squeeze Unsqueeze ReduceSum", 11, 13)
@adapter(_REDUCTIONS_18, 13, 18)
def _axes_to_input(node: NodeProto, g: Writer) -> None:
    axes = get_attribute(node, "axes")
    drop_attribute(node, "axes")
    if axes:
        set_inputs(node, node.input[0], g.constant(axes))


@adapter("Squeeze", 13, 11)
def _squeeze_axes_to_attribute(node: NodeProto, g: Writer) -> None:
    _known_axes_or_reshape(node, g)


@adapter("Unsqueeze", 13, 11)
def _unsqueeze_axes_to_attribute(node: NodeProto, g: Writer) -> None:
    _known_axes_or_reshape(node, g)


def _known_axes_or_reshape(node: NodeProto, g: Writer) -> None:
    name = input_at(node, 1)
    axes = g.value(name) if name else None
    if name and axes is None:
        # axes that only the run tells, but a shape that is stated: the operator is a Reshape
        shape = g.shape(node.output[0])
        if shape is None or sum(dimension is None for dimension in shape) > 1 or 0 in shape:
            g.refuse(f"axes ({name!r}) are computed at run time")
        free = [-1 if dimension is None else dimension for dimension in shape]
        g.op("Reshape", node.input[0], g.constant(free), outputs=node.output)
        return
    set_inputs(node, node.input[0])
    if axes is not None:
        set_attribute(node, "axes", axes.reshape(-1).tolist())


@adapter("ReduceSum", 13, 11)
@adapter(_REDUCTIONS_18, 18, 13)
def _reduction_axes_to_attribute(node: NodeProto, g: Writer) -> None:
    name = input_at(node, 1)
    axes = g.value(name) if name else None
    nothing = bool(g.attribute("noop_with_empty_axes", 0))
    drop_attribute(node, "noop_with_empty_axes")
    if name and axes is None:
        stated = g.shape(name)
        if stated == (0,):
            axes = None
        elif stated is None or None in stated:
            g.refuse(f"axes ({name!r}) are computed at run time")
        else:
            _reduce_at_run_time(node, g, name, g.rank(node.input[0]), stated[0] or 0)
            return
    data = node.input[0]
    if (axes is None or axes.size == 0) and nothing:
        operators = _OF_ONE_ELEMENT.get(node.op_type, ("Identity",))
        g.op(operators[0], *([data, data] if operators[0] == "Mul" else [data]), outputs=node.output)
        return
    set_inputs(node, data)
    if axes is not None and axes.size:
        set_attribute(node, "axes", axes.reshape(-1).tolist())


def _reduce_at_run_time(node: NodeProto, g: Writer, axes: str, rank: int, stated: int) -> None:
    """Reduce axis by axis, each behind an If that asks whether the axis is among those given."""
    candidates = _axes_by_stated_shape(node, g, rank, stated)
    if 0 < len(candidates) <= _FEW:
        _reduce_over_one_of(node, g, axes, rank, candidates)
        return
    before, reduction, after = _IN_STAGES.get(node.op_type, (None, node.op_type, None))
    data = node.input[0]
    if before:
        data = g.op(before, *([data] * (2 if before == "Mul" else 1)))
    kept = []
    for axis in range(rank):
        chosen = _named(g, axes, axis, rank)
        kept.append(g.op("Reshape", g.op("Not", chosen), g.constant([1])))
        attributes = {"keepdims": 1, "axes": [axis]} if reduction != "ReduceSum" or g.opset < 13 else {"keepdims": 1}
        inputs = [data] if "axes" in attributes else [data, g.constant([axis])]
        data = g.choose(chosen, (reduction, inputs, attributes), ("Identity", [data], {}))
    if after:
        data = g.op(after, data)
    if g.attribute("keepdims"):
        g.op("Identity", data, outputs=node.output)
        return
    shape = g.shape(node.output[0])
    if shape is not None and None not in shape:
        wanted = g.constant(shape)
    else:
        wanted = g.op("Compress", g.op("Shape", node.input[0]), g.op("Concat", *kept, axis=0), axis=0)
        wanted = g.op("Reshape", wanted, g.constant([rank - stated]))
    g.op("Reshape", data, wanted, outputs=node.output)


def _axes_by_stated_shape(node: NodeProto, g: Writer, rank: int, count: int) -> list[tuple[int, ...]]:
    """Sets of `count` axes that leave the stated shape of the result; one of those that differ in axes of size 1."""
    sizes, result = g.shape(node.input[0]), g.shape(node.output[0])
    if sizes is None or result is None or None in (*sizes, *result):
        return []
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for axes in combinations(range(rank), count):
        if g.attribute("keepdims"):
            left = tuple(1 if axis in axes else size for axis, size in enumerate(sizes))
        else:
            left = tuple(size for axis, size in enumerate(sizes) if axis not in axes)
        if left == result:
            found.setdefault(tuple(axis for axis in axes if sizes[axis] != 1), axes)
    return list(found.values())


def _reduce_over_one_of(node: NodeProto, g: Writer, names: str, rank: int, candidates: list[tuple[int, ...]]) -> None:
    """Reduce over the candidate that the run names: all leave one shape."""
    data, keep = node.input[0], g.attribute("keepdims")
    result = g.op(node.op_type, data, axes=list(candidates[-1]), keepdims=keep)
    for candidate in candidates[:-1]:
        chosen = _named(g, names, candidate[0], rank)
        for axis in candidate[1:]:
            chosen = g.op("And", chosen, _named(g, names, axis, rank))
        reduced = (node.op_type, [data], {"axes": list(candidate), "keepdims": keep})
        result = g.choose(chosen, reduced, ("Identity", [result], {}), one_shape=True)
    g.op("Identity", result, outputs=node.output)


def _named(g: Writer, axes: str, axis: int, rank: int) -> str:
    """Whether `axis` is among those that the run names."""
    here = g.op("Or", g.op("Equal", axes, g.constant(axis)), g.op("Equal", axes, g.constant(axis - rank)))
    count = g.op("ReduceSum", g.op("Cast", here, to=TensorProto.FLOAT), keepdims=0)
    return str(g.op("Cast", count, to=TensorProto.BOOL))


@adapter("ArgMax ArgMin Gather Hardmax LogSoftmax Softmax", 11, 1)
@adapter("Split", 11, 2)
@adapter("Concat", 11, 4)
@adapter("Compress Flatten", 11, 9)
def _axis_from_the_front(node: NodeProto, g: Writer) -> None:
    axis = get_attribute(node, "axis")
    if axis is not None and axis < 0:
        set_attribute(node, "axis", axis + g.rank(node.input[0]))


@adapter(
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
    "ReduceSumSquare Squeeze",
    11,
    1,
)
def _axes_from_the_front(node: NodeProto, g: Writer) -> None:
    axes = get_attribute(node, "axes")
    if axes and min(axes) < 0:
        rank = g.rank(node.input[0])
        set_attribute(node, "axes", [axis % rank for axis in axes])


@adapter("Unsqueeze", 11, 1)
def _unsqueeze_axes_from_the_front(node: NodeProto, g: Writer) -> None:
    axes = get_attribute(node, "axes")
    if axes and min(axes) < 0:
        rank = g.rank(node.input[0]) + len(axes)
        set_attribute(node, "axes", [axis % rank for axis in axes])


@adapter("ArgMax ArgMin", 12, 11)
def _last_among_equals(node: NodeProto, g: Writer) -> None:
    """Before 12 the first of equals is chosen: turn the axis round to choose the last."""
    last = g.attribute("select_last_index")
    drop_attribute(node, "select_last_index")
    if not last:
        return
    shape, axis, result = g.shape(node.input[0]), g.attribute("axis"), node.output[0]
    size = None if shape is None else shape[axis]
    if size is None:
        g.refuse("select_last_index=1 does not exist there, and the size of the axis is not fixed")
    node.input[0] = g.op("Gather", node.input[0], g.constant(list(range(size - 1, -1, -1))), axis=axis)
    node.output[0] = g.fresh("from_the_end")
    g.keep()
    if g.target >= 6:
        g.op("Sub", g.constant(size - 1), node.output[0], outputs=[result])
        return
    # before 6 there is no arithmetic on integers; indices are exact in double
    place = g.op("Cast", node.output[0], to=TensorProto.DOUBLE)
    g.op("Cast", g.op("Sub", g.constant(size - 1, np.float64), place), to=TensorProto.INT64, outputs=[result])
