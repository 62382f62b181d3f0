"""Constant, ConstantOfShape, EyeLike, Range."""

from math import prod

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting, limit_constant, limit_list
from zoosmith.opset_upgrade.building_blocks.counting import count_up
from zoosmith.opset_upgrade.building_blocks.integer_bounds import is_never_negative
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
    limit_list(prod(tensor.dims), g)
    ends = prod(tensor.dims) if where.ndim == 1 else np.array(tensor.dims)
    if ((where < 0) | (where >= ends)).any():
        g.refuse("its sparse value has indices outside of its shape")
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
    kind = g.element_type(node.input[0])
    count = (g.shape(node.output[0]) or (None,))[0]
    if kind == TensorProto.INT16:  # of which there is no arithmetic
        node.input[:] = [g.op("Cast", name, to=TensorProto.INT64) for name in node.input]
    start, _, step = node.input
    wide = TensorProto.INT64 if kind == TensorProto.INT16 else kind
    if count is not None:
        places = g.typed_constant(counting(count, g), wide)
    else:
        places = g.op("Cast", count_up(g, _length_of_range(node, g, wide)), to=wide)
    if not _is(g, step, 1):
        places = g.op("Mul", places, step)
    if not _is(g, start, 0):
        places = g.op("Add", places, start)
    g.op("Cast", places, to=kind, output=node.output[0])


def _length_of_range(node: NodeProto, g: Writer, kind: int) -> str:
    """Emit how many steps fit between start and limit, at least 0: shape [1], int64."""
    start, limit, step = node.input
    span = limit if _is(g, start, 0) else g.op("Sub", limit, start)
    if _is(g, step, 1) and kind in (TensorProto.INT32, TensorProto.INT64):
        count = g.op("Cast", span, to=TensorProto.INT64)
        if is_never_negative(g, span):
            return _as_vector(g, count)
    else:
        # in doubles, as runtimes count them
        ratio = g.op("Div", *(g.op("Cast", name, to=TensorProto.DOUBLE) for name in (span, step)))
        count = g.op("Cast", ratio, to=TensorProto.INT64)
        more = g.op("Greater", ratio, g.op("Cast", count, to=TensorProto.DOUBLE))
        count = g.op("Add", count, g.op("Cast", more, to=TensorProto.INT64))
    # in doubles, which older versions compare as well
    positive = g.op("Greater", g.op("Cast", count, to=TensorProto.DOUBLE), g.constant(0, np.float64))
    count = g.op("Mul", count, g.op("Cast", positive, to=TensorProto.INT64))
    return g.op("Reshape", count, g.constant([1]))


def _as_vector(g: Writer, scalar: str) -> str:
    """A scalar as a tensor of one dimension: what a Squeeze made it from, where there is one."""
    made = g.producer(scalar)
    if made is not None and made.op_type == "Squeeze" and g.shape(made.input[0]) == (1,):
        return made.input[0]
    return g.op("Reshape", scalar, g.constant([1]))


def _is(g: Writer, name: str, number: int) -> bool:
    value = g.value(name)
    return value is not None and value.size == 1 and value.item() == number


@adapter("Range", source=27, target=11)
def _drop_stash_type(node: NodeProto, g: Writer) -> None:
    drop_attribute(node, "stash_type")
