"""Reshape, Slice, Split, Tile, TopK, Pad, Concat: what was an attribute becomes an input, and back."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.adapters.picking import slice_by_gather
from zoosmith.opset_upgrade.nodes import drop_attribute, get_attribute, input_at, output_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

_TO_THE_END = np.iinfo(np.int64).max


@adapter("Reshape", 1, 5)
def _shape_to_input(node: NodeProto, g: Writer) -> None:
    set_inputs(node, node.input[0], g.constant(get_attribute(node, "shape", [])))
    drop_attribute(node, "shape")
    drop_attribute(node, "consumed_inputs")


@adapter("Reshape", 5, 1)
def _shape_to_attribute(node: NodeProto, g: Writer) -> None:
    shape = _value_or_stated_shape(node, g)
    set_inputs(node, node.input[0])
    set_attribute(node, "shape", [int(size) for size in shape])


@adapter("Reshape", 14, 13)
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
        g.op("Identity", g.scope.typed_constant(np.zeros([size or 0 for size in stated]), kind), outputs=node.output)
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
        # a shape that only the run tells, but a result whose shape is stated
        stated = g.shape(node.output[0])
        if stated is None or sum(size is None for size in stated) > 1 or 0 in stated:
            g.refuse(f"the shape ({node.input[1]!r}) is computed at run time")
        shape = np.array([-1 if size is None else size for size in stated], dtype=np.int64)
    return shape


@adapter("Slice", 1, 10)
def _bounds_to_inputs(node: NodeProto, g: Writer) -> None:
    starts, ends, axes = (get_attribute(node, name) for name in ("starts", "ends", "axes"))
    for name in ("starts", "ends", "axes"):
        drop_attribute(node, name)
    set_inputs(node, node.input[0], g.constant(starts), g.constant(ends), "" if axes is None else g.constant(axes))


@adapter("Slice", 10, 1)
def _bounds_to_attributes(node: NodeProto, g: Writer) -> None:
    if any(name and g.value(name) is None for name in node.input[1:]):
        slice_by_gather(node, g)
        return
    starts, ends = g.constant_input(1, "starts"), g.constant_input(2, "ends")
    axes, steps = g.constant_input(3, "axes"), g.constant_input(4, "steps")
    if starts is None or ends is None:
        g.refuse("starts and ends are missing")
    places = list(range(len(starts))) if axes is None else [int(axis) for axis in axes]
    if places and min(places) < 0:
        places = [place % g.rank(node.input[0]) for place in places]
    data = node.input[0]
    strides = [1] * len(places) if steps is None else [int(step) for step in steps]
    bounds = list(zip(places, starts.tolist(), ends.tolist(), strides, strict=True))
    for axis, start, end, step in bounds:
        if step != 1:
            shape = g.shape(data)
            size = None if shape is None else shape[axis]
            if size is None:
                g.refuse(f"it takes steps of {step} along axis {axis}, whose size is not fixed")
            data = g.op("Gather", data, g.constant(_sliced(size, start, end, step)), axis=axis)
    plain = [(axis, start, end) for axis, start, end, step in bounds if step == 1]
    if not plain and bounds:
        g.op("Identity", data, outputs=node.output)
        return
    set_inputs(node, data)
    for name, values in zip(("axes", "starts", "ends"), zip(*plain, strict=True), strict=False):
        set_attribute(node, name, list(values))
    g.keep()


def _sliced(size: int, start: int, end: int, step: int) -> np.ndarray:
    """Indices that a Slice takes of an axis of that size: bounds are clamped as ONNX's text says, not as numpy does."""
    first, last = (0, size) if step > 0 else (0, size - 1)
    start = min(max(start + size if start < 0 else start, first), last)
    end = min(max(end + size if end < 0 else end, first if step > 0 else -1), last)
    return np.arange(start, end, step)


@adapter("Split", 1, 2)
def _sizes_to_attribute(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "axis", get_attribute(node, "axis", 0))
    sizes = g.constant_input(1, "split")
    set_inputs(node, node.input[0])
    if sizes is not None:
        set_attribute(node, "split", [int(size) for size in sizes])


@adapter("Split", 11, 13)
def _sizes_to_input(node: NodeProto, g: Writer) -> None:
    sizes = get_attribute(node, "split")
    drop_attribute(node, "split")
    if sizes:
        set_inputs(node, node.input[0], g.constant(sizes))


@adapter("Split", 13, 11)
def _sizes_from_input(node: NodeProto, g: Writer) -> None:
    name = input_at(node, 1)
    set_inputs(node, node.input[0])
    if name:
        set_attribute(node, "split", _split_sizes(node, g, name))


@adapter("Split", 13, 18)
def _count_of_outputs(node: NodeProto, g: Writer) -> None:
    if not input_at(node, 1):
        set_attribute(node, "num_outputs", len(node.output))


