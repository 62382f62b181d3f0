"""Slice and Pad whose bounds only the run tells, below the opsets that take them so: stated shapes tell the rest.

What a result's axis holds is a Gather of as many elements as its stated size; the bounds say where they begin. Places
are counted in doubles, for which every opset has arithmetic: bounds that a double does not hold lie beyond any axis.
"""

from collections.abc import Callable

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.nodes import input_at
from zoosmith.opset_upgrade.writer import Writer


def slice_by_gather(node: NodeProto, g: Writer) -> None:
    """Express a Slice of opset 10 whose starts, axes or steps are computed; refuses where shapes are not fixed."""
    sizes, stated = _sizes(node, g, "its bounds")
    if 0 in stated:
        empty = g.scope.typed_constant(np.zeros(stated), g.element_type(node.input[0]))
        g.op("Identity", empty, outputs=node.output)
        return
    starts, axes = _double(g, node.input[1]), input_at(node, 3)
    steps = _double(g, input_at(node, 4)) if input_at(node, 4) else ""
    known = g.value(axes) if axes else np.arange(g.static_shape(node.input[1])[0])
    data = node.input[0]
    for axis, (size, length) in enumerate(zip(sizes, stated, strict=True)):
        if size == 1 or (not steps and size == length):
            continue
        step = _number(g, 1)
        if known is None:
            start, step = _bounds_of_axis(g, (starts, steps, axes), axis, len(sizes))
        else:
            places = [number for number, named in enumerate(known.tolist()) if named % len(sizes) == axis]
            if not places:
                continue
            start = g.op("Gather", starts, g.constant(places), axis=0)
            if steps:
                step = g.op("Gather", steps, g.constant(places), axis=0)
        negative = g.op("Cast", g.op("Less", start, _number(g, 0)), to=TensorProto.DOUBLE)
        start = g.op("Add", start, g.op("Mul", negative, _number(g, size)))
        index = g.op("Mul", _numbers(g, np.arange(length)), step)
        index = g.op("Add", index, _clamped(g, start, size, 1))
        data = g.op("Gather", data, g.op("Cast", index, to=TensorProto.INT64), axis=axis)
    g.op("Identity", data, outputs=node.output)


def pad_by_gather(node: NodeProto, g: Writer) -> None:
    """Express a Pad of all axes whose pads are computed; refuses where shapes are not fixed."""
    sizes, stated = _sizes(node, g, f"pads ({node.input[1]!r})")
    if 0 in sizes:
        g.refuse(f"pads ({node.input[1]!r}) are computed at run time, and there is nothing to pad")
    mode, pads = g.attribute("mode"), _double(g, node.input[1])
    data, shape = node.input[0], list(sizes)
    for axis, (size, length) in enumerate(zip(sizes, stated, strict=True)):
        begin = g.op("Gather", pads, g.constant([axis]), axis=0)
        if mode == "constant":
            fill = input_at(node, 2) or g.scalar_like(data, 0)
            slab = g.op("Expand", fill, g.constant([*shape[:axis], 1, *shape[axis + 1 :]]))
            data = g.op("Concat", slab, data, slab, axis=axis)
            index = g.op("Sub", _numbers(g, np.arange(length) + 1), begin)
            index = _clamped(g, index, size + 2, length)
        else:
            index = _PADDED[mode](g, g.op("Sub", _numbers(g, np.arange(length)), begin), size, length)
        data = g.op("Gather", data, g.op("Cast", index, to=TensorProto.INT64), axis=axis)
        shape[axis] = length
    g.op("Identity", data, outputs=node.output)


def _bounds_of_axis(g: Writer, bounds: tuple[str, str, str], axis: int, rank: int) -> tuple[str, str]:
    """Start and step of an axis that the run names, or does not: then all of it."""
    starts, steps, axes = bounds
    kind = g.element_type(axes)
    here = [g.op("Equal", axes, g.scope.typed_constant(np.array([place]), kind)) for place in (axis, axis - rank)]
    chosen = g.op("Cast", g.op("Or", *here), to=TensorProto.DOUBLE)
    start = g.op("ReduceSum", g.op("Mul", chosen, starts), keepdims=1)
    if not steps:
        return start, _number(g, 1)
    beyond_one = g.op("Mul", chosen, g.op("Sub", steps, _number(g, 1)))
    return start, g.op("Add", g.op("ReduceSum", beyond_one, keepdims=1), _number(g, 1))


def _sizes(node: NodeProto, g: Writer, what: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The fixed shapes of the data and of the result."""
    found = [g.shape(name) for name in (node.input[0], node.output[0])]
    for shape in found:
        if shape is None or None in shape:
            g.refuse(f"{what} are computed at run time, and the shapes that would tell their reach are not fixed")
    data, result = (tuple(size or 0 for size in shape or ()) for shape in found)
    return data, result


def _double(g: Writer, name: str) -> str:
    return str(g.op("Cast", name, to=TensorProto.DOUBLE))


def _numbers(g: Writer, value: np.ndarray) -> str:
    return g.constant(value, np.float64)


def _number(g: Writer, value: float) -> str:
    return g.constant([value], np.float64)


def _clamped(g: Writer, index: str, size: int, length: int) -> str:
    """Places before the first made the first, and those beyond the last made the last."""
    first, last = (_numbers(g, np.full(length, number)) for number in (0, size - 1))
    return str(g.op("Min", g.op("Max", index, first), last))


def _reflected(g: Writer, index: str, size: int, length: int) -> str:
    last = _numbers(g, np.full(length, size - 1))
    return str(g.op("Sub", last, g.op("Abs", g.op("Sub", g.op("Abs", index), last))))


def _wrapped(g: Writer, index: str, size: int, length: int) -> str:
    divisor = _numbers(g, np.full(length, size))
    return str(g.op("Sub", index, g.op("Mul", g.op("Floor", g.op("Div", index, divisor)), divisor)))


_PADDED: dict[str, Callable[[Writer, str, int, int], str]] = {
    "edge": _clamped,
    "reflect": _reflected,
    "wrap": _wrapped,
}
