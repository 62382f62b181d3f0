"""A graph under rewriting: nodes, constants as arrays, who makes and who reads each tensor."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from zoosmith.quantize.errors import QuantizeError

Array = np.ndarray[Any, np.dtype[Any]]

_DEFAULT_DOMAINS = ("", "ai.onnx")


class Graph:
    """The parts of a model that rewriting touches. `model()` puts them together again.

    Initializers and Constant nodes become `constants`, and graph inputs with an initializer are no longer inputs: their
    value is taken as fixed.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.opset = default_opset(model)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        for tensor in model.graph.initializer:
            self.constants[tensor.name] = numpy_helper.to_array(tensor)
        for node in model.graph.node:
            value = _constant_value(node)
            if value is None:
                copy = onnx.NodeProto()
                copy.CopyFrom(node)
                self.nodes.append(copy)
            else:
                self.constants[node.output[0]] = value
        self.inputs = [value for value in model.graph.input if value.name not in self.constants]
        self.outputs = list(model.graph.output)
        self._taken = {name for node in model.graph.node for name in (*node.output, *node.input)} | set(self.constants)
        self._shapes: dict[str, tuple[int | None, ...]] | None = None

    def fresh(self, name: str) -> str:
        """A tensor name that nothing bears yet: `name`, or `name` with a number behind it."""
        candidate, number = name, 1
        while candidate in self._taken:
            number += 1
            candidate = f"{name}_{number}"
        self._taken.add(candidate)
        return candidate

    def constant(self, name: str, value: Array) -> str:
        """Add a constant and give the name that it got."""
        name = self.fresh(name)
        self.constants[name] = value
        return name

    def producers(self) -> dict[str, onnx.NodeProto]:
        """Tensor name -> the node that makes it."""
        return {name: node for node in self.nodes for name in node.output if name}

    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """Tensor name -> the nodes that read it, once for each place where they do. Subgraphs count as their node."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in reads(node):
                readers.setdefault(name, []).append(node)
        return readers

    def output_names(self) -> set[str]:
        """Names of the graph's outputs."""
        return {value.name for value in self.outputs}

    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Tensor name -> inferred shape, None for an unknown dimension; tensors of unknown rank are absent."""
        if self._shapes is None:
            graph = onnx.shape_inference.infer_shapes(self.model(), data_prop=True).graph
            self._shapes = {name: array.shape for name, array in self.constants.items()}
            for value in (*graph.input, *graph.value_info, *graph.output):
                tensor = value.type.tensor_type
                if tensor.HasField("shape"):
                    self._shapes[value.name] = tuple(
                        dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim
                    )
        return self._shapes

    def model(self) -> onnx.ModelProto:
        """The model: nodes in topological order, only the constants that are read, in order of first use."""
        result = onnx.ModelProto()
        result.CopyFrom(self._model)
        graph = result.graph
        for field in ("node", "initializer", "sparse_initializer", "value_info", "input", "output"):
            graph.ClearField(field)
        graph.node.extend(self.sorted_nodes())
        graph.input.extend(self.inputs)
        graph.output.extend(self.outputs)
        used = dict.fromkeys(name for node in graph.node for name in reads(node))
        used.update(dict.fromkeys(self.output_names()))
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(self.constants[name], order="C"), name)
            for name in used
            if name in self.constants
        )
        result.ir_version = max(result.ir_version, 4)  # from 4 on, initializers need not be inputs
        return result

    def sorted_nodes(self) -> list[onnx.NodeProto]:
        """The nodes in topological order, as near to their own as that allows; QuantizeError where there is a cycle."""
        known = {value.name for value in self.inputs} | set(self.constants) | {""}
        waiting, result = list(self.nodes), []
        made = {name for node in self.nodes for name in node.output}
        while waiting:
            later = []
            for node in waiting:
                if all(name in known or name not in made for name in reads(node)):
                    result.append(node)
                    known.update(node.output)
                else:
                    later.append(node)
            if len(later) == len(waiting):
                raise QuantizeError(f"node {describe(later[0])}: the graph has a cycle; expected a valid ONNX model")
            waiting = later
        return result


def default_opset(model: onnx.ModelProto) -> int:
    """The model's opset version in ONNX's own domain; QuantizeError where it imports none."""
    for entry in model.opset_import:
        if entry.domain in _DEFAULT_DOMAINS:
            return entry.version
    raise QuantizeError("the model imports no ONNX opset; expected an opset_import of the default domain")


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The node's attributes as Python values."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def is_standard(node: onnx.NodeProto, *op_types: str) -> bool:
    """Whether the node is one of these operators of ONNX's own domain."""
    return node.op_type in op_types and node.domain in _DEFAULT_DOMAINS


def describe(node: onnx.NodeProto) -> str:
    """How an error names the node: its name, or its first output, and its operator."""
    return f"{node.name or node.output[0]} ({node.op_type})"


def _constant_value(node: onnx.NodeProto) -> Array | None:
    if not is_standard(node, "Constant"):
        return None
    attribute = node.attribute[0]
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return numpy_helper.to_array(value)
    if attribute.name in ("value_float", "value_floats"):
        return np.asarray(value, np.float32)
    if attribute.name in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    return None


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """The names that the node reads, those that its subgraphs read among them."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs: Iterable[onnx.GraphProto] = (attribute.g,) if attribute.HasField("g") else attribute.graphs
        for graph in graphs:
            for inner in graph.node:
                yield from reads(inner)
