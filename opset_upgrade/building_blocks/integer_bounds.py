"""Between which numbers integers lie that are computed at run time, mostly out of sizes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.equal_sizes import size_read, source_of_element
from zoosmith.opset_upgrade.node_editing import get_attribute
from zoosmith.opset_upgrade.writer import Writer

_LARGEST_SIZE = 1 << 40  # of a tensor along an axis; more elements no memory holds
_LARGEST_EXACT = 1 << 53  # up to which a double holds every integer
_DEPTH = 24  # nodes that are followed

_LIMITS: dict[int, tuple[int, int]] = {
    TensorProto.BOOL: (0, 1),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, (1 << 16) - 1),
    TensorProto.INT16: (-(1 << 15), (1 << 15) - 1),
    TensorProto.INT32: (-(1 << 31), (1 << 31) - 1),
    TensorProto.UINT32: (0, (1 << 32) - 1),
}

_COUNTING = {"ArgMax", "ArgMin", "NonZero", "Shape", "Size"}
_SELECTING = {
    *(
        "Compress",
        "Expand",
        "Flatten",
        "Gather",
        "GatherElements",
        "GatherND",
        "Identity",
        "ReduceMax",
        "ReduceMin",
        "Reshape",
    ),
    *("Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
}


class Bounds(NamedTuple):
    """The smallest and the largest number that elements may be."""

    low: int
    high: int


def is_exact_in_double(g: Writer, name: str) -> bool:
    """Whether every element of an integer tensor is known to be one that a double holds."""
    found = bounds(g, name)
    return found is not None and max(-found.low, found.high) <= _LARGEST_EXACT


def is_never_negative(g: Writer, name: str, index: int | None = None) -> bool:
    """Whether no element of an integer tensor, or not the one at `index`, can be below 0."""
    found = bounds(g, name, index)
    return found is not None and found.low >= 0


def bounds(g: Writer, name: str, index: int | None = None, depth: int = _DEPTH) -> Bounds | None:
    """Between which numbers the elements of an integer tensor lie; None where that is not found.

    Args:
        g: of the node that is looked at.
        name: the tensor.
        index: the one element that is asked for, in the order of the elements; None for all.
        depth: how many nodes may be followed.
    """
    value = g.value(name)
    if value is not None and value.dtype.kind in "iub" and value.size:
        flat = value.reshape(-1)
        flat = flat if index is None or index >= flat.size else flat[index : index + 1]
        return Bounds(int(flat.min()), int(flat.max()))
    if g.facts.are_indices(name):
        return Bounds(0, _LARGEST_SIZE)
    node = g.producer(name)
    known = g.type(name)
    limits = None if known is None else _LIMITS.get(known.tensor_type.elem_type)
    found = _of_node(g, node, name, index, depth - 1) if node is not None and depth and not node.domain else None
    if limits is None or (found is not None and limits[0] <= found.low and found.high <= limits[1]):
        return found
    return Bounds(*limits)  # of small types, whose arithmetic begins anew beyond them


def _of_node(g: Writer, node: NodeProto, name: str, index: int | None, depth: int) -> Bounds | None:
    if node.op_type in _COUNTING or (node.op_type == "TopK" and name == node.output[1]):
        return _of_size(g, node, index)
    if node.op_type in _ARITHMETIC:
        operands = [bounds(g, name, _element(g, name, index), depth) for name in node.input]
        known = [each for each in operands if each is not None]
        return _ARITHMETIC[node.op_type](known) if len(known) == len(operands) else None
    if node.op_type == "Cast":
        return _through_cast(g, node, index, depth)
    place = None if index is None else source_of_element(g, node, index)
    if place is not None:
        return bounds(g, *place, depth)
    if node.op_type in _SELECTING:
        return bounds(g, node.input[0], None, depth)
    if node.op_type == "Concat":
        return _around([bounds(g, name, None, depth) for name in node.input])
    if node.op_type == "Where":
        return _around([bounds(g, name, _element(g, name, index), depth) for name in node.input[1:]])
    if node.op_type == "Range":
        return _around([bounds(g, name, None, depth) for name in node.input[:2]])
    return None


def _of_size(g: Writer, node: NodeProto, index: int | None) -> Bounds:
    size = size_read(g, node, index) if node.op_type == "Shape" and index is not None else None
    fixed = None if size is None else (g.shape(size.tensor) or ())[size.axis]
    return Bounds(0, _LARGEST_SIZE) if fixed is None else Bounds(fixed, fixed)


def _through_cast(g: Writer, node: NodeProto, index: int | None, depth: int) -> Bounds | None:
    """Integers of a number of bits that holds them stay the same."""
    known, kind = g.type(node.input[0]), get_attribute(node, "to")
    if known is None or known.tensor_type.elem_type not in (*_LIMITS, TensorProto.INT64):
        return None
    found = bounds(g, node.input[0], index, depth)
    if found is None or kind == TensorProto.INT64:
        return found
    limits = _LIMITS.get(kind)
    return found if limits is not None and limits[0] <= found.low and found.high <= limits[1] else None


def _element(g: Writer, name: str, index: int | None) -> int | None:
    """The element of an operand that goes into an element of a result of one dimension."""
    shape = g.shape(name)
    if index is None or shape is None or len(shape) > 1:
        return None
    return 0 if shape in ((), (1,)) else index


def _around(found: Sequence[Bounds | None]) -> Bounds | None:
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return None
    return Bounds(min(each.low for each in known), max(each.high for each in known))


def _sum(given: Sequence[Bounds]) -> Bounds | None:
    return _in_int64(sum(each.low for each in given), sum(each.high for each in given))


def _difference(given: Sequence[Bounds]) -> Bounds | None:
    left, right = given
    return _in_int64(left.low - right.high, left.high - right.low)


def _product(given: Sequence[Bounds]) -> Bounds | None:
    left, right = given
    corners = [one * other for one in left for other in right]
    return _in_int64(min(corners), max(corners))


def _quotient(given: Sequence[Bounds]) -> Bounds | None:
    left, right = given
    if left.low < 0 or right.low < 1:
        return None
    return Bounds(left.low // right.high, left.high // right.low)


def _in_int64(low: int, high: int) -> Bounds | None:
    return Bounds(low, high) if max(-low, high) < 1 << 62 else None


_ARITHMETIC: dict[str, Callable[[Sequence[Bounds]], Bounds | None]] = {
    "Add": _sum,
    "Sub": _difference,
    "Mul": _product,
    "Div": _quotient,
    "Neg": lambda given: Bounds(-given[0].high, -given[0].low),
    "Max": lambda given: Bounds(max(each.low for each in given), max(each.high for each in given)),
    "Min": lambda given: Bounds(min(each.low for each in given), min(each.high for each in given)),
}
