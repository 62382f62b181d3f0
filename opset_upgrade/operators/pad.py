"""CenterCropPad and Pad."""

from collections.abc import Callable

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.computed_bounds import (
    cast_to_double,
    clamp_index,
    data_and_result_shapes,
    double_array,
    double_scalar,
)
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

decomposition("CenterCropPad")(inline_body)
type_fallback("Pad")(cast_to_exact)


@adapter("Pad", source=1, target=2)
def _paddings_to_pads(node: NodeProto, g: Writer) -> None:
    paddings = get_attribute(node, "paddings")
    drop_attribute(node, "paddings")
    # version 1 is read with both ends of an axis apart, as its text says and its runtimes did
    set_attribute(node, "pads", paddings)


@adapter("Pad", source=2, target=1)
def _pads_to_paddings(node: NodeProto, g: Writer) -> None:
    pads = get_attribute(node, "pads")
    drop_attribute(node, "pads")
    set_attribute(node, "paddings", pads)


@adapter("Pad", source=2, target=11)
def _pads_to_input(node: NodeProto, g: Writer) -> None:
    pads, value = get_attribute(node, "pads"), get_attribute(node, "value", 0.0)
    drop_attribute(node, "pads")
    drop_attribute(node, "value")
    fill = g.scalar_like(node.input[0], value) if value else ""
    set_inputs(node, node.input[0], g.constant(pads), fill)


@adapter("Pad", source=11, target=2)
def _pads_to_attribute(node: NodeProto, g: Writer) -> None:
    if any(name and g.value(name) is None for name in node.input[1:]):
        _pad_by_gather(node, g)
        return
    if g.attribute("mode") == "wrap":
        _wrap(node, g)
        return
    pads = g.constant_input(1, "pads")
    value = g.constant_input(2, "constant_value")
    set_inputs(node, node.input[0])
    set_attribute(node, "pads", [] if pads is None else [int(pad) for pad in pads])
    if value is not None and g.attribute("mode") == "constant":
        set_attribute(node, "value", float(np.ravel(value)[0]))


@adapter("Pad", source=13, target=11)
def _wrapping_is_newer(node: NodeProto, g: Writer) -> None:
    if g.attribute("mode") == "wrap":
        _wrap(node, g)


@adapter("Pad", source=18, target=13)
def _pads_for_all_axes(node: NodeProto, g: Writer) -> None:
    if g.attribute("mode") == "wrap":  # torch's exporter states it at 18, and ONNX Runtime takes it
        _wrap(node, g)
        return
    name, rank = input_at(node, 3), g.rank(node.input[0])
    axes = g.value(name) if name else None
    if name and axes is None:
        set_inputs(node, node.input[0], _spread_at_run_time(g, node.input[1], name, rank), input_at(node, 2))
        g.keep()
        return
    if axes is None:
        set_inputs(node, *node.input[:3])
        return
    places = [int(axis) % rank for axis in axes]
    pads = g.value(node.input[1])
    if pads is not None:
        spread = np.zeros(2 * rank, dtype=np.int64)
        for place, begin, end in zip(places, pads[: len(places)], pads[len(places) :], strict=True):
            spread[place], spread[rank + place] = begin, end
        spread_name = g.constant(spread)
    else:
        rows = g.op("Concat", g.constant([0]), node.input[1], axis=0)
        index = np.zeros(2 * rank, dtype=np.int64)
        for number, place in enumerate(places):
            index[place], index[rank + place] = 1 + number, 1 + len(places) + number
        spread_name = g.op("Gather", rows, g.constant(index), axis=0)
    set_inputs(node, node.input[0], spread_name, input_at(node, 2))
    if pads is None:
        g.keep()


def _spread_at_run_time(g: Writer, pads: str, axes: str, rank: int) -> str:
    """Pads of all axes from those of axes that are computed at run time: each axis looks up its own."""
    count = g.static_shape(axes)[0]
    kind = g.element_type(axes)
    modulus = g.typed_constant(np.asarray(rank), kind)
    column = g.op("Reshape", g.op("Mod", axes, modulus), g.constant([1, count]))
    named = g.op("Equal", column, g.typed_constant(np.arange(rank).reshape(rank, 1), kind))
    table = g.op("Cast", named, to=TensorProto.INT64)
    ends = g.op("Reshape", pads, g.constant([2, 1, count]))
    chosen = g.op("ReduceSum", g.op("Mul", table, ends), g.constant([2]), keepdims=0)
    return g.op("Reshape", chosen, g.constant([2 * rank]))


@adapter("Pad", source=19, target=18)
def _no_wrapping(node: NodeProto, g: Writer) -> None:
    """Mode `wrap` came with 19."""
    if g.attribute("mode") == "wrap":
        _wrap(node, g)


