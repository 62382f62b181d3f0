"""Types of values, by onnx's shape inference: of a whole model without its weights, and of a single node."""

from collections.abc import Callable, Collection, Mapping
from math import prod

import numpy as np
from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)
from onnx.defs import OpSchema

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import CONTRIB_DOMAIN
from zoosmith.onnx_model.shape_inference import INFERENCE_ERRORS, infer_node_outputs, infer_shapes
from zoosmith.onnx_model.traversal import read_names, subgraphs
from zoosmith.opset_upgrade.constant_folding import SMALL
from zoosmith.opset_upgrade.node_editing import find_attribute, get_attribute
from zoosmith.opset_upgrade.schemas import ML_DOMAIN, NEWEST_OPSET, formals, history, operator_of, schema_at

_DATA_ELEMENTS = 1 << 10  # constant inputs up to this size are given to shape inference, which reads some of them

_TYPED_LIKE_INPUT = {
    *("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"),
    *("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"),
}
"""Operators that onnx's inference does not know, whose first output has the type of the first input."""

_PLAIN_ATTRIBUTES = frozenset(
    getattr(AttributeProto, name) for name in ("FLOAT", "INT", "STRING", "FLOATS", "INTS", "STRINGS")
)
"""Kinds of attributes that hold no tensor, and no graph that may hold one."""

Path = tuple[str, ...]
"""Where a graph lies: empty for the main graph, then the node's index and the attribute, level by level."""


def infer_types(model: ModelProto, defaults: Collection[str] = ()) -> dict[Path, dict[str, TypeProto]]:
    """Types of the values of every graph of the model, as far as they are stated or onnx's inference finds them.

    The inference runs on a copy in which large tensors have their type and shape but no data. Of initializers that the
    caller may override, only those named in `defaults` count as constants.
    """
    bare = without_weights(model)
    if model.ir_version >= 4:
        # what the caller may override at run time tells nothing of shapes
        for index in reversed(range(len(bare.graph.input) if defaults else 0)):
            if bare.graph.input[index].name in defaults:
                del bare.graph.input[index]
        inputs = {value.name for value in bare.graph.input}
        kept = [tensor for tensor in bare.graph.initializer if tensor.name not in inputs]
        del bare.graph.initializer[:]
        bare.graph.initializer.extend(kept)
    try:
        inferred = infer_shapes(bare)
    except INFERENCE_ERRORS:  # then the stated types are all there is
        inferred = bare
    found: dict[Path, dict[str, TypeProto]] = {}
    _gather(inferred.graph, (), found)
    scans = [node for node in bare.graph.node if node.op_type == "Scan" and not node.domain]
    if any(_state_scan_inputs(node, found[()].get) for node in scans):
        return infer_types(bare, defaults)
    return found


def without_weights(model: ModelProto) -> ModelProto:
    """A copy of a model in which large tensors have their type and shape but no data; without its metadata."""
    bare = ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    _copy_bare(model.graph, bare.graph)
    for function in bare.functions:
        _leave_products_open(function)
    return bare


def infer_outputs(
    node: NodeProto,
    opset: int,
    type_of: Callable[[str], TypeProto | None],
    value_of: Callable[[str], np.ndarray | None],
) -> Mapping[str, TypeProto]:
    """Types of the node's outputs as far as its schema at `opset` tells them."""
    if node.domain == ML_DOMAIN:
        return _stated_types(history().get(operator_of(node), (None,))[-1], node, {})
    schema = schema_at(node.op_type, min(opset, NEWEST_OPSET)) if not node.domain else None
    if schema is None or subgraphs(node):
        return {}
    if node.op_type == "Cast" and opset < 6:  # the name of the type, which inference does not read
        node, opset = _cast_of_opset_6(node), 6
        schema = schema_at("Cast", 6) or schema
    types = {name: found for name in node.input if name and (found := type_of(name)) is not None}
    data = _small_inputs(types, value_of)
    for newer in history()[node.op_type]:
        if newer.since_version < schema.since_version or newer.deprecated:
            continue
        try:
            inferred = infer_node_outputs(newer, node, types, data, opset)
        # few facts, an old form, or a type that is none
        except INFERENCE_ERRORS:
            continue
        known = {name: found for name, found in inferred.items() if found.WhichOneof("value")}
        if _gives_products(node) and node.output[3] in known:
            for seen in known[node.output[3]].tensor_type.shape.dim[-1:]:
                seen.Clear()
        if known:  # else an old schema that has no inference: the next newer one tells the same
            return known
    return _stated_types(schema, node, types)


