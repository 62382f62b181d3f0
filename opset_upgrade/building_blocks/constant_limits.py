"""Limits of what rules bring into a model: a stated size is any number, also one that no memory holds."""

from collections.abc import Sequence

import numpy as np

from zoosmith.opset_upgrade.writer import Writer

_LARGEST = 1 << 20  # elements of a table
_LONGEST = 1 << 24  # elements of a list along one axis
_MOST_STEPS = 1 << 10  # nodes, or groups of a few, one for each element of a window


def limit_constant(count: int, g: Writer) -> int:
    """`count`; refuses if a constant of so many elements would be too large."""
    return _limited(count, _LARGEST, g)


def limit_list(count: int, g: Writer) -> int:
    """`count`; refuses if a constant with so many elements along one axis would be too large."""
    return _limited(count, _LONGEST, g)


def limit_steps(count: int, g: Writer) -> int:
    """`count`; refuses if nodes for so many elements, each with its own, would be too many."""
    if count > _MOST_STEPS:
        g.refuse(f"it would take nodes for each of {count} elements there")
    return count


def counting(size: int, g: Writer) -> np.ndarray:
    """0, 1, 2 ... below a size; refuses if there would be too many of them."""
    return np.arange(limit_list(size, g))


def broadcast_shape(g: Writer, *shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape to which tensors broadcast; refuses where there is none, or no memory holds it."""
    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError as error:
        g.refuse(f"tensors of the shapes {', '.join(str(list(shape)) for shape in shapes)}: {error}")


def _limited(count: int, most: int, g: Writer) -> int:
    if count > most:
        g.refuse(f"it would take a constant of {count} elements there")
    return count
