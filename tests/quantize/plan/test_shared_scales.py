"""Values of very different ranges that meet in a Concat: each is as exact for other readers as it would be alone."""

from collections import Counter

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize, quantize_within
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.quantize.target import Target
from zoosmith.validation import OnnxRuntimeRunner


def meeting(ratio: float, *, computed: bool, opset: int = 12) -> onnx.ModelProto:
    """A small value and one that is `ratio` times as large meet in a Concat; a convolution reads each of both.

    Args:
        ratio: of the two.
        computed: the small value is made by a convolution, not in float.
        opset: of the model.
    """
    net = Net([1, 8, 24, 24], opset=opset)
    small = net.conv("data", 8, 8, 3, pads=[1, 1, 1, 1]) if computed else net.add("Softplus", "data")
    small = net.add("Relu", small) if computed else small
    weights = net.normal(16, 8, 3, 3, spread=0.12 * ratio)
    large = net.add("Relu", net.add("Conv", "data", weights, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    of_both = net.conv(net.add("Concat", small, large, axis=1), 24, 24, 3)
    of_small = net.conv(small, 8, 32, 3)
    return net.model(of_both, of_small)


def errors(model: onnx.ModelProto, found: onnx.ModelProto, samples: Samples) -> list[float]:
    """Root mean square of the errors of each output over that of its values."""
    exact, runner = OnnxRuntimeRunner(model), OnnxRuntimeRunner(found)
    pairs = [list(zip(exact.run(each).values(), runner.run(each).values(), strict=True)) for each in samples]
    return [
        float(np.sqrt(sum(np.sum((a - b) ** 2) for a, b in output) / sum(np.sum(a**2) for a, _ in output)))
        for output in zip(*pairs, strict=True)
    ]


@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize(
    "target",
    [
        Target(every_layer=True),
        Target("qdq"),
        Target("qdq", signed=True),
        Target("qdq", symmetric=True),
    ],
)
def test_the_small_value_is_exact_for_its_other_reader_at_any_ratio(target: Target, computed: bool) -> None:
    model = meeting(100.0, computed=computed)
    samples = random_samples(model, 3)
    of_both, of_small = errors(model, quantize(model, samples, target=target), samples)
    assert of_both < 0.04
    assert of_small < 0.04


def test_a_value_of_the_net_is_encoded_again_from_its_float_form() -> None:
    model = meeting(100.0, computed=False)
    nodes = quantize(model, random_samples(model, 3), target=Target(every_layer=True)).graph.node
    readers = Counter(node.input[0] for node in nodes if node.op_type == "QuantizeLinear")
    assert max(readers.values()) == 2


@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_alike_values_share_a_scale_so_that_nothing_is_encoded_again(ratio: float) -> None:
    model = meeting(ratio, computed=True)
    operators = Counter(node.op_type for node in quantize(model, random_samples(model, 3)).graph.node)
    assert operators["QuantizeLinear"] == 1
    assert operators["DequantizeLinear"] == 2


def test_a_limit_that_is_missed_lets_more_values_keep_their_own_scale() -> None:
    model = meeting(3.0, computed=True)
    samples = random_samples(model, 3)
    loss = CosineLoss(model, samples)
    fastest = quantize_within(model, samples, loss, limit=1.0)
    wanted = quantize_within(model, samples, loss, limit=fastest.drop * 0.9)
    assert wanted.met
    assert wanted.kept == ()
    operators = Counter(node.op_type for node in wanted.model.graph.node)
    assert operators["QuantizeLinear"] == 2


@pytest.mark.parametrize("opset", [10, 12, 17])
def test_what_is_encoded_again_loads_at_any_opset(opset: int) -> None:
    model = meeting(100.0, computed=True, opset=opset)
    samples = random_samples(model, 2)
    found = quantize(model, samples, target=Target(every_layer=True))
    onnx.checker.check_model(found, full_check=True)
    assert max(errors(model, found, samples)) < 0.04


def test_a_reader_of_one_scale_before_a_concat_leaves_each_channel_its_own_behind_it() -> None:
    # an affine reads the Concat, which brings all scales along, though a convolution reads a part of it
    net = Net([1, 8, 24, 24])
    small = net.add("Relu", net.conv("data", 8, 8, 3, pads=[1, 1, 1, 1]))
    weights = net.normal(16, 8, 3, 3, spread=12.0)
    large = net.add("Relu", net.add("Conv", "data", weights, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    shares = np.repeat([1.0, 0.01], [8, 16]).astype(np.float32).reshape(24, 1, 1)
    even = net.add("Mul", net.add("Concat", small, large, axis=1), net.constant(shares))
    model = net.model(net.conv(small, 8, 8, 3), net.conv(even, 24, 24, 3))
    samples = random_samples(model, 3)
    found = quantize(model, samples, target=Target(every_layer=True))
    assert Counter(node.op_type for node in found.graph.node)["QuantizeLinear"] == 1
    assert max(errors(model, found, samples)) < 0.04