def _stated_types(schema: OpSchema | None, node: NodeProto, types: Mapping[str, TypeProto]) -> dict[str, TypeProto]:
    """Element types of the tensors that a node makes, where its schema fixes them or gives them those of inputs."""
    if schema is None:
        return {}
    parameters = {formal.type_str: types[name] for formal, name in formals(schema.inputs, node.input) if name in types}
    found = {}
    for formal, name in formals(schema.outputs, node.output):
        like = parameters.get(formal.type_str)
        if like is not None and like.HasField("tensor_type"):
            found[name] = TypeProto(tensor_type=TypeProto.Tensor(elem_type=like.tensor_type.elem_type))
        elif formal.type_str == "tensor(float)":
            found[name] = TypeProto(tensor_type=TypeProto.Tensor(elem_type=TensorProto.FLOAT))
    return found


def _small_inputs(
    types: Mapping[str, TypeProto], value_of: Callable[[str], np.ndarray | None]
) -> dict[str, TensorProto]:
    """The small constants among inputs, which shape inference may want to read."""
    data = {}
    for name, found in types.items():
        if prod(abs(d.dim_value) for d in found.tensor_type.shape.dim) <= _DATA_ELEMENTS:
            value = value_of(name)
            if value is not None:
                data[name] = numpy_helper.from_array(value, name)
    return data


def _cast_of_opset_6(node: NodeProto) -> NodeProto:
    made = NodeProto(op_type="Cast", input=node.input, output=node.output)
    to = get_attribute(node, "to", b"")
    kind = element_type_named(to) if isinstance(to, bytes) else to
    made.attribute.append(helper.make_attribute("to", kind))
    return made


def element_type_named(name: bytes) -> int:
    """The element type that an old Cast names, in capitals or not; 0 where it is none."""
    return dict(TensorProto.DataType.items()).get(name.decode(errors="replace").upper(), 0)


def infer_node(
    node: NodeProto,
    opset: int,
    type_of: Callable[[str], TypeProto | None],
    value_of: Callable[[str], np.ndarray | None],
) -> dict[Path, dict[str, TypeProto]]:
    """Types of what a node with graphs makes (at the empty path) and of the values in its graphs (at its key)."""
    return {path[1:]: types for path, types in infer_types(_alone(node, opset, type_of, value_of)).items()}


def fault_of(
    node: NodeProto,
    opset: int,
    type_of: Callable[[str], TypeProto | None],
    value_of: Callable[[str], np.ndarray | None],
) -> str | None:
    """Why onnx's inference refuses a node with these inputs and results; None where it finds no fault."""
    alone = _alone(node, opset, type_of, value_of)
    for name in dict.fromkeys(filter(None, node.output)):
        known = type_of(name)
        if known is not None:
            alone.graph.value_info.append(ValueInfoProto(name=name, type=known))
    try:
        infer_shapes(alone, check_type=True, strict_mode=True)
    except INFERENCE_ERRORS as error:
        return first_line(error).rpartition("Error] ")[2]
    return None


def _alone(
    node: NodeProto,
    opset: int,
    type_of: Callable[[str], TypeProto | None],
    value_of: Callable[[str], np.ndarray | None],
) -> ModelProto:
    """A model of one node, with what is known of its inputs."""
    alone = ModelProto(ir_version=10, opset_import=[helper.make_opsetid("", opset)])
    alone.graph.name = "alone"
    alone.graph.node.append(node)
    for name in sorted(read_names(node)):
        known, value = type_of(name), value_of(name)
        if value is not None:
            alone.graph.initializer.append(numpy_helper.from_array(value, name))
        if known is not None:
            alone.graph.input.append(ValueInfoProto(name=name, type=known))
    return alone


