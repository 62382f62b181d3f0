"""The IR versions that a model asks for: those of its features, and the one that goes with its opset.

An IR version is chosen by what a reader must understand. Fields that a reader may skip (metadata, quantization
annotations, device hints) do not count. The versions at which features came are those that onnx.proto states.
"""

from collections.abc import Iterable, Iterator
from functools import cache

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, helper

from zoosmith.onnx_model.opsets import required_opset
from zoosmith.onnx_model.ports import element_type_name
from zoosmith.onnx_model.traversal import all_graphs, all_nodes, all_tensors

INITIALIZERS_APART = 4
"""The first IR version in which an initializer need not be a graph input."""

_ELEMENT_TYPES = {
    4: ("BFLOAT16",),
    9: ("FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"),
    10: ("UINT4", "INT4"),
    11: ("FLOAT4E2M1",),
    12: ("FLOAT8E8M0",),
    13: ("UINT2", "INT2"),
}
_TYPE_SINCE = {
    TensorProto.DataType.Value(name): ir
    for ir, names in _ELEMENT_TYPES.items()
    for name in names
    if name in TensorProto.DataType.keys()  # noqa: SIM118 - protobuf's wrapper has no `in`
}

_SPARSE_ATTRIBUTES = (AttributeProto.SPARSE_TENSOR, AttributeProto.SPARSE_TENSORS)

Need = tuple[int, str]
"""An IR version, and what a model has that came with it."""


@cache
def release_ir(opset: int) -> int:
    """The IR version of the first onnx release that had an opset; the newest for an opset that none had."""
    return min((row[1] for row in helper.VERSION_TABLE if row[2] >= opset), default=onnx.IR_VERSION)


def needed_ir(model: ModelProto) -> Need:
    """The lowest IR version that holds a model, and which of its features asks for it (empty for version 3 or less)."""
    return max([(3, ""), *_needs(model)], key=lambda need: need[0])


def lowered_ir(model: ModelProto, opset: int | None = None) -> int:
    """The IR version of a model, lowered to that of the release which brought its opset, where the model allows it.

    A runtime of that time knows all operators of the opset, and loads the file only if it knows the IR version, too.

    Args:
        model: with the IR version that it came with.
        opset: the opset that it is of; None for the one that it imports.

    Raises:
        ModelError: the model imports no opset of ONNX's own operators.
    """
    opset = required_opset(model) if opset is None else opset
    needed, _ = needed_ir(model)
    return max(needed, min(model.ir_version, release_ir(opset)))


def _needs(model: ModelProto) -> Iterator[Need]:
    graphs = list(all_graphs(model))
    if any(graph.initializer for graph in graphs[1:]):
        yield INITIALIZERS_APART, "initializers in subgraphs"
    if any(graph.sparse_initializer for graph in graphs) or _has_sparse_attributes(model):
        yield 6, "sparse tensors"
    if model.training_info:
        yield 7, "training information"
    yield from _function_needs(model.functions)
    for element_type in {tensor.data_type for tensor in all_tensors(model)}:
        yield _element_need(element_type)
    for graph in graphs:
        for value in _stated(graph):
            yield from _type_needs(value.type)


def _function_needs(functions: Iterable[FunctionProto]) -> Iterator[Need]:
    for function in functions:
        yield 8, "model-local functions"
        if function.attribute_proto:
            yield 9, "default values of function attributes"
        if function.overload:
            yield 10, "overloaded functions"


def _has_sparse_attributes(model: ModelProto) -> bool:
    return any(attribute.type in _SPARSE_ATTRIBUTES for node in all_nodes(model) for attribute in node.attribute)


def _stated(graph: GraphProto) -> Iterator[ValueInfoProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info


def _type_needs(value_type: TypeProto) -> Iterator[Need]:
    kind = value_type.WhichOneof("value")
    if kind == "tensor_type":
        yield _element_need(value_type.tensor_type.elem_type)
    elif kind == "sparse_tensor_type":
        yield 8, "values of sparse tensor type"
    elif kind == "optional_type":
        yield 8, "values of optional type"
        yield from _type_needs(value_type.optional_type.elem_type)
    elif kind == "sequence_type":
        yield from _type_needs(value_type.sequence_type.elem_type)


def _element_need(element_type: int) -> Need:
    since = _TYPE_SINCE.get(element_type, 0)
    return since, f"values of type {element_type_name(element_type)}" if since else ""
