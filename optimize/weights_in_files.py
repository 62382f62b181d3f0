"""Large weights that stay in the file of their model: onnx-simplifier sees inputs in their places."""

from collections.abc import Mapping

from onnx import GraphProto, ModelProto, TensorProto, helper

from zoosmith.onnx_model.in_place import load_span, span_of
from zoosmith.onnx_model.traversal import all_tensors, read_names, subgraphs

_WITH_WEIGHTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def weights_in_file(graph: GraphProto) -> dict[str, TensorProto]:
    """The initializers of a graph whose data was left in its file, by name."""
    return {tensor.name: tensor for tensor in graph.initializer if span_of(tensor) is not None}


def with_inputs_for_weights(model: ModelProto) -> tuple[ModelProto, Mapping[str, TensorProto]]:
    """A copy of a model in which the weights that nothing folds are inputs; all other data in its file is loaded.

    Args:
        model: read in place; it is left as it was.

    Returns:
        The copy, and the weights by name.
    """
    in_file = weights_in_file(model.graph)
    folded = _folded(model.graph) if in_file else set()
    left = {name: tensor for name, tensor in in_file.items() if name not in folded}
    copy = ModelProto()
    copy.CopyFrom(model)
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name not in left)
    for tensor in all_tensors(copy):
        load_span(tensor)
    given = {value.name for value in model.graph.input}
    copy.graph.input.extend(
        helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        for name, tensor in left.items()
        if name not in given
    )
    return copy, left


def put_weights_back(graph: GraphProto, weights: Mapping[str, TensorProto], inputs: set[str]) -> None:
    """Make initializers of the inputs that stand for weights.

    Args:
        graph: what became of the copy.
        weights: by name.
        inputs: names of the inputs that the model has itself.
    """
    kept = [value for value in graph.input if value.name not in weights or value.name in inputs]
    del graph.input[:]
    graph.input.extend(kept)
    graph.initializer.extend(weights.values())


def _folded(graph: GraphProto) -> set[str]:
    """Names of initializers that become part of other constants, or may.

    Those that only constants are computed with, those of operators before a BatchNormalization, and those that
    subgraphs read.
    """
    constants = {tensor.name for tensor in graph.initializer}
    normalized = {node.input[0] for node in graph.node if node.op_type == "BatchNormalization"}
    found: set[str] = set()
    for node in graph.node:
        names = {name for name in node.input if name}
        if subgraphs(node):
            found |= read_names(node)
        elif names <= constants:
            found |= names
            constants.update(node.output)
        elif node.op_type in _WITH_WEIGHTS and not normalized.isdisjoint(node.output):
            found |= names
    return found
