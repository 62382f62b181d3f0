"""Whether a node has what the schema of its operator requires: rules read those inputs and attributes unasked."""

from functools import cache
from typing import Any

from onnx import AttributeProto, NodeProto
from onnx.defs import OpSchema

from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.schemas import operator_of, schema_at


def check_inputs(node: NodeProto, opset: int) -> None:
    """Raise Refusal if the node leaves out an input that its operator requires at `opset`."""
    for index, name in _required_inputs(operator_of(node), opset):
        if index >= len(node.input) or not node.input[index]:
            raise Refusal(f"its input {name} is missing, which the operator requires")


def check_attributes(node: NodeProto, opset: int) -> None:
    """Raise Refusal if an attribute is missing or of another kind than its operator declares at `opset`."""
    required, kinds = _declared_attributes(operator_of(node), opset)
    for attribute in node.attribute:
        kind = kinds.get(attribute.name)
        if kind is not None and attribute.type != kind:
            found, wanted = (_kind_name(each) for each in (attribute.type, kind))
            raise Refusal(f"its attribute {attribute.name} is of kind {found}, where the operator takes {wanted}")
    missing = required.difference(attribute.name for attribute in node.attribute)
    if missing:
        raise Refusal(f"its attribute {min(missing)} is missing, which the operator requires")


@cache
def _required_inputs(operator: str, opset: int) -> tuple[tuple[int, str], ...]:
    schema = schema_at(operator, opset)
    if schema is None:
        return ()
    option = OpSchema.FormalParameterOption
    return tuple(
        (index, formal.name)
        for index, formal in enumerate(schema.inputs)
        if formal.option == option.Single or (formal.option == option.Variadic and formal.min_arity > 0)
    )


@cache
def _declared_attributes(operator: str, opset: int) -> tuple[frozenset[str], dict[str, int]]:
    """Names of the required attributes, and the kind of every attribute."""
    schema = schema_at(operator, opset)
    if schema is None:
        return frozenset(), {}
    required = frozenset(name for name, attribute in schema.attributes.items() if attribute.required)
    declared: dict[str, Any] = dict(schema.attributes)  # onnx's type stubs leave out that its enums are integers
    return required, {name: int(attribute.type) for name, attribute in declared.items()}


def _kind_name(kind: int) -> str:
    return AttributeProto.AttributeType.Name(kind).lower()
