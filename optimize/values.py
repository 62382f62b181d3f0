"""What passes ask of the nodes and values of an onnx-ir model, and how they put new ones in."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS


def opset(model: ir.Model) -> int:
    """The version of ONNX's own operators that the model imports."""
    return max(model.opset_imports.get(domain, 0) for domain in DEFAULT_DOMAINS)


def is_standard(node: ir.Node, *op_types: str) -> bool:
    """Whether the node is one of these operators of ONNX's own domain."""
    return node.op_type in op_types and node.domain in DEFAULT_DOMAINS


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """The value of an attribute; `default` where the node has none of this name."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def constant(value: ir.Value | None) -> Array | None:
    """The array of an initializer; None for other values."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()


def pads(node: ir.Node) -> bool:
    """Whether a convolution or pooling puts padding around its input, or may do so."""
    return any(attribute(node, "pads", ())) or attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID")


def input_constant(node: ir.Node, index: int) -> Array | None:
    """The array of the initializer that an input of the node is; None for other inputs and missing ones."""
    return constant(input_value(node, index))


def input_value(node: ir.Node, index: int) -> ir.Value | None:
    """An input of the node; None where it is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def has_float_constants(node: ir.Node) -> bool:
    """Whether all inputs but the first are float32 initializers or left out."""
    values = [constant(value) for value in node.inputs[1:] if value is not None]
    return all(value is not None and value.dtype == np.float32 for value in values)


def sizes(value: ir.Value | None) -> tuple[int | None, ...] | None:
    """The shape of a value, None for each size that is not a number; None for a value of unknown rank."""
    if value is None or value.shape is None:
        return None
    return tuple(size if isinstance(size, int) else None for size in value.shape)


def name_of(value: ir.Value) -> str:
    """The name of a value of a graph; every value has one there."""
    assert value.name is not None
    return value.name


def only_reader(value: ir.Value) -> ir.Node | None:
    """The node that reads a value, where it reads it once and nothing else does, nor a subgraph, nor a graph output."""
    uses = tuple(value.uses())
    if len(uses) != 1 or value.is_graph_output() or uses[0].node.graph is not value.graph:
        return None
    return uses[0].node


def read_values(node: ir.Node) -> Iterator[ir.Value]:
    """The values that a node reads, and those that the nodes of its subgraphs read, with repetitions."""
    yield from (value for value in node.inputs if value is not None)
    for found in node.attributes.values():
        graphs = {ir.AttributeType.GRAPH: [found.value], ir.AttributeType.GRAPHS: found.value}.get(found.type, ())
        for graph in graphs:
            for inner in graph:
                yield from read_values(inner)


def new_names(model: ir.Model) -> Names:
    """Names for new values that nothing in the model has, subgraphs and functions included."""
    return Names(onnx.ModelProto(), _taken(model))


def _taken(model: ir.Model) -> Iterator[str]:
    for graph in model.graphs():
        yield from (value.name or "" for value in (*graph.inputs, *graph.initializers.values()))
        for node in graph:
            yield node.name or ""
            yield from (value.name or "" for value in (*node.inputs, *node.outputs) if value is not None)
    for function in model.functions.values():
        for node in function.all_nodes():
            yield from (value.name or "" for value in (*node.inputs, *node.outputs) if value is not None)


def add_initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A new initializer of the graph; nothing in the model has `name`."""
    tensor = ir.Tensor(np.ascontiguousarray(array).reshape(array.shape), name=name)
    value = ir.Value(name=name, shape=tensor.shape, type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def new_node(
    op_type: str, inputs: list[ir.Value | None], output: ir.Value, name: str | None = None, **attributes: Any
) -> ir.Node:
    """A node of one output that stands in no graph yet; attributes are values or `ir.Attr`."""
    return ir.node(op_type, inputs, attributes, outputs=[output], name=name or "")


def replace_value(old: ir.Value, new: ir.Value) -> None:
    """Let all that reads `old`, graph outputs included, read `new`, which takes its name, type and shape."""
    new.name, new.type, new.shape = old.name, old.type, old.shape
    old.replace_all_uses_with(new, replace_graph_outputs=True)
