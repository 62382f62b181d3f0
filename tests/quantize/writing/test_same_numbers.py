"""HardSigmoid, HardSwish and affines on the numbers of what they read."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import to_ir
from zoosmith.quantize import quantize
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.quantize.writing.same_numbers import needed_bounds

EVERY_LAYER = Target(every_layer=True)


def hard_swish(size: float, *, opset: int = 14, other: bool = False) -> onnx.ModelProto:
    """Two convolutions of 64 channels with a HardSwish between, of values of about that size."""
    net = Net([1, 64, 28, 28], opset=opset)
    weights = net.normal(64, 64, 1, 1, spread=size / 8)
    x = net.add("Conv", "data", weights, net.normal(64, spread=0.1), name="read")
    y = net.add("Mul", x, net.add("HardSigmoid", x, alpha=1 / 6, name="gate"), name="product")
    outputs = [net.conv(y, 64, 64, name="last")]
    return net.model(*outputs, *([net.add("Neg", x)] if other else []))


def made_by(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    [node] = [node for node in model.graph.node if name in node.output]
    return node


def scale_of(model: onnx.ModelProto, tensor: str) -> float:
    """That a DequantizeLinear of the tensor states."""
    [name] = {
        node.input[1] for node in model.graph.node if node.op_type == "DequantizeLinear" and tensor == node.input[0]
    }
    return next(numpy_helper.to_array(each).item() for each in model.graph.initializer if each.name == name)


@pytest.mark.parametrize("size", [1.0, 4.0, 40.0])
def test_a_hard_sigmoid_cuts_the_numbers_that_it_reads(size: float) -> None:
    model = hard_swish(size)
    result = quantize(model, random_samples(model, 16), target=EVERY_LAYER)
    onnx.checker.check_model(result, full_check=True)
    gate = made_by(result, "gate_quantized")
    assert (gate.op_type, gate.input[0]) == ("Clip", "read_quantized")
    # a step of the gate is a sixth of one of what it reads, by the slope
    assert np.isclose(
        scale_of(result, "gate_quantized") * 6, scale_of(result, "read_quantized"), rtol=0.1 if size > 4 else 1e-6
    )
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02


def test_numbers_are_not_spent_on_what_hard_swish_makes_zero() -> None:
    only, also = (hard_swish(4.0, other=other) for other in (False, True))
    scales = [
        scale_of(quantize(model, random_samples(model, 16), target=EVERY_LAYER), "read_quantized")
        for model in (only, also)
    ]
    # values from -3 on, where those below are as many and as large as those above
    assert scales[0] < 0.7 * scales[1]


@pytest.mark.parametrize(("size", "opset"), [(4.0, 11), (1000.0, 14)])
def test_it_is_a_convolution_where_clip_takes_no_uint8_or_steps_are_too_large(size: float, opset: int) -> None:
    model = hard_swish(size, opset=opset)
    result = quantize(model, random_samples(model, 16), target=EVERY_LAYER)
    assert made_by(result, "gate_quantized").op_type == "QLinearConv"
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02


def test_the_bounds_of_what_a_gate_alone_reads_are_those_of_its_slope() -> None:
    net = Net([1, 4, 1, 1], opset=14)
    x = net.add("Relu", "data", name="x")
    model = to_ir(net.model(net.add("HardSigmoid", x, alpha=0.25, beta=0.75)))
    value = model.graph[0].outputs[0]
    assert needed_bounds(value, model.graph.outputs) == (-3.0, 1.0)
    assert needed_bounds(value, [value]) == (-np.inf, np.inf)


def shifted(shift: float, padding: int) -> onnx.ModelProto:
    """A HardSwish, times 2 plus a shift, between convolutions."""
    net = Net([1, 64, 28, 28], opset=14)
    x = net.add("HardSwish", net.conv("data", 64, 64, bias=True), name="source")
    x = net.add("Add", x, net.constant(np.array(shift, np.float32)), name="affine")
    return net.model(net.conv(x, 64, 64, 3, pads=[padding] * 4))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("shift", [0.3, -0.1])
def test_an_affine_of_one_shift_has_the_numbers_of_what_it_reads(shift: float, padding: int) -> None:
    model = shifted(shift, padding)
    result = quantize(model, random_samples(model, 16), target=EVERY_LAYER)
    onnx.checker.check_model(result, full_check=True)
    assert [node.op_type for node in result.graph.node if node.op_type == "QLinearConv"] == ["QLinearConv"] * 2
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02


def test_an_affine_that_float_operators_read_as_well_is_written() -> None:
    net = Net([1, 64, 28, 28], opset=14)
    x = net.add("HardSwish", net.conv("data", 64, 64, bias=True))
    x = net.add("Add", x, net.constant(np.array(0.3, np.float32)), name="affine")
    model = net.model(net.conv(x, 64, 64, 3), net.add("Erf", x))
    result = quantize(model, random_samples(model, 16), target=EVERY_LAYER)
    assert [node.op_type for node in result.graph.node if node.op_type == "QLinearConv"] == ["QLinearConv"] * 3
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02
