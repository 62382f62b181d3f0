"""Weights of layers that stay in float, stored as int8: the file is as small, and the runtime makes them float once."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.onnx_model.traversal import all_nodes, all_tensors
from zoosmith.optimize.values import add_initializer, input_constant, input_value, name_of, new_names, new_node
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.writing.rounded_weights import NONE_ROUNDED, RoundedWeights, round_weights

# smaller weights are not worth their two nodes
FEWEST = 256


def store_as_int8(
    model: ir.Model,
    nodes: list[ir.Node],
    ranges: Mapping[str, Range],
    known: Mapping[str, RoundedWeights] = NONE_ROUNDED,
) -> None:
    """Let Conv, Gemm and MatMul read int8 weights through a Cast and a Mul by a scale for each output channel.

    Both have constant inputs, so a runtime computes them when it loads the model; in opset 10 as in any later one. What
    rounding adds on average goes into the bias, where there is one.

    Args:
        model: changed in place.
        nodes: of it, in float, with constant weights.
        ranges: of what they read, by name, where known.
        known: weights that are rounded already, by the name of what their layer makes.
    """
    names = new_names(model)
    readers = Counter(node.inputs[1] for node in nodes)
    for node in nodes:
        weights, value, source = input_constant(node, 1), node.inputs[1], node.inputs[0]
        if weights is None or value is None or weights.dtype != np.float32 or weights.size < FEWEST:
            continue
        # weights that several layers read are rounded alike, whatever each of them multiplies
        alone = readers[value] == 1
        seen = ranges.get(name_of(source)) if alone and source is not None else None
        rounded = known.get(name_of(node.outputs[0])) if alone else None
        rounded = rounded or round_weights(node, seen, multiplied=False)
        name = name_of(value)
        stored = add_initializer(model.graph, names.fresh(f"{name}_int8"), rounded.packed)
        factor = add_initializer(model.graph, names.fresh(f"{name}_scale"), rounded.scale.astype(np.float32))
        real, whole = (ir.Value(name=names.fresh(f"{name}_{word}")) for word in ("real", "whole"))
        cast = new_node("Cast", [stored], whole, to=ir.DataType.FLOAT.value)
        model.graph.insert_before(node, [cast, new_node("Mul", [whole, factor], real)])
        node.replace_input_with(1, real)
        bias, added = input_value(node, 2), input_constant(node, 2)
        if bias is not None and added is not None and node.op_type == "Conv":
            moved = (added + rounded.shift).astype(np.float32)
            node.replace_input_with(2, add_initializer(model.graph, names.fresh(f"{name_of(bias)}_moved"), moved))


def stores_int8(model: onnx.ModelProto) -> bool:
    """Whether a model holds weights as `store_as_int8` writes them."""
    integers = {tensor.name for tensor in all_tensors(model) if tensor.data_type == onnx.TensorProto.INT8}
    if not integers:
        return False
    nodes = list(all_nodes(model))
    whole = {node.output[0] for node in nodes if node.op_type == "Cast" and node.input[0] in integers}
    real = {node.output[0] for node in nodes if node.op_type == "Mul" and node.input[0] in whole}
    return any(node.input[1] in real for node in nodes if node.op_type in ("Conv", "Gemm", "MatMul"))
