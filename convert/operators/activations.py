"""Activations and other functions of one tensor."""

from convert.graph import Attribute
from convert.operator import Operator
from convert.registry import translator


@translator("Relu", since=1)
def relu(op: Operator) -> None:
    """Relu."""
    op.emit("Relu", op.inputs[0], to=0)


@translator("Dropout", since=1)
def dropout(op: Operator) -> None:
    """Dropout of a trained net passes its input on; the mask is not computed."""
    if not op.flag("is_test"):
        op.refuse("argument is_test=0: it would drop at random")
    attributes: dict[str, Attribute] = {}
    if op.opset < 12:
        attributes["ratio"] = op.number("ratio", 0.5)
    if op.opset < 7:
        attributes["is_test"] = 1
    op.emit("Dropout", op.inputs[0], to=0, like=op.inputs[0] if op.opset < 7 else None, attributes=attributes)


@translator("Softmax", since=1)
def softmax(op: Operator) -> None:
    """Softmax over all dimensions from `axis` on, flattened, as ONNX had it up to opset 12."""
    x = op.inputs[0]
    axis = op.integer("axis", 1)
    if op.opset < 13:
        default = axis == 1 and not op.has("axis")
        op.emit("Softmax", x, to=0, attributes={} if default else {"axis": op.axis(x, axis)})
        return
    if op.axis(x, axis) == op.rank(x) - 1:
        op.emit("Softmax", x, to=0)
        return
    rows = op.emit("Softmax", op.emit("Flatten", x, axis=op.axis(x, axis)))
    op.emit("Reshape", rows, op.emit("Shape", x), to=0)
