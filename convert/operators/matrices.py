"""Matrix products."""

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.onnx_operators import reshape
from zoosmith.convert.operator import Operator, element_count
from zoosmith.convert.registry import translator
from zoosmith.onnx_model.ports import Dimension


@translator("FC", inputs=3)
def fc(op: Operator) -> None:
    """FC flattens X from `axis` and W from `axis_w` on; the leading dimensions of X stay."""
    _fully_connected(op, transposed=False)


@translator("FCTransposed", inputs=3)
def fc_transposed(op: Operator) -> None:
    """FC with W stored the other way around."""
    _fully_connected(op, transposed=True)


def _fully_connected(op: Operator, *, transposed: bool) -> None:
    x, weight, bias = op.inputs
    axis = op.axis(x, op.integer("axis", 1))
    axis_w = op.axis(weight, op.integer("axis_w", 1))
    weight_shape = op.sizes(weight)
    first, second = element_count(weight_shape[:axis_w]), element_count(weight_shape[axis_w:])
    inner, out = (first, second) if transposed else (second, first)
    op.expect_shape(bias, [out], "the bias")
    if len(weight_shape) != 2 or axis_w != 1:
        weight = reshape(op, weight, [first, second])
    tail = element_count(op.sizes_from(x, axis))
    if tail != inner:
        op.refuse(f"the weight {op.inputs[1].name!r} takes {inner} values, the input has {tail}")
    shape = op.shape(x)
    leading = shape[:axis]
    rows = x
    if len(shape) != 2 or axis != 1:
        static = all(isinstance(size, int) for size in leading)
        rows = reshape(op, x, [-1, inner]) if static else op.emit("Flatten", x, axis=axis)
    attributes: dict[str, Attribute] = {} if transposed else {"transB": 1}
    if op.opset < 7:
        attributes["broadcast"] = 1
    if axis == 1:
        op.emit("Gemm", rows, weight, bias, to=0, shape=[leading[0], out], attributes=attributes)
    else:
        result = op.emit("Gemm", rows, weight, bias, attributes=attributes)
        _restore(op, result, x, leading, out)


def _restore(op: Operator, result: Value, x: Value, leading: tuple[Dimension, ...], out: int) -> None:
    """Give the rows of a product the leading dimensions of `x` again."""
    unknown = [size for size in leading if not isinstance(size, int)]
    if len(unknown) <= 1 and 0 not in leading:
        target = op.int64s(*(size if isinstance(size, int) else -1 for size in leading), out)
    elif not unknown:
        op.require(14, "ONNX's Reshape has had allowzero since then")
        target = op.int64s(*(size for size in leading if isinstance(size, int)), out)
        op.emit("Reshape", result, target, to=0, allowzero=1)
        return
    else:
        op.require(10, "ONNX's Slice has taken computed bounds since then")
        kept = op.emit("Slice", op.emit("Shape", x), op.int64s(0), op.int64s(len(leading)))
        target = op.emit("Concat", kept, op.int64s(out), axis=0)
    reshape(op, result, target, to=0).set_type(x.elem_type, (*leading, out))


@translator("MatMul", inputs=(2, 3))
def matmul(op: Operator) -> None:
    """MatMul of two tensors that are flattened to matrices before `axis_a` and `axis_b`."""
    matrices = []
    for name, x in zip("ab", op.inputs, strict=True):
        axis = op.axis(x, op.integer(f"axis_{name}", 1))
        matrix = x if op.rank(x) == 2 and axis == 1 else op.emit("Flatten", x, axis=axis)
        matrices.append(op.emit("Transpose", matrix, perm=[1, 0]) if op.flag(f"trans_{name}") else matrix)
    op.emit("MatMul", *matrices, to=0)


@translator("BatchMatMul", inputs=2)
def batch_matmul(op: Operator) -> None:
    """BatchMatMul, as numpy's matmul, but two vectors make a tensor of one element."""
    a, b = op.inputs
    ranks = op.rank(a), op.rank(b)
    if ranks == (1, 1):
        reshape(op, op.emit("MatMul", a, b), [1], to=0)
        return
    if op.flag("trans_a") and ranks[1] == 1:
        op.refuse("argument trans_a=1 with a vector as second operand")
    operands = [
        _swap_last(op, x) if op.flag(f"trans_{name}") and op.rank(x) > 1 else x for name, x in (("a", a), ("b", b))
    ]
    op.emit("MatMul", *operands, to=0)


def _swap_last(op: Operator, x: Value) -> Value:
    rank = op.rank(x)
    return op.emit("Transpose", x, perm=[*range(rank - 2), rank - 1, rank - 2])
