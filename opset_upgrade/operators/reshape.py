"""Flatten and Reshape."""

from math import prod

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import axis_from_front, slice_shape
from zoosmith.opset_upgrade.building_blocks.equal_sizes import Size, element_of_shape, same_size
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("Reshape")(cast_to_exact)


@adapter("Flatten", source=11, target=9)
def _flatten_from_front(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    if axis < 0 and g.shape(node.input[0]) is None:
        g.admit("empty tensors", f"the rank of {node.input[0]!r} is not known")
        columns = g.op("ReduceProd", slice_shape(g, g.op("Shape", node.input[0]), axis, None), keepdims=1)
        g.op("Reshape", node.input[0], g.op("Concat", g.constant([-1]), columns, axis=0), output=node.output[0])
    else:
        axis_from_front(node, g)


@type_fallback("Flatten")
def _flatten(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    axis, shape = g.attribute("axis"), g.shape(data) or (None,) * g.rank(data)
    before, after = shape[:axis], shape[axis:]
    if None in shape or 0 in shape:
        g.admit("empty tensors", "as a Reshape to sizes that are computed at run time")
    if None not in before:
        wanted = g.constant([prod(size or 0 for size in before), -1])
    elif None not in after:
        wanted = g.constant([-1, prod(size or 0 for size in after)])
    else:
        rows = g.op("ReduceProd", slice_shape(g, g.op("Shape", data), 0, axis), keepdims=1)
        wanted = g.op("Concat", rows, g.constant([-1]), axis=0)
    g.op("Reshape", data, wanted, output=node.output[0])


@adapter("Reshape", source=1, target=5)
def _shape_to_input(node: NodeProto, g: Writer) -> None:
    set_inputs(node, node.input[0], g.constant(get_attribute(node, "shape", [])))
    drop_attribute(node, "shape")
    drop_attribute(node, "consumed_inputs")


@adapter("Reshape", source=5, target=1)
def _shape_to_attribute(node: NodeProto, g: Writer) -> None:
    shape = _value_or_stated_shape(node, g)
    if np.ndim(shape) != 1:
        g.refuse("its shape is no list of sizes")
    set_inputs(node, node.input[0])
    set_attribute(node, "shape", [int(size) for size in shape])


@adapter("Reshape", source=14, target=13)
def _zero_is_copied(node: NodeProto, g: Writer) -> None:
    """Before 14 a zero in the shape always means the dimension of the input."""
    literal = g.attribute("allowzero")
    drop_attribute(node, "allowzero")
    if not literal:
        return
    stated = g.shape(node.output[0])
    if stated is not None and 0 in stated and None not in stated:
        # an empty tensor is the same wherever it comes from
        kind = g.element_type(node.input[0])
        g.op("Identity", g.typed_constant(np.zeros([size or 0 for size in stated]), kind), output=node.output[0])
        return
    data = g.shape(node.input[0])
    if data is not None and None not in data and 0 not in data:
        return  # there are elements, and then no size is 0
    shape = g.value(node.input[1])
    if shape is None:
        _drop_at_run_time(node, g)
    elif any(not size and not _is_empty(data, index) for index, size in enumerate(shape)):
        g.refuse(f"allowzero with the shape {shape.tolist()} asks for zeros that older versions would replace")


def _is_empty(data: tuple[int | None, ...] | None, axis: int) -> bool:
    return data is not None and axis < len(data) and data[axis] == 0


def _drop_at_run_time(node: NodeProto, g: Writer) -> None:
    """Let zeros of a shape that is computed at run time be copied: only an empty tensor can have any."""
    count = (g.shape(node.input[1]) or (None,))[0]
    result = g.shape(node.output[0])
    rank = count if result is None else len(result)
    if rank is None or not all((result and result[axis]) or _holds(node, g, axis) for axis in range(rank)):
        g.admit("empty tensors", "allowzero=1 with a shape that is computed at run time")


def _holds(node: NodeProto, g: Writer, axis: int) -> bool:
    """Whether an element of the shape is never 0, or 0 only where the same dimension of the data is."""
    data, result = Size(node.input[0], axis), Size(node.output[0], axis)
    found = element_of_shape(g, node.input[1], axis)
    if isinstance(found, Size):
        return same_size(g, found, data)
    return bool(found) or same_size(g, result, data)


def _value_or_stated_shape(node: NodeProto, g: Writer) -> np.ndarray:
    shape = g.value(node.input[1])
    if shape is None:
        # the shape is computed at run time, but that of the result is stated
        stated = g.shape(node.output[0])
        if stated is None or sum(size is None for size in stated) > 1 or 0 in stated:
            g.refuse(f"the shape ({node.input[1]!r}) is computed at run time")
        shape = np.array([-1 if size is None else size for size in stated], dtype=np.int64)
    return shape
