"""Hardmax, LogSoftmax, Softmax: over one axis since 13, over all axes from one on before."""

from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import axis_within_from_front, on_last_axes
from zoosmith.opset_upgrade.node_editing import set_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

_FAMILY = ("Hardmax", "LogSoftmax", "Softmax")

adapter(*_FAMILY, source=11, target=1)(axis_within_from_front)


@adapter(*_FAMILY, source=11, target=13)
def _over_one_axis(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    shape = g.shape(node.input[0])
    if axis == -1 or (shape is not None and axis == len(shape) - 1):
        set_attribute(node, "axis", -1)
        return
    data, result = node.input[0], node.output[0]
    flat = g.op("Flatten", data, axis=axis)
    set_attribute(node, "axis", -1)
    node.input[0], node.output[0] = flat, g.fresh("flat")
    g.keep()
    g.op("Reshape", node.output[0], g.op("Shape", data), output=result)


@adapter(*_FAMILY, source=13, target=11)
def _over_all_axes(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    if axis < 0 and g.shape(node.input[0]) is None:
        on_last_axes(node, g, -axis)
        return
    rank = g.rank(node.input[0])
    axis += rank if axis < 0 else 0
    if axis < 0:
        g.refuse(f"its axis {axis - rank} is none of a tensor of rank {rank}")
    set_attribute(node, "axis", axis)
    if axis >= rank - 1:
        return
    # bring the axis to the end, where over one axis and over all axes from it on are the same
    swap = list(range(rank))
    swap[axis], swap[-1] = swap[-1], swap[axis]
    result = node.output[0]
    node.input[0], node.output[0] = g.op("Transpose", node.input[0], perm=swap), g.fresh("swapped")
    set_attribute(node, "axis", rank - 1)
    g.keep()
    g.op("Transpose", node.output[0], perm=swap, output=result)
