"""ScatterElements and ScatterND with a reduction, below the opset that brought it."""

from math import prod

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.decompositions.selecting import AXES_AS_INPUTS, places_of_elements, places_of_slices
from zoosmith.opset_upgrade.nodes import drop_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

_LARGEST = 1 << 24  # elements of the table of updates by places
_KINDS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT32, TensorProto.INT64)
_OPERATORS = {"add": "Add", "mul": "Mul", "max": "Max", "min": "Min"}


@adapter("ScatterElements ScatterND", 18, 16)
def _maximum_and_minimum(node: NodeProto, g: Writer) -> None:
    if g.attribute("reduction") in ("max", "min"):
        _scatter(node, g)


@adapter("ScatterElements ScatterND", 16, 13)
def _sum_and_product(node: NodeProto, g: Writer) -> None:
    if g.attribute("reduction") == "none":
        drop_attribute(node, "reduction")
    else:
        _scatter(node, g)


def _scatter(node: NodeProto, g: Writer) -> None:
    """Lay the updates beside every place they might go to, and reduce those that go there together with the data."""
    data, indices, updates = node.input
    reduction = g.attribute("reduction")
    if g.element_type(data) not in _KINDS:
        g.refuse(f"reduction={reduction!r} does not exist there, nor a reduction of {g.type_string(data)}")
    shape, where = g.static_shape(data), g.static_shape(indices)
    if node.op_type == "ScatterND":
        depth, count = where[-1], prod(where[:-1])
    else:
        depth, count = len(shape), prod(where)
    places, rest = prod(shape[:depth]), prod(shape[depth:])
    if places * count * rest > _LARGEST:
        g.refuse(f"reduction={reduction!r} does not exist there, and a table of {count} updates by places is too large")
    if not places * count * rest:
        g.op("Identity", data, outputs=node.output)
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
        g.op(_OPERATORS[reduction], flat, _reduced(g, table, reduction)),
        g.constant(shape),
        outputs=node.output,
    )


def _reduced(g: Writer, table: str, reduction: str) -> str:
    if reduction == "add":
        return str(g.op("ReduceSum", table, g.constant([1]), keepdims=0, opset=AXES_AS_INPUTS))
    operator = {"mul": "ReduceProd", "max": "ReduceMax", "min": "ReduceMin"}[reduction]
    return str(g.op(operator, table, axes=[1], keepdims=0))


def _neutral(reduction: str, kind: int) -> float:
    """The number that changes nothing."""
    if reduction in ("add", "mul"):
        return 0 if reduction == "add" else 1
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if dtype.kind == "f":
        return -np.inf if reduction == "max" else np.inf
    bounds = np.iinfo(dtype)
    return int(bounds.min if reduction == "max" else bounds.max)
