"""What every function relies on in a model that was read: checked once, when it is loaded.

Names are text, tensors have the data that type and shape take, element types are known, and every node comes after what
it reads. A negative size, by which some exporters write an unknown one, becomes an unknown one: onnx's shape inference
ends the process at it.
"""

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TypeProto,
)
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.in_place import span_of
from zoosmith.onnx_model.message_text import check_message
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import initializer_names
from zoosmith.onnx_model.tensor_data import ELEMENT_TYPES, MOST_DIMENSIONS, check_data, check_shape, stored_bytes
from zoosmith.onnx_model.traversal import (
    all_attributes,
    all_graphs,
    all_nodes,
    sparse_tensors_in,
    subgraphs,
    tensors_in,
)

_DIVISORS = frozenset({"strides", "dilations", "kernel_shape", "group", "num_groups", "blocksize"})
_AXES = frozenset({"axis", "axes"})
# kind of an attribute -> the field that holds its message
_MESSAGES = {
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.TYPE_PROTO: "tp",
}
_LISTS = {
    getattr(AttributeProto, kind.upper()): kind
    for kind in ("floats", "ints", "strings", "tensors", "graphs", "sparse_tensors", "type_protos")
}
_SINGLE = ("f", "i", "s", "t", "g", "sparse_tensor", "tp")
# nodes that the calls of model-local functions come to, as runtimes inline them
_MOST_INLINED = 1 << 20


def make_sound(model: ModelProto, content: bytes) -> None:
    """Check a model that was read, and clear negative sizes in it.

    Args:
        model: changed in place. Tensors whose data lies in files beside it are left to `external_data`.
        content: what it was parsed of.

    Raises:
        ModelError: it is damaged; the message says where.
    """
    check_message(model, content)
    # each of these goes through all nodes: it is done once
    graphs, nodes, attributes = list(all_graphs(model)), list(all_nodes(model)), list(all_attributes(model))
    for graph in graphs:
        for value in (*graph.input, *graph.output, *graph.value_info):
            _clear_negative_sizes(value.type, value.name)
    for function in model.functions:
        for value in function.value_info:
            _clear_negative_sizes(value.type, value.name)
    for node in nodes:
        if node.domain in DEFAULT_DOMAINS:
            _check_divisors(node)
            _check_axes(node)
            _check_counts(node)
    for attribute in attributes:
        _check_attribute(attribute)
    for tensor in tensors_in(graphs, attributes):
        _check_tensor(tensor)
    for sparse in sparse_tensors_in(graphs, attributes):
        _check_sparse(sparse)
    _check_order(model)
    _check_functions(model)


def _clear_negative_sizes(value_type: TypeProto, name: str) -> None:
    kind = value_type.WhichOneof("value")
    if kind in ("sequence_type", "optional_type"):
        _clear_negative_sizes(getattr(value_type, kind).elem_type, name)
    elif kind == "map_type":
        if value_type.map_type.key_type not in ELEMENT_TYPES:
            raise ModelError(f"value {name!r} is a map with keys of type {value_type.map_type.key_type}")
        _clear_negative_sizes(value_type.map_type.value_type, name)
    elif kind in ("tensor_type", "sparse_tensor_type"):
        tensor_type = getattr(value_type, kind)
        if tensor_type.elem_type and tensor_type.elem_type not in ELEMENT_TYPES:
            raise ModelError(f"value {name!r} is of element type {tensor_type.elem_type}, which onnx does not know")
        for size in tensor_type.shape.dim:
            if size.dim_value < 0:
                size.ClearField("dim_value")
        if len(tensor_type.shape.dim) > MOST_DIMENSIONS:
            raise ModelError(
                f"value {name!r} has {len(tensor_type.shape.dim)} dimensions; at most {MOST_DIMENSIONS} are supported"
            )


def _check_divisors(node: NodeProto) -> None:
    """Refuse sizes of 0 by which onnx's shape inference divides: the system ends the process at it."""
    for attribute in node.attribute:
        if attribute.name in _DIVISORS and min((*attribute.ints, attribute.i if attribute.HasField("i") else 1)) < 1:
            raise ModelError(
                f"node {node.name!r} ({node.op_type}) has the size 0, or a negative one, in {attribute.name}"
            )


def _check_axes(node: NodeProto) -> None:
    """Refuse axes that no tensor has: onnx's inference of LayerNormalization writes to memory that is not its own."""
    for attribute in node.attribute:
        if attribute.name in _AXES and max(map(abs, (*attribute.ints, attribute.i))) > MOST_DIMENSIONS:
            raise ModelError(
                f"node {node.name!r} ({node.op_type}) has {attribute.name} beyond the {MOST_DIMENSIONS} dimensions "
                "that a tensor may have"
            )


