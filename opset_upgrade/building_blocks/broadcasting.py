"""Element-wise operators: limited broadcasting by attribute below opset 7, as numpy does since."""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.equal_sizes import Size, same_size
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, set_attribute
from zoosmith.opset_upgrade.writer import Writer

_COMMUTATIVE = {"Add", "And", "Equal", "Mul", "Or", "Xor"}


Shape = tuple[int | None, ...]


def align_by_unsqueeze(node: NodeProto, g: Writer) -> None:
    """From the attributes `broadcast` and `axis` to numpy's broadcasting: append axes of size 1 to the second input."""
    broadcast, axis = get_attribute(node, "broadcast", 0), get_attribute(node, "axis")
    drop_attribute(node, "broadcast")
    drop_attribute(node, "axis")
    if not broadcast or axis is None:
        return
    narrow = g.shape(node.input[1])
    if narrow is None:
        g.refuse(f"the rank of {node.input[1]!r} is not known")
    if all(dimension == 1 for dimension in narrow):
        return
    rank, wide = len(narrow), g.rank(node.input[0])
    missing = wide - (axis + wide if axis < 0 else axis) - rank
    if missing > 0:
        node.input[1] = g.op("Unsqueeze", node.input[1], axes=list(range(rank, rank + missing)))
        g.keep()


def to_limited_broadcast(node: NodeProto, g: Writer) -> None:
    """From numpy's broadcasting to the attributes: repeat what the older version does not broadcast."""
    if node.input[0] == node.input[1]:
        return
    left, right = g.shape(node.input[0]), g.shape(node.input[1])
    if left is None or right is None:
        g.refuse("the shapes of its inputs are not known, and limited broadcasting needs them")
    if left == right and _same_sizes(g, node.input, left):
        return
    common = _broadcast(left, right)
    if common is None:
        g.refuse(f"shapes {left} and {right} do not determine how they broadcast")
    if left != common and right == common and node.op_type in _COMMUTATIVE:
        node.input[:] = [node.input[1], node.input[0]]
        left, right = right, left
    if left != common:
        node.input[0] = _tile(g, node.input[0], left, common)
    _state_broadcast(node, g, right, common)
    g.keep()


def _state_broadcast(node: NodeProto, g: Writer, right: Shape, common: Shape) -> None:
    """Broadcast the second input to `common` by the attributes, or repeat it where they cannot say how."""
    first, middle = _middle(right, len(common))
    if middle != common[first : first + len(middle)]:
        node.input[1] = _tile(g, node.input[1], right, common)
    elif right != common:
        set_attribute(node, "broadcast", 1)
        if middle and right != middle:
            node.input[1] = g.op("Reshape", node.input[1], g.constant(middle))
        if middle and first + len(middle) < len(common):
            set_attribute(node, "axis", first)


def repeat_to_one_shape(node: NodeProto, g: Writer) -> None:
    """Repeat inputs along axes of size 1: before opset 8 all have one shape."""
    shapes = [g.shape(name) for name in node.input]
    fixed = [shape for shape in shapes if shape is not None and None not in shape]
    if len(shapes) == 1 or (len(fixed) == len(shapes) and fixed.count(fixed[0]) == len(shapes)):
        return
    if len(fixed) == len(shapes):
        common = np.broadcast_shapes(*(tuple(size or 0 for size in shape) for shape in fixed))
        for index, shape in enumerate(fixed):
            if shape != common:
                node.input[index] = _tile(g, node.input[index], shape, common)
    else:
        _repeat_by_subtraction(node, g)
    g.keep()


def _repeat_by_subtraction(node: NodeProto, g: Writer) -> None:
    """Give floats the shape that all inputs broadcast to by taking away zeros of that shape: no value changes."""
    kind = g.element_type(node.input[0])
    single = [is_single(g, name) for name in node.input]
    wide = [index for index, one in enumerate(single) if not one]
    zeros = ""
    for index in wide:
        nowhere = g.op("Less", node.input[index], node.input[index])
        zero = g.op("Cast", nowhere, to=kind)
        zeros = g.op("Add", zeros, zero) if zeros else zero
    for index, name in enumerate(node.input):
        if wide != [index]:
            node.input[index] = g.op("Sub", name, zeros)


def is_single(g: Writer, name: str) -> bool:
    """Whether a tensor is one constant number that takes the shape of whatever it meets."""
    value = g.value(name)
    return value is not None and value.size == 1 and value.ndim <= 1


def _same_sizes(g: Writer, names: Sequence[str], shape: Shape) -> bool:
    """Whether two tensors of that shape have one size along the axes that are not fixed, too."""
    one, other = names
    return all(size is not None or same_size(g, Size(one, axis), Size(other, axis)) for axis, size in enumerate(shape))


def _broadcast(left: Shape, right: Shape) -> Shape | None:
    """The shape that two shapes broadcast to; None where an unfixed dimension leaves it open."""
    rank = max(len(left), len(right))
    common: list[int | None] = []
    pairs = zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True)
    for one, other in pairs:
        if one != other and 1 not in (one, other):
            return None
        if one is None and other is None:
            return None
        common.append(other if one == 1 else one)
    return tuple(common)


def _middle(shape: Shape, rank: int) -> tuple[int, Shape]:
    """A shape without the ones around it, and the axis (of `rank`) at which it then starts."""
    first, last = 0, len(shape)
    while last > first and shape[last - 1] == 1:
        last -= 1
    while first < last and shape[first] == 1:
        first += 1
    return rank - len(shape) + first, shape[first:last]


def _tile(g: Writer, name: str, shape: Shape, common: Shape) -> str:
    if None in common or None in shape:
        g.refuse(f"{name!r} would have to be repeated to {common}, which is not fixed")
    padded = (1,) * (len(common) - len(shape)) + shape
    if padded != shape:
        name = g.op("Reshape", name, g.constant(padded))
    repeats = [c if p == 1 else 1 for p, c in zip(padded, common, strict=True)]
    return g.op("Tile", name, g.constant(repeats))
