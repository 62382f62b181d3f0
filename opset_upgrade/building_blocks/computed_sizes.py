"""Sizes that are known at run time only.

A size is a number where it is fixed, else the name of an int64 tensor of shape [1].
"""

from collections.abc import Iterable, Sequence

import numpy as np
from onnx import helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.counting import count_up
from zoosmith.opset_upgrade.writer import Writer

Size = int | str


def sizes(g: Writer, name: str, axes: Iterable[int] | None = None) -> list[Size]:
    """The sizes of a tensor along `axes` (default: all); emits what reads those that are not fixed."""
    rank, shape = g.rank(name), g.shape(name) or ()
    wanted = [axis % rank for axis in (range(rank) if axes is None else axes)]
    whole = "" if all(shape[axis] is not None for axis in wanted) else g.op("Shape", name)
    found: list[Size] = []
    for axis in wanted:
        fixed = shape[axis]
        found.append(g.op("Gather", whole, g.constant([axis]), axis=0) if fixed is None else fixed)
    return found


def total(g: Writer, factors: Iterable[Size]) -> Size:
    """The product of sizes, 1 for none."""
    fixed, computed = 1, ""
    for factor in factors:
        if isinstance(factor, int):
            fixed *= factor
        else:
            computed = g.op("Mul", computed, factor) if computed else factor
    if not computed:
        return fixed
    return times(g, computed, fixed)


def times(g: Writer, name: str, factor: Size) -> str:
    """Emit an int64 tensor times a size."""
    return name if factor == 1 else g.op("Mul", name, as_vector(g, [factor]))


def parts(g: Writer, size: Size, length: int) -> Size:
    """How many whole parts of a length a size has."""
    return size // length if isinstance(size, int) else g.op("Div", size, g.constant([length]))


def as_vector(g: Writer, shape: Sequence[Size]) -> str:
    """Emit sizes as one int64 tensor of one dimension."""
    joined: list[str] = []
    run: list[int] = []
    for part in (*shape, None):
        if isinstance(part, int):
            run.append(part)
            continue
        if run:
            joined.append(g.constant(run))
            run = []
        if part is not None:
            joined.append(part)
    if not joined:
        return g.constant(np.zeros(0))
    return joined[0] if len(joined) == 1 else g.op("Concat", *joined, axis=0)


def as_scalar(g: Writer, size: Size) -> str:
    """Emit a size as an int64 tensor without dimensions."""
    if isinstance(size, int):
        return g.constant(size)
    made = g.producer(size)
    index = g.value(made.input[1]) if made is not None and made.op_type == "Gather" else None
    if made is not None and index is not None and index.shape == (1,):
        return g.op("Gather", made.input[0], g.constant(int(index[0])), axis=0)
    return g.op("Squeeze", size, g.constant([0]), opset=AXES_AS_INPUTS)


def counted(g: Writer, size: Size, trailing: int = 0) -> str:
    """Emit 0, 1, 2 ... below a size, as int64 tensor with `trailing` axes of size 1 behind."""
    column = [-1] + [1] * trailing
    if isinstance(size, int):
        return g.constant(counting(size, g).reshape(column))
    if g.target < 11:  # which brings Range
        return count_up(g, size, trailing)
    numbers = g.op("Range", g.constant(0), as_scalar(g, size), g.constant(1), opset=11)
    return g.op("Reshape", numbers, g.constant(column)) if trailing else numbers


def reshaped(g: Writer, name: str, shape: Sequence[Size], output: str = "") -> str:
    """Emit a Reshape to sizes; where one only is computed at run time, it is left for the operator to find."""
    fixed = [size for size in shape if isinstance(size, int)]
    if len(fixed) == len(shape) - 1 and 0 not in fixed:
        shape = [size if isinstance(size, int) else -1 for size in shape]
    made = g.op("Reshape", name, as_vector(g, shape), output=output)
    known = g.type(name)
    if not output and known is not None:  # inference does not tell the rank where the shape is computed
        kind = known.tensor_type.elem_type
        sizes = [size if isinstance(size, int) and size > 0 else None for size in shape]
        g.state_type(made, helper.make_tensor_type_proto(kind, sizes), kind)
    return made
