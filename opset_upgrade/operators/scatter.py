"""Scatter, ScatterElements, ScatterND, TensorScatter."""

from math import prod
from typing import NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, as_vector, counted, reshaped, sizes, total
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.flat_indices import count_from_start, places_of_slices
from zoosmith.opset_upgrade.node_editing import drop_attribute, input_at
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

_LARGEST_TABLE = 1 << 24  # pairs of updates that may go to one place


_REDUCIBLE_TYPES = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64)


_REDUCTIONS = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}


@adapter("Scatter", source=9, target=11)
def _scatter_to_scatter_elements(node: NodeProto, g: Writer) -> None:
    node.op_type = "ScatterElements"


@decomposition("ScatterElements")
def _scatter_elements(node: NodeProto, g: Writer) -> None:
    data, indices, updates = node.input
    axis = g.attribute("axis") % g.rank(data)
    place = count_from_start(g, indices, sizes(g, data, [axis]))
    g.op("Scatter", data, place, updates, axis=axis, output=node.output[0])


@decomposition("ScatterND")
def _scatter_nd(node: NodeProto, g: Writer) -> None:
    rows = _rows(node, g)
    place = g.op("Expand", rows.places, as_vector(g, [rows.number, rows.rest]))
    placed = g.op("Scatter", rows.data, place, rows.updates, axis=0)
    reshaped(g, placed, rows.shape, output=node.output[0])


class _Rows(NamedTuple):
    """A ScatterND as rows that go to rows.

    Attributes:
        data: shape [places, rest].
        places: int64, shape [count, 1]: the rows of the data that the updates go to.
        updates: shape [count, rest].
        shape: that of the result.
        number: how many updates there are.
        rest: how many elements one of them has.
    """

    data: str
    places: str
    updates: str
    shape: list[Size]
    number: Size
    rest: Size


def _rows(node: NodeProto, g: Writer) -> _Rows:
    data, indices, updates = node.input
    depth = g.fixed_size(indices, -1, "it tells how many axes they name")
    shape = sizes(g, data)
    if depth > len(shape):
        g.refuse(f"its indices name {depth} axes of {len(shape)}")
    outer, rest = shape[:depth], total(g, shape[depth:])
    count = total(g, sizes(g, indices, range(g.rank(indices) - 1)))
    places = g.op("Reshape", places_of_slices(g, indices, outer), g.constant([-1, 1]))
    flat = reshaped(g, data, [total(g, outer), rest])
    return _Rows(flat, places, reshaped(g, updates, [count, rest]), shape, count, rest)


@adapter("ScatterElements", "ScatterND", source=16, target=13)
def _sum_and_product(node: NodeProto, g: Writer) -> None:
    if g.attribute("reduction") == "none":
        drop_attribute(node, "reduction")
    else:
        _scatter_with_reduction(node, g)


@adapter("ScatterElements", "ScatterND", source=18, target=16)
def _maximum_and_minimum(node: NodeProto, g: Writer) -> None:
    if g.attribute("reduction") in ("max", "min"):
        _scatter_with_reduction(node, g)


def _scatter_with_reduction(node: NodeProto, g: Writer) -> None:
    """Scatter without reduction into a table that has a column for each update of one place, and reduce its columns."""
    data, indices, updates = node.input
    reduction, kind = g.attribute("reduction"), g.element_type(data)
    if kind not in _REDUCIBLE_TYPES:
        g.refuse(f"reduction={reduction!r} does not exist there, nor a reduction of {g.type_string(data)}")
    if 0 in (*(g.shape(data) or ()), *(g.shape(indices) or ())):
        g.op("Identity", data, output=node.output[0])
        return
    if node.op_type == "ScatterND":
        rows = _rows(node, g)
        found = _reduced_scatter(g, rows.data, (rows.places, [rows.number, rows.rest]), rows.updates, 0)
        reshaped(g, found, rows.shape, output=node.output[0])
        return
    axis = g.attribute("axis") % g.rank(data)
    place = count_from_start(g, _not_expanded(g, indices, axis), sizes(g, data, [axis]))
    _reduced_scatter(g, data, (place, sizes(g, indices)), updates, axis, node.output[0])


def _not_expanded(g: Writer, indices: str, axis: int) -> str:
    """Indices with the axes left at 1 along which an Expand repeats them (torch's exporters write rows of indices so).

    The other axes need not be gone through to find which updates go to one place.
    """
    made = g.facts.producer(indices)
    if made is None or made.node.op_type != "Expand":
        return indices
    source, rank = g.shape(made.node.input[0]), g.rank(indices)
    if source is None or len(source) != rank or all(size != 1 for k, size in enumerate(source) if k != axis):
        return indices
    if source[axis] not in (None, 1):
        return made.node.input[0]
    along: list[Size] = [1] * rank
    along[axis] = sizes(g, indices, [axis])[0]
    return g.op("Expand", made.node.input[0], as_vector(g, along))


