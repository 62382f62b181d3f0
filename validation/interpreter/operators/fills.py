"""Operators that make tensors from their arguments: constants and parameters."""

import math

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import TensorProto
from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import limited

# Caffe2's element types -> numpy; FLOAT blobs stand in float64 once they are computed with.
DTYPES: dict[int, type] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.INT32: np.int32,
    TensorProto.BOOL: np.bool_,
    TensorProto.UINT8: np.uint8,
    TensorProto.INT8: np.int8,
    TensorProto.UINT16: np.uint16,
    TensorProto.INT16: np.int16,
    TensorProto.INT64: np.int64,
    TensorProto.DOUBLE: np.float64,
}

_GIVEN: dict[str, tuple[type, str]] = {
    "GivenTensorFill": (np.float32, "floats"),
    "GivenTensorDoubleFill": (np.float64, "floats"),
    "GivenTensorIntFill": (np.int32, "ints"),
    "GivenTensorInt64Fill": (np.int64, "ints"),
    "GivenTensorInt16Fill": (np.int16, "ints"),
    "GivenTensorBoolFill": (np.bool_, "ints"),
}


@operator(*_GIVEN)
def given_tensor(op: Operator, like: np.ndarray | None = None) -> np.ndarray:
    """The tensor `values` of the given `shape`."""
    dtype, field = _GIVEN[op.type]
    op.double = dtype == np.float64
    if not op.has("values"):
        raise op.error("argument 'values' is missing")
    values: np.ndarray = np.array(getattr(op.arguments["values"], field), dtype)
    shape = filled_shape(op, like)
    if values.size != math.prod(shape):
        raise op.error(f"has {values.size} values for the shape {shape}")
    return values.reshape(shape)


@operator("GivenTensorByteStringToUInt8Fill")
def given_bytes(op: Operator, like: np.ndarray | None = None) -> np.ndarray:
    """The tensor of the bytes in the text `values`, of the given `shape`, UINT8."""
    if not op.has("values") or len(op.arguments["values"].strings) != 1:
        raise op.error("argument 'values' must be one string")
    return np.frombuffer(op.arguments["values"].strings[0], np.uint8).reshape(filled_shape(op, like))


def filled_shape(op: Operator, like: np.ndarray | None) -> tuple[int, ...]:
    """The argument `shape`; or the input's shape, or (`input_as_shape`) its elements, then `extra_shape`."""
    if like is None:
        return tuple(limited(*op.integers("shape")))
    if op.integers("shape"):
        raise op.error("argument 'shape' and an input exclude each other")
    base = tuple(map(int, like.reshape(-1))) if op.flag("input_as_shape") else like.shape
    return tuple(limited(*base, *op.integers("extra_shape")))


@operator("ConstantFill")
def constant_fill(op: Operator, like: np.ndarray | None = None) -> np.ndarray:
    """A tensor of one `value`; without `dtype` FLOAT, or INT64 where the value is an integer."""
    to = op.integer("dtype", TensorProto.FLOAT)
    if not op.has("dtype") and op.has("value") and op.arguments["value"].HasField("i"):
        to = TensorProto.INT64
    if to not in DTYPES:
        raise op.error(f"dtype {to} is not supported")
    op.double = to == TensorProto.DOUBLE
    floating = to in {TensorProto.FLOAT, TensorProto.DOUBLE}
    value = op.number("value", 0.0) if floating else op.integer("value", 0)
    return np.full(filled_shape(op, like), value, DTYPES[to])


@operator("RangeFill")
def range_fill(op: Operator, like: np.ndarray | None = None) -> np.ndarray:
    """0, 1, 2 … in a shape, FLOAT."""
    shape = filled_shape(op, like)
    op.double = False
    return np.arange(math.prod(shape), dtype=np.float64).reshape(shape)


@operator("DiagonalFill")
def diagonal_fill(op: Operator, like: np.ndarray | None = None) -> np.ndarray:
    """Zero, but `value` where all indices are equal."""
    filled = constant_fill(op, like)
    if filled.ndim < 2 or (filled.ndim > 2 and len(set(filled.shape)) != 1):
        raise op.error(f"fills 2 dimensions, or more of one size, has {filled.shape}")
    # In a matrix with more rows than columns the diagonal goes on from the first column.
    step = sum(math.prod(filled.shape[n:]) for n in range(1, filled.ndim + 1))
    return np.where(np.arange(filled.size).reshape(filled.shape) % step == 0, filled, 0).astype(filled.dtype)


@operator("LengthsRangeFill")
def lengths_range_fill(op: Operator, lengths: np.ndarray) -> np.ndarray:
    """0 … length - 1 for each length, one after the other."""
    limited(sum(map(int, lengths.clip(0).reshape(-1))))
    return np.concatenate([np.arange(n, dtype=np.int32) for n in lengths.reshape(-1)] or [np.empty(0, np.int32)])


@operator("Range")
def range_(op: Operator, *bounds: np.ndarray) -> np.ndarray:
    """From a start (default 0) up to an end by a step (default 1); inputs are end; start, end; or start, end, step."""
    if not 1 <= len(bounds) <= 3:
        raise op.error(f"cannot have {len(bounds)} inputs")
    numbers = [bound.reshape(-1)[0] for bound in bounds]
    start, stop = (numbers[0] * 0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else numbers[0] * 0 + 1
    if step == 0:
        raise op.error("has a step of 0")
    if bounds[0].dtype.kind == "i" and step < 0:
        # Caffe2's integer count rounds down here.
        stop = start + step * max(0, int((start - stop) // -step))
    limited(int((float(stop) - float(start)) / float(step)))
    return np.arange(start, stop, step).astype(bounds[0].dtype)
