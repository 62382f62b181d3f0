"""What each rounding costs the outputs, measured one by one."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from tests.quantize.all_integer import all_integer, all_steps
from zoosmith.optimize import to_proto
from zoosmith.quantize.calibration import Samples, calibrate
from zoosmith.quantize.plan.error_price import ErrorPrice, Sensitivity
from zoosmith.quantize.plan.partition import units
from zoosmith.quantize.plan.planning import integer_nodes, tensor_shapes
from zoosmith.quantize.plan.sensitivity import measure_sensitivity
from zoosmith.quantize.plan.shared_scales import choose_parameters
from zoosmith.quantize.quantizer import prepare
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import INTEGER
from zoosmith.validation import OnnxRuntimeRunner


def measured(model: onnx.ModelProto, samples: Samples) -> Sensitivity:
    """The sensitivity of all that may become integer."""
    prepared = prepare(model)
    exact = to_proto(prepared)
    ranges = calibrate(exact, samples, tensors=tensor_shapes(prepared, exact, samples))
    parameters = choose_parameters(prepared, all_steps(prepared), ranges, INTEGER)
    return measure_sensitivity(prepared, parameters, ranges, samples)


def error_of_integers(model: onnx.ModelProto, samples: Samples) -> float:
    """Energy of the error of the model with all in integers, over that of its outputs."""
    errors = values = 0.0
    real, integer = OnnxRuntimeRunner(model), OnnxRuntimeRunner(all_integer(model, samples).integer)
    for sample in samples:
        [wanted], [found] = real.run(sample).values(), integer.run(sample).values()
        errors, values = errors + float(np.sum((found - wanted) ** 2)), values + float(np.sum(wanted**2))
    return errors / values


@pytest.mark.parametrize("opset", [10, 12, 17])
def test_the_costs_of_single_roundings_add_up_to_that_of_the_integer_model(opset: int) -> None:
    net = Net([1, 8, 16, 16], opset=opset)
    x = net.add("Relu", net.conv("data", 8, 16, 3, bias=True))
    y = net.conv(x, 16, 16, 3, bias=True, pads=[1, 1, 1, 1])
    y = net.add("AveragePool", net.add("Add", x, y), kernel_shape=[2, 2], strides=[2, 2])
    model = net.model(net.conv(y, 16, 8))
    samples = random_samples(model, 4)
    found = measured(model, samples)
    total = sum(found.values.values()) + sum(found.weights.values())
    assert total == pytest.approx(error_of_integers(model, samples), rel=0.4)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("op_type", ["MatMul", "Gemm", "transposed Gemm"])
def test_products_are_measured_as_they_are_written(op_type: str, rows: int) -> None:
    net = Net([rows, 32])
    weights = net.stream.randn(32, 16).astype(np.float32)
    # a mean that is large beside the deviation: a bias takes what rounding adds to that, where there is one
    moved = net.add("Add", "data", net.constant(np.full((1, 1), 4, np.float32)))
    if op_type == "transposed Gemm":
        model = net.model(net.add("Gemm", moved, net.constant(np.ascontiguousarray(weights.T)), transB=1, alpha=0.5))
    else:
        model = net.model(net.add(op_type, moved, net.constant(weights)))
    samples = random_samples(model, 4)
    found = measured(model, samples)
    total = sum(found.values.values()) + sum(found.weights.values())
    assert total == pytest.approx(error_of_integers(model, samples), rel=0.4)


def test_the_output_itself_may_be_what_is_rounded() -> None:
    net = Net([1, 4, 8, 8])
    model = net.model(net.conv("data", 4, 4, name="last"))
    found = measured(model, random_samples(model, 2))
    assert set(found.values) == {"data", "last"}
    assert min(found.values.values()) > 1e-6


def test_logits_are_compared_where_the_output_is_a_probability() -> None:
    def build(*, ending: bool) -> onnx.ModelProto:
        net = Net([1, 4, 8, 8])
        logits = net.add("Mul", net.add("Erf", net.conv("data", 4, 4)), net.constant(np.float32(100)))
        return net.model(net.add("Softmax", logits, axis=1) if ending else logits)

    plain, saturated = (measured(build(ending=ending), random_samples(build(ending=ending), 2)) for ending in (0, 1))
    assert list(plain.values.values()) == list(saturated.values.values())


def test_a_higher_price_of_errors_leaves_fewer_steps_in_integers() -> None:
    net = Net([1, 64, 28, 28])
    x = "data"
    for index in range(4):
        x = net.add("Tanh", net.conv(x, 64, 64, 3, bias=True, name=f"conv{index}"))
    model = net.model(x)
    samples = random_samples(model, 2)
    sensitivity = measured(model, samples)
    prepared = prepare(model)
    shapes = tensor_shapes(prepared, to_proto(prepared), samples)
    counts = [
        len(integer_nodes(prepared, shapes, errors=ErrorPrice(sensitivity, price))) for price in np.logspace(0, 9, 19)
    ]
    assert counts[0] == 4 and counts[-1] == 0
    assert counts == sorted(counts, reverse=True)


def test_weights_in_float_are_stored_as_float_where_their_errors_cost_more_than_their_size() -> None:
    net = Net([1, 64, 8, 8])
    model = prepare(net.model(net.conv("data", 64, 64, name="conv")))
    [step] = units(model)
    sensitivity = Sensitivity({}, {"conv": 0.01})
    assert not ErrorPrice(sensitivity, 1.0).wants_float_weights(step)
    assert ErrorPrice(sensitivity, 1000.0).wants_float_weights(step)
