"""Matrix products."""

from collections.abc import Sequence

from convert.graph import Value
from convert.operator import Operator, element_count
from convert.registry import translator
from convert.standard import reshape, slice_axis


@translator("FC", since=1)
def fc(op: Operator) -> None:
    """FC flattens X from `axis` and W from `axis_w` on; the leading dims of X stay."""
    x, weight, bias = op.inputs
    axis = op.axis(x, op.integer("axis", 1))
    axis_w = op.axis(weight, op.integer("axis_w", 1))
    weight_shape = op.sizes(weight)
    out, inner = element_count(weight_shape[:axis_w]), element_count(weight_shape[axis_w:])
    op.expect_shape(bias, [out], "the bias")
    if len(weight_shape) != 2 or axis_w != 1:
        weight = reshape(op, weight, [out, inner])
    tail = element_count(op.sizes_from(x, axis))
    if tail != inner:
        op.refuse(f"the weight {op.inputs[1].name!r} takes {inner} values, the input has {tail}")
    rows = x if op.rank(x) == 2 and axis == 1 else reshape(op, x, [-1, inner])
    attributes = {"transB": 1} if op.opset >= 7 else {"broadcast": 1, "transB": 1}
    if axis == 1:
        op.emit("Gemm", rows, weight, bias, to=0, attributes=attributes)
    else:
        result = op.emit("Gemm", rows, weight, bias, attributes=attributes)
        reshape(op, result, leading(op, x, axis, out), to=0)


def leading(op: Operator, x: Value, axis: int, out: int) -> Sequence[int] | Value:
    """The shape of a product: the first `axis` sizes of `x`, then `out`; computed by the net where one is symbolic."""
    sizes = op.shape(x)[:axis]
    if all(isinstance(size, int) for size in sizes):
        return [*(size for size in sizes if isinstance(size, int)), out]
    kept = slice_axis(op, op.emit("Shape", x), 0, 0, axis)
    return op.emit("Concat", kept, op.int64s(out), axis=0)
