"""The IR version of a converted model, and what the model holds for it: graph inputs, imports, value_info."""

from collections.abc import Container, Iterable, MutableSequence, Sequence

import onnx
from onnx import FunctionProto, GraphProto, ModelProto, ValueInfoProto, helper

from zoosmith.onnx_model.ir_versions import INITIALIZERS_APART, lowered_ir, needed_ir, release_ir
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import initializer_names
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade.errors import OpsetError


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
    if ir is None:
        return lowered_ir(model, target)
    needed, feature = needed_ir(model)
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
    if model.ir_version < INITIALIZERS_APART <= ir:
        _drop(model.graph.input, [index for index, name in enumerate(inputs) if name in initializers])


def drop_inputs(model: ModelProto, names: Container[str]) -> None:
    """Remove inputs of a model that have become constants, by their names."""
    _drop(model.graph.input, [index for index, value in enumerate(model.graph.input) if value.name in names])


def set_ir(model: ModelProto, ir: int) -> None:
    """Give a model an IR version; below 4 its initializers become graph inputs."""
    model.ir_version = ir
    if ir < INITIALIZERS_APART:
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
