"""Shape inference of the whole model without its weights."""

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, shape_inference

from opset_upgrade.nodes import subgraphs
from opset_upgrade.scope import SMALL

Path = tuple[str, ...]
"""Where a graph lies: empty for the main graph, then the node's index and the attribute, level by level."""


def infer_types(model: ModelProto) -> dict[Path, dict[str, TypeProto]]:
    """Types of the values of every graph of the model, as far as they are stated or onnx's inference finds them.

    The inference runs on a copy in which large tensors have their type and shape but no data.
    """
    bare = ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    _copy_bare(model.graph, bare.graph)
    try:
        inferred = shape_inference.infer_shapes(bare, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError, ValueError):  # then the stated types are all there is
        inferred = bare
    found: dict[Path, dict[str, TypeProto]] = {}
    _gather(inferred.graph, (), found)
    return found


def _copy_bare(graph: GraphProto, bare: GraphProto) -> None:
    bare.name = graph.name
    bare.input.extend(graph.input)
    bare.output.extend(graph.output)
    bare.value_info.extend(graph.value_info)
    for tensor in graph.initializer:
        _copy_tensor(tensor, bare.initializer.add())
    for sparse in graph.sparse_initializer:
        made = bare.sparse_initializer.add(dims=sparse.dims)
        _copy_tensor(sparse.values, made.values)
        _copy_tensor(sparse.indices, made.indices)
    for node in graph.node:
        _copy_node(node, bare.node.add())


def _copy_node(node: NodeProto, bare: NodeProto) -> None:
    if not any(a.HasField("t") or a.HasField("g") or a.graphs or a.tensors for a in node.attribute):
        bare.CopyFrom(node)
        return
    bare.name, bare.op_type, bare.domain, bare.overload = node.name, node.op_type, node.domain, node.overload
    bare.input.extend(node.input)
    bare.output.extend(node.output)
    for attribute in node.attribute:
        made = bare.attribute.add()
        if attribute.HasField("t"):
            made.name, made.type = attribute.name, attribute.type
            _copy_tensor(attribute.t, made.t)
        elif attribute.HasField("g"):
            made.name, made.type = attribute.name, attribute.type
            _copy_bare(attribute.g, made.g)
        else:
            made.CopyFrom(attribute)


def _copy_tensor(tensor: TensorProto, bare: TensorProto) -> None:
    size = 1
    for dimension in tensor.dims:
        size *= dimension
    if size <= SMALL:
        bare.CopyFrom(tensor)
        return
    bare.name, bare.data_type = tensor.name, tensor.data_type
    bare.dims.extend(tensor.dims)
    bare.data_location = TensorProto.EXTERNAL  # data that inference may not ask for


def _gather(graph: GraphProto, path: Path, found: dict[Path, dict[str, TypeProto]]) -> None:
    types = found.setdefault(path, {})
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.WhichOneof("value"):
            types[value.name] = value.type
    for index, node in enumerate(graph.node):
        for key, inner in subgraphs(node):
            _gather(inner, (*path, str(index), key), found)
