"""Axes as attributes and as inputs, counted from the end and from the front."""

import numpy as np
from onnx import NodeProto, helper

from zoosmith.onnx_model.tensor_data import MOST_DIMENSIONS
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, set_attribute, set_inputs
from zoosmith.opset_upgrade.writer import Writer

AXES_AS_INPUTS = 13
"""The opset in whose form Squeeze, Unsqueeze, Slice and ReduceSum are emitted here; the engine takes them further."""


def axis_from_front(node: NodeProto, g: Writer) -> None:
    """Count the attribute `axis` from the front: before opset 11 it may not be negative."""
    axis = get_attribute(node, "axis")
    if axis is not None and axis < 0:
        set_attribute(node, "axis", axis + g.rank(node.input[0]))


def axis_within_from_front(node: NodeProto, g: Writer) -> None:
    """Count the attribute `axis` from the front, for an operator that leaves the axes before it alone."""
    axis = get_attribute(node, "axis")
    if axis is not None and axis < 0 and g.shape(node.input[0]) is None:
        on_last_axes(node, g, -axis)
    else:
        axis_from_front(node, g)


def axes_within_from_front(node: NodeProto, g: Writer) -> None:
    """Count the attribute `axes` from the front, for an operator that leaves the axes before the first alone.

    They are put in order, which old shape inference takes for granted.
    """
    axes = get_attribute(node, "axes")
    if not axes or (list(axes) == sorted(axes) and min(axes) >= 0):
        return
    if min(axes) >= 0:
        set_attribute(node, "axes", sorted(axes))
        return
    if g.shape(node.input[0]) is None and max(axes) < 0:
        on_last_axes(node, g, -min(axes))
        return
    rank = g.rank(node.input[0])
    if not rank:
        g.refuse("its data is a scalar, which has no axis")
    set_attribute(node, "axes", sorted(axis % rank for axis in axes))


def on_last_axes(node: NodeProto, g: Writer, count: int) -> None:
    """Take a node whose rank is not known on its way again with one axis in place of all before the last `count`.

    The node is emitted as it came, on data of a known rank; it must treat the axes before the last `count` alike. What
    it makes gets them back.
    """
    if count >= MOST_DIMENSIONS:
        g.refuse(f"it works on the last {count} axes; at most {MOST_DIMENSIONS} dimensions are supported")
    g.admit("empty tensors", f"the rank of {node.input[0]!r} is not known")
    before = ""
    for index in range(len(node.input) if node.op_type == "Concat" else 1):
        data = node.input[index]
        shape = g.op("Shape", data)
        before = before or slice_shape(g, shape, 0, -count)
        view = g.op("Concat", g.constant([-1]), slice_shape(g, shape, -count, None), axis=0)
        node.input[index] = g.op("Reshape", data, view)
        known = helper.make_tensor_type_proto(g.element_type(data), [None] * (count + 1))
        g.state_type(node.input[index], known, g.element_type(data))
    results = list(node.output)
    node.output[:] = [g.fresh(node.op_type) if name else "" for name in results]
    g.again()
    for made, result in zip(node.output, results, strict=True):
        if result:
            own = slice_shape(g, g.op("Shape", made), 1, None)
            g.op("Reshape", made, g.op("Concat", before, own, axis=0), output=result)


def slice_shape(g: Writer, shape: str, start: int, end: int | None) -> str:
    """Emit a slice of a 1-D tensor, to its end where `end` is None."""
    bounds = (g.constant([start]), g.constant([np.iinfo(np.int64).max if end is None else end]), g.constant([0]))
    return g.op("Slice", shape, *bounds, opset=AXES_AS_INPUTS)


def axes_to_input(node: NodeProto, g: Writer) -> None:
    """Make the attribute `axes` an input."""
    axes = get_attribute(node, "axes")
    drop_attribute(node, "axes")
    if axes:
        set_inputs(node, node.input[0], g.constant(axes))
