"""Weights of a scale for each output channel, in opsets whose DequantizeLinear has one for the whole tensor."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from zoosmith.opset_upgrade import convert_version
from zoosmith.validation import OnnxRuntimeRunner

RANDOM = np.random.default_rng(0)
CHANNELS = 8


def quantized_convolution(points: np.ndarray) -> ModelProto:
    """A Conv between QuantizeLinear and DequantizeLinear, its weights (8, 3, 3, 3) and its bias in integers."""
    scales = RANDOM.uniform(0.002, 0.02, CHANNELS).astype(np.float32)
    constants = {
        "w": RANDOM.integers(-127, 128, (CHANNELS, 3, 3, 3)).astype(np.int8),
        "ws": scales,
        "wz": points,
        "b": RANDOM.integers(-2000, 2000, CHANNELS).astype(np.int32),
        "bs": scales * np.float32(0.02),
        "xs": np.float32(0.02),
        "xz": np.uint8(128),
        "ys": np.float32(0.05),
        "yz": np.uint8(100),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["bf"], axis=0),
        helper.make_node("Conv", ["xf", "wf", "bf"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["cq"]),
        helper.make_node("DequantizeLinear", ["cq", "ys", "yz"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 8, 8]) for n, c in (("x", 3), ("y", CHANNELS)))
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


POINTS = {"0": np.zeros(CHANNELS, np.int8), "different": np.arange(-4, 4, dtype=np.int8)}
X = RANDOM.standard_normal((1, 3, 8, 8)).astype(np.float32)


def run(model: ModelProto) -> np.ndarray:
    return OnnxRuntimeRunner(model, threads=1).run({"x": X})["y"]


@pytest.mark.parametrize("target", [12, 11, 10])
@pytest.mark.parametrize("points", POINTS)
def test_every_value_stays_and_weights_stay_integers(points: str, target: int) -> None:
    model = quantized_convolution(POINTS[points])
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    np.testing.assert_array_equal(run(converted), run(model))
    kept = {tensor.name: tensor.data_type for tensor in converted.graph.initializer}
    assert (kept["w"], kept["b"]) == (TensorProto.INT8, TensorProto.INT32)
    assert all(len(tensor.dims) < 4 for tensor in converted.graph.initializer if tensor.data_type == TensorProto.FLOAT)


@pytest.mark.parametrize("points", POINTS)
def test_they_go_down_and_up_again(points: str) -> None:
    model = quantized_convolution(POINTS[points])
    again = convert_version(convert_version(model, 12), 13)
    checker.check_model(again, full_check=True)
    np.testing.assert_array_equal(run(again), run(model))
