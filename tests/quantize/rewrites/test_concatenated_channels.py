"""Channels of very different sizes that meet in a Concat share its one scale, and the float model computes the same."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.optimize.nets import Net
from zoosmith.optimize import to_proto
from zoosmith.quantize import quantize, quantizer
from zoosmith.quantize.calibration import Range, calibrate
from zoosmith.quantize.plan.planning import tensor_shapes
from zoosmith.quantize.quantizer import prepare
from zoosmith.quantize.report import summarize
from zoosmith.quantize.rewrites.concatenated_channels import equalize_concatenated
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import compare, runner_for

QDQ = Target("qdq")


def made(net: Net, source: str, size: float) -> str:
    """A convolution to 8 channels whose values are about as large as `size`."""
    channels = 16 if source != "data" else 8
    weights = net.stream.randn(8, channels, 1, 1) * size / channels**0.5
    return net.add("Conv", source, net.constant(weights.astype(np.float32)), net.normal(8, spread=size))


def affine(net: Net, source: str, *of_eight: float) -> str:
    """A BatchNormalization that makes eight channels of each size alike, and its Relu."""
    sizes = np.repeat(of_eight, 8)
    scale, bias = (net.stream.uniform(0.5, 1.5, len(sizes)) for _ in range(2))
    numbers = [scale, bias, sizes * net.stream.randn(len(sizes)), sizes**2]
    constants = [net.constant(number.astype(np.float32)) for number in numbers]
    return net.add("Relu", net.add("BatchNormalization", source, *constants))


def dense_block(net: Net) -> str:
    """Two layers of a DenseNet, the second one behind both Concats."""
    x = net.add("MaxPool", net.add("Relu", made(net, "data", 30)), kernel_shape=[1, 1])
    first = net.add("Concat", x, made(net, "data", 0.5), axis=1)
    y = made(net, affine(net, first, 30, 0.5), 2)
    return net.conv(affine(net, net.add("Concat", first, y, axis=1), 30, 0.5, 2), 24, 8)


def changed(model: onnx.ModelProto) -> tuple[onnx.ModelProto, onnx.ModelProto, dict[str, Range], dict[str, Range]]:
    """The float model before and after it, and the ranges."""
    prepared: ir.Model = prepare(model, QDQ)
    exact, samples = to_proto(prepared), random_samples(model, 4)
    ranges = calibrate(exact, samples, tensors=tensor_shapes(prepared, exact, samples))
    after = equalize_concatenated(prepared, ranges)
    return exact, to_proto(prepared), ranges, after


def test_the_float_model_computes_the_same_and_the_ranges_are_those_that_are_measured() -> None:
    net = Net([1, 8, 10, 10], opset=13)
    model = net.model(dense_block(net))
    exact, result, _, after = changed(model)
    [inputs] = random_samples(model, 1, seed=9)
    assert compare(runner_for(exact).run(inputs), runner_for(result).run(inputs), rtol=1e-4, atol=1e-5).passed
    for name, found in calibrate(result, random_samples(model, 4), tensors=after).items():
        for each, given in zip(vars(found).values(), vars(after[name]).values(), strict=True):
            np.testing.assert_allclose(each, given, rtol=1e-3, atol=1e-4)


def test_channels_that_meet_reach_as_far_as_the_largest() -> None:
    net = Net([1, 8, 10, 10], opset=13)
    exact, _, before, after = changed(net.model(dense_block(net)))
    [last] = [node.output[0] for node in exact.graph.node if node.op_type == "Concat"][1:]
    reaches = [np.maximum(np.abs(found[last].low), np.abs(found[last].high)) for found in (before, after)]
    assert reaches[0].min() < 0.1 * reaches[0].max()
    assert reaches[1].min() > 0.9 * reaches[1].max()


@pytest.mark.parametrize("opset", [12, 13])
def test_the_qdq_form_loses_less(opset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net([1, 8, 10, 10], opset=opset)
    model = net.model(dense_block(net))

    def error() -> float:
        result = quantize(model, random_samples(model, 16), target=QDQ)
        return summarize(model, result, random_samples(model, 8, seed=1000), QDQ).error

    alike = error()
    monkeypatch.setattr(quantizer, "equalize_concatenated", lambda model, ranges: ranges)
    assert alike < 0.5 * error()


@pytest.mark.parametrize("reader", ["Conv", "output"])
def test_channels_that_something_else_than_affines_reads_keep_their_size(reader: str) -> None:
    net = Net([1, 8, 10, 10], opset=13)
    joined = net.add("Concat", made(net, "data", 30), made(net, "data", 0.5), axis=1)
    behind = net.conv(affine(net, joined, 30, 0.5), 16, 4)
    model = net.model(behind, *([joined] if reader == "output" else [net.conv(joined, 16, 4)]))
    exact, result, before, after = changed(model)
    assert before == after
    assert result.SerializeToString() == exact.SerializeToString()
