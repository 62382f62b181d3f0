"""Slice."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import on_last_axes
from zoosmith.opset_upgrade.building_blocks.computed_bounds import (
    cast_to_double,
    clamp,
    clamp_index,
    data_and_result_shapes,
    double_array,
    double_scalar,
)
from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, counted, sizes, times
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.integer_bounds import is_never_negative
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer

_BEYOND = 1 << 31
"""A bound that lies at or beyond the end of any axis."""


@adapter("Slice", source=1, target=10)
def _bounds_to_inputs(node: NodeProto, g: Writer) -> None:
    starts, ends, axes = (get_attribute(node, name) for name in ("starts", "ends", "axes"))
    for name in ("starts", "ends", "axes"):
        drop_attribute(node, name)
    set_inputs(node, node.input[0], g.constant(starts), g.constant(ends), "" if axes is None else g.constant(axes))


@adapter("Slice", source=10, target=1)
def _bounds_to_attributes(node: NodeProto, g: Writer) -> None:
    if any(name and g.value(name) is None for name in node.input[1:]):
        if g.target >= 9 and _slice_by_compress(node, g):
            return
        shapes = [g.shape(name) for name in (node.input[0], node.output[0])]
        if any(shape is None or None in shape for shape in shapes):
            _slice_by_range(node, g)
        else:
            _slice_by_gather(node, g)
        return
    axes = g.constant_input(3, "axes")
    if g.shape(node.input[0]) is None and axes is not None and axes.size and axes.max() < 0:
        on_last_axes(node, g, -int(axes.min()))
        return
    data, bounds = node.input[0], _constant_bounds(node, g)
    for axis, start, end, step in bounds:
        if step != 1:
            shape = g.shape(data)
            size = None if shape is None else shape[axis]
            indices = (
                _range(g, start, end, step, sizes(g, data, [axis])[0])
                if size is None
                else g.constant(_sliced(g, size, start, end, step))
            )
            data = g.op("Gather", data, indices, axis=axis)
    plain = [(axis, start, end) for axis, start, end, step in bounds if step == 1]
    if not plain and bounds:
        g.op("Identity", data, output=node.output[0])
        return
    set_inputs(node, data)
    for name, values in zip(("axes", "starts", "ends"), zip(*plain, strict=True), strict=False):
        set_attribute(node, name, list(values))
    g.keep()


def _constant_bounds(node: NodeProto, g: Writer) -> list[tuple[int, int, int, int]]:
    """Axis (counted from the front), start, end and step of each axis that is sliced."""
    starts, ends = g.constant_input(1, "starts"), g.constant_input(2, "ends")
    axes, steps = g.constant_input(3, "axes"), g.constant_input(4, "steps")
    if starts is None or ends is None:
        g.refuse("starts and ends are missing")
    places = list(range(len(starts))) if axes is None else [int(axis) for axis in axes]
    if places and min(places) < 0:
        places = [place % g.rank(node.input[0]) for place in places]
    strides = [1] * len(places) if steps is None else [int(step) for step in steps]
    return list(zip(places, starts.tolist(), ends.tolist(), strides, strict=True))


def _sliced(g: Writer, size: int, start: int, end: int, step: int) -> np.ndarray:
    """Indices that a Slice takes of an axis of that size: bounds are clamped as ONNX's text says, not as numpy does."""
    first, last = (0, size) if step > 0 else (0, size - 1)
    start = min(max(start + size if start < 0 else start, first), last)
    end = min(max(end + size if end < 0 else end, first if step > 0 else -1), last)
    return start + step * counting(max(0, -((start - end) // step)), g)


def _slice_by_compress(node: NodeProto, g: Writer) -> bool:
    """Express a Slice with computed bounds by the Compress of 9; returns False where that takes more to know.

    Only steps of 1, bounds that are never negative, and an end that is computed are taken.
    """
    axes, steps = (g.value(input_at(node, index)) if input_at(node, index) else None for index in (3, 4))
    count = (g.shape(node.input[1]) or (None,))[0]
    shape = g.shape(node.input[0])
    if shape is None or count is None or (input_at(node, 3) and axes is None):
        return False
    if input_at(node, 4) and (steps is None or (steps != 1).any()):
        return False
    places = range(count) if axes is None else [int(axis) % len(shape) for axis in axes]
    if len(places) != count or count > len(shape):
        g.refuse(f"it has bounds for {count} axes of {len(shape)}")
    kept = [_kept(g, node, number, shape[axis]) for number, axis in enumerate(places)]
    if "" in kept:
        return False
    data = node.input[0]
    for axis, selected in zip(places, kept, strict=True):
        data = g.op("Compress", data, selected, axis=axis)
    g.op("Identity", data, output=node.output[0])
    return True


def _kept(g: Writer, node: NodeProto, number: int, size: int | None) -> str:
    """Emit which elements of an axis lie between two bounds; empty where that is not known so."""
    start, end = node.input[1:3]
    if size is None or not all(is_never_negative(g, name, number) for name in (start, end)):
        return ""
    indices = g.constant(counting(size, g))
    first, last = (
        name if g.shape(name) == (1,) else g.op("Gather", name, g.constant([number]), axis=0) for name in (start, end)
    )
    below = g.op("Less", indices, g.op("Cast", last, to=TensorProto.INT64))
    known = g.value(start)
    if known is not None and not known[number]:
        return below
    before = g.op("Less", indices, g.op("Cast", first, to=TensorProto.INT64))
    return g.op("And", below, g.op("Not", before))


def _slice_by_gather(node: NodeProto, g: Writer) -> None:
    """Express a Slice of opset 10 whose starts, axes or steps are computed; refuses where shapes are not fixed."""
    sizes, stated = data_and_result_shapes(node, g, "its bounds")
    if 0 in stated:
        empty = g.typed_constant(np.zeros(stated), g.element_type(node.input[0]))
        g.op("Identity", empty, output=node.output[0])
        return
    starts, axes = cast_to_double(g, node.input[1]), input_at(node, 3)
    steps = cast_to_double(g, input_at(node, 4)) if input_at(node, 4) else ""
    known = g.value(axes) if axes else counting(g.static_shape(node.input[1])[0], g)
    data = node.input[0]
    for axis, (size, length) in enumerate(zip(sizes, stated, strict=True)):
        if size == 1 or (not steps and size == length):
            continue
        step = double_scalar(g, 1)
        if known is None:
            start, step = _bounds_of_axis(g, (starts, steps, axes), axis, len(sizes))
        else:
            places = [number for number, named in enumerate(known.tolist()) if named % len(sizes) == axis]
            if not places:
                continue
            start = g.op("Gather", starts, g.constant(places), axis=0)
            if steps:
                step = g.op("Gather", steps, g.constant(places), axis=0)
        negative = g.op("Cast", g.op("Less", start, double_scalar(g, 0)), to=TensorProto.DOUBLE)
        start = g.op("Add", start, g.op("Mul", negative, double_scalar(g, size)))
        index = g.op("Mul", double_array(g, counting(length, g)), step)
        index = g.op("Add", index, clamp_index(g, start, size, 1))
        data = g.op("Gather", data, g.op("Cast", index, to=TensorProto.INT64), axis=axis)
    g.op("Identity", data, output=node.output[0])


def _bounds_of_axis(g: Writer, bounds: tuple[str, str, str], axis: int, rank: int) -> tuple[str, str]:
    """Start and step of an axis where the axes are computed at run time; all of it if it is not among them."""
    starts, steps, axes = bounds
    kind = g.element_type(axes)
    here = [g.op("Equal", axes, g.typed_constant(np.array([place]), kind)) for place in (axis, axis - rank)]
    chosen = g.op("Cast", g.op("Or", *here), to=TensorProto.DOUBLE)
    start = g.op("ReduceSum", g.op("Mul", chosen, starts), keepdims=1)
    if not steps:
        return start, double_scalar(g, 1)
    beyond_one = g.op("Mul", chosen, g.op("Sub", steps, double_scalar(g, 1)))
    return start, g.op("Add", g.op("ReduceSum", beyond_one, keepdims=1), double_scalar(g, 1))


def _slice_by_range(node: NodeProto, g: Writer) -> None:
    """Express a Slice of opset 10 between values whose sizes only the run tells: a Gather by a Range for each axis."""
    axes, steps = g.constant_input(3, "axes"), g.constant_input(4, "steps")
    count = g.fixed_size(node.input[1], 0, "it tells how many axes are sliced")
    data = node.input[0]
    rank = g.rank(data)
    named = list(range(count)) if axes is None else [int(axis) % rank for axis in axes]
    for number, axis in enumerate(named):
        step = 1 if steps is None else int(steps[number])
        start, end = (_bound(g, node.input[place], number) for place in (1, 2))
        data = g.op("Gather", data, _range(g, start, end, step, sizes(g, data, [axis])[0]), axis=axis)
    g.op("Identity", data, output=node.output[0])


def _bound(g: Writer, name: str, number: int) -> Size:
    """A bound as a number, else as the name of a double of shape [1]."""
    known = g.value(name)
    if known is not None:
        return int(known[number])
    return g.op("Gather", cast_to_double(g, name), g.constant([number]), axis=0)


def _range(g: Writer, start: Size, end: Size, step: int, size: Size) -> str:
    """Emit the indices that a Slice takes of an axis of that size (an int64); bounds are numbers or doubles."""
    if all(isinstance(each, int) for each in (start, end, size)):
        return g.constant(_sliced(g, int(size), int(start), int(end), step))
    whole = double_scalar(g, size) if isinstance(size, int) else cast_to_double(g, size)
    one = double_scalar(g, 1)
    if step > 0:
        low, high = double_scalar(g, 0), whole
        first, last = (_clamped(g, bound, whole, low, high) for bound in (start, end))
    else:
        high = g.op("Sub", whole, one)
        first = _clamped(g, start, whole, double_scalar(g, 0), high)
        last = _clamped(g, end, whole, double_scalar(g, -1), high)
    distance = g.op("Sub", last, first)
    # rounded up: a part of a step is a step
    steps = distance if step == 1 else g.op("Neg", g.op("Floor", g.op("Div", distance, double_scalar(g, -step))))
    some = cast_to_double(g, g.op("Greater", steps, double_scalar(g, 0)))
    length = g.op("Cast", g.op("Mul", steps, some), to=TensorProto.INT64)
    index = times(g, counted(g, length), step)
    return index if start == 0 and step > 0 else g.op("Add", index, g.op("Cast", first, to=TensorProto.INT64))


def _clamped(g: Writer, bound: Size, size: str, low: str, high: str) -> str:
    """Emit a bound counted from the start, between two doubles."""
    if isinstance(bound, str):
        from_end = cast_to_double(g, g.op("Less", bound, double_scalar(g, 0)))
        return clamp(g, g.op("Add", bound, g.op("Mul", from_end, size)), low, high)
    if bound == 0 and low == double_scalar(g, 0) and high == size:
        return low
    if bound >= _BEYOND:
        return high
    number = double_scalar(g, bound)
    return clamp(g, number if bound >= 0 else g.op("Add", number, size), low, high)
