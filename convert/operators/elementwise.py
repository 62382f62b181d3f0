"""Arithmetic, comparison and logic on two or more tensors, with Caffe2's own rules of broadcast."""

from onnx import TensorProto

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.onnx_operators import cast, is_nan, scalar, squeeze, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.registry import at_least, translator

_FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}
# types that 32 bits hold
_NARROW = {TensorProto.BOOL, TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16}
# the opsets since which ONNX compares integers, and tells whether floats are equal
_COMPARES_INTEGERS, _EQUAL_TAKES_FLOATS = 9, 11


@translator("Add", "Sub", "Mul", "Div", inputs=2)
def arithmetic(op: Operator) -> None:
    """Add, Sub, Mul and Div; the division of integers truncates in both."""
    a, b = op.inputs
    if op.opset >= 7:
        op.emit(op.type, a, aligned(op, a, b), to=0, like=a if _keeps_shape(op, a, b) else None)
    elif op.flag("broadcast") and _is_part(op, a, b):
        axis = legacy_axis(op, a, b)
        attributes: dict[str, Attribute] = {"axis": axis, "broadcast": 1}
        if not op.has("axis") and not op.has("axis_str"):
            del attributes["axis"]
        op.emit(op.type, a, b, to=0, like=a, attributes=attributes)
    else:
        op.emit(op.type, a, aligned(op, a, b), to=0)


@translator("And", "Or", "Xor", inputs=2)
def logic(op: Operator) -> None:
    """And, Or and Xor of booleans."""
    a, b = op.inputs
    op.emit(op.type, a, aligned(op, a, b), to=0)


@translator("BitwiseAnd", "BitwiseOr", "BitwiseXor", since=18, inputs=2)
def bitwise(op: Operator) -> None:
    """Logic on the bits of integers; on booleans it is plain logic."""
    a, b = op.inputs
    name = op.type.removeprefix("Bitwise") if a.elem_type == TensorProto.BOOL else op.type
    op.emit(name, a, aligned(op, a, b), to=0)


@translator("EQ", "NE", inputs=2)
def equality(op: Operator) -> None:
    """EQ and NE; floats, which ONNX compares from opset 11 on, are equal where none is less; NaN equals nothing."""
    a, b = op.inputs
    b = aligned(op, a, b)
    if a.elem_type in _FLOATS and op.opset < _EQUAL_TAKES_FLOATS:
        different = op.emit("Or", op.emit("Less", a, b), op.emit("Greater", a, b))
        unordered = op.emit("Or", different, op.emit("Or", is_nan(op, a), is_nan(op, b)))
        op.emit(*(("Not", unordered) if op.type == "EQ" else ("Identity", unordered)), to=0)
        return
    if op.opset < _EQUAL_TAKES_FLOATS and a.elem_type in _NARROW - {TensorProto.BOOL}:
        a, b = cast(op, a, TensorProto.INT32), cast(op, b, TensorProto.INT32)
    if op.type == "EQ":
        op.emit("Equal", a, b, to=0)
    else:
        op.emit("Not", op.emit("Equal", a, b), to=0)


@translator("LT", "GT", "LE", "GE", inputs=2)
def comparison(op: Operator) -> None:
    """LT, GT, LE and GE; with NaN all are false. Below opset 9 integers are compared as doubles, which hold 32 bits."""
    a, b = op.inputs
    if a.elem_type not in _FLOATS and op.opset < _COMPARES_INTEGERS:
        if a.elem_type not in _NARROW | {TensorProto.INT32}:
            op.require(_COMPARES_INTEGERS, "ONNX's Less and Greater have taken integers since then")
        a, b = (cast(op, cast(op, x, TensorProto.INT32), TensorProto.DOUBLE) for x in (a, b))
    elif a.elem_type == TensorProto.BOOL:
        a, b = cast(op, a, TensorProto.INT32), cast(op, b, TensorProto.INT32)
    b = aligned(op, a, b)
    strict = {"LT": "Less", "GT": "Greater"}
    if op.type in strict:
        op.emit(strict[op.type], a, b, to=0)
        return
    if op.opset >= 12:
        op.emit("LessOrEqual" if op.type == "LE" else "GreaterOrEqual", a, b, to=0)
        return
    failing = op.emit("Greater" if op.type == "LE" else "Less", a, b)
    if a.elem_type in _FLOATS:
        failing = op.emit("Or", failing, op.emit("Or", is_nan(op, a), is_nan(op, b)))
    op.emit("Not", failing, to=0)


@translator("Pow", inputs=(1, 2))
def power(op: Operator) -> None:
    """Pow with an exponent that is an argument or a tensor."""
    x, *exponent = op.inputs
    if exponent:
        op.emit("Pow", x, aligned(op, x, exponent[0]), to=0)
    elif op.has("exponent"):
        op.emit("Pow", x, scalar(op, op.number("exponent"), x), to=0)
    else:
        op.refuse("it has neither a second input nor an argument exponent")


