"""Weights of a scale for each output channel, in opsets whose DequantizeLinear has one for the whole tensor."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from zoosmith.opset_upgrade import convert_version
from zoosmith.validation import OnnxRuntimeRunner
from zoosmith.validation.errors import RunError

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


def with_float_result(model: ModelProto) -> ModelProto:
    """The same, and what the Conv makes is a second result."""
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, CHANNELS, 8, 8]))
    return model


def with_relu(model: ModelProto, point: int) -> ModelProto:
    """The same with a Relu between the Conv and its QuantizeLinear, whose zero point is `point`."""
    (conv,) = (node for node in model.graph.node if node.op_type == "Conv")
    conv.output[0] = "before"
    place = list(model.graph.node).index(conv) + 1
    model.graph.node.insert(place, helper.make_node("Relu", ["before"], ["c"]))
    for tensor in model.graph.initializer:
        if tensor.name == "yz":
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(np.uint8(point)), "yz"))
    return model


ZEROS, DIFFERENT = np.zeros(CHANNELS, np.int8), np.arange(-4, 4, dtype=np.int8)
# what makes them -> whether they become a QLinearConv
MODELS = {
    "plain": (lambda: quantized_convolution(ZEROS), True),
    "a Relu that changes nothing": (lambda: with_relu(quantized_convolution(ZEROS), 0), True),
    "a Relu that cuts": (lambda: with_relu(quantized_convolution(ZEROS), 9), False),
    "different zero points": (lambda: quantized_convolution(DIFFERENT), False),
    "a result in floats": (lambda: with_float_result(quantized_convolution(ZEROS)), False),
}
X = RANDOM.standard_normal((1, 3, 8, 8)).astype(np.float32)


def assert_same(model: ModelProto, converted: ModelProto) -> None:
    checker.check_model(converted, full_check=True)
    try:
        expected = OnnxRuntimeRunner(model, threads=1).run({"x": X})
    except RunError as error:
        # of channels with zero points of their own older releases make a QLinearConv that they do not run
        pytest.skip(f"this ONNX Runtime does not run the original: {error}")
    actual = OnnxRuntimeRunner(converted, threads=1).run({"x": X})
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)


@pytest.mark.parametrize("target", [12, 11, 10])
@pytest.mark.parametrize("name", MODELS)
def test_every_value_stays_and_weights_stay_integers(name: str, target: int) -> None:
    make, joined = MODELS[name]
    model = make()
    converted = convert_version(model, target)
    assert_same(model, converted)
    assert ("QLinearConv" in {node.op_type for node in converted.graph.node}) == joined
    assert {tensor.name: tensor.data_type for tensor in converted.graph.initializer}["w"] == TensorProto.INT8
    assert all(len(tensor.dims) < 4 for tensor in converted.graph.initializer if tensor.data_type == TensorProto.FLOAT)


@pytest.mark.parametrize("name", MODELS)
def test_they_go_down_and_up_again(name: str) -> None:
    model = MODELS[name][0]()
    assert_same(model, convert_version(convert_version(model, 12), 13))


def test_a_bias_of_another_scale_stays_a_bias_in_floats() -> None:
    model = quantized_convolution(ZEROS)
    for tensor in model.graph.initializer:
        if tensor.name == "bs":
            tensor.CopyFrom(numpy_helper.from_array(1.1 * numpy_helper.to_array(tensor), "bs"))
    converted = convert_version(model, 12)
    assert "QLinearConv" not in {node.op_type for node in converted.graph.node}


def test_weights_that_the_caller_may_replace_are_left_alone() -> None:
    model = quantized_convolution(ZEROS)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.INT8, [CHANNELS, 3, 3, 3]))
    converted = convert_version(model, 12)
    assert [value.name for value in converted.graph.input] == ["x", "w"]
    assert "QLinearConv" not in {node.op_type for node in converted.graph.node}
    assert_same(model, converted)
