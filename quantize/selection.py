"""Outputs that are compared by what they are made from: selected boxes, decisions, and probabilities."""

from collections.abc import Container, Mapping

import onnx
from onnx import TensorProto, helper

from zoosmith.onnx_model.constants import constant_tensor
from zoosmith.onnx_model.opsets import is_standard
from zoosmith.onnx_model.traversal import subgraphs

_GATHERS = ("Gather", "GatherElements", "GatherND")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
_INTEGERS = (
    *(TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
    *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
)
_SATURATING = ("Sigmoid", "Softmax")
# what they make depends on the sizes of what they read, not on its values
_OF_SIZES = ("Shape", "Size")


def before_selection(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that gives what it selects or decides from; others as they are.

    How many boxes a NonMaxSuppression keeps, and in which order, turns with the last digits of scores that are nearly
    the same, as it does for a TopK before it. So the values that do not depend on either take their place: the scores
    and the boxes that are sorted and gathered. In other nets the float values that outputs of integers or booleans are
    decided by, as by an ArgMax, take the place of these. The integer form of a net has them in the same order.

    Args:
        model: it is left as it was.

    Returns:
        A copy without the outputs that were selected, with an output for each value that is selected from; the model
        itself where it selects nothing.
    """
    selects = any(is_standard(node, "NonMaxSuppression") for node in model.graph.node)
    integers = [value.name for value in model.graph.output if value.type.tensor_type.elem_type in _INTEGERS]
    if not selects and not integers:
        return model
    graph = _Graph(model)
    if selects:
        selected, sources = _selection(graph)
        return _with_outputs(model, selected, {f"selected from: {at}": name for at, name in enumerate(sources)})
    decided = {name: sources for name in integers if (sources := graph.deciding(name))}
    given = {f"{name} decided by: {at}": each for name, found in decided.items() for at, each in enumerate(found)}
    return _with_outputs(model, decided, given)


def before_saturation(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that gives what a Sigmoid or Softmax reads in the place of an output that it makes; others as they are.

    Far from zero a Sigmoid changes with the last digits of what it reads where that is large: errors of its output say
    little of those before it.

    Args:
        model: it is left as it was.
    """
    graph = _Graph(model)
    found: dict[str, str] = {}
    for value in model.graph.output:
        maker = graph.makers.get(graph.uncast(value.name))
        if maker is not None and is_standard(maker, *_SATURATING):
            found[value.name] = graph.uncast(maker.input[0])
    return _with_outputs(model, found, {f"{name} before saturation": source for name, source in found.items()})


class _Graph:
    """The values of a model: who makes them, and their types.

    Attributes:
        model: the model.
        makers: name of a value -> the node that makes it.
        types: name of a value -> its element type, where that is known.
        constants: names of constants.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.makers = {name: node for node in model.graph.node for name in node.output if name}
        graph = onnx.shape_inference.infer_shapes(model).graph
        known = (*graph.value_info, *graph.output, *graph.input)
        self.types = {value.name: value.type.tensor_type.elem_type for value in known}
        self.constants = {tensor.name for tensor in graph.initializer}
        self.constants.update(node.output[0] for node in graph.node if constant_tensor(node) is not None)

    def is_float(self, name: str) -> bool:
        """Whether a value is known to be of floats, and no constant."""
        return self.types.get(name) in _FLOATS and name not in self.constants

    def uncast(self, name: str) -> str:
        """The value that Casts between float types made this one of."""
        maker = self.makers.get(name)
        while maker is not None and is_standard(maker, "Cast") and self.is_float(maker.input[0]):
            name = maker.input[0]
            maker = self.makers.get(name)
        return name

    def deciding(self, name: str) -> list[str]:
        """The float values that a value of integers is computed from; none where a graph inside of a node is passed."""
        found: dict[str, None] = {}
        seen: set[str] = set()
        left = [name]
        while left:
            each = left.pop()
            if each in seen:
                continue
            seen.add(each)
            node = self.makers.get(each)
            if self.is_float(each):
                found[self.uncast(each)] = None
            elif node is not None and subgraphs(node):
                return []
            elif node is not None and not is_standard(node, *_OF_SIZES):
                left.extend(reversed(node.input))
        return list(found)


def _with_outputs(model: onnx.ModelProto, replaced: Container[str], given: Mapping[str, str]) -> onnx.ModelProto:
    """A copy with outputs in float32 in the place of others; the model itself where there is none to replace.

    Args:
        model: it is left as it was.
        replaced: names of outputs to leave out, and of other values.
        given: name of a new output -> the float value that it gives.
    """
    left = [value for value in model.graph.output if value.name not in replaced]
    if not given and (not left or len(left) == len(model.graph.output)):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(left)
    for name, source in given.items():
        copy.graph.node.append(helper.make_node("Cast", [source], [name], to=TensorProto.FLOAT))
        copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return copy


def _selection(graph: _Graph) -> tuple[set[str], list[str]]:
    """Values that depend on what is selected, and the float ones that is selected from, by name."""
    selected: set[str] = set()
    sources: dict[str, None] = {}
    for node in graph.model.graph.node:
        read = [name for name in _selected_from(node, selected) if graph.is_float(name) and name not in selected]
        sources.update(dict.fromkeys(map(graph.uncast, read)))
        if is_standard(node, "NonMaxSuppression", "TopK") or selected.intersection(node.input):
            selected.update(node.output)
    return selected, list(sources)


def _selected_from(node: onnx.NodeProto, selected: set[str]) -> list[str]:
    """The inputs that a node selects from."""
    if is_standard(node, "NonMaxSuppression"):
        return list(node.input[:2])
    gathers = is_standard(node, *_GATHERS) and node.input[1] in selected
    return list(node.input[:1]) if gathers or is_standard(node, "TopK") else []
