"""Weights of layers that stay in float, stored as int8: the file is as small, and the runtime makes them float once."""

import numpy as np
import onnx_ir as ir

from zoosmith.optimize.values import add_initializer, attribute, input_constant, name_of, new_names, new_node
from zoosmith.quantize.weights import LIMIT

# smaller weights are not worth their two nodes
_FEWEST = 256


def store_as_int8(model: ir.Model, nodes: list[ir.Node]) -> None:
    """Let Conv, Gemm and MatMul read int8 weights through a Cast and a Mul by a scale for each output channel.

    Both have constant inputs, so a runtime computes them when it loads the model; in opset 10 as in any later one.

    Args:
        model: changed in place.
        nodes: of it, in float, with constant weights.
    """
    names = new_names(model)
    for node in nodes:
        weights, value = input_constant(node, 1), node.inputs[1]
        if weights is None or value is None or weights.dtype != np.float32 or weights.size < _FEWEST:
            continue
        axis = _output_axis(node, weights.ndim)
        others = tuple(index for index in range(weights.ndim) if index != axis)
        reach = np.abs(weights.astype(np.float64)).max(axis=others, keepdims=True)
        scale = (np.where(reach > 0, reach, 1.0) / LIMIT).astype(np.float32)
        name = name_of(value)
        packed = np.clip(np.rint(weights / scale), -LIMIT, LIMIT).astype(np.int8)
        stored = add_initializer(model.graph, names.fresh(f"{name}_int8"), packed)
        factor = add_initializer(model.graph, names.fresh(f"{name}_scale"), scale)
        real, whole = (ir.Value(name=names.fresh(f"{name}_{word}")) for word in ("real", "whole"))
        cast = new_node("Cast", [stored], whole, to=ir.DataType.FLOAT.value)
        model.graph.insert_before(node, [cast, new_node("Mul", [whole, factor], real)])
        node.replace_input_with(1, real)


def _output_axis(node: ir.Node, rank: int) -> int:
    if node.op_type == "Conv" or attribute(node, "transB", 0):
        return 0
    return rank - 1
