"""Convolutions of signals by wide kernels."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.optimize import fold_to_ir, to_proto
from zoosmith.quantize.rewrites.signal_convolutions import SignalConvolutions
from zoosmith.validation import OnnxRuntimeRunner


def signal_net(opset: int = 13, channels: int = 1, width: int = 64, **attributes: object) -> ModelProto:
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.normal(size=(18, channels, width)).astype(np.float32),
        "b": rng.normal(size=18).astype(np.float32),
    }
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, "length"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 18, "frames"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def rewritten(model: ModelProto) -> ModelProto:
    result = fold_to_ir(model)
    SignalConvolutions()(result)
    return to_proto(result)


@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize(
    "attributes",
    [{}, {"strides": [32], "pads": [7, 20]}, {"dilations": [2], "kernel_shape": [64]}, {"auto_pad": "SAME_UPPER"}],
)
def test_a_wide_kernel_reads_an_image_of_one_row(opset: int, attributes: dict[str, object]) -> None:
    model = signal_net(opset, **attributes)
    found = rewritten(model)
    onnx.checker.check_model(found, full_check=True)
    assert [node.op_type for node in found.graph.node] == ["Unsqueeze", "Conv", "Squeeze"]
    for length in (200, 333):
        values = {"x": np.random.default_rng(1).normal(size=(2, 1, length)).astype(np.float32)}
        first, second = (OnnxRuntimeRunner(each).run(values)["y"] for each in (model, found))
        assert second.shape == first.shape
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("other", [{"channels": 8}, {"width": 9}])
def test_narrow_kernels_and_many_channels_stay(other: dict[str, int]) -> None:
    assert [node.op_type for node in rewritten(signal_net(**other)).graph.node] == ["Conv"]
