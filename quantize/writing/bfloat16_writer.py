"""The writer of models whose weights are in bfloat16."""

from collections.abc import Collection, Set

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper

from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.traversal import all_graphs, read_names
from zoosmith.quantize.writing.float16_writer import constants_of


def weights_in_bfloat16(model: onnx.ModelProto, kept: Set[str]) -> onnx.ModelProto:
    """A copy whose float32 weights, in every graph, are kept in bfloat16 and cast to float32.

    Args:
        model: float32, without functions of its own; it is left as it was.
        kept: what the nodes that make these read stays in float32.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    names = Names(model)
    exact = {name for node in model.graph.node if kept & set(node.output) for name in read_names(node)}
    # the inner ones first, as an outer one is put together anew
    for graph in reversed(list(all_graphs(result))):
        _cast_weights(graph, names, exact)
    return result


def _cast_weights(graph: onnx.GraphProto, names: Names, exact: Collection[str]) -> None:
    weights = {
        name: value
        for name, value in constants_of(graph).items()
        if value.dtype == np.float32 and value.size > 1 and name not in exact
    }
    casts, tensors = [], []
    for name, value in weights.items():
        half = names.fresh(f"{name}_bfloat16")
        data = value.astype(ml_dtypes.bfloat16).tobytes()
        tensors.append(helper.make_tensor(half, TensorProto.BFLOAT16, value.shape, data, raw=True))
        casts.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [node for node in graph.node if not set(node.output) & set(weights)]
    left = [tensor for tensor in graph.initializer if tensor.name not in weights]
    del graph.node[:], graph.initializer[:]
    graph.node.extend([*casts, *nodes])
    graph.initializer.extend([*left, *tensors])
