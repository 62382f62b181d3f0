"""What a model says beside what it computes: metadata, documentation and training information."""

from typing import Any

from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnx.numpy_helper import to_array

from zoosmith.optimize.errors import OptimizeError


def keep_annotations(original: ModelProto, result: ModelProto) -> None:
    """Put back, in place, what the engines drop.

    A node that makes the same value by the same operator, or has the same name and operator, keeps its metadata and its
    documentation; so do values and initializers of the same name.

    Args:
        original: the model that `result` was made of.
        result: the changed one.

    Raises:
        OptimizeError: training information is of an initializer that is no longer what it was.
    """
    given, graph = original.graph, result.graph
    _keep_metadata(given, graph)
    _keep_of_nodes(given, graph)
    for of_given, of_result in ((_values(given), _values(graph)), (given.initializer, graph.initializer)):
        known = {entry.name: entry for entry in of_given}
        for entry in of_result:
            if entry.name in known:
                _keep_metadata(known[entry.name], entry)
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    if not graph.quantization_annotation:
        kept = [each for each in given.quantization_annotation if each.tensor_name in names]
        graph.quantization_annotation.extend(kept)
    _keep_training(original, result)


def _values(graph: GraphProto) -> list[Any]:
    return [*graph.input, *graph.output, *graph.value_info]


def _keep_of_nodes(given: GraphProto, graph: GraphProto) -> None:
    by_output = {(node.op_type, node.output[0]): node for node in given.node if node.output}
    by_name = {(node.op_type, node.name): node for node in given.node if node.name}
    for node in graph.node:
        first = node.output[0] if node.output else ""
        found = by_output.get((node.op_type, first)) or by_name.get((node.op_type, node.name))
        if found is not None:
            _keep_metadata(found, node)
            _keep_doc(found, node)


def _keep_metadata(given: Any, result: Any) -> None:
    if not result.metadata_props:
        result.metadata_props.extend(given.metadata_props)


def _keep_doc(given: NodeProto, result: NodeProto) -> None:
    if given.HasField("doc_string") and not result.doc_string:
        result.doc_string = given.doc_string


def _keep_training(original: ModelProto, result: ModelProto) -> None:
    if not original.training_info or result.training_info:
        return
    before = {tensor.name: tensor for tensor in original.graph.initializer}
    after = {tensor.name: tensor for tensor in result.graph.initializer}
    for info in original.training_info:
        read = {name for node in info.algorithm.node for name in node.input}
        bound = {entry.key for entry in (*info.initialization_binding, *info.update_binding)}
        for name in sorted((read | bound) & before.keys()):
            if name not in after or not _same(before[name], after[name]):
                raise OptimizeError(
                    f"its training information is of initializer {name!r}, which becomes part of another one; "
                    "take the training information out of the model first"
                )
    result.training_info.extend(original.training_info)


def _same(one: TensorProto, other: TensorProto) -> bool:
    if one.external_data or other.external_data:
        return list(one.external_data) == list(other.external_data)
    same = one.data_type == other.data_type and one.dims == other.dims
    return same and to_array(one).tobytes() == to_array(other).tobytes()
