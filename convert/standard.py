"""ONNX operators whose form depends on the opset, each with one way to write it."""

from collections.abc import Sequence

import numpy as np
from onnx.helper import tensor_dtype_to_np_dtype

from convert.graph import Value
from convert.operator import Operator


def unsqueeze(op: Operator, x: Value, axes: Sequence[int], *, to: int | None = None) -> Value:
    """Insert dimensions of size 1 at these axes of the result."""
    if op.opset < 13:
        return op.emit("Unsqueeze", x, to=to, axes=list(axes))
    return op.emit("Unsqueeze", x, op.int64s(*axes), to=to)


def reshape(op: Operator, x: Value, shape: Sequence[int] | Value, *, to: int | None = None) -> Value:
    """Give `x` another shape, with ONNX's 0 (keep) and -1 (what is left)."""
    if op.opset < 5 and not isinstance(shape, Value):
        return op.emit("Reshape", x, to=to, shape=list(shape))
    target = shape if isinstance(shape, Value) else op.int64s(*shape)
    return op.emit("Reshape", x, target, to=to)


def slice_axis(op: Operator, x: Value, axis: int, start: int, end: int, *, to: int | None = None) -> Value:
    """Cut `x` along one axis, from `start` up to `end`, both as Python counts them."""
    if op.opset < 10:
        return op.emit("Slice", x, to=to, axes=[axis], starts=[start], ends=[end])
    return op.emit("Slice", x, op.int64s(start), op.int64s(end), op.int64s(axis), to=to)


def scalar(op: Operator, content: float, like: Value) -> Value:
    """Make a constant scalar of the element type that `like` has."""
    return op.constant(np.array(content, tensor_dtype_to_np_dtype(like.elem_type)))
