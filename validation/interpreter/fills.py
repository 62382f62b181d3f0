"""Operators that make tensors from their arguments: constants and parameters."""

import math

import numpy as np

from convert.proto.caffe2_pb2 import TensorProto
from validation.interpreter.registry import operator
from validation.interpreter.view import Operator

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


def filled_shape(op: Operator, like: np.ndarray | None) -> tuple[int, ...]:
    """The argument `shape`; or the input's shape, or (`input_as_shape`) its elements, then `extra_shape`."""
    if like is None:
        return op.integers("shape")
    if op.has("shape"):
        raise op.error("argument 'shape' and an input exclude each other")
    base = tuple(map(int, like.reshape(-1))) if op.flag("input_as_shape") else like.shape
    return (*base, *op.integers("extra_shape"))


@operator("ConstantFill")
def constant_fill(op: Operator, like: np.ndarray | None = None) -> np.ndarray:
    """A tensor of one `value`, FLOAT unless `dtype` says else."""
    to = op.integer("dtype", TensorProto.FLOAT)
    if to not in DTYPES:
        raise op.error(f"dtype {to} is not supported")
    op.double = to == TensorProto.DOUBLE
    floating = to in {TensorProto.FLOAT, TensorProto.DOUBLE}
    value = op.number("value", 0.0) if floating else op.integer("value", 0)
    return np.full(filled_shape(op, like), value, DTYPES[to])
