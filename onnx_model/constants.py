"""Values that a model states: initializers and Constant nodes."""

from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.opsets import is_standard

Array = np.ndarray[Any, np.dtype[Any]]

# of the attributes of a Constant
_KINDS = {
    "value": AttributeProto.TENSOR,
    "value_float": AttributeProto.FLOAT,
    "value_floats": AttributeProto.FLOATS,
    "value_int": AttributeProto.INT,
    "value_ints": AttributeProto.INTS,
    "value_string": AttributeProto.STRING,
    "value_strings": AttributeProto.STRINGS,
}


def constant_tensor(node: NodeProto) -> TensorProto | None:
    """The tensor of a Constant node, in whichever attribute it stands; None for other nodes and for sparse tensors.

    Attributes of the forms `value_float`, `value_ints`, … become tensors; a parameter of the function around the node
    (`ref_attr_name`) gives None, and so does an attribute of another kind than its name says.
    """
    if not is_standard(node, "Constant") or len(node.attribute) != 1 or node.attribute[0].ref_attr_name:
        return None
    attribute = node.attribute[0]
    if attribute.type != _KINDS.get(attribute.name):
        return None
    if attribute.name == "value":
        return attribute.t
    elem_types = {"float": TensorProto.FLOAT, "int": TensorProto.INT64, "string": TensorProto.STRING}
    elem_type = elem_types[attribute.name.removeprefix("value_").removesuffix("s")]
    value = helper.get_attribute_value(attribute)
    values = list(value) if attribute.name.endswith("s") else [value]
    return helper.make_tensor("", elem_type, [len(values)] if attribute.name.endswith("s") else [], values)


def constant_value(node: NodeProto) -> Array | None:
    """The value of a Constant node as an array; None as for `constant_tensor`."""
    tensor = constant_tensor(node)
    return None if tensor is None else numpy_helper.to_array(tensor)


def values_at_hand(tensor: TensorProto) -> Array | None:
    """The values of a tensor; None where its data lies in a file."""
    return None if uses_external_data(tensor) else numpy_helper.to_array(tensor)
