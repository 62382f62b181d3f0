"""The writer of models whose weights alone are in half precision."""

from collections.abc import Collection, Set

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.traversal import all_graphs, read_names
from zoosmith.quantize.writing.float16_writer import constants_of, is_beyond

FLOAT16, BFLOAT16 = "float16", "bfloat16"

_TYPES = {
    FLOAT16: (TensorProto.FLOAT16, np.dtype(np.float16)),
    BFLOAT16: (TensorProto.BFLOAT16, np.dtype(ml_dtypes.bfloat16)),
}


def weights_in_half(model: onnx.ModelProto, kept: Set[str], kind: str, *, inner: bool = True) -> onnx.ModelProto:
    """A copy whose float32 weights are kept in half precision and cast to float32.

    Args:
        model: float32, without functions of its own; it is left as it was.
        kept: what the nodes that make these read stays in float32.
        kind: `float16` or `bfloat16`; weights beyond its range stay in float32, as a mask of float32's lowest number.
        inner: the weights of graphs inside of nodes as well.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    names = Names(model)
    exact = {name for node in model.graph.node if kept & set(node.output) for name in read_names(node)}
    # the inner ones first, as an outer one is put together anew
    for graph in reversed(list(all_graphs(result)) if inner else [result.graph]):
        _cast_weights(graph, names, exact, kind)
    return result


def _cast_weights(graph: onnx.GraphProto, names: Names, exact: Collection[str], kind: str) -> None:
    elem_type, dtype = _TYPES[kind]
    largest = float(ml_dtypes.finfo(dtype).max)  # type: ignore[no-untyped-call]
    weights = {
        name: value
        for name, value in constants_of(graph).items()
        if name not in exact and _is_weight(value) and not is_beyond(value, largest)
    }
    casts, tensors = [], []
    for name, value in weights.items():
        half = names.fresh(f"{name}_{kind}")
        tensors.append(helper.make_tensor(half, elem_type, value.shape, value.astype(dtype).tobytes(), raw=True))
        casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [node for node in graph.node if not set(node.output) & set(weights)]
    left = [tensor for tensor in graph.initializer if tensor.name not in weights]
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*casts, *nodes])
    graph.initializer.extend([*left, *tensors])


def _is_weight(value: Array) -> bool:
    return value.dtype == np.float32 and value.size > 1
