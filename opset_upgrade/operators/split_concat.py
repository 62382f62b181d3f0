"""Concat and Split."""

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import axis_within_from_front
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_LARGEST_SIZE = 1 << 62

adapter("Concat", source=11, target=4)(axis_within_from_front)
type_fallback("Concat")(cast_to_exact)
adapter("Split", source=11, target=2)(axis_within_from_front)
type_fallback("Split")(cast_to_exact)


@adapter("Concat", source=1, target=4)
def _axis_is_required(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "axis", get_attribute(node, "axis", 1))


@adapter("Split", source=1, target=2)
def _sizes_to_attribute(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "axis", get_attribute(node, "axis", 0))
    sizes = g.constant_input(1, "split")
    set_inputs(node, node.input[0])
    if sizes is not None:
        if not (np.abs(sizes) < _LARGEST_SIZE).all():
            g.refuse(f"its sizes {sizes.tolist()} are no sizes")
        set_attribute(node, "split", [int(size) for size in sizes])


@adapter("Split", source=11, target=13)
def _sizes_to_input(node: NodeProto, g: Writer) -> None:
    sizes = get_attribute(node, "split")
    drop_attribute(node, "split")
    if sizes:
        set_inputs(node, node.input[0], g.constant(sizes))


@adapter("Split", source=13, target=11)
def _sizes_from_input(node: NodeProto, g: Writer) -> None:
    name = input_at(node, 1)
    set_inputs(node, node.input[0])
    if name:
        set_attribute(node, "split", _split_sizes(node, g, name))


@adapter("Split", source=13, target=18)
def _count_of_outputs(node: NodeProto, g: Writer) -> None:
    if not input_at(node, 1):
        set_attribute(node, "num_outputs", len(node.output))


@adapter("Split", source=18, target=13)
def _sizes_from_count(node: NodeProto, g: Writer) -> None:
    count = get_attribute(node, "num_outputs")
    drop_attribute(node, "num_outputs")
    if count is None:
        return
    if count != len(node.output):
        g.refuse(f"num_outputs={count}, and it has {len(node.output)} outputs")
    shape = g.shape(node.input[0])
    size = None if shape is None else shape[g.attribute("axis")]
    if size is None:
        _split_at_run_time(node, g, count)
        return
    if size % count:
        each = -(-size // count)
        # in a branch that is never taken there may be too few for all
        set_inputs(node, node.input[0], g.constant([max(0, min(each, size - each * k)) for k in range(count)]))


def _split_at_run_time(node: NodeProto, g: Writer, count: int) -> None:
    """Slices of one size, rounded up; the last of them end where the axis does."""
    data, axis = node.input[0], g.attribute("axis")
    size = g.op("Gather", g.op("Shape", data), g.constant([axis]), axis=0)
    each = g.op("Div", g.op("Add", size, g.constant([count - 1])), g.constant([count]))
    for number, output in enumerate(node.output):
        if output:
            bounds = (g.op("Mul", each, g.constant([place])) for place in (number, number + 1))
            g.op("Slice", data, *bounds, g.constant([axis]), output=output)


def _split_sizes(node: NodeProto, g: Writer, name: str) -> list[int]:
    sizes = g.value(name)
    if sizes is not None:
        return [int(size) for size in sizes]
    axis, found = g.attribute("axis"), []
    for output in node.output:
        shape = g.shape(output) if output else None
        size = None if shape is None else shape[axis]
        if size is None:
            g.refuse(f"split ({name!r}) is computed at run time")
        found.append(size)
    return found
