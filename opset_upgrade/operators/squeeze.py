"""Squeeze and Unsqueeze."""

from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import axes_from_front, axes_to_input
from zoosmith.opset_upgrade.node_editing import get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

adapter("Squeeze", source=11, target=1)(axes_from_front)
adapter("Squeeze", "Unsqueeze", source=11, target=13)(axes_to_input)


@adapter("Unsqueeze", source=11, target=1)
def _unsqueeze_axes_from_front(node: NodeProto, g: Writer) -> None:
    axes = get_attribute(node, "axes")
    if axes and min(axes) < 0:
        rank = g.rank(node.input[0]) + len(axes)
        set_attribute(node, "axes", [axis % rank for axis in axes])


@adapter("Squeeze", "Unsqueeze", source=13, target=11)
def _known_axes_or_reshape(node: NodeProto, g: Writer) -> None:
    name = input_at(node, 1)
    axes = g.value(name) if name else None
    if name and axes is None:
        # the axes are computed at run time, but the shape of the result is stated: a Reshape
        shape = g.shape(node.output[0])
        if shape is None or sum(dimension is None for dimension in shape) > 1 or 0 in shape:
            g.refuse(f"axes ({name!r}) are computed at run time")
        free = [-1 if dimension is None else dimension for dimension in shape]
        g.op("Reshape", node.input[0], g.constant(free), output=node.output[0])
        return
    set_inputs(node, node.input[0])
    if axes is not None:
        set_attribute(node, "axes", axes.reshape(-1).tolist())
