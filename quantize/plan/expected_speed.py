"""Whether an integer model is worth its name: where measurements say that it is not faster, a warning does."""

import numpy as np
import onnx
from onnx import TensorProto

from zoosmith.onnx_model.traversal import all_graphs, all_nodes
from zoosmith.quantize.plan.planned_time import PlannedTime
from zoosmith.quantize.writing.contrib_operators import CONTRIB_INTEGERS

_INTEGER = ("QLinearConv", "QLinearMatMul", "MatMulInteger", "ConvInteger", *CONTRIB_INTEGERS)
_FLOAT = ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN")

# Measured on 45 nets against the float ones (ONNX Runtime 1.32, one thread, VNNI): most with fewer weights for each
# integer layer ran 0.4 to 1.0 times as fast, as what stands around a layer takes longer than the layer itself.
_FEWEST_WEIGHTS = 5000

# What ONNX Runtime makes integer where it stands between a DequantizeLinear and a QuantizeLinear. With another operator
# there, as PRelu, behind every third layer, the three nets of MTCNN in QDQ form ran 0.65, 0.88 and 0.92 times as fast.
_JOINED = {
    *("Add", "AveragePool", "Clip", "Concat", "Conv", "ConvTranspose", "Flatten", "Gather", "Gemm"),
    *("GlobalAveragePool", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Relu", "Reshape", "Resize", "Sigmoid", "Slice"),
    *("Softmax", "Split", "Squeeze", "Transpose", "Unsqueeze", "Where"),
}
_LONE_SHARE = 1 / 3

# Of the float model's time by the tables of costs. Of 26 trained nets those whose integers save 1 to 2 % ran 1.00 to
# 1.32 times as fast.
_LEAST_SAVED = 0.01


def slow_plan(time: PlannedTime) -> str | None:
    """Why no speed-up is to be expected of a model whose integer layers are those that pay; None where there is one."""
    if time.saved >= _LEAST_SAVED:
        return None
    return f"most layers are as fast in float, the file saves {100 * time.saved:.1f} % of the time: expect no speed-up"


def slow_reason(model: onnx.ModelProto) -> str | None:
    """Why no speed-up is to be expected of a model with every layer in integers or QDQ form, by its weights alone."""
    sizes = {
        tensor.name: (tensor.data_type, int(np.prod(tensor.dims)))
        for graph in all_graphs(model)
        for tensor in graph.initializer
        if len(tensor.dims) > 1
    }
    nodes = list(all_nodes(model))
    casts = {node.output[0]: node.input[0] for node in nodes if node.op_type == "Cast"}
    stored = {node.output[0]: casts[node.input[0]] for node in nodes if _is_stored(node, casts, sizes)}
    encoded = {
        node.output[0]: node.input[0] for node in nodes if node.op_type == "DequantizeLinear" and node.input[0] in sizes
    }
    integer, kept, computed = [], [], 0
    for node in nodes:
        if node.op_type not in (*_INTEGER, *_FLOAT):
            continue
        computed += sum(sizes[stored[name]][1] for name in node.input if name in stored)
        read = [sizes[name] for name in (encoded.get(given, given) for given in node.input) if name in sizes]
        count = sum(size for _, size in read)
        if any(elem_type == TensorProto.INT8 for elem_type, _ in read):
            integer.append(count)
        elif read:
            kept.append(count)
    if computed + sum(kept) > sum(integer) and computed:
        return "most layers are as fast in float, where they stay with weights stored as int8: expect no speed-up"
    if sum(kept) > sum(integer):
        return "the model stays mostly float: expect no speed-up"
    if sum(integer) < _FEWEST_WEIGHTS * len(integer):
        return f"its layers are small ({sum(integer) // len(integer):,} weights each): expect no speed-up"
    lone = _alone_in_qdq_form(nodes)
    if lone and len(lone) >= _LONE_SHARE * len(integer):
        names = ", ".join(sorted({node.op_type for node in lone}))
        return (
            "many of its layers have a float operator between DequantizeLinear and QuantizeLinear behind them "
            f"({names}): expect no speed-up"
        )
    return None


def _alone_in_qdq_form(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Float operators that read integers and make integers, which ONNX Runtime does not join with the conversions."""
    made = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    read = {node.input[0] for node in nodes if node.op_type == "QuantizeLinear"}
    return [
        node for node in nodes if node.op_type not in _JOINED and made & set(node.input) and read & set(node.output)
    ]


def _is_stored(node: onnx.NodeProto, casts: dict[str, str], sizes: dict[str, tuple[int, int]]) -> bool:
    """Whether a node makes float weights of int8 ones."""
    return node.op_type == "Mul" and casts.get(node.input[0]) in sizes
