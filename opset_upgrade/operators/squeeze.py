"""Squeeze and Unsqueeze."""

from onnx import NodeProto

from zoosmith.onnx_model.tensor_data import MOST_DIMENSIONS
from zoosmith.opset_upgrade.building_blocks.axes import axes_to_input, axes_within_from_front, slice_shape
from zoosmith.opset_upgrade.node_editing import get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

adapter("Squeeze", source=11, target=1)(axes_within_from_front)
adapter("Squeeze", "Unsqueeze", source=11, target=13)(axes_to_input)


@adapter("Unsqueeze", source=11, target=1)
def _unsqueeze_axes_from_front(node: NodeProto, g: Writer) -> None:
    axes = get_attribute(node, "axes")
    if axes and max(axes) < 0 and g.shape(node.input[0]) is None:
        _insert_from_the_end(node, g, axes)
    elif axes:
        rank = g.rank(node.input[0]) + len(axes) if min(axes) < 0 else max(axes) + 1
        set_attribute(node, "axes", sorted(axis % rank for axis in axes))


def _insert_from_the_end(node: NodeProto, g: Writer, axes: list[int]) -> None:
    """Insert axes into data of which not even the rank is known: a Reshape."""
    last = -min(axes)
    if last > MOST_DIMENSIONS:
        g.refuse(f"axes={list(axes)} make {last} dimensions; at most {MOST_DIMENSIONS} are supported")
    own = last - len(axes)  # axes of the data from the first new one on
    if own:
        g.admit("empty tensors", f"the rank of {node.input[0]!r} is not known")
    shape = g.op("Shape", node.input[0])
    parts, place = [slice_shape(g, shape, 0, -own) if own else shape], -own
    for axis in range(-last, 0):
        if axis in axes:
            parts.append(g.constant([1]))
        else:
            parts.append(slice_shape(g, shape, place, place + 1 or None))
            place += 1
    g.op("Reshape", node.input[0], g.op("Concat", *parts, axis=0), output=node.output[0])


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