def _reduced_scatter(
    g: Writer, data: str, where: tuple[str, list[Size]], updates: str, axis: int, output: str = ""
) -> str:
    """Emit a ScatterElements with the reduction of the node.

    `where` is the places along the axis, and the shape to which they are repeated.
    """
    place, wanted = where
    reduction, kind, rank, shape = g.attribute("reduction"), g.element_type(data), g.rank(data), sizes(g, data)
    column = _number_of_earlier(g, place, axis, rank)
    flat = g.op("Reshape", column, g.constant([-1]))
    last = g.op("ReduceMax", g.op("Concat", flat, g.constant([0]), axis=0), keepdims=1, axes=[0])
    columns = g.op("Add", last, g.constant([1]))
    slot = g.op("Add", g.op("Mul", place, columns), column)
    if g.shape(slot) is None or list(g.shape(slot) or ()) != wanted:
        slot = g.op("Expand", slot, as_vector(g, wanted))
    table: list[Size] = [*shape[:axis], g.op("Mul", columns, as_vector(g, [shape[axis]])), *shape[axis + 1 :]]
    # chosen, not multiplied: an infinity that goes elsewhere must leave nothing here
    empty = g.op("Expand", g.scalar_like(data, _neutral(reduction, kind)), as_vector(g, table))
    filled = g.op("ScatterElements", empty, slot, updates, axis=axis)
    apart = g.op("Reshape", filled, as_vector(g, [*shape[: axis + 1], columns, *shape[axis + 1 :]]))
    return g.op(_REDUCTIONS[reduction], data, _reduced(g, apart, axis + 1, reduction), output=output)


def _number_of_earlier(g: Writer, place: str, axis: int, rank: int) -> str:
    """Emit, for each place along the axis, how many before it are the same."""
    count = g.shape(place)
    if count is not None and None not in count:
        pairs = prod(size or 0 for size in count) * (count[axis] or 0)
        if pairs > _LARGEST_TABLE:
            reduction = g.attribute("reduction")
            g.refuse(
                f"reduction={reduction!r} does not exist there, and a table of {pairs} pairs of updates is too large"
            )
    (length,) = sizes(g, place, [axis])
    order = [k for k in range(rank) if k != axis] + [axis]
    last = place if axis == rank - 1 else g.op("Transpose", place, perm=order)
    rows, columns = (g.op("Unsqueeze", last, g.constant([k]), opset=AXES_AS_INPUTS) for k in (rank, rank - 1))
    same = g.op("Equal", rows, columns)
    before = _before(g, length)
    found = g.op("Cast", g.op("And", same, before), to=TensorProto.FLOAT)
    number = g.op("ReduceSum", found, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS)
    whole = g.op("Cast", number, to=TensorProto.INT64)
    return whole if axis == rank - 1 else g.op("Transpose", whole, perm=[order.index(k) for k in range(rank)])


def _before(g: Writer, length: Size) -> str:
    """Emit whether the column comes before the row, for rows and columns of that many."""
    if isinstance(length, int):
        return g.constant(np.tri(length, k=-1), dtype=bool)
    number = counted(g, length)
    return g.op("Less", number, g.op("Unsqueeze", number, g.constant([1]), opset=AXES_AS_INPUTS))


def _reduced(g: Writer, table: str, axis: int, reduction: str) -> str:
    if reduction == "add":
        return g.op("ReduceSum", table, g.constant([axis]), keepdims=0, opset=AXES_AS_INPUTS)
    operator = {"mul": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}[reduction]
    return g.op(operator, table, axes=[axis], keepdims=0)


def _neutral(reduction: str, kind: int) -> float:
    """The number that changes nothing."""
    if reduction in ("add", "mul"):
        return 0 if reduction == "add" else 1
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if dtype.kind == "f":
        return -np.inf if reduction == "max" else np.inf
    bounds = np.iinfo(dtype)
    return int(bounds.min if reduction == "max" else bounds.max)


@decomposition("TensorScatter")
def _tensor_scatter(node: NodeProto, g: Writer) -> None:
    cache, update, first = node.input[0], node.input[1], input_at(node, 2)
    shape, given = g.static_shape(cache), g.static_shape(update)
    axis = g.attribute("axis") % len(shape)
    along = [given[axis] if k == axis else 1 for k in range(len(shape))]
    place = g.constant(counting(given[axis], g).reshape(along))
    if first:
        start = g.op("Reshape", first, g.constant([-1] + [1] * (len(shape) - 1)))
        place = g.op("Add", start, place)
    if g.attribute("mode") == "circular":
        place = g.op("Mod", place, g.constant([shape[axis]]))
    place = g.op("Expand", place, g.constant(given))
    g.op("ScatterElements", cache, place, update, axis=axis, output=node.output[0])
