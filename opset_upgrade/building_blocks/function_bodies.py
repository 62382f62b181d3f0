"""The function bodies by which onnx's own schemas define operators."""

from typing import Any

from onnx import FunctionProto, NodeProto, TypeProto

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
