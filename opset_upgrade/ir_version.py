"""The IR version of a converted model, and what the model holds for it: graph inputs, imports, value_info.

An IR version is chosen by what a reader must understand. Fields that a reader may skip (metadata, quantization
annotations, device hints) do not count. The versions at which features came are those that onnx.proto states.
"""

from collections.abc import Container, Iterable, Iterator, MutableSequence, Sequence
from functools import cache

import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, TensorProto, TypeProto, ValueInfoProto, helper

from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import element_type_name, initializer_names
from zoosmith.onnx_model.traversal import all_graphs, all_nodes, all_tensors
from zoosmith.opset_upgrade.errors import OpsetError

_INITIALIZERS_APART = 4
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
    if name in TensorProto.DataType.keys()  # noqa: SIM118
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


def choose_ir(model: ModelProto, source: int, target: int, ir: int | None) -> int:
    """The IR version of a converted model: it follows the target opset, and is never below what the model needs.

    Args:
        model: converted, still with the IR version that it came with.
        source: the opset that it came from.
        target: the opset that it is of; where it is `source`, the IR version stays.
        ir: the IR version that is asked for, if any.

    Raises:
        OpsetError: `ir` does not hold what the model has, or does not exist.
    """
    if ir is not None and ir > onnx.IR_VERSION:
        raise OpsetError(f"IR version {ir} does not exist: give one up to {onnx.IR_VERSION}, the newest of this onnx")
    if ir is None and source == target:
        return model.ir_version
    if ir is None and target > source:
        return max(model.ir_version, release_ir(target))
    needed, feature = needed_ir(model)
    if ir is None:
        return max(needed, min(model.ir_version, release_ir(target)))
    if ir < needed:
        raise OpsetError(f"IR version {ir} does not hold {feature}, which came with IR version {needed}")
    return ir


def free_initializers(model: ModelProto, ir: int, inputs: Sequence[str], initializers: set[str]) -> None:
    """Remove initializers from the graph inputs of a model from below IR 4 that is raised: they were constants.

    Args:
        model: the model, with the IR version that it came with.
        ir: the IR version that it gets.
        inputs: the names of its inputs.
        initializers: the names of the initializers that it came with.
    """
    if model.ir_version < _INITIALIZERS_APART <= ir:
        _drop(model.graph.input, [index for index, name in enumerate(inputs) if name in initializers])


def drop_inputs(model: ModelProto, names: Container[str]) -> None:
    """Remove inputs of a model that have become constants, by their names."""
    _drop(model.graph.input, [index for index, value in enumerate(model.graph.input) if value.name in names])


def set_ir(model: ModelProto, ir: int) -> None:
    """Give a model an IR version; below 4 its initializers become graph inputs."""
    model.ir_version = ir
    if ir < _INITIALIZERS_APART:
        given = {value.name for value in model.graph.input}
        for tensor in model.graph.initializer:
            if tensor.name not in given:
                made = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
                model.graph.input.append(made)


def drop_unused_imports(model: ModelProto) -> None:
    """Remove imports of domains that no node and no model-local function is of."""
    functions = {function.domain for function in model.functions}
    bodies: list[ModelProto | FunctionProto] = [model, *model.functions]
    for body in bodies:
        if all(entry.domain in DEFAULT_DOMAINS for entry in body.opset_import):
            continue
        used = {node.domain for node in all_nodes(body)} | (functions if body is model else set())
        for index in reversed(range(len(body.opset_import))):
            domain = body.opset_import[index].domain
            if domain not in DEFAULT_DOMAINS and domain not in used:
                del body.opset_import[index]


def drop_stale_types(graphs: Iterable[GraphProto]) -> None:
    """Remove value_info of values that no longer exist."""
    for graph in graphs:
        made = {name for node in graph.node for name in node.output} | initializer_names(graph)
        made |= {value.name for value in graph.input}
        _drop(graph.value_info, [index for index, value in enumerate(graph.value_info) if value.name not in made])


def _drop(values: MutableSequence[ValueInfoProto], indices: list[int]) -> None:
    """Remove values by their indices, which rise; in whole runs, from the last: what stays is moved, not copied."""
    while indices:
        last = first = indices.pop()
        while indices and indices[-1] == first - 1:
            first = indices.pop()
        del values[first : last + 1]


def _needs(model: ModelProto) -> Iterator[Need]:
    graphs = list(all_graphs(model))
    if any(graph.initializer for graph in graphs[1:]):
        yield _INITIALIZERS_APART, "initializers in subgraphs"
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
