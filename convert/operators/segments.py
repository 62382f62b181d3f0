"""Sums, means and extremes over runs of rows, as recommendation nets pool their embeddings."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, reduce, reshape, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.registry import translator

# ScatterND adds since 16 and chooses the largest since 18; Max takes integers since 12
SUMS_SINCE, _COMPARES, _COUNTS_SINCE = 16, 18, 12


@translator("LengthsToSegmentIds", since=11)
def lengths_to_segment_ids(op: Operator) -> None:
    """LengthsToSegmentIds: the number of each segment, as often as it is long."""
    cast(op, segment_ids(op, op.inputs[0]), TensorProto.INT32, to=0)


@translator("LengthsRangeFill", since=11)
def lengths_range_fill(op: Operator) -> None:
    """LengthsRangeFill: 0, 1, … for each length, one after the other."""
    lengths = op.inputs[0]
    ids = segment_ids(op, lengths)
    places = op.emit("Sub", counted(op, _total(op, lengths)), op.emit("Gather", segment_starts(op, lengths), ids))
    cast(op, places, TensorProto.INT32, to=0)


@translator("LengthsTile", since=11, inputs=2)
def lengths_tile(op: Operator) -> None:
    """LengthsTile: each row as often as its length says."""
    rows, lengths = op.inputs
    op.emit("Gather", rows, segment_ids(op, lengths), to=0)


@translator("SegmentIdsToLengths", since=_COUNTS_SINCE, inputs=(1, 2))
def segment_ids_to_lengths(op: Operator) -> None:
    """SegmentIdsToLengths: how long each segment is."""
    ids = cast(op, op.inputs[0], TensorProto.INT64)
    cast(op, _counts(op, ids, _segments(op, ids)), TensorProto.INT32, to=0)


@translator("LengthsSum", "LengthsMean", since=SUMS_SINCE, inputs=2)
@translator("LengthsMax", since=_COMPARES, inputs=2)
def lengths_pool(op: Operator) -> None:
    """LengthsSum, LengthsMean and LengthsMax: rows made one, as many at a time as each length says."""
    rows, lengths = op.inputs
    pool_lengths(op, rows, lengths, op.type.removeprefix("Lengths"))


@translator("SparseLengthsSum", "SparseLengthsMean", since=SUMS_SINCE, inputs=3)
@translator("SparseLengthsMax", since=_COMPARES, inputs=3)
def sparse_lengths_pool(op: Operator) -> None:
    """The same over rows that indices pick from a table."""
    table, indices, lengths = op.inputs
    pool_lengths(op, _picked(op, table, indices), lengths, op.type.removeprefix("SparseLengths"))


@translator("LengthsWeightedSum", since=SUMS_SINCE, inputs=3)
def lengths_weighted_sum(op: Operator) -> None:
    """LengthsWeightedSum: sums of rows times their weights."""
    rows, weights, lengths = op.inputs
    pool_lengths(op, _weighted(op, rows, rows, weights), lengths, "Sum")


@translator("SparseLengthsWeightedSum", since=SUMS_SINCE, inputs=4)
def sparse_lengths_weighted_sum(op: Operator) -> None:
    """SparseLengthsWeightedSum: sums of a table's rows times weights, one weight for each index."""
    table, weights, indices, lengths = op.inputs
    pool_lengths(op, _weighted(op, _picked(op, table, indices), table, weights), lengths, "Sum")


def _picked(op: Operator, table: Value, indices: Value) -> Value:
    """The rows of a table at the indices; those in half precision are summed in single."""
    rows = op.emit("Gather", table, indices)
    return cast(op, rows, TensorProto.FLOAT) if table.elem_type == TensorProto.FLOAT16 else rows


@translator(
    "SortedSegmentSum", "SortedSegmentMean", "UnsortedSegmentSum", "UnsortedSegmentMean", since=SUMS_SINCE, inputs=2
)
def segment_pool(op: Operator) -> None:
    """Sums and means of the rows that have the same segment id."""
    rows, given = op.inputs
    ids = cast(op, given, TensorProto.INT64)
    count = _segments(op, ids)
    if op.type.startswith("Unsorted") and op.has("num_segments"):
        count = op.emit("Max", count, op.constant(np.array(op.integer("num_segments"), np.int64)))
    _pool(op, rows, ids, count, op.type[-3:] if op.type.endswith("Sum") else "Mean")