def _state_scan_inputs(node: NodeProto, type_of: Callable[[str], TypeProto | None]) -> bool:
    """Give the inputs of a Scan's body the types that the node's inputs have; returns whether there was one to give.

    Inference finds them, but does not tell them. A Scan of opset 8 has a batch axis: it is left alone.
    """
    body = next((graph for key, graph in subgraphs(node) if key == "body"), None)
    if body is None or len(body.input) != len(node.input):
        return False
    attributes = [find_attribute(node, name) for name in ("num_scan_inputs", "scan_input_axes")]
    if any(attribute is not None and attribute.ref_attr_name for attribute in attributes):
        return False
    scanned = get_attribute(node, "num_scan_inputs", 0)
    if not isinstance(scanned, int) or not 0 <= scanned <= len(node.input):
        return False
    axes = get_attribute(node, "scan_input_axes", [0] * scanned)
    states = len(node.input) - scanned
    given = False
    for index, (name, value) in enumerate(zip(node.input, body.input, strict=True)):
        known = type_of(name)
        if known is None or value.type.WhichOneof("value") or not known.tensor_type.HasField("shape"):
            continue
        value.type.CopyFrom(known)
        if index >= states:
            del value.type.tensor_type.shape.dim[axes[index - states]]
        given = True
    return given


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
    plain: list[NodeProto] = []  # copied together
    for node in graph.node:
        if not node.domain and all(attribute.type in _PLAIN_ATTRIBUTES for attribute in node.attribute):
            plain.append(node)
            continue
        bare.node.extend(plain)
        plain.clear()
        _copy_node(node, bare.node.add())
    bare.node.extend(plain)
    _leave_products_open(bare)


def _gives_products(node: NodeProto) -> bool:
    """Whether a node is an Attention that gives its products of queries and keys, too."""
    return node.op_type == "Attention" and not node.domain and len(node.output) > 3 and bool(node.output[3])


def _leave_products_open(body: GraphProto | FunctionProto) -> None:
    """Keep onnx's inference from the number of keys in the products that an Attention gives.

    Where it does not know that number it states 0, or the number without the past keys. An operator that no schema has
    makes the products here, of which type and rank are known.
    """
    if not any(_gives_products(node) for node in body.node):
        return
    nodes: list[NodeProto] = []
    for node in body.node:
        nodes.append(node)
        if _gives_products(node):
            products = node.output[3]
            any_type, any_rank, sizes = (f"{products}/{part}" for part in ("any_type", "any_rank", "sizes"))
            del node.output[3:]
            nodes += [
                helper.make_node("ProductsOfAttention", node.input[:2], [any_type]),
                helper.make_node("CastLike", [any_type, node.input[0]], [any_rank]),
                helper.make_node("Constant", [], [sizes], value_ints=[0, 0, 0, -1]),
                helper.make_node("Reshape", [any_rank, sizes], [products]),
            ]
    copied = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del body.node[:]
    body.node.extend(copied)


def _copy_node(node: NodeProto, bare: NodeProto) -> None:
    if node.domain == CONTRIB_DOMAIN and node.op_type in _TYPED_LIKE_INPUT:
        bare.op_type, bare.input[:], bare.output[:] = "Identity", node.input[:1], node.output[:1]
        return
    if node.domain == CONTRIB_DOMAIN and node.op_type == "FusedConv":
        bare.op_type, bare.input[:], bare.output[:] = "Conv", node.input[:3], node.output[:1]
        bare.attribute.extend(each for each in node.attribute if not each.name.startswith("activation"))
        return
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
        stated = value.type
        if stated.WhichOneof("value"):
            types[value.name] = stated
    for index, node in enumerate(graph.node):
        for key, inner in subgraphs(node):
            _gather(inner, (*path, str(index), key), found)
