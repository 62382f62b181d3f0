"""A small net that reads sound of two sampling rates, as voice detectors do."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def fourier(width: int) -> np.ndarray:
    """Kernels of cosines and sines: float32 of shape (width, 1, width)."""
    phase = 2 * np.pi * np.arange(width // 2)[:, None] * np.arange(width)[None, :] / width
    return np.concatenate([np.cos(phase), np.sin(phase)])[:, None].astype(np.float32)


def branch(name: str, kernels: np.ndarray) -> onnx.GraphProto:
    """The largest value of a convolution of the outer graph's `signal`."""
    width = kernels.shape[-1]
    nodes = [
        helper.make_node("Conv", ["signal", f"{name}_kernels"], [f"{name}_conv"], strides=[width // 2]),
        helper.make_node("ReduceMax", [f"{name}_conv"], [f"{name}_max"], axes=[2], keepdims=0),
    ]
    output = helper.make_tensor_value_info(f"{name}_max", FLOAT, None)
    return helper.make_graph(nodes, name, [], [output], [numpy_helper.from_array(kernels, f"{name}_kernels")])


def detector(kernels: dict[str, np.ndarray], comparison: str = "Equal") -> onnx.ModelProto:
    """A net of sound `x`, its sampling rate, and a state that is added to; with a branch for the rate 16000."""
    nodes = [
        helper.make_node("Unsqueeze", ["x"], ["signal"], axes=[1]),
        helper.make_node(comparison, ["rate", "sixteen"], ["is"]),
        helper.make_node(
            "If",
            ["is"],
            ["found"],
            then_branch=branch("then", kernels["then"]),
            else_branch=branch("else", kernels["else"]),
        ),
        helper.make_node("Add", ["state", "one"], ["new_state"]),
    ]
    inputs = [
        helper.make_tensor_value_info("x", FLOAT, [None, None]),
        helper.make_tensor_value_info("state", FLOAT, [1, 7]),
        helper.make_tensor_value_info("rate", INT64, []),
    ]
    outputs = [
        helper.make_tensor_value_info("found", FLOAT, None),
        helper.make_tensor_value_info("new_state", FLOAT, [1, 7]),
    ]
    constants = [
        numpy_helper.from_array(np.array(16000), "sixteen"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
    ]
    graph = helper.make_graph(nodes, "detector", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
