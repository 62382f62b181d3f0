"""Embedding tables whose rows are quantized each for itself, to 8, 4 or 2 bits.

A fused row ends with its scale and its bias, as bytes; both are taken out of the table, which has to be a parameter.
"""

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, reshape, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.segments import SUMS_SINCE, pool_lengths
from zoosmith.convert.registry import translator


class _Table(NamedTuple):
    """Rows (n, d) of `bits` each in bytes, and the scale and bias of every row (n, 1)."""

    rows: Value
    scales: Value
    biases: Value
    bits: int


def _fused(op: Operator, table: Value, bits: int, tail: str) -> _Table:
    """Take the scales and biases, of numpy type `tail`, from the ends of the rows."""
    content = op.constant_of(table, "the table of fused rows")
    ends = 2 * np.dtype(tail).itemsize
    if content.dtype != np.uint8 or content.ndim != 2 or content.shape[1] <= ends:
        op.refuse(f"{table.name!r} is {content.dtype} {list(content.shape)}: expected rows of more than {ends} bytes")
    rows, end = np.ascontiguousarray(content[:, :-ends]), np.ascontiguousarray(content[:, -ends:]).view(tail)
    scales, biases = (op.constant(end[:, n : n + 1].astype(np.float32)) for n in (0, 1))
    return _Table(op.constant(rows), scales, biases, bits)


def _separate(op: Operator, table: Value, ends: Value) -> _Table:
    """A table of bytes beside one of scales and biases."""
    op.expect_rank(table, 2, "the table")
    op.expect_shape(ends, [op.shape(table)[0], 2], "the scales and biases")
    scales, biases = (op.emit("Gather", ends, op.int64s(n), axis=1) for n in (0, 1))
    return _Table(table, scales, biases, 8)


def _rows(op: Operator, table: _Table, indices: Value | None, *, to: int | None = None) -> Value:
    """The numbers in all rows, or in those at the indices."""
    rows, scales, biases = (part if indices is None else op.emit("Gather", part, indices) for part in table[:3])
    numbers = cast(op, _unpacked(op, rows, table.bits), TensorProto.FLOAT)
    return op.emit("Add", op.emit("Mul", numbers, scales), biases, to=to)


def _unpacked(op: Operator, rows: Value, bits: int) -> Value:
    """A number for every `bits` of the bytes, the lowest first."""
    if bits == 8:
        return rows
    parts = 8 // bits
    op.expect_rank(rows, 2, "the table's rows")
    (width,) = op.sizes_from(rows, 1)
    steps = op.constant(np.array([1 << bits * n for n in range(parts)], np.int32))
    shifted = op.emit("Div", unsqueeze(op, cast(op, rows, TensorProto.INT32), [2]), steps)
    return reshape(op, op.emit("Mod", shifted, op.constant(np.array(1 << bits, np.int32))), [-1, width * parts])


def _pooled(op: Operator, table: _Table, indices: Value, lengths: Value, weights: Value | None) -> None:
    """Sums or means of rows, each times its weight."""
    rows = _rows(op, table, indices)
    if weights is not None:
        rows = op.emit("Mul", rows, unsqueeze(op, weights, [1]))
    pool_lengths(op, rows, lengths, "Mean" if "Mean" in op.type else "Sum")


def _split_inputs(op: Operator, rest: int) -> tuple[Value, Value | None, Value, Value, list[Value]]:
    """Table, weights, indices, lengths, and so many more inputs."""
    table, *given = op.inputs
    weights = given.pop(0) if "Weighted" in op.type else None
    if len(given) != 2 + rest:
        op.refuse(f"it has {len(op.inputs)} inputs, expected {4 + rest if weights else 3 + rest}")
    indices, lengths, *others = given
    return table, weights, indices, lengths, others


