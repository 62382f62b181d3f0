"""Layers that share weights in float share them in integers."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import runner_for


def one_layer_many_times(times: int) -> onnx.ModelProto:
    net = Net([1, 8, 64], opset=13)
    weights, x = net.normal(64, 64, spread=1 / 8), "data"
    for _ in range(times):
        x = net.add("Tanh", net.add("MatMul", x, weights))
    return net.model(x)


@pytest.mark.parametrize(
    "target", [Target(every_layer=True), Target("qdq"), Target()], ids=["integer", "qdq", "stored as int8"]
)
def test_equal_weights_are_written_once(target: Target) -> None:
    model = one_layer_many_times(4)
    samples = random_samples(model, 4)
    made = quantize(model, samples, target=target)
    assert [tensor.dims for tensor in made.graph.initializer if tensor.dims == [64, 64]] == [[64, 64]]
    for sample in samples:
        [[wanted], [found]] = (list(runner_for(each).run(sample).values()) for each in (model, made))
        assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.99