def _check_counts(node: NodeProto) -> None:
    """Refuse a Split into more parts than it has outputs: onnx's shape inference makes a list of all parts."""
    for attribute in node.attribute:
        if attribute.name == "num_outputs" and attribute.i > len(node.output):
            raise ModelError(
                f"node {node.name!r} ({node.op_type}) has num_outputs={attribute.i}, and {len(node.output)} outputs"
            )


def _check_attribute(attribute: AttributeProto) -> None:
    listed = _LISTS.get(attribute.type)
    if listed is not None and not getattr(attribute, listed) and any(map(attribute.HasField, _SINGLE)):
        raise ModelError(f"attribute {attribute.name!r} lacks the {listed!r} that its kind announces")
    field = _MESSAGES.get(attribute.type)
    if field is not None and not attribute.ref_attr_name and not attribute.HasField(field):
        raise ModelError(f"attribute {attribute.name!r} lacks the {field!r} that its kind announces")


def _check_tensor(tensor: TensorProto) -> None:
    if tensor.HasField("segment"):
        raise ModelError(f"tensor {tensor.name!r} is a segment of a larger one, which onnx does not read")
    span = span_of(tensor)
    if span is not None and span.length != stored_bytes(tensor):
        raise ModelError(
            f"tensor {tensor.name!r} has {span.length} bytes of data; its type and shape take {stored_bytes(tensor)}"
        )
    if not uses_external_data(tensor):
        check_data(tensor)


def _check_sparse(sparse: SparseTensorProto) -> None:
    """The shapes of the two tensors of a sparse one (onnx.proto, SparseTensorProto)."""
    name, count, rank = sparse.values.name, list(sparse.values.dims), len(sparse.dims)
    check_shape(sparse.dims, f"sparse tensor {name!r}")
    if sparse.indices.data_type != TensorProto.INT64:
        raise ModelError(f"sparse tensor {name!r} has indices of type {sparse.indices.data_type}, expected int64")
    if list(sparse.indices.dims) not in (count, [*count, rank]) or len(count) != 1:
        raise ModelError(
            f"sparse tensor {name!r} has values of shape {count}, indices of shape {list(sparse.indices.dims)}"
        )


def _check_order(model: ModelProto) -> None:
    _Order().check(model.graph)
    for function in model.functions:
        _Order().check(function)


class _Order:
    """Refuses nodes that read what only they or a later node make."""

    def __init__(self) -> None:
        self._made: set[str] = set()
        # names that nothing has made yet, with a node that reads them
        self._missing: dict[str, NodeProto] = {}

    def check(self, body: GraphProto | FunctionProto) -> None:
        """Check the nodes of a body, those of the graphs that they carry included."""
        added = _given_names(body) - self._made
        self._made |= added
        for node in body.node:
            for name in node.input:
                if name and name not in self._made:
                    self._missing.setdefault(name, node)
            for _, graph in subgraphs(node):
                self.check(graph)
            for name in node.output:
                self._refuse_late(name)
                if name and name not in self._made:
                    self._made.add(name)
                    added.add(name)
        self._made -= added

    def _refuse_late(self, name: str) -> None:
        reader = self._missing.get(name)
        if reader is not None:
            raise ModelError(
                f"node {reader.name!r} ({reader.op_type}) reads {name!r}, which it or a later node makes: "
                "the nodes are not in order, or form a cycle"
            )


def _given_names(body: GraphProto | FunctionProto) -> set[str]:
    """Names of the values that are there before any node runs."""
    if isinstance(body, FunctionProto):
        return set(body.input)
    return {value.name for value in body.input} | initializer_names(body)


def _check_functions(model: ModelProto) -> None:
    """Refuse functions of one name, that call themselves, or that together come to more nodes than anyone runs."""
    functions = {(each.domain, each.name, each.overload): each for each in model.functions}
    if len(functions) < len(model.functions):
        raise ModelError("two model-local functions have the same name")
    counts: dict[tuple[str, str, str], int] = {}
    under_way: set[tuple[str, str, str]] = set()

    def inlined(body: GraphProto | FunctionProto) -> int:
        return sum(called((node.domain, node.op_type, node.overload)) for node in all_nodes(body))

    def called(name: tuple[str, str, str]) -> int:
        if name not in functions:
            return 1
        if name in under_way:
            raise ModelError(f"the model-local function {name[1]!r} calls itself")
        if name not in counts:
            under_way.add(name)
            counts[name] = inlined(functions[name])
            under_way.remove(name)
        return counts[name]

    total = inlined(model.graph)
    if total > _MOST_INLINED:
        raise ModelError(
            f"its model-local functions come to {total:,} nodes where they are called; "
            f"at most {_MOST_INLINED:,} are read"
        )
