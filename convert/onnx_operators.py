"""ONNX operators whose form depends on the opset, each with one way to write it."""

from collections.abc import Sequence

import numpy as np

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.operator import Operator

# ONNX clamps to the dimension
TO_THE_END = 2**63 - 1


def scalar(op: Operator, content: float, like: Value) -> Value:
    """Make a constant scalar of the element type that `like` has."""
    dtype = op.constant_type(like)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    if limits and not (float(content).is_integer() and limits.min <= content <= limits.max):
        op.refuse(f"{content} is no number of the type of {like.name!r}, {dtype}")
    return op.constant(np.array(content, dtype))


def number(op: Operator, content: float, dtype: type[np.generic] = np.float32) -> Value:
    """Make a constant scalar of this numpy element type."""
    return op.constant(np.array(content, dtype))


def cast(op: Operator, x: Value, elem_type: int, *, to: int | None = None) -> Value:
    """Convert the elements to an ONNX element type; nothing is written where they have it and no output is named."""
    if to is None and x.elem_type == elem_type:
        return x
    return op.emit("Cast", x, to=to, attributes={"to": elem_type})


def unsqueeze(op: Operator, x: Value, axes: Sequence[int], *, to: int | None = None) -> Value:
    """Insert dimensions of size 1 at these axes of the result."""
    if x.ready and x.shape is not None and axes and not (min(axes) >= 0 and max(axes) < len(x.shape) + len(axes)):
        op.refuse(f"{x.name!r} has {len(x.shape)} dimensions, which cannot get others at {list(axes)}")
    if op.opset < 13:
        made = op.emit("Unsqueeze", x, to=to, axes=list(axes))
    else:
        made = op.emit("Unsqueeze", x, op.int64s(*axes), to=to)
    if x.ready and x.shape is not None:
        sizes = iter(x.shape)
        made.set_type(x.elem_type, tuple(1 if i in axes else next(sizes) for i in range(len(x.shape) + len(axes))))
    return made


def squeeze(op: Operator, x: Value, axes: Sequence[int], *, to: int | None = None) -> Value:
    """Remove these dimensions of size 1."""
    if op.opset < 13:
        return op.emit("Squeeze", x, to=to, axes=list(axes))
    return op.emit("Squeeze", x, op.int64s(*axes), to=to)


def reshape(op: Operator, x: Value, shape: Sequence[int] | Value, *, to: int | None = None) -> Value:
    """Give `x` another shape, with ONNX's 0 (keep) and -1 (what is left)."""
    target = shape if isinstance(shape, Value) else op.int64s(*shape)
    return op.emit("Reshape", x, target, to=to)


def shape_of(op: Operator, x: Value) -> Value:
    """The shape as int64 values: a constant where every size is a number, else computed by the net."""
    shape = x.shape
    sizes = [size for size in shape if isinstance(size, int)] if shape is not None else []
    if shape is not None and len(sizes) == len(shape):
        return op.int64s(*sizes)
    return op.emit("Shape", x)


def reshape_like(op: Operator, x: Value, other: Value, *, to: int | None = None) -> Value:
    """Give `x` the shape of `other`, symbolic sizes included, which ONNX itself would lose."""
    elem_type, shape = x.elem_type, other.shape
    made = reshape(op, x, shape_of(op, other), to=to)
    made.set_type(elem_type, shape)
    return made


def flattened(op: Operator, x: Value, axis: int, op_type: str) -> None:
    """Write as output 0 an operator over the last axis, after all dimensions from `axis` on were made one."""
    if axis == op.rank(x) - 1:
        op.emit(op_type, x, to=0)
    else:
        rows = op.emit(op_type, op.emit("Flatten", x, axis=axis))
        reshape_like(op, rows, x, to=0)


def slice_axes(
    op: Operator, x: Value, axes: Sequence[int], starts: Sequence[int], ends: Sequence[int], *, to: int | None = None
) -> Value:
    """Cut `x` along these axes, from `starts` up to `ends`, both as Python counts them."""
    if op.opset < 10:
        return op.emit("Slice", x, to=to, axes=list(axes), starts=list(starts), ends=list(ends))
    return op.emit("Slice", x, op.int64s(*starts), op.int64s(*ends), op.int64s(*axes), to=to)


def clip(op: Operator, x: Value, low: float | None, high: float | None, *, to: int | None = None) -> Value:
    """Keep the elements between two bounds, of which each may be absent."""
    if op.opset < 11:
        bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
        return op.emit("Clip", x, to=to, attributes=bounds)
    values = [scalar(op, bound, x) if bound is not None else None for bound in (low, high)]
    return op.emit("Clip", x, *values, to=to)


def reduce(
    op: Operator, op_type: str, x: Value, axes: Sequence[int] | None, *, keepdims: bool, to: int | None = None
) -> Value:
    """Reduce over these axes, None for all of them."""
    given = list(range(op.rank(x))) if axes is None else list(axes)
    if not given:
        return op.emit("Identity", x, to=to)
    if op.opset < (13 if op_type == "ReduceSum" else 18):
        over: dict[str, Attribute] = {"axes": given} if axes is not None else {}
        return op.emit(op_type, x, to=to, attributes=over, keepdims=int(keepdims))
    return op.emit(op_type, x, op.int64s(*given), to=to, keepdims=int(keepdims))


def pad(op: Operator, x: Value, pads: Sequence[int], mode: str, value: float, *, to: int | None = None) -> Value:
    """Pad `x`: all begins, then all ends; a negative pad cuts. Modes are constant, edge and reflect."""
    if op.opset < 11:
        return op.emit("Pad", x, to=to, mode=mode, pads=list(pads), value=value)
    filling = scalar(op, value, x) if mode == "constant" else None
    return op.emit("Pad", x, op.int64s(*pads), filling, to=to, mode=mode)


def split(op: Operator, x: Value, axis: int, sizes: Sequence[int], to: Sequence[int | None]) -> list[Value]:
    """Cut `x` along an axis into parts of these sizes."""
    if op.opset < 13:
        return op.emit_many("Split", [x], to, axis=axis, split=list(sizes))
    return op.emit_many("Split", [x, op.int64s(*sizes)], to, axis=axis)


def where_negative(op: Operator, x: Value, otherwise: Value) -> Value:
    """Take `otherwise` where the int64 `x` is negative."""
    return op.emit("Where", op.emit("Less", x, op.constant(np.array(0, np.int64))), otherwise, x)


def is_nan(op: Operator, x: Value) -> Value:
    """Whether elements are NaN: below opset 9 those are neither less than 1 nor greater than 0."""
    if op.opset >= 9:
        return op.emit("IsNaN", x)
    return op.emit("Not", op.emit("Or", op.emit("Less", x, scalar(op, 1, x)), op.emit("Greater", x, scalar(op, 0, x))))
