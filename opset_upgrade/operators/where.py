"""OneHot, Trilu, Where."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.constant_limits import broadcast_shape, counting, limit_constant
from zoosmith.opset_upgrade.building_blocks.equal_sizes import Size, same_size
from zoosmith.opset_upgrade.building_blocks.numbers import choose_floats
from zoosmith.opset_upgrade.building_blocks.type_casts import SINGLE, Holders, cast_to_exact
from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("OneHot", "Where")(cast_to_exact)


_HOLDERS: Holders = {
    **SINGLE,
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.INT16, TensorProto.UINT16), (TensorProto.INT32,)),
    TensorProto.UINT32: (TensorProto.INT64,),
}
"""Types that stand in for those of which runtimes have no arithmetic."""


@adapter("Where", source=16, target=9)
def _no_choice_of_bools(node: NodeProto, g: Writer) -> None:
    """ONNX Runtime chooses among numbers and strings only."""
    known = g.type(node.input[1])
    if known is not None and known.tensor_type.elem_type == TensorProto.BOOL:
        _choose_bools(node, g)


@decomposition("Where")
def _where(node: NodeProto, g: Writer) -> None:
    """Choose by arithmetic that leaves no trace of what is not chosen, be it infinite or NaN."""
    condition, yes, no = node.input
    kind = g.element_type(yes)
    kind = next(iter(_HOLDERS.get(kind, (kind,))))
    if _copies_one(node, g):
        return
    if _are_single_values(g, condition, (yes, no)):
        table = g.op("Concat", *(g.op("Reshape", name, g.constant([1])) for name in (no, yes)), axis=0)
        g.op("Gather", table, g.op("Cast", condition, to=TensorProto.INT64), output=node.output[0], axis=0)
    elif kind == TensorProto.BOOL:
        _choose_bools(node, g)
    elif kind in _ARITHMETIC and g.target >= 7:  # before 7 these do not broadcast
        given = [name if kind == g.element_type(name) else g.op("Cast", name, to=kind) for name in (yes, no)]
        result = _ARITHMETIC[kind](g, condition, *given)
        g.op("Cast", result, to=g.element_type(yes), output=node.output[0])
    else:
        _where_by_index(node, g)


def _choose_bools(node: NodeProto, g: Writer) -> None:
    condition, yes, no = node.input
    g.op("Or", g.op("And", condition, yes), g.op("And", g.op("Not", condition), no), output=node.output[0])


def _copies_one(node: NodeProto, g: Writer) -> bool:
    """Emit a copy where the condition is constant, the same everywhere, and all sizes are fixed."""
    known, shapes = g.value(node.input[0]), [g.shape(name) for name in node.input]
    if known is None or not known.size or (known.any() and not known.all()):
        return False
    if any(shape is None or None in shape for shape in shapes):
        return False
    fixed = [g.static_shape(name) for name in node.input]
    taken = 1 if known.all() else 2
    result = _expand(g, node.input[taken], fixed[taken], broadcast_shape(g, *fixed))
    g.op("Identity", result, output=node.output[0])
    return True


def _are_single_values(g: Writer, condition: str, names: Sequence[str]) -> bool:
    """Whether all are one number each, which does not add to the condition's shape."""
    rank = len(g.shape(condition) or ())
    shapes = [g.shape(name) for name in names]
    return all(shape is not None and set(shape) <= {1} and len(shape) <= rank for shape in shapes)


def _where_of_integers(g: Writer, condition: str, yes: str, no: str) -> str:
    kind = g.element_type(yes)
    chosen, rest = (g.op("Cast", each, to=kind) for each in (condition, g.op("Not", condition)))
    return g.op("Add", g.op("Mul", yes, chosen), g.op("Mul", no, rest))


_ARITHMETIC: dict[int, Callable[[Writer, str, str, str], str]] = {
    TensorProto.FLOAT: choose_floats,
    TensorProto.DOUBLE: choose_floats,
    TensorProto.INT32: _where_of_integers,
    TensorProto.INT64: _where_of_integers,
}


def _where_by_index(node: NodeProto, g: Writer) -> None:
    """Pick the elements from both by their place."""
    shapes = [g.static_shape(name) for name in node.input]
    shape = broadcast_shape(g, *shapes)
    count = limit_constant(prod(shape), g)
    if not count:
        g.refuse("an empty tensor cannot be reshaped there")
    chosen, yes, no = (
        g.op("Reshape", _expand(g, name, own, shape), g.constant([-1]))
        for name, own in zip(node.input, shapes, strict=True)
    )
    both = g.op("Concat", no, yes, axis=0)
    # in doubles, which every version adds and multiplies
    offset = g.op("Mul", g.op("Cast", chosen, to=TensorProto.DOUBLE), g.constant([count], np.float64))
    places = g.op("Cast", g.op("Add", offset, g.constant(np.arange(count), np.float64)), to=TensorProto.INT64)
    picked = g.op("Gather", both, places, axis=0)
    g.op("Reshape", picked, g.constant(shape), output=node.output[0])


