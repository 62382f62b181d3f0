"""Nets that select boxes: what they select from can be compared, what they select cannot."""

import onnx
from onnx import TensorProto, helper

from zoosmith.onnx_model.constants import constant_tensor
from zoosmith.onnx_model.opsets import is_standard

_GATHERS = ("Gather", "GatherElements", "GatherND")


def before_selection(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that gives what it selects from, where it has a NonMaxSuppression; others as they are.

    How many boxes a NonMaxSuppression keeps, and in which order, turns with the last digits of scores that are nearly
    the same, as it does for a TopK before it. So the values that do not depend on either take their place: the scores
    and the boxes that are sorted and gathered. The integer form of a net has them in the same order.

    Args:
        model: it is left as it was.

    Returns:
        A copy without the outputs that were selected, with an output for each value that is selected from; the model
        itself where it selects nothing.
    """
    if not any(is_standard(node, "NonMaxSuppression") for node in model.graph.node):
        return model
    selected, sources = _selection(model)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(value for value in model.graph.output if value.name not in selected)
    for number, name in enumerate(sources):
        given = f"selected from: {number}"
        copy.graph.node.append(helper.make_node("Identity", [name], [given]))
        copy.graph.output.append(helper.make_tensor_value_info(given, TensorProto.FLOAT, None))
    return copy if copy.graph.output else model


def _selection(model: onnx.ModelProto) -> tuple[set[str], list[str]]:
    """Values that depend on what is selected, and the float32 ones that is selected from, by name."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = (*graph.value_info, *graph.output, *graph.input)
    floats = {value.name for value in known if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    constants = {tensor.name for tensor in graph.initializer}
    constants.update(node.output[0] for node in graph.node if constant_tensor(node) is not None)
    selected: set[str] = set()
    sources: dict[str, None] = {}
    for node in graph.node:
        read = _selected_from(node, selected)
        sources.update(dict.fromkeys(name for name in read if name in floats - selected - constants))
        if is_standard(node, "NonMaxSuppression", "TopK") or selected.intersection(node.input):
            selected.update(node.output)
    return selected, list(sources)


def _selected_from(node: onnx.NodeProto, selected: set[str]) -> list[str]:
    """The inputs that a node selects from."""
    if is_standard(node, "NonMaxSuppression"):
        return list(node.input[:2])
    gathers = is_standard(node, *_GATHERS) and node.input[1] in selected
    return list(node.input[:1]) if gathers or is_standard(node, "TopK") else []