def _register_pools(bits: int, tail: str) -> None:
    kinds = ("Sum", "WeightedSum", "Mean")

    @translator(*(f"SparseLengths{kind}Fused{bits}BitRowwise" for kind in kinds), since=SUMS_SINCE, inputs=(3, 4))
    def fused_pool(op: Operator) -> None:
        """Sums, weighted sums and means of fused rows."""
        table, weights, indices, lengths, _ = _split_inputs(op, 0)
        _pooled(op, _fused(op, table, bits, tail), indices, lengths, weights)

    @translator(*(f"SparseLengths{kind}{bits}BitRowwiseSparse" for kind in kinds), since=SUMS_SINCE, inputs=(4, 5))
    def pruned_pool(op: Operator) -> None:
        """The same of a table without the rows that a map sends to -1, which count as zeros."""
        table, weights, indices, lengths, (places,) = _split_inputs(op, 1)
        if op.shape(places) == (1,) and op.constant_of(places, "the map").item() == 0:
            # such a map stands for a whole table
            _pooled(op, _fused(op, table, bits, tail), indices, lengths, weights)
            return
        found = op.emit("Gather", places, indices)
        zero = op.constant(np.array(0, op.constant_type(places)))
        kept = op.emit("Not", op.emit("Less", found, zero))
        present = cast(op, kept, TensorProto.FLOAT)
        factor = present if weights is None else op.emit("Mul", weights, present)
        rows = op.emit("Where", kept, found, zero)
        _pooled(op, _fused(op, table, bits, tail), rows, lengths, factor)


for _bits, _tail in ((8, "<f4"), (4, "<f2"), (2, "<f2")):
    _register_pools(_bits, _tail)


@translator(
    "SparseLengthsSum8BitsRowwise",
    "SparseLengthsMean8BitsRowwise",
    "SparseLengthsWeightedSum8BitsRowwise",
    "SparseLengthsWeightedMean8BitsRowwise",
    since=SUMS_SINCE,
    inputs=(4, 5),
)
def separate_pool(op: Operator) -> None:
    """Sums and means of rows whose scales and biases stand in a table of their own."""
    table, weights, indices, lengths, (ends,) = _split_inputs(op, 1)
    _pooled(op, _separate(op, table, ends), indices, lengths, weights)


@translator("Rowwise8BitQuantizedToFloat", inputs=2)
def separate_to_float(op: Operator) -> None:
    """Rowwise8BitQuantizedToFloat: the numbers of a whole table."""
    _rows(op, _separate(op, *op.inputs), None, to=0)


@translator("GatherFused8BitRowwise", inputs=2)
def gather_fused(op: Operator) -> None:
    """GatherFused8BitRowwise: the numbers of the rows at the indices."""
    table, indices = op.inputs
    _rows(op, _fused(op, table, 8, "<f4"), indices, to=0)


def _register_whole(op_type: str, bits: int, tail: str, elem_type: int) -> None:
    @translator(op_type, since=1 if bits == 8 else 10)  # where bytes are cut by Mod
    def fused_to_float(op: Operator) -> None:
        """The numbers of a whole table of fused rows."""
        numbers = _rows(op, _fused(op, op.inputs[0], bits, tail), None)
        cast(op, numbers, elem_type, to=0)


_WHOLE = (
    ("Fused8BitRowwiseQuantizedToFloat", 8, "<f4", TensorProto.FLOAT),
    ("Fused8BitRowwiseQuantizedToHalfFloat", 8, "<f4", TensorProto.FLOAT16),
    ("Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", 8, "<f2", TensorProto.FLOAT),
    # it makes floats, whatever it is called
    ("Fused8BitRowwiseQuantizedHalfScaleBiasToHalfFloat", 8, "<f2", TensorProto.FLOAT),
    ("Fused4BitRowwiseQuantizedToFloat", 4, "<f2", TensorProto.FLOAT),
    ("Fused4BitRowwiseQuantizedToHalf", 4, "<f2", TensorProto.FLOAT16),
    ("Fused2BitRowwiseQuantizedToFloat", 2, "<f2", TensorProto.FLOAT),
    ("Fused2BitRowwiseQuantizedToHalf", 2, "<f2", TensorProto.FLOAT16),
)
for _whole in _WHOLE:
    _register_whole(*_whole)
