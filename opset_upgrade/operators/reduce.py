"""ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp, ReduceMax, ReduceMean, ReduceMin, ReduceProd, ReduceSum, and
ReduceSumSquare."""

from collections.abc import Mapping
from itertools import combinations
from math import comb

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import axes_to_input, axes_within_from_front
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact, hold_in_floats, integers_through_double
from zoosmith.opset_upgrade.node_editing import drop_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_AXES_AS_INPUT_SINCE_18 = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSumSquare"),
)


_SQUEEZE_READS_AXES = 13  # the opset from which on they are an input
_FEW = 8  # sets of axes that an If each may choose between
_MOST_SETS = 1 << 12  # sets of axes that are tried


_IN_STAGES = {  # reductions that are a reduction by stages between two operators on elements
    "ReduceLogSum": (None, "ReduceSum", "Log"),
    "ReduceSumSquare": ("Mul", "ReduceSum", None),
}


_ROUNDED_BY_STAGE = frozenset({"ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"})
"""Reductions that must not round to integers after each axis."""
_INTEGERS = (TensorProto.INT32, TensorProto.INT64, TensorProto.UINT32, TensorProto.UINT64)


_OF_ONE_ELEMENT = {  # what a reduction over no axes leaves of an element
    "ReduceL1": ("Abs",),
    "ReduceL2": ("Abs",),
    "ReduceLogSum": ("Log",),
    "ReduceSumSquare": ("Mul",),
}


adapter("ReduceSum", *_AXES_AS_INPUT_SINCE_18, source=11, target=1)(axes_within_from_front)
adapter("ReduceSum", source=11, target=13)(axes_to_input)
adapter(*_AXES_AS_INPUT_SINCE_18, source=13, target=18)(axes_to_input)
adapter("ReduceLogSum", "ReduceLogSumExp", source=18, target=28)(integers_through_double)
type_fallback("ReduceMax", "ReduceMin")(cast_to_exact)


@adapter("ReduceSum", source=13, target=11)
@adapter(*_AXES_AS_INPUT_SINCE_18, source=18, target=13)
def _reduction_axes_to_attribute(node: NodeProto, g: Writer) -> None:
    name = input_at(node, 1)
    axes = g.value(name) if name else None
    nothing = bool(g.attribute("noop_with_empty_axes", 0))
    drop_attribute(node, "noop_with_empty_axes")
    if name and axes is None:
        stated = g.shape(name)
        if stated == (0,):
            axes = None
        elif stated is None or len(stated) != 1 or None in stated:
            g.refuse(f"axes ({name!r}) are computed at run time")
        else:
            count, rank = stated[0] or 0, g.rank(node.input[0])
            if count > rank:
                g.refuse(f"axes ({name!r}) are {count}, and the data has {rank} dimensions")
            _reduce_at_run_time(node, g, name, rank, count)
            return
    data = node.input[0]
    if (axes is None or axes.size == 0) and nothing:
        operators = _OF_ONE_ELEMENT.get(node.op_type, ("Identity",))
        g.op(operators[0], *([data, data] if operators[0] == "Mul" else [data]), output=node.output[0])
        return
    set_inputs(node, data)
    if axes is not None and axes.size:
        set_attribute(node, "axes", axes.reshape(-1).tolist())


def _reduce_at_run_time(node: NodeProto, g: Writer, axes: str, rank: int, stated: int) -> None:
    """Reduce axis by axis, each inside an If that tests whether the axis is among those given."""
    candidates = _axes_by_stated_shape(node, g, rank, stated)
    if 0 < len(candidates) <= _FEW:
        _reduce_over_one_of(node, g, axes, rank, candidates)
        return
    kind = g.element_type(node.input[0])
    if node.op_type in _ROUNDED_BY_STAGE and kind in _INTEGERS:
        result, node.output[0] = node.output[0], g.fresh("float")
        node.input[0] = g.op("Cast", node.input[0], to=hold_in_floats(g, kind))
        g.again()
        g.op("Cast", node.output[0], to=kind, output=result)
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
        g.op("Identity", data, output=node.output[0])
        return
    if g.target >= _SQUEEZE_READS_AXES:
        g.op("Squeeze", data, axes, output=node.output[0])
        return
    # a size of 0 in the shape of a Reshape stands for the one that the data has there
    sizes = g.shape(node.input[0]) or (None,)
    if 0 in sizes:
        g.refuse(f"axes ({axes!r}) are computed at run time, and its data is empty")
    if None in sizes:
        g.admit("empty tensors", f"axes ({axes!r}) are computed at run time")
    shape = g.shape(node.output[0])
    if shape is not None and None not in shape:
        wanted = g.constant(shape)
    else:
        wanted = g.op("Compress", g.op("Shape", node.input[0]), g.op("Concat", *kept, axis=0), axis=0)
        wanted = g.op("Reshape", wanted, g.constant([rank - stated]))
    g.op("Reshape", data, wanted, output=node.output[0])


def _axes_by_stated_shape(node: NodeProto, g: Writer, rank: int, count: int) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Sets of `count` axes that leave the stated shape of the result, by those of their axes whose size is not 1.

    One stands for all that differ only in axes of size 1.
    """
    sizes, result = g.shape(node.input[0]), g.shape(node.output[0])
    if sizes is None or result is None or None in (*sizes, *result) or comb(rank, count) > _MOST_SETS:
        return {}
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for axes in combinations(range(rank), count):
        if g.attribute("keepdims"):
            left = tuple(1 if axis in axes else size for axis, size in enumerate(sizes))
        else:
            left = tuple(size for axis, size in enumerate(sizes) if axis not in axes)
        if left == result:
            found.setdefault(tuple(axis for axis in axes if sizes[axis] != 1), axes)
    return found


def _reduce_over_one_of(
    node: NodeProto, g: Writer, names: str, rank: int, candidates: Mapping[tuple[int, ...], tuple[int, ...]]
) -> None:
    """Reduce over the candidate that is given at run time: all leave one shape."""
    data, keep = node.input[0], g.attribute("keepdims")
    *others, (_, last) = candidates.items()
    result = g.op(node.op_type, data, axes=list(last), keepdims=keep)
    for telling, candidate in others:
        chosen = _named(g, names, telling[0], rank)
        for axis in telling[1:]:
            chosen = g.op("And", chosen, _named(g, names, axis, rank))
        reduced = (node.op_type, [data], {"axes": list(candidate), "keepdims": keep})
        result = g.choose(chosen, reduced, ("Identity", [result], {}), one_shape=True)
    g.op("Identity", result, output=node.output[0])


def _named(g: Writer, axes: str, axis: int, rank: int) -> str:
    """Emit whether `axis` is among axes that are computed at run time."""
    here = g.op("Or", g.op("Equal", axes, g.constant(axis)), g.op("Equal", axes, g.constant(axis - rank)))
    count = g.op("ReduceSum", g.op("Cast", here, to=TensorProto.FLOAT), keepdims=0)
    return g.op("Cast", count, to=TensorProto.BOOL)
