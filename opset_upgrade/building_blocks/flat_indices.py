"""Indices into the flattened data, for gathering and scattering along several axes at once."""

from collections.abc import Iterable, Sequence

import numpy as np
from onnx import TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, as_vector, counted, times, total
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting
from zoosmith.opset_upgrade.building_blocks.integer_bounds import is_never_negative
from zoosmith.opset_upgrade.writer import Writer

_LARGEST = 1 << 20  # elements of the places along several axes; beyond, those of each axis are a constant of their own

GridAxis = tuple[int, Size, Size]
"""Axis, its size, and how many elements of the flat data lie between neighbours along it."""


def places_of_elements(g: Writer, indices: str, shape: Sequence[Size], picked: Sequence[Size]) -> str:
    """Emit where in the flat data of that shape the elements lie that `indices` (of shape `picked`) name by an axis."""
    axis = g.attribute("axis") % len(shape)
    place = times(g, count_from_start(g, indices, [shape[axis]]), total(g, shape[axis + 1 :]))
    others = [k for k, size in enumerate(picked) if k != axis and size != 1]
    return add_grid(g, place, [(k, picked[k], total(g, shape[k + 1 :])) for k in others], len(shape))


def add_grid(g: Writer, place: str, axes: Iterable[GridAxis], rank: int) -> str:
    """Emit places (int64, of that rank) plus each element's own place along the axes: its index times the distance."""
    fixed: np.ndarray = np.zeros([1] * rank, np.int64)
    for axis, size, stride in axes:
        if isinstance(size, int) and isinstance(stride, int):
            along = (counting(size, g) * stride).reshape([-1] + [1] * (rank - 1 - axis))
            if fixed.size * size > _LARGEST:
                place, fixed = g.op("Add", place, g.constant(fixed)), np.zeros([1] * rank, np.int64)
            fixed = fixed + along
        else:
            place = g.op("Add", place, times(g, counted(g, size, rank - 1 - axis), stride))
    return g.op("Add", place, g.constant(fixed)) if fixed.any() else place


def places_of_slices(g: Writer, indices: str, sizes: Sequence[Size]) -> str:
    """Emit the numbers of the slices that the rows of `indices` name, of data whose first axes have those sizes."""
    return weighted_rows(g, count_from_start(g, indices, sizes), [total(g, sizes[k + 1 :]) for k in range(len(sizes))])


def weighted_rows(g: Writer, indices: str, strides: Sequence[Size]) -> str:
    """Emit the sum over the last axis of int64 indices, each times the distance that one step of it goes."""
    if list(strides) == [1]:
        return g.op("Squeeze", indices, g.constant([-1]), opset=AXES_AS_INPUTS)
    place = g.op("Mul", indices, as_vector(g, strides))
    return g.op("ReduceSum", place, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS)


def count_from_start(g: Writer, indices: str, sizes: Sequence[Size]) -> str:
    """Emit int64 indices in which the negative ones, which count from the end, count from the start as well."""
    wide = indices
    if g.element_type(indices) != TensorProto.INT64:
        wide = g.op("Cast", indices, to=TensorProto.INT64)
    if is_never_negative(g, indices):
        return wide
    negative = g.op("Cast", g.op("Less", wide, g.constant([0])), to=TensorProto.INT64)
    return g.op("Add", wide, g.op("Mul", negative, as_vector(g, sizes)))


def flat_strides(g: Writer, shape: Sequence[Size]) -> list[Size]:
    """How many elements of the flattened data lie between neighbours along each axis."""
    return [total(g, shape[k + 1 :]) for k in range(len(shape))]
