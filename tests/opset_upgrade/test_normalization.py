"""Normalization below and above the opsets that changed what its operators mean."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import Constant, node_model, run
from zoosmith.opset_upgrade import OpsetError, convert_version

DATA = np.random.RandomState(0).standard_normal((2, 6, 3, 4)).astype(np.float32)


def _normalized(groups: int, epsilon: float) -> np.ndarray:
    rows = DATA.reshape(2, groups, -1)
    deviation = np.sqrt(rows.var(-1, keepdims=True) + epsilon)
    return ((rows - rows.mean(-1, keepdims=True)) / deviation).reshape(DATA.shape)


def _group_normalization(opset: int, count: int) -> tuple[ModelProto, np.ndarray, np.ndarray]:
    scale, bias = np.linspace(0.5, 2, count, dtype=np.float32), np.linspace(-1, 1, count, dtype=np.float32)
    ports = [helper.make_tensor_value_info("x", 1, ["N", "C" if opset < 21 else 6, "H", "W"])]
    weights = [helper.make_tensor(name, 1, [count], value) for name, value in (("s", scale), ("b", bias))]
    node = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=3, epsilon=0.01)
    graph = helper.make_graph(
        [node], "g", ports, [helper.make_tensor_value_info("y", 1, ["N", "C", "H", "W"])], weights
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), scale, bias


@pytest.mark.parametrize("opset", [18, 20])
def test_groups_with_a_scale_each_are_normalized_below_18(opset: int) -> None:
    model, scale, bias = _group_normalization(opset, 3)
    column = [1, -1, 1, 1]
    expected = _normalized(3, 0.01) * scale.repeat(2).reshape(column) + bias.repeat(2).reshape(column)
    for target in (17, 13, 9, 7):
        lowered = convert_version(model, target)
        checker.check_model(lowered, full_check=True)
        assert_same(expected, run(lowered, {"x": DATA})["y"])


def test_groups_with_a_scale_for_each_channel_are_normalized_below_21() -> None:
    model, scale, bias = _group_normalization(21, 6)
    expected = _normalized(3, 0.01) * scale.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)
    for target in (20, 17, 9, 7):
        lowered = convert_version(model, target)
        checker.check_model(lowered, full_check=True)
        assert_same(expected, run(lowered, {"x": DATA})["y"])


def _training(*read: str) -> ModelProto:
    """A BatchNormalization that names all outputs, as exporters did: to runtimes that means training."""
    names = ["y", "mean", "var", "saved_mean", "saved_var"]
    weights = [
        helper.make_tensor(name, 1, [6], np.linspace(low, low + 1, 6))
        for name, low in (("s", 0.5), ("b", -1), ("m", 0), ("v", 1))
    ]
    node = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], names, momentum=0.8)
    ports = [helper.make_tensor_value_info("y", 1, DATA.shape)]
    ports += [helper.make_tensor_value_info(name, 1, [6]) for name in read]
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", 1, DATA.shape)], ports, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=4)


@pytest.mark.parametrize("read", [(), ("mean",), ("mean", "var")])
@pytest.mark.parametrize("target", [14, 17, 21, 8, 6])
def test_outputs_that_mean_training_need_not_be_read(read: tuple[str, ...], target: int) -> None:
    model = _training(*read)
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    expected, actual = run(model, {"x": DATA}), run(converted, {"x": DATA})
    for name, value in expected.items():
        assert_same(value, actual[name])


def test_saved_statistics_that_are_read_are_refused() -> None:
    with pytest.raises(OpsetError, match="saved_mean and saved_var"):
        convert_version(_training("saved_mean"), 14)


def test_indices_that_nothing_reads_do_not_keep_a_pool_in_its_opset() -> None:
    image = DATA[:1, :1]
    model, feeds = node_model("MaxPool", 12, image, outputs=2, kinds=(1, TensorProto.INT64), kernel_shape=[2, 2])
    expected = run(model, feeds)["y0"]
    del model.graph.output[1]
    assert_same(expected, run(convert_version(model, 7), feeds)["y0"])


def test_indices_that_a_cast_reads_stay() -> None:
    image = (DATA[:1, :1] * 9).astype(np.int8)
    model, feeds = node_model("MaxPool", 12, image, outputs=2, kinds=(3, TensorProto.INT64), kernel_shape=[2, 2])
    expected = run(model, feeds)
    lowered = run(convert_version(model, 8), feeds)
    for name, value in expected.items():
        assert_same(value, lowered[name])


def test_a_scale_is_a_constant() -> None:
    model, feeds = node_model(
        "GroupNormalization",
        21,
        DATA,
        Constant(np.ones(6), np.float32),
        Constant(np.zeros(6), np.float32),
        num_groups=2,
    )
    assert_same(run(model, feeds)["y0"], run(convert_version(model, 9), feeds)["y0"])
