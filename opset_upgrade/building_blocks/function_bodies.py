"""The function bodies by which onnx's own schemas define operators."""

from typing import Any

from onnx import FunctionProto, NodeProto, TypeProto, helper

from zoosmith.opset_upgrade.node_editing import find_attribute, set_attribute
from zoosmith.opset_upgrade.schemas import defaults, schema_at
from zoosmith.opset_upgrade.writer import Writer


def inline_body(node: NodeProto, g: Writer) -> None:
    """Replace the node by the body that the schema of its version has."""
    schema: Any = schema_at(node.op_type, g.opset + 1)  # onnx's type stubs leave the function bodies out
    if schema is None or not (schema.has_function or schema.has_context_dependent_function):
        g.refuse("its schema has no function body")
    for name, value in defaults(node.op_type, g.opset + 1).items():
        if find_attribute(node, name) is None:
            set_attribute(node, name, value)
    body = FunctionProto.FromString(_body(schema, node, g))
    _state_scalars(body)
    g.inline(body, next(entry.version for entry in body.opset_import if entry.domain == ""))


def _body(schema: Any, node: NodeProto, g: Writer) -> bytes:
    if schema.has_function:
        return bytes(schema.get_function_with_opset_version(min(schema.function_opset_versions)))
    types = []
    for name in node.input:
        known = g.type(name) if name else TypeProto()
        if known is None:
            g.refuse(f"the type of {name!r} is not known")
        types.append(known.SerializeToString())
    version = min(schema.context_dependent_function_opset_versions)
    body = schema.get_context_dependent_function_with_opset_version(version, node.SerializeToString(), types)
    if not body:
        g.refuse("its schema has no function body for these inputs")
    return bytes(body)


def _state_scalars(body: FunctionProto) -> None:
    """Make scalars of the sizes that a Range of AffineGrid's body takes: an If gives them as tensors of one element."""
    sizes = {name for node in body.node if node.op_type == "If" for name in node.output}
    nodes: list[NodeProto] = []
    for node in body.node:
        if node.op_type == "Range":
            for place, name in enumerate(node.input):
                if name in sizes:
                    scalar, axes = f"{name}_scalar", f"{name}_axes"
                    nodes.append(helper.make_node("Constant", [], [axes], value_ints=[0]))
                    nodes.append(helper.make_node("Squeeze", [name, axes], [scalar]))
                    node.input[place] = scalar
        nodes.append(node)
    if len(nodes) > len(body.node):
        del body.node[:]
        body.node.extend(nodes)
