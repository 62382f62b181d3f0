"""Reading and editing the attributes of a NodeProto."""

from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data

from zoosmith.opset_upgrade.errors import Refusal


def find_attribute(node: NodeProto, name: str) -> AttributeProto | None:
    """The attribute `name` as it stands on the node, or None."""
    for attribute in node.attribute:
        if attribute.name == name:
            return attribute
    return None


def get_attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """The value of an attribute as Python value (strings as bytes); `default` where the node has none.

    Raises Refusal for an attribute that is a parameter of the model-local function around it: its value is not known.
    """
    attribute = find_attribute(node, name)
    if attribute is None:
        return default
    if attribute.ref_attr_name:
        raise Refusal(f"attribute {name} is a parameter of the function around it; inline the function first")
    return helper.get_attribute_value(attribute)


def tensor_array(tensor: TensorProto) -> np.ndarray:
    """The value of a tensor. Raises Refusal where it lies in a file beside the model, or is malformed."""
    if uses_external_data(tensor):
        raise Refusal("the value of its tensor lies in a file beside the model; load it first")
    try:
        return numpy_helper.to_array(tensor)
    except ValueError:
        raise Refusal(f"the data of tensor {tensor.name!r} does not fit its type and shape") from None


def set_attribute(node: NodeProto, name: str, value: Any) -> None:
    """Give the attribute a value, in its place if it is there, else at the end."""
    attribute = find_attribute(node, name)
    made = helper.make_attribute(name, value, attr_type=AttributeProto.INTS if value == [] else None)
    if attribute is None:
        node.attribute.append(made)
    else:
        attribute.CopyFrom(made)


def drop_attribute(node: NodeProto, name: str) -> None:
    """Remove the attribute if the node has it."""
    for index, attribute in enumerate(node.attribute):
        if attribute.name == name:
            del node.attribute[index]
            return


def set_inputs(node: NodeProto, *names: str) -> None:
    """Replace the inputs; empty names at the end are left out."""
    kept = list(names)
    while kept and not kept[-1]:
        kept.pop()
    node.input[:] = kept


def input_at(node: NodeProto, index: int) -> str:
    """The name of an input, empty if the node leaves it out."""
    return node.input[index] if index < len(node.input) else ""


def output_at(node: NodeProto, index: int) -> str:
    """The name of an output, empty if the node leaves it out."""
    return node.output[index] if index < len(node.output) else ""
