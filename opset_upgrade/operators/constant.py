"""Constant, ConstantOfShape, EyeLike, Range."""

import numpy as np
from onnx import NodeProto, numpy_helper

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.building_blocks.flat_indices import limit_constant
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.node_editing import (
    drop_attribute,
    find_attribute,
    get_attribute,
    set_attribute,
    tensor_array,
)
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
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


type_fallback("Range")(cast_to_single)


@adapter("Constant", source=9, target=1, any_type=True)
def _type_or_initializer(node: NodeProto, g: Writer) -> None:
    """A type that the older Constant does not take is given as an initializer."""
    tensor = get_attribute(node, "value")
    if (
        tensor is not None
        and f"tensor({element_type_name(tensor.data_type)})" not in allowed_types("Constant", g.opset)["T"]
    ):
        g.initializer(node, tensor)


@adapter("Constant", source=11, target=9)
def _dense(node: NodeProto, g: Writer) -> None:
    sparse = find_attribute(node, "sparse_value")
    if sparse is None:
        return
    tensor = sparse.sparse_tensor
    where, values = tensor_array(tensor.indices), tensor_array(tensor.values)
    dense = np.zeros(list(tensor.dims), dtype=values.dtype)
    if where.ndim == 1:
        dense.reshape(-1)[where] = values
    else:
        dense[tuple(where.T)] = values
    del node.attribute[:]
    set_attribute(node, "value", numpy_helper.from_array(dense))


@adapter("Constant", source=12, target=11)
def _plain_value_to_tensor(node: NodeProto, g: Writer) -> None:
    for name, dtype in _PLAIN.items():
        attribute = find_attribute(node, name)
        if attribute is not None:
            array: np.ndarray = np.array(get_attribute(node, name), dtype=dtype)
            del node.attribute[:]
            set_attribute(node, "value", numpy_helper.from_array(array))
            return


@decomposition("ConstantOfShape")
def _constant_of_shape(node: NodeProto, g: Writer) -> None:
    attribute = find_attribute(node, "value")
    value = np.zeros(1, np.float32) if attribute is None else tensor_array(attribute.t)
    g.op("Expand", g.constant(value.reshape(()), value.dtype), node.input[0], output=node.output[0])


@decomposition("EyeLike")
def _eye_like(node: NodeProto, g: Writer) -> None:
    rows, columns = g.static_shape(node.input[0])
    limit_constant(rows * columns, g)
    dtype = g.attribute("dtype") or g.element_type(node.input[0])
    eye = np.eye(rows, columns, k=g.attribute("k"))
    g.op("Identity", g.typed_constant(eye, dtype), output=node.output[0])


@decomposition("Range")
def _range(node: NodeProto, g: Writer) -> None:
    start, _, step = node.input
    (count,) = g.static_shape(node.output[0])
    kind = g.element_type(start)
    places = g.typed_constant(np.arange(limit_constant(count, g)), kind)
    g.op("Add", g.op("Mul", places, step), start, output=node.output[0])


@adapter("Range", source=27, target=11)
def _drop_stash_type(node: NodeProto, g: Writer) -> None:
    drop_attribute(node, "stash_type")
