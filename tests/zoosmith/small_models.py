"""Small models that several tests of this folder run."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def scaling_model(values: np.ndarray, *, opset: int = 13) -> onnx.ModelProto:
    """One Mul by an initializer of the input's shape."""
    shape = list(values.shape)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "scale",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def identity_model(*ports: tuple[int, Sequence[int | str]]) -> onnx.ModelProto:
    """Every input, given by element type and shape, passed on to an output."""
    inputs = [helper.make_tensor_value_info(f"x{k}", kind, shape) for k, (kind, shape) in enumerate(ports)]
    outputs = [helper.make_tensor_value_info(f"y{k}", kind, shape) for k, (kind, shape) in enumerate(ports)]
    nodes = [helper.make_node("Identity", [f"x{k}"], [f"y{k}"]) for k in range(len(ports))]
    graph = helper.make_graph(nodes, "identity", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
