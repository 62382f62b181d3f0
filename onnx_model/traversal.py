"""What a model holds, subgraphs and model-local functions included: nodes, tensors, names."""

from collections.abc import Iterator, Sequence

from onnx import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
)


def subgraphs(node: NodeProto) -> list[tuple[str, GraphProto]]:
    """The graphs that a node carries, each with a key that is unique within the node."""
    found = []
    for attribute in node.attribute:
        kind = attribute.type
        if kind == AttributeProto.GRAPH:
            found.append((attribute.name, attribute.g))
        elif kind == AttributeProto.GRAPHS:
            found.extend((f"{attribute.name}[{index}]", graph) for index, graph in enumerate(attribute.graphs))
    return found


def read_names(node: NodeProto) -> set[str]:
    """Names that a node reads, its graphs included: for those, also names of values that they make themselves."""
    names = {name for name in node.input if name}
    for _, graph in subgraphs(node):
        names.update(value.name for value in graph.output if value.name)
        for inner in graph.node:
            names |= read_names(inner)
    return names


def all_graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The graph of a model and every subgraph, those inside model-local functions included; outer before inner."""
    yield model.graph
    bodies: list[GraphProto | FunctionProto] = [model.graph, *model.functions]
    for body in bodies:
        yield from _inner_graphs(body)


def all_nodes(body: ModelProto | GraphProto | FunctionProto) -> Iterator[NodeProto]:
    """Every node of a model, graph or function, in order, each before those of the subgraphs that it carries."""
    bodies: list[GraphProto | FunctionProto]
    bodies = [body.graph, *body.functions] if isinstance(body, ModelProto) else [body]
    for each in bodies:
        for node in each.node:
            yield node
            for _, graph in subgraphs(node):
                yield from all_nodes(graph)


def all_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor that a model stores, wherever one can stand.

    Initializers, the values and indices of sparse ones, and tensors in attributes; of the graph, of subgraphs and of
    model-local functions.
    """
    return tensors_in(list(all_graphs(model)), list(all_attributes(model)))


def tensors_in(graphs: Sequence[GraphProto], attributes: Sequence[AttributeProto]) -> Iterator[TensorProto]:
    """Every tensor that graphs, but not their nodes, and attributes store."""
    for graph in graphs:
        yield from graph.initializer
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
    for sparse in sparse_tensors_in(graphs, attributes):
        yield from (sparse.values, sparse.indices)


def sparse_tensors_in(
    graphs: Sequence[GraphProto], attributes: Sequence[AttributeProto]
) -> Iterator[SparseTensorProto]:
    """Every sparse tensor that graphs, but not their nodes, and attributes store."""
    for graph in graphs:
        yield from graph.sparse_initializer
    for attribute in attributes:
        if attribute.HasField("sparse_tensor"):
            yield attribute.sparse_tensor
        yield from attribute.sparse_tensors


def all_names(model: ModelProto) -> Iterator[str]:
    """The name of every value and node of a model, with repetitions."""
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.name
        yield from (tensor.name for tensor in graph.initializer)
        yield from (tensor.values.name for tensor in graph.sparse_initializer)
        yield from _names_of_nodes(graph)
    for function in model.functions:
        yield from (*function.input, *function.output)
        yield from _names_of_nodes(function)


def _names_of_nodes(body: GraphProto | FunctionProto) -> Iterator[str]:
    for node in body.node:
        yield node.name  # must be unique as well for ONNX Runtime
        yield from node.input
        yield from node.output


def _inner_graphs(body: GraphProto | FunctionProto) -> Iterator[GraphProto]:
    for node in body.node:
        carried = subgraphs(node)
        for _, graph in carried:
            yield graph
        for _, graph in carried:
            yield from _inner_graphs(graph)


def all_attributes(model: ModelProto) -> Iterator[AttributeProto]:
    """Every attribute of every node, and the defaults of those of model-local functions."""
    for node in all_nodes(model):
        yield from node.attribute
    for function in model.functions:
        yield from function.attribute_proto