@translator("Sum", "SumInt", "Max", "Min", "Mean", inputs=at_least(1))
def many(op: Operator) -> None:
    """Sum, Max, Min and Mean of tensors of one shape, which is also what ONNX's versions below 8 want."""
    first = op.inputs[0]
    for other in op.inputs[1:]:
        op.expect_shape(other, op.shape(first), "the operand")
    if op.type == "Mean" and first.elem_type == TensorProto.DOUBLE:
        # runtimes know no Mean of doubles
        op.emit("Div", op.emit("Sum", *op.inputs), scalar(op, len(op.inputs), first), to=0)
    elif first.elem_type in _FLOATS:
        op.emit(op.type, *op.inputs, to=0)
    elif len(op.inputs) == 1:
        op.emit("Identity", first, to=0)
    elif op.type.startswith("Sum"):
        total = first
        for other in op.inputs[1:-1]:
            total = op.emit("Add", total, other)
        op.emit("Add", total, op.inputs[-1], to=0)
    elif op.type == "Mean":
        op.refuse(f"its elements are {TensorProto.DataType.Name(first.elem_type)}, expected floats")
    else:
        op.require(12, f"ONNX's {op.type} has taken integers since then")
        op.emit(op.type, *op.inputs, to=0)


@translator("Where", since=9, inputs=3)
def where(op: Operator) -> None:
    """Where; with broadcast_on_rows the condition has one element for each row."""
    condition, x, y = op.inputs
    if op.flag("broadcast_on_rows"):
        op.expect_shape(condition, op.shape(x)[:1], "the condition")
        missing = op.rank(x) - 1
        condition = unsqueeze(op, condition, range(1, 1 + missing)) if missing else condition
    else:
        op.expect_shape(condition, op.shape(x), "the condition")
    condition = cast(op, condition, TensorProto.BOOL)
    if x.elem_type == TensorProto.BOOL:
        # runtimes know no Where of booleans
        chosen = op.emit("And", condition, x), op.emit("And", op.emit("Not", condition), y)
        op.emit("Or", *chosen, to=0)
    else:
        op.emit("Where", condition, x, y, to=0)


@translator("RowMul", inputs=2)
def row_mul(op: Operator) -> None:
    """RowMul: every row times its own factor."""
    x, weight = op.inputs
    op.emit("Mul", x, op.along_axis(weight, x, 0, "the factor"), to=0)


def _is_part(op: Operator, a: Value, b: Value) -> bool:
    """Tell whether the shape of `b` is a part of that of `a`, which forms below opset 7 want."""
    if all(size == 1 for size in op.shape(b)):
        return op.rank(b) <= op.rank(a)
    axis = legacy_axis(op, a, b)
    return op.shape(b) == op.shape(a)[axis : axis + op.rank(b)]


def _keeps_shape(op: Operator, a: Value, b: Value) -> bool:
    """Tell, without inference, whether the result has the shape of `a`."""
    return op.flag("broadcast") or (a.ready and b.ready and a.shape == b.shape)


def legacy_axis(op: Operator, a: Value, b: Value) -> int:
    """The dimension of `a` that the first of `b` stands at under `broadcast=1`."""
    rank_a, rank_b = op.rank(a), op.rank(b)
    axis = op.integer("axis", -1)
    if axis == -1 and op.has("axis_str"):
        order, letter = op.text("order", "NCHW"), op.text("axis_str")
        axis = order.find(letter)
        if axis < 0 or len(letter) != 1:
            op.refuse(f"argument axis_str={letter!r} names no dimension of order {order!r}")
    if axis == -1:
        axis = rank_a - rank_b
    if axis < 0 or axis + rank_b > rank_a:
        op.refuse(f"argument axis={axis} cannot place the {rank_b} dimensions of {b.name!r} in {rank_a}")
    sizes = op.shape(a)[axis : axis + rank_b]
    wanted = [None if theirs == 1 else ours for ours, theirs in zip(sizes, op.shape(b), strict=True)]
    op.expect_shape(b, wanted, "the second operand")
    return axis


def aligned(op: Operator, a: Value, b: Value) -> Value:
    """Give `b` the trailing dimensions of size 1 so that it broadcasts with `a` as in Caffe2's `broadcast=1`."""
    if not op.flag("broadcast"):
        return b
    shape = op.shape(b)
    if all(size == 1 for size in shape):
        return b if len(shape) <= op.rank(a) else squeeze(op, b, range(len(shape)))
    missing = op.rank(a) - legacy_axis(op, a, b) - len(shape)
    return unsqueeze(op, b, range(len(shape), len(shape) + missing)) if missing else b