def pool_lengths(op: Operator, rows: Value, lengths: Value, kind: str) -> None:
    """Write as output 0 the rows combined, as many at a time as each length says: Sum, Mean or Max."""
    count = op.emit("Size", lengths)
    _pool(op, rows, segment_ids(op, lengths), count, kind)


def _pool(op: Operator, rows: Value, ids: Value, count: Value, kind: str) -> None:
    """Combine rows by segment; an empty segment is 0."""
    if kind == "Max" and op.constant_type(rows).kind not in "fiu":
        op.refuse(f"{rows.name!r} holds no numbers to compare")
    sizes = op.emit("Slice", op.emit("Shape", rows), op.int64s(1), op.int64s(np.iinfo(np.int64).max))
    shape = op.emit("Concat", reshape(op, count, [1]), sizes, axis=0)
    dtype = op.constant_type(rows)
    places = unsqueeze(op, ids, [1])
    if kind == "Max":
        lowest = np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min
        least = op.emit("ConstantOfShape", shape, value=np.full(1, lowest, dtype))
        found = op.emit("ScatterND", least, places, rows, reduction="max")
        empty = op.emit("Equal", _per_row(op, _counts(op, ids, count), rows), op.constant(np.array(0, np.int64)))
        op.emit("Where", empty, op.constant(np.array(0, dtype)), found, to=0)
        return
    zeros = op.emit("ConstantOfShape", shape, value=np.zeros(1, dtype))
    if kind == "Sum":
        op.emit("ScatterND", zeros, places, rows, to=0, reduction="add")
        return
    total = op.emit("ScatterND", zeros, places, rows, reduction="add")
    divisor = op.emit("Max", _counts(op, ids, count), op.constant(np.array(1, np.int64)))
    op.emit("Div", total, cast(op, _per_row(op, divisor, rows), rows.elem_type), to=0)


def _weighted(op: Operator, rows: Value, like: Value, weights: Value) -> Value:
    return op.emit("Mul", rows, _per_row(op, weights, like))


def _per_row(op: Operator, vector: Value, rows: Value) -> Value:
    """Give a vector the trailing dimensions that rows have."""
    rank = op.rank(rows)
    return unsqueeze(op, vector, range(1, rank)) if rank > 1 else vector


def _counts(op: Operator, ids: Value, count: Value) -> Value:
    """How often each id occurs, int64."""
    every = unsqueeze(op, counted(op, count), [1])
    same = cast(op, op.emit("Equal", every, ids), TensorProto.INT64)
    return reduce(op, "ReduceSum", same, [1], keepdims=False)


def _segments(op: Operator, ids: Value) -> Value:
    """The largest id plus one; 0 where there is none."""
    none, one = (op.constant(np.array(n, np.int64)) for n in (-1, 1))
    largest = op.emit("Max", reduce(op, "ReduceMax", ids, [0], keepdims=False), none)
    return op.emit("Add", largest, one)


def segment_ids(op: Operator, lengths: Value) -> Value:
    """The segment of each row (n), int64: how many segments end at or before it."""
    ends = unsqueeze(op, _ends(op, lengths), [0])
    rows = unsqueeze(op, counted(op, _total(op, lengths)), [1])
    behind = op.emit("Not", op.emit("Greater", ends, rows))
    return reduce(op, "ReduceSum", cast(op, behind, TensorProto.INT64), [1], keepdims=False)


def _ends(op: Operator, lengths: Value) -> Value:
    return op.emit("CumSum", cast(op, lengths, TensorProto.INT64), op.constant(np.array(0, np.int64)))


def segment_starts(op: Operator, lengths: Value) -> Value:
    """The first row of each segment, int64."""
    return op.emit("Sub", _ends(op, lengths), cast(op, lengths, TensorProto.INT64))


def _total(op: Operator, lengths: Value) -> Value:
    return reduce(op, "ReduceSum", cast(op, lengths, TensorProto.INT64), [0], keepdims=False)


def counted(op: Operator, count: Value) -> Value:
    """0, 1, … up to an int64 scalar."""
    op.require(11, "ONNX has had Range since then")
    zero, one = (op.constant(np.array(n, np.int64)) for n in (0, 1))
    return op.emit("Range", zero, count, one)
