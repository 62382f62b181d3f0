"""What weights multiply: its mean and covariance give those of the layer's output."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize import to_ir
from zoosmith.optimize.values import input_constant
from zoosmith.quantize.input_moments import measure_moments, weights_of_outputs
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.validation import OnnxRuntimeRunner

CONVOLUTIONS = {
    "of a sequence": ([2, 6, 9], (4, 6, 3), {"pads": [1, 0]}),
    "1 x 1": ([1, 6, 5, 4], (4, 6, 1, 1), {}),
    "padded": ([2, 6, 7, 5], (4, 6, 3, 2), {"pads": [1, 0, 2, 1]}),
    "strided": ([1, 6, 9, 8], (4, 6, 3, 3), {"strides": [2, 3], "pads": [1, 1, 1, 1]}),
    "dilated": ([1, 6, 9, 9], (4, 6, 3, 2), {"dilations": [2, 3]}),
    "in groups": ([1, 6, 6, 6], (4, 3, 3, 3), {"group": 2}),
    "depthwise": ([1, 6, 6, 6], (12, 1, 3, 3), {"group": 6, "strides": [2, 1]}),
    "of a volume": ([1, 4, 4, 5, 6], (3, 4, 2, 1, 3), {"pads": [1, 0, 0, 0, 0, 1]}),
}


def held_against_outputs(model: onnx.ModelProto, weights: Array, channel: int) -> None:
    """Mean and variance of each output channel, from the moments and from the outputs that ONNX Runtime makes."""
    samples = random_samples(model, 3)
    graph = to_ir(model)
    [(_, moments)] = measure_moments(model, list(graph.graph), samples)
    rows = weights_of_outputs(weights).reshape(len(moments.mean), -1, moments.mean.shape[1])
    runner = OnnxRuntimeRunner(model)
    outputs = np.concatenate(
        [
            np.moveaxis(value, channel, 0).reshape(len(weights), -1)
            for case in samples
            for value in runner.run(case).values()
        ],
        axis=1,
    )
    mean = np.einsum("gok,gk->go", rows, moments.mean).reshape(-1)
    variance = np.einsum("gok,gkl,gol->go", rows, moments.covariance, rows).reshape(-1)
    np.testing.assert_allclose(mean, outputs.mean(axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(variance, outputs.var(axis=1), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_moments_of_a_convolution_give_those_of_its_outputs(kind: str) -> None:
    shape, size, attributes = CONVOLUTIONS[kind]
    net = Net(shape)
    weights = net.stream.randn(*size).astype(np.float32)
    model = net.model(net.add("Conv", "data", net.constant(weights), **attributes))
    held_against_outputs(model, weights, 1)


@pytest.mark.parametrize("kind", ["MatMul", "Gemm", "Gemm of transposed weights", "Gemm of a transposed input"])
def test_moments_of_a_product_give_those_of_its_outputs(kind: str) -> None:
    net = Net([5, 8] if "input" in kind else [7, 5])
    inputs = 5
    weights = net.stream.randn(4, inputs).astype(np.float32)
    if kind == "MatMul":
        made = net.add("MatMul", "data", net.constant(np.ascontiguousarray(weights.T)))
    elif kind == "Gemm of transposed weights":
        made = net.add("Gemm", "data", net.constant(weights), transB=1)
    else:
        made = net.add("Gemm", "data", net.constant(np.ascontiguousarray(weights.T)), transA=int("input" in kind))
    held_against_outputs(net.model(made), weights, 1)


def test_layers_of_the_same_weights_are_left_out() -> None:
    net = Net([1, 6, 5, 5])
    weights = net.stream.randn(6, 6, 1, 1).astype(np.float32)
    x = net.add("Conv", "data", net.constant(weights))
    x = net.add("Conv", net.add("Tanh", x), net.constant(weights.copy()))
    model = net.model(net.conv(net.add("Tanh", x), 6, 4))
    graph = to_ir(model)
    nodes = [node for node in graph.graph if node.op_type == "Conv"]
    measured = [node for node, _ in measure_moments(model, nodes, random_samples(model, 2))]
    assert [input_constant(node, 1).shape for node in measured] == [(4, 6, 3, 3)] or measured == nodes[2:]


def test_few_positions_of_a_large_image_suffice() -> None:
    net = Net([1, 2, 256, 256])
    model = net.model(net.conv("data", 2, 2))
    [(_, few)] = measure_moments(model, list(to_ir(model).graph), random_samples(model, 2))
    variance = np.einsum("gkk->gk", few.covariance)
    np.testing.assert_allclose(variance, variance.mean(), rtol=0.2)