@adapter("Split", 18, 13)
def _sizes_from_count(node: NodeProto, g: Writer) -> None:
    count = get_attribute(node, "num_outputs")
    drop_attribute(node, "num_outputs")
    if count is None:
        return
    shape = g.shape(node.input[0])
    size = None if shape is None else shape[g.attribute("axis")]
    if size is None:
        _split_at_run_time(node, g, count)
        return
    if size % count:
        each = -(-size // count)
        set_inputs(node, node.input[0], g.constant([min(each, size - each * k) for k in range(count)]))


def _split_at_run_time(node: NodeProto, g: Writer, count: int) -> None:
    """Slices of one size, rounded up; the last of them end where the axis does."""
    data, axis = node.input[0], g.attribute("axis") % g.rank(node.input[0])
    size = g.op("Gather", g.op("Shape", data), g.constant([axis]), axis=0)
    each = g.op("Div", g.op("Add", size, g.constant([count - 1])), g.constant([count]))
    for number, output in enumerate(node.output):
        if output:
            bounds = (g.op("Mul", each, g.constant([place])) for place in (number, number + 1))
            g.op("Slice", data, *bounds, g.constant([axis]), outputs=[output])


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


@adapter("Tile", 1, 6)
def _one_axis_to_repeats(node: NodeProto, g: Writer) -> None:
    tiles, axis = g.constant_input(1, "tiles"), g.constant_input(2, "axis")
    repeats = [1] * g.rank(node.input[0])
    if tiles is None or axis is None:
        g.refuse("tiles and axis are missing")
    repeats[int(axis.reshape(-1)[0])] = int(tiles.reshape(-1)[0])
    set_inputs(node, node.input[0], g.constant(repeats))


@adapter("Tile", 6, 1, any_type=True)
def _repeats_axis_by_axis(node: NodeProto, g: Writer) -> None:
    repeats = g.constant_input(1, "repeats")
    data, kind = node.input[0], g.element_type(node.input[0])
    steps = [] if repeats is None else [(axis, int(times)) for axis, times in enumerate(repeats) if times != 1]
    for axis, times in steps:
        tiles, place = (g.scope.typed_constant(np.asarray([number]), kind) for number in (times, axis))
        data = g.op("Tile", data, tiles, place)
    g.op("Identity", data, outputs=node.output)


@adapter("TopK", 1, 10)
def _k_to_input(node: NodeProto, g: Writer) -> None:
    set_inputs(node, node.input[0], g.constant([get_attribute(node, "k")]))
    drop_attribute(node, "k")


@adapter("TopK", 10, 1)
def _k_to_attribute(node: NodeProto, g: Writer) -> None:
    axis = g.attribute("axis")
    value = g.value(node.input[1])
    stated = [g.shape(name) for name in node.output if name]
    count = next((shape[axis] for shape in stated if shape is not None and shape[axis] is not None), None)
    if value is not None:
        count = int(value.reshape(-1)[0])
    if count is None:
        g.refuse(f"K ({node.input[1]!r}) is computed at run time")
    set_inputs(node, node.input[0])
    set_attribute(node, "k", count)


@adapter("TopK", 11, 10)
def _smallest_by_negation(node: NodeProto, g: Writer) -> None:
    """Before 11 the largest are taken, sorted."""
    largest = g.attribute("largest")
    drop_attribute(node, "largest")
    drop_attribute(node, "sorted")
    if largest:
        return
    if g.element_type(node.input[0]) not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        g.refuse("the smallest of integers cannot be taken there")
    values = output_at(node, 0)
    node.input[0] = g.op("Neg", node.input[0])
    if values:
        node.output[0] = g.fresh("negated")
    g.keep()
    if values:
        g.op("Neg", node.output[0], outputs=[values])


@adapter("Concat", 1, 4)
def _axis_is_required(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "axis", get_attribute(node, "axis", 1))


@adapter("SpaceToDepth", 28, 13)
def _columns_first(node: NodeProto, g: Writer) -> None:
    """Mode CRD: blocks inside channels."""
    mode = g.attribute("mode")
    drop_attribute(node, "mode")
    if mode == "CRD":
        n, c, h, w = g.static_shape(node.input[0])
        b = g.attribute("blocksize")
        split = g.op("Reshape", node.input[0], g.constant([n, c, h // b, b, w // b, b]))
        turned = g.op("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
        g.op("Reshape", turned, g.constant([n, c * b * b, h // b, w // b]), outputs=node.output)


@adapter("DepthToSpace", 11, 1)
def _depth_first(node: NodeProto, g: Writer) -> None:
    """Mode CRD: blocks inside channels."""
    mode = g.attribute("mode")
    drop_attribute(node, "mode")
    if mode == "CRD":
        n, c, h, w = g.static_shape(node.input[0])
        b = g.attribute("blocksize")
        split = g.op("Reshape", node.input[0], g.constant([n, c // (b * b), b, b, h, w]))
        turned = g.op("Transpose", split, perm=[0, 1, 4, 2, 5, 3])
        g.op("Reshape", turned, g.constant([n, c // (b * b), h * b, w * b]), outputs=node.output)


@adapter("Shape", 15, 13)
def _shape_then_slice(node: NodeProto, g: Writer) -> None:
    """Before 15 the shape is given whole."""
    start, end = get_attribute(node, "start", 0), get_attribute(node, "end")
    drop_attribute(node, "start")
    drop_attribute(node, "end")
    if start == 0 and end is None:
        return
    whole = g.op("Shape", node.input[0])
    last = _TO_THE_END if end is None else end
    g.op("Slice", whole, g.constant([start]), g.constant([last]), g.constant([0]), outputs=node.output)
