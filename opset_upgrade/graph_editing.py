"""Changing the node list of a graph in place: nodes that stay are never copied."""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
from onnx import (
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import element_type_name
from zoosmith.onnx_model.traversal import read_names, subgraphs
from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.graph_facts import GraphFacts
from zoosmith.opset_upgrade.schemas import allowed_types

_GONE = float("inf")
_EXACT_DOUBLE = 1 << 53  # the largest integer up to which a double holds every one

_SHAPED_BY_INPUTS = frozenset(
    (
        *("Compress", "ConstantOfShape", "Expand", "Loop", "Range", "Reshape", "Resize", "Scan", "Slice", "Tile"),
        "Upsample",
    )
)

Replaced = Sequence[tuple[int, list[NodeProto]]]
"""Index of a node in the list, and the nodes that take its place (it may be among them)."""


def replace_nodes(body: GraphProto | FunctionProto, replaced: Replaced) -> None:
    """Put other nodes in the places of some; nodes that stay keep their messages, tensors and all."""
    nodes = body.node
    ranks: list[tuple[float, int]] = [(index, 0) for index in range(len(nodes))]
    for index, group in replaced:
        stays = nodes[index]
        ranks[index] = (_GONE, 0)
        for place, node in enumerate(group):
            if node is stays:
                ranks[index] = (index, place)
            else:
                nodes.append(node)
                ranks.append((index, place))
    # sorting moves pointers, where an insertion would copy the node with its tensors
    order = iter(ranks)
    nodes.sort(key=lambda _: next(order))
    del nodes[sum(rank[0] != _GONE for rank in ranks) :]


def place_constants(
    body: GraphProto | FunctionProto,
    tensors: Iterable[TensorProto],
    opset: int,
    fresh: Callable[[str], str],
    inner: Collection[str] = (),
) -> list[NodeProto]:
    """Give the body the constants that its new nodes read; returns the nodes to be put before all others.

    Constant nodes serve functions and every IR version. Where the opset's Constant does not take the type (before 9,
    integers), it becomes an initializer; in a function, which has none, a Constant of doubles and a Cast. So does what
    only graphs in nodes read, named in `inner`: below IR version 4, ONNX Runtime up to 1.8 finds no Constant node
    from there.

    Raises Refusal for a constant that can be stated in no such way.
    """
    made = []
    for tensor in tensors:
        nested = tensor.name in inner and isinstance(body, GraphProto)
        if not nested and f"tensor({element_type_name(tensor.data_type)})" in allowed_types("Constant", opset)["T"]:
            made.append(_constant_node(tensor, tensor.name))
        elif isinstance(body, GraphProto):
            body.initializer.append(tensor)
        else:
            made.extend(_cast_constant(tensor, opset, fresh))
    return made


def _constant_node(tensor: TensorProto, name: str) -> NodeProto:
    value = TensorProto()
    value.CopyFrom(tensor)
    value.ClearField("name")
    return helper.make_node("Constant", [], [name], value=value)


def _cast_constant(tensor: TensorProto, opset: int, fresh: Callable[[str], str]) -> list[NodeProto]:
    kind, array = element_type_name(tensor.data_type), numpy_helper.to_array(tensor)
    if array.dtype.kind not in "biu" or (array.size and max(-int(array.min()), int(array.max())) > _EXACT_DOUBLE):
        raise Refusal(f"a constant of {kind} cannot be stated in a function there")
    doubles = fresh(f"{tensor.name}/double")
    to = tensor.data_type if opset >= 6 else kind.upper()
    return [
        _constant_node(numpy_helper.from_array(array.astype(np.float64)), doubles),
        helper.make_node("Cast", [doubles], [tensor.name], to=to),
    ]


def open_shape(branch: GraphProto, index: int, condition: str, fresh: Callable[[str], str], *, taken_if: bool) -> None:
    """Pass an output of an If's branch through a Reshape of which inference cannot tell the shape.

    The Reshape copies every dimension: its shape is zeros. They are computed from the condition, since runtimes infer
    through constants, and even through the shape of the value.

    Args:
        branch: the graph; it gets new nodes and another name of its output, of which no type is stated.
        index: of the output.
        condition: the condition of the If, of one element.
        fresh: makes a name that the model does not use.
        taken_if: the value of the condition at which the branch is taken.
    """
    value, names = branch.output[index].name, [fresh(f"open/{hint}") for hint in ("flag", "zero", "shape", "zeros")]
    result = fresh("open")
    false = condition
    if taken_if:
        branch.node.append(helper.make_node("Not", [condition], [names[0]]))
        false = names[0]
    branch.node.append(helper.make_node("Cast", [false], [names[1]], to=TensorProto.INT64))
    branch.node.append(helper.make_node("Shape", [value], [names[2]]))
    branch.node.append(helper.make_node("Mul", [names[2], names[1]], [names[3]]))
    branch.node.append(helper.make_node("Reshape", [value, names[3]], [result]))
    branch.output[index].CopyFrom(ValueInfoProto(name=result))


def state_types(graph: GraphProto, facts: GraphFacts) -> None:
    """State the types of the values between the nodes, for readers whose schemas do not state them."""
    stated = {value.name for value in (*graph.input, *graph.output, *graph.value_info)}
    for node in graph.node:
        for name in node.output:
            found = facts.type(name) if name and name not in stated else None
            if found is not None:
                graph.value_info.add(name=name).type.CopyFrom(found)


def state_computed_shapes(graph: GraphProto, facts: GraphFacts) -> None:
    """State the shapes of what is shaped by sizes that other nodes compute.

    Inference in an old opset does not follow such sizes, not even to a rank; without one ONNX Runtime fuses nothing
    that comes after. Fixed sizes are stated, and symbols of the graph's inputs.
    """
    symbols = {size.dim_param for value in graph.input for size in value.type.tensor_type.shape.dim if size.dim_param}
    stated = {value.name for value in (*graph.output, *graph.value_info)}
    for node in graph.node:
        name = node.output[0] if node.output else ""
        if node.domain in DEFAULT_DOMAINS and node.op_type in _SHAPED_BY_INPUTS and name not in stated:
            found = facts.type(name)
            if found is not None and found.tensor_type.HasField("shape"):
                made = graph.value_info.add(name=name)
                made.type.CopyFrom(found)
                for size in made.type.tensor_type.shape.dim:
                    if size.dim_param and size.dim_param not in symbols:
                        size.Clear()


def state_output_shapes(graph: GraphProto, facts: GraphFacts) -> None:
    """State what is known of the shapes of tensors that the graph gives out without any, not even a rank.

    The checker requires one.
    """
    for value in graph.output:
        tensor = value.type.tensor_type
        if tensor.elem_type and not tensor.HasField("shape"):
            found = facts.type(value.name)
            if found is not None and found.tensor_type.HasField("shape"):
                tensor.shape.CopyFrom(found.tensor_type.shape)


def drop_unused(model: ModelProto, names: Iterable[str]) -> None:
    """Remove Constant nodes and initializers among `names` that nothing reads any more.

    An initializer that is a graph input stays: it belongs to what the model promises its caller.
    """
    candidates = set(names)
    if not candidates:
        return
    in_graph = candidates - _read(model.graph)
    if in_graph:
        _drop(model.graph, in_graph)
    for function in model.functions:
        _drop_from_function(function, candidates)


def _read(graph: GraphProto) -> set[str]:
    names = {value.name for value in graph.output}
    for node in graph.node:
        names.update(node.input)
        for _, inner in subgraphs(node):
            names |= _read(inner)
    return names


def _drop(graph: GraphProto, names: set[str]) -> None:
    _drop_nodes(graph, names)
    inputs = {value.name for value in graph.input}
    for index in reversed(range(len(graph.initializer))):
        name = graph.initializer[index].name
        if name in names and name not in inputs:
            del graph.initializer[index]


def _drop_from_function(function: FunctionProto, candidates: set[str]) -> None:
    """Drop what nothing reads; an integer constant is several nodes there (see `place_constants`)."""
    names = set(candidates)
    while True:
        read = set(function.output).union(*(read_names(node) for node in function.node))
        for index in reversed(range(len(function.node))):
            node = function.node[index]
            known = node.op_type in ("Constant", "Cast", "Identity") and not node.domain
            if known and names.issuperset(node.output) and read.isdisjoint(node.output):
                names.update(node.input)
                del function.node[index]
                break
        else:
            return


def _drop_nodes(body: GraphProto, names: set[str]) -> None:
    for index in reversed(range(len(body.node))):
        node = body.node[index]
        if node.op_type == "Constant" and not node.domain and names.issuperset(node.output):
            del body.node[index]
            continue
        for _, inner in subgraphs(node):
            _drop(inner, names)
