"""Axes as attributes and as inputs, counted from the end and from the front."""

from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, set_attribute, set_inputs
from zoosmith.opset_upgrade.writer import Writer

AXES_AS_INPUTS = 13
"""The opset in whose form Squeeze, Unsqueeze, Slice and ReduceSum are emitted here; the engine takes them further."""


def axis_from_front(node: NodeProto, g: Writer) -> None:
    """Count the attribute `axis` from the front: before opset 11 it may not be negative."""
    axis = get_attribute(node, "axis")
    if axis is not None and axis < 0:
        set_attribute(node, "axis", axis + g.rank(node.input[0]))


def axes_from_front(node: NodeProto, g: Writer) -> None:
    """Count the attribute `axes` from the front: before opset 11 none may be negative."""
    axes = get_attribute(node, "axes")
    if axes and min(axes) < 0:
        rank = g.rank(node.input[0])
        set_attribute(node, "axes", [axis % rank for axis in axes])


def axes_to_input(node: NodeProto, g: Writer) -> None:
    """Make the attribute `axes` an input."""
    axes = get_attribute(node, "axes")
    drop_attribute(node, "axes")
    if axes:
        set_inputs(node, node.input[0], g.constant(axes))
