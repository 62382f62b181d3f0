"""Flatten and Reshape."""

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import axis_from_front
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

adapter("Flatten", source=11, target=9)(axis_from_front)
type_fallback("Reshape")(cast_to_exact)


@type_fallback("Flatten")
def _flatten(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    shape = g.static_shape(node.input[0])
    rows = 1
    for size in shape[: axis if axis >= 0 else axis + len(shape)]:
        rows *= size
    g.op("Reshape", node.input[0], g.constant([rows, -1]), output=node.output[0])


@adapter("Reshape", source=1, target=5)
def _shape_to_input(node: NodeProto, g: Writer) -> None:
    set_inputs(node, node.input[0], g.constant(get_attribute(node, "shape", [])))
    drop_attribute(node, "shape")
    drop_attribute(node, "consumed_inputs")


@adapter("Reshape", source=5, target=1)
def _shape_to_attribute(node: NodeProto, g: Writer) -> None:
    shape = _value_or_stated_shape(node, g)
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
    shape = _value_or_stated_shape(node, g)
    if (shape != 0).all():
        return
    data = g.static_shape(node.input[0])
    if all(size or (index < len(data) and data[index] == 0) for index, size in enumerate(shape)):
        return
    g.refuse(f"allowzero with the shape {shape.tolist()} asks for zeros that older versions would replace")


def _value_or_stated_shape(node: NodeProto, g: Writer) -> np.ndarray:
    shape = g.value(node.input[1])
    if shape is None:
        # the shape is computed at run time, but that of the result is stated
        stated = g.shape(node.output[0])
        if stated is None or sum(size is None for size in stated) > 1 or 0 in stated:
            g.refuse(f"the shape ({node.input[1]!r}) is computed at run time")
        shape = np.array([-1 if size is None else size for size in stated], dtype=np.int64)
    return shape
