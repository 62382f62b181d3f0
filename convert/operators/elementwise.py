"""Elementwise arithmetic of two tensors, with Caffe2's own rules of broadcast."""

from convert.graph import Value
from convert.operator import Operator
from convert.registry import translator
from convert.standard import reshape, unsqueeze

_BINARY = {"Add": "Add", "Sub": "Sub", "Mul": "Mul", "Div": "Div"}


@translator(*_BINARY, since=1)
def binary(op: Operator) -> None:
    """Arithmetic on two tensors."""
    kind = _BINARY[op.type]
    a, b = op.inputs
    if op.opset >= 7:
        op.emit(kind, a, aligned(op, a, b), to=0)
    elif op.flag("broadcast"):
        attributes = {"axis": op.integer("axis", -1), "broadcast": 1}
        if attributes["axis"] == -1:
            del attributes["axis"]
        aligned_axis(op, a, b)
        op.emit(kind, a, b, to=0, like=a, attributes=attributes)
    else:
        if op.shape(a) != op.shape(b):
            op.require(7)
        op.emit(kind, a, b, to=0, like=a)


def aligned_axis(op: Operator, a: Value, b: Value) -> int:
    """The dimension of `a` that the first of `b` stands at under `broadcast=1`."""
    rank_a, rank_b = op.rank(a), op.rank(b)
    axis = op.integer("axis", -1)
    if op.has("axis_str"):
        if op.has("axis"):
            op.refuse("arguments axis and axis_str together")
        axis = op.text("order", "NCHW").find(op.text("axis_str"))
        if axis < 0 or len(op.text("axis_str")) != 1:
            op.refuse(f"argument axis_str={op.text('axis_str')!r} is not in order {op.text('order', 'NCHW')!r}")
    if axis == -1:
        axis = rank_a - rank_b
    if axis < 0 or axis + rank_b > rank_a:
        op.refuse(f"argument axis={axis} cannot place {rank_b} dimensions in {rank_a}")
    sizes = op.shape(a)[axis : axis + rank_b]
    wanted = [None if theirs == 1 else ours for ours, theirs in zip(sizes, op.shape(b), strict=True)]
    op.expect_shape(b, wanted, "the second operand")
    return axis


def aligned(op: Operator, a: Value, b: Value) -> Value:
    """Give `b` the trailing dimensions of size 1 that let it meet `a` as Caffe2's `broadcast=1` wants."""
    if not op.flag("broadcast"):
        return b
    shape = op.shape(b)
    if all(size == 1 for size in shape):
        return b if len(shape) <= op.rank(a) else reshape(op, b, [1])
    missing = op.rank(a) - aligned_axis(op, a, b) - len(shape)
    return unsqueeze(op, b, range(len(shape), len(shape) + missing)) if missing else b