def _expand(g: Writer, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    return name if shape == wanted else g.op("Expand", name, g.constant(wanted))


@decomposition("Trilu")
def _trilu(node: NodeProto, g: Writer) -> None:
    data, diagonal = node.input[0], input_at(node, 1)
    rows, columns = (g.shape(data) or (None, None))[-2:]
    known = g.value(diagonal) if diagonal else np.zeros(1)
    keep: str
    if rows is not None and columns is not None and known is not None:
        limit_constant(rows * columns, g)
        lies_on, k = counting(columns, g)[None, :] - counting(rows, g)[:, None], int(known.item())
        keep = g.constant(lies_on >= k if g.attribute("upper") else lies_on <= k, dtype=bool)
    else:
        _trilu_at_run_time(node, g, rows, columns)
        return
    if g.element_type(data) == TensorProto.BOOL:
        g.op("And", keep, data, output=node.output[0])
    else:
        g.op("Where", keep, data, g.scalar_like(data, 0), output=node.output[0])


def _trilu_at_run_time(node: NodeProto, g: Writer, rows: int | None, columns: int | None) -> None:
    data, diagonal, upper = node.input[0], input_at(node, 1), g.attribute("upper")
    rank = g.rank(data)
    along = _counted(g, data, -1, columns)
    square = same_size(g, Size(data, rank - 2), Size(data, rank - 1))
    down = along if square else _counted(g, data, -2, rows)
    down = g.op("Unsqueeze", down, g.constant([1]), opset=AXES_AS_INPUTS)
    if diagonal:  # 0 is the main one, above it they count up
        down = g.op("Add", down, g.op("Reshape", diagonal, g.constant([1])))
    dropped = g.op("Less" if upper else "Greater", along, down)
    if g.element_type(data) == TensorProto.BOOL:
        g.op("And", g.op("Not", dropped), data, output=node.output[0])
    else:
        g.op("Where", dropped, g.scalar_like(data, 0), data, output=node.output[0])


def _counted(g: Writer, data: str, axis: int, size: int | None) -> str:
    """0, 1, 2 ... along an axis of `data`."""
    if size is not None:
        return g.constant(counting(size, g))
    length = g.op("Gather", g.op("Shape", data), g.constant(g.rank(data) + axis), axis=0)
    return g.op("Range", g.constant(0), length, g.constant(1), opset=11)


@adapter("OneHot", source=11, target=9)
def _count_indices_from_the_front(node: NodeProto, g: Writer) -> None:
    """Before 11 an index below 0 names no element; since, it counts from the end."""
    indices, depth = node.input[:2]
    known, count = g.value(indices), g.value(depth)
    if known is not None and (known >= 0).all():
        return
    if known is not None and count is not None:
        total = int(count.item())
        from_front = np.where(known < -total, total, np.where(known < 0, known + total, known))
        node.input[0] = g.constant(from_front, dtype=known.dtype)
        return
    # one below -depth stays: it names no element for those runtimes either that count from the end at 9
    kind = g.element_type(indices)
    size = g.op("Cast", g.op("Reshape", depth, g.constant([])), to=kind)
    below, beyond = (g.op("Less", indices, limit) for limit in (g.scalar_like(indices, 0), g.op("Neg", size)))
    counted = g.op("Sub", g.op("Cast", below, to=kind), g.op("Cast", beyond, to=kind))
    node.input[0] = g.op("Add", indices, g.op("Mul", counted, size))
    g.keep()


@decomposition("OneHot")
def _one_hot(node: NodeProto, g: Writer) -> None:
    indices, _, values = node.input
    rank = g.rank(indices) + 1
    axis = g.attribute("axis") % rank
    stated = g.shape(node.output[0])
    depth = stated[axis] if stated is not None else None
    if depth is None:
        depth = int(g.required_constant(1, "the depth").item())
    places = g.constant(counting(depth, g).reshape([-1] + [1] * (rank - 1 - axis)))
    wanted = g.op("Cast", indices, to=TensorProto.INT64)
    wanted = g.op("Unsqueeze", wanted, g.constant([axis]), opset=AXES_AS_INPUTS)
    from_end = g.op("Add", wanted, g.constant([depth]))
    hot = g.op("Or", g.op("Equal", wanted, places), g.op("Equal", from_end, places))
    off, on = (g.op("Gather", values, g.constant([index]), axis=0) for index in (0, 1))
    if g.element_type(values) == TensorProto.BOOL:  # ONNX Runtime has no Where of bool
        chosen, others = g.op("And", hot, on), g.op("And", g.op("Not", hot), off)
        g.op("Or", chosen, others, output=node.output[0])
    else:
        g.op("Where", hot, on, off, output=node.output[0], opset=9)