def _wrap(node: NodeProto, g: Writer) -> None:
    """Gather along each axis what lies there, over and over; pads below 0 cut off before, as ONNX Runtime does it."""
    if g.value(node.input[1]) is None and not input_at(node, 3):
        _pad_by_gather(node, g)
        return
    pads, axes = g.constant_input(1, "pads"), g.constant_input(3, "axes")
    shape = g.shape(node.input[0])
    if pads is None or shape is None:
        g.refuse("pads are missing" if pads is None else f"the rank of {node.input[0]!r} is not known")
    places = range(len(shape)) if axes is None else [int(axis) % len(shape) for axis in axes]
    data = node.input[0]
    for number, place in enumerate(places):
        begin, end = int(pads[number]), int(pads[number + len(pads) // 2])
        if begin or end:
            data = g.op("Gather", data, _wrapped_indices(g, node.input[0], place, begin, end), axis=place)
    g.op("Identity", data, output=node.output[0])


def _wrapped_indices(g: Writer, data: str, axis: int, begin: int, end: int) -> str:
    """Indices along an axis of `data` with `begin` and `end` elements more (less, where they are negative)."""
    cut, cut_off = max(-begin, 0), max(-begin, 0) + max(-end, 0)
    size = (g.shape(data) or ())[axis]
    if size is not None:
        if size <= cut_off:
            g.refuse(f"pads ({begin}, {end}) leave nothing of an axis of {size} elements")
        left = size - cut_off
        return g.constant((counting(max(begin, 0) + left + max(end, 0), g) - max(begin, 0)) % left + cut)
    length = g.op("Gather", g.op("Shape", data), g.constant(axis), axis=0)
    kept = g.op("Sub", length, g.constant(cut_off))
    stop = g.op("Add", kept, g.constant(max(end, 0)))
    places = g.op("Range", g.constant(-max(begin, 0)), stop, g.constant(1), opset=max(g.opset, 11))
    return g.op("Add", g.op("Mod", places, kept, opset=max(g.opset, 11)), g.constant(cut))


def _pad_by_gather(node: NodeProto, g: Writer) -> None:
    """Express a Pad of all axes whose pads are computed; refuses where shapes are not fixed."""
    sizes, stated = data_and_result_shapes(node, g, f"pads ({node.input[1]!r})")
    if 0 in sizes:
        g.refuse(f"pads ({node.input[1]!r}) are computed at run time, and there is nothing to pad")
    mode, pads = g.attribute("mode"), cast_to_double(g, node.input[1])
    data, shape = node.input[0], list(sizes)
    for axis, (size, length) in enumerate(zip(sizes, stated, strict=True)):
        begin = g.op("Gather", pads, g.constant([axis]), axis=0)
        if mode == "constant":
            fill = input_at(node, 2) or g.scalar_like(data, 0)
            slab = g.op("Expand", fill, g.constant([*shape[:axis], 1, *shape[axis + 1 :]]))
            data = g.op("Concat", slab, data, slab, axis=axis)
            index = g.op("Sub", double_array(g, counting(length, g) + 1), begin)
            index = clamp_index(g, index, size + 2, length)
        elif mode == "wrap":
            index = _wrapped(g, begin, size, length)
        else:
            index = _PADDED[mode](g, g.op("Sub", double_array(g, counting(length, g)), begin), size, length)
        data = g.op("Gather", data, g.op("Cast", index, to=TensorProto.INT64), axis=axis)
        shape[axis] = length
    g.op("Identity", data, output=node.output[0])


def _reflected(g: Writer, index: str, size: int, length: int) -> str:
    last = double_array(g, np.full(length, size - 1))
    return g.op("Sub", last, g.op("Abs", g.op("Sub", g.op("Abs", index), last)))


def _wrapped(g: Writer, begin: str, size: int, length: int) -> str:
    """Indices of the elements; pads below 0 cut off before the rest is repeated."""
    end = g.op("Sub", double_scalar(g, length - size), begin)
    cut, cut_off = (_not_above_zero(g, pad) for pad in (begin, end))
    left = g.op("Add", g.op("Add", cut, cut_off), double_scalar(g, size))
    places = g.op("Sub", double_array(g, counting(length, g)), g.op("Sub", begin, cut))
    turns = g.op("Floor", g.op("Div", places, left))
    return g.op("Sub", g.op("Sub", places, g.op("Mul", turns, left)), cut)


def _not_above_zero(g: Writer, number: str) -> str:
    negative = g.op("Less", number, double_scalar(g, 0))
    return g.op("Mul", cast_to_double(g, negative), number)


_PADDED: dict[str, Callable[[Writer, str, int, int], str]] = {
    "edge": clamp_index,
    "reflect": _reflected,
}
