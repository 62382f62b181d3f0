"""Inputs and outputs of a graph: names, types and shapes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from onnx import GraphProto, TensorProto, TypeProto, ValueInfoProto

from zoosmith.onnx_model.errors import ModelError

Dimension = int | str | None
"""A size, the name of a symbolic one, or None for one that is neither known nor named."""

# where ONNX's own name differs from numpy's
_NUMPY_NAMES = {"float32": "FLOAT", "float64": "DOUBLE"}
_KINDS = {"tensor_type": "tensor", "sequence_type": "sequence", "optional_type": "optional"}


@dataclass(frozen=True)
class Port:
    """One input or output of a graph.

    Attributes:
        name: of the value.
        kind: `tensor`, `sequence`, `optional`, the field name of another kind, or `untyped`.
        elem_type: the ONNX element type of the tensor (inside sequences and optionals too), or 0.
        shape: of the tensor; None where the model states no rank.
        required: whether a caller has to give it: an input that has no initializer.
    """

    name: str
    kind: str
    elem_type: int
    shape: tuple[Dimension, ...] | None
    required: bool = True


def input_ports(graph: GraphProto) -> list[Port]:
    """The inputs of a graph in their order, those with an initializer included (`required` is False for them).

    Args:
        graph: of a model, or a subgraph.
    """
    defaults = initializer_names(graph)
    return [port_of(value, required=value.name not in defaults) for value in graph.input]


def output_ports(graph: GraphProto) -> list[Port]:
    """The outputs of a graph in their order.

    Args:
        graph: of a model, or a subgraph.
    """
    return [port_of(value) for value in graph.output]


def required_inputs(graph: GraphProto) -> list[ValueInfoProto]:
    """The inputs of a graph that are not initializers."""
    defaults = initializer_names(graph)
    return [value for value in graph.input if value.name not in defaults]


def initializer_names(graph: GraphProto) -> set[str]:
    """Names of the initializers of a graph, sparse ones included."""
    names = {tensor.name for tensor in graph.initializer}
    return names | {tensor.values.name for tensor in graph.sparse_initializer}


def port_of(value: ValueInfoProto, *, required: bool = True) -> Port:
    """What a value_info states.

    Args:
        value: an input, an output or an inner value.
        required: what the port says of itself.
    """
    field = value.type.WhichOneof("value")
    kind, inner = _KINDS.get(field or "", field or "untyped"), value.type
    while inner.WhichOneof("value") in ("sequence_type", "optional_type"):
        inner = getattr(inner, inner.WhichOneof("value") or "").elem_type
    if inner.WhichOneof("value") != "tensor_type":
        return Port(value.name, kind, 0, None, required)
    return Port(value.name, kind, inner.tensor_type.elem_type, tensor_shape(inner), required)


def tensor_shape(value_type: TypeProto) -> tuple[Dimension, ...] | None:
    """The shape that a type states.

    Args:
        value_type: of a tensor, or of anything else.

    Returns:
        A number, the name of a symbol or None for each dimension; a negative size, by which some exporters write an
        unknown one, is None. None as a whole where the type states no rank, or is no tensor's.
    """
    if value_type.WhichOneof("value") != "tensor_type" or not value_type.tensor_type.HasField("shape"):
        return None
    return tuple(
        (dim.dim_value if dim.dim_value >= 0 else None) if dim.HasField("dim_value") else dim.dim_param or None
        for dim in value_type.tensor_type.shape.dim
    )


def fixed_sizes(shape: Iterable[Dimension] | None) -> tuple[int | None, ...] | None:
    """The shape with None for every dimension that is not a number."""
    return None if shape is None else tuple(size if isinstance(size, int) else None for size in shape)


def symbolic_sizes(ports: Iterable[Port]) -> list[str]:
    """Names of the symbolic dimensions of ports, in order of first appearance."""
    return list(dict.fromkeys(size for port in ports for size in port.shape or () if isinstance(size, str)))


@cache
def element_type_name(elem_type: int) -> str:
    """`float`, `int64`, …: the name by which schemas call an element type."""
    return TensorProto.DataType.Name(elem_type).lower()


def element_type(name: str) -> int:
    """The element type of a name, ONNX's or numpy's: `float`, `float32`, `int64`.

    Raises:
        ModelError: there is none of this name.
    """
    try:
        return TensorProto.DataType.Value(_NUMPY_NAMES.get(name, name.upper()))
    except ValueError as error:
        raise ModelError(f"{name!r} is no type; expected float32, int64, bool, ...") from error
