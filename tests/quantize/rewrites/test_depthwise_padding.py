"""Depthwise convolutions get channels that nothing reads, and compute the same."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.optimize import to_ir, to_proto
from zoosmith.quantize.rewrites.depthwise_padding import PadDepthwiseConvolutions
from zoosmith.validation import OnnxRuntimeRunner, random_inputs


def inverted_residual(channels: int, *, gate: bool = True, read_by: str = "Conv") -> onnx.ModelProto:
    """The block of MobileNetV3: expanded, depthwise, gated, projected, added."""
    net = Net([1, 8, 7, 7], opset=14)
    x = net.add("HardSwish", net.conv("data", 8, channels, bias=True))
    weights = net.normal(channels, 1, 3, 3, spread=0.3)
    x = net.add("Conv", x, weights, net.normal(channels), group=channels, pads=[1, 1, 1, 1])
    x = net.add("Relu", x)
    if gate:
        y = net.add("Relu", net.conv(net.add("GlobalAveragePool", x), channels, 4, bias=True))
        x = net.add("Mul", x, net.add("HardSigmoid", net.conv(y, 4, channels, bias=True)))
    if read_by != "Conv":
        return net.model(net.add(read_by, x))
    return net.model(net.add("Add", "data", net.conv(x, channels, 8)))


def padded(model: onnx.ModelProto) -> onnx.ModelProto:
    result = to_ir(model)
    PadDepthwiseConvolutions()(result)
    return to_proto(result)


def groups(model: onnx.ModelProto) -> list[int]:
    return [
        found.i
        for node in model.graph.node
        for found in node.attribute
        if node.op_type == "Conv" and found.name == "group" and found.i > 1
    ]


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize(("channels", "result"), [(28, 32), (72, 80), (120, 128), (32, 32)])
def test_channels_become_a_multiple_of_sixteen(channels: int, result: int, gate: bool) -> None:
    model = inverted_residual(channels, gate=gate)
    found = padded(model)
    onnx.checker.check_model(found, full_check=True)
    assert groups(found) == [result]
    inputs = random_inputs(model, seed=1)
    [exact], [same] = (OnnxRuntimeRunner(each).run(inputs).values() for each in (model, found))
    np.testing.assert_allclose(same, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [8, 17])
def test_few_channels_are_left_alone_as_many_more_would_cost_more(channels: int) -> None:
    assert groups(padded(inverted_residual(channels))) == [channels]


@pytest.mark.parametrize("reader", ["Softmax", "Flatten", "Erf"])
def test_channels_that_something_else_reads_are_left_alone(reader: str) -> None:
    assert groups(padded(inverted_residual(28, read_by=reader))) == [28]
