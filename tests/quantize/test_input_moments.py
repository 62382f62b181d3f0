"""What weights multiply: its mean and covariance give those of the layer's output."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize import to_ir
from zoosmith.quantize.input_moments import measure_moments, weights_of_outputs
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.writing.second_order import round_by_covariance
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
    assert measured == nodes[2:]


def test_few_positions_of_a_large_image_suffice() -> None:
    net = Net([1, 2, 256, 256])
    model = net.model(net.conv("data", 2, 2))
    [(_, few)] = measure_moments(model, list(to_ir(model).graph), random_samples(model, 2))
    variance = np.einsum("gkk->gk", few.covariance)
    np.testing.assert_allclose(variance, variance.mean(), rtol=0.2)


def test_values_far_from_zero_keep_their_covariance() -> None:
    net = Net([4, 3, 8, 8])
    near = net.add("Relu", "data")
    far = net.add("Add", near, net.constant(np.full((1, 1, 1, 1), 3e4, np.float32)))
    model = net.model(net.conv(near, 3, 2), net.conv(far, 3, 2))
    layers = [node for node in to_ir(model).graph if node.op_type == "Conv"]
    (_, of_near), (_, of_far) = measure_moments(model, layers, random_samples(model, 8))
    np.testing.assert_allclose(of_far.mean, of_near.mean + 3e4, rtol=1e-6)
    # float32 has steps of 0.002 there
    np.testing.assert_allclose(of_far.covariance, of_near.covariance, atol=2e-3)
    weights = np.random.RandomState(0).randn(2, 3)
    assert np.isfinite(round_by_covariance(weights, np.full(2, 0.02), of_far.covariance, neighbours=True)).all()


def test_a_layer_of_values_whose_squares_float32_does_not_hold_is_left_out() -> None:
    net = Net([1, 3, 4, 4])
    model = net.model(net.conv(net.add("Mul", "data", net.constant(np.array(1e25, np.float32))), 3, 2))
    layers = [node for node in to_ir(model).graph if node.op_type == "Conv"]
    assert list(measure_moments(model, layers, random_samples(model, 2))) == []


@pytest.mark.parametrize("shape", [["N", 6, 5, 5], ["N", 6]])
def test_samples_without_a_value_tell_nothing(shape: list[int | str]) -> None:
    net = Net(shape)
    weights = net.normal(4, 6, 1, 1) if len(shape) == 4 else net.normal(6, 4)
    model = net.model(net.add("Conv" if len(shape) == 4 else "MatMul", "data", weights))
    sizes = [size for size in shape if isinstance(size, int)]
    some, none = ({"data": np.random.RandomState(1).randn(count, *sizes).astype(np.float32)} for count in (2, 0))
    [(_, wanted)] = measure_moments(model, list(to_ir(model).graph), [some, some])
    [(_, found)] = measure_moments(model, list(to_ir(model).graph), [some, none, some])
    np.testing.assert_allclose(found.covariance, wanted.covariance, rtol=1e-5)
