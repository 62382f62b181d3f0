"""ONNX models as small as an attack needs, and what is changed in them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
# the first number that is no element type
BEYOND = max(TensorProto.DataType.values()) + 1


def value(name: str, shape: Sequence[int | str | None] | None = (2, 3), kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, values: Any, dtype: str = "i8") -> TensorProto:
    return onnx.numpy_helper.from_array(np.array(values, dtype), name)


def model(
    nodes: Iterable[NodeProto],
    inputs: Iterable[ValueInfoProto] = (),
    outputs: Iterable[ValueInfoProto] = (),
    weights: Iterable[TensorProto] = (),
    opset: int = 13,
    ir: int = 8,
) -> ModelProto:
    graph = GraphProto(name="g", node=list(nodes), initializer=list(weights))
    graph.input.extend(inputs or [value("x")])
    graph.output.extend(outputs or [value("y", [None, None])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def node(kind: str, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def relu(**named: Any) -> ModelProto:
    return model([node("Relu")], **named)


def with_weight(tensor: TensorProto) -> ModelProto:
    tensor.name = "W"
    return model([node("Add", ["x", "W"])], weights=[tensor])


def weight(dims: Sequence[int], raw: bytes, kind: int = FLOAT, **fields: Any) -> ModelProto:
    return with_weight(TensorProto(dims=dims, data_type=kind, raw_data=raw, **fields))


def changed(change: Callable[[ModelProto], Any], of: ModelProto | None = None) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(of or relu())
    change(made)
    return made


def of_type(kind: int) -> ModelProto:
    return changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", kind))


def of_size(*sizes: int) -> ModelProto:
    return model([node("Relu")], [value("x", sizes)])


def in_constant(tensor: TensorProto) -> ModelProto:
    return model([node("Constant", [], ["c"], value=tensor), node("Add", ["x", "c"])])


def in_branch(tensor: TensorProto) -> ModelProto:
    body = helper.make_graph([node("Constant", [], ["t"], value=tensor)], "b", [], [value("t", None)])
    condition = constant("on", True, "?")
    return model([node("If", ["on"], ["y"], then_branch=body, else_branch=body)], weights=[condition])


def sparse(values: TensorProto, indices: TensorProto, dims: Sequence[int]) -> ModelProto:
    values.name = "W"
    made = model([node("Add", ["x", "W"])])
    made.graph.sparse_initializer.add(values=values, indices=indices, dims=dims)
    return made


def with_bytes(m: ModelProto, old: bytes, new: bytes) -> bytes:
    """The file of a model with a name in it replaced by bytes of the same length that are no text."""
    content = m.SerializeToString()
    assert old in content and len(old) == len(new)
    return content.replace(old, new)


def nested(depth: int) -> ModelProto:
    inner = helper.make_graph([node("Relu", ["x"], ["t"])], "b", [], [value("t", None)])
    for _ in range(depth):
        branch = node("If", ["on"], ["t"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([branch], "b", [], [value("t", None)])
        if inner.ByteSize() > 1 << 22:
            break
    return model([*inner.node, node("Relu", ["t"])], weights=[constant("on", True, "?")])


def nested_once(depth: int) -> bytes:
    """One `If` in another, so deep that protobuf itself refuses it."""
    content = b""
    for _ in range(depth):
        content = field(1, field(5, field(6, content) + b"\xa0\x01\x05"))
    return field(7, content) + relu().SerializeToString()


def field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def nested_type(depth: int) -> ModelProto:
    inner = TypeProto()
    inner.tensor_type.elem_type = FLOAT
    for _ in range(depth):
        outer = TypeProto()
        outer.sequence_type.elem_type.CopyFrom(inner)
        inner = outer
    return changed(lambda m: m.graph.input[0].type.CopyFrom(inner))


def function_of_itself() -> ModelProto:
    made = model([helper.make_node("F", ["x"], ["y"], domain="f")])
    made.opset_import.add(domain="f", version=1)
    body = [helper.make_node("F", ["a"], ["b"], domain="f")]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("f", 1)]
    made.functions.append(helper.make_function("f", "F", ["a"], ["b"], body, opsets))
    return made


def functions_that_double(levels: int) -> ModelProto:
    """Each function calls the next one twice: what inlines them makes 2 ** levels nodes."""
    made = model([helper.make_node("F0", ["x"], ["y"], domain="f")], ir=8)
    made.opset_import.add(domain="f", version=1)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("f", 1)]
    for level in range(levels):
        calls = f"F{level + 1}" if level + 1 < levels else None
        inner = [
            helper.make_node(calls, [a], [b], domain="f") if calls else helper.make_node("Relu", [a], [b])
            for a, b in (("a", "t"), ("t", "b"))
        ]
        made.functions.append(helper.make_function("f", f"F{level}", ["a"], ["b"], inner, opsets))
    return made


def images(
    kind: str, weights: Iterable[TensorProto] = (), inputs: Sequence[str] = ("x",), **attributes: Any
) -> ModelProto:
    ports = [value("x", (1, 3, 8, 8))], [value("y", [None] * 4)]
    return model([node(kind, inputs, **attributes)], *ports, weights)


CONV = (constant("W", np.ones((2, 3, 3, 3)), "f"),)


def shape_input(kind: str, values: Any, **named: Any) -> ModelProto:
    return model([node(kind, ["x", "n"])], weights=[constant("n", values)], **named)


BIG = (2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1)


def contents(models: dict[str, ModelProto | bytes]) -> dict[str, bytes]:
    return {
        name: made if isinstance(made, bytes) else made.SerializeToString(deterministic=True)
        for name, made in models.items()
    }
