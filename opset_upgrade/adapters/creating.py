"""Constant, Cast, Range, and what makes numbers from nothing."""

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.nodes import drop_attribute, find_attribute, get_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.schemas import allowed_types
from zoosmith.opset_upgrade.writer import Writer

_PLAIN = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
    "value_string": np.object_,
    "value_strings": np.object_,
}


@adapter("Constant", 12, 11)
def _plain_value_to_tensor(node: NodeProto, g: Writer) -> None:
    for name, dtype in _PLAIN.items():
        attribute = find_attribute(node, name)
        if attribute is not None:
            array: np.ndarray = np.array(get_attribute(node, name), dtype=dtype)
            del node.attribute[:]
            set_attribute(node, "value", numpy_helper.from_array(array))
            return


@adapter("Constant", 11, 9)
def _dense(node: NodeProto, g: Writer) -> None:
    sparse = find_attribute(node, "sparse_value")
    if sparse is None:
        return
    tensor = sparse.sparse_tensor
    dense = np.zeros(list(tensor.dims), dtype=numpy_helper.to_array(tensor.values).dtype)
    where = numpy_helper.to_array(tensor.indices)
    values = numpy_helper.to_array(tensor.values)
    if where.ndim == 1:
        dense.reshape(-1)[where] = values
    else:
        dense[tuple(where.T)] = values
    del node.attribute[:]
    set_attribute(node, "value", numpy_helper.from_array(dense))


@adapter("Cast", 1, 6)
def _type_by_number(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "to", TensorProto.DataType.Value(get_attribute(node, "to").decode().upper()))


@adapter("Cast", 6, 1)
def _type_by_name(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "to", element_type_name(get_attribute(node, "to")).upper())


@adapter("Cast", 19, 13)
@adapter("CastLike", 19, 15)
def _saturate(node: NodeProto, g: Writer) -> None:
    """`saturate` is about 8-bit floats only, which the older version does not take."""
    drop_attribute(node, "saturate")


@adapter("Cast", 24, 23)
@adapter("CastLike", 24, 23)
def _round_mode(node: NodeProto, g: Writer) -> None:
    """`round_mode` is about float8e8m0 only, which the older version does not take."""
    drop_attribute(node, "round_mode")


@adapter("Range", 27, 11)
def _accumulate(node: NodeProto, g: Writer) -> None:
    drop_attribute(node, "stash_type")


@adapter("Constant", 9, 1, any_type=True)
def _type_or_initializer(node: NodeProto, g: Writer) -> None:
    """A type that the older Constant does not take is given as an initializer."""
    tensor = get_attribute(node, "value")
    if (
        tensor is not None
        and f"tensor({element_type_name(tensor.data_type)})" not in allowed_types("Constant", g.opset)["T"]
    ):
        g.initializer(node, tensor)
