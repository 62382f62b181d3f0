"""Slice and Pad whose bounds are computed at run time, below the opsets that take them as inputs.

Each axis of the result is a Gather of as many elements as its stated size (of a Slice, as the bounds tell where that is
not fixed); the bounds give the index of the first.
Indices are computed in doubles, for which every opset has arithmetic: a bound that a double does not hold exactly lies
beyond the end of any axis.
"""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_list
from zoosmith.opset_upgrade.writer import Writer


def data_and_result_shapes(node: NodeProto, g: Writer, what: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the first input and of the first output; refuses if they are not fixed. `what` is computed."""
    found = [g.shape(name) for name in (node.input[0], node.output[0])]
    for shape in found:
        if shape is None or None in shape:
            g.refuse(f"{what} are computed at run time, and the shapes that would limit them are not fixed")
    data, result = (tuple(size or 0 for size in shape or ()) for shape in found)
    if len(data) != len(result):
        g.refuse(f"{what} are computed at run time, and the result has {len(result)} dimensions of {len(data)}")
    return data, result


def cast_to_double(g: Writer, name: str) -> str:
    """Emit a cast to double; returns its name."""
    return g.op("Cast", name, to=TensorProto.DOUBLE)


def double_array(g: Writer, value: np.ndarray) -> str:
    """The name of a constant of doubles."""
    return g.constant(value, np.float64)


def double_scalar(g: Writer, value: float) -> str:
    """The name of a constant of one double, shape [1]."""
    return g.constant([value], np.float64)


def clamp_index(g: Writer, index: str, size: int, length: int) -> str:
    """Emit `length` indices clamped to an axis of `size` elements."""
    first, last = (double_array(g, np.full(limit_list(length, g), number)) for number in (0, size - 1))
    return clamp(g, index, first, last)


def clamp(g: Writer, number: str, low: str, high: str) -> str:
    """Emit finite doubles clamped to bounds, of which the low one is not above the high one.

    Each is taken by a factor of one or zero: ONNX Runtime has no Max and Min of doubles below opset 8.
    """
    below, above = g.op("Less", number, low), g.op("Greater", number, high)
    inside = g.op("Not", g.op("Or", below, above))
    parts = [g.op("Mul", cast_to_double(g, which), of) for which, of in ((below, low), (above, high), (inside, number))]
    return g.op("Add", g.op("Add", parts[0], parts[1]), parts[2])
