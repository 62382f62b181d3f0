"""Compress, Gather, GatherElements, GatherND, ReverseSequence."""

from math import prod

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS, axis_from_front
from zoosmith.opset_upgrade.building_blocks.flat_indices import count_from_start, flat_strides, places_of_elements
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

adapter("Compress", source=11, target=9)(axis_from_front)
type_fallback("Compress", "ReverseSequence")(cast_to_exact)
adapter("Gather", source=11, target=1)(axis_from_front)


@decomposition("GatherElements")
def _gather_elements(node: NodeProto, g: Writer) -> None:
    data, indices = node.input
    shape, picked = g.static_shape(data), g.static_shape(indices)
    place = places_of_elements(g, indices, shape, picked)
    g.op("Gather", g.op("Reshape", data, g.constant([-1])), place, axis=0, output=node.output[0])


@decomposition("GatherND")
def _gather_nd(node: NodeProto, g: Writer) -> None:
    data, indices = node.input
    shape, where = g.static_shape(data), g.static_shape(indices)
    batch = g.attribute("batch_dims", 0)
    depth = batch + where[-1]
    strides = flat_strides(shape[:depth])
    from_start = count_from_start(g, indices, list(shape[batch:depth]))
    place = g.op("Mul", from_start, g.constant(strides[batch:]))
    place = g.op("ReduceSum", place, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS)
    if batch:
        grids = np.indices(where[:batch]).reshape(batch, *where[:batch], *[1] * (len(where) - 1 - batch))
        base = sum(grid * stride for grid, stride in zip(grids, strides, strict=False))
        place = g.op("Add", place, g.constant(base))
    flat = g.op("Reshape", data, g.constant([prod(shape[:depth]), *shape[depth:]]))
    g.op("Gather", flat, place, axis=0, output=node.output[0])


@adapter("GatherND", source=12, target=11)
def _gather_nd_12_to_11(node: NodeProto, g: Writer) -> None:
    if g.attribute("batch_dims"):
        _gather_nd(node, g)
    else:
        drop_attribute(node, "batch_dims")
