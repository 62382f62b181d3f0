"""Compress, Gather, GatherElements, GatherND, ReverseSequence."""

from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS, axis_within_from_front
from zoosmith.opset_upgrade.building_blocks.computed_sizes import counted, reshaped, sizes, total
from zoosmith.opset_upgrade.building_blocks.flat_indices import (
    add_grid,
    count_from_start,
    flat_strides,
    places_of_elements,
    weighted_rows,
)
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import drop_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

adapter("Compress", source=11, target=9)(axis_within_from_front)
type_fallback("Compress", "ReverseSequence")(cast_to_exact)
adapter("Gather", source=11, target=1)(axis_within_from_front)


@decomposition("GatherElements")
def _gather_elements(node: NodeProto, g: Writer) -> None:
    data, indices = node.input
    if g.rank(data) != g.rank(indices):
        g.refuse(f"its indices have {g.rank(indices)} dimensions, its data {g.rank(data)}")
    place = places_of_elements(g, indices, sizes(g, data), sizes(g, indices))
    flat = data if g.rank(data) == 1 else g.op("Reshape", data, g.constant([-1]))
    g.op("Gather", flat, place, axis=0, output=node.output[0])


@decomposition("GatherND")
def _gather_nd(node: NodeProto, g: Writer) -> None:
    data, indices = node.input
    rank, batch = g.rank(indices), g.attribute("batch_dims", 0)
    depth = batch + g.fixed_size(indices, -1, "it tells how many axes they name")
    if depth > g.rank(data):
        g.refuse(f"its indices name {depth} axes of {g.rank(data)}")
    outer, inner = sizes(g, data, range(depth)), sizes(g, data, range(depth, g.rank(data)))
    strides = flat_strides(g, outer)
    place = weighted_rows(g, count_from_start(g, indices, outer[batch:]), strides[batch:])
    shapes = [(g.shape(name) or ())[:batch] for name in (data, indices)]
    if any(None not in pair and pair[0] != pair[1] for pair in zip(*shapes, strict=False)):
        g.refuse(f"its data and indices differ in the first {batch} axes: {shapes[0]} and {shapes[1]}")
    counts = sizes(g, indices, range(batch))
    place = add_grid(g, place, [(k, counts[k], strides[k]) for k in range(batch) if counts[k] != 1], rank - 1)
    flat = data if depth == 1 else reshaped(g, data, [total(g, outer), *inner])
    g.op("Gather", flat, place, axis=0, output=node.output[0])


@decomposition("ReverseSequence")
def _reverse_sequence(node: NodeProto, g: Writer) -> None:
    """Take the elements by their number in batch and time: up to the length of a sequence, they count down."""
    data, lengths = node.input
    rank, batch, time = g.rank(data), g.attribute("batch_axis"), g.attribute("time_axis")
    if {batch, time} != {0, 1}:
        g.refuse(f"batch_axis={batch} and time_axis={time} are not the first two")
    swap = [1, 0, *range(2, rank)]
    rows = data if batch == 0 else g.op("Transpose", data, perm=swap)
    many, long = sizes(g, data, [batch, time])
    rest = sizes(g, data, range(2, rank))
    step = counted(g, long)
    length = g.op("Unsqueeze", lengths, g.constant([1]), opset=AXES_AS_INPUTS)
    inside = g.op("Cast", g.op("Less", step, length), to=TensorProto.INT64)
    # length - 1 - step in place of step: so far forward
    forward = g.op("Sub", g.op("Sub", length, g.constant([1])), g.op("Mul", step, g.constant([2])))
    place = g.op("Add", step, g.op("Mul", inside, forward))
    place = add_grid(g, place, [(0, many, long)], 2)
    taken = g.op("Gather", reshaped(g, rows, [total(g, [many, long]), *rest]), place, axis=0)
    g.op("Transpose", taken, perm=list(range(rank)) if batch == 0 else swap, output=node.output[0])


@adapter("GatherND", source=12, target=11)
def _gather_nd_12_to_11(node: NodeProto, g: Writer) -> None:
    if g.attribute("batch_dims"):
        _gather_nd(node, g)
    else:
        drop_attribute(node, "batch_dims")
