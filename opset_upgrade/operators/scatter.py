"""Scatter, ScatterElements, ScatterND, TensorScatter."""

from math import prod

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.flat_indices import count_from_start, places_of_elements, places_of_slices
from zoosmith.opset_upgrade.node_editing import drop_attribute, input_at
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

_LARGEST_TABLE = 1 << 24  # elements of the table of updates by places


_REDUCIBLE_TYPES = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64)


_REDUCTIONS = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}


@adapter("Scatter", source=9, target=11)
def _scatter_to_scatter_elements(node: NodeProto, g: Writer) -> None:
    node.op_type = "ScatterElements"


@decomposition("ScatterElements")
def _scatter_elements(node: NodeProto, g: Writer) -> None:
    data, indices, updates = node.input
    axis = g.attribute("axis") % g.rank(data)
    place = count_from_start(g, indices, [g.static_shape(data)[axis]])
    g.op("Scatter", data, place, updates, axis=axis, output=node.output[0])


@decomposition("ScatterND")
def _scatter_nd(node: NodeProto, g: Writer) -> None:
    data, indices, updates = node.input
    shape, where = g.static_shape(data), g.static_shape(indices)
    depth, count = where[-1], prod(where[:-1])
    rest = prod(shape[depth:])
    place = places_of_slices(g, indices, shape[:depth])
    place = g.op("Expand", g.op("Reshape", place, g.constant([count, 1])), g.constant([count, rest]))
    flat = g.op("Reshape", data, g.constant([prod(shape[:depth]), rest]))
    placed = g.op("Scatter", flat, place, g.op("Reshape", updates, g.constant([count, rest])), axis=0)
    g.op("Reshape", placed, g.constant(shape), output=node.output[0])


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
    """Lay the updates beside every place they might go to, and reduce those that go there together with the data."""
    data, indices, updates = node.input
    reduction = g.attribute("reduction")
    if g.element_type(data) not in _REDUCIBLE_TYPES:
        g.refuse(f"reduction={reduction!r} does not exist there, nor a reduction of {g.type_string(data)}")
    shape, where = g.static_shape(data), g.static_shape(indices)
    if node.op_type == "ScatterND":
        depth, count = where[-1], prod(where[:-1])
    else:
        depth, count = len(shape), prod(where)
    places, rest = prod(shape[:depth]), prod(shape[depth:])
    if places * count * rest > _LARGEST_TABLE:
        g.refuse(f"reduction={reduction!r} does not exist there, and a table of {count} updates by places is too large")
    if not places * count * rest:
        g.op("Identity", data, output=node.output[0])
        return
    if node.op_type == "ScatterND":
        place = places_of_slices(g, indices, shape[:depth])
    else:
        place = places_of_elements(g, indices, shape, where)
    column = g.constant(np.arange(places).reshape(places, 1))
    goes_there = g.op("Equal", column, g.op("Reshape", place, g.constant([1, count])))
    goes_there = g.op("Reshape", goes_there, g.constant([places, count, 1]))
    rows = g.op("Reshape", updates, g.constant([1, count, rest]))
    # chosen, not multiplied: an infinity that goes elsewhere must leave nothing here
    table = g.op("Where", goes_there, rows, g.scalar_like(data, _neutral(reduction, g.element_type(data))))
    flat = g.op("Reshape", data, g.constant([places, rest]))
    g.op(
        "Reshape",
        g.op(_REDUCTIONS[reduction], flat, _reduced(g, table, reduction)),
        g.constant(shape),
        output=node.output[0],
    )


def _reduced(g: Writer, table: str, reduction: str) -> str:
    if reduction == "add":
        return g.op("ReduceSum", table, g.constant([1]), keepdims=0, opset=AXES_AS_INPUTS)
    operator = {"mul": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}[reduction]
    return g.op(operator, table, axes=[1], keepdims=0)


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
    place = g.constant(np.arange(given[axis]).reshape(along))
    if first:
        start = g.op("Reshape", first, g.constant([-1] + [1] * (len(shape) - 1)))
        place = g.op("Add", start, place)
    if g.attribute("mode") == "circular":
        place = g.op("Mod", place, g.constant([shape[axis]]))
    place = g.op("Expand", place, g.constant(given))
    g.op("ScatterElements", cache, place, update, axis=axis, output=node.output[0])
