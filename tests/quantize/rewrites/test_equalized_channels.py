"""Channels of very different sizes become alike, and the float model computes the same."""

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
from zoosmith.quantize.rewrites.equalized_channels import equalize_channels
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import compare, runner_for

# what the channels of a convolution are multiplied by
SIZES = np.geomspace(0.02, 1, 32).astype(np.float32)


def made(net: Net, source: str, name: str | None = None, kernel: int = 1) -> str:
    """A convolution whose channels have very different sizes."""
    weights = net.stream.randn(32, 32, kernel, kernel) / (32 * kernel**2) ** 0.5 * SIZES[:, None, None, None]
    return net.add(
        *("Conv", source, net.constant(weights.astype(np.float32)), net.constant(SIZES)),
        name=name,
        pads=[kernel // 2] * 4,
    )


def gated(net: Net) -> str:
    """Squeeze-and-excite behind a Relu."""
    x = net.add("Relu", made(net, "data", kernel=3), name="x")
    squeezed = net.add("Relu", net.conv(net.add("GlobalAveragePool", x), 32, 8, bias=True))
    gate = net.add("Sigmoid", net.conv(squeezed, 8, 32))
    return net.conv(net.add("Mul", x, gate), 32, 32, 3)


def residual(net: Net) -> str:
    """An Add of two convolutions, of which one reads the sum before."""
    x = net.add("Add", made(net, "data"), made(net, net.add("Tanh", "data")), name="x")
    y = net.add("Add", x, made(net, net.add("Relu", net.conv(x, 32, 32, 3, pads=[1, 1, 1, 1]))))
    flat = net.add("Flatten", net.add("GlobalAveragePool", net.add("Relu", y)))
    return net.add("Gemm", flat, net.normal(10, 32), transB=1)


def equalized(model: onnx.ModelProto) -> tuple[ir.Model, dict[str, Range], dict[str, Range], onnx.ModelProto]:
    """The model as it is quantized, the ranges before and after, and the model before."""
    prepared, samples = prepare(model), random_samples(model, 4)
    exact = to_proto(prepared)
    shapes = tensor_shapes(prepared, exact, samples)
    ranges = calibrate(exact, samples, tensors=shapes)
    return prepared, ranges, equalize_channels(prepared, shapes, ranges), exact


@pytest.mark.parametrize("part", [gated, residual])
def test_the_float_model_computes_the_same_of_channels_that_are_alike(part: object) -> None:
    net = Net([1, 32, 14, 14], opset=14)
    model = net.model(part(net))  # type: ignore[operator]
    prepared, before, after, exact = equalized(model)
    result, [inputs] = to_proto(prepared), random_samples(model, 1, seed=9)
    assert compare(runner_for(exact).run(inputs), runner_for(result).run(inputs), rtol=1e-4, atol=1e-5).passed
    reach = [found["x"].high.max() / np.median(found["x"].high) for found in (before, after)]
    assert reach[1] < 0.5 * reach[0]
    # ranges that were scaled are those that are measured
    measured = calibrate(result, random_samples(model, 4), tensors=after)
    for name, found in measured.items():
        for each, given in zip(vars(found).values(), vars(after[name]).values(), strict=True):
            np.testing.assert_allclose(each, given, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("part", [gated, residual])
def test_the_integer_model_loses_less(part: object, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Net([1, 32, 14, 14], opset=14)
    model = net.model(part(net))  # type: ignore[operator]

    def error() -> float:
        result = quantize(model, random_samples(model, 16), target=Target(every_layer=True))
        return summarize(model, result, random_samples(model, 8, seed=1000)).error

    alike = error()
    monkeypatch.setattr(quantizer, "equalize_channels", lambda model, shapes, ranges: ranges)
    assert alike < 0.9 * error()


def test_what_other_operators_read_keeps_its_size() -> None:
    net = Net([1, 32, 14, 14], opset=14)
    x = net.add("Add", made(net, "data"), made(net, net.add("Tanh", "data")), name="x")
    model = net.model(net.conv(net.add("Mul", x, net.add("HardSigmoid", x)), 32, 32))
    prepared, before, after, exact = equalized(model)
    assert before == after
    assert to_proto(prepared).SerializeToString() == exact.SerializeToString()


@pytest.mark.parametrize("length", [32, 20])
def test_a_product_over_another_axis_than_the_channels_is_left_alone(length: int) -> None:
    net = Net([1, 32, 4, length], opset=14)
    x = net.add("Add", made(net, "data"), made(net, net.add("Tanh", "data")), name="x")
    model = net.model(net.add("MatMul", x, net.normal(length, 5)))
    prepared, before, after, exact = equalized(model)
    assert before == after
    assert to_proto(prepared).SerializeToString() == exact.SerializeToString()
