"""The history of ONNX's operator schemas, and what may be said of two neighbours in it."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from onnx import NodeProto, TypeProto, defs, helper
from onnx.defs import OpSchema

from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import element_type_name

NEWEST_OPSET: int = defs.onnx_opset_version()
"""The newest opset of the default domain that the installed onnx knows."""

ML_DOMAIN = "ai.onnx.ml"
"""ONNX's own domain of classical machine learning."""

NEWEST_VERSIONS: dict[str, int] = {
    "": NEWEST_OPSET,
    ML_DOMAIN: max(row[3] for row in helper.VERSION_TABLE),
}
"""The domains that are converted, each with the newest version that the installed onnx knows."""

WITH_GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""The operators whose attributes are graphs."""

_OPTIONAL = OpSchema.FormalParameterOption.Optional
_VARIADIC = OpSchema.FormalParameterOption.Variadic


def qualified(domain: str, operator: str) -> str:
    """The name by which an operator is looked up: `Conv`, or with its domain in front, `ai.onnx.ml.Scaler`."""
    return operator if domain in DEFAULT_DOMAINS else f"{domain}.{operator}"


def operator_of(node: NodeProto) -> str:
    """The name by which the operator of a node is looked up."""
    return node.op_type if node.domain in DEFAULT_DOMAINS else f"{node.domain}.{node.op_type}"


def operator_name(schema: OpSchema) -> str:
    """The name by which the operator of a schema is looked up."""
    return qualified(schema.domain, schema.name)


@cache
def history() -> dict[str, tuple[OpSchema, ...]]:
    """Every operator of the domains that are converted with its schemas, oldest first, by its qualified name."""
    gathered: dict[str, list[OpSchema]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain in NEWEST_VERSIONS:
            gathered.setdefault(operator_name(schema), []).append(schema)
    return {name: tuple(sorted(gathered[name], key=lambda schema: schema.since_version)) for name in sorted(gathered)}


@cache
def schema_at(operator: str, opset: int) -> OpSchema | None:
    """The schema of `operator` that is in force at `opset`; None if the operator is unknown or deprecated there."""
    found = None
    for schema in history().get(operator, ()):
        if schema.since_version <= opset:
            found = schema
    return None if found is None or found.deprecated else found


@cache
def schema_before(operator: str, since: int) -> OpSchema | None:
    """The schema that the one of version `since` replaced, None if there was none."""
    return schema_at(operator, since - 1)


@cache
def defaults(operator: str, opset: int) -> dict[str, Any]:
    """Default values of the attributes of `operator` at `opset`, for those that have one."""
    schema = schema_at(operator, opset)
    if schema is None:
        return {}
    return {
        name: helper.get_attribute_value(attribute.default_value)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.name
    }


@cache
def allowed_types(operator: str, opset: int) -> dict[str, frozenset[str]]:
    """Type strings such as `tensor(float)` that each type parameter of `operator` may take at `opset`."""
    schema = schema_at(operator, opset)
    if schema is None:
        return {}
    return {c.type_param_str: frozenset(c.allowed_type_strs) for c in schema.type_constraints}


def formals(
    parameters: Sequence[OpSchema.FormalParameter], names: Sequence[str]
) -> Iterator[tuple[OpSchema.FormalParameter, str]]:
    """Pair each non-empty actual name with its formal parameter; the last variadic one takes all that follow."""
    for index, name in enumerate(names):
        if not name or not parameters:
            continue
        formal = parameters[min(index, len(parameters) - 1)]
        if index < len(parameters) or formal.option == _VARIADIC:
            yield formal, name


def parameter_types(operator: str, opset: int, formal: OpSchema.FormalParameter) -> frozenset[str]:
    """The type strings that one formal parameter may take at `opset`."""
    return allowed_types(operator, opset).get(formal.type_str, frozenset({formal.type_str}))


def is_optional(formal: OpSchema.FormalParameter) -> bool:
    """Whether a node may leave the parameter out."""
    return formal.option in (_OPTIONAL, _VARIADIC)


def type_string(value_type: TypeProto) -> str | None:
    """`tensor(float)`, `seq(tensor(int64))` ...: the string by which schemas call a type; None if it is incomplete."""
    element_type = value_type.tensor_type.elem_type  # 0 for what is no tensor
    if element_type:
        return _tensor_string(element_type)
    kind = value_type.WhichOneof("value")
    if kind == "sparse_tensor_type" and value_type.sparse_tensor_type.elem_type:
        return f"sparse_tensor({element_type_name(value_type.sparse_tensor_type.elem_type)})"
    if kind in ("sequence_type", "optional_type"):
        inner = type_string(getattr(value_type, kind).elem_type)
        return inner and f"{'seq' if kind == 'sequence_type' else 'optional'}({inner})"
    if kind == "map_type":
        inner = type_string(value_type.map_type.value_type)
        return inner and f"map({element_type_name(value_type.map_type.key_type)},{inner})"
    return None


@cache
def _tensor_string(element_type: int) -> str:
    return f"tensor({element_type_name(element_type)})"
