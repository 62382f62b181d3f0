"""Concat, Split, Slice and Gather: parts of tensors."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import (
    TO_THE_END,
    cast,
    reduce,
    slice_axes,
    split,
    squeeze,
    unsqueeze,
    where_negative,
)
from zoosmith.convert.operator import Operator
from zoosmith.convert.registry import at_least, translator
from zoosmith.onnx_model.ports import Dimension

_SPLIT = "ONNX's Split has taken computed sizes since then"


def _axis(op: Operator) -> int:
    """The axis from `axis`, else from `order`: 1, or 3 for NHWC."""
    return op.integer("axis") if op.has("axis") else 3 if op.channels_last else 1


@translator("Concat", "DepthConcat", inputs=at_least(1))
def concat(op: Operator) -> None:
    """Concat along an axis, with add_axis a new one; output 1 holds the sizes along it."""
    inputs = op.inputs
    axis = _axis(op)
    add_axis = op.has("axis") and op.flag("add_axis")
    rank = op.rank(inputs[0]) + add_axis
    if not -rank <= axis < rank:
        op.refuse(f"axis {axis}, and the result has {rank} dimensions")
    axis %= rank

    def split_info() -> Value:
        sizes = [1 if add_axis else op.sizes_from(x, axis)[0] for x in inputs]
        return op.constant(np.array(sizes, np.int32))

    for x in inputs[1:]:
        op.expect_rank(x, op.rank(inputs[0]), "the part")
    parts = [unsqueeze(op, x, [axis]) for x in inputs] if add_axis else inputs
    op.emit("Concat", *parts, to=0, shape=_joined(op, parts, axis), axis=axis)
    op.bind(1, split_info)


def _joined(op: Operator, parts: list[Value], axis: int) -> list[Dimension]:
    shapes = [op.shape(part) for part in parts]
    along = [size for shape in shapes if isinstance(size := shape[axis], int)]
    joined: list[Dimension] = list(shapes[0])
    joined[axis] = sum(along) if len(along) == len(shapes) else None
    return joined


@translator("Split", "DepthSplit", inputs=(1, 2))
def split_axis(op: Operator) -> None:
    """Split along an axis: in equal parts, or as an argument or a blob says; with add_axis it is removed."""
    x, *lengths = op.inputs
    axis = op.axis(x, _axis(op))
    count = len(op.output_names)
    add_axis = op.has("axis") and op.flag("add_axis")
    everything = range(count)
    if lengths and lengths[0].constant is not None:
        op.expect_rank(lengths[0], 1, "the lengths")
    if lengths and lengths[0].constant is None:
        op.require(13, _SPLIT)
        shape = [None if i == axis else size for i, size in enumerate(op.shape(x))]
        for part in op.emit_many("Split", [x, cast(op, lengths[0], TensorProto.INT64)], everything, axis=axis):
            part.set_type(x.elem_type, tuple(shape))
        return
    sizes = lengths[0].constant.array().tolist() if lengths and lengths[0].constant else op.integers("split")
    if not sizes:
        size = op.sizes_from(x, axis)[0]
        if size % count:
            op.refuse(f"{size} elements along axis {axis} make no {count} equal parts")
        sizes = [size // count] * count
    if len(sizes) != count:
        op.refuse(f"{len(sizes)} sizes {sizes} for {count} outputs")
    if not add_axis:
        split(op, x, axis, sizes, everything)
        return
    for index, part in enumerate(split(op, x, axis, [1] * count, [None] * count)):
        squeeze(op, part, [axis], to=index)


@translator("SplitByLengths", inputs=2)
def split_by_lengths(op: Operator) -> None:
    """SplitByLengths: each output takes an equal share of the lengths, and as many elements as they add up to."""
    x, lengths = op.inputs
    axis = op.axis(x, _axis(op))
    if lengths.constant is None:
        _split_by_computed(op, axis)
        return
    counts = op.constant_of(lengths, "the lengths")
    if counts.size % len(op.output_names):
        op.refuse(f"{counts.size} lengths make no equal shares for {len(op.output_names)} outputs")
    shares = counts.reshape(len(op.output_names), -1).sum(axis=1).tolist()
    if op.flag("use_scaling_lengths"):
        factor = op.sizes_from(x, axis)[0] // max(sum(shares), 1)
        shares = [share * factor for share in shares]
    split(op, x, axis, shares, range(len(op.output_names)))


def _split_by_computed(op: Operator, axis: int) -> None:
    x, lengths = op.inputs
    if op.flag("use_scaling_lengths"):
        op.refuse("argument use_scaling_lengths=1, and its lengths are computed by the net")
    op.require(13, _SPLIT)
    count = len(op.output_names)
    table = op.emit("Reshape", cast(op, lengths, TensorProto.INT64), op.int64s(count, -1))
    shares = reduce(op, "ReduceSum", table, [1], keepdims=False)
    shape = tuple(None if i == axis else size for i, size in enumerate(op.shape(x)))
    for part in op.emit_many("Split", [x, shares], range(count), axis=axis):
        part.set_type(x.elem_type, shape)


@translator("Slice", inputs=(1, 3))
def slice_tensor(op: Operator) -> None:
    """Slice; a negative start or end v means size + v + 1, so that -1 is the end."""
    x, *bounds = op.inputs
    if bounds and not all(bound.constant for bound in bounds):
        _slice_computed(op, x, *bounds)
        return
    if bounds:
        starts, ends = (op.constant_of(bound, "the bound").tolist() for bound in bounds)
    else:
        starts, ends = op.integers("starts"), op.integers("ends")
    if len(starts) != len(ends) or len(starts) > op.rank(x):
        op.refuse(f"starts {starts} and ends {ends} for an input of {op.rank(x)} dimensions")
    cut = [axis for axis in range(len(starts)) if starts[axis] != 0 or ends[axis] != -1]
    if not cut:
        op.emit("Identity", x, to=0)
        return
    first, last = ([_python_index(values[axis]) for axis in cut] for values in (starts, ends))
    slice_axes(op, x, cut, first, last, to=0)


def _python_index(index: int) -> int:
    if index >= 0:
        return index
    return TO_THE_END if index == -1 else index + 1


def _slice_computed(op: Operator, x: Value, starts: Value, ends: Value) -> None:
    op.require(10, "ONNX's Slice has taken computed bounds since then")
    (count,) = op.sizes(starts)
    sizes = slice_axes(op, op.emit("Shape", x), [0], [0], [count])
    from_end = op.emit("Add", sizes, op.constant(np.array(1, np.int64)))
    indices = []
    for bound in (starts, ends):
        index = cast(op, bound, TensorProto.INT64)
        indices.append(where_negative(op, index, op.emit("Add", index, from_end)))
    op.emit("Slice", x, *indices, op.int64s(*range(count)), to=0)


@translator("Gather", inputs=2)
def gather(op: Operator) -> None:
    """Gather along an axis; negative indices count from the end."""
    data, indices = op.inputs
    axis = op.axis(data, op.integer("axis"))
    if op.flag("match_outer"):
        _gather_within(op, axis)
    else:
        op.emit("Gather", data, indices, to=0, axis=axis)


@translator("BatchGather", inputs=2)
def batch_gather(op: Operator) -> None:
    """BatchGather: Gather along axis 1."""
    if op.flag("match_outer"):
        _gather_within(op, 1)
    else:
        op.emit("Gather", *op.inputs, to=0, axis=1)


def _gather_within(op: Operator, axis: int) -> None:
    """Gather along an axis where the indices have the data's dimensions before it: each index stays in its own."""
    data, indices = op.inputs
    if op.rank(indices) <= axis:
        op.refuse(f"argument match_outer=1, and the indices have {op.rank(indices)} dimensions for axis {axis}")
    op.expect_shape(indices, [*op.shape(data)[:axis], *[None] * (op.rank(indices) - axis)], "the input of indices")
    op.require(12, "ONNX's GatherND has had batch_dims since then")
    places = unsqueeze(op, cast(op, indices, TensorProto.INT64), [op.rank(indices)])
    op.emit("GatherND", data, places, to=0, batch_dims=axis)
