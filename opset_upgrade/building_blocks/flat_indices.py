"""Indices into the flattened data, for gathering and scattering along several axes at once."""

from math import prod

import numpy as np
from onnx import TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.writer import Writer

_LARGEST = 1 << 20  # elements of a constant that a decomposition may bring into the model


def places_of_elements(g: Writer, indices: str, shape: tuple[int, ...], picked: tuple[int, ...]) -> str:
    """Emit where in the flat data of that shape the elements lie that `indices` (of shape `picked`) name by an axis."""
    limit_constant(prod(picked), g)
    axis = g.attribute("axis") % len(shape)
    strides = flat_strides(shape)
    base = sum(
        (grid * stride for k, (grid, stride) in enumerate(zip(np.indices(picked), strides, strict=True)) if k != axis),
        np.zeros(picked, np.int64),
    )
    along = g.op("Mul", count_from_start(g, indices, [shape[axis]]), g.constant([strides[axis]]))
    return g.op("Add", along, g.constant(base))


def places_of_slices(g: Writer, indices: str, sizes: tuple[int, ...]) -> str:
    """Emit the numbers of the slices that the rows of `indices` name, of data whose first axes have those sizes."""
    place = g.op("Mul", count_from_start(g, indices, list(sizes)), g.constant(flat_strides(sizes)))
    return g.op("ReduceSum", place, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS)


def count_from_start(g: Writer, indices: str, sizes: list[int]) -> str:
    """Emit int64 indices in which the negative ones, which count from the end, count from the start as well."""
    wide = indices
    if g.element_type(indices) != TensorProto.INT64:
        wide = g.op("Cast", indices, to=TensorProto.INT64)
    known = g.value(indices)
    if known is not None and known.size and known.min() >= 0:
        return wide
    negative = g.op("Cast", g.op("Less", wide, g.constant([0])), to=TensorProto.INT64)
    return g.op("Add", wide, g.op("Mul", negative, g.constant(sizes)))


def flat_strides(shape: tuple[int, ...]) -> list[int]:
    """How many elements of the flattened data lie between neighbours along each axis."""
    return [prod(shape[k + 1 :]) for k in range(len(shape))]


def limit_constant(count: int, g: Writer) -> int:
    """`count`; refuses if a constant of so many elements would be too large."""
    if count > _LARGEST:
        g.refuse(f"it would take a constant of {count} elements there")
    return count
