"""Runs of rows side by side in a padded tensor, and rows written over others."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, number, reduce, reshape, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import size_of
from zoosmith.convert.operators.segments import counted, segment_ids, segment_starts
from zoosmith.convert.registry import translator


@translator("PackSegments", since=11, inputs=2)
def pack_segments(op: Operator) -> None:
    """PackSegments: the rows (n, …) of each segment beside one another (segments, longest, …), filled up."""
    lengths, rows = op.inputs
    op.expect_rank(lengths, 1, "the lengths")
    shape = op.shape(rows)
    if not shape:
        op.refuse(f"{rows.name!r} is a scalar")
    within = _places(op, lengths)
    present = op.emit("Less", within, unsqueeze(op, cast(op, lengths, TensorProto.INT64), [1]))
    # the row after the last one holds what fills up
    filling = number(op, -np.inf if op.flag("pad_minf") and rows.elem_type == TensorProto.FLOAT else 0)
    row = cast(op, op.emit("Expand", filling, _row_shape(op, rows)), rows.elem_type)
    every = op.emit("Concat", rows, row, axis=0)
    starts = unsqueeze(op, segment_starts(op, lengths), [1])
    places = op.emit("Where", present, op.emit("Add", starts, within), size_of(op, rows, 0))
    packed = op.emit("Gather", every, places, to=0)
    longest = op.integer("max_length", -1)
    packed.set_type(rows.elem_type, (op.shape(lengths)[0], longest if longest >= 0 else None, *shape[1:]))
    if op.has_output(1):
        op.bind(1, lambda: op.emit("Identity", present, to=1))


def _places(op: Operator, lengths: Value) -> Value:
    """0, 1, … as far as the longest segment reaches, or as an argument says: (1, longest)."""
    longest = op.integer("max_length", -1)
    if longest >= 0:
        return op.constant(np.arange(*op.limited(longest), dtype=np.int64).reshape(1, -1))
    # no segment is longer than all rows, and there may be no segment
    every = op.emit("Concat", cast(op, lengths, TensorProto.INT64), op.int64s(0), axis=0)
    return unsqueeze(op, counted(op, reduce(op, "ReduceMax", every, [0], keepdims=False)), [0])


def _row_shape(op: Operator, rows: Value) -> Value:
    """The shape (1, …) of one row."""
    return op.emit("Concat", op.int64s(1), _tail(op, rows), axis=0)


@translator("UnpackSegments", since=11, inputs=2)
def unpack_segments(op: Operator) -> None:
    """UnpackSegments: the rows of all segments (segments, longest, …), without what filled them up."""
    lengths, packed = op.inputs
    op.expect_rank(lengths, 1, "the lengths")
    shape = op.shape(packed)
    if len(shape) < 2:
        op.refuse(f"{packed.name!r} has {len(shape)} dimensions, expected two or more")
    if op.integer("max_length", -1) >= 0:
        op.expect_shape(packed, [None, op.integer("max_length"), *[None] * (len(shape) - 2)], "the packed rows")
    ids = segment_ids(op, lengths)
    within = op.emit("Sub", counted(op, size_of(op, ids, 0)), op.emit("Gather", segment_starts(op, lengths), ids))
    places = op.emit("Concat", unsqueeze(op, ids, [1]), unsqueeze(op, within, [1]), axis=1)
    rows = op.emit("GatherND", packed, places, to=0)
    rows.set_type(packed.elem_type, (None, *shape[2:]))


@translator("ScatterAssign", since=11, inputs=3)
def scatter_assign(op: Operator) -> None:
    """ScatterAssign: rows written over those at the indices; of several for one row, the last."""
    rows, indices, slices = op.inputs
    shape = op.shape(rows)
    if not shape:
        op.refuse(f"{rows.name!r} is a scalar")
    places = reshape(op, cast(op, indices, TensorProto.INT64), [-1, 1])
    written = op.emit("Reshape", slices, op.emit("Concat", op.int64s(-1), _tail(op, rows), axis=0))
    known = indices.constant.array().ravel().tolist() if indices.constant is not None else None
    if known is not None and len(set(known)) == len(known):
        if known and not (min(known) >= 0 and (not isinstance(shape[0], int) or max(known) < shape[0])):
            op.refuse(f"its indices {min(known)} to {max(known)} lie outside of {shape[0]} rows")
        op.emit("ScatterND", rows, places, written, to=0, like=rows)
        return
    op.require(18, "ONNX's ScatterND has chosen the largest since then")
    zero, one = (number(op, n, np.int64) for n in (0, 1))
    order = op.emit("Add", counted(op, op.emit("Size", places)), one)
    none = op.emit("Expand", zero, reshape(op, size_of(op, rows, 0), [1]))
    last = op.emit("ScatterND", none, places, order, reduction="max")
    # one more row, since there may be none to write
    blank = op.emit("Expand", cast(op, number(op, 0), rows.elem_type), _row_shape(op, rows))
    chosen = op.emit("Gather", op.emit("Concat", blank, written, axis=0), last)
    touched = op.emit("Greater", last, zero)
    if len(shape) > 1:
        touched = unsqueeze(op, touched, range(1, len(shape)))
    op.emit("Where", touched, chosen, rows, to=0, like=rows)


def _tail(op: Operator, rows: Value) -> Value:
    """The sizes of a row."""
    rank = op.rank(rows)
    if rank == 1:
        return op.constant(np.zeros(0, np.int64))
    return op.emit("Gather", op.emit("Shape", rows), op.int64s(*range(1, rank)))
