"""What is known of sizes that only the run tells: which are the same, and of which the elements of a shape are."""

from collections.abc import Sequence
from typing import NamedTuple

from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import get_attribute
from zoosmith.opset_upgrade.writer import Writer

_SAME_ELEMENTS = {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}  # and in the same order


class Size(NamedTuple):
    """The size of a tensor along an axis, counted from the front."""

    tensor: str
    axis: int


def same_size(g: Writer, one: Size, other: Size) -> bool:
    """Whether two sizes are one: of the same axis of a tensor, or of axes with one symbol."""
    symbol = _symbol(g, one)
    return one == other or bool(symbol and symbol == _symbol(g, other))


def element_of_shape(g: Writer, shape: str, index: int) -> Size | int | None:
    """What an element of an integer tensor is: a size, a number, or None where that is not found.

    Args:
        g: of the node that is looked at.
        shape: an integer tensor of one dimension or none.
        index: the element, counted from the start.
    """
    while True:
        value = g.value(shape)
        if value is not None:
            return int(value.reshape(-1)[index]) if index < value.size else None
        found = g.producer(shape)
        if found is None or found.domain:
            return None
        if found.op_type == "Shape":
            return size_read(g, found, index)
        place = source_of_element(g, found, index)
        if place is None:
            return None
        shape, index = place


def source_of_element(g: Writer, node: NodeProto, index: int) -> tuple[str, int] | None:
    """The input of a node that holds an element of its output, and the element's number in it."""
    data = node.input[0] if node.input else ""
    if node.op_type in _SAME_ELEMENTS:
        return data, index
    if node.op_type == "Concat":
        return _part(g, node.input, index)
    if node.op_type == "Gather":
        return _gathered(g, data, node.input[1], index)
    if node.op_type == "Slice":
        start = _start(g, node)
        return None if start is None else (data, start + index)
    return None


def _gathered(g: Writer, data: str, indices: str, index: int) -> tuple[str, int] | None:
    """The element of a vector that a Gather puts at `index`."""
    picked, sizes = g.value(indices), g.shape(data)
    if picked is None or index >= picked.size or sizes is None or len(sizes) != 1:
        return None
    number = int(picked.reshape(-1)[index])
    if number < 0 and sizes[0] is None:
        return None
    return data, number % (sizes[0] or number + 1)


def _part(g: Writer, names: Sequence[str], index: int) -> tuple[str, int] | None:
    """The input of a Concat that holds an element, and the element's number in it."""
    for name in names:
        sizes = g.shape(name)
        if sizes is None or len(sizes) != 1 or sizes[0] is None:
            return None
        if index < sizes[0]:
            return name, index
        index -= sizes[0]
    return None


def _start(g: Writer, node: NodeProto) -> int | None:
    """The first element that a Slice of a 1-D tensor takes; None where it is not known or the step is not 1."""
    sizes = g.shape(node.input[0])
    if len(node.input) > 1:
        starts = g.value(node.input[1])
        steps = g.value(node.input[4]) if len(node.input) > 4 and node.input[4] else None
        if starts is None or (len(node.input) > 4 and (steps is None or steps.item() != 1)):
            return None
        start = int(starts.item())
    else:
        start = int(get_attribute(node, "starts")[0])
    if start >= 0:
        return start
    return None if sizes is None or sizes[0] is None else max(start + sizes[0], 0)


def size_read(g: Writer, node: NodeProto, index: int) -> Size | None:
    """The size that a Shape node gives as its element at `index`."""
    start = get_attribute(node, "start", 0)
    if start < 0:
        sizes = g.shape(node.input[0])
        if sizes is None:
            return None
        start = max(start + len(sizes), 0)
    return Size(node.input[0], start + index)


def _symbol(g: Writer, size: Size) -> str:
    known = g.type(size.tensor)
    if known is None or size.axis >= len(known.tensor_type.shape.dim):
        return ""
    return known.tensor_type.shape.dim[size.axis].dim_param
